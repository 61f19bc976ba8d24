// posthaste journal check: reads all segments twice, in the order of their turns.
#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/command/journal.h"
#include "engine/command/journal_findings.h"
#include "engine/command/journal_line.h"
#include "engine/command/journal_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct check {
    struct journal_segments *segments;
    const struct journal_options *options;
    struct journal_table table;
    struct journal_line line;
    struct journal_findings findings;
    uint64_t *ends;                         // of each segment: what is behind it is not read
    uint64_t batch_count;                   // of the segment that is being read
    uint64_t record_counts[RECORD_KEY + 1]; // [0]: unknown types
    uint64_t read_bytes;
    uint64_t damaged_count; // segments
    uint64_t torn_count;
};

static const char *const plurals[] = {
    [0] = "unknown",           [RECORD_OPENS] = "opens",    [RECORD_MESSAGE] = "messages",
    [RECORD_STATE] = "states", [RECORD_RESULT] = "results", [RECORD_ATTEMPT] = "attempts",
    [RECORD_KEY] = "keys",
};
_Static_assert(COUNT_OF(plurals) == RECORD_KEY + 1, "a word for each type of record");

// The first pass, in the order of turns. OPENS is the first record of a segment, and stands nowhere
// else.
static const char *first_look(struct check *c, uint32_t segment, uint64_t *ret_id)
{
    struct journal_reader *r = c->segments->reader;
    struct journal_record record;
    bool is_first = r->record_offset == FORMAT_BLOCK_BYTES + sizeof(struct batch_header);
    if (is_first != (r->record.type == RECORD_OPENS))
        return is_first ? "the segment's first record is no OPENS"
                        : "an OPENS that is not the segment's first record";
    journal_record_read(r, &record);
    *ret_id = record.id;
    if (record.fault)
        return record.fault;
    switch (r->record.type) {
    case RECORD_MESSAGE: return journal_table_message(&c->table, r, &record.as.message, segment);
    case RECORD_STATE: return journal_table_state(&c->table, r, &record.as.state, segment);
    case RECORD_RESULT: return journal_table_result(&c->table, &record.as.result);
    case RECORD_ATTEMPT: return journal_table_attempt(&c->table, &record.as.attempt);
    case RECORD_KEY: journal_table_key(&c->table, record.as.key.key); return NULL;
    default: return NULL;
    }
}

// The second: a result may stand before the first copy of its message that is left, since others
// were done with. Then the STATE behind that copy must know of it.
static const char *second_look(struct check *c, uint64_t *ret_id)
{
    struct journal_reader *r = c->segments->reader;
    struct record_result result;
    if (r->record.type != RECORD_RESULT || journal_result_fault(r, &result))
        return NULL;
    *ret_id = result.id;
    return journal_table_forgot(&c->table, &result) ? "its message was moved without it" : NULL;
}

static void print_batch(struct check *c, uint32_t segment)
{
    const struct journal_reader *r = c->segments->reader;
    struct journal_line *l = &c->line;
    journal_line_begin(l, "batch");
    journal_line_text(l, "file", slice_of_text(c->segments->list[segment].name));
    journal_line_u64(l, "offset", r->batch_offset);
    journal_line_u64(l, "bytes", r->batch.bytes);
    journal_line_u64(l, "records", r->batch.record_count);
    journal_line_u64(l, "durable", r->batch.durable);
    journal_line_u64(l, "turn", r->batch.turn);
    journal_line_time(l, "time", r->batch.wall_us);
    journal_line_end(l);
}

static void print_segment(struct check *c, uint32_t segment, const char *fault)
{
    const struct journal_reader *r = c->segments->reader;
    const struct journal_segment *about = &c->segments->list[segment];
    struct journal_line *l = &c->line;
    journal_line_begin(l, "segment");
    journal_line_text(l, "file", slice_of_text(about->name));
    journal_line_u64(l, "bytes", r->headers.file_bytes);
    if (r->has_header) {
        journal_line_u64(l, "epoch", r->header.epoch);
        if (about->has_turn)
            journal_line_u64(l, "turn", about->turn);
        journal_line_u64(l, "worker", r->header.worker);
        journal_line_time(l, "begun", r->header.wall_us);
        journal_line_u64(l, "batches", c->batch_count);
        for (size_t i = 1; i < COUNT_OF(plurals); i++)
            journal_line_u64(l, plurals[i], c->record_counts[i]);
        if (c->record_counts[0] > 0)
            journal_line_u64(l, plurals[0], c->record_counts[0]);
    }
    journal_end_line(l, r, about, fault);
    journal_line_end(l);
}

