#include "engine/peek.h"

#include "engine/base/check.h"

#include <errno.h>

void peeks_init(struct peeks *p, struct io *io, struct block_pool *blocks,
                const struct segment_table *segments, uint8_t io_owner)
{
    *p = (struct peeks){.io = io, .blocks = blocks, .segments = segments, .io_owner = io_owner};
    slab_init(&p->slots, sizeof(struct peek), PEEKS_MAX);
}

void peeks_release(struct peeks *p)
{
    CHECK(peeks_idle(p));
    slab_release(&p->slots);
}

static void peek_read(struct peeks *p, const struct peek *k)
{
    const struct segment *s = segment_at(p->segments, place_segment(k->place));
    struct io_token token = {k->index, slab_generation(&p->slots, k->index), p->io_owner, 0};
    io_read(p->io, s->fd, k->to + k->bytes_read, k->bytes - k->bytes_read,
            place_offset(k->place) + k->bytes_read, token);
}

struct peek *peek_begin(struct peeks *p, const struct entry *e)
{
    uint32_t index;
    void *to;
    struct peek *k = slab_take(&p->slots, &index);
    if (!k)
        return NULL;
    k->index = index;
    k->entry = e;
    k->message = message_read_new(p->blocks, e->payload_bytes, &to, &k->bytes);
    if (!k->message) {
        slab_give(&p->slots, index);
        return NULL;
    }
    k->to = to;
    k->reading = true;
    k->place = segment_read_begins(p->segments, e);
    peek_read(p, k);
    return k;
}

void peek_end(struct peeks *p, struct peek *k)
{
    CHECK(!k->reading);
    message_free(p->blocks, k->message);
    slab_give(&p->slots, k->index);
}

void peeks_on_done(struct peeks *p, const struct io_done *done)
{
    struct peek *k = slab_find(&p->slots, done->token.index, done->token.generation);
    CHECK(k && k->reading);
    if (done->result > 0)
        k->bytes_read += (size_t)done->result;
    if ((done->result > 0 && k->bytes_read < k->bytes) || done->result == -EINTR ||
        done->result == -EAGAIN) {
        peek_read(p, k);
        return;
    }
    const struct segment *s = segment_at(p->segments, place_segment(k->place));
    bool good = done->result > 0 && message_read_done(k->message, k->entry->payload_bytes, s->epoch,
                                                      place_offset(k->place), k->entry->id);
    segment_read_ends(p->segments, k->place);
    k->reading = false;
    if (good)
        return;
    message_free(p->blocks, k->message);
    k->message = NULL;
}
