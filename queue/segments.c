#include "queue/segments.h"

#include "engine/base/check.h"

#include <errno.h>

#define KEEP_SEGMENTS 4u // so many sealed ones are no reason to move anything

void segments_init(struct segments *s, struct segment_table *table, uint32_t worker,
                   uint64_t segment_bytes, uint64_t seed)
{
    *s = (struct segments){.table = table,
                           .worker = worker,
                           .segment_bytes = segment_bytes,
                           .oldest = SEGMENT_NONE,
                           .open = SEGMENT_NONE,
                           .unused = SEGMENT_NONE};
    random_init(&s->dice, seed);
}

static struct segment *at(const struct segments *s, uint32_t number)
{
    return segment_at(s->table, number);
}

// --- the list, oldest first

static void list_add(struct segments *s, uint32_t number)
{
    struct segment *segment = at(s, number);
    segment->next = SEGMENT_NONE;
    if (s->open != SEGMENT_NONE)
        at(s, s->open)->next = number;
    else
        s->oldest = number;
    s->open = number;
    s->count++;
    s->used_bytes += segment->bytes;
}

// When all that was there when moving began has been moved, what is left is there to stay.
static void learn_garbage(struct segments *s)
{
    uint64_t garbage = s->used_bytes - s->live_bytes;
    bool ends = s->pass_turn > 0 && at(s, s->oldest)->turn > s->pass_turn;
    if (ends)
        s->pass_turn = 0;
    if (ends || garbage < s->garbage_kept)
        s->garbage_kept = garbage;
}

static bool nothing_readable_lives(const struct segment *segment)
{
    return segment->live_count <= segment->lost_count;
}

static void list_take_oldest(struct segments *s)
{
    struct segment *segment = at(s, s->oldest);
    CHECK(s->oldest != s->open && nothing_readable_lives(segment));
    s->oldest = segment->next;
    s->count--;
    s->used_bytes -= segment->bytes;
    s->live_bytes -= segment->live_bytes;
    learn_garbage(s);
}

void segments_inherit(struct segments *s, uint32_t number)
{
    list_add(s, number);
    s->live_bytes += at(s, number)->live_bytes;
}

// --- what is to be done

static bool is_standard(const struct segments *s, uint32_t number)
{
    return at(s, number)->bytes == s->segment_bytes;
}

// The oldest one, when nothing needs it any more.
static bool oldest_is_empty(const struct segments *s, uint64_t synced_batch)
{
    if (s->oldest == SEGMENT_NONE || s->oldest == s->open || s->stuck)
        return false;
    const struct segment *segment = at(s, s->oldest);
    if (segment->reuse_turn && (atomic_load(&s->table->keys_left) > 0 ||
                                atomic_load(&s->table->reuse_turn) != segment->reuse_turn))
        return false;
    return nothing_readable_lives(segment) && segment->result_batch <= synced_batch &&
           atomic_load(&segment->readers) == 0;
}

static uint64_t next_epoch(struct segments *s)
{
    uint64_t count = atomic_fetch_add(&s->table->epoch, 1) + 1;
    return count << 32 | (uint32_t)random_u64(&s->dice);
}

// --- numbers

static uint32_t take_number(struct segments *s)
{
    uint32_t number = s->unused;
    if (number == SEGMENT_NONE)
        return segment_take(s->table);
    s->unused = at(s, number)->next;
    return number;
}

static void give_number(struct segments *s, uint32_t number)
{
    at(s, number)->next = s->unused;
    s->unused = number;
}

// Ready to be opened. `readers` stays as it is: who comes too late to find his message there still
// counts himself in and out.
static void begin_life(struct segment *segment, int fd, const struct segments_task *task)
{
    segment->fd = fd;
    segment->next = SEGMENT_NONE;
    segment->epoch = task->epoch;
    segment->bytes = task->bytes;
    segment->live_bytes = 0;
    segment->live_count = 0;
    segment->reuse_turn = 0;
    segment->damaged = segment->aside = false;
    segment->unread_count = 0;
    segment->lost_count = 0;
    segment->turn = 0;
    segment->result_batch = 0;
    segment->name = task->name;
}

// --- tasks

static void could_not_make(struct segments *s, uint64_t bytes, int error, uint64_t now_us)
{
    atomic_fetch_sub(&s->table->bytes, bytes);
    s->no_room = true;
    s->error = error;
    s->again_us = now_us + SEGMENTS_AGAIN_US;
}

