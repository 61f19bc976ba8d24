#include "bench/sink/arrival.h"

#include "bench/fields.h"

#include <stdlib.h>

#define ADDRESS_ROOM 1024

struct arrival *arrival_new(bool keeps_content)
{
    struct arrival *a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    a->keeps_content = keeps_content;
    buffer_init(&a->sender, ADDRESS_ROOM);
    buffer_init(&a->rcpts, ARRIVAL_RCPTS_BYTES_MAX);
    buffer_init(&a->header, ARRIVAL_HEADER_BYTES_MAX);
    buffer_init(&a->content, ARRIVAL_CONTENT_BYTES_MAX);
    a->hash = sha256_new();
    if (!a->hash) {
        arrival_free(a);
        return NULL;
    }
    return a;
}

void arrival_free(struct arrival *a)
{
    if (!a)
        return;
    buffer_release(&a->sender);
    buffer_release(&a->rcpts);
    buffer_release(&a->header);
    buffer_release(&a->content);
    sha256_free(a->hash);
    free(a);
}

bool arrival_start(struct arrival *a, struct slice sender)
{
    buffer_clear(&a->sender);
    buffer_clear(&a->rcpts);
    buffer_clear(&a->header);
    buffer_clear(&a->content);
    a->header_ended = false;
    a->rcpt_count = 0;
    a->id_len = 0;
    sha256_start(a->hash);
    return buffer_append(&a->sender, sender);
}

bool arrival_add_rcpt(struct arrival *a, struct slice address)
{
    char *to = buffer_reserve(&a->rcpts, address.len + 1);
    if (!to)
        return false;
    memcpy(to, address.data, address.len);
    to[address.len] = '\n';
    buffer_advance(&a->rcpts, address.len + 1);
    a->rcpt_count++;
    return true;
}

// `bytes` begin with the whole header section, or with as much of it as we look at.
static void take_header(struct arrival *a, struct slice bytes)
{
    a->header_ended = true;
    size_t header_end = bytes.len;
    fields_header_end(bytes, 0, &header_end);
    struct slice id = fields_message_id(slice_take(bytes, header_end));
    id = slice_take(id, sizeof(a->id));
    memcpy(a->id, id.data, id.len);
    a->id_len = id.len;
    sha256_add(a->hash, slice_skip(bytes, fields_leading_trace(bytes)));
}

static bool gather_header(struct arrival *a, struct slice bytes)
{
    size_t header_end;
    if (a->header.len == 0 && fields_header_end(bytes, 0, &header_end)) {
        take_header(a, bytes); // the common case: all in one piece, nothing copied
        return true;
    }
    size_t searched = a->header.len, room = a->header.bytes_max - a->header.len;
    struct slice part = slice_take(bytes, room);
    if (!buffer_append(&a->header, part))
        return false;
    if (part.len < bytes.len ||
        fields_header_end(buffer_slice(&a->header), searched, &header_end)) {
        take_header(a, buffer_slice(&a->header));
        sha256_add(a->hash, slice_skip(bytes, part.len));
    }
    return true;
}

bool arrival_add_content(struct arrival *a, struct slice bytes)
{
    if (a->keeps_content && !buffer_append(&a->content, bytes))
        return false;
    if (!a->header_ended)
        return gather_header(a, bytes);
    sha256_add(a->hash, bytes);
    return true;
}

void arrival_end(struct arrival *a)
{
    uint8_t digest[SHA256_BYTES];
    if (!a->header_ended)
        take_header(a, buffer_slice(&a->header)); // a header without an empty line behind it
    sha256_end(a->hash, digest);
    sha256_hex(digest, a->hex);
}
