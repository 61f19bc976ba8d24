// bench/micro_client.c: what the client machine costs, without any I/O: it reads the replies of
// an obliging server from memory, and what it says is thrown away.
//
//   micro_client [MESSAGES]
//
// Prints one line for each pace: messages a second and nanoseconds a message, each with one
// recipient, four replies and four commands.
#include "engine/base/check.h"
#include "engine/smtp/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MESSAGES_DEFAULT 5000000
#define WINDOW 8
#define CONTENT_BYTES 2048

#define RSET_OK "250 2.0.0 Ok\r\n"
#define MAIL_OK "250 2.1.0 Ok\r\n"
#define RCPT_OK "250 2.1.5 Ok\r\n"
#define DATA_OK "354 End data with <CR><LF>.<CR><LF>\r\n"
#define QUEUED "250 2.0.0 Ok: queued as 4XyZ1234567890\r\n"

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
    struct smtp_client_options options = {.helo_name = SLICE("client.example.net"),
                                          .window = window};
    wire_init(&wire);
    smtp_client_init(&client, &options);
    hear(SLICE("220 mx.example.org ESMTP\r\n"));
    flush();
    hear(slice_of_text(ehlo));
}

// One message a round trip: MAIL RCPT DATA, 354, content.
static void run_pipelined(const struct smtp_transaction *t, uint64_t messages)
{
    session_open("250-mx.example.org\r\n250-SIZE 10240000\r\n250 PIPELINING\r\n", 1);
    while (messages > 0) {
        smtp_client_start(&client, t);
        flush();
        hear(SLICE(MAIL_OK RCPT_OK DATA_OK));
        flush();
        messages -= hear(SLICE(QUEUED));
    }
}

// Windows of RSET MAIL RCPT BDAT; the first of each has no RSET, since nothing is unanswered.
static void run_streamed(const struct smtp_transaction *t, uint64_t messages)
{
    static const char first[] = MAIL_OK RCPT_OK QUEUED;
    static const char next[] = RSET_OK MAIL_OK RCPT_OK QUEUED;
    static char answers[sizeof(first) + WINDOW * sizeof(next)];
    char *end = (char *)mempcpy(answers, first, sizeof(first) - 1);
    for (unsigned i = 1; i < WINDOW; i++)
        end = (char *)mempcpy(end, next, sizeof(next) - 1);
    session_open("250-mx.example.org\r\n250-SIZE 10240000\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
                 WINDOW);
    for (struct slice bytes = slice_make(answers, (size_t)(end - answers)); messages > 0;) {
        while (smtp_client_can_start(&client))
            smtp_client_start(&client, t);
        flush();
        messages -= hear(bytes);
    }
}

static void measure(const char *pace, const struct smtp_transaction *t, uint64_t messages,
                    void (*run)(const struct smtp_transaction *t, uint64_t messages))
{
    struct timespec from, to;
    said_bytes = 0;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    run(t, messages);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    double s = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    printf("%-10s %8.0f messages/s  %6.1f ns/message  %5.0f bytes/message\n", pace,
           (double)messages / s, s * 1e9 / (double)messages, (double)said_bytes / (double)messages);
    wire_release(&wire);
    smtp_client_release(&client);
}

int main(int argc, char **argv)
{
    static char content[CONTENT_BYTES];
    static const struct smtp_recipient rcpt = {.address = {"someone.else@mail.example.org", 29}};
    struct smtp_transaction t = {
        .sender = SLICE("newsletter-4711@example.net"),
        .rcpts = &rcpt,
        .rcpt_count = 1,
        .content = {.pieces = {slice_make(content, sizeof(content))}, .piece_count = 1},
    };
    // Whole windows, so that none is left over.
    uint64_t messages = argc > 1 ? strtoull(argv[1], NULL, 10) : MESSAGES_DEFAULT;
    messages = (messages + WINDOW - 1) / WINDOW * WINDOW;
    memset(content, 'x', sizeof(content));
    memcpy(content + sizeof(content) - 2, "\r\n", 2);
    printf("client machine: %zu bytes, wire: %zu bytes\n", sizeof(client), sizeof(wire));
    measure("pipelined", &t, messages, run_pipelined);
    measure("streamed", &t, messages, run_streamed);
    return 0;
}
