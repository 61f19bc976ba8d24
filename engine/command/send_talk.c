// The conversation with the engine: the client machine on a socket of its own.

#include "engine/base/log.h"
#include "engine/command/send.h"
#include "engine/policy/verdict.h"
#include "engine/smtp/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define HEAR_BYTES (16 * 1024)

struct talk {
    struct send_mail *m;
    int fd;
    struct smtp_client client;
    struct wire wire;
    struct slice heard;
    struct smtp_transaction transaction;
    uint32_t waiting[SMTP_RCPTS_PER_TRANSACTION_MAX]; // which of the mail's recipients these are
    struct smtp_recipient rcpts[SMTP_RCPTS_PER_TRANSACTION_MAX];
    char bytes[HEAR_BYTES];
};

// --- bytes

static int patience_ms(const struct talk *t)
{
    enum smtp_phase phase = SMTP_PHASE_GREETING;
    if (!wire_empty(&t->wire))
        return (int)(PATIENCE_SEND_US / 1000); // until some more of it is taken
    (void)smtp_client_awaits(&t->client, &phase);
    return (int)(patience_us(phase) / 1000);
}

static const char *write_some(struct talk *t)
{
    unsigned count;
    const struct iovec *pieces = wire_pieces(&t->wire, &count);
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)pieces, .msg_iovlen = count};
    ssize_t sent = sendmsg(t->fd, &message, MSG_NOSIGNAL);
    if (sent > 0)
        wire_sent(&t->wire, (size_t)sent);
    return sent >= 0 || errno == EAGAIN || errno == EINTR ? NULL : strerror(errno);
}

static const char *read_some(struct talk *t)
{
    ssize_t count = recv(t->fd, t->bytes, sizeof(t->bytes), 0);
    if (count == 0)
        return "the engine has closed the connection";
    if (count > 0)
        t->heard = slice_make(t->bytes, (size_t)count);
    return count > 0 || errno == EAGAIN || errno == EINTR ? NULL : strerror(errno);
}

// Says what can be said, and waits until something is heard or more can be said. NULL, or why the
// connection is of no use any more.
static const char *exchange(struct talk *t)
{
    smtp_client_fill(&t->client, &t->wire);
    bool writes = !wire_empty(&t->wire);
    struct pollfd p = {.fd = t->fd, .events = (short)(writes ? POLLIN | POLLOUT : POLLIN)};
    int ready = poll(&p, 1, patience_ms(t));
    if (ready < 0)
        return errno == EINTR ? NULL : strerror(errno);
    if (ready == 0)
        return "the engine does not answer";
    if (p.revents & (POLLIN | POLLHUP | POLLERR))
        return read_some(t); // what it has said comes first: it may be why it closes
    return write_some(t);
}

static struct smtp_event next_event(struct talk *t)
{
    for (;;) {
        struct smtp_event e = smtp_client_feed(&t->client, &t->heard);
        if (e.kind != SMTP_MORE)
            return e;
        const char *why = exchange(t);
        if (why)
            return (struct smtp_event){.kind = SMTP_CLOSED, .why = why};
    }
}

// --- transactions

// The next one, to those who have no answer yet. False: there is nobody.
static bool start(struct talk *t)
{
    struct send_mail *m = t->m;
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->rcpt_count && count < SMTP_RCPTS_PER_TRANSACTION_MAX; i++) {
        if (m->rcpts[i].outcome != SEND_WAITING)
            continue;
        t->waiting[count] = i;
        t->rcpts[count++] = (struct smtp_recipient){.address = slice_of_text(m->rcpts[i].address),
                                                    .dsn = slice_of_text(m->options->rcpt_dsn)};
    }
    if (count == 0)
        return false;
    t->transaction = (struct smtp_transaction){
        .sender = slice_of_text(m->sender),
        .dsn = slice_of_text(m->options->mail_dsn),
        .rcpts = t->rcpts,
        .rcpt_count = count,
        .is_8bit = m->scan.has_8bit || m->options->is_8bit,
        .smtputf8 = m->needs_smtputf8,
        .verp = m->options->verp,
        .content = {.pieces = {buffer_slice(&m->header), m->body},
                    .piece_count = m->body.len > 0 ? 2 : 1,
                    .has_dot_lines = m->scan.has_dot_lines},
    };
    if (smtp_client_can_start(&t->client))
        (void)smtp_client_start(&t->client, &t->transaction);
    return true; // where it cannot, SMTP_CLOSED comes next
}

