#include "queue/calendar.h"

#include "engine/base/check.h"
#include "queue/job.h"

_Static_assert(CALENDAR_SLOTS == 64 * 64, "a word of words finds the next slot");

void calendar_init(struct calendar *c, uint32_t now_s)
{
    *c = (struct calendar){.now_s = now_s};
}

static void mark_occupied(struct calendar *c, uint32_t slot)
{
    c->occupied[slot / 64] |= UINT64_C(1) << slot % 64;
    c->occupied_words |= UINT64_C(1) << slot / 64;
}

static void mark_empty(struct calendar *c, uint32_t slot)
{
    c->occupied[slot / 64] &= ~(UINT64_C(1) << slot % 64);
    if (c->occupied[slot / 64] == 0)
        c->occupied_words &= ~(UINT64_C(1) << slot / 64);
}

// The bits of `word` from bit `from` on; `from` may be 64.
static uint64_t bits_from(uint64_t word, uint32_t from)
{
    return from < 64 ? word & (~UINT64_C(0) << from) : 0;
}

// The first occupied slot at `from` or behind it, or CALENDAR_SLOTS.
static uint32_t next_occupied(const struct calendar *c, uint32_t from)
{
    uint32_t at = from / 64;
    uint64_t bits = bits_from(c->occupied[at], from % 64);
    if (bits == 0) {
        uint64_t words = bits_from(c->occupied_words, at + 1);
        if (words == 0)
            return CALENDAR_SLOTS;
        at = (uint32_t)__builtin_ctzll(words);
        bits = c->occupied[at];
    }
    return at * 64 + (uint32_t)__builtin_ctzll(bits);
}

static void link_first(struct job **first, struct job *j)
{
    j->prev = NULL;
    j->next = *first;
    if (j->next)
        j->next->prev = j;
    *first = j;
}

void calendar_add(struct calendar *c, struct job *j)
{
    c->count++;
    if (j->due_s <= c->now_s) {
        link_first(&c->overdue, j);
        return;
    }
    uint32_t slot = j->due_s % CALENDAR_SLOTS;
    link_first(&c->slots[slot], j);
    mark_occupied(c, slot);
}

void calendar_remove(struct calendar *c, struct job *j)
{
    uint32_t slot = j->due_s % CALENDAR_SLOTS;
    CHECK(c->count > 0);
    c->count--;
    if (j->next)
        j->next->prev = j->prev;
    if (j->prev) {
        j->prev->next = j->next;
    } else if (c->overdue == j) {
        c->overdue = j->next;
    } else {
        CHECK(c->slots[slot] == j);
        c->slots[slot] = j->next;
        if (!c->slots[slot])
            mark_empty(c, slot);
    }
}

// Moves what is due from one slot to *tail, and returns the new tail. What waits for a later lap
// stays.
static struct job **take_slot(struct calendar *c, uint32_t slot, uint32_t now_s, struct job **tail)
{
    struct job **kept = &c->slots[slot], *last = NULL;
    for (struct job *j = c->slots[slot]; j; j = j->next) {
        if (j->due_s > now_s) {
            *kept = j;
            kept = &j->next;
            j->prev = last;
            last = j;
        } else {
            *tail = j;
            tail = &j->next;
            c->count--;
        }
    }
    *kept = NULL;
    if (!c->slots[slot])
        mark_empty(c, slot);
    return tail;
}

struct job *calendar_take(struct calendar *c, uint32_t now_s)
{
    struct job *taken = c->overdue;
    struct job **tail = &taken;
    for (; *tail; tail = &(*tail)->next)
        c->count--;
    c->overdue = NULL;

    while (c->now_s < now_s && c->count > 0) {
        uint32_t next_s = calendar_next_s(c);
        if (next_s > now_s)
            break;
        c->now_s = next_s;
        tail = take_slot(c, next_s % CALENDAR_SLOTS, now_s, tail);
    }
    *tail = NULL;
    if (c->now_s < now_s)
        c->now_s = now_s;
    return taken;
}

uint32_t calendar_next_s(const struct calendar *c)
{
    if (c->count == 0)
        return UINT32_MAX;
    if (c->overdue)
        return c->now_s;
    uint32_t start = (c->now_s + 1) % CALENDAR_SLOTS;
    uint32_t slot = next_occupied(c, start);
    if (slot == CALENDAR_SLOTS)
        slot = next_occupied(c, 0);
    CHECK(slot < CALENDAR_SLOTS);
    return c->now_s + 1 + (slot - start) % CALENDAR_SLOTS;
}
