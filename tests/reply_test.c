// The reply grammar (RFC 5321 4.2), each case cut at every byte: where TCP cuts the stream must
// not change what is read.
#include "engine/base/random.h"
#include "engine/smtp/reply.h"
#include "tests/suite.h"

#include <stdlib.h>

#define SEEN_BYTES_MAX 8192

// "250 2.1.5 Ok|" for each reply, "broken|" at the end of the parser's life.
struct seen {
    char text[SEEN_BYTES_MAX];
    size_t len;
};

static void see(struct seen *seen, const char *text, size_t len)
{
    CU_ASSERT_FATAL(seen->len + len < SEEN_BYTES_MAX);
    memcpy(seen->text + seen->len, text, len);
    seen->len += len;
    seen->text[seen->len] = '\0';
}

static void see_reply(struct seen *seen, const struct reply *r)
{
    char code[32];
    char enhanced[ENHANCED_TEXT_BYTES];
    enhanced_print(r->enhanced, enhanced);
    see(seen, code, (size_t)snprintf(code, sizeof(code), "%u [%s] ", r->code, enhanced));
    see(seen, r->text.data, r->text.len);
    see(seen, "|", 1);
}

// Feeds bytes from a heap block of exactly their size, so that a sanitizer sees any overrun.
static bool feed(struct reply_parser *p, struct slice bytes, struct seen *seen)
{
    char *exact = malloc(bytes.len + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(exact);
    memcpy(exact + 1, bytes.data, bytes.len);
    struct slice rest = slice_make(exact + 1, bytes.len);
    bool alive = true;
    for (bool more = true; more;) {
        size_t used;
        enum reply_status status = reply_feed(p, rest, &used);
        CU_ASSERT_FATAL(used <= rest.len);
        rest = slice_skip(rest, used);
        if (status == REPLY_DONE)
            see_reply(seen, &p->reply);
        if (status == REPLY_BROKEN)
            see(seen, "broken|", 7);
        if (status == REPLY_MORE)
            CU_ASSERT_EQUAL(rest.len, 0);
        alive = status != REPLY_BROKEN;
        more = status == REPLY_LINE || status == REPLY_DONE;
    }
    free(exact);
    return alive;
}

static void read_cut(struct slice bytes, size_t cut, struct seen *seen)
{
    struct reply_parser p;
    reply_parser_init(&p);
    seen->len = 0;
    seen->text[0] = '\0';
    if (feed(&p, slice_take(bytes, cut), seen))
        feed(&p, slice_skip(bytes, cut), seen);
}

static void read_by_byte(struct slice bytes, struct seen *seen)
{
    struct reply_parser p;
    reply_parser_init(&p);
    seen->len = 0;
    seen->text[0] = '\0';
    for (size_t i = 0; i < bytes.len; i++)
        if (!feed(&p, slice_make(bytes.data + i, 1), seen))
            return;
}

struct reply_case {
    const char *name;
    struct slice server;
    const char *want;
};
#define BYTES(literal)                                                                             \
    {                                                                                              \
        ("" literal), sizeof(literal) - 1                                                          \
    }

static const struct reply_case cases[] = {
    {"one line", BYTES("250 ok\r\n"), "250 [] ok|"},
    {"no text, with and without a space", BYTES("250 \r\n250\r\n"), "250 [] |250 [] |"},
    {"two replies", BYTES("250 a\r\n354 b\r\n"), "250 [] a|354 [] b|"},
    {"many lines", BYTES("250-a\r\n250-b c\r\n250 d\r\n"), "250 [] a / b c / d|"},
    {"empty lines in between", BYTES("250-a\r\n250-\r\n250 d\r\n"), "250 [] a /  / d|"},
    {"enhanced code", BYTES("550 5.1.1 no such user\r\n"), "550 [5.1.1] no such user|"},
    {"enhanced code alone", BYTES("250 2.0.0\r\n"), "250 [2.0.0] |"},
    {"long numbers", BYTES("550 5.123.999 x\r\n"), "550 [5.123.999] x|"},
    {"numbers too long", BYTES("550 5.1234.1 x\r\n"), "550 [] 5.1234.1 x|"},
    {"enhanced on each line", BYTES("550-5.7.1 a\r\n550 5.7.1 b\r\n"), "550 [5.7.1] a / b|"},
    {"class against the code", BYTES("550 4.7.1 a\r\n"), "550 [] 4.7.1 a|"},
    {"354 has no enhanced code", BYTES("354 3.0.0 a\r\n"), "354 [] 3.0.0 a|"},
    {"a version is no enhanced code", BYTES("250 2.5 ready\r\n"), "250 [] 2.5 ready|"},
    {"nor is a longer number", BYTES("250 2.5.1.7 x\r\n"), "250 [] 2.5.1.7 x|"},
    {"second digit beyond 5", BYTES("571 no\r\n"), "571 [] no|"},
    {"control characters", BYTES("250 a\tb\x1b[m\x7f\r\n"), "250 [] a?b?[m?|"},
    {"8-bit is kept", BYTES("250 \xc3\xa9\r\n"), "250 [] \xc3\xa9|"},
    {"a control character behind much text", BYTES("250 abcdefghijklmnopqrstuvwxyz\x01 z\r\n"),
     "250 [] abcdefghijklmnopqrstuvwxyz? z|"},

    {"empty line", BYTES("\r\n"), "broken|"},
    {"no digits", BYTES("hello\r\n"), "broken|"},
    {"two digits", BYTES("25 ok\r\n"), "broken|"},
    {"four digits", BYTES("2500 ok\r\n"), "broken|"},
    {"1yz", BYTES("150 ok\r\n"), "broken|"},
    {"6yz", BYTES("600 ok\r\n"), "broken|"},
    {"000", BYTES("000 ok\r\n"), "broken|"},
    {"999", BYTES("999 ok\r\n"), "broken|"},
    {"leading space", BYTES(" 250 ok\r\n"), "broken|"},
    {"tab behind the code", BYTES("250\tok\r\n"), "broken|"},
    {"another code", BYTES("250-a\r\n251 b\r\n"), "broken|"},
    {"another class", BYTES("250-a\r\n550 b\r\n"), "broken|"},
    {"bare LF", BYTES("250 ok\n"), "broken|"},
    {"bare LF behind a good line", BYTES("250 ok\r\n250 ok\n"), "250 [] ok|broken|"},
    {"bare LF behind much text", BYTES("250 all is well that ends\n"), "broken|"},
    {"LF behind another control character", BYTES("250 all is well that ends\x01\n"), "broken|"},
    {"CR and not LF", BYTES("250 all is well that ends\rx\n"), "broken|"},
    {"bare CR", BYTES("250 o\rk\r\n"), "broken|"},
    {"CR CR LF", BYTES("250 ok\r\r\n"), "broken|"},
    {"LF CR", BYTES("250 ok\n\r"), "broken|"},
    {"NUL", BYTES("250 o\0k\r\n"), "broken|"},
    {"NUL in front", BYTES("\000250 ok\r\n"), "broken|"},
    {"TLS alert", BYTES("\x15\x03\x01\x00\x02\x02\x0a\r\n"), "broken|"},
    {"HTTP", BYTES("HTTP/1.1 400 Bad Request\r\n"), "broken|"},
    {"nothing whole yet", BYTES("250 o"), ""},
    {"CR still to be followed", BYTES("250 ok\r"), ""},
};

static void every_cut_reads_the_same(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct reply_case *k = &cases[i];
        struct seen seen;
        for (size_t cut = 0; cut <= k->server.len; cut++) {
            read_cut(k->server, cut, &seen);
            if (strcmp(seen.text, k->want) != 0)
                printf("\n%s, cut at %zu: got \"%s\"", k->name, cut, seen.text);
            CU_ASSERT_STRING_EQUAL(seen.text, k->want);
        }
        read_by_byte(k->server, &seen);
        CU_ASSERT_STRING_EQUAL(seen.text, k->want);
    }
}

