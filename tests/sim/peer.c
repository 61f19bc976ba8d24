#include "tests/sim/peer.h"

#include "engine/base/buffer.h"
#include "engine/base/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define CONNECTIONS_MAX 256
#define BYTES_MAX (1024 * 1024)
#define RCPTS_MAX 8

enum peer_op { OP_ACCEPT, OP_RECEIVE, OP_SEND };

struct peer_conn {
    int fd;          // -1: closed
    uint32_t number; // 1: the first
    struct buffer in, out;
    bool sending, closes, is_silent, in_content;
    uint64_t chunk_bytes;
    bool in_chunk;
    uint32_t message; // that has begun
    bool has_mail;
    uint32_t rcpt_said, rcpt_count;
    char rcpts[RCPTS_MAX][PEER_ADDRESS_BYTES];
    struct iovec piece; // lent to the send
};

struct peer {
    struct io *io;
    const struct peer_script *script;
    int listen_fd;
    uint32_t conn_count;
    struct peer_conn conns[CONNECTIONS_MAX];
    uint32_t arrival_count;
    char arrivals[PEER_ARRIVALS_MAX][PEER_ADDRESS_BYTES];
};

static struct io_token token_of(uint32_t index, enum peer_op op)
{
    return (struct io_token){index, 0, 1, (uint8_t)op};
}

// --- what it says

static bool is_scripted(const struct peer *p, const struct peer_conn *c, const char *step,
                        uint32_t message)
{
    struct slice want = p->script->step, is = slice_of_text(step);
    bool each = slice_equal(want, SLICE("RCPT")) && slice_starts_nocase(is, want);
    if (want.len == 0 || !(each || slice_equal(want, is)))
        return false;
    return message == 0 || c->number > 1 || message >= p->script->message_first;
}

static void say(struct peer_conn *c, struct slice text)
{
    CHECK(buffer_append(&c->out, text));
}

// What it answers at this step. True: it says yes. `message`: that the step belongs to; 0: none.
static bool act(struct peer *p, struct peer_conn *c, const char *step, uint32_t message,
                const char *usual)
{
    struct slice text = slice_of_text(usual);
    if (is_scripted(p, c, step, message)) {
        text = p->script->say;
        c->closes |= p->script->closes;
        c->is_silent |= p->script->is_silent;
    }
    say(c, text);
    return text.len > 3 && (text.data[0] == '2' || text.data[0] == '3');
}

static void forget(struct peer_conn *c)
{
    c->has_mail = false;
    c->rcpt_said = c->rcpt_count = 0;
}

static void on_rcpt(struct peer *p, struct peer_conn *c, struct slice line)
{
    char step[16];
    const char *usual = c->has_mail ? "250 2.1.5 fine\r\n" : "503 5.5.1 from whom?\r\n";
    if (c->number == 1 && c->message == p->script->message_refused)
        usual = "550 5.1.1 nobody\r\n";
    snprintf(step, sizeof(step), "RCPT%u", ++c->rcpt_said);
    if (!act(p, c, step, c->message, usual) || !c->has_mail || c->rcpt_count == RCPTS_MAX)
        return;
    slice_cut(&line, '<');
    struct slice address = slice_cut(&line, '>');
    snprintf(c->rcpts[c->rcpt_count++], PEER_ADDRESS_BYTES, "%.*s", SLICE_ARG(address));
}

// All of a message has come.
static void on_content(struct peer *p, struct peer_conn *c)
{
    const char *usual = c->rcpt_count > 0 ? "250 2.0.0 kept\r\n" : "503 5.5.1 for whom?\r\n";
    bool kept = act(p, c, "content", c->message, usual);
    for (uint32_t i = 0; kept && i < c->rcpt_count && p->arrival_count < PEER_ARRIVALS_MAX; i++)
        memcpy(p->arrivals[p->arrival_count++], c->rcpts[i], PEER_ADDRESS_BYTES);
    forget(c);
}

