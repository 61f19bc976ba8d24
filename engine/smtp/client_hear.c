// What replies do to the session: smtp_client_feed(). What they let us say is client_say.c's.
#include "engine/smtp/client_state.h"

// A group that has ended and awaits nothing more makes room.
static void retire(struct smtp_client *c)
{
    if (client_oldest(c)->awaited > 0 || c->said_count == 0)
        return;
    c->group_first = (uint16_t)client_group_at(c, 1);
    c->group_count--;
    c->said_count--;
}

// The transaction has its verdict; the owner has it back.
static void done(struct smtp_client *c, struct smtp_group *g, struct smtp_event *e)
{
    CHECK(g->t != NULL);
    g->t = NULL;
    e->kind = SMTP_DONE;
    e->end_bytes = g->written ? g->end_bytes : c->said_bytes;
}

static bool is_being_said(struct smtp_client *c, const struct smtp_group *g)
{
    return client_turn_is(c, TURNS_IN_GROUP) && client_writing(c) == g;
}

// ------------------------------------------------------- replies, one function a command

static void on_rset(struct smtp_client *c, struct smtp_event *e)
{
    switch (client_answer_of(e)) {
    case ANSWER_YES: break;
    case ANSWER_GO_AHEAD: client_out_of_step(c, e); break;
    case ANSWER_NO:
        client_closed(c, e, "RSET refused");
        break; // whose transaction would MAIL meet?
    }
}

// What is pipelined behind a refused MAIL will be refused, too, and MAIL's reply says why: it is
// the verdict. What is not said yet is not said at all; after DATA its reply is waited for.
static void on_mail_refused(struct smtp_client *c, struct smtp_group *g, struct smtp_event *e)
{
    const unsigned unsaid = TURN_BIT(SMTP_TURN_RCPT) | TURN_BIT(SMTP_TURN_DATA) |
                            TURN_BIT(SMTP_TURN_BDAT);
    if (is_being_said(c, g) && client_turn_is(c, unsaid))
        client_leave_group(c);
    c->needs_rset = c->pace == SMTP_STREAMED;
    done(c, g, e);
}

static void on_mail(struct smtp_client *c, struct smtp_group *g, struct smtp_event *e)
{
    switch (client_answer_of(e)) {
    case ANSWER_YES: g->mail_accepted = true; break;
    case ANSWER_GO_AHEAD: client_out_of_step(c, e); break;
    case ANSWER_NO: on_mail_refused(c, g, e); break;
    }
}

static void on_rcpt_refused(struct smtp_client *c, struct smtp_group *g, struct smtp_event *e)
{
    const unsigned all_rcpts_said = TURN_BIT(SMTP_TURN_DATA) | TURN_BIT(SMTP_TURN_BDAT);
    if (g->t == NULL)
        return; // MAIL was refused: that was the verdict
    if (is_being_said(c, g) && client_turn_is(c, all_rcpts_said) && g->rcpt_accepted == 0 &&
        g->rcpt_answered == g->rcpt_said) {
        client_leave_group(c);
        c->needs_rset = true;
        c->done_next = true;
    }
    e->kind = SMTP_RCPT_REFUSED;
}

static void on_rcpt(struct smtp_client *c, struct smtp_group *g, struct smtp_event *e)
{
    e->rcpt = g->rcpt_answered++;
    switch (client_answer_of(e)) {
    case ANSWER_YES:
        g->rcpt_accepted++;
        if (!g->mail_accepted)
            client_broke_rules(c, e, "recipient accepted after MAIL was refused");
        break;
    case ANSWER_GO_AHEAD: client_out_of_step(c, e); break;
    case ANSWER_NO: on_rcpt_refused(c, g, e); break;
    }
}

static void on_go_ahead(struct smtp_client *c, struct smtp_group *g, struct smtp_event *e)
{
    client_expect_for(c, g, SMTP_PHASE_CONTENT);
    if (g->rcpt_accepted > 0) {
        client_turn(c, SMTP_TURN_CONTENT);
        c->cursor = (struct content_cursor){0};
        return;
    }
    // RFC 2920 3.1: a 354 though nobody is there to receive; an empty message ends it.
    client_turn(c, SMTP_TURN_LONE_DOT);
    if (g->t != NULL)
        done(c, g, e);
}

static void on_data(struct smtp_client *c, struct smtp_group *g, struct smtp_event *e)
{
    switch (client_answer_of(e)) {
    case ANSWER_YES: client_out_of_step(c, e); break;
    case ANSWER_GO_AHEAD: on_go_ahead(c, g, e); break;
    case ANSWER_NO:
        client_leave_group(c);
        c->needs_rset = g->mail_accepted;
        if (g->t != NULL)
            done(c, g, e);
        break;
    }
}

