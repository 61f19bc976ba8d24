// engine/smtp/wire.h: what is to be written to a peer: command or reply text of our own, and
// content lent by others, in order.
//
// Owns:   the text. Content is pointed to, not copied; who appended it keeps it in place until
//         wire_sent() has passed it. (Short content behind text is copied all the same: a piece of
//         its own would cost more.)
// Bounds: WIRE_PIECES_MAX pieces, WIRE_TEXT_BYTES_MAX of text. A full wire takes no more; its
//         writer goes on when it has been sent.
// A wire that is being sent (its pieces are lent to the kernel) takes nothing: a connection that
// wants to write meanwhile has two, one that fills while the other goes out.
#ifndef POSTHASTE_SMTP_WIRE_H
#define POSTHASTE_SMTP_WIRE_H

#include "engine/base/buffer.h"
#include "engine/base/check.h"

#include <sys/uio.h>

#define WIRE_PIECES_MAX 64
#define WIRE_TEXT_BYTES_MAX (32 * 1024)
#define WIRE_TEXT_ROOM_MIN 1100 // wire_has_room(): any one command line fits (with SMTPUTF8, DSN)
#define WIRE_COPY_BYTES_MAX 256 // content up to here is copied when it stands behind text

struct wire {
    struct buffer text;
    size_t bytes; // not yet sent
    uint16_t piece_count;
    uint16_t piece_first;                 // the first that is not yet sent whole
    bool sealed;                          // wire_pieces() was called: offsets became pointers
    uint64_t text_pieces;                 // a bit for each piece that is text
    struct iovec pieces[WIRE_PIECES_MAX]; // text pieces hold an offset until wire_pieces()
};
_Static_assert(sizeof(struct wire) <= 1200, "two of them stand in every connection");

void wire_init(struct wire *w);
void wire_release(struct wire *w); // frees the text; usable again at once

static inline bool wire_empty(const struct wire *w)
{
    return w->bytes == 0;
}

// Room for at least one more run of text, WIRE_TEXT_ROOM_MIN long at most, and `piece_count` more
// of content. Finds the memory for it: false also when there is none.
static inline bool wire_has_room(struct wire *w, unsigned piece_count)
{
    if (w->sealed || w->piece_count + 1 + piece_count > WIRE_PIECES_MAX)
        return false;
    return w->text.room - w->text.len >= WIRE_TEXT_ROOM_MIN ||
           buffer_reserve(&w->text, WIRE_TEXT_ROOM_MIN) != NULL;
}

static inline bool wire_ends_in_text(const struct wire *w)
{
    return w->piece_count > 0 && (w->text_pieces >> (w->piece_count - 1) & 1) != 0;
}

static inline void wire_add_piece(struct wire *w, const char *base, size_t len)
{
    CHECK(!w->sealed && w->piece_count < WIRE_PIECES_MAX);
    w->pieces[w->piece_count++] = (struct iovec){.iov_base = (void *)(uintptr_t)base, len};
    w->bytes += len;
}
// For who writes text in place: from the returned pointer to *ret_end, WIRE_TEXT_ROOM_MIN bytes at
// least (CHECKs that wire_has_room() was true); then says how many they were. Adjacent text is one
// piece.
static inline char *wire_text_room(struct wire *w, char **ret_end)
{
    CHECK(!w->sealed && w->text.room - w->text.len >= WIRE_TEXT_ROOM_MIN);
    *ret_end = w->text.data + w->text.room;
    return w->text.data + w->text.len;
}
static inline void wire_text_written(struct wire *w, size_t count)
{
    CHECK(count > 0 && count <= w->text.room - w->text.len);
    if (!wire_ends_in_text(w)) { // at an offset: the text may move until the wire is sealed
        w->text_pieces |= UINT64_C(1) << w->piece_count;
        wire_add_piece(w, (const char *)(uintptr_t)w->text.len, 0);
    }
    w->pieces[w->piece_count - 1].iov_len += count;
    w->text.len += count;
    w->bytes += count;
}
// The same for a text that is there already, of WIRE_TEXT_ROOM_MIN bytes at most: copied.
static inline void wire_text(struct wire *w, struct slice text)
{
    char *end;
    CHECK(text.len <= WIRE_TEXT_ROOM_MIN);
    if (text.len == 0)
        return;
    memcpy(wire_text_room(w, &end), text.data, text.len);
    wire_text_written(w, text.len);
}
// Appends content (lent). An empty slice is left out.
void wire_content(struct wire *w, struct slice content);

// Seals the wire and returns what to send now.
const struct iovec *wire_pieces(struct wire *w, unsigned *ret_count);
// `count` bytes have gone out. When all have, the wire is empty and open again.
void wire_sent(struct wire *w, size_t count);

#endif
