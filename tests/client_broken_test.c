// Replies as no server should give them, in place of each reply of a session, at each pace
// (N5 in RELIABILITY.md). What does not fit grammar and state closes the session, and never counts
// as success.
#include "engine/base/check.h"
#include "tests/smtp_model.h"
#include "tests/suite.h"

#include <stdlib.h>

static struct session session;
static struct model model;
static struct model_mails mails;

struct broken_run {
    uint32_t ok_count; // verdicts told as delivered
    const char *why;   // closed
    uint32_t answers;
};
static struct broken_run run;

static void run_command(struct session *s, enum peer_command command)
{
    model_command(&model, s, command);
}

static void run_event(struct session *s, const struct smtp_event *e)
{
    (void)s;
    if (e->kind == SMTP_DONE && e->phase == SMTP_PHASE_CONTENT && reply_is_success(e->reply))
        run.ok_count++;
    if (e->kind == SMTP_CLOSED)
        run.why = e->why;
}

static const struct {
    const char *ehlo;
    uint16_t window;
} paces[] = {
    {"250 model\r\n", 1},
    {"250-model\r\n250 PIPELINING\r\n", 1},
    {"250-model\r\n250 PIPELINING\r\n", 2},
    {"250-model\r\n250-PIPELINING\r\n250 CHUNKING\r\n", 2},
};
#define PACES (sizeof(paces) / sizeof(paces[0]))

// A session of two mails in which the `at`-th answer is `forced`. Sets `run`.
static void run_with(size_t pace, uint32_t at, struct slice forced, enum session_cut cut)
{
    static const struct session_test test = {NULL, run_command, run_event};
    struct model_manner manner = {.ehlo = paces[pace].ehlo};
    struct smtp_client_options options = {.helo_name = SLICE("c"), .window = paces[pace].window};
    memset(&run, 0, sizeof(run));
    model_init(&model, &manner, 1);
    model.forced = forced;
    model.forced_at = at;
    model.forced_command = PEER_BAD;
    session.test = &test;
    session.mails = mails.mails;
    session.mail_count = 2;
    session.quits = true;
    session.cut = cut;
    random_init(&session.dice, at);
    session_run(&session, &options);
    run.answers = model.answer_count;
}

static void make_mails(void)
{
    struct random dice;
    random_init(&dice, 1);
    model_mails_make(&mails, &dice, 2, 2);
}

static uint32_t ledger_count(void)
{
    return model.ledger[0].taken + model.ledger[1].taken;
}

// How many answers an undisturbed session has.
static uint32_t answer_count(size_t pace)
{
    run_with(pace, UINT32_MAX, SLICE_EMPTY, CUT_NOWHERE);
    CU_ASSERT_EQUAL(run.ok_count, 2);
    CU_ASSERT_STRING_EQUAL(run.why, "QUIT");
    return run.answers;
}

// ---------------------------------------------------------------------------- broken grammar

static struct slice broken[2048];
static size_t broken_count;

static void add_broken(const void *bytes, size_t len)
{
    char *copy = malloc(len);
    CHECK(copy && broken_count < sizeof(broken) / sizeof(broken[0]));
    memcpy(copy, bytes, len);
    broken[broken_count++] = slice_make(copy, len);
}

static void free_broken(void)
{
    while (broken_count > 0)
        free((void *)(uintptr_t)broken[--broken_count].data);
}

#define ADD(literal) add_broken(literal, sizeof(literal) - 1)

// Every way to spoil this reply by one byte more, one byte less or one byte changed, of those that
// make it no reply at all.
static void spoil(const char *code)
{
    char line[32];
    for (unsigned byte = 0; byte < 256; byte++) {
        bool digit = byte >= '0' && byte <= '9';
        int len = snprintf(line, sizeof(line), "%s ok\r\n", code);
        if (byte < '2' || byte > '5') { // 0yz, 1yz, 6yz, letters, blanks ...
            line[0] = (char)byte;
            add_broken(line, (size_t)len);
        }
        snprintf(line, sizeof(line), "%s ok\r\n", code);
        if (!digit) {
            line[2] = (char)byte;
            add_broken(line, (size_t)len);
        }
        snprintf(line, sizeof(line), "%s ok\r\n", code);
        if (byte != ' ' && byte != '-' && byte != '\r') { // 2500, 250.ok ...
            line[3] = (char)byte;
            add_broken(line, (size_t)len);
        }
    }
}

static void make_broken(void)
{
    static char big[1024 * 1024];
    ADD("\r\n");
    ADD("\n");
    ADD("\r\r\n");
    ADD("ok\r\n");
    ADD("25\r\n");
    ADD("2\r\n");
    ADD("250 ok\n");
    ADD("250 ok\r\r\n");
    ADD("250 ok\n\r");
    ADD("250 o\rk\r\n");
    ADD("250 o\0k\r\n");
    ADD("250 ok\0\r\n");
    ADD("250-a\r\n550 b\r\n");
    ADD("250-a\r\n251 b\r\n");
    ADD("250-a\r\n\r\n");
    ADD("250-a\r\nb\r\n");
    ADD("250-a\r\n250-b\r\n354 c\r\n");
    ADD("354-a\r\n250 b\r\n");
    ADD(" 250 ok\r\n");
    ADD("\xef\xbb\xbf"
        "250 ok\r\n");
    ADD("HTTP/1.0 200 OK\r\n\r\n");
    ADD("-250 ok\r\n");
    ADD("+OK\r\n");
    ADD("0x250 ok\r\n");
    spoil("250");
    spoil("354");
    memset(big, '2', sizeof(big));
    add_broken(big, sizeof(big) / 8); // a line without end
    memcpy(big, "250 ", 4);
    add_broken(big, sizeof(big) / 8);
    for (size_t at = 0; at + 8 <= sizeof(big); at += 8)
        memcpy(big + at, "250-ok\r\n", 8);
    add_broken(big, sizeof(big) / 8); // a reply without end
}

