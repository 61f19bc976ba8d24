// Dot-stuffing undone, and where content ends: RFC 5321 4.5.2, and the sequences by which messages
// were smuggled past servers that were lax about it (CVE-2023-51764, 51765, 51766).
#include "engine/base/buffer.h"
#include "engine/base/check.h"
#include "engine/base/random.h"
#include "engine/smtp/unstuff.h"
#include "tests/suite.h"

#include <stdlib.h>

// Feeds one piece, in a heap copy of just its size. Returns how much of it was left unused.
static size_t feed(enum unstuff *u, struct slice piece, struct buffer *got)
{
    char *copy = malloc(piece.len ? piece.len : 1);
    memcpy(copy, piece.data, piece.len);
    struct slice rest = slice_make(copy, piece.len);
    for (;;) {
        struct slice run = unstuff_feed(u, &rest);
        if (run.len == 0)
            break;
        buffer_append(got, run);
    }
    CU_ASSERT(rest.len == 0 || *u == UNSTUFF_END);
    free(copy);
    return rest.len;
}

struct outcome {
    struct buffer content;
    size_t left; // bytes behind the end
    bool ended;
};

static void unstuff_in_steps(struct slice s, size_t cut, size_t step, struct outcome *ret)
{
    enum unstuff u = UNSTUFF_LINE_START;
    buffer_clear(&ret->content);
    struct slice piece = slice_take(s, cut);
    for (;;) {
        size_t left = feed(&u, piece, &ret->content);
        s = slice_skip(s, piece.len - left);
        if (s.len == 0 || u == UNSTUFF_END)
            break;
        piece = slice_take(s, step);
    }
    ret->left = s.len;
    ret->ended = u == UNSTUFF_END;
}

static void check_every_cut(struct slice stuffed, struct slice want, bool want_ended,
                            size_t want_left)
{
    struct outcome got;
    buffer_init(&got.content, 1 << 20);
    for (size_t cut = 0; cut <= stuffed.len + 2; cut++) {
        bool bytewise = cut > stuffed.len; // and two by two
        unstuff_in_steps(stuffed, bytewise ? 0 : cut, bytewise ? cut - stuffed.len : SIZE_MAX,
                         &got);
        bool right = slice_equal(buffer_slice(&got.content), want) && got.ended == want_ended &&
                     got.left == want_left;
        if (!right)
            printf("\n  cut %zu of %zu: %zu bytes, %zu left, %s\n", cut, stuffed.len,
                   got.content.len, got.left, got.ended ? "ended" : "not ended");
        CU_ASSERT(right);
    }
    buffer_release(&got.content);
}

struct unstuff_case {
    struct slice stuffed;
    struct slice want;
    size_t left;
};

static const struct unstuff_case ending_cases[] = {
    {SLICE(".\r\n"), SLICE(""), 0},
    {SLICE(".\r\nQUIT\r\n"), SLICE(""), 6},
    {SLICE("\r\n.\r\n"), SLICE("\r\n"), 0},
    {SLICE("hello\r\n.\r\nRSET\r\n"), SLICE("hello\r\n"), 6},
    {SLICE("..\r\n.\r\n"), SLICE(".\r\n"), 0},
    {SLICE("..a\r\n...\r\n.\r\n"), SLICE(".a\r\n..\r\n"), 0},
    {SLICE(".a\r\n.\r\n"), SLICE("a\r\n"), 0}, // a lone stuffed dot is dropped all the same
    {SLICE("a.\r\nb\r\n.\r\n.\r\n"), SLICE("a.\r\nb\r\n"), 3},
    {SLICE("a\r\n\r\n.\r\n"), SLICE("a\r\n\r\n"), 0},
    {SLICE("a\r\r\n.\r\n"), SLICE("a\r\r\n"), 0},
    {SLICE(".\r\r\n.\r\n"), SLICE("\r\r\n"), 0},
    {SLICE(".\r.\r\n.\r\n"), SLICE("\r.\r\n"), 0},
};

static void where_content_ends(void)
{
    for (size_t i = 0; i < COUNT_OF(ending_cases); i++) {
        const struct unstuff_case *c = &ending_cases[i];
        check_every_cut(c->stuffed, c->want, true, c->left);
    }
}

