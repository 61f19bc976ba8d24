#include "tests/sim/hosts.h"

#include "engine/base/check.h"
#include "tests/sim/world_disk.h"

#include <errno.h>
#include <stdlib.h>

#define SESSIONS_MAX 1000000u
#define RCPTS_MAX 1000u
#define COMPLAINTS_TOLD_MAX 10

enum host_op { HOST_OP_ACCEPT, HOST_OP_RECEIVE, HOST_OP_SEND };

struct host_session {
    uint32_t index;
    uint16_t generation;
    uint8_t ops;
    bool receiving, sending, closing, over; // over: what is said goes out, then it closes
    int fd;
    struct host_site *site;
    uint32_t message_count;
    uint32_t rcpt_count;
    uint64_t *rcpts; // of the transaction
    struct smtp_server server;
    struct buffer out, sent;
    size_t sent_bytes;
    struct iovec piece;
    struct wheel_timer timer; // the next byte
};

static void complain(struct hosts *h, const struct host_site *s, const char *what, uint32_t count)
{
    if (++h->complaint_count <= COMPLAINTS_TOLD_MAX)
        fprintf(stderr, "\n  site %u: %s: %u", (unsigned)(s - h->sites), what, count);
}

static struct io_token token_of(const struct host_session *s, enum host_op op)
{
    return (struct io_token){s->index, s->generation, 0, (uint8_t)op};
}

// --- recipients

static struct host_rcpt *rcpt_of(struct hosts *h, struct slice address, uint64_t *ret_at)
{
    struct slice rest = slice_skip(address, 1), local = slice_cut(&rest, '@');
    struct slice first = slice_cut(&local, '.');
    uint64_t number, nth = 1;
    CHECK(address.len > 0 && address.data[0] == 'r');
    CHECK(slice_to_u64(first, h->rcpt_count, &number));
    CHECK(local.len == 0 || slice_to_u64(local, h->rcpts_per_message, &nth));
    *ret_at = number * h->rcpts_per_message + nth - 1;
    CHECK(*ret_at < h->rcpt_count);
    return &h->rcpts[*ret_at];
}

static const char *on_rcpt(struct hosts *h, struct host_session *s, struct slice address)
{
    uint64_t at, now_us = io_now_us(h->io);
    struct host_rcpt *r = rcpt_of(h, address, &at);
    if (r->first_us == 0)
        r->first_us = now_us;
    if (s->site->temper == HOST_GREYLISTS && now_us - r->first_us < HOST_GREY_US)
        return "450 4.2.0 Greylisted, come again";
    CHECK(s->rcpt_count < RCPTS_MAX);
    s->rcpts[s->rcpt_count++] = at;
    if (s->rcpt_count == s->site->rcpts_max + 1)
        complain(h, s->site, "too many recipients in a transaction", s->rcpt_count);
    return NULL;
}

static void on_message(struct hosts *h, struct host_session *s)
{
    for (uint32_t i = 0; i < s->rcpt_count; i++) {
        struct host_rcpt *r = &h->rcpts[s->rcpts[i]];
        r->arrived_us = s->site->last_us = io_now_us(h->io);
        r->arrivals++;
        s->site->arrivals++;
    }
    if (++s->message_count == s->site->messages_max + 1)
        complain(h, s->site, "too many messages on a connection", s->message_count);
}

// --- a session

static bool is_blocked(const struct hosts *h, const struct host_site *s)
{
    uint64_t now_us = io_now_us(h->io);
    return s->temper == HOST_BLOCKS && now_us >= s->from_us && now_us < s->until_us;
}

static void receive(struct hosts *h, struct host_session *s)
{
    s->receiving = true;
    s->ops++;
    io_receive(h->io, s->fd, token_of(s, HOST_OP_RECEIVE));
}

static void session_close(struct hosts *h, struct host_session *s)
{
    if (s->closing)
        return;
    s->closing = true;
    wheel_disarm(&h->wheel, &s->timer);
    io_close(h->io, s->fd);
}

// Gathered replies go out: all at once, or a byte.
static void session_flush(struct hosts *h, struct host_session *s)
{
    if (s->closing || s->sending || wheel_armed(&s->timer))
        return;
    if (s->sent.len == 0) {
        struct buffer gathered = s->out;
        s->out = s->sent;
        s->sent = gathered;
        s->sent_bytes = 0;
    }
    if (s->sent.len == 0) {
        if (s->over)
            session_close(h, s);
        return;
    }
    s->piece.iov_base = s->sent.data + s->sent_bytes;
    s->piece.iov_len = s->site->temper == HOST_DRIPS ? 1 : s->sent.len - s->sent_bytes;
    s->sending = true;
    s->ops++;
    io_send(h->io, s->fd, &s->piece, 1, token_of(s, HOST_OP_SEND));
}

static void on_event(struct hosts *h, struct host_session *s, const struct smtp_server_event *e)
{
    switch (e->kind) {
    case SERVER_MAIL:
        s->rcpt_count = 0;
        smtp_server_answer(&s->server, NULL, &s->out);
        break;
    case SERVER_RCPT:
        smtp_server_answer(&s->server, on_rcpt(h, s, e->address.text), &s->out);
        break;
    case SERVER_MESSAGE:
        on_message(h, s);
        smtp_server_verdict(&s->server, "250 2.0.0 Kept", &s->out);
        break;
    case SERVER_EHLO:
    case SERVER_DATA:
    case SERVER_OTHER:
    case SERVER_QUIT: smtp_server_answer(&s->server, NULL, &s->out); break;
    case SERVER_CLOSE: s->over = true; break;
    case SERVER_STARTTLS: // not offered
    case SERVER_AUTH:
    case SERVER_CONTENT:
    case SERVER_DROPPED:
    case SERVER_WAIT:
    case SERVER_MORE: break;
    }
}

