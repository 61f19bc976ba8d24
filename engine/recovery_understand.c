// What a segment that was read holds: its records go to queue/recover.h, and it goes to a home.

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/recovery_parts.h"

#include <errno.h>
#include <stdlib.h>

static void take_segment(struct recovery *r, struct found_segment *s, bool damaged)
{
    struct home_found *home = &r->o.found[r->taken % r->o.home_count];
    uint32_t *numbers = realloc(home->segments, (home->segment_count + 1) * sizeof(*numbers));
    if (!numbers) {
        recovery_fail(r, "take in", s->name, -ENOMEM);
        return;
    }
    home->segments = numbers;
    numbers[home->segment_count++] = s->number;
    segment_at(r->o.table, s->number)->damaged = damaged;
    r->taken++;
}

static void segment_understood(struct recovery *r, const struct load *l, const struct scan *scan)
{
    struct found_segment *s = l->segment;
    enum scan_ending ending = scan_end(scan);
    if (l->bad_from < scan->at + FORMAT_BLOCK_BYTES && ending == SCAN_CLEAN)
        ending = SCAN_DAMAGED; // it cannot be read there: who knows what stood in it
    r->report.torn += ending == SCAN_TORN;
    if (ending == SCAN_DAMAGED) {
        r->report.damaged++;
        log_line(LOG_LEVEL_ERROR,
                 "journal: %s is damaged at %llu: acknowledged mail behind that place cannot be "
                 "delivered. What stands before it is moved elsewhere, then the file is renamed to "
                 "*" STORAGE_DAMAGED_SUFFIX " and kept (posthaste journal dump shows it)",
                 s->name, (unsigned long long)scan->at);
    }
    take_segment(r, s, ending == SCAN_DAMAGED);
}

void recovery_check_unbegun(struct recovery *r, const struct load *l)
{
    if (!l->error && scan_all_zeros(slice_make(l->bytes, l->segment->bytes)))
        return;
    l->segment->kind = SCAN_UNKNOWN;
    recovery_leave_alone(r, l->segment, RECOVERY_NO_SEGMENT);
}

// The front's word is enough to bring segments into an order, since of one whose first batch is not
// good nothing counts. It is not enough to go on from: it might be the highest number there is.
static void learn_turn(struct recovery *r, const struct found_segment *s, bool first_batch_good)
{
    uint64_t turn = s->front.turn;
    if (!first_batch_good)
        turn = s->front.written; // it was opened once
    segment_at(r->o.table, s->number)->turn = turn;
    if (turn > atomic_load(&r->o.table->turn))
        atomic_store(&r->o.table->turn, turn);
}

void recovery_understand(struct recovery *r, struct load *l)
{
    struct found_segment *s = l->segment;
    struct scan scan;
    struct scan_record record;
    uint32_t home = r->taken % r->o.home_count;
    s->number = segment_take(r->o.table);
    CHECK(s->number < SEGMENTS_MAX);
    *segment_at(r->o.table, s->number) = (struct segment){.fd = s->fd,
                                                          .epoch = s->front.header.epoch,
                                                          .bytes = s->bytes,
                                                          .name = s->file_name,
                                                          .reuse_turn = r->taken + 1};
    atomic_fetch_add(&r->o.table->bytes, s->bytes);
    uint64_t readable = l->bad_from < s->bytes ? l->bad_from : s->bytes;
    scan_open(&scan, slice_make(l->bytes, readable), s->front.header.epoch, s->limit);
    while (!r->error && scan_next(&scan, &record)) {
        if (record.type == RECORD_RESULT)
            replay_result(&r->replay, record.payload, s->front.header.worker,
                          (struct journal_place){s->front.turn, record.offset});
        if (!recover_record(&r->recover, &record, s->number, home))
            recovery_fail(r, "take in", s->name, -ENOMEM);
    }
    learn_turn(r, s, scan.at > FORMAT_BLOCK_BYTES);
    r->report.segments++;
    r->report.bytes += s->bytes;
    if (!r->error)
        segment_understood(r, l, &scan);
}
