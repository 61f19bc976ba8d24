#include "engine/smtp/wire.h"

_Static_assert(WIRE_PIECES_MAX == 64, "text_pieces has a bit for each piece");

void wire_init(struct wire *w)
{
    *w = (struct wire){0};
    buffer_init(&w->text, WIRE_TEXT_BYTES_MAX);
}

void wire_release(struct wire *w)
{
    size_t text_bytes_max = w->text.bytes_max;
    buffer_release(&w->text);
    wire_init(w);
    w->text.bytes_max = text_bytes_max;
}

void wire_content(struct wire *w, struct slice content)
{
    CHECK(!w->sealed);
    if (content.len == 0)
        return;
    // Leaves the room for text that wire_has_room() has promised.
    if (content.len <= WIRE_COPY_BYTES_MAX && wire_ends_in_text(w) &&
        buffer_reserve(&w->text, content.len + WIRE_TEXT_ROOM_MIN) != NULL)
        wire_text(w, content);
    else
        wire_add_piece(w, content.data, content.len);
}

const struct iovec *wire_pieces(struct wire *w, unsigned *ret_count)
{
    if (!w->sealed) {
        for (uint64_t left = w->text_pieces; left != 0; left &= left - 1) {
            struct iovec *piece = &w->pieces[__builtin_ctzll(left)];
            piece->iov_base = w->text.data + (uintptr_t)piece->iov_base;
        }
        w->sealed = true;
    }
    *ret_count = (unsigned)(w->piece_count - w->piece_first);
    return w->pieces + w->piece_first;
}

static void wire_clear(struct wire *w)
{
    buffer_clear(&w->text);
    w->piece_count = 0;
    w->piece_first = 0;
    w->text_pieces = 0;
    w->sealed = false;
}

void wire_sent(struct wire *w, size_t count)
{
    CHECK(w->sealed && count <= w->bytes);
    w->bytes -= count;
    if (w->bytes == 0) {
        wire_clear(w);
        return;
    }
    while (count > 0) {
        struct iovec *piece = &w->pieces[w->piece_first];
        if (count < piece->iov_len) {
            piece->iov_base = (char *)piece->iov_base + count;
            piece->iov_len -= count;
            return;
        }
        count -= piece->iov_len;
        w->piece_first++;
    }
}
