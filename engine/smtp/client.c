// The session's diagram, its invariants and its doors, but for two: smtp_client_feed() is in
// client_hear.c, smtp_client_fill() in client_say.c.
#include "engine/smtp/client_state.h"

// Which turns may follow which. Any turn may be the last one.
const uint32_t client_turns_after[SMTP_TURN_COUNT] = {
    [SMTP_TURN_SERVER] = TURN_BIT(SMTP_TURN_EHLO) | TURN_BIT(SMTP_TURN_HELO) |
                         TURN_BIT(SMTP_TURN_STARTTLS) | TURN_BIT(SMTP_TURN_HANDSHAKE) |
                         TURN_BIT(SMTP_TURN_AUTH) | TURN_BIT(SMTP_TURN_NEXT),
    [SMTP_TURN_EHLO] = TURN_BIT(SMTP_TURN_SERVER),
    [SMTP_TURN_HELO] = TURN_BIT(SMTP_TURN_SERVER),
    [SMTP_TURN_STARTTLS] = TURN_BIT(SMTP_TURN_SERVER),
    [SMTP_TURN_HANDSHAKE] = TURN_BIT(SMTP_TURN_EHLO),
    [SMTP_TURN_AUTH] = TURN_BIT(SMTP_TURN_SERVER),
    [SMTP_TURN_NEXT] = TURN_BIT(SMTP_TURN_RSET) | TURN_BIT(SMTP_TURN_MAIL),
    [SMTP_TURN_RSET] = TURN_BIT(SMTP_TURN_MAIL),
    [SMTP_TURN_MAIL] = TURN_BIT(SMTP_TURN_RCPT),
    [SMTP_TURN_RCPT] = TURN_BIT(SMTP_TURN_DATA) | TURN_BIT(SMTP_TURN_BDAT) |
                       TURN_BIT(SMTP_TURN_NEXT),
    [SMTP_TURN_DATA] = TURN_BIT(SMTP_TURN_GO_AHEAD) | TURN_BIT(SMTP_TURN_NEXT),
    [SMTP_TURN_GO_AHEAD] = TURN_BIT(SMTP_TURN_CONTENT) | TURN_BIT(SMTP_TURN_LONE_DOT) |
                           TURN_BIT(SMTP_TURN_NEXT),
    [SMTP_TURN_CONTENT] = TURN_BIT(SMTP_TURN_NEXT),
    [SMTP_TURN_LONE_DOT] = TURN_BIT(SMTP_TURN_NEXT),
    [SMTP_TURN_BDAT] = TURN_BIT(SMTP_TURN_NEXT),
};

bool client_awaited_add_up(const struct smtp_client *c)
{
    unsigned in_groups = 0;
    unsigned in_queue = 0;
    for (unsigned i = 0; i < c->group_count; i++)
        in_groups += c->groups[client_group_at(c, i)].awaited;
    for (unsigned i = 0; i < c->pending_count; i++) {
        unsigned phase = c->pending[(c->pending_first + i) & (SMTP_PENDING_MAX - 1)];
        in_queue += phase == SMTP_PHASE_MAIL || phase == SMTP_PHASE_RCPT ||
                    phase == SMTP_PHASE_DATA || phase == SMTP_PHASE_CONTENT ||
                    phase == SMTP_PHASE_RSET;
    }
    return in_groups == in_queue;
}

// ----------------------------------------------------------------------------------- doors

void smtp_client_init(struct smtp_client *c, const struct smtp_client_options *options)
{
    CHECK(options->window >= 1 && options->window <= SMTP_WINDOW_MAX);
    CHECK(options->helo_name.len > 0 && options->helo_name.len <= SMTP_HELO_BYTES_MAX);
    CHECK(options->user.len <= SMTP_LOGIN_BYTES_MAX &&
          options->password.len <= SMTP_LOGIN_BYTES_MAX);
    memset(c, 0, offsetof(struct smtp_client, parser));
    reply_parser_init(&c->parser);
    c->options = *options;
    client_expect(c, SMTP_PHASE_GREETING);
    smtp_client_check(c);
}

