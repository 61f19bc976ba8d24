// The incoming half of content.h: is this what may be stored?
//
// Content is looked at in blocks of 64 bytes, as bit masks: one bit a byte. Sound content has each
// LF just where the byte behind a CR stands, so one comparison of two words finds bare CR and
// bare LF alike. A block with anything amiss is read again byte by byte, which tells what came
// first; that loop alone defines the rules, and is all there is where there is no SSE2.
#include "engine/smtp/content.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static enum content_fault fault_of_byte(const struct content_scan *s, unsigned char c)
{
    if (s->saw_cr && c != '\n')
        return CONTENT_BARE_CR;
    if (!s->saw_cr && c == '\n')
        return CONTENT_BARE_LF;
    if (c == '\0')
        return CONTENT_NUL;
    // The CR of the line's end is not counted, and its LF is not reached in a longer line.
    if (c != '\r' && c != '\n' && s->line_bytes >= CONTENT_LINE_BYTES_MAX)
        return CONTENT_LINE_TOO_LONG;
    return CONTENT_FINE;
}

static void scan_bytes(struct content_scan *s, struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.data[i];
        s->fault = fault_of_byte(s, c);
        if (s->fault != CONTENT_FINE)
            return;
        s->has_dot_lines |= c == '.' && !s->in_line;
        s->has_8bit |= c >= 0x80;
        s->saw_cr = c == '\r';
        s->in_line = c != '\n';
        s->line_bytes = c == '\n' ? 0 : s->line_bytes + 1;
    }
}

#ifdef __SSE2__
#define BLOCK_BYTES 64

struct block {
    __m128i a, b, c, d; // sixteen bytes each
};

static inline struct block block_load(const char *from)
{
    const __m128i *at = (const void *)from;
    return (struct block){_mm_loadu_si128(at), _mm_loadu_si128(at + 1), _mm_loadu_si128(at + 2),
                          _mm_loadu_si128(at + 3)};
}

static inline uint64_t find_in_16(__m128i bytes, __m128i wanted)
{
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, wanted));
}

// Bit i is set where byte i is `byte`.
static inline uint64_t block_find(const struct block *b, char byte)
{
    const __m128i wanted = _mm_set1_epi8(byte);
    return find_in_16(b->a, wanted) | find_in_16(b->b, wanted) << 16 |
           find_in_16(b->c, wanted) << 32 | find_in_16(b->d, wanted) << 48;
}

static inline bool block_has_8bit(const struct block *b)
{
    __m128i any = _mm_or_si128(_mm_or_si128(b->a, b->b), _mm_or_si128(b->c, b->d));
    return _mm_movemask_epi8(any) != 0;
}

static inline bool block_has_nul(const struct block *b)
{
    __m128i least = _mm_min_epu8(_mm_min_epu8(b->a, b->b), _mm_min_epu8(b->c, b->d));
    return _mm_movemask_epi8(_mm_cmpeq_epi8(least, _mm_setzero_si128())) != 0;
}

// What scan_bytes() makes of the first `count` bytes of a block (the rest is some letter). False,
// and nothing done, when it would find a fault.
static inline bool scan_block(struct content_scan *s, const struct block *b, unsigned count)
{
    const unsigned last = count - 1;
    const uint64_t present = UINT64_MAX >> (BLOCK_BYTES - count);
    const uint64_t cr = block_find(b, '\r');
    const uint64_t lf = block_find(b, '\n');
    if (lf != ((cr << 1 | s->saw_cr) & present) || block_has_nul(b))
        return false;

    // Only the line that came into this block can end too long in it, or the one that fills it.
    const bool ends_in_cr = cr >> last & 1;
    const bool ends_in_lf = lf >> last & 1;
    const unsigned first_bytes = lf ? (unsigned)__builtin_ctzll(lf) : count;
    const uint64_t line_bytes = s->line_bytes + (uint64_t)first_bytes;
    const uint64_t line_bytes_max = CONTENT_LINE_BYTES_MAX + (uint64_t)(lf != 0 || ends_in_cr);
    if (line_bytes > line_bytes_max)
        return false;

    s->line_bytes = (uint32_t)(lf ? last - (63 - (unsigned)__builtin_clzll(lf)) : line_bytes);
    s->has_dot_lines |= (block_find(b, '.') & (lf << 1 | !s->in_line)) != 0;
    s->has_8bit |= block_has_8bit(b);
    s->saw_cr = ends_in_cr;
    s->in_line = !ends_in_lf;
    return true;
}

