// What content_scan() finds, with SSE2 and without, however the content is cut: against a plain
// rendering of the rules that looks at the whole content at once.
#include "engine/base/check.h"
#include "engine/base/random.h"
#include "engine/smtp/content.h"
#include "tests/suite.h"

#include <stdlib.h>

// The same file once more, as it is built where there is no SSE2.
void content_scan_portable(struct content_scan *s, struct slice bytes);
#define content_scan(s, bytes) content_scan_portable(s, bytes)
#undef __SSE2__
#include "engine/smtp/content_scan.c" // NOLINT
#undef content_scan

typedef void scan_function(struct content_scan *s, struct slice bytes);
static scan_function *const scans[] = {content_scan, content_scan_portable};

struct expectation {
    enum content_fault fault;
    bool has_dot_lines, has_8bit, in_line;
};

static struct expectation expect(struct slice s)
{
    struct expectation want = {.fault = CONTENT_FINE};
    size_t line_start = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        bool after_cr = i > 0 && s.data[i - 1] == '\r';
        if (after_cr && c != '\n')
            want.fault = CONTENT_BARE_CR;
        else if (c == '\n' && !after_cr)
            want.fault = CONTENT_BARE_LF;
        else if (c == '\0')
            want.fault = CONTENT_NUL;
        else if (c != '\n' && c != '\r' && i - line_start >= 998)
            want.fault = CONTENT_LINE_TOO_LONG;
        if (want.fault != CONTENT_FINE)
            return want;
        want.has_dot_lines |= i == line_start && c == '.';
        want.has_8bit |= (unsigned char)c >= 0x80;
        if (c == '\n')
            line_start = i + 1;
    }
    want.in_line = line_start < s.len;
    return want;
}

static bool is_as_expected(const struct content_scan *got, const struct expectation *want)
{
    return got->fault == want->fault && got->has_dot_lines == want->has_dot_lines &&
           got->has_8bit == want->has_8bit &&
           (want->fault != CONTENT_FINE || got->in_line == want->in_line);
}

static bool found_in_pieces(scan_function *scan, struct slice s, const struct expectation *want,
                            size_t cut, size_t step)
{
    struct content_scan got = {.fault = CONTENT_FINE};
    scan(&got, slice_take(s, cut));
    for (struct slice rest = slice_skip(s, cut); rest.len > 0; rest = slice_skip(rest, step))
        scan(&got, slice_take(rest, step));
    if (is_as_expected(&got, want))
        return true;
    printf("\n  %zu bytes, cut %zu, step %zu: got fault %d dots %d 8bit %d, want %d %d %d\n", s.len,
           cut, step, got.fault, got.has_dot_lines, got.has_8bit, want->fault, want->has_dot_lines,
           want->has_8bit);
    return false;
}

static void check_every_cut(struct slice s)
{
    struct expectation want = expect(s);
    for (size_t i = 0; i < COUNT_OF(scans); i++) {
        for (size_t cut = 0; cut <= s.len; cut++)
            CU_ASSERT(found_in_pieces(scans[i], s, &want, cut, SIZE_MAX));
        for (size_t step = 1; step < 4; step++)
            CU_ASSERT(found_in_pieces(scans[i], s, &want, 0, step));
    }
}

struct scan_case {
    struct slice content;
    enum content_fault want;
    bool dots, high;
};

#define TEN "0123456789"
#define SIXTY_FOUR TEN TEN TEN TEN TEN TEN "0123"

static const struct scan_case scan_cases[] = {
    {SLICE(""), CONTENT_FINE},
    {SLICE("\r\n"), CONTENT_FINE},
    {SLICE("Subject: hi\r\n\r\nhello\r\n"), CONTENT_FINE},
    {SLICE(".\r\n"), CONTENT_FINE, .dots = true},
    {SLICE("a\r\n.b\r\n"), CONTENT_FINE, .dots = true},
    {SLICE("a.\r\nb.c\r\n"), CONTENT_FINE},
    {SLICE(SIXTY_FOUR ".\r\n"), CONTENT_FINE},
    {SLICE("12" TEN TEN TEN TEN TEN TEN "\r\n.\r\n"), CONTENT_FINE, .dots = true},
    {SLICE("caf\xc3\xa9\r\n"), CONTENT_FINE, .high = true},
    {SLICE(SIXTY_FOUR "\x80\r\n"), CONTENT_FINE, .high = true},
    {SLICE("a\nb\r\n"), CONTENT_BARE_LF},
    {SLICE("\n"), CONTENT_BARE_LF},
    {SLICE("\r\n\n"), CONTENT_BARE_LF},
    {SLICE(SIXTY_FOUR "\n"), CONTENT_BARE_LF},
    {SLICE("a\rb\r\n"), CONTENT_BARE_CR},
    {SLICE("\r\r\n"), CONTENT_BARE_CR},
    {SLICE("a\r\0\n"), CONTENT_BARE_CR},
    {SLICE("a\0b\r\n"), CONTENT_NUL},
    {SLICE(SIXTY_FOUR "\0"), CONTENT_NUL},
    {SLICE("a\0b\nc\r\n"), CONTENT_NUL}, // the first fault
    {SLICE("a\nb\0c\r\n"), CONTENT_BARE_LF},
};

