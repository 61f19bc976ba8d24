#include "engine/policy/rate_memory.h"

#include "engine/base/crc32c.h"

#include <inttypes.h>
#include <stdlib.h>

#define HEADER "posthaste-rates 1\n"
#define END "end "

// --- writing

bool rate_memory_begin(struct buffer *out)
{
    return buffer_append(out, SLICE(HEADER));
}

struct line {
    uint64_t place, window_us;
    uint64_t written_us; // wall clock
    char kind;
    uint32_t count;
    struct rate_batch batches[RATE_BATCHES];
};

static bool print_line(struct buffer *out, const struct line *l, const struct rate_clock *clock)
{
    bool is_ok = buffer_printf(out, "%" PRIu64 " %c %" PRIu64 " %" PRIu64, l->place, l->kind,
                               l->window_us, l->written_us);
    for (uint32_t i = 0; i < l->count; i++)
        is_ok = is_ok && buffer_printf(out, " %" PRIu64 ":%" PRIu32,
                                       clock->wall_us - (clock->now_us - l->batches[i].last_us),
                                       l->batches[i].count);
    return is_ok && buffer_append_byte(out, '\n');
}

bool rate_memory_print(struct buffer *out, uint64_t place, enum rate_kind kind,
                       const struct rate_limit *limit, struct rate_meter *meter,
                       const struct rate_clock *clock)
{
    struct line l = {.place = place,
                     .window_us = limit->window_us,
                     .written_us = clock->wall_us,
                     .kind = (char)kind};
    if (limit->window_us < RATE_MEMORY_US_MIN)
        return true;
    l.count = rate_meter_batches(meter, limit, clock->now_us, l.batches);
    return l.count == 0 || print_line(out, &l, clock);
}

static bool is_rest(char kind)
{
    return kind == REST_OF_SOURCE || kind == REST_OF_SITE;
}

bool rate_memory_print_rest(struct buffer *out, uint64_t place, enum rest_kind kind,
                            struct rest rest, const struct rate_clock *clock)
{
    struct line l = {.place = place,
                     .written_us = clock->wall_us,
                     .kind = (char)kind,
                     .count = 1,
                     .batches = {{rest.until_us, rest.code}}};
    return rest.until_us < clock->now_us + RATE_MEMORY_US_MIN || print_line(out, &l, clock);
}

bool rate_memory_end(struct buffer *out)
{
    return buffer_printf(out, END "%" PRIu32 "\n", crc32c(0, out->data, out->len));
}

// --- reading

struct rate_memory {
    struct line *items;
    size_t count, room;
};

struct rate_memory *rate_memory_new(void)
{
    return calloc(1, sizeof(struct rate_memory));
}

void rate_memory_free(struct rate_memory *m)
{
    if (m)
        free(m->items);
    free(m);
}

static struct line *add_item(struct rate_memory *m)
{
    if (m->count == m->room) {
        size_t room = m->room > 0 ? 2 * m->room : 64;
        struct line *items = reallocarray(m->items, room, sizeof(*items));
        if (!items)
            return NULL;
        m->items = items;
        m->room = room;
    }
    m->items[m->count] = (struct line){.count = 0};
    return &m->items[m->count++];
}

static bool read_batch(struct slice word, char kind, const struct rate_clock *c,
                       struct rate_batch *ret)
{
    uint64_t at_us, count, ahead_us_max = is_rest(kind) ? RATE_REST_US_MAX : 0;
    struct slice rest = word;
    if (!slice_to_u64(slice_cut(&rest, ':'), UINT64_MAX, &at_us) ||
        !slice_to_u64(rest, is_rest(kind) ? UINT16_MAX : UINT32_MAX, &count))
        return false;
    uint64_t age_us = c->wall_us > at_us && !is_rest(kind) ? c->wall_us - at_us : 0;
    uint64_t ahead_us = at_us > c->wall_us ? at_us - c->wall_us : 0;
    ahead_us = ahead_us < ahead_us_max ? ahead_us : ahead_us_max;
    // Before the clock began it wraps around, and so does the end of its window.
    *ret = (struct rate_batch){.last_us = c->now_us - age_us + ahead_us, .count = (uint32_t)count};
    return true;
}

static bool is_kind(char kind)
{
    return kind == RATE_OF_MESSAGES || kind == RATE_OF_CONNECTIONS || is_rest(kind);
}

