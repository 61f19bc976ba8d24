// bench/micro_client.c: what the client machine costs, without any I/O: it reads the replies of
// an obliging server from memory, and what it says is thrown away. Each message has one recipient.
#include "bench/micro.h"
#include "engine/base/check.h"
#include "engine/smtp/client.h"

#define CONTENT_BYTES 2048

#define RSET_OK "250 2.0.0 Ok\r\n"
#define MAIL_OK "250 2.1.0 Ok\r\n"
#define RCPT_OK "250 2.1.5 Ok\r\n"
#define DATA_OK "354 End data with <CR><LF>.<CR><LF>\r\n"
#define QUEUED "250 2.0.0 Ok: queued as 4XyZ1234567890\r\n"

static char content[CONTENT_BYTES];
static const struct smtp_recipient rcpt = {.address = {"someone.else@mail.example.org", 29}};
static const struct smtp_transaction transaction = {
    .sender = {"newsletter-4711@example.net", 27},
    .rcpts = &rcpt,
    .rcpt_count = 1,
    .content = {.pieces = {{content, sizeof(content)}}, .piece_count = 1},
};
static struct smtp_client client;
static struct wire wire;
static uint64_t said_bytes;

static void flush(void)
{
    unsigned count;
    smtp_client_fill(&client, &wire);
    if (wire_empty(&wire))
        return;
    said_bytes += wire.bytes;
    wire_pieces(&wire, &count);
    wire_sent(&wire, wire.bytes);
}

// Returns how many messages were delivered.
static uint64_t hear(struct slice bytes)
{
    uint64_t delivered = 0;
    for (;;) {
        struct smtp_event e = smtp_client_feed(&client, &bytes);
        if (e.kind == SMTP_MORE)
            return delivered;
        CHECK(e.kind != SMTP_CLOSED && e.kind != SMTP_RCPT_REFUSED);
        delivered += e.kind == SMTP_DONE && e.phase == SMTP_PHASE_CONTENT;
    }
}

static void session_open(const char *ehlo, uint16_t window)
{
    struct smtp_client_options options = {
        .helo_name = SLICE("client.example.net"), .window = window, .decisions_only = true};
    said_bytes = 0;
    wire_init(&wire);
    smtp_client_init(&client, &options);
    hear(SLICE("220 mx.example.org ESMTP\r\n"));
    flush();
    hear(slice_of_text(ehlo));
}

static uint64_t session_close(void)
{
    wire_release(&wire);
    smtp_client_release(&client);
    return said_bytes;
}

static uint64_t say_and_hear(struct slice replies)
{
    flush();
    return hear(replies);
}

// Four round trips a message.
static uint64_t run_lockstep(uint64_t messages)
{
    session_open("250-mx.example.org\r\n250 SIZE 10240000\r\n", 1);
    while (messages > 0) {
        smtp_client_start(&client, &transaction);
        say_and_hear(SLICE(MAIL_OK));
        say_and_hear(SLICE(RCPT_OK));
        say_and_hear(SLICE(DATA_OK));
        messages -= say_and_hear(SLICE(QUEUED));
    }
    return session_close();
}

// MAIL RCPT DATA, 354, content: two.
static uint64_t run_pipelined(uint64_t messages)
{
    session_open("250-mx.example.org\r\n250-SIZE 10240000\r\n250 PIPELINING\r\n", 1);
    while (messages > 0) {
        smtp_client_start(&client, &transaction);
        say_and_hear(SLICE(MAIL_OK RCPT_OK DATA_OK));
        messages -= say_and_hear(SLICE(QUEUED));
    }
    return session_close();
}

// Windows of RSET MAIL RCPT BDAT; the first of each has no RSET, since nothing is unanswered.
static uint64_t run_streamed(uint64_t messages)
{
    static const char first[] = MAIL_OK RCPT_OK QUEUED;
    static const char next[] = RSET_OK MAIL_OK RCPT_OK QUEUED;
    static char answers[sizeof(first) + MICRO_WINDOW * sizeof(next)];
    char *end = (char *)mempcpy(answers, first, sizeof(first) - 1);
    for (unsigned i = 1; i < MICRO_WINDOW; i++)
        end = (char *)mempcpy(end, next, sizeof(next) - 1);
    session_open("250-mx.example.org\r\n250-SIZE 10240000\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
                 MICRO_WINDOW);
    while (messages > 0) {
        while (smtp_client_can_start(&client))
            smtp_client_start(&client, &transaction);
        messages -= say_and_hear(slice_make(answers, (size_t)(end - answers)));
    }
    return session_close();
}

int main(int argc, char **argv)
{
    static const struct micro_pace paces[] = {
        {"lockstep", run_lockstep},
        {"pipelined", run_pipelined},
        {"streamed", run_streamed},
    };
    memset(content, 'x', sizeof(content));
    memcpy(content + sizeof(content) - 2, "\r\n", 2);
    return micro_main(argc, argv, paces, COUNT_OF(paces));
}