// Each stands within a message; only the CRLF.CRLF behind it ends that.
static const struct unstuff_case smuggling_cases[] = {
    {SLICE("\n.\n"), SLICE("\n.\n")},
    {SLICE("\r.\r"), SLICE("\r.\r")},
    {SLICE("\r.\n"), SLICE("\r.\n")},
    {SLICE("\n.\r"), SLICE("\n.\r")},
    {SLICE("\n.\r\n"), SLICE("\n.\r\n")},
    {SLICE("\r\n.\n"), SLICE("\r\n\n")},
    {SLICE("\r.\r\n"), SLICE("\r.\r\n")},
    {SLICE("\r\n.\r"), SLICE("\r\n\r")},
    {SLICE("\r\n\0.\r\n"), SLICE("\r\n\0.\r\n")},
    {SLICE("\r\n.\0\r\n"), SLICE("\r\n\0\r\n")},
    {SLICE("\r\n.\r\r\n"), SLICE("\r\n\r\r\n")},
    {SLICE("\n\r.\r\n"), SLICE("\n\r.\r\n")},
};

static void smuggling(void)
{
    for (size_t i = 0; i < COUNT_OF(smuggling_cases); i++) {
        char stuffed[256], want[256];
        const struct unstuff_case *c = &smuggling_cases[i];
        size_t stuffed_len = 0, want_len = 0;
#define ADD(to, slice) memcpy(to + to##_len, (slice).data, (slice).len), to##_len += (slice).len
        ADD(stuffed, SLICE("one"));
        ADD(stuffed, c->stuffed);
        ADD(stuffed, SLICE("MAIL FROM:<smuggled@b>\r\n.\r\nNOOP\r\n"));
        ADD(want, SLICE("one"));
        ADD(want, c->want);
        ADD(want, SLICE("MAIL FROM:<smuggled@b>\r\n"));
#undef ADD
        check_every_cut(slice_make(stuffed, stuffed_len), slice_make(want, want_len), true, 6);
    }
}

static void a_buffer_without_stuffed_dots_is_one_run(void)
{
    char text[4096];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = "a line of text. with dots.\r\n"[i % 28];
    size_t lines = sizeof(text) / 28 * 28;
    memcpy(text + lines, ".\r\nMAIL", 7);
    struct slice rest = slice_make(text, lines + 7);
    enum unstuff u = UNSTUFF_LINE_START;
    struct slice run = unstuff_feed(&u, &rest);
    CU_ASSERT(run.data == text && run.len == lines && u == UNSTUFF_LINE_START);
    CU_ASSERT(unstuff_feed(&u, &rest).len == 0 && u == UNSTUFF_END);
    CU_ASSERT(slice_equal(rest, SLICE("MAIL")));
}

// The sender's half, done plainly: a dot before each line that begins with one.
static size_t stuff(struct slice content, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < content.len; i++) {
        bool line_start = i == 0 || (i > 1 && memcmp(content.data + i - 2, "\r\n", 2) == 0);
        if (line_start && content.data[i] == '.')
            out[len++] = '.';
        out[len++] = content.data[i];
    }
    memcpy(out + len, ".\r\n", 3);
    return len + 3;
}

// Whatever the bytes, stuffed and unstuffed again they are the same.
static void stuffing_is_undone(void)
{
    static const char alphabet[] = "..\r\n\r\nab\0";
    struct random dice;
    struct outcome got;
    random_init(&dice, 7);
    buffer_init(&got.content, 1 << 20);
    for (int round = 0; round < 30000; round++) {
        char content[256 + 2], stuffed[2 * sizeof(content) + 3];
        size_t len = 0, goal = random_below(&dice, 256);
        while (len < goal) {
            if (random_below(&dice, 3) == 0 && len + 2 <= goal) {
                memcpy(content + len, "\r\n", 2);
                len += 2;
            } else {
                content[len++] = alphabet[random_below(&dice, sizeof(alphabet) - 1)];
            }
        }
        if (len > 0) // a content that lacks its last CRLF cannot be sent with DATA
            memcpy(content + len, "\r\n", 2), len += 2;
        struct slice s = slice_make(stuffed, stuff(slice_make(content, len), stuffed));
        unstuff_in_steps(s, random_below(&dice, (uint32_t)s.len + 1), 1 + random_below(&dice, 40),
                         &got);
        CU_ASSERT(got.ended && got.left == 0 &&
                  slice_equal(buffer_slice(&got.content), slice_make(content, len)));
    }
    buffer_release(&got.content);
}

static const struct suite_test tests[] = {
    {"where content ends", where_content_ends},
    {"smuggling", smuggling},
    {"a buffer without stuffed dots is one run", a_buffer_without_stuffed_dots_is_one_run},
    {"stuffing is undone", stuffing_is_undone},
};

SUITE_MAIN("unstuff", tests)