static void on_verdict(struct smtp_client *c, struct smtp_group *g, struct smtp_event *e)
{
    bool accepted = client_answer_of(e) == ANSWER_YES;
    // BDAT without a recipient is 503 or 554 (RFC 3030 3); who takes it, has it for whom? A lone
    // dot's 250 says nothing.
    if (accepted && g->rcpt_accepted == 0 && c->pace == SMTP_STREAMED) {
        client_broke_rules(c, e, "content accepted for nobody");
        return;
    }
    // DATA's end clears the server's buffers, whatever its reply (RFC 5321 4.1.1.4). After a
    // failed BDAT the state is indeterminate (RFC 3030 2).
    c->needs_rset = c->pace == SMTP_STREAMED && !accepted;
    if (g->t != NULL)
        done(c, g, e);
}

static void on_content(struct smtp_client *c, struct smtp_group *g, struct smtp_event *e)
{
    enum client_answer answer = client_answer_of(e);
    bool before_its_end = is_being_said(c, g);
    if (answer == ANSWER_GO_AHEAD || (answer == ANSWER_YES && before_its_end)) {
        client_out_of_step(c, e);
        return;
    }
    if (before_its_end) {
        // A refusal that did not wait for the end. We would have to go on to the end, and could
        // not tell a second reply from the next command's.
        client_turn(c, SMTP_TURN_NONE);
        c->close_next = "content refused before its end";
    }
    on_verdict(c, g, e);
}

// Replies come in order: what belongs to a group belongs to the oldest one.
static inline struct smtp_group *group_answered(struct smtp_client *c, enum smtp_phase phase)
{
    struct smtp_group *g = client_oldest(c);
    CHECK(g->awaited > 0);
    g->awaited--;
    g->answered |= phase != SMTP_PHASE_RSET;
    c->answered = true;
    return g;
}

static void on_group_reply(struct smtp_client *c, struct smtp_event *e)
{
    struct smtp_group *g = group_answered(c, e->phase);
    e->tag = g->tag;
    switch (e->phase) {
    case SMTP_PHASE_RSET: on_rset(c, e); break;
    case SMTP_PHASE_MAIL: on_mail(c, g, e); break;
    case SMTP_PHASE_RCPT: on_rcpt(c, g, e); break;
    case SMTP_PHASE_DATA: on_data(c, g, e); break;
    case SMTP_PHASE_CONTENT: on_content(c, g, e); break;
    case SMTP_PHASE_GREETING:
    case SMTP_PHASE_EHLO:
    case SMTP_PHASE_HELO:
    case SMTP_PHASE_QUIT:
    case SMTP_PHASE_STARTTLS:
    case SMTP_PHASE_AUTH:
    case SMTP_PHASE_COUNT: CHECK(e->phase == SMTP_PHASE_MAIL); // on_expected() knows
    }
    if (g->t == NULL && !c->closed)
        retire(c);
}

static inline enum smtp_phase take_pending(struct smtp_client *c)
{
    const enum smtp_phase phase = client_oldest_pending(c);
    c->pending_first = (c->pending_first + 1) & (SMTP_PENDING_MAX - 1);
    c->pending_count--;
    return phase;
}

static void on_expected(struct smtp_client *c, struct smtp_event *e)
{
    e->phase = take_pending(c);
    switch (e->phase) {
    case SMTP_PHASE_GREETING:
    case SMTP_PHASE_EHLO:
    case SMTP_PHASE_HELO:
    case SMTP_PHASE_STARTTLS:
    case SMTP_PHASE_AUTH: client_on_opening(c, e); break;
    case SMTP_PHASE_QUIT: client_closed(c, e, "QUIT"); break;
    case SMTP_PHASE_RSET:
    case SMTP_PHASE_MAIL:
    case SMTP_PHASE_RCPT:
    case SMTP_PHASE_DATA:
    case SMTP_PHASE_CONTENT: on_group_reply(c, e); break;
    case SMTP_PHASE_COUNT: CHECK(e->phase != SMTP_PHASE_COUNT);
    }
}

// 421 may answer any command, and none (RFC 5321 4.2.1). What stood behind it was not processed.
static void on_421(struct smtp_client *c, struct smtp_event *e)
{
    c->ended_by_421 = true;
    if (c->pending_count > 0)
        e->phase = client_oldest_pending(c);
    if (c->group_count > 0)
        e->tag = client_oldest(c)->tag;
    client_closed(c, e, "421");
}

// An event begins as SMTP_REPLIED with its reply; who finds that it is more says so.
static void on_reply(struct smtp_client *c, struct smtp_event *e)
{
    e->kind = SMTP_REPLIED;
    e->reply = &c->parser.reply;
    c->reply_count++;
    if (c->parser.reply.code == 421)
        on_421(c, e);
    else if (c->pending_count == 0)
        client_broke_rules(c, e, "reply to no command");
    else
        on_expected(c, e);
}