// Every three characters in front of " x": a reply exactly from 200 to 599.
static void codes(void)
{
    for (unsigned code = 0; code < 1000; code++) {
        char line[16];
        char want[32];
        struct seen seen;
        int len = snprintf(line, sizeof(line), "%03u x\r\n", code);
        if (code >= 200 && code < 600)
            snprintf(want, sizeof(want), "%u [] x|", code);
        else
            strcpy(want, "broken|");
        read_cut(slice_make(line, (size_t)len), (size_t)len, &seen);
        CU_ASSERT_STRING_EQUAL(seen.text, want);
    }
}

static bool line_of(size_t line_bytes, size_t chunk)
{
    static char line[REPLY_LINE_BYTES_MAX * 2];
    struct reply_parser p;
    struct seen seen = {.len = 0};
    memset(line, 'x', sizeof(line));
    memcpy(line, "250 ", 4);
    memcpy(line + line_bytes - 2, "\r\n", 2);
    reply_parser_init(&p);
    for (size_t at = 0; at < line_bytes; at += chunk)
        if (!feed(&p, slice_take(slice_make(line + at, line_bytes - at), chunk), &seen))
            return false;
    CU_ASSERT_EQUAL(p.reply.text.len, REPLY_TEXT_BYTES_MAX);
    return true;
}

