#include "engine/recovery.h"

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "queue/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_BYTES (1024u * 1024) // one request
#define READS_MAX 8u              // at a time, for one segment
#define READ_FAILURES_MAX 3u      // of one request; then the bytes are given up
#define JOBS_MAX 20000000u
#define SEGMENTS_ROOM_FIRST 64u

enum recovery_op { RECOVERY_OP_STEP, RECOVERY_OP_READ };

enum step { STEP_OPEN, STEP_SYNC, STEP_FRONT, STEP_UNLINK, STEP_SYNC_FOLDER, STEP_DONE };

struct found_segment {
    char name[STORAGE_NAME_BYTES];
    uint64_t file_name; // its number
    int fd;
    uint64_t bytes;
    enum scan_kind kind;
    struct scan_front front;
    uint64_t limit; // where another one says that it ends
    uint32_t number;
    uint32_t front_failures;
};

// One of two: while one segment is understood, the next one is being read.
struct load {
    struct found_segment *segment;
    char *bytes;
    uint64_t asked;   // bytes for which a read was asked
    uint64_t arrived; // bytes
    uint32_t reads;   // in flight
    int error;
    uint64_t bad_from; // where the first read failed
    // A short read asks again from here.
    struct {
        uint64_t at, end;
        uint32_t failures;
    } parts[READS_MAX];
};

struct recovery {
    struct recovery_options o;
    struct recover recover;
    struct slab *homes;
    struct campaigns *campaigns; // of each home
    struct found_segment *segments;
    uint32_t segment_count, segment_room;
    uint32_t next; // of the segments: for this step, or to be loaded
    enum step step;
    int error;
    char error_text[128];
    char *front;
    size_t front_bytes; // of it, that have arrived
    uint32_t fronts_unreadable;
    struct load loads[2];
    uint32_t understood; // of what was loaded
    uint32_t taken;      // segments, by the homes
    struct recovery_report report;
    struct replay replay;
    bool reading; // segments: the replay has begun to gather
};

static void fail(struct recovery *r, const char *what, const char *name, int error)
{
    if (r->error)
        return;
    r->error = error;
    snprintf(r->error_text, sizeof(r->error_text), "journal: cannot %s %s: %s", what, name,
             strerrordesc_np(-error));
}

// --- which segments there are

static bool is_numbered(const char *name, const char *suffix, uint64_t *ret)
{
    char *end;
    if (name[0] < '0' || name[0] > '9' || strlen(name) >= STORAGE_NAME_BYTES)
        return false;
    errno = 0;
    *ret = strtoull(name, &end, 10);
    return errno == 0 && strcmp(end, suffix) == 0;
}

static bool add_name(struct recovery *r, const char *name, uint64_t number)
{
    if (r->segment_count == r->segment_room) {
        uint32_t room = r->segment_room * 2;
        struct found_segment *more = realloc(r->segments, room * sizeof(*more));
        if (!more)
            return false;
        r->segments = more;
        r->segment_room = room;
    }
    struct found_segment *s = &r->segments[r->segment_count++];
    *s = (struct found_segment){.fd = -1, .file_name = number, .limit = UINT64_MAX};
    memcpy(s->name, name, strlen(name) + 1); // is_numbered() has measured it
    return true;
}

static void list_segments(struct recovery *r)
{
    struct io_names *names;
    const char *name;
    uint64_t number, last = 0;
    int error = io_names_open(r->o.io, r->o.dir_fd, &names);
    if (error < 0) {
        fail(r, "list", "its folder", error);
        return;
    }
    while (!r->error && (name = io_names_next(names))) {
        bool segment = is_numbered(name, FORMAT_SEGMENT_SUFFIX, &number);
        // A new one may have to be set aside, too: then its name must be free.
        if (!segment && !is_numbered(name, STORAGE_DAMAGED_SUFFIX, &number))
            continue;
        if (number > last)
            last = number;
        if (!segment)
            continue;
        if (r->segment_count == SEGMENTS_FOUND_MAX + 64 || !add_name(r, name, number))
            fail(r, "take in", name, -ENOMEM);
    }
    if (io_names_error(names) < 0)
        fail(r, "list", "its folder", io_names_error(names));
    io_names_close(names);
    atomic_store(&r->o.table->name, last);
}

// --- each of them: open, sync, read its front

static struct io_token step_token(const struct recovery *r)
{
    return (struct io_token){.owner = r->o.io_owner, .op = RECOVERY_OP_STEP};
}

static void finish(struct recovery *r)
{
    int cursor_fd = r->error ? replay_take_cursor(&r->replay) : -1;
    if (cursor_fd >= 0)
        io_close(r->o.io, cursor_fd); // nobody will take it
    r->step = STEP_DONE;
}

