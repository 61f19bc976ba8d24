#include "queue/suppression.h"

#include "engine/base/check.h"
#include "engine/base/siphash.h"

#include <stdlib.h>

#define ENTRY_BYTES (sizeof(uint64_t) + sizeof(uint16_t))
#define TABLE_BYTES_MIN 256u

// A slot is empty while its word is 0. A word stays until the table is replaced; its day may change
// at any time, and is 0 once the address is no longer held.
struct suppression_table {
    struct suppression_table *next; // once it was replaced
    uint32_t slot_count;
    uint32_t used_count;
    _Atomic uint64_t words[]; // and behind them the days
};
_Static_assert(sizeof(_Atomic uint64_t) == 8 && sizeof(_Atomic uint16_t) == 2, "times ten million");

struct place {
    uint64_t word;
    uint32_t table;
};

bool suppression_init(struct suppression *s, const uint64_t seed[2])
{
    *s = (struct suppression){.key = {seed[0], seed[1]}};
    s->tables = calloc(SUPPRESSION_TABLES, sizeof(*s->tables));
    return s->tables;
}

static void free_list(struct suppression_table *t)
{
    while (t) {
        struct suppression_table *next = t->next;
        free(t);
        t = next;
    }
}

void suppression_release(struct suppression *s)
{
    for (uint32_t i = 0; s->tables && i < SUPPRESSION_TABLES; i++)
        free(atomic_load_explicit(&s->tables[i], memory_order_relaxed));
    free(s->tables);
    free_list(s->replaced);
    free_list(s->waiting);
    *s = (struct suppression){.tables = NULL};
}