static void broken_replies_close(void)
{
    static const enum session_cut cuts[] = {CUT_NOWHERE, CUT_BY_BYTE, CUT_BY_SEED};
    unsigned runs = 0;
    make_mails();
    make_broken();
    for (size_t pace = 0; pace < PACES; pace++) {
        uint32_t answers = answer_count(pace);
        for (uint32_t at = 0; at < answers; at++)
            for (size_t i = 0; i < broken_count; i++) {
                enum session_cut cut = broken[i].len > 1000 ? CUT_NOWHERE : cuts[(i + at) % 3];
                run_with(pace, at, broken[i], cut);
                bool closed = run.why && strcmp(run.why, "not an SMTP reply") == 0;
                if (!closed)
                    printf("\npace %zu, answer %u, broken %zu (%.*s): %s", pace, at, i,
                           (int)(broken[i].len < 20 ? broken[i].len : 20), broken[i].data,
                           run.why ? run.why : "open");
                CU_ASSERT_FATAL(closed);
                CU_ASSERT(run.ok_count <= ledger_count());
                runs++;
            }
    }
    CU_ASSERT(runs >= 5000);
    free_broken();
}

// ------------------------------------------------------------- good grammar, in the wrong place

enum consequence { GOES_ON, REFUSED, CLOSES };

// The table of RFC 5321 4.3.2, by classes.
static enum consequence consequence_of(enum peer_command command, unsigned code)
{
    unsigned class = code / 100;
    if (code == 421 || command == PEER_QUIT)
        return CLOSES;
    switch (command) {
    case PEER_NEEDS_MORE:
    case PEER_HELO: return class == 2 ? GOES_ON : CLOSES;
    case PEER_EHLO: return class == 2 || class == 5 ? GOES_ON : CLOSES;
    case PEER_MAIL:
    case PEER_RCPT:
    case PEER_CONTENT: return class == 2 ? GOES_ON : class == 3 ? CLOSES : REFUSED;
    case PEER_DATA: return class == 3 ? GOES_ON : class == 2 ? CLOSES : REFUSED;
    case PEER_RSET: return class == 2 ? GOES_ON : CLOSES;
    case PEER_STARTTLS:
    case PEER_AUTH:
    case PEER_QUIT:
    case PEER_BAD: break;
    }
    return CLOSES;
}

static void every_code_in_every_place(void)
{
    unsigned runs = 0;
    make_mails();
    for (uint32_t i = 0; i < 2; i++)
        mails.mails[i].rcpt_count = 1;
    for (size_t pace = 0; pace < PACES; pace++) {
        uint32_t answers = answer_count(pace);
        for (uint32_t at = 0; at < answers; at++)
            for (unsigned code = 200; code < 600; code++) {
                char reply[16];
                int len = snprintf(reply, sizeof(reply), "%u x\r\n", code);
                run_with(pace, at, slice_make(reply, (size_t)len), CUT_NOWHERE);
                enum consequence want = consequence_of(model.forced_command, code);
                bool at_quit = run.why && strcmp(run.why, "QUIT") == 0;
                bool ok = true;
                switch (want) {
                case GOES_ON: ok = at_quit && run.ok_count == 2; break;
                case REFUSED: ok = at_quit && run.ok_count == 1; break;
                case CLOSES: ok = run.why && (!at_quit || run.ok_count == 2); break;
                }
                if (!ok)
                    printf("\npace %zu, %u to command %d: %s, %u delivered", pace, code,
                           (int)model.forced_command, run.why, run.ok_count);
                CU_ASSERT_FATAL(ok);
                CU_ASSERT(run.ok_count <= ledger_count());
                runs++;
            }
    }
    CU_ASSERT(runs >= 5000);
}

// Two replies for one. The second is there before any command that it could answer has been said,
// or answers the next one wrongly: the session ends, and at most with what the server took.
static void one_reply_too_many(void)
{
    static const char *const doubles[] = {"220 a\r\n220 b\r\n", "250 a\r\n250 b\r\n",
                                          "354 a\r\n354 b\r\n", "250 a\r\n354 b\r\n",
                                          "550 a\r\n250 b\r\n", "450 a\r\n550 b\r\n"};
    make_mails();
    for (size_t pace = 0; pace < 2; pace++) // one mail at a time
        for (uint32_t at = 0; at < answer_count(pace); at++)
            for (size_t i = 0; i < sizeof(doubles) / sizeof(doubles[0]); i++) {
                run_with(pace, at, slice_of_text(doubles[i]), CUT_NOWHERE);
                bool ended = run.why &&
                             (model.forced_command == PEER_QUIT || strcmp(run.why, "QUIT") != 0);
                if (!ended)
                    printf("\npace %zu, answer %u, double %zu: %s", pace, at, i,
                           run.why ? run.why : "open");
                CU_ASSERT(ended);
                CU_ASSERT(run.ok_count <= ledger_count());
            }
}

static const struct suite_test tests[] = {
    {"broken replies close", broken_replies_close},
    {"every code in every place", every_code_in_every_place},
    {"one reply too many", one_reply_too_many},
};

SUITE_MAIN("client_broken", tests)
