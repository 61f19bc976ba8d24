// The client session, with the fuzzer as the server. Nothing may be told as delivered but what was
// wholly said, and answered with 2xx in its place: the n-th reply answers the n-th command.
#include "engine/base/check.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/reply_reference.h"
#include "tests/smtp_model.h"

#define MAILS 6
#define RCPTS 3

// Byte 0: window. Byte 1: extensions ignored. Byte 2: how the server's bytes are cut. Byte 3: how
// much of a wire goes out at once.
#define HEAD_BYTES 4
#define EHLO_PLAIN "220 mx\r\n250 mx\r\n"
#define EHLO_PIPELINED "220 mx\r\n250-mx\r\n250 PIPELINING\r\n"
#define EHLO_STREAMED "220 mx\r\n250-mx\r\n250-SIZE 100000\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
#define OK "250 ok\r\n"
#define GO "354 go\r\n"
#define MAIL_OK OK OK GO OK
#define BDAT_OK OK OK OK OK OK
#define SEED(head, text)                                                                           \
    {                                                                                              \
        head text, sizeof(head text) - 1                                                           \
    }

const struct slice fuzz_seeds[] = {
    SEED("\001\000\001\000", EHLO_PLAIN MAIL_OK MAIL_OK MAIL_OK),
    SEED("\001\000\010\003", "220 mx\r\n502 what\r\n250 hello\r\n" MAIL_OK MAIL_OK),
    SEED("\001\000\010\000", EHLO_PIPELINED OK "550 no\r\n554 nobody\r\n" OK MAIL_OK MAIL_OK),
    SEED("\002\000\010\000", EHLO_PIPELINED MAIL_OK MAIL_OK MAIL_OK MAIL_OK MAIL_OK MAIL_OK),
    SEED("\002\000\005\002", EHLO_PIPELINED OK "550 no\r\n" GO "554 nobody\r\n" MAIL_OK MAIL_OK),
    SEED("\004\000\377\000", EHLO_STREAMED OK OK OK BDAT_OK BDAT_OK BDAT_OK BDAT_OK "221 bye\r\n"),
    SEED("\004\000\020\001", EHLO_STREAMED OK OK OK OK "550 no\r\n503 a\r\n503 b\r\n" BDAT_OK),
    SEED("\010\000\007\002", EHLO_STREAMED OK "550 no\r\n503 nobody\r\n" OK OK OK OK "421 bye\r\n"),
};
const size_t fuzz_seed_count = COUNT_OF(fuzz_seeds);
const struct slice fuzz_words[] = {REPLY_WORDS};
const size_t fuzz_word_count = COUNT_OF(fuzz_words);

static struct model_mails mails;
static struct smtp_peer peer;
static struct smtp_client client;
static struct wire wire;
static char said[SESSION_BYTES_MAX];
static size_t said_len;

struct log {
    bool ended[MAILS];
    bool delivered[MAILS];
    bool refused[MAILS][RCPTS];
    uint32_t started;
    bool closed;
};

static void on_event(struct log *log, const struct smtp_event *e)
{
    switch (e->kind) {
    case SMTP_RCPT_REFUSED:
        CHECK(!log->ended[e->tag] && e->rcpt < mails.mails[e->tag].rcpt_count);
        CHECK(!log->refused[e->tag][e->rcpt]);
        log->refused[e->tag][e->rcpt] = true;
        break;
    case SMTP_DONE:
        CHECK(e->tag < log->started && !log->ended[e->tag]);
        log->ended[e->tag] = true;
        log->delivered[e->tag] = e->phase == SMTP_PHASE_CONTENT && reply_is_success(e->reply);
        break;
    case SMTP_CLOSED:
        CHECK(!log->closed && e->why != NULL);
        log->closed = true;
        break;
    case SMTP_TLS:
        CHECK(e->reply != NULL);
        smtp_client_secured(&client);
        break;
    case SMTP_REPLIED:
    case SMTP_READY: CHECK(e->reply != NULL); break;
    case SMTP_MORE: CHECK(false);
    }
}