struct slice suppression_text(struct slice address, struct slice domain,
                              char text[SUPPRESSION_ADDRESS_BYTES_MAX])
{
    const char *at = address.len ? memrchr(address.data, '@', address.len) : NULL;
    size_t local_len = at ? (size_t)(at - address.data) : address.len;
    if (local_len + 1 + domain.len > SUPPRESSION_ADDRESS_BYTES_MAX)
        return SLICE_EMPTY;
    for (size_t i = 0; i < local_len; i++) {
        char c = address.data[i];
        text[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    text[local_len] = '@';
    memcpy(text + local_len + 1, domain.data, domain.len);
    return slice_make(text, local_len + 1 + domain.len);
}

static struct place place_of(const struct suppression *s, struct slice text)
{
    struct siphash h = siphash(s->key, text);
    return (struct place){h.low ? h.low : 1, (uint32_t)(h.high % SUPPRESSION_TABLES)};
}

// --- one table

static _Atomic uint16_t *day_at(const struct suppression_table *t, uint32_t slot)
{
    return (_Atomic uint16_t *)(uintptr_t)(t->words + t->slot_count) + slot;
}

// The slot that has the word, or the first empty one behind where it belongs.
static uint32_t find(const struct suppression_table *t, uint64_t word, bool *ret_found)
{
    uint32_t slot = (uint32_t)(((unsigned __int128)word * t->slot_count) >> 64);
    uint64_t there;
    while ((there = atomic_load_explicit(&t->words[slot], memory_order_acquire)) != 0 &&
           there != word)
        slot = slot + 1 < t->slot_count ? slot + 1 : 0;
    *ret_found = there == word;
    return slot;
}

static void put(struct suppression_table *t, uint32_t slot, uint64_t word, uint16_t day)
{
    atomic_store_explicit(day_at(t, slot), day, memory_order_relaxed);
    atomic_store_explicit(&t->words[slot], word, memory_order_release); // with its day
    t->used_count++;
}

// An eighth stays free: else a look that finds nothing goes on for long.
static bool is_full(const struct suppression_table *t)
{
    return !t || t->used_count >= t->slot_count - t->slot_count / 8;
}

// Four sizes to a doubling, as allocators have them: what is asked for is what is taken.
static size_t table_bytes(uint32_t count)
{
    size_t bytes = sizeof(struct suppression_table) + (count + count / 7 + 8) * ENTRY_BYTES;
    size_t step = TABLE_BYTES_MIN / 4;
    while (step * 8 <= bytes)
        step *= 2;
    bytes = (bytes + step - 1) / step * step;
    return bytes < TABLE_BYTES_MIN ? TABLE_BYTES_MIN : bytes;
}

static bool is_live(const struct suppression_table *t, uint32_t slot, uint16_t today)
{
    return atomic_load_explicit(&t->words[slot], memory_order_relaxed) != 0 &&
           atomic_load_explicit(day_at(t, slot), memory_order_relaxed) > today;
}

static uint32_t live_count(const struct suppression_table *t, uint16_t today)
{
    uint32_t count = 0;
    for (uint32_t i = 0; t && i < t->slot_count; i++)
        count += is_live(t, i, today);
    return count;
}

static void copy_live(struct suppression_table *to, const struct suppression_table *from,
                      uint16_t today)
{
    bool found;
    for (uint32_t i = 0; from && i < from->slot_count; i++)
        if (is_live(from, i, today)) {
            uint64_t word = atomic_load_explicit(&from->words[i], memory_order_relaxed);
            put(to, find(to, word, &found), word,
                atomic_load_explicit(day_at(from, i), memory_order_relaxed));
        }
}

// With room for one more at least. What is no longer held stays behind.
static struct suppression_table *replace(struct suppression *s, uint32_t index, uint16_t today)
{
    struct suppression_table *old = atomic_load_explicit(&s->tables[index], memory_order_relaxed);
    uint32_t count = live_count(old, today);
    size_t bytes = table_bytes(count + 1);
    struct suppression_table *t = calloc(1, bytes);
    if (!t)
        return NULL;
    t->slot_count = (uint32_t)((bytes - sizeof(*t)) / ENTRY_BYTES);
    copy_live(t, old, today);
    s->bytes += bytes;
    atomic_store_explicit(&s->tables[index], t, memory_order_release);
    if (old) {
        s->bytes -= sizeof(*old) + old->slot_count * ENTRY_BYTES;
        atomic_fetch_sub_explicit(&s->count, old->used_count - count, memory_order_relaxed);
        old->next = s->replaced;
        s->replaced = old;
    }
    return t;
}

// --- all of them

uint16_t suppression_until(const struct suppression *s, struct slice text)
{
    struct place p = place_of(s, text);
    const struct suppression_table *t = atomic_load_explicit(&s->tables[p.table],
                                                             memory_order_acquire);
    bool found = false;
    uint32_t slot = t ? find(t, p.word, &found) : 0;
    return found ? atomic_load_explicit(day_at(t, slot), memory_order_relaxed) : 0;
}

bool suppression_holds(const struct suppression *s, struct slice text, uint16_t today)
{
    return atomic_load_explicit(&s->count, memory_order_relaxed) > 0 &&
           suppression_until(s, text) > today;
}

bool suppression_add(struct suppression *s, struct slice text, uint16_t until, uint16_t today)
{
    struct place p = place_of(s, text);
    struct suppression_table *t = atomic_load_explicit(&s->tables[p.table], memory_order_relaxed);
    bool found = false;
    uint32_t slot = t ? find(t, p.word, &found) : 0;
    if (found) {
        atomic_store_explicit(day_at(t, slot), until, memory_order_relaxed);
        return true;
    }
    if (atomic_load_explicit(&s->count, memory_order_relaxed) >= SUPPRESSION_COUNT_MAX)
        return false;
    if (is_full(t)) {
        t = replace(s, p.table, today);
        if (!t)
            return false;
        slot = find(t, p.word, &found);
    }
    put(t, slot, p.word, until);
    atomic_fetch_add_explicit(&s->count, 1, memory_order_relaxed);
    return true;
}

bool suppression_remove(struct suppression *s, struct slice text)
{
    struct place p = place_of(s, text);
    struct suppression_table *t = atomic_load_explicit(&s->tables[p.table], memory_order_relaxed);
    bool found = false;
    uint32_t slot = t ? find(t, p.word, &found) : 0;
    if (!found || atomic_load_explicit(day_at(t, slot), memory_order_relaxed) == 0)
        return false;
    atomic_store_explicit(day_at(t, slot), 0, memory_order_relaxed);
    return true;
}

void suppression_reclaim(struct suppression *s, const struct epochs *epochs)
{
    if (s->waiting && (!epochs || epoch_passed(epochs, &s->mark))) {
        free_list(s->waiting);
        s->waiting = NULL;
    }
    if (s->waiting || !s->replaced)
        return;
    s->waiting = s->replaced;
    s->replaced = NULL;
    if (epochs) {
        epoch_mark(epochs, &s->mark);
    } else {
        free_list(s->waiting);
        s->waiting = NULL;
    }
}
