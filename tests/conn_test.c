// A connection that goes under TLS: how much of what was said has been taken by the kernel, when it
// tells so late. The io is this test's own, and tells when we say.
#include "engine/base/check.h"
#include "engine/deliver/conn.h"
#include "engine/tls/certificate.h"
#include "tests/suite.h"

#include <stdlib.h>

#define NAME "mx.example.net"

struct io {
    struct buffer sent; // by the request that is under way
    bool sends;
};

int io_connect(struct io *io, const struct io_address *peer, const struct io_address *local,
               struct io_token t)
{
    (void)io, (void)peer, (void)local, (void)t;
    return 5;
}

void io_receive(struct io *io, int fd, struct io_token t)
{
    (void)io, (void)fd, (void)t;
}

void io_close(struct io *io, int fd)
{
    (void)io, (void)fd;
}

void io_send(struct io *io, int fd, const struct iovec *pieces, unsigned count, struct io_token t)
{
    (void)fd, (void)t;
    CHECK(!io->sends);
    io->sends = true;
    for (unsigned i = 0; i < count; i++)
        CHECK(buffer_append(&io->sent, slice_make(pieces[i].iov_base, pieces[i].iov_len)));
}

struct stage {
    struct io io;
    struct site site;
    struct conn conn;
    struct tls_context *client, *server_context;
    struct tls *server;
    struct buffer chain, key, plain, answers; // `answers`: sealed, of the server
    struct buffer heard;                      // by the server, under TLS
};

static void done(struct stage *s, enum conn_op op, int32_t result, bool ended)
{
    const struct io_done d = {.token.op = (uint8_t)op, .result = result, .ended = ended};
    struct slice bytes;
    conn_on_done(&s->conn, &s->io, &d, &bytes);
}

// The kernel tells that it has taken all.
static void taken(struct stage *s)
{
    CHECK(s->io.sends);
    s->io.sends = false;
    const int32_t bytes = (int32_t)s->io.sent.len;
    buffer_clear(&s->io.sent);
    done(s, CONN_OP_SEND, bytes, true);
}

static struct smtp_event hears(struct stage *s, struct slice bytes)
{
    return smtp_client_feed(&s->conn.client, &bytes);
}

static void begin(struct stage *s)
{
    const char *why;
    struct smtp_client_options o = {
        .helo_name = SLICE("c"), .window = 1, .tls = SMTP_TLS_ALWAYS, .decisions_only = true};
    *s = (struct stage){0};
    buffer_init(&s->io.sent, 1 << 20);
    buffer_init(&s->chain, 8192);
    buffer_init(&s->key, 8192);
    buffer_init(&s->plain, TLS_RECORD_BYTES_MAX);
    buffer_init(&s->answers, 1 << 20);
    buffer_init(&s->heard, 1 << 20);
    CU_ASSERT_TRUE_FATAL(certificate_make(SLICE(NAME), &s->chain, &s->key));
    const struct tls_server_options so = {
        .certificates = {{buffer_slice(&s->chain), buffer_slice(&s->key)}}, .certificate_count = 1};
    const struct tls_client_options co = {.trusted_pem = buffer_slice(&s->chain)};
    s->server_context = tls_context_new_server(&so, &why);
    s->client = tls_context_new_client(&co, &why);
    s->server = tls_new_server(s->server_context);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->server);
    s->conn.site = &s->site;
    CU_ASSERT_TRUE(io_address_parse(SLICE("192.0.2.1:25"), 0, &s->conn.peer));
    CU_ASSERT_TRUE_FATAL(conn_open(&s->conn, &s->io, &o) >= 0);
    done(s, CONN_OP_CONNECT, 0, true);
}

static void end(struct stage *s)
{
    done(s, CONN_OP_RECEIVE, 0, true);
    conn_release(&s->conn);
    tls_free(s->server);
    tls_context_unref(s->client);
    tls_context_unref(s->server_context);
    struct buffer *all[] = {&s->io.sent, &s->chain, &s->key, &s->plain, &s->answers, &s->heard};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        buffer_release(all[i]);
}