static void plan_make(struct segments *s, uint64_t bytes, uint64_t now_us)
{
    bool over = atomic_fetch_add(&s->table->bytes, bytes) + bytes > s->table->bytes_max;
    // Results must be written though there is no room, also when all of it was found used at start.
    bool may = !over || (bytes == s->segment_bytes && s->spare_count < SEGMENTS_RESERVE);
    uint32_t number = may ? take_number(s) : SEGMENTS_MAX;
    if (number == SEGMENTS_MAX) {
        could_not_make(s, bytes, -EDQUOT, now_us);
        return;
    }
    if (over) {
        s->no_room = true;
        s->error = -EDQUOT;
    }
    s->task = (struct segments_task){.kind = SEGMENTS_MAKE,
                                     .number = number,
                                     .name = atomic_fetch_add(&s->table->name, 1) + 1,
                                     .bytes = bytes,
                                     .epoch = next_epoch(s)};
}

// Makes room among the spares for a large one. Nothing in a spare is wanted: it can go at any time.
static void plan_remove_spare(struct segments *s)
{
    uint32_t least = 0;
    for (uint32_t i = 1; i < s->spare_count; i++)
        if (at(s, s->spares[i])->bytes < at(s, s->spares[least])->bytes)
            least = i;
    uint32_t number = s->spares[least];
    s->spares[least] = s->spares[--s->spare_count];
    s->task = (struct segments_task){.kind = SEGMENTS_REMOVE,
                                     .number = number,
                                     .name = at(s, number)->name,
                                     .bytes = at(s, number)->bytes};
}

struct segments_task segments_next(struct segments *s, uint64_t synced_batch, uint64_t now_us)
{
    const struct segments_task nothing = {.kind = SEGMENTS_NOTHING};
    if (s->task.kind != SEGMENTS_NOTHING)
        return nothing;
    if (oldest_is_empty(s, synced_batch)) {
        uint32_t number = s->oldest;
        bool damaged = at(s, number)->damaged;
        uint32_t spares_max = atomic_load(&s->table->bytes) > s->table->bytes_max
                                  ? SEGMENTS_RESERVE
                                  : SEGMENTS_SPARE_MAX;
        bool keep = is_standard(s, number) && s->spare_count < spares_max && !damaged;
        list_take_oldest(s);
        at(s, number)->aside = damaged;
        s->task = (struct segments_task){.kind = damaged ? SEGMENTS_SET_ASIDE
                                                 : keep  ? SEGMENTS_EMPTY
                                                         : SEGMENTS_REMOVE,
                                         .number = number,
                                         .name = at(s, number)->name,
                                         .bytes = at(s, number)->bytes,
                                         .epoch = keep ? next_epoch(s) : 0};
    } else if (s->spare_count > SEGMENTS_SPARE_MAX) {
        plan_remove_spare(s);
    } else if (now_us >= s->again_us || !s->no_room) {
        if (s->bytes_wanted)
            plan_make(s, s->bytes_wanted, now_us);
        else if (s->spare_count < SEGMENTS_SPARE)
            plan_make(s, s->segment_bytes, now_us);
    }
    return s->task;
}

static void add_spare(struct segments *s, uint32_t number)
{
    CHECK(s->spare_count <= SEGMENTS_SPARE_MAX);
    s->spares[s->spare_count++] = number;
    if (s->spare_count >= SEGMENTS_SPARE)
        s->no_room = false;
}

// The next one that was found at start may be emptied, whosever it is.
static void next_reuse(struct segments *s, const struct segment *segment)
{
    if (segment->reuse_turn)
        atomic_fetch_add(&s->table->reuse_turn, 1);
}

void segments_done(struct segments *s, int result, int fd, uint64_t now_us)
{
    struct segments_task task = s->task;
    struct segment *segment = at(s, task.number);
    s->task.kind = SEGMENTS_NOTHING;
    switch (task.kind) {
    case SEGMENTS_NOTHING: CHECK(false);
    case SEGMENTS_MAKE:
        if (result < 0) {
            could_not_make(s, task.bytes, result, now_us);
            give_number(s, task.number);
            return;
        }
        begin_life(segment, fd, &task);
        if (task.bytes >= s->bytes_wanted)
            s->bytes_wanted = 0;
        s->made_count++;
        add_spare(s, task.number);
        return;
    case SEGMENTS_EMPTY:
        if (result < 0) {
            s->stuck = true;
            return;
        }
        next_reuse(s, segment);
        begin_life(segment, segment->fd, &task);
        s->emptied_count++;
        add_spare(s, task.number);
        return;
    case SEGMENTS_SET_ASIDE:
    case SEGMENTS_REMOVE: {
        bool named = segment->live_count > 0; // by messages that are lost, and not over yet
        if (!named)
            segment->fd = -1; // closed by who removed it
        if (result < 0) {
            s->stuck |= segment->turn > 0; // a spare holds nothing
            return;
        }
        next_reuse(s, segment);
        atomic_fetch_sub(&s->table->bytes, task.bytes);
        if (!named)
            give_number(s, task.number);
        s->again_us = 0; // there is room now
        s->removed_count++;
        return;
    }
    }
}