static void session_feed(struct hosts *h, struct host_session *s, struct slice bytes)
{
    while (!s->over) {
        struct smtp_server_event e = smtp_server_feed(&s->server, &bytes, &s->out);
        if (e.kind == SERVER_MORE)
            return;
        CHECK(e.kind != SERVER_WAIT); // verdicts are given at once, and replies are few
        on_event(h, s, &e);
    }
}

static void session_open(struct hosts *h, int fd, struct host_site *site)
{
    uint32_t index;
    struct host_session *s = slab_take(&h->sessions, &index);
    CHECK(s);
    s->index = index;
    s->generation = slab_generation(&h->sessions, index);
    s->fd = fd;
    s->site = site;
    s->timer.owner = index;
    s->rcpts = malloc(RCPTS_MAX * sizeof(*s->rcpts));
    CHECK(s->rcpts);
    buffer_init(&s->out, SERVER_OUT_BYTES_MAX);
    buffer_init(&s->sent, SERVER_OUT_BYTES_MAX);
    smtp_server_init(&s->server, &h->smtp);
    site->sessions++;
    s->over = is_blocked(h, site);
    site->refusals += s->over;
    smtp_server_greet(&s->server, s->over ? "421 4.7.0 Too much mail from you" : NULL, &s->out);
    receive(h, s);
    session_flush(h, s);
}

static void session_gone(struct hosts *h, struct host_session *s)
{
    free(s->rcpts);
    buffer_release(&s->out);
    buffer_release(&s->sent);
    smtp_server_release(&s->server);
    slab_give(&h->sessions, s->index);
}

static void on_send(struct hosts *h, struct host_session *s, const struct io_done *done)
{
    s->sending = false;
    if (done->result <= 0) {
        session_close(h, s);
        return;
    }
    s->sent_bytes += (size_t)done->result;
    if (s->sent_bytes == s->sent.len)
        buffer_clear(&s->sent);
    if (s->site->temper == HOST_DRIPS && (s->sent.len > 0 || s->out.len > 0) && !s->closing)
        wheel_arm(&h->wheel, &s->timer, io_now_us(h->io) + HOST_DRIP_US);
}

static void session_on_done(struct hosts *h, const struct io_done *done)
{
    struct host_session *s = slab_find(&h->sessions, done->token.index, done->token.generation);
    CHECK(s);
    s->ops -= done->ended;
    if (done->token.op == HOST_OP_SEND) {
        on_send(h, s, done);
    } else {
        s->receiving &= !done->ended;
        if (done->lends && !s->closing)
            session_feed(h, s, done->bytes);
        if (done->lends)
            io_return(h->io, done->lent);
        if (done->result == 0 || (done->result < 0 && done->result != -ENOBUFS))
            session_close(h, s);
        else if (!s->receiving && !s->closing)
            receive(h, s);
    }
    session_flush(h, s);
    if (s->closing && s->ops == 0)
        session_gone(h, s);
}

// --- all of them

static void accept_at(struct hosts *h, uint32_t site)
{
    h->accept_count++;
    io_accept(h->io, h->sites[site].fd, (struct io_token){site, 0, 1, HOST_OP_ACCEPT});
}

void hosts_start(struct hosts *h)
{
    static const struct smtp_server_options smtp = {
        .hostname = {"host.example", 12},
        .banner = {"ESMTP", 5},
        .pipelining = true,
        .chunking = true,
        .eightbitmime = true,
        .enhanced_codes = true,
    };
    h->smtp = smtp;
    slab_init(&h->sessions, sizeof(struct host_session), SESSIONS_MAX);
    wheel_init(&h->wheel, io_now_us(h->io));
    world_is_elsewhere(h->io);
    for (uint32_t i = 0; i < h->site_count; i++) {
        struct host_site *s = &h->sites[i];
        if (s->temper == HOST_DEAD)
            continue;
        s->fd = io_listen(h->io, &s->address, NULL);
        CHECK(s->fd >= 0);
        accept_at(h, i);
    }
    io_wait(h->io, UINT64_MAX);
}

static void on_accept(struct hosts *h, const struct io_done *done)
{
    if (done->result >= 0)
        session_open(h, done->result, &h->sites[done->token.index]);
    if (!done->ended)
        return;
    h->accept_count--;
    if (!h->stopping)
        accept_at(h, done->token.index);
}

bool hosts_turn(struct hosts *h)
{
    struct io_done done;
    struct wheel_timer *t;
    while (io_next(h->io, &done)) {
        if (done.token.op == HOST_OP_ACCEPT)
            on_accept(h, &done);
        else
            session_on_done(h, &done);
    }
    while ((t = wheel_expire(&h->wheel, io_now_us(h->io))))
        session_flush(h, slab_at(&h->sessions, (uint32_t)t->owner));
    io_wait(h->io, wheel_next_us(&h->wheel));
    return !h->stopping || h->accept_count > 0 || h->sessions.item_count > 0;
}

void hosts_stop(struct hosts *h)
{
    h->stopping = true;
    for (uint32_t i = 0; i < h->site_count; i++)
        if (h->sites[i].temper != HOST_DEAD)
            io_close(h->io, h->sites[i].fd);
    for (uint32_t i = slab_next(&h->sessions, 0); i != SLAB_NONE;
         i = slab_next(&h->sessions, i + 1))
        session_close(h, slab_at(&h->sessions, i));
}

void hosts_free(struct hosts *h)
{
    CHECK(h->sessions.item_count == 0);
    slab_release(&h->sessions);
}
