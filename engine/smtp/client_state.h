// engine/smtp/client_state.h: what client.c, client_hear.c and client_say.c share: the two queues
// (groups of commands, awaited replies), the one function that changes the turn, the invariants.
#ifndef POSTHASTE_SMTP_CLIENT_STATE_H
#define POSTHASTE_SMTP_CLIENT_STATE_H

#include "engine/base/check.h"
#include "engine/smtp/client.h"

_Static_assert((SMTP_PENDING_MAX & (SMTP_PENDING_MAX - 1)) == 0, "indices wrap by a mask");

// Every awaited reply of a group is in the queue, once: a walk, for test builds.
bool client_awaited_add_up(const struct smtp_client *c);

// NULL, or the reply with which we refuse, ourselves, what cannot be said to this
// server.
const struct reply *client_unsayable(const struct smtp_client *c, const struct smtp_transaction *t);

#define TURN_BIT(turn) (1u << (turn))
#define TURNS_IN_GROUP                                                                             \
    (TURN_BIT(SMTP_TURN_RSET) | TURN_BIT(SMTP_TURN_MAIL) | TURN_BIT(SMTP_TURN_RCPT) |              \
     TURN_BIT(SMTP_TURN_DATA) | TURN_BIT(SMTP_TURN_GO_AHEAD) | TURN_BIT(SMTP_TURN_CONTENT) |       \
     TURN_BIT(SMTP_TURN_LONE_DOT) | TURN_BIT(SMTP_TURN_BDAT))

static inline bool client_turn_is(const struct smtp_client *c, unsigned turn_bits)
{
    return (TURN_BIT(c->turn) & turn_bits) != 0;
}

// Run at every door.
static inline void smtp_client_check(const struct smtp_client *c)
{
    CHECK(c->pending_count <= SMTP_PENDING_MAX);
    CHECK(c->group_count <= SMTP_GROUPS_MAX);
    CHECK(c->said_count <= c->group_count);
    CHECK(!client_turn_is(c, TURNS_IN_GROUP) || c->said_count < c->group_count);
    if (c->group_count > 0) {
        const struct smtp_group *g = &c->groups[c->group_first];
        CHECK(g->rcpt_accepted <= g->rcpt_answered);
        CHECK(g->rcpt_answered <= g->rcpt_said);
        CHECK(g->t == NULL || g->rcpt_said <= g->t->rcpt_count);
    }
    DCHECK(c->closed || client_awaited_add_up(c));
}

// The diagram: which turns may follow each.
extern const uint32_t client_turns_after[SMTP_TURN_COUNT];

// The one function that changes c->turn.
static inline void client_turn(struct smtp_client *c, enum smtp_turn next)
{
    CHECK(next == SMTP_TURN_NONE || (client_turns_after[c->turn] & TURN_BIT(next)) != 0);
    c->turn = next;
}

// Where the i-th group stands; the oldest is 0.
static inline unsigned client_group_at(const struct smtp_client *c, unsigned i)
{
    unsigned at = c->group_first + i;
    return at < SMTP_GROUPS_MAX ? at : at - SMTP_GROUPS_MAX;
}

static inline struct smtp_group *client_oldest(struct smtp_client *c)
{
    CHECK(c->group_count > 0);
    return &c->groups[c->group_first];
}

// The group whose commands are being said; only while the turn is in a group.
static inline struct smtp_group *client_writing(struct smtp_client *c)
{
    CHECK(c->said_count < c->group_count);
    return &c->groups[client_group_at(c, c->said_count)];
}

static inline enum smtp_phase client_oldest_pending(const struct smtp_client *c)
{
    return (enum smtp_phase)c->pending[c->pending_first];
}

static inline bool client_uses(const struct smtp_client *c, enum smtp_extension extension)
{
    return (c->offered & ~c->options.ignore & (uint32_t)extension) != 0;
}

// What the server offers, and we use, decides.
static inline enum smtp_pace client_pace(const struct smtp_client *c)
{
    if (!client_uses(c, SMTP_PIPELINING))
        return SMTP_LOCKSTEP;
    return client_uses(c, SMTP_CHUNKING) && c->options.window > 1 ? SMTP_STREAMED : SMTP_PIPELINED;
}

static inline void client_expect(struct smtp_client *c, enum smtp_phase phase)
{
    CHECK(c->pending_count < SMTP_PENDING_MAX);
    c->pending[(c->pending_first + c->pending_count) & (SMTP_PENDING_MAX - 1)] = (uint8_t)phase;
    c->pending_count++;
}

static inline void client_expect_for(struct smtp_client *c, struct smtp_group *g,
                                     enum smtp_phase phase)
{
    g->awaited++;
    client_expect(c, phase);
}

// --- endings

static inline void client_closed(struct smtp_client *c, struct smtp_event *e, const char *why)
{
    client_turn(c, SMTP_TURN_NONE);
    c->closed = true;
    c->ready = false;
    e->kind = SMTP_CLOSED;
    e->why = why;
}

// We no longer know what the server believes, nor what its next replies would answer.
static inline void client_broke_rules(struct smtp_client *c, struct smtp_event *e, const char *why)
{
    client_closed(c, e, why);
    e->broke_rules = c->group_count > 0;
}

// A reply of another class than its command may have.
static inline void client_out_of_step(struct smtp_client *c, struct smtp_event *e)
{
    client_broke_rules(c, e, "reply out of step with its command");
}

enum client_answer { ANSWER_YES, ANSWER_GO_AHEAD, ANSWER_NO };

static inline enum client_answer client_answer_of(const struct smtp_event *e)
{
    unsigned code = e->reply->code;
    return code < 300 ? ANSWER_YES : code < 400 ? ANSWER_GO_AHEAD : ANSWER_NO;
}

// --- client_opening.c: what comes before the session is ready

// A reply to one of its commands.
void client_on_opening(struct smtp_client *c, struct smtp_event *e);
// A line of the reply to EHLO has come, maybe: it stands in the parser.
void client_on_ehlo_line(struct smtp_client *c);

// The writer leaves its group: all is said, or the rest is not worth saying.
static inline void client_leave_group(struct smtp_client *c)
{
    client_turn(c, SMTP_TURN_NEXT);
    c->said_count++;
}

#endif