static bool may_change(const struct check *c)
{
    return c->segments->folder.lock != JOURNAL_STOPPED;
}

// What is wrong with a segment as a whole.
static void look_at_segment(struct check *c, const char *fault)
{
    const struct journal_reader *r = c->segments->reader;
    struct journal_findings *f = &c->findings;
    if (fault)
        journal_findings_damage(f, 0, fault);
    if (r->end == JOURNAL_END_DAMAGED)
        journal_findings_damage(f, r->end_offset, r->why);
    if (r->end == JOURNAL_END_NO_HEADER && r->headers.file_bytes < FORMAT_SEGMENT_BYTES_MIN &&
        !may_change(c))
        journal_findings_remark(f, 0, "it is empty: a crash came while it was made, or it was cut");
    c->damaged_count += r->end == JOURNAL_END_DAMAGED || fault;
    c->torn_count += r->end == JOURNAL_END_TORN && !fault;
}

static void look_at_batch(struct check *c, uint32_t segment)
{
    const struct journal_reader *r = c->segments->reader;
    c->batch_count++;
    if (r->batch_offset == FORMAT_BLOCK_BYTES && r->batch.record_count == 0)
        journal_findings_damage(&c->findings, r->batch_offset,
                                "the segment's first batch has no OPENS");
    if (r->batch.turn != c->segments->list[segment].turn)
        journal_findings_damage(&c->findings, r->batch_offset,
                                "the batch has another turn than the segment's first");
    if (r->batch.reserved != 0)
        journal_findings_remark(&c->findings, r->batch_offset,
                                "what is reserved in the batch's header is not zero");
    if (c->options->verbose)
        print_batch(c, segment);
}

static void look_at_record(struct check *c, uint32_t segment)
{
    struct journal_reader *r = c->segments->reader;
    uint64_t id = 0;
    const char *fault = first_look(c, segment, &id);
    if (fault)
        journal_findings_damage_of(&c->findings, r, id, fault);
    const char *oddity = journal_record_oddity(r);
    if (oddity)
        journal_findings_remark(&c->findings, r->record_offset, oddity);
    c->record_counts[r->record.type <= RECORD_KEY ? r->record.type : 0]++;
}

// False: its first batch was not there at the first look, so that its turn is not known, and it was
// not read. Only a running engine does that.
static bool read_segment(struct check *c, uint32_t segment)
{
    struct journal_reader *r = c->segments->reader;
    c->batch_count = 0;
    memset(c->record_counts, 0, sizeof(c->record_counts));
    for (enum journal_step step; (step = journal_reader_next(r)) != JOURNAL_STEP_END;)
        if (step == JOURNAL_STEP_RECORD)
            look_at_record(c, segment);
        else if (c->segments->list[segment].has_turn)
            look_at_batch(c, segment);
        else
            return false;
    return true;
}

// Why a segment cannot even be opened.
static const char *open_fault(int error)
{
    if (error == -ELOOP)
        return "it is a symbolic link";
    return error == -EINVAL ? "it is no regular file" : strerror(-error);
}

static bool begin_segment(struct check *c, uint32_t segment)
{
    struct journal_segments *s = c->segments;
    journal_findings_begin(&c->findings, s->list[segment].name);
    int error = journal_segments_begin(s, segment);
    if (error == 0)
        return true;
    c->ends[segment] = 0;
    if (may_change(c) && (error == -ENOENT || error == -ESTALE)) {
        journal_findings_changed(&c->findings, &c->line);
        return false;
    }
    journal_findings_damage(&c->findings, 0, open_fault(error));
    journal_findings_print(&c->findings, &c->line);
    return false;
}

static void end_segment(struct check *c, bool changed)
{
    if (changed)
        journal_findings_changed(&c->findings, &c->line);
    else
        journal_findings_print(&c->findings, &c->line);
    journal_segments_end(c->segments);
}