uint64_t segments_due_us(const struct segments *s)
{
    bool wants = s->spare_count < SEGMENTS_SPARE || s->bytes_wanted;
    return s->task.kind == SEGMENTS_NOTHING && s->no_room && wants ? s->again_us : UINT64_MAX;
}

bool segments_accept(const struct segments *s)
{
    return !s->no_room || s->spare_count >= SEGMENTS_SPARE;
}

// The smallest spare that will do: large ones were made for large messages.
static uint32_t find_spare(const struct segments *s, uint64_t bytes)
{
    uint32_t found = SEGMENT_NONE;
    for (uint32_t i = 0; i < s->spare_count; i++)
        if (at(s, s->spares[i])->bytes >= bytes &&
            (found == SEGMENT_NONE || at(s, s->spares[i])->bytes < at(s, s->spares[found])->bytes))
            found = i;
    return found;
}

bool segments_has(struct segments *s, uint64_t bytes, uint64_t more)
{
    if (bytes <= s->segment_bytes || find_spare(s, bytes) != SEGMENT_NONE)
        return true;
    if (s->bytes_wanted < bytes)
        s->bytes_wanted = bytes + more;
    return false;
}

bool segments_open(struct segments *s, uint64_t bytes, bool reserved)
{
    uint32_t found = find_spare(s, bytes);
    if (found == SEGMENT_NONE) {
        if (bytes > s->segment_bytes && s->bytes_wanted < bytes)
            s->bytes_wanted = bytes;
        return false;
    }
    if (!reserved && s->no_room && s->spare_count <= SEGMENTS_RESERVE)
        return false;
    at(s, s->spares[found])->turn = atomic_fetch_add(&s->table->turn, 1) + 1;
    list_add(s, s->spares[found]);
    s->spares[found] = s->spares[--s->spare_count];
    return true;
}

void segments_give_up(struct segments *s)
{
    s->bytes_wanted = 0;
    if (s->spare_count >= SEGMENTS_SPARE)
        s->no_room = false; // there was none for a large one, and the next may come later
}

// --- what lives

void segments_add_live(struct segments *s, uint64_t place, uint64_t bytes)
{
    struct segment *segment = at(s, place_segment(place));
    segment->live_count++;
    segment->live_bytes += bytes;
    s->live_bytes += bytes;
}

void segments_drop_live(struct segments *s, uint64_t place, uint64_t bytes, uint64_t batch)
{
    struct segment *segment = at(s, place_segment(place));
    CHECK(segment->live_count > 0 && segment->live_bytes >= bytes);
    segment->live_count--;
    segment->live_bytes -= bytes;
    if (segment->lost_count > 0)
        segment->lost_count--; // it may have been one of them
    if (!segment->aside)
        s->live_bytes -= bytes;
    segments_keep(s, place_segment(place), batch);
}

void segments_lost(struct segments *s, uint32_t number, uint32_t count)
{
    struct segment *segment = at(s, number);
    segment->damaged = true;
    segment->lost_count = count;
}

void segments_keep(struct segments *s, uint32_t number, uint64_t batch)
{
    if (number != SEGMENT_NONE && batch > at(s, number)->result_batch)
        at(s, number)->result_batch = batch;
}

// Half of what is used must be garbage: then each byte that is moved frees another one at least.
// Without room less will do, but not what was left the last time: moving that again and again would
// gain nothing.
static bool worth_moving(const struct segments *s)
{
    uint64_t garbage = s->used_bytes - s->live_bytes, least = s->used_bytes / 8;
    if (least < s->segment_bytes)
        least = s->segment_bytes;
    if (garbage <= s->garbage_kept + least)
        return false;
    return s->no_room ||
           (s->used_bytes > KEEP_SEGMENTS * s->segment_bytes && s->used_bytes > 2 * s->live_bytes);
}

uint32_t segments_to_move(struct segments *s)
{
    if (s->oldest == SEGMENT_NONE || s->oldest == s->open)
        return SEGMENT_NONE;
    const struct segment *oldest = at(s, s->oldest);
    if (nothing_readable_lives(oldest))
        return SEGMENT_NONE; // it goes by itself
    if (oldest->damaged)
        return s->oldest;
    if (s->no_room && oldest->bytes > s->segment_bytes)
        return SEGMENT_NONE; // what is in it may need one as large
    if (!worth_moving(s))
        return SEGMENT_NONE;
    if (s->pass_turn == 0)
        s->pass_turn = at(s, s->open)->turn;
    return s->oldest;
}