// ------------------------------------------------------------------------------- what is told

// Some replies decide two events; and what cannot be said is refused without any.
static inline bool is_decided(const struct smtp_client *c)
{
    return c->unsayable || c->done_next || c->close_next;
}

// Tells what is left to tell of that.
static void tell_decided(struct smtp_client *c, struct smtp_event *e)
{
    if (c->unsayable) {
        e->kind = SMTP_DONE;
        e->phase = SMTP_PHASE_MAIL;
        e->tag = c->unsayable->tag;
        e->reply = c->unsayable_reply;
        c->unsayable = NULL;
        return;
    }
    e->reply = &c->parser.reply; // the last refusal is still there
    if (c->done_next) {
        struct smtp_group *g = client_oldest(c);
        e->phase = SMTP_PHASE_RCPT;
        e->tag = g->tag;
        c->done_next = false;
        done(c, g, e);
        retire(c);
    } else {
        e->phase = SMTP_PHASE_CONTENT;
        client_closed(c, e, c->close_next);
    }
}

// Tells what is to be told without another reply. Out of line, as is hear(), so that a reply of
// the usual kind pays for no more than it needs.
__attribute__((noinline)) static struct smtp_event tell_without_reply(struct smtp_client *c)
{
    smtp_client_check(c);
    if (c->closed || !(is_decided(c) || c->parser.broken))
        return (struct smtp_event){.kind = SMTP_MORE};
    struct smtp_event e = {.kind = SMTP_MORE};
    if (is_decided(c))
        tell_decided(c, &e);
    else
        client_broke_rules(c, &e, "not an SMTP reply");
    return e;
}

// Reads up to the end of one reply. False: the bytes ended first, or are none.
__attribute__((noinline)) static bool hear(struct smtp_client *c, struct slice *bytes)
{
    enum reply_status status = REPLY_LINE;
    while (status == REPLY_LINE) {
        size_t used;
        status = reply_feed(&c->parser, *bytes, &used);
        bytes->data += used;
        bytes->len -= used;
        if (!c->ready && (status == REPLY_LINE || status == REPLY_DONE))
            client_on_ehlo_line(c);
    }
    return status == REPLY_DONE;
}

static inline bool hear_plain(struct smtp_client *c, struct slice *bytes)
{
    const size_t used = c->ready ? reply_feed_plain(&c->parser, *bytes) : 0;
    bytes->data += used;
    bytes->len -= used;
    return used > 0;
}

// The usual yes to RSET, MAIL or RCPT moves its group on and decides nothing. Most replies are
// that. False: another one, which is still to be heard.
static inline bool hear_usual_yes(struct smtp_client *c, struct slice *bytes)
{
    const enum smtp_phase phase = client_oldest_pending(c);
    struct smtp_group *g = &c->groups[c->group_first]; // its, if it is one of these
    if (c->pending_count == 0)
        return false;
    if (phase != SMTP_PHASE_RSET && phase != SMTP_PHASE_MAIL && phase != SMTP_PHASE_RCPT)
        return false;
    if (!g->t || (phase == SMTP_PHASE_RCPT && !g->mail_accepted))
        return false;
    const size_t used = reply_plain_250(&c->parser, *bytes);
    if (used == 0)
        return false;
    bytes->data += used;
    bytes->len -= used;
    c->reply_count++;
    take_pending(c);
    group_answered(c, phase);
    if (phase == SMTP_PHASE_MAIL)
        g->mail_accepted = true;
    if (phase == SMTP_PHASE_RCPT) {
        g->rcpt_answered++;
        g->rcpt_accepted++;
    }
    return true;
}

static inline struct smtp_event feed_one(struct smtp_client *c, struct slice *bytes)
{
    if (c->closed)
        *bytes = slice_skip(*bytes, bytes->len);
    if (bytes->len == 0 || is_decided(c) || !(hear_plain(c, bytes) || hear(c, bytes)))
        return tell_without_reply(c);
    struct smtp_event e = {.kind = SMTP_MORE};
    on_reply(c, &e);
    if (e.kind == SMTP_TLS && bytes->len > 0) {
        // Sealed bytes come as an answer to ours. These are in the clear, and whoever put them
        // there wants them taken for something that was said under TLS (CVE-2011-0411).
        client_closed(c, &e, "plaintext after STARTTLS");
        *bytes = slice_skip(*bytes, bytes->len);
    }
    return e;
}

struct smtp_event smtp_client_feed(struct smtp_client *c, struct slice *bytes)
{
    struct smtp_event e;
    if (!c->options.decisions_only)
        return feed_one(c, bytes);
    do {
        bool more = !c->closed && !is_decided(c); // which a usual yes does not change
        while (more)
            more = hear_usual_yes(c, bytes);
        e = feed_one(c, bytes);
    } while (e.kind == SMTP_REPLIED);
    return e;
}
