// Content in both directions: what DATA frames is unframed to the same, and no content whatever
// gets a bare CR or LF, or an end of content, past the checks.
#include "engine/base/buffer.h"
#include "engine/base/check.h"
#include "engine/smtp/content.h"
#include "engine/smtp/unstuff.h"
#include "tests/fuzz/fuzz.h"

// The first byte says how the rest is cut.
#define SEED(literal)                                                                              \
    {                                                                                              \
        "\003" literal, sizeof(literal)                                                            \
    }
const struct slice fuzz_seeds[] = {
    SEED("Subject: x\r\n\r\nhello\r\n"),
    SEED(".\r\n..\r\n...\r\na.b\r\n"),
    SEED("a\n.\nb\r.\rc\r\n.\n.\r\n"),
    SEED("\r\n.\r\n\r\n..\r\n\0.\r\n"),
    SEED("01234567890123456789012345678901234567890123456789012345678901\r\n.\r\n\xc3\xa9\r\n"),
};
const size_t fuzz_seed_count = COUNT_OF(fuzz_seeds);
const struct slice fuzz_words[] = {
    SLICE("\r\n"),      SLICE("\r\n."),
    SLICE("\r\n.\r\n"), SLICE("\n.\n"),
    SLICE("\r.\r"),     SLICE("\r"),
    SLICE("\n"),        SLICE("."),
    SLICE("\0"),        SLICE("\x80"),
    SLICE("\r\r\n"),    SLICE("\n.\r\n"),
    SLICE("\r\n.\n"),   SLICE("text of a line, somewhat long"),
};
const size_t fuzz_word_count = COUNT_OF(fuzz_words);

#define CONTENT_BYTES_MAX (16 * 1024)

static struct content_scan scan_cut(struct slice bytes, size_t cut)
{
    struct content_scan s = {.fault = CONTENT_FINE};
    for (; bytes.len > 0; bytes = slice_skip(bytes, cut))
        content_scan(&s, slice_take(bytes, cut));
    return s;
}

static void check_scan(struct slice bytes, size_t cut)
{
    struct content_scan whole = scan_cut(bytes, SIZE_MAX);
    struct content_scan pieces = scan_cut(bytes, cut);
    CHECK(whole.fault == pieces.fault && whole.has_dot_lines == pieces.has_dot_lines &&
          whole.has_8bit == pieces.has_8bit && whole.saw_cr == pieces.saw_cr &&
          whole.in_line == pieces.in_line && whole.line_bytes == pieces.line_bytes);
}

// Returns how many bytes stand behind the end of content, or -1 when it did not come.
static long unstuff_cut(struct slice bytes, size_t cut, struct buffer *content)
{
    enum unstuff u = UNSTUFF_LINE_START;
    buffer_clear(content);
    while (bytes.len > 0 && u != UNSTUFF_END) {
        struct slice piece = slice_take(bytes, cut);
        struct slice rest = piece;
        for (struct slice run; (run = unstuff_feed(&u, &rest)).len > 0;)
            CHECK(buffer_append(content, run));
        CHECK(rest.len == 0 || u == UNSTUFF_END);
        bytes = slice_skip(bytes, piece.len - rest.len);
    }
    return u == UNSTUFF_END ? (long)bytes.len : -1;
}

// Any bytes as a client might send them behind 354.
static void check_unstuff(struct slice bytes, size_t cut, struct buffer *a, struct buffer *b)
{
    long left = unstuff_cut(bytes, SIZE_MAX, a);
    CHECK(left == unstuff_cut(bytes, cut, b));
    CHECK(slice_equal(buffer_slice(a), buffer_slice(b)));
    if (left < 0)
        return;
    const char *end = bytes.data + bytes.len - left;
    CHECK(end - bytes.data >= 3 && memcmp(end - 3, ".\r\n", 3) == 0);
    CHECK(end - bytes.data == 3 || memcmp(end - 5, "\r\n", 2) == 0);
}

// Content of the stored form from any bytes: CR and LF in any order become CRLF, no NUL.
static void make_sound(struct slice bytes, struct buffer *out)
{
    buffer_clear(out);
    for (size_t i = 0; i < bytes.len; i++) {
        char c = bytes.data[i];
        if (c == '\r' && i + 1 < bytes.len && bytes.data[i + 1] == '\n')
            continue;
        if (c == '\r' || c == '\n')
            buffer_append(out, SLICE("\r\n"));
        else
            buffer_append_byte(out, c ? c : '0');
    }
    if (out->len > 0 && out->data[out->len - 1] != '\n')
        buffer_append(out, SLICE("\r\n"));
}

// Two pieces, the first up to some end of a line.
static struct content split(struct slice sound, size_t cut)
{
    struct content c = {.piece_count = 1, .pieces = {sound}};
    size_t lf = slice_find(slice_skip(sound, cut), '\n');
    size_t first_bytes = cut + lf + 1;
    if (first_bytes < sound.len) {
        c.pieces[0] = slice_take(sound, first_bytes);
        c.pieces[c.piece_count++] = slice_skip(sound, first_bytes);
    }
    return c;
}

static void write_framed(const struct content *c, struct buffer *framed)
{
    struct wire w;
    struct content_cursor cursor = {.offset = 0};
    bool all;
    wire_init(&w);
    buffer_clear(framed);
    do {
        unsigned count;
        all = content_write_data(c, &cursor, &w);
        const struct iovec *pieces = wire_pieces(&w, &count);
        size_t bytes = 0;
        for (unsigned i = 0; i < count; bytes += pieces[i++].iov_len)
            CHECK(buffer_append(framed, slice_make(pieces[i].iov_base, pieces[i].iov_len)));
        wire_sent(&w, bytes);
    } while (!all);
    wire_release(&w);
}

static void check_round_trip(struct slice bytes, size_t cut, struct buffer *sound,
                             struct buffer *framed, struct buffer *back)
{
    make_sound(bytes, sound);
    struct content_scan s = scan_cut(buffer_slice(sound), SIZE_MAX);
    CHECK(s.fault == CONTENT_FINE || s.fault == CONTENT_LINE_TOO_LONG);
    struct content c = split(buffer_slice(sound), cut * 7);
    c.has_dot_lines = s.has_dot_lines || s.fault != CONTENT_FINE;
    CHECK(content_is_whole(&c));
    write_framed(&c, framed);
    CHECK(unstuff_cut(buffer_slice(framed), cut, back) == 0);
    CHECK(slice_equal(buffer_slice(sound), buffer_slice(back)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer a, b, c;
    if (size == 0 || size > CONTENT_BYTES_MAX)
        return 0;
    const struct slice bytes = slice_make(data + 1, size - 1);
    const size_t cut = 1 + data[0] % 80u;
    buffer_init(&a, 4 * CONTENT_BYTES_MAX);
    buffer_init(&b, 4 * CONTENT_BYTES_MAX);
    buffer_init(&c, 4 * CONTENT_BYTES_MAX);
    check_scan(bytes, cut);
    check_unstuff(bytes, cut, &a, &b);
    check_round_trip(bytes, cut, &a, &b, &c);
    buffer_release(&a);
    buffer_release(&b);
    buffer_release(&c);
    return 0;
}
