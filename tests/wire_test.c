// The wire against a plain model: whatever is appended comes out, in order, however it is sent.
#include "engine/base/random.h"
#include "engine/smtp/wire.h"
#include "tests/suite.h"

#include <stdlib.h>

#define MODEL_BYTES_MAX (256 * 1024)

static char model[MODEL_BYTES_MAX];
static char content[4096];

static void copy_pieces(const struct iovec *pieces, unsigned count, char *to, size_t len)
{
    for (unsigned i = 0; i < count && len > 0; i++) {
        size_t part = pieces[i].iov_len < len ? pieces[i].iov_len : len;
        memcpy(to, pieces[i].iov_base, part);
        to += part;
        len -= part;
    }
    CU_ASSERT_EQUAL(len, 0);
}

// Sends all that the wire holds, in seeded parts, and compares with the model.
static void drain(struct wire *w, struct random *dice, size_t model_len)
{
    static char out[MODEL_BYTES_MAX];
    size_t sent = 0;
    CU_ASSERT_EQUAL(w->bytes, model_len);
    while (!wire_empty(w)) {
        unsigned count;
        const struct iovec *pieces = wire_pieces(w, &count);
        CU_ASSERT(count > 0 && count <= WIRE_PIECES_MAX);
        CU_ASSERT_FALSE(wire_has_room(w, 0)); // lent to the kernel
        size_t part = 1 + random_below(dice, (uint32_t)w->bytes);
        copy_pieces(pieces, count, out + sent, part);
        sent += part;
        wire_sent(w, part);
    }
    CU_ASSERT_EQUAL(sent, model_len);
    CU_ASSERT(memcmp(out, model, model_len) == 0);
    CU_ASSERT(wire_has_room(w, 0));
}

static void what_goes_in_comes_out(void)
{
    struct wire w;
    struct random dice;
    wire_init(&w);
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (char)(i * 7 + i / 256);
    for (uint64_t seed = 0; seed < 300; seed++) {
        size_t len = 0;
        random_init(&dice, seed);
        uint32_t steps = random_below(&dice, 100);
        while (steps-- > 0 && wire_has_room(&w, 1)) {
            bool as_text = random_below(&dice, 2) == 0;
            uint32_t bytes = random_below(&dice, as_text ? WIRE_TEXT_ROOM_MIN + 1 : 3000);
            struct slice s = slice_make(content + random_below(&dice, 1000), bytes);
            memcpy(model + len, s.data, s.len);
            len += s.len;
            if (as_text)
                wire_text(&w, s);
            else
                wire_content(&w, s);
        }
        drain(&w, &dice, len);
    }
    wire_release(&w);
}

static void text_is_copied_and_content_is_lent(void)
{
    struct wire w;
    unsigned count;
    char text[] = "MAIL FROM:<>\r\n";
    wire_init(&w);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_FATAL(wire_has_room(&w, 1));
        wire_text(&w, slice_of_text(text));
    }
    wire_content(&w, slice_make(content, sizeof(content)));
    memset(text, 'x', sizeof(text));
    const struct iovec *pieces = wire_pieces(&w, &count);
    CU_ASSERT_EQUAL_FATAL(count, 2); // adjacent text is one piece
    CU_ASSERT_EQUAL(pieces[0].iov_len, 28);
    CU_ASSERT(memcmp(pieces[0].iov_base, "MAIL FROM:<>\r\nMAIL FROM:<>\r\n", 28) == 0);
    CU_ASSERT_PTR_EQUAL(pieces[1].iov_base, content);
    wire_sent(&w, w.bytes);
    wire_release(&w);
}

static void short_content_joins_the_text(void)
{
    struct wire w;
    unsigned count;
    wire_init(&w);
    CU_ASSERT_FATAL(wire_has_room(&w, 2));
    wire_text(&w, SLICE("DATA"));
    wire_content(&w, slice_make(content, WIRE_COPY_BYTES_MAX));
    wire_content(&w, SLICE_EMPTY);
    CU_ASSERT_FATAL(wire_has_room(&w, 0));
    wire_text(&w, SLICE(".\r\n"));
    wire_pieces(&w, &count);
    CU_ASSERT_EQUAL(count, 1);
    wire_sent(&w, w.bytes);
    wire_content(&w, slice_make(content, 1)); // nothing to join
    CU_ASSERT_PTR_EQUAL(wire_pieces(&w, &count)->iov_base, content);
    wire_sent(&w, 1);
    wire_release(&w);
}

// Room promised is room there: the longest text and as many pieces, in either order.
static void has_room_keeps_its_word(void)
{
    struct wire w;
    wire_init(&w);
    for (unsigned order = 0; order < 2; order++)
        for (unsigned promised = 0; promised <= 4; promised++) {
            while (wire_has_room(&w, promised)) {
                if (order == 0)
                    wire_text(&w, slice_make(content, WIRE_TEXT_ROOM_MIN));
                for (unsigned i = 0; i < promised; i++)
                    wire_content(&w, slice_make(content, i % 2 ? 3000 : 20));
                if (order == 1)
                    wire_text(&w, slice_make(content, WIRE_TEXT_ROOM_MIN));
            }
            CU_ASSERT(w.piece_count <= WIRE_PIECES_MAX && w.text.len <= WIRE_TEXT_BYTES_MAX);
            CU_ASSERT(w.piece_count > 0);
            unsigned count;
            wire_pieces(&w, &count);
            wire_sent(&w, w.bytes);
        }
    wire_release(&w);
}

static void an_idle_wire_holds_no_memory(void)
{
    struct wire w;
    wire_init(&w);
    CU_ASSERT_PTR_NULL(w.text.data);
    CU_ASSERT(wire_has_room(&w, 0));
    wire_text(&w, SLICE("QUIT\r\n"));
    wire_release(&w);
    CU_ASSERT_PTR_NULL(w.text.data);
    CU_ASSERT(wire_empty(&w) && wire_has_room(&w, WIRE_PIECES_MAX - 1));
    CU_ASSERT_FALSE(wire_has_room(&w, WIRE_PIECES_MAX));
    wire_release(&w);
}

static const struct suite_test tests[] = {
    {"what goes in comes out", what_goes_in_comes_out},
    {"text is copied and content is lent", text_is_copied_and_content_is_lent},
    {"short content joins the text", short_content_joins_the_text},
    {"has_room keeps its word", has_room_keeps_its_word},
    {"an idle wire holds no memory", an_idle_wire_holds_no_memory},
};

SUITE_MAIN("wire", tests)