static void first_pass(struct check *c, uint32_t segment)
{
    struct journal_reader *r = c->segments->reader;
    r->trusts_content = false;
    if (!begin_segment(c, segment))
        return;
    bool was_read = read_segment(c, segment);
    bool changed = !was_read || (may_change(c) && journal_segments_changed(c->segments));
    if (was_read && r->has_header) {
        c->ends[segment] = r->end_offset;
        c->read_bytes += r->end_offset - FORMAT_BLOCK_BYTES;
    }
    const char *fault = changed ? NULL : journal_segment_fault(&c->segments->list[segment], r);
    if (!changed)
        look_at_segment(c, fault);
    if (was_read)
        print_segment(c, segment, fault);
    end_segment(c, changed);
}

static void second_pass(struct check *c, uint32_t segment)
{
    struct journal_reader *r = c->segments->reader;
    uint64_t id = 0;
    r->trusts_content = true;
    if (c->ends[segment] <= FORMAT_BLOCK_BYTES || !begin_segment(c, segment))
        return;
    r->seal = c->ends[segment];
    for (enum journal_step step; (step = journal_reader_next(r)) != JOURNAL_STEP_END;) {
        const char *fault = step == JOURNAL_STEP_RECORD ? second_look(c, &id) : NULL;
        if (fault)
            journal_findings_damage_of(&c->findings, r, id, fault);
    }
    if (r->end == JOURNAL_END_DAMAGED)
        journal_findings_damage(&c->findings, r->end_offset, "it changes while it is read");
    end_segment(c, may_change(c) && journal_segments_changed(c->segments));
}

static void print_sum(struct check *c)
{
    struct journal_sums sums;
    struct journal_line *l = &c->line;
    journal_table_sum(&c->table, &sums);
    journal_line_begin(l, "sum");
    journal_line_u64(l, "messages", c->table.message_count);
    journal_line_u64(l, "open_messages", sums.open_messages);
    journal_line_u64(l, "rcpts_open", sums.open);
    journal_line_u64(l, "rcpts_deferred", sums.deferred);
    journal_line_u64(l, "rcpts_delivered", sums.delivered);
    journal_line_u64(l, "rcpts_failed", sums.failed);
    journal_line_u64(l, "in_doubt", sums.in_doubt);
    journal_line_u64(l, "keys", c->table.key_count);
    journal_line_u64(l, "duplicates", c->table.duplicate_count);
    journal_line_u64(l, "of_messages_gone", c->table.gone_count);
    journal_line_u64(l, "live_bytes", sums.live_bytes);
    journal_line_u64(l, "garbage_bytes", c->read_bytes - sums.live_bytes);
    journal_line_u64(l, "torn_tails", c->torn_count);
    journal_line_u64(l, "damaged_segments", c->damaged_count);
    journal_line_u64(l, "remarks", c->findings.remark_total);
    journal_line_u64(l, "damage", c->findings.damage_total);
    journal_line_end(l);
}

static bool check_all(struct check *c)
{
    struct journal_segments *s = c->segments;
    struct journal_progress progress;
    journal_journal_line(&c->line, s, c->options->path);
    journal_progress_init(&progress, 2 * (uint64_t)s->count);
    for (uint32_t i = 0; i < 2 * s->count; i++) {
        journal_progress_at(&progress, i);
        if (i < s->count)
            first_pass(c, i);
        else
            second_pass(c, i - s->count);
    }
    journal_progress_over(&progress);
    if (c->table.out_of_memory) {
        log_line(LOG_LEVEL_ERROR, "%s: no memory for its messages", c->options->path);
        return false;
    }
    print_sum(c);
    return !c->line.failed && c->findings.damage_total == 0;
}

enum command_exit journal_check(struct journal_segments *s, const struct journal_options *o)
{
    uint64_t seed = 0;
    struct check c = {.segments = s, .options = o};
    c.ends = calloc(s->count, sizeof(*c.ends));
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed) || !c.ends) {
        free(c.ends);
        log_line(LOG_LEVEL_ERROR, "%s: %s", o->path, strerror(errno));
        return COMMAND_FAILED;
    }
    journal_table_init(&c.table, seed);
    journal_line_init(&c.line, o->as_json);
    bool is_sound = check_all(&c);
    journal_line_release(&c.line);
    journal_table_release(&c.table);
    free(c.ends);
    return is_sound ? COMMAND_DONE : COMMAND_FAILED;
}
