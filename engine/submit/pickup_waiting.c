// Files in DIR/taken that end too early, while they may still be written: each is a name, and how
// far it was read. When one is pushed out by another it is read again from its start, and what was
// taken of it is answered as a duplicate.
#include "engine/submit/pickup_parts.h"

#include "engine/base/check.h"

#define PLACES 4 // where an entry may stand

// The one with this hash (0: a free one), near where `name_hash` belongs; else NULL.
static struct pickup_waiting *find(struct pickup_folder *d, uint64_t name_hash, uint64_t hash)
{
    for (uint64_t i = 0; i < PLACES; i++) {
        struct pickup_waiting *w = &d->waiting[(name_hash / 2 + i) % PICKUP_WAITING_MAX];
        if (w->hash == hash)
            return w;
    }
    return NULL;
}

void pickup_waiting_keep(struct pickup *p, struct pickup_file *f)
{
    struct pickup_folder *d = pickup_folder_of(p, f);
    uint64_t hash = pickup_name_hash(p, f->name);
    uint64_t again_us = io_now_us(p->o.io) + PICKUP_WAITING_US;
    CHECK(f->in_taken && f->window.pending == 0 && !f->refused);
    f->known.hash = hash;
    f->known.first = f->window.first;
    f->known.ordinal = pickup_file_resume_at(f);
    f->known.mark = f->window.marks[f->known.ordinal % PICKUP_IN_FLIGHT_MAX];
    struct pickup_waiting *w = find(d, hash, 0);
    if (!w)
        w = &d->waiting[hash / 2 % PICKUP_WAITING_MAX];
    *w = f->known;
    if (d->waiting_until_us == 0)
        d->waiting_until_us = again_us;
    pickup_folder_look_by(p, d, d->waiting_until_us);
    pickup_file_free(p, f);
}

bool pickup_waiting_recall(struct pickup *p, struct pickup_file *f)
{
    uint64_t hash = pickup_name_hash(p, f->name);
    struct pickup_waiting *w = find(pickup_folder_of(p, f), hash, hash);
    if (!w)
        return false;
    f->known = *w;
    w->hash = 0;
    f->window.first = f->known.first;
    f->ordinal = f->known.ordinal;
    f->window.marks[f->ordinal % PICKUP_IN_FLIGHT_MAX] = f->known.mark;
    return true;
}