void smtp_client_secured(struct smtp_client *c)
{
    CHECK(c->turn == SMTP_TURN_HANDSHAKE && c->pending_count == 0);
    c->secured = true;
    c->offered = 0;
    c->size_max = 0;
    c->limits = (struct smtp_limits){0};
    client_turn(c, SMTP_TURN_EHLO);
}

void smtp_client_release(struct smtp_client *c)
{
    client_turn(c, SMTP_TURN_NONE);
    c->closed = true; // holds no memory of its own
}

static inline unsigned live_max(const struct smtp_client *c)
{
    if (c->pace == SMTP_STREAMED)
        return c->options.window;
    // One that may stream comes to an end first.
    return c->pace == SMTP_PIPELINED && c->options.window > 1 && client_pace(c) == SMTP_PIPELINED
               ? 2
               : 1;
}

static inline bool can_start(const struct smtp_client *c)
{
    if (!c->ready || c->quit_wanted || c->close_next || c->unsayable)
        return false;
    unsigned live = c->group_count;
    if (live > 0 && c->groups[c->group_first].t == NULL)
        live--;
    return live < live_max(c);
}

bool smtp_client_can_start(const struct smtp_client *c)
{
    return can_start(c);
}

void smtp_client_set_window(struct smtp_client *c, uint16_t window)
{
    CHECK(window >= 1 && window <= SMTP_WINDOW_MAX);
    c->options.window = window;
    if (c->ready && c->group_count == 0)
        c->pace = client_pace(c);
}

bool smtp_client_start(struct smtp_client *c, const struct smtp_transaction *t)
{
    smtp_client_check(c);
    CHECK(can_start(c));
    CHECK(t->rcpt_count > 0 && t->rcpt_count <= SMTP_RCPTS_PER_TRANSACTION_MAX);
    CHECK(content_is_whole(&t->content));
    c->unsayable_reply = client_unsayable(c, t);
    if (c->unsayable_reply) {
        c->unsayable = t;
        return false;
    }
    c->groups[client_group_at(c, c->group_count)] = (struct smtp_group){.t = t, .tag = t->tag};
    c->group_count++;
    return true;
}

void smtp_client_quit(struct smtp_client *c)
{
    c->quit_wanted = true;
}

bool smtp_client_idle(const struct smtp_client *c)
{
    return c->group_count == 0 && c->pending_count == 0 && !c->unsayable;
}

bool smtp_client_awaits(const struct smtp_client *c, enum smtp_phase *ret_phase)
{
    if (c->pending_count == 0 || c->closed)
        return false;
    *ret_phase = client_oldest_pending(c);
    return true;
}

uint32_t smtp_client_extensions(const struct smtp_client *c)
{
    return c->offered;
}

uint64_t smtp_client_size_max(const struct smtp_client *c)
{
    return c->size_max;
}

struct smtp_limits smtp_client_limits(const struct smtp_client *c)
{
    return c->limits;
}

uint64_t smtp_client_replies(const struct smtp_client *c)
{
    return c->reply_count;
}

bool smtp_client_has_answered(const struct smtp_client *c)
{
    return c->answered;
}

bool smtp_client_unfinished(const struct smtp_client *c, uint32_t i, struct smtp_unfinished *ret)
{
    for (unsigned at = 0; at < c->group_count; at++) {
        const struct smtp_group *g = &c->groups[client_group_at(c, at)];
        if (g->t == NULL || i-- > 0)
            continue;
        *ret = (struct smtp_unfinished){.tag = g->tag,
                                        .written = g->written && !c->ended_by_421,
                                        .answered = g->answered,
                                        .end_bytes = g->end_bytes};
        return true;
    }
    if (!c->unsayable || i > 0)
        return false;
    *ret = (struct smtp_unfinished){.tag = c->unsayable->tag};
    return true;
}