static void begin_loading(struct recovery *r);
static void next_unlink(struct recovery *r);

static void ask_step(struct recovery *r, enum step step)
{
    struct found_segment *s = &r->segments[r->next];
    r->step = step;
    switch (step) {
    case STEP_OPEN:
        io_open(r->o.io, r->o.dir_fd, s->name, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0, step_token(r));
        break;
    case STEP_SYNC: io_sync(r->o.io, s->fd, step_token(r)); break;
    case STEP_FRONT:
        io_read(r->o.io, s->fd, r->front + r->front_bytes, SCAN_FRONT_BYTES - r->front_bytes,
                r->front_bytes, step_token(r));
        break;
    case STEP_UNLINK: io_unlink(r->o.io, r->o.dir_fd, s->name, step_token(r)); break;
    case STEP_SYNC_FOLDER: io_sync_all(r->o.io, r->o.dir_fd, step_token(r)); break;
    case STEP_DONE: break;
    }
}

static void next_open(struct recovery *r)
{
    bool at_end = r->next == r->segment_count;
    if (at_end && r->next > 0 && r->fronts_unreadable == r->next) // it is the disk, not a sector
        fail(r, "read", "any segment", -EIO);
    if (r->error)
        finish(r);
    else if (r->next < r->segment_count)
        ask_step(r, STEP_OPEN);
    else
        begin_loading(r);
}

static void opened(struct recovery *r, struct found_segment *s)
{
    struct io_file about;
    int error = io_file_of(r->o.io, s->fd, &about);
    if (error < 0 || !about.is_regular) {
        fail(r, "use", s->name, error < 0 ? error : -EINVAL);
        finish(r);
        return;
    }
    s->bytes = about.bytes;
    ask_step(r, STEP_SYNC);
}

static const char no_segment[] = "is no segment of this version, or its header is damaged";

static void leave_alone(struct recovery *r, const struct found_segment *s, const char *why)
{
    r->report.unknown++;
    log_line(LOG_LEVEL_ERROR,
             "journal: %s %s; it is left as it is (posthaste journal dump shows what can be read)",
             s->name, why);
    io_close(r->o.io, s->fd);
}

static void front_arrived(struct recovery *r, struct found_segment *s, size_t bytes)
{
    s->kind = scan_front(slice_make(r->front, bytes), &s->front);
    if (s->kind == SCAN_UNKNOWN)
        leave_alone(r, s, no_segment);
    // A segment has its whole length before its first record. A crash leaves less before that, at
    // once or, where blocks cannot be set aside, while zeros are written; so does who cuts it.
    if (s->kind == SCAN_UNBEGUN && s->bytes < FORMAT_SEGMENT_BYTES_MIN)
        log_line(
            LOG_LEVEL_WARNING,
            "journal: %s is empty (%llu bytes), and is removed: a crash came while it was made, "
            "or something other than the engine has cut it, and mail with it",
            s->name, (unsigned long long)s->bytes);
    if (s->kind != SCAN_UNKNOWN && s->front.header.epoch >> 32 > atomic_load(&r->o.table->epoch))
        atomic_store(&r->o.table->epoch, s->front.header.epoch >> 32);
    r->next++;
    next_open(r);
}

// A segment whose beginning cannot be read is not one that was never begun. The others are served.
static void front_failed(struct recovery *r, struct found_segment *s, int error)
{
    char why[128];
    if (++s->front_failures < READ_FAILURES_MAX) {
        ask_step(r, STEP_FRONT);
        return;
    }
    snprintf(why, sizeof(why), "cannot be read at its beginning: %s", strerrordesc_np(-error));
    r->fronts_unreadable++;
    s->kind = SCAN_UNKNOWN;
    leave_alone(r, s, why);
    r->next++;
    next_open(r);
}

static void front_read(struct recovery *r, struct found_segment *s, int result)
{
    size_t wanted = s->bytes < SCAN_FRONT_BYTES ? (size_t)s->bytes : SCAN_FRONT_BYTES;
    r->front_bytes += result > 0 ? (size_t)result : 0;
    if (result < 0 || (result == 0 && r->front_bytes < wanted)) {
        front_failed(r, s, result < 0 ? result : -EIO);
    } else if (r->front_bytes < wanted) {
        ask_step(r, STEP_FRONT);
    } else {
        front_arrived(r, s, r->front_bytes);
    }
}