// Carries bytes to and fro until neither has more to say; what the client's machine hears last.
static struct smtp_event talk(struct stage *s, const char *reply)
{
    struct smtp_event e = {.kind = SMTP_MORE};
    if (reply) {
        const struct iovec piece = {(void *)(uintptr_t)reply, strlen(reply)};
        CU_ASSERT_EQUAL(tls_seal(s->server, &piece, 1, &s->answers), piece.iov_len);
    }
    for (bool any = true; any;) {
        any = false;
        struct slice sealed = buffer_slice(&s->answers);
        enum tls_status status = TLS_READY;
        while (sealed.len > 0 && status == TLS_READY) {
            buffer_clear(&s->plain);
            status = tls_feed(s->conn.channel->tls, &sealed, &s->plain, &s->conn.channel->out);
            s->conn.channel->ready |= status == TLS_READY;
            if (status == TLS_READY)
                smtp_client_secured(&s->conn.client);
            if (s->plain.len > 0)
                e = hears(s, buffer_slice(&s->plain));
        }
        buffer_clear(&s->answers);
        conn_flush(&s->conn, &s->io);
        struct slice said = buffer_slice(&s->io.sent);
        while (said.len > 0) {
            any = true;
            buffer_clear(&s->plain);
            CU_ASSERT_NOT_EQUAL_FATAL(tls_feed(s->server, &said, &s->plain, &s->answers),
                                      TLS_FAILED);
            CU_ASSERT_TRUE(buffer_append(&s->heard, buffer_slice(&s->plain)));
        }
        if (s->io.sends)
            taken(s);
    }
    return e;
}

static void greeted(struct stage *s)
{
    hears(s, SLICE("220 hi\r\n"));
    conn_flush(&s->conn, &s->io);
    CU_ASSERT_TRUE(slice_equal(buffer_slice(&s->io.sent), SLICE("EHLO c\r\n")));
    taken(s);
    hears(s, SLICE("250-x\r\n250 STARTTLS\r\n"));
    conn_flush(&s->conn, &s->io);
    CU_ASSERT_TRUE(slice_equal(buffer_slice(&s->io.sent), SLICE("STARTTLS\r\n")));
}

static void delivers(struct stage *s)
{
    const struct smtp_recipient rcpt = {.address = SLICE("r@y")};
    const struct smtp_transaction t = {
        .tag = 1,
        .sender = SLICE("s@x"),
        .rcpts = &rcpt,
        .rcpt_count = 1,
        .content = {.pieces = {SLICE("Subject: x\r\n\r\nx\r\n")}, .piece_count = 1}};
    CU_ASSERT_EQUAL(talk(s, "250 x\r\n").kind, SMTP_READY);
    CU_ASSERT_TRUE_FATAL(smtp_client_start(&s->conn.client, &t));
    talk(s, NULL);
    talk(s, "250 ok\r\n");
    talk(s, "250 ok\r\n");
    talk(s, "354 go\r\n");
    const struct smtp_event e = talk(s, "250 taken\r\n");
    CU_ASSERT_EQUAL(e.kind, SMTP_DONE);
    CU_ASSERT_TRUE(slice_ends(buffer_slice(&s->heard), SLICE("\r\nx\r\n.\r\n")));
    // Nothing is lent any more: the verdict holds.
    CU_ASSERT_EQUAL(s->conn.sent_bytes, e.end_bytes);
    CU_ASSERT_EQUAL(s->conn.left_bytes, e.end_bytes);
}

// Whether the kernel says that it has STARTTLS before the answer to that is told, or behind it.
static void what_was_taken(void)
{
    for (int late = 0; late < 2; late++) {
        struct stage s;
        begin(&s);
        greeted(&s);
        if (!late)
            taken(&s);
        CU_ASSERT_EQUAL(hears(&s, SLICE("220 go\r\n")).kind, SMTP_TLS);
        const struct tls_client_session o = {.check = TLS_CHECK_NONE};
        CU_ASSERT_TRUE_FATAL(conn_secure(&s.conn, tls_new_client(s.client, &o)));
        CU_ASSERT_EQUAL(tls_start(s.conn.channel->tls, &s.conn.channel->out), TLS_MORE);
        conn_flush(&s.conn, &s.io);
        if (late)
            taken(&s);
        talk(&s, NULL);
        CU_ASSERT_TRUE_FATAL(s.conn.channel->ready);
        delivers(&s);
        end(&s);
    }
}

static const struct suite_test tests[] = {{"what was taken", what_was_taken}};

SUITE_MAIN("conn", tests)