// The last bytes, less than a block, in a block of their own.
static bool scan_tail(struct content_scan *s, struct slice tail)
{
    char padded[BLOCK_BYTES];
    memset(padded, 'x', sizeof(padded));
    memcpy(padded, tail.data, tail.len);
    const struct block b = block_load(padded);
    return scan_block(s, &b, (unsigned)tail.len);
}

// What stands in a block: a byte is not 0 where it does.
struct sights {
    __m128i amiss; // LF without CR, or CR without LF in front of it
    __m128i lf;
    __m128i dots; // that begin a line
    __m128i least, all;
};

static inline void see_16(struct sights *seen, const char *at)
{
    const __m128i lf = _mm_set1_epi8('\n');
    const __m128i here = _mm_loadu_si128((const void *)at);
    const __m128i before = _mm_loadu_si128((const void *)(at - 1));
    const __m128i is_lf = _mm_cmpeq_epi8(here, lf);
    const __m128i is_dot = _mm_cmpeq_epi8(here, _mm_set1_epi8('.'));
    const __m128i was_cr = _mm_cmpeq_epi8(before, _mm_set1_epi8('\r'));
    seen->amiss = _mm_or_si128(seen->amiss, _mm_xor_si128(is_lf, was_cr));
    seen->dots = _mm_or_si128(seen->dots, _mm_and_si128(is_dot, _mm_cmpeq_epi8(before, lf)));
    seen->lf = _mm_or_si128(seen->lf, is_lf);
    seen->least = _mm_min_epu8(seen->least, here);
    seen->all = _mm_or_si128(seen->all, here);
}

static inline bool any(__m128i bytes)
{
    return _mm_movemask_epi8(bytes) != 0;
}

// The state behind bytes without fault, of which `lf_block` (a block, or NULL) has the last LF.
static void leave_sound(struct content_scan *s, const char *lf_block, const char *end,
                        size_t bytes_since)
{
    if (lf_block) {
        const char *lf = memrchr(lf_block, '\n', BLOCK_BYTES);
        s->line_bytes = (uint32_t)(end - lf - 1);
    } else {
        s->line_bytes += (uint32_t)bytes_since;
    }
    s->saw_cr = end[-1] == '\r';
    s->in_line = end[-1] != '\n';
}

// Takes whole blocks, as long as nothing is amiss and no line may be too long: what lies before a
// byte is looked at where it is, so that a block needs no masks. There is a byte before *bytes.
static void scan_sound_blocks(struct content_scan *s, struct slice *bytes)
{
    const char *const start = bytes->data;
    const char *at = start;
    const char *lf_block = NULL;
    struct sights seen = {.least = _mm_set1_epi8(1)};
    size_t line_bytes_max = s->line_bytes;
    for (; bytes->len - (size_t)(at - start) >= BLOCK_BYTES; at += BLOCK_BYTES) {
        struct sights next = seen;
        next.lf = _mm_setzero_si128();
        for (unsigned i = 0; i < BLOCK_BYTES; i += 16)
            see_16(&next, at + i);
        line_bytes_max += BLOCK_BYTES;
        if (line_bytes_max > CONTENT_LINE_BYTES_MAX ||
            any(_mm_or_si128(next.amiss, _mm_cmpeq_epi8(next.least, _mm_setzero_si128()))))
            break;
        seen = next;
        if (any(next.lf)) {
            lf_block = at;
            line_bytes_max = BLOCK_BYTES;
        }
    }
    if (at == start)
        return;
    s->has_dot_lines |= any(seen.dots);
    s->has_8bit |= any(seen.all);
    leave_sound(s, lf_block, at, (size_t)(at - start));
    *bytes = slice_skip(*bytes, (size_t)(at - start));
}

// Returns what is left for scan_bytes(): from the first block with a fault on, or nothing.
static struct slice scan_blocks(struct content_scan *s, struct slice bytes)
{
    while (bytes.len >= BLOCK_BYTES) {
        const struct block b = block_load(bytes.data);
        if (!scan_block(s, &b, BLOCK_BYTES))
            return bytes;
        bytes = slice_skip(bytes, BLOCK_BYTES);
        scan_sound_blocks(s, &bytes);
    }
    return bytes.len == 0 || scan_tail(s, bytes) ? SLICE_EMPTY : bytes;
}
#else
static struct slice scan_blocks(struct content_scan *s, struct slice bytes)
{
    (void)s;
    return bytes;
}
#endif

void content_scan(struct content_scan *s, struct slice bytes)
{
    if (s->fault == CONTENT_FINE)
        scan_bytes(s, scan_blocks(s, bytes));
}
