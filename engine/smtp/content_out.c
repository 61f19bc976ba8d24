// The outgoing half of content.h: dot-stuffing without a copy.
#include "engine/smtp/content.h"

#include "engine/base/check.h"

bool content_is_whole(const struct content *c)
{
    for (unsigned i = 0; i < c->piece_count; i++) {
        struct slice piece = c->pieces[i];
        if (piece.len > 0 && (piece.len < 2 || memcmp(piece.data + piece.len - 2, "\r\n", 2) != 0))
            return false;
    }
    return c->piece_count <= CONTENT_PIECES_MAX;
}

// `rest` starts a line. How far is it to the next line that begins with a dot?
static size_t run_bytes(struct slice rest)
{
    size_t at = 0;
    do
        at += slice_find(slice_skip(rest, at), '\n') + 1;
    while (at < rest.len && rest.data[at] != '.');
    return at < rest.len ? at : rest.len;
}

bool content_write_data(const struct content *c, struct content_cursor *cursor, struct wire *w)
{
    while (!cursor->ended) {
        if (!wire_has_room(w, 1))
            return false;
        if (cursor->piece == c->piece_count) {
            wire_text(w, SLICE(".\r\n"));
            cursor->ended = true;
            break;
        }
        struct slice rest = slice_skip(c->pieces[cursor->piece], cursor->offset);
        if (c->has_dot_lines && rest.len > 0) {
            if (rest.data[0] == '.')
                wire_text(w, SLICE("."));
            rest = slice_take(rest, run_bytes(rest));
        }
        wire_content(w, rest);
        cursor->offset += rest.len;
        if (cursor->offset == c->pieces[cursor->piece].len) {
            cursor->piece++;
            cursor->offset = 0;
        }
    }
    return true;
}