static bool read_line(struct slice line, const struct rate_clock *c, struct line *r)
{
    struct slice rest = line;
    bool is_ok = slice_to_u64(slice_cut(&rest, ' '), UINT64_MAX, &r->place);
    struct slice kind = slice_cut(&rest, ' ');
    is_ok = is_ok && kind.len == 1 && is_kind(kind.data[0]) &&
            slice_to_u64(slice_cut(&rest, ' '), RATE_US_MAX, &r->window_us) &&
            slice_to_u64(slice_cut(&rest, ' '), UINT64_MAX, &r->written_us);
    while (is_ok && rest.len > 0) {
        is_ok = r->count < RATE_BATCHES &&
                read_batch(slice_cut(&rest, ' '), kind.data[0], c, &r->batches[r->count]);
        r->count += is_ok;
    }
    if (is_ok)
        r->kind = kind.data[0];
    return is_ok && r->count > 0;
}

// The lines between the first one and the last one, of a text that is whole.
static bool whole_lines(struct slice text, struct slice *ret_lines)
{
    struct slice lines = slice_skip(text, strlen(HEADER)), rest = lines;
    uint64_t sum;
    if (!slice_starts(text, SLICE(HEADER)))
        return false;
    while (rest.len > 0) {
        const char *here = rest.data;
        struct slice line = slice_cut(&rest, '\n');
        if (!slice_starts(line, SLICE(END)))
            continue;
        *ret_lines = slice_make(lines.data, (size_t)(here - lines.data));
        return slice_to_u64(slice_skip(line, strlen(END)), UINT32_MAX, &sum) &&
               sum == crc32c(0, text.data, (size_t)(here - text.data));
    }
    return false;
}

bool rate_memory_read(struct rate_memory *m, struct slice text, const struct rate_clock *clock)
{
    struct slice rest;
    size_t before = m->count;
    bool is_ok = whole_lines(text, &rest);
    while (is_ok && rest.len > 0) {
        struct line *l = add_item(m);
        is_ok = l && read_line(slice_cut(&rest, '\n'), clock, l);
    }
    if (!is_ok)
        m->count = before;
    return is_ok;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_keys(const struct line *a, const struct line *b)
{
    int order = compare_numbers(a->place, b->place);
    if (order == 0)
        order = compare_numbers(a->window_us, b->window_us);
    return order ? order : a->kind - b->kind;
}

// Of one meter the newest comes first, of a rest the longest.
static int compare(const void *left, const void *right)
{
    const struct line *a = left, *b = right;
    int order = compare_keys(a, b);
    if (order == 0 && is_rest(a->kind))
        order = compare_numbers(b->batches[0].last_us, a->batches[0].last_us);
    return order ? order : compare_numbers(b->written_us, a->written_us);
}

void rate_memory_sort(struct rate_memory *m)
{
    if (m->count > 0)
        qsort(m->items, m->count, sizeof(*m->items), compare);
}

// NULL: there is none.
static const struct line *find(const struct rate_memory *m, const struct line *wanted)
{
    size_t low = 0, high = m ? m->count : 0;
    while (low < high) { // the first that is not before it
        size_t middle = low + (high - low) / 2;
        if (compare_keys(&m->items[middle], wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool is_there = m && low < m->count && compare_keys(&m->items[low], wanted) == 0;
    return is_there ? &m->items[low] : NULL;
}

bool rate_memory_recall(const struct rate_memory *m, uint64_t place, enum rate_kind kind,
                        uint64_t window_us, struct rate_meter *ret)
{
    const struct line wanted = {.place = place, .window_us = window_us, .kind = (char)kind};
    const struct line *l = find(m, &wanted);
    if (l)
        rate_meter_restore(ret, l->batches, l->count);
    return l;
}

bool rate_memory_recall_rest(const struct rate_memory *m, uint64_t place, enum rest_kind kind,
                             struct rest *ret)
{
    const struct line wanted = {.place = place, .kind = (char)kind};
    const struct line *l = find(m, &wanted);
    if (l)
        *ret = (struct rest){l->batches[0].last_us, (uint16_t)l->batches[0].count};
    return l;
}

static bool still_counts(const struct line *l, uint64_t now_us)
{
    uint64_t last_us = l->batches[l->count - 1].last_us;
    return is_rest(l->kind) ? last_us > now_us : now_us - last_us < l->window_us;
}

bool rate_memory_carry(const struct rate_memory *m, struct buffer *out,
                       const struct rate_clock *clock)
{
    bool is_ok = true;
    for (size_t i = 0; m && i < m->count && is_ok; i++) {
        const struct line *l = &m->items[i];
        bool is_newest = i == 0 || compare_keys(&m->items[i - 1], l) != 0;
        if (is_newest && still_counts(l, clock->now_us))
            is_ok = print_line(out, l, clock);
    }
    return is_ok;
}