static void step_done(struct recovery *r, int result)
{
    struct found_segment *s = &r->segments[r->next];
    bool again = result == -EINTR || result == -EAGAIN;
    if (again && r->step != STEP_SYNC && r->step != STEP_SYNC_FOLDER) {
        ask_step(r, r->step);
        return;
    }
    switch (r->step) {
    case STEP_OPEN:
        if (result < 0) {
            fail(r, "open", s->name, result);
            finish(r);
            return;
        }
        s->fd = result;
        opened(r, s);
        return;
    case STEP_SYNC:
        if (result < 0) {
            fail(r, "sync", s->name, result);
            finish(r);
            return;
        }
        io_forget_cached(r->o.io, s->fd);
        r->front_bytes = 0;
        ask_step(r, STEP_FRONT);
        return;
    case STEP_FRONT: front_read(r, s, result); return;
    case STEP_UNLINK:
        r->report.removed += result >= 0;
        r->next++;
        next_unlink(r);
        return;
    case STEP_SYNC_FOLDER:
        if (result < 0)
            fail(r, "sync", "its folder", result);
        finish(r);
        return;
    case STEP_DONE: CHECK(false);
    }
}

// --- reading whole segments, in order

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
    struct io_token token = {.index = (uint32_t)(l - r->loads) * READS_MAX + part,
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
            fail(r, "read", s->name, -ENOMEM);
            l->segment = NULL;
            return;
        }
        for (uint32_t part = 0; part < READS_MAX; part++)
            load_ask_part(r, l, part);
        return;
    }
}

