#include "engine/smtp/unstuff.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#ifdef __SSE2__
// A byte is not 0 where a LF stands with a dot behind it.
static inline __m128i lf_dots(const char *at)
{
    const __m128i here = _mm_loadu_si128((const void *)at);
    const __m128i next = _mm_loadu_si128((const void *)(at + 1));
    return _mm_and_si128(_mm_cmpeq_epi8(here, _mm_set1_epi8('\n')),
                         _mm_cmpeq_epi8(next, _mm_set1_epi8('.')));
}

// How many bytes at the front, in steps of 64, have none.
static size_t skip_without_lf_dot(struct slice s)
{
    size_t at = 0;
    for (; at + 65 <= s.len; at += 64) {
        const char *from = s.data + at;
        const __m128i found = _mm_or_si128(_mm_or_si128(lf_dots(from), lf_dots(from + 16)),
                                           _mm_or_si128(lf_dots(from + 32), lf_dots(from + 48)));
        if (_mm_movemask_epi8(found) != 0)
            break;
    }
    return at;
}
#else
static size_t skip_without_lf_dot(struct slice s)
{
    (void)s;
    return 0;
}
#endif

// Index of the first LF with a dot behind it, or s.len.
static size_t find_lf_dot(struct slice s)
{
    size_t at = skip_without_lf_dot(s);
    while (at < s.len) {
        at += slice_find(slice_skip(s, at), '\n');
        if (at + 1 < s.len && s.data[at + 1] == '.')
            return at;
        at++;
    }
    return s.len;
}

static bool follows_cr(enum unstuff before, struct slice s, size_t at)
{
    return at > 0 ? s.data[at - 1] == '\r' : before == UNSTUFF_CR;
}

static enum unstuff state_behind(enum unstuff before, struct slice run)
{
    char last = run.data[run.len - 1];
    if (last == '\r')
        return UNSTUFF_CR;
    return last == '\n' && follows_cr(before, run, run.len - 1) ? UNSTUFF_LINE_START
                                                                : UNSTUFF_IN_LINE;
}

// All bytes up to the next dot that may start a line: whether it does, the state behind them says.
static struct slice take_run(enum unstuff *u, struct slice *bytes)
{
    struct slice run = slice_take(*bytes, find_lf_dot(*bytes) + 1);
    *bytes = slice_skip(*bytes, run.len);
    *u = state_behind(*u, run);
    return run;
}

static void drop_byte(struct slice *bytes, enum unstuff *u, enum unstuff next)
{
    *bytes = slice_skip(*bytes, 1);
    *u = next;
}

struct slice unstuff_feed(enum unstuff *u, struct slice *bytes)
{
    while (bytes->len > 0) {
        char c = bytes->data[0];
        switch (*u) {
        case UNSTUFF_LINE_START:
            if (c != '.')
                return take_run(u, bytes);
            drop_byte(bytes, u, UNSTUFF_DOT);
            break;
        case UNSTUFF_IN_LINE:
        case UNSTUFF_CR: return take_run(u, bytes);
        case UNSTUFF_DOT:
            if (c == '\r')
                drop_byte(bytes, u, UNSTUFF_DOT_CR);
            else
                *u = UNSTUFF_IN_LINE; // it was a stuffed dot
            break;
        case UNSTUFF_DOT_CR:
            if (c == '\n') {
                drop_byte(bytes, u, UNSTUFF_END);
                return SLICE_EMPTY;
            }
            *u = UNSTUFF_CR; // a bare CR behind a stuffed dot: content, if of the wrong kind
            return SLICE("\r");
        case UNSTUFF_END: return SLICE_EMPTY;
        }
    }
    return SLICE_EMPTY;
}
