// Segments are read whole, in the order in which they were opened: while one is understood, the
// next one is being read.

#include "engine/recovery_parts.h"

#include <errno.h>
#include <stdlib.h>

#define READ_BYTES (1024u * 1024) // one request

static int compare_turns(const void *a, const void *b)
{
    const struct found_segment *x = a, *y = b;
    if (x->front.turn != y->front.turn)
        return x->front.turn < y->front.turn ? -1 : 1;
    return x->file_name < y->file_name ? -1 : 1;
}

static void learn_limits(struct recovery *r)
{
    for (uint32_t i = 0; i < r->segment_count; i++) {
        const struct scan_front *f = &r->segments[i].front;
        for (uint32_t k = 0; f->opens && f->opening.previous_epoch && k < r->segment_count; k++)
            if (r->segments[k].kind == SCAN_SEGMENT &&
                r->segments[k].front.header.epoch == f->opening.previous_epoch)
                r->segments[k].limit = f->opening.previous_end;
    }
}

static void load_ask(struct recovery *r, struct load *l, uint32_t part)
{
    struct io_token token = {.index = (uint32_t)(l - r->loads) * RECOVERY_READS_MAX + part,
                             .owner = r->o.io_owner,
                             .op = RECOVERY_OP_READ};
    l->reads++;
    io_read(r->o.io, l->segment->fd, l->bytes + l->parts[part].at,
            (size_t)(l->parts[part].end - l->parts[part].at), l->parts[part].at, token);
}

static void load_ask_part(struct recovery *r, struct load *l, uint32_t part)
{
    uint64_t left = l->segment->bytes - l->asked;
    uint64_t bytes = left < READ_BYTES ? left : READ_BYTES;
    if (bytes == 0 || l->error)
        return;
    l->parts[part].at = l->asked;
    l->parts[part].end = l->asked + bytes;
    l->parts[part].failures = 0;
    l->asked += bytes;
    load_ask(r, l, part);
}

// The next segment that has something in it, into this buffer.
static void load_begin(struct recovery *r, struct load *l)
{
    *l = (struct load){.bad_from = UINT64_MAX};
    while (r->next < r->segment_count) {
        struct found_segment *s = &r->segments[r->next++];
        if (s->kind == SCAN_UNKNOWN || (s->kind == SCAN_UNBEGUN && s->bytes == 0))
            continue;
        l->segment = s;
        l->bytes = malloc(s->bytes);
        if (!l->bytes) {
            recovery_fail(r, "read", s->name, -ENOMEM);
            l->segment = NULL;
            return;
        }
        for (uint32_t part = 0; part < RECOVERY_READS_MAX; part++)
            load_ask_part(r, l, part);
        return;
    }
}

// Understands what has arrived, in order, and asks for what comes behind it.
static void loads_go_on(struct recovery *r)
{
    struct load *l = &r->loads[r->understood % 2];
    while (l->segment && l->reads == 0 && (l->error || l->arrived == l->segment->bytes)) {
        if (!r->error && l->segment->kind == SCAN_SEGMENT)
            recovery_understand(r, l);
        else if (!r->error)
            recovery_check_unbegun(r, l);
        r->understood++;
        free(l->bytes);
        if (r->error)
            *l = (struct load){0};
        else
            load_begin(r, l);
        l = &r->loads[r->understood % 2];
    }
    bool busy = r->loads[0].segment || r->loads[1].segment;
    if (busy)
        return;
    if (r->error)
        recovery_finish(r);
    else
        replay_tell(&r->replay, atomic_load(&r->o.table->turn));
}

void recovery_load(struct recovery *r)
{
    if (r->segment_count > 0)
        qsort(r->segments, r->segment_count, sizeof(*r->segments), compare_turns);
    learn_limits(r);
    r->next = 0;
    load_begin(r, &r->loads[0]);
    load_begin(r, &r->loads[1]);
    loads_go_on(r);
}

void recovery_read_done(struct recovery *r, uint32_t index, int result)
{
    struct load *l = &r->loads[index / RECOVERY_READS_MAX];
    uint32_t part = index % RECOVERY_READS_MAX;
    l->reads--;
    if (result == -EINTR || result == -EAGAIN) {
        load_ask(r, l, part);
        return;
    }
    if (result <= 0 && ++l->parts[part].failures < RECOVERY_READ_FAILURES_MAX) {
        load_ask(r, l, part);
        return;
    }
    if (result <= 0) { // the rest cannot be read: what stands before it counts
        l->error = result < 0 ? result : -EIO;
        if (l->parts[part].at < l->bad_from)
            l->bad_from = l->parts[part].at;
    } else {
        l->arrived += (uint64_t)result;
        l->parts[part].at += (uint64_t)result;
        if (l->parts[part].at < l->parts[part].end) {
            load_ask(r, l, part);
            return;
        }
        load_ask_part(r, l, part);
    }
    loads_go_on(r);
}