static void on_ehlo(struct peer *p, struct peer_conn *c)
{
    char text[128];
    snprintf(text, sizeof(text), "250-peer.example\r\n%s%s250 8BITMIME\r\n",
             p->script->pipelining ? "250-PIPELINING\r\n" : "",
             p->script->chunking ? "250-CHUNKING\r\n" : "");
    act(p, c, "EHLO", 0, p->script->refuses_ehlo ? "502 5.5.1 what?\r\n" : text);
}

static void on_line(struct peer *p, struct peer_conn *c, struct slice line)
{
    struct slice rest = line;
    struct slice verb = slice_cut(&rest, ' ');
    if (slice_equal(verb, SLICE("EHLO"))) {
        on_ehlo(p, c);
    } else if (slice_equal(verb, SLICE("HELO"))) {
        act(p, c, "HELO", 0, "250 peer.example\r\n");
    } else if (slice_equal(verb, SLICE("MAIL"))) {
        forget(c);
        c->message++;
        c->has_mail = act(p, c, "MAIL", c->message, "250 2.1.0 fine\r\n");
    } else if (slice_equal(verb, SLICE("RCPT"))) {
        on_rcpt(p, c, rest);
    } else if (slice_equal(verb, SLICE("DATA"))) {
        const char *usual = c->rcpt_count > 0 ? "354 go\r\n" : "503 5.5.1 for whom?\r\n";
        size_t before = c->out.len;
        bool yes = act(p, c, "DATA", c->message, usual);
        c->in_content = yes && c->out.data[before] == '3';
    } else if (slice_equal(verb, SLICE("BDAT"))) {
        CHECK(slice_to_u64(slice_cut(&rest, ' '), BYTES_MAX, &c->chunk_bytes));
        c->in_chunk = true;
    } else if (slice_equal(verb, SLICE("RSET"))) {
        if (act(p, c, "RSET", c->message + 1, "250 2.0.0 forgotten\r\n"))
            forget(c);
    } else if (slice_equal(verb, SLICE("QUIT"))) {
        act(p, c, "QUIT", c->message, "221 2.0.0 bye\r\n");
        c->closes = true;
    } else {
        say(c, SLICE("500 5.5.2 what?\r\n"));
    }
}

// --- what it hears

// One line, or one chunk, from what has come. False: there is none yet.
static bool hear(struct peer *p, struct peer_conn *c)
{
    struct slice all = buffer_slice(&c->in);
    if (c->is_silent || c->closes)
        return false;
    if (c->in_chunk) {
        if (all.len < c->chunk_bytes)
            return false;
        buffer_drop_front(&c->in, c->chunk_bytes);
        c->in_chunk = false;
        on_content(p, c);
        return true;
    }
    size_t lf = slice_find(all, '\n');
    if (lf == all.len)
        return false;
    CHECK(lf > 0 && all.data[lf - 1] == '\r');
    struct slice line = slice_take(all, lf - 1);
    if (!c->in_content) {
        on_line(p, c, line);
    } else if (slice_equal(line, SLICE("."))) {
        c->in_content = false;
        on_content(p, c);
    }
    buffer_drop_front(&c->in, lf + 1);
    return true;
}

static void conn_end(struct peer *p, struct peer_conn *c)
{
    io_close(p->io, c->fd);
    c->fd = -1;
}

static void conn_send(struct peer *p, struct peer_conn *c)
{
    if (c->sending || c->fd < 0)
        return;
    if (c->out.len > 0) {
        c->piece = (struct iovec){c->out.data, c->out.len};
        c->sending = true;
        io_send(p->io, c->fd, &c->piece, 1, token_of((uint32_t)(c - p->conns), OP_SEND));
    } else if (c->closes) {
        conn_end(p, c);
    }
}