static void tables(void)
{
    for (size_t i = 0; i < COUNT_OF(scan_cases); i++) {
        const struct scan_case *c = &scan_cases[i];
        struct expectation want = expect(c->content);
        CU_ASSERT(want.fault == c->want && want.has_dot_lines == c->dots &&
                  want.has_8bit == c->high);
        check_every_cut(c->content);
    }
}

// Lines of 0 to 1,005 bytes behind another of 0 to 70: the length is the limit's or one more,
// wherever in its block the line begins and ends.
static void line_lengths(void)
{
    char text[70 + 2 + 1005 + 2 + 1];
    for (size_t before = 0; before <= 70; before++)
        for (size_t len = 990; len <= 1005; len++) {
            int count = snprintf(text, sizeof(text), "%*s\r\n%*s\r\n", (int)before, "", (int)len,
                                 "");
            struct slice s = slice_make(text, (size_t)count);
            struct expectation want = expect(s);
            CU_ASSERT(want.fault == (len > 998 ? CONTENT_LINE_TOO_LONG : CONTENT_FINE));
            for (size_t i = 0; i < COUNT_OF(scans); i++)
                for (size_t step = 1; step <= 1024; step *= 2)
                    CU_ASSERT(found_in_pieces(scans[i], s, &want, before, step));
        }
}

// One odd byte at every place of sound content, and at every place of its block.
static void one_odd_byte(void)
{
    static const char sound[] = "From: a\r\n\r\n" SIXTY_FOUR "\r\n.dot\r\n" SIXTY_FOUR TEN
                                "\r\n\r\n";
    static const char odd[] = {'\r', '\n', '\0', '.', 'x', '\x7f', '\x80', '\xff'};
    char text[sizeof(sound)];
    for (size_t at = 0; at < sizeof(sound) - 1; at++)
        for (size_t o = 0; o < sizeof(odd); o++) {
            memcpy(text, sound, sizeof(sound));
            text[at] = odd[o];
            struct slice s = slice_make(text, sizeof(sound) - 1);
            struct expectation want = expect(s);
            for (size_t i = 0; i < COUNT_OF(scans); i++)
                for (size_t cut = 0; cut <= s.len; cut += 3)
                    CU_ASSERT(found_in_pieces(scans[i], s, &want, cut, SIZE_MAX));
        }
}

// Contents drawn from few bytes, so that every pair of them meets.
static void random_contents(void)
{
    static const char *const words[] = {"\r\n", "\r\n", "\r\n", "\r\n.", ".",    "a",   "text ",
                                        TEN,    TEN,    TEN,    "\x80",  "\r\n", "\r\n"};
    static const char *const faults[] = {"\r", "\n", "", SIXTY_FOUR SIXTY_FOUR SIXTY_FOUR};
    struct random dice;
    random_init(&dice, 20);
    for (int round = 0; round < 3000; round++) {
        char text[2048];
        size_t len = 0, goal = random_below(&dice, 1500);
        uint32_t fault_odds = random_below(&dice, 3) ? 0 : 1 + random_below(&dice, 20);
        while (len < goal) {
            bool bad = fault_odds && random_below(&dice, 100) < fault_odds;
            const char *word = bad ? faults[random_below(&dice, COUNT_OF(faults))]
                                   : words[random_below(&dice, COUNT_OF(words))];
            size_t word_len = *word ? strlen(word) : 1; // "" stands for a NUL
            memcpy(text + len, word, word_len);
            len += word_len;
        }
        struct slice s = slice_make(text, len);
        struct expectation want = expect(s);
        for (size_t i = 0; i < COUNT_OF(scans); i++) {
            size_t cut = random_below(&dice, (uint32_t)len + 1);
            CU_ASSERT(found_in_pieces(scans[i], s, &want, cut, 1 + random_below(&dice, 200)));
            CU_ASSERT(found_in_pieces(scans[i], s, &want, cut, SIZE_MAX));
        }
    }
}

static const struct suite_test tests[] = {
    {"tables, at every cut", tables},
    {"line lengths", line_lengths},
    {"one odd byte", one_odd_byte},
    {"random contents", random_contents},
};

SUITE_MAIN("content_scan", tests)
