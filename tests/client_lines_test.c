// What is said never holds more than it should: no byte of an address or parameter ends its line or
// its path, and the longest ones fit.
#include "engine/smtp/address.h"
#include "engine/smtp/client.h"
#include "tests/suite.h"

static const struct smtp_recipient one_rcpt = {.address = {"1@y", 3}};
static const struct smtp_transaction plain = {
    .tag = 7,
    .sender = {"a@x", 3},
    .rcpts = &one_rcpt,
    .rcpt_count = 1,
    .content = {.pieces = {{"A\r\n", 3}}, .piece_count = 1},
};

static struct smtp_client client;
static struct wire wire;

static void hear(const char *text)
{
    struct slice bytes = slice_of_text(text);
    unsigned count;
    smtp_client_feed(&client, &bytes);
    smtp_client_fill(&client, &wire);
    wire_pieces(&wire, &count);
    wire_sent(&wire, wire.bytes);
}

static void open_session(void)
{
    struct smtp_client_options options = {.helo_name = SLICE("c"), .window = 1};
    wire_release(&wire);
    wire_init(&wire);
    smtp_client_init(&client, &options);
    hear("220 hi\r\n");
    hear("250-mx\r\n250-PIPELINING\r\n250-DSN\r\n250-MT-PRIORITY\r\n250-XVERP\r\n250 SMTPUTF8\r\n");
    CU_ASSERT(smtp_client_can_start(&client));
}

// True when the machine says it. What is no part of an address never gets to the wire, and is
// refused with a 5xx of our own.
static bool goes_through(const struct smtp_transaction *t)
{
    open_session();
    struct slice nothing = SLICE_EMPTY;
    if (smtp_client_start(&client, t)) {
        smtp_client_fill(&client, &wire);
        return !wire_empty(&wire);
    }
    smtp_client_fill(&client, &wire);
    CU_ASSERT(wire_empty(&wire));
    struct smtp_unfinished u;
    CU_ASSERT(smtp_client_unfinished(&client, 0, &u) && !u.written && u.tag == t->tag);
    struct smtp_event e = smtp_client_feed(&client, &nothing);
    CU_ASSERT(e.kind == SMTP_DONE && e.reply->code / 100 == 5 && e.reply->enhanced.class == 5);
    CU_ASSERT(smtp_client_can_start(&client));
    return false;
}

static void try_byte(unsigned byte, size_t len, size_t at, unsigned field, bool utf8)
{
    char words[32];
    struct smtp_recipient rcpt = {.address = SLICE("1@y")};
    struct smtp_transaction t = plain;
    struct slice *fields[] = {&t.sender, &rcpt.address, &t.dsn, &rcpt.dsn};
    memset(words, 'a', len);
    words[at] = (char)byte;
    t.rcpts = &rcpt;
    t.smtputf8 = utf8;
    *fields[field] = slice_make(words, len);
    bool banned = byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !utf8) ||
                  (byte == '>' && field < 2);
    CU_ASSERT_EQUAL(goes_through(&t), !banned);
}

// Every byte, at every place of words short and long, in every field.
static void no_byte_breaks_out_of_a_command_line(void)
{
    static const size_t lens[] = {1, 3, 8, 11, 21};
    for (unsigned byte = 0; byte < 256; byte++)
        for (unsigned field = 0; field < 4; field++)
            for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
                for (size_t at = 0; at < lens[i]; at++)
                    try_byte(byte, lens[i], at, field, (byte + at) % 2 == 0);
}

static void a_path_is_not_left(void)
{
    static const struct {
        const char *address;
        bool ok;
    } paths[] = {
        {"a@b> SIZE=1", false},  {"a>@b", false},         {"\"a>b\"@c", true},
        {"\"a\\\">b\"@c", true}, {"\"a\"> b\"@c", false}, {"\"a\\\\\"> b\"@c", false},
        {"\"a>b@c", false},      {"\"a b\"@c", true},
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct smtp_transaction t = plain;
        t.sender = slice_of_text(paths[i].address);
        CU_ASSERT_EQUAL(goes_through(&t), paths[i].ok);
    }
}

static void the_longest_lines_fit(void)
{
    static char long_text[ADDRESS_BYTES_MAX + SMTP_DSN_BYTES_MAX];
    memset(long_text, 'x', sizeof(long_text));
    for (size_t over = 0; over < 2; over++)
        for (unsigned field = 0; field < 4; field++) {
            struct smtp_recipient rcpt = {.address = {long_text, ADDRESS_BYTES_MAX},
                                          .dsn = {long_text, SMTP_DSN_BYTES_MAX}};
            struct smtp_transaction t = plain;
            t.rcpts = &rcpt;
            t.sender = slice_make(long_text, ADDRESS_BYTES_MAX);
            t.dsn = slice_make(long_text, SMTP_DSN_BYTES_MAX);
            t.is_8bit = t.smtputf8 = t.verp = true;
            t.priority = -9;
            struct slice *fields[] = {&t.sender, &rcpt.address, &t.dsn, &rcpt.dsn};
            fields[field]->len += over;
            CU_ASSERT_EQUAL(goes_through(&t), over == 0);
        }
}

static const struct suite_test tests[] = {
    {"no byte breaks out of a command line", no_byte_breaks_out_of_a_command_line},
    {"a path is not left", a_path_is_not_left},
    {"the longest lines fit", the_longest_lines_fit},
};

SUITE_MAIN("client_lines", tests)
