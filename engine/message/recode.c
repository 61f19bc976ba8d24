#include "engine/message/recode.h"

#include "engine/base/check.h"
#include "engine/message/encoded_words.h"
#include "engine/message/mime.h"
#include "engine/smtp/octets.h"

// More than that share of bytes to escape, and base64 is the shorter.
#define ESCAPES_PER_BYTES 6
// Either form adds less than a half; each part may get fields beside that, and words in header
// fields may grow by more: where many single bytes are encoded, and where what is between them in
// quotes goes with them.
#define PART_FIELDS_BYTES_MAX 128
#define WORD_BYTES_ADDED 16
#define MORE_BYTES 1024

struct recoder {
    struct transfer to;
    enum recode_status status;
    uint32_t part_count;
};

static bool is_ascii(struct slice s)
{
    return (octets_kinds(s) & OCTETS_8BIT) == 0;
}

bool recode_wanted(struct slice content)
{
    return !is_ascii(content);
}

static size_t count_8bit(struct slice s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += (unsigned char)s.data[i] >= 0x80;
    return count;
}

// No fewer than there are, as far as they count.
static size_t count_parts(struct slice content)
{
    size_t count = 1;
    const char *at;
    while (count < MIME_PARTS_MAX && (at = memmem(content.data, content.len, "\n--", 3))) {
        content = slice_skip(content, (size_t)(at - content.data) + 3);
        count++;
    }
    return count;
}

size_t recode_room(struct slice content)
{
    struct slice rest = content;
    struct header_field f;
    while (fields_next(&rest, &f))
        continue;
    struct slice header = slice_take(content, content.len - rest.len);
    return content.len + content.len / 2 + count_parts(content) * PART_FIELDS_BYTES_MAX +
           count_8bit(header) * WORD_BYTES_ADDED + 2 * header.len + MORE_BYTES;
}

const char *recode_text(enum recode_status status)
{
    switch (status) {
    case RECODE_DONE: return "it can be encoded";
    case RECODE_SIGNED: return "part of it is signed as it is (multipart/signed)";
    case RECODE_ENCODED: return "a part of it is not in the encoding that it claims";
    case RECODE_UNSOUND: return "its MIME structure is broken";
    case RECODE_TOO_LARGE: return "its MIME structure has too many parts";
    }
    CHECK(false);
}

static void fail(struct recoder *r, enum recode_status why)
{
    if (r->status == RECODE_DONE)
        r->status = why;
}

static bool is_over(const struct recoder *r)
{
    return r->status != RECODE_DONE || r->to.full;
}

// --- headers

static void put_field(struct recoder *r, const struct header_field *f)
{
    if (is_ascii(f->whole))
        transfer_put(&r->to, f->whole);
    else
        encoded_field(&r->to, f);
}

static void put_new_fields(struct recoder *r, const struct mime_entity *e, bool is_message,
                           struct slice encoding)
{
    if (is_message && !e->has_version)
        transfer_put(&r->to, SLICE("MIME-Version: 1.0\r\n"));
    if (!e->has_type && e->kind == MIME_TEXT) {
        transfer_put(&r->to, SLICE("Content-Type: text/plain; charset="));
        transfer_put(&r->to, encoded_charset(e->body));
        transfer_put(&r->to, SLICE("\r\n"));
    }
    transfer_put(&r->to, SLICE("Content-Transfer-Encoding: "));
    transfer_put(&r->to, encoding);
    transfer_put(&r->to, SLICE("\r\n"));
}

// `encoding`: of the body from now on; empty: as it was.
static void put_header(struct recoder *r, const struct mime_entity *e, bool is_message,
                       struct slice encoding)
{
    struct slice rest = e->fields;
    struct header_field f;
    while (fields_next(&rest, &f))
        if (encoding.len == 0 || !header_field_is(&f, SLICE("Content-Transfer-Encoding")))
            put_field(r, &f);
    if (encoding.len > 0)
        put_new_fields(r, e, is_message, encoding);
    // A message in it may get fields of its own, which must not be taken for these.
    if (encoding.len > 0 || e->has_empty_line || e->kind == MIME_MESSAGE)
        transfer_put(&r->to, SLICE("\r\n"));
}

// --- bodies

static void put_leaf(struct recoder *r, const struct mime_entity *e, bool is_message)
{
    if (e->encoding == MIME_ENCODED) {
        fail(r, RECODE_ENCODED);
        return;
    }
    bool quoted = e->kind == MIME_TEXT &&
                  transfer_escapes(e->body) <= e->body.len / ESCAPES_PER_BYTES;
    put_header(r, e, is_message, quoted ? SLICE("quoted-printable") : SLICE("base64"));
    if (quoted)
        transfer_quoted(&r->to, e->body);
    else
        transfer_base64(&r->to, e->body);
}

