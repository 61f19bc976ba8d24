#include "engine/policy/source.h"

bool source_list_equal(const struct source_list *a, const struct source_list *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i].name, b->items[i].name) != 0)
            return false;
    return true;
}

uint8_t source_families(const struct source *s)
{
    if (!s)
        return SOURCE_ANY;
    return (uint8_t)((s->v4.len > 0 ? SOURCE_V4 : 0) | (s->v6.len > 0 ? SOURCE_V6 : 0));
}

const struct io_address *source_address(const struct source *s, const struct io_address *peer)
{
    if (!s)
        return NULL;
    return source_family_of(peer) == SOURCE_V6 ? &s->v6 : &s->v4;
}

static bool may_open(const struct source_offer *o)
{
    return !o->suspended && o->messages > 0 && o->connections > 0;
}

uint32_t source_choose(const struct source_offer *offers, uint32_t count, uint8_t family,
                       uint32_t turn)
{
    uint32_t best = SOURCES_MAX;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = (turn + i) % count;
        const struct source_offer *o = &offers[at];
        if (!may_open(o) || !(o->families & family))
            continue;
        if (best == SOURCES_MAX || o->connections > offers[best].connections)
            best = at;
    }
    return best;
}

static uint32_t sum_up_to_max(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

// When a source may, all in all; 0: that is no matter of time.
static uint64_t offer_due_us(const struct source_offer *o, uint64_t due_us)
{
    return o->suspended ? later(o->suspended_to_us, due_us) : due_us;
}

static void note_due(uint64_t *first_us, uint64_t due_us)
{
    if (due_us > 0 && (*first_us == 0 || due_us < *first_us))
        *first_us = due_us;
}

struct source_sum source_sum(const struct source_offer *offers, uint32_t count)
{
    struct source_sum sum = {.all_suspended = true};
    for (uint32_t i = 0; i < count; i++) {
        const struct source_offer *o = &offers[i];
        sum.families |= o->families;
        sum.all_suspended &= o->suspended;
        note_due(&sum.messages_due_us, offer_due_us(o, o->messages_due_us));
        note_due(&sum.connections_due_us, offer_due_us(o, o->connections_due_us));
        if (o->suspended) {
            note_due(&sum.suspended_to_us, o->suspended_to_us);
            continue;
        }
        sum.messages = sum_up_to_max(sum.messages, o->messages);
        if (!may_open(o))
            continue;
        sum.families_now |= o->families;
        sum.connections = sum_up_to_max(sum.connections, o->connections);
    }
    if (sum.messages > 0)
        sum.messages_due_us = 0;
    if (sum.connections > 0)
        sum.connections_due_us = 0;
    return sum;
}