static void lines_have_a_limit(void)
{
    static const size_t chunks[] = {1, 7, 480, 496, 497, 4095, 8192};
    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        CU_ASSERT(line_of(REPLY_LINE_BYTES_MAX - 1, chunks[i]));
        CU_ASSERT(line_of(REPLY_LINE_BYTES_MAX, chunks[i]));
        CU_ASSERT_FALSE(line_of(REPLY_LINE_BYTES_MAX + 1, chunks[i]));
    }
}

static void an_endless_line_is_cut_off(void)
{
    struct reply_parser p;
    struct seen seen = {.len = 0};
    size_t fed = 0;
    reply_parser_init(&p);
    while (feed(&p, SLICE("250-and so on and on"), &seen))
        fed += 20;
    CU_ASSERT(fed <= REPLY_LINE_BYTES_MAX);
    CU_ASSERT_FALSE(feed(&p, SLICE("\r\n250 ok\r\n"), &seen)); // it stays broken
}

static void an_endless_reply_is_cut_off(void)
{
    struct reply_parser p;
    struct seen seen = {.len = 0};
    size_t fed = 0;
    reply_parser_init(&p);
    while (feed(&p, SLICE("250-and so on and on\r\n"), &seen))
        fed += 22;
    CU_ASSERT(fed <= REPLY_BYTES_MAX && fed + 22 > REPLY_BYTES_MAX);
    CU_ASSERT_STRING_EQUAL(seen.text, "broken|");
}

static void replies_without_end_in_number_are_fine(void)
{
    struct reply_parser p;
    reply_parser_init(&p);
    for (unsigned i = 0; i < 3 * REPLY_BYTES_MAX / 8; i++) {
        struct seen seen = {.len = 0};
        CU_ASSERT_FATAL(feed(&p, SLICE("250 ok\r\n"), &seen));
        CU_ASSERT_STRING_EQUAL(seen.text, "250 [] ok|");
    }
}

// Long texts are cut alike, whether a line came whole or in parts.
static void long_texts_are_cut_alike(void)
{
    static char bytes[3000];
    struct seen whole;
    struct seen cut;
    for (size_t text = 460; text < 520; text++) {
        size_t len = (size_t)snprintf(bytes, sizeof(bytes), "550-5.1.1 %0*d\r\n550 5.1.1 %0*d\r\n",
                                      (int)text, 7, (int)text, 9);
        read_cut(slice_make(bytes, len), len, &whole);
        for (size_t at = 1; at < len; at += 13) {
            read_cut(slice_make(bytes, len), at, &cut);
            CU_ASSERT_STRING_EQUAL(cut.text, whole.text);
        }
        read_by_byte(slice_make(bytes, len), &cut);
        CU_ASSERT_STRING_EQUAL(cut.text, whole.text);
    }
}

static void lines_are_told_one_by_one(void)
{
    static const char bytes[] = "250-mx.example.org\r\n250-SIZE 1000\r\n250 HELP\r\n";
    static const char *const want[] = {"mx.example.org", "SIZE 1000", "HELP"};
    struct reply_parser p;
    struct slice rest = slice_of_text(bytes);
    reply_parser_init(&p);
    for (unsigned i = 0; i < 3; i++) {
        size_t used;
        enum reply_status status = reply_feed(&p, rest, &used);
        CU_ASSERT_EQUAL(status, i < 2 ? REPLY_LINE : REPLY_DONE);
        CU_ASSERT_EQUAL(p.line_count, i + 1);
        CU_ASSERT_EQUAL(p.reply.code, 250);
        CU_ASSERT(slice_equal(p.line, slice_of_text(want[i])));
        rest = slice_skip(rest, used);
    }
    CU_ASSERT_EQUAL(rest.len, 0);
}

static const struct suite_test tests[] = {
    {"every cut reads the same", every_cut_reads_the_same},
    {"codes", codes},
    {"lines have a limit", lines_have_a_limit},
    {"an endless line is cut off", an_endless_line_is_cut_off},
    {"an endless reply is cut off", an_endless_reply_is_cut_off},
    {"replies without end in number are fine", replies_without_end_in_number_are_fine},
    {"long texts are cut alike", long_texts_are_cut_alike},
    {"lines are told one by one", lines_are_told_one_by_one},
};

SUITE_MAIN("reply", tests)