static void on_accept(struct peer *p, int fd)
{
    if (fd < 0)
        return;
    CHECK(p->conn_count < CONNECTIONS_MAX);
    uint32_t index = p->conn_count++;
    struct peer_conn *c = &p->conns[index];
    *c = (struct peer_conn){.fd = fd, .number = p->conn_count};
    buffer_init(&c->in, BYTES_MAX);
    buffer_init(&c->out, BYTES_MAX);
    io_receive(p->io, fd, token_of(index, OP_RECEIVE));
    act(p, c, "greeting", 0, "220 peer.example ESMTP\r\n");
}

static void on_receive(struct peer *p, struct peer_conn *c, const struct io_done *done)
{
    if (c->fd < 0)
        return;
    if (done->result <= 0 && done->result != -ENOBUFS) {
        conn_end(p, c);
        return;
    }
    CHECK(buffer_append(&c->in, done->bytes));
    if (done->ended)
        io_receive(p->io, c->fd, token_of((uint32_t)(c - p->conns), OP_RECEIVE));
}

static void on_sent(struct peer_conn *c, int32_t result)
{
    c->sending = false;
    if (result > 0)
        buffer_drop_front(&c->out, (size_t)result);
    else
        buffer_clear(&c->out);
}

void peer_turn(struct peer *p)
{
    struct io_done done;
    while (io_next(p->io, &done)) {
        struct peer_conn *c = &p->conns[done.token.index];
        switch ((enum peer_op)done.token.op) {
        case OP_ACCEPT:
            on_accept(p, done.result);
            if (done.ended && p->listen_fd >= 0)
                io_accept(p->io, p->listen_fd, token_of(0, OP_ACCEPT));
            break;
        case OP_RECEIVE: on_receive(p, c, &done); break;
        case OP_SEND: on_sent(c, done.result); break;
        }
        if (done.lends)
            io_return(p->io, done.lent);
    }
    // A send that is under way holds `out`: what comes meanwhile waits.
    for (uint32_t i = 0; i < p->conn_count; i++) {
        struct peer_conn *c = &p->conns[i];
        while (c->fd >= 0 && !c->sending && hear(p, c))
            continue;
        conn_send(p, c);
    }
    io_wait(p->io, UINT64_MAX);
}

// --- birth and death

struct peer *peer_new(const char *address, const struct peer_script *script)
{
    static const struct io_options options = {.receive_buffer_count = 64,
                                              .receive_buffer_bytes = 2048};
    struct io_address at;
    struct peer *p = calloc(1, sizeof(*p));
    CHECK(p && io_address_parse(slice_of_text(address), 25, &at));
    p->script = script;
    CHECK(io_new(&p->io, &options) == 0);
    p->listen_fd = io_listen(p->io, &at, NULL);
    CHECK(p->listen_fd >= 0);
    io_accept(p->io, p->listen_fd, token_of(0, OP_ACCEPT));
    io_wait(p->io, UINT64_MAX);
    return p;
}

void peer_free(struct peer *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->conn_count; i++)
        if (p->conns[i].fd >= 0)
            conn_end(p, &p->conns[i]);
    io_close(p->io, p->listen_fd);
    io_free(p->io);
    for (uint32_t i = 0; i < p->conn_count; i++) {
        buffer_release(&p->conns[i].in);
        buffer_release(&p->conns[i].out);
    }
    free(p);
}

struct io *peer_io(const struct peer *p)
{
    return p->io;
}

uint32_t peer_arrival_count(const struct peer *p)
{
    return p->arrival_count;
}

struct slice peer_arrival(const struct peer *p, uint32_t i)
{
    CHECK(i < p->arrival_count);
    return slice_of_text(p->arrivals[i]);
}

uint32_t peer_connection_count(const struct peer *p)
{
    return p->conn_count;
}

uint32_t peer_open_count(const struct peer *p)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->conn_count; i++)
        count += p->conns[i].fd >= 0;
    return count;
}