static void say(struct log *log, uint8_t part)
{
    unsigned count;
    while (!log->closed && log->started < MAILS && smtp_client_can_start(&client))
        CHECK(smtp_client_start(&client, &mails.mails[log->started++]) || client.size_max > 0);
    if (log->started == MAILS)
        smtp_client_quit(&client);
    smtp_client_fill(&client, &wire);
    if (wire_empty(&wire))
        return;
    size_t going = part == 0 ? wire.bytes : (wire.bytes + part - 1) / part;
    const struct iovec *pieces = wire_pieces(&wire, &count);
    for (size_t left = going; left > 0; pieces++) {
        size_t bytes = pieces->iov_len < left ? pieces->iov_len : left;
        CHECK(said_len + bytes <= sizeof(said));
        memcpy(said + said_len, pieces->iov_base, bytes);
        said_len += bytes;
        left -= bytes;
    }
    wire_sent(&wire, going);
}

static void hear(struct log *log, struct slice bytes)
{
    for (;;) {
        struct smtp_event e = smtp_client_feed(&client, &bytes);
        if (e.kind == SMTP_MORE)
            return;
        on_event(log, &e);
    }
}

static void run_session(struct log *log, const uint8_t *head, struct slice server)
{
    struct smtp_client_options options = {
        .helo_name = SLICE("c"),
        .window = (uint16_t)(1 + head[0] % SMTP_WINDOW_MAX),
        .ignore = head[1],
        .tls = (enum smtp_tls_wish)(head[0] / SMTP_WINDOW_MAX % 3),
        .user = head[0] & 0x80 ? SLICE("user") : SLICE_EMPTY,
        .password = SLICE("secret"),
    };
    smtp_client_init(&client, &options);
    wire_init(&wire);
    said_len = 0;
    while (server.len > 0) {
        struct slice chunk = slice_take(server, 1 + head[2]);
        server = slice_skip(server, chunk.len);
        hear(log, chunk);
        say(log, head[3] % 5);
    }
    while (!wire_empty(&wire))
        say(log, 0);
    for (uint32_t i = 0; i < MAILS; i++)
        CHECK(log->ended[i] || i >= log->started || log->closed || !smtp_client_idle(&client));
}

// What may have been delivered, from the two transcripts alone.
static void audit(const struct log *log, const struct reply_reference *replies)
{
    struct slice rest = slice_make(said, said_len);
    bool may_be[MAILS] = {false};
    uint64_t mail = 0;
    smtp_peer_init(&peer);
    for (uint32_t n = 1;; n++) { // reply 0 is the greeting
        unsigned class = n < replies->count ? replies->codes[n] / 100u : 0;
        enum peer_command command = smtp_peer_read(&peer, &rest);
        if (command == PEER_NEEDS_MORE)
            break;
        CHECK(command != PEER_BAD);
        struct slice path = smtp_peer_path(&peer);
        if (command == PEER_MAIL)
            CHECK(slice_to_u64(slice_cut(&path, '@'), MAILS, &mail));
        if (command == PEER_DATA && class == 3)
            smtp_peer_go_ahead(&peer);
        else if (command == PEER_DATA)
            smtp_peer_no_data(&peer);
        bool whole = slice_equal(smtp_peer_content(&peer), mails.mails[mail].content.pieces[0]);
        if (command == PEER_CONTENT && class == 2 && whole)
            may_be[mail] = true;
    }
    for (uint32_t i = 0; i < MAILS; i++)
        CHECK(may_be[i] || !log->delivered[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reply_reference replies;
    struct log log = {0};
    if (size < HEAD_BYTES)
        return 0;
    if (mails.count == 0) {
        struct random dice;
        random_init(&dice, 1);
        model_mails_make(&mails, &dice, MAILS, RCPTS);
        for (uint32_t i = 0; i < MAILS; i += 2)
            mails.mails[i].rcpt_count = 1;
    }
    struct slice server = slice_make(data + HEAD_BYTES, size - HEAD_BYTES);
    run_session(&log, data, server);
    reply_reference_read(server, &replies);
    audit(&log, &replies);
    smtp_client_release(&client);
    wire_release(&wire);
    return 0;
}