static void say(enum log_level level, const char *about, const struct reply *r)
{
    char enhanced[ENHANCED_TEXT_BYTES];
    enhanced_print(r->enhanced, enhanced);
    log_line(level, "%s: %u%s%s %.*s", about, r->code, enhanced[0] ? " " : "", enhanced,
             SLICE_ARG(r->text));
}

static void on_rcpt_refused(struct talk *t, const struct smtp_event *e)
{
    struct send_rcpt *rcpt = &t->m->rcpts[t->waiting[e->rcpt]];
    if (e->rcpt > 0 && verdict_is_rcpt_limit(e->reply->code, e->reply->enhanced))
        return; // in the next transaction, with a smaller number
    rcpt->outcome = send_outcome_of(SMTP_PHASE_RCPT, e->reply);
    say(LOG_LEVEL_ERROR, rcpt->address, e->reply);
}

// `refused`: the recipients that on_rcpt_refused() was told of are not meant.
static void on_done(struct talk *t, const struct smtp_event *e, const uint8_t *refused)
{
    enum send_outcome outcome = send_outcome_of(e->phase, e->reply);
    bool any = false;
    for (uint32_t i = 0; i < t->transaction.rcpt_count; i++) {
        if (refused[i])
            continue;
        t->m->rcpts[t->waiting[i]].outcome = outcome;
        any = true;
    }
    if (outcome != SEND_ACCEPTED && any)
        say(LOG_LEVEL_ERROR, "the engine does not take it", e->reply);
    else if (t->m->options->verbose && any)
        say(LOG_LEVEL_INFO, "the engine says", e->reply);
    // Whoever was too many for a transaction that then came to nothing is not tried again.
    for (uint32_t i = 0; i < t->m->rcpt_count && outcome != SEND_ACCEPTED; i++)
        if (t->m->rcpts[i].outcome == SEND_WAITING)
            t->m->rcpts[i].outcome = outcome;
}

static void on_closed(struct talk *t, const struct smtp_event *e)
{
    struct smtp_unfinished u;
    bool in_doubt = smtp_client_unfinished(&t->client, 0, &u) && u.written;
    for (uint32_t i = 0; i < t->m->rcpt_count; i++)
        if (t->m->rcpts[i].outcome == SEND_WAITING)
            t->m->rcpts[i].outcome = SEND_LATER;
    if (e->reply)
        say(LOG_LEVEL_ERROR, "the engine ends the session", e->reply);
    log_line(LOG_LEVEL_ERROR, "%s%s", e->why,
             in_doubt ? "; whether it has the mail is not known" : "");
}

// True when the engine was ready for mail.
static bool converse(struct talk *t, struct refusal *why)
{
    uint8_t refused[SMTP_RCPTS_PER_TRANSACTION_MAX] = {0};
    bool ready = false;
    for (;;) {
        struct smtp_event e = next_event(t);
        switch (e.kind) {
        case SMTP_MORE:
        case SMTP_TLS: // was not wished for
        case SMTP_REPLIED: break;
        case SMTP_READY:
            ready = true;
            (void)start(t);
            break;
        case SMTP_RCPT_REFUSED:
            refused[e.rcpt] = 1;
            on_rcpt_refused(t, &e);
            break;
        case SMTP_DONE:
            on_done(t, &e, refused);
            memset(refused, 0, sizeof(refused));
            if (start(t))
                break;
            smtp_client_quit(&t->client);
            smtp_client_fill(&t->client, &t->wire);
            if (!wire_empty(&t->wire))
                (void)write_some(t); // of courtesy; nothing depends on the answer
            return true;
        case SMTP_CLOSED:
            if (ready)
                on_closed(t, &e);
            else if (e.reply)
                refuse(why, "%u %.*s", e.reply->code, SLICE_ARG(e.reply->text));
            else
                refuse(why, "%s", e.why);
            return ready;
        }
    }
}

bool send_talk(struct send_mail *m, int fd, struct refusal *why)
{
    struct smtp_client_options options = {.helo_name = slice_of_text(m->hostname), .window = 1};
    struct talk *t = calloc(1, sizeof(*t));
    if (!t) {
        close(fd);
        return refuse(why, "no memory");
    }
    t->m = m;
    t->fd = fd;
    t->heard = SLICE_EMPTY;
    smtp_client_init(&t->client, &options);
    wire_init(&t->wire);
    bool began = converse(t, why);
    smtp_client_release(&t->client);
    wire_release(&t->wire);
    close(fd);
    free(t);
    return began;
}