static void take_segment(struct recovery *r, struct found_segment *s, bool damaged)
{
    struct home_found *home = &r->o.found[r->taken % r->o.home_count];
    uint32_t *numbers = realloc(home->segments, (home->segment_count + 1) * sizeof(*numbers));
    if (!numbers) {
        fail(r, "take in", s->name, -ENOMEM);
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

// Its front is zeros. Whoever made it was interrupted, if all of it is.
static void check_unbegun(struct recovery *r, const struct load *l)
{
    if (!l->error && scan_all_zeros(slice_make(l->bytes, l->segment->bytes)))
        return;
    l->segment->kind = SCAN_UNKNOWN;
    leave_alone(r, l->segment, no_segment);
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

static void understand(struct recovery *r, struct load *l)
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
            fail(r, "take in", s->name, -ENOMEM);
    }
    learn_turn(r, s, scan.at > FORMAT_BLOCK_BYTES);
    r->report.segments++;
    r->report.bytes += s->bytes;
    if (!r->error)
        segment_understood(r, l, &scan);
}

static uint32_t delay_in_doubt_s(const void *context, const struct domain *domain)
{
    const struct limits *l = limits_of_domain(context, domain_name(domain));
    return (uint32_t)(l->retry.delay_us_in_doubt / 1000000);
}

// The configuration may give messages less time than they had when their next attempts were
// settled: then these are due at the new end, but no sooner than one in doubt may be.
static void bring_forward(const struct recovery *r, struct slab *jobs)
{
    uint64_t wall_us = io_wall_us(r->o.io), now_us = io_now_us(r->o.io);
    for (uint32_t i = slab_next(jobs, 0); i != SLAB_NONE; i = slab_next(jobs, i + 1)) {
        struct job *j = slab_at(jobs, i);
        if (!j->domain || job_open_count(j) == 0)
            continue;
        const struct retry_policy *p =
            &limits_of_domain(r->o.limits, domain_name(j->domain))->retry;
        uint64_t age_us = retry_age_us(message_id_wall_us(j->entry->id), wall_us, wall_us);
        uint64_t left_us = age_us < p->lifetime_us ? p->lifetime_us - age_us : 0;
        if (left_us < p->delay_us_in_doubt)
            left_us = p->delay_us_in_doubt;
        uint32_t end_s = (uint32_t)((now_us + left_us) / 1000000 + 1);
        if (j->due_s > end_s)
            j->due_s = end_s;
    }
}

static void all_told(struct recovery *r)
{
    r->report.events = r->replay.counters;
    atomic_store(&r->o.table->reuse_turn, 1);
    recover_finish(&r->recover, (uint32_t)(io_now_us(r->o.io) / 1000000), io_wall_us(r->o.io),
                   delay_in_doubt_s, r->o.limits);
    r->report.counters = r->recover.counters;
    r->report.id_last = r->recover.id_last;
    for (uint32_t i = 0; i < r->o.home_count; i++) {
        struct home_found *home = &r->o.found[i];
        bring_forward(r, &r->homes[i]);
        home->jobs = r->homes[i];
        r->homes[i] = (struct slab){0};
        home->campaigns = r->campaigns[i];
        r->campaigns[i] = (struct campaigns){0};
        for (uint32_t k = 0; k < home->segment_count; k++)
            home->message_count += segment_at(r->o.table, home->segments[k])->live_count;
    }
    r->next = 0;
    next_unlink(r);
}

// Understands what has arrived, in order, and asks for what comes behind it.
static void loads_go_on(struct recovery *r)
{
    struct load *l = &r->loads[r->understood % 2];
    while (l->segment && l->reads == 0 && (l->error || l->arrived == l->segment->bytes)) {
        if (!r->error && l->segment->kind == SCAN_SEGMENT)
            understand(r, l);
        else if (!r->error)
            check_unbegun(r, l);
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
        finish(r);
    else
        replay_tell(&r->replay, atomic_load(&r->o.table->turn));
}

static void begin_loading(struct recovery *r)
{
    if (r->segment_count > 0)
        qsort(r->segments, r->segment_count, sizeof(*r->segments), compare_turns);
    learn_limits(r);
    r->next = 0;
    load_begin(r, &r->loads[0]);
    load_begin(r, &r->loads[1]);
    loads_go_on(r);
}

static void read_done(struct recovery *r, uint32_t index, int result)
{
    struct load *l = &r->loads[index / READS_MAX];
    uint32_t part = index % READS_MAX;
    l->reads--;
    if (result == -EINTR || result == -EAGAIN) {
        load_ask(r, l, part);
        return;
    }
    if (result <= 0 && ++l->parts[part].failures < READ_FAILURES_MAX) {
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

// --- what was never begun goes

static void next_unlink(struct recovery *r)
{
    while (r->next < r->segment_count && r->segments[r->next].kind != SCAN_UNBEGUN)
        r->next++;
    if (r->next == r->segment_count) {
        ask_step(r, STEP_SYNC_FOLDER);
        return;
    }
    io_close(r->o.io, r->segments[r->next].fd);
    ask_step(r, STEP_UNLINK);
}

// --- events

static void replay_came_further(struct recovery *r)
{
    if (!r->reading && replay_gathers(&r->replay)) {
        r->reading = true;
        next_open(r);
    } else if (replay_finished(&r->replay)) {
        all_told(r);
    }
}

// --- from outside

struct recovery *recovery_new(const struct recovery_options *options)
{
    struct recovery *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->o = *options;
    r->homes = calloc(options->home_count, sizeof(*r->homes));
    r->campaigns = calloc(options->home_count, sizeof(*r->campaigns));
    r->front = malloc(SCAN_FRONT_BYTES);
    r->segment_room = SEGMENTS_ROOM_FIRST;
    r->segments = calloc(r->segment_room, sizeof(*r->segments));
    if (!r->homes || !r->campaigns || !r->front || !r->segments ||
        !recover_init(&r->recover, options->domains, options->table, r->homes)) {
        recovery_free(r);
        return NULL;
    }
    r->recover.campaigns = r->campaigns;
    r->recover.now_us = io_now_us(options->io);
    for (uint32_t i = 0; i < options->home_count; i++)
        slab_init(&r->homes[i], sizeof(struct job), JOBS_MAX);
    list_segments(r);
    replay_begin(&r->replay, r->o.io, r->o.io_owner + 1, r->o.dir_fd, r->o.events_fd, &r->recover,
                 r->o.table);
    replay_came_further(r);
    return r;
}

// Jobs that no home has taken over: something went wrong.
static void free_jobs(struct slab *jobs)
{
    for (uint32_t i = slab_next(jobs, 0); i != SLAB_NONE; i = slab_next(jobs, i + 1)) {
        struct job *j = slab_at(jobs, i);
        if (j->entry == &j->own_entry)
            free(entry_spread(j->entry));
    }
    slab_release(jobs);
}

void recovery_free(struct recovery *r)
{
    if (!r)
        return;
    for (uint32_t i = 0; r->homes && i < r->o.home_count; i++)
        free_jobs(&r->homes[i]);
    for (uint32_t i = 0; r->campaigns && i < r->o.home_count; i++)
        campaigns_release(&r->campaigns[i]);
    free(r->campaigns);
    replay_release(&r->replay);
    recover_release(&r->recover);
    free(r->homes);
    free(r->front);
    free(r->segments);
    free(r);
}

void recovery_on_done(struct recovery *r, const struct io_done *done)
{
    if (done->token.owner != r->o.io_owner) {
        replay_on_done(&r->replay, done);
        replay_came_further(r);
    } else if (done->token.op == RECOVERY_OP_STEP) {
        step_done(r, done->result);
    } else {
        read_done(r, done->token.index, done->result);
    }
}

bool recovery_finished(const struct recovery *r)
{
    return r->step == STEP_DONE;
}

bool recovery_result(const struct recovery *r, struct recovery_report *ret, struct refusal *why)
{
    CHECK(recovery_finished(r));
    *ret = r->report;
    if (!r->error)
        return true;
    return refuse(why, "%s", r->error_text);
}

int recovery_take_cursor(struct recovery *r)
{
    return replay_take_cursor(&r->replay);
}

const struct recovered_key *recovery_keys(const struct recovery *r, uint64_t *ret_count)
{
    *ret_count = r->recover.key_count;
    return r->recover.keys;
}