static void put_outside(struct recoder *r, struct slice text)
{
    size_t from = r->to.len;
    transfer_put(&r->to, text);
    for (size_t i = from; i < r->to.len; i++)
        if ((unsigned char)r->to.out[i] >= 0x80)
            r->to.out[i] = '?';
}

static void put_entity(struct recoder *r, struct slice entity, enum mime_kind kind_usual,
                       bool is_message, uint32_t depth);

static void put_parts(struct recoder *r, const struct mime_entity *e, uint32_t depth)
{
    struct slice rest = e->body;
    struct mime_piece p;
    enum mime_kind kind_usual = e->kind == MIME_DIGEST ? MIME_MESSAGE : MIME_TEXT;
    bool any = false;
    while (!is_over(r) && mime_part_next(e, &rest, &p)) {
        put_outside(r, p.outside);
        put_entity(r, p.part, kind_usual, false, depth + 1);
        any = true;
    }
    if (!any)
        fail(r, RECODE_UNSOUND);
    put_outside(r, rest);
}

// What stands in a broken Content-Type may mean something else once it is encoded. `at`: where the
// header was written.
static bool keeps_meaning(const struct recoder *r, size_t at, const struct mime_entity *e)
{
    struct mime_entity now;
    mime_read(slice_make(r->to.out + at, r->to.len - at), MIME_TEXT, &now);
    return !e->has_type || r->to.full ||
           (now.kind == e->kind && slice_equal(slice_make(now.boundary, now.boundary_len),
                                               slice_make(e->boundary, e->boundary_len)));
}

// A multipart or a message has no encoding of its own (RFC 2045 6.4).
static void put_composite(struct recoder *r, const struct mime_entity *e, bool is_message,
                          uint32_t depth)
{
    if (e->encoding == MIME_ENCODED) {
        fail(r, RECODE_ENCODED);
        return;
    }
    const size_t at = r->to.len;
    put_header(r, e, is_message, e->encoding == MIME_8BIT ? SLICE("7bit") : SLICE_EMPTY);
    if (!keeps_meaning(r, at, e))
        fail(r, RECODE_UNSOUND);
    else if (e->kind == MIME_MESSAGE)
        put_entity(r, e->body, MIME_TEXT, true, depth + 1);
    else
        put_parts(r, e, depth);
}

// Of the body, when that has bytes >= 0x80.
static void put_body(struct recoder *r, const struct mime_entity *e, bool is_message,
                     uint32_t depth)
{
    switch (e->kind) {
    case MIME_TEXT:
    case MIME_OTHER: put_leaf(r, e, is_message); break;
    case MIME_MULTIPART:
    case MIME_DIGEST:
    case MIME_MESSAGE: put_composite(r, e, is_message, depth); break;
    case MIME_SIGNED: fail(r, RECODE_SIGNED); break;
    case MIME_UNTOUCHABLE: fail(r, RECODE_ENCODED); break;
    }
}

static void put_entity(struct recoder *r, struct slice entity, enum mime_kind kind_usual,
                       bool is_message, uint32_t depth)
{
    struct mime_entity e;
    if (is_ascii(entity)) {
        transfer_put(&r->to, entity);
        return;
    }
    if (depth > MIME_DEPTH_MAX || ++r->part_count > MIME_PARTS_MAX) {
        fail(r, RECODE_TOO_LARGE);
        return;
    }
    mime_read(entity, kind_usual, &e);
    if (!is_ascii(slice_make(e.boundary, e.boundary_len))) {
        fail(r, RECODE_UNSOUND);
        return;
    }
    if (!is_ascii(e.body)) {
        put_body(r, &e, is_message, depth);
        return;
    }
    const size_t at = r->to.len;
    put_header(r, &e, is_message, SLICE_EMPTY);
    if (!keeps_meaning(r, at, &e))
        fail(r, RECODE_UNSOUND);
    transfer_put(&r->to, e.body);
}

enum recode_status recode(struct slice content, char *out, size_t room, size_t *ret_len)
{
    struct recoder r = {.to = {.out = out, .room = room}, .status = RECODE_DONE};
    put_entity(&r, content, MIME_TEXT, true, 0);
    if (r.to.len < 2 || memcmp(out + r.to.len - 2, "\r\n", 2) != 0)
        transfer_put(&r.to, SLICE("\r\n"));
    if (r.to.full)
        fail(&r, RECODE_TOO_LARGE);
    *ret_len = r.to.len;
    return r.status;
}
