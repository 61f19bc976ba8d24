// Content on its way out: what a receiver unstuffs is what was stored, wherever the wire was full.
#include "engine/base/random.h"
#include "engine/smtp/content.h"
#include "tests/smtp_peer.h"
#include "tests/suite.h"

#include <stdlib.h>

#define SAID_BYTES_MAX (512 * 1024)

// Writes the content with wires that are `wire_text_bytes` small, each sent whole before the next.
static struct slice write_data(const struct content *c, size_t wire_text_bytes)
{
    static char said[SAID_BYTES_MAX];
    struct content_cursor cursor = {0};
    struct wire w;
    size_t len = 0;
    bool all;
    wire_init(&w);
    w.text.bytes_max = wire_text_bytes;
    do {
        unsigned count;
        all = content_write_data(c, &cursor, &w);
        CU_ASSERT_FATAL(!wire_empty(&w)); // else it would never end
        const struct iovec *pieces = wire_pieces(&w, &count);
        for (unsigned i = 0; i < count; i++) {
            memcpy(said + len, pieces[i].iov_base, pieces[i].iov_len);
            len += pieces[i].iov_len;
        }
        wire_sent(&w, w.bytes);
    } while (!all);
    CU_ASSERT(content_write_data(c, &cursor, &w) && wire_empty(&w)); // the end is said once
    wire_release(&w);
    return slice_make(said, len);
}

static const struct {
    const char *pieces[CONTENT_PIECES_MAX];
    const char *want;
} cases[] = {
    {{NULL}, ".\r\n"},
    {{""}, ".\r\n"},
    {{"\r\n"}, "\r\n.\r\n"},
    {{"hello\r\n"}, "hello\r\n.\r\n"},
    {{".\r\n"}, "..\r\n.\r\n"},
    {{"..\r\n"}, "...\r\n.\r\n"},
    {{".hidden\r\n"}, "..hidden\r\n.\r\n"},
    {{"a.\r\n.b\r\n"}, "a.\r\n..b\r\n.\r\n"},
    {{"a\r\n.\r\n.\r\n.c\r\nd\r\n"}, "a\r\n..\r\n..\r\n..c\r\nd\r\n.\r\n"},
    {{"a: b\r\n", "\r\n", ".\r\nx\r\n"}, "a: b\r\n\r\n..\r\nx\r\n.\r\n"},
    {{".\r\n", "", ".\r\n", ".\r\n"}, "..\r\n..\r\n..\r\n.\r\n"},
};

static struct content content_of(const char *const pieces[CONTENT_PIECES_MAX], bool dot_lines)
{
    struct content c = {.has_dot_lines = dot_lines};
    while (c.piece_count < CONTENT_PIECES_MAX && pieces[c.piece_count]) {
        c.pieces[c.piece_count] = slice_of_text(pieces[c.piece_count]);
        c.piece_count++;
    }
    return c;
}

static void dots_are_stuffed(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct content c = content_of(cases[i].pieces, true);
        struct slice got = write_data(&c, WIRE_TEXT_BYTES_MAX);
        CU_ASSERT(slice_equal(got, slice_of_text(cases[i].want)));
        CU_ASSERT(content_is_whole(&c));
    }
}

static void without_dot_lines_nothing_is_looked_at(void)
{
    struct content c = content_of((const char *const[4]){"a\r\n", "b\r\n", "c\r\n", "d\r\n"},
                                  false);
    CU_ASSERT(slice_equal(write_data(&c, WIRE_TEXT_BYTES_MAX), SLICE("a\r\nb\r\nc\r\nd\r\n.\r\n")));
    CU_ASSERT_EQUAL(content_bytes(&c), 12);
}

static void a_line_without_end_is_not_whole(void)
{
    static const char *const not_whole[][CONTENT_PIECES_MAX] = {
        {"x"}, {"\n"}, {"x\n"}, {"x\r"}, {"x", "\r\n"}, {"x\r\n", "y\n\r"},
    };
    for (size_t i = 0; i < sizeof(not_whole) / sizeof(not_whole[0]); i++) {
        struct content c = content_of(not_whole[i], true);
        CU_ASSERT_FALSE(content_is_whole(&c));
    }
}

// Lines of dots and letters, cut into pieces at line ends.
static struct content random_content(struct random *dice, char *bytes, size_t bytes_max)
{
    struct content c = {.has_dot_lines = true};
    size_t piece_start = 0;
    size_t len = 0;
    uint32_t lines = random_below(dice, 400);
    for (uint32_t line = 0; line < lines && len + 600 < bytes_max; line++) {
        uint32_t line_bytes = random_below(dice, random_below(dice, 10) == 0 ? 500 : 4);
        for (uint32_t i = 0; i < line_bytes; i++)
            bytes[len++] = random_below(dice, 2) == 0 ? '.' : 'x';
        bytes[len++] = '\r';
        bytes[len++] = '\n';
        if (c.piece_count + 1 < CONTENT_PIECES_MAX && random_below(dice, 50) == 0) {
            c.pieces[c.piece_count++] = slice_make(bytes + piece_start, len - piece_start);
            piece_start = len;
        }
    }
    c.pieces[c.piece_count++] = slice_make(bytes + piece_start, len - piece_start);
    return c;
}

static void a_receiver_gets_what_was_stored(void)
{
    static char bytes[128 * 1024];
    static struct smtp_peer peer;
    struct random dice;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        random_init(&dice, seed);
        struct content c = random_content(&dice, bytes, sizeof(bytes));
        struct slice said = write_data(&c, WIRE_TEXT_ROOM_MIN + random_below(&dice, 600));
        struct slice data = SLICE("DATA\r\n");
        smtp_peer_init(&peer);
        CU_ASSERT_EQUAL(smtp_peer_read(&peer, &data), PEER_DATA);
        smtp_peer_go_ahead(&peer);
        CU_ASSERT_EQUAL(smtp_peer_read(&peer, &said), PEER_CONTENT);
        CU_ASSERT_EQUAL(said.len, 0);
        CU_ASSERT(slice_equal(smtp_peer_content(&peer), slice_make(bytes, content_bytes(&c))));
    }
}

static const struct suite_test tests[] = {
    {"dots are stuffed", dots_are_stuffed},
    {"without dot lines nothing is looked at", without_dot_lines_nothing_is_looked_at},
    {"a line without end is not whole", a_line_without_end_is_not_whole},
    {"a receiver gets what was stored", a_receiver_gets_what_was_stored},
};

SUITE_MAIN("content_out", tests)
