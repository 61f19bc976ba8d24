#include "tests/sim/engine_survey.h"

#include "engine/base/check.h"
#include "queue/message_record.h"
#include "queue/recipient.h"
#include "queue/scan.h"

#include <stdio.h>
#include <stdlib.h>

struct survey_segment {
    char *bytes;
    uint64_t len;
    struct scan_front front;
    uint64_t limit;
};

// --- segments

static void add_segment(struct survey *s, const struct world *w, const char *path,
                        enum world_view view)
{
    uint64_t bytes;
    struct survey_segment one = {.limit = UINT64_MAX};
    CHECK(world_disk_size(w, path, view, &bytes));
    one.bytes = malloc(bytes + 1);
    CHECK(one.bytes);
    one.len = world_disk_read(w, path, view, 0, one.bytes, bytes);
    if (scan_front(slice_make(one.bytes, one.len), &one.front) != SCAN_SEGMENT) {
        free(one.bytes);
        return;
    }
    s->segments = reallocarray(s->segments, s->segment_count + 1u, sizeof(one));
    CHECK(s->segments);
    s->segments[s->segment_count++] = one;
}

static void read_segments(struct survey *s, const struct world *w, const char *folder,
                          enum world_view view)
{
    const char *name;
    char path[300];
    for (uint32_t i = 0; (name = world_disk_name(w, folder, view, i)); i++) {
        const char *suffix = strchr(name, '.');
        if (!suffix || strcmp(suffix, FORMAT_SEGMENT_SUFFIX) != 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, name);
        add_segment(s, w, path, view);
    }
}

static int compare_turns(const void *a, const void *b)
{
    const struct survey_segment *x = a, *y = b;
    return x->front.turn < y->front.turn ? -1 : x->front.turn > y->front.turn;
}

// Where others say that they end.
static void learn_limits(struct survey *s)
{
    for (uint32_t i = 0; i < s->segment_count; i++) {
        const struct scan_front *f = &s->segments[i].front;
        for (uint32_t k = 0; f->opens && f->opening.previous_epoch && k < s->segment_count; k++)
            if (s->segments[k].front.header.epoch == f->opening.previous_epoch)
                s->segments[k].limit = f->opening.previous_end;
    }
}

// --- batches

static void blame(struct survey *s, uint32_t *count, const struct survey_rcpt *rcpt)
{
    (*count)++;
    s->untold = rcpt->address;
}

static bool names(struct slice report, struct slice address)
{
    static const char field[] = "\r\nFinal-Recipient: rfc822; ";
    char line[128];
    int len = snprintf(line, sizeof(line), "%s%.*s\r\n", field, SLICE_ARG(address));
    return memmem(report.data, report.len, line, (size_t)len);
}

static void add_report(struct survey *s, struct slice record)
{
    s->reports = reallocarray(s->reports, s->report_count + 1u, sizeof(*s->reports));
    CHECK(s->reports);
    s->reports[s->report_count++] = record;
}

static void batch_ends(struct survey *s)
{
    for (uint32_t i = 0; i < s->failed_count; i++) {
        bool told = false;
        for (uint32_t k = 0; k < s->report_count && !told; k++)
            told = names(s->reports[k], s->failed[i]->address);
        if (!told)
            blame(s, &s->untold_count, s->failed[i]);
    }
    s->failed_count = s->report_count = 0;
}

// --- records

static struct survey_message *find(const struct survey *s, uint64_t id)
{
    for (uint32_t i = 0; i < s->message_count; i++)
        if (s->messages[i].id == id)
            return &s->messages[i];
    return NULL;
}

static void on_message(struct survey *s, struct slice payload)
{
    struct record_message r;
    CHECK(payload.len >= sizeof(r));
    memcpy(&r, payload.data, sizeof(r));
    CHECK(record_message_valid(&r, payload));
    if (r.sender_bytes == 0)
        add_report(s, payload); // or other mail from nobody, which names nobody
    struct survey_message *m = find(s, r.id);
    if (m) { // it was moved: its state says which attempt is under way
        for (uint32_t i = 0; i < m->rcpt_count; i++)
            m->rcpts[i].begun = 0;
        return;
    }
    if (s->message_count == s->message_room) {
        s->message_room = s->message_room ? 2 * s->message_room : 64;
        s->messages = reallocarray(s->messages, s->message_room, sizeof(*s->messages));
        CHECK(s->messages);
    }
    m = &s->messages[s->message_count++];
    *m = (struct survey_message){.id = r.id,
                                 .rcpt_count = r.rcpt_count,
                                 .is_told = r.sender_bytes > 0 &&
                                            !(r.flags & MESSAGE_FLAG_EVENTS_ONLY)};
    m->rcpts = calloc(r.rcpt_count, sizeof(*m->rcpts));
    CHECK(m->rcpts);
    const char *envelope = payload.data + sizeof(r);
    uint32_t jobs = 0;
    for (uint32_t i = 0; i < r.rcpt_count; i++) {
        struct message_rcpt rcpt;
        memcpy(&rcpt, envelope + r.rcpts_offset + i * sizeof(rcpt), sizeof(rcpt));
        jobs += rcpt.starts_group;
        m->rcpts[i] = (struct survey_rcpt){.address = rcpt_address(envelope, &rcpt),
                                           .job = jobs - 1};
    }
}

static void on_state(struct survey *s, struct slice payload)
{
    s->state_count++;
    struct record_state r;
    CHECK(payload.len >= sizeof(r));
    memcpy(&r, payload.data, sizeof(r));
    const struct survey_message *m = find(s, r.id);
    CHECK(m && m->rcpt_count == r.rcpt_count); // it stands behind its message
    const char *jobs = payload.data + sizeof(r);
    const char *states = jobs + r.job_count * sizeof(struct state_job);
    for (uint32_t i = 0; i < r.rcpt_count; i++) {
        struct survey_rcpt *rcpt = &m->rcpts[i];
        struct state_job job;
        bool failed = states[i] == RCPT_FAILED;
        if (m->is_told && rcpt->failed && !failed)
            blame(s, &s->late_count, rcpt);
        rcpt->said_failed |= failed && !rcpt->failed;
        CHECK(rcpt->job < r.job_count);
        memcpy(&job, jobs + rcpt->job * sizeof(job), sizeof(job));
        rcpt->final |= states[i] == RCPT_DELIVERED || states[i] == RCPT_FAILED;
        rcpt->failed |= states[i] == RCPT_FAILED;
        if (job.attempt_count > rcpt->answered)
            rcpt->answered = job.attempt_count;
        if (job.begun > rcpt->begun)
            rcpt->begun = job.begun;
    }
}

static void on_result(struct survey *s, struct slice payload)
{
    struct record_result r;
    CHECK(payload.len >= sizeof(r));
    memcpy(&r, payload.data, sizeof(r));
    const struct survey_message *m = find(s, r.id);
    if (!m)
        return; // done with long ago
    CHECK(r.rcpt < m->rcpt_count);
    struct survey_rcpt *rcpt = &m->rcpts[r.rcpt];
    rcpt->final |= r.outcome == RCPT_DELIVERED || r.outcome == RCPT_FAILED;
    if (r.outcome == RCPT_FAILED && m->is_told) {
        if (rcpt->said_failed)
            blame(s, &s->early_count, rcpt);
        s->failed = reallocarray(s->failed, s->failed_count + 1u, sizeof(struct survey_rcpt *));
        CHECK(s->failed);
        s->failed[s->failed_count++] = rcpt;
    }
    rcpt->failed |= r.outcome == RCPT_FAILED;
    if (r.attempt > rcpt->answered)
        rcpt->answered = r.attempt;
}

static void on_attempt(const struct survey *s, struct slice payload)
{
    struct record_attempt r;
    CHECK(payload.len >= sizeof(r));
    memcpy(&r, payload.data, sizeof(r));
    const struct survey_message *m = find(s, r.id);
    for (uint32_t i = r.rcpt_first; m && i < r.rcpt_first + r.rcpt_count; i++) {
        CHECK(i < m->rcpt_count);
        if (r.attempt > m->rcpts[i].begun)
            m->rcpts[i].begun = r.attempt;
    }
}

static void read_records(struct survey *s, const struct survey_segment *segment)
{
    struct scan scan;
    struct scan_record r;
    scan_open(&scan, slice_make(segment->bytes, segment->len), segment->front.header.epoch,
              segment->limit);
    for (uint64_t batch = scan.at; scan_next(&scan, &r);) {
        if (scan.at != batch)
            batch_ends(s);
        batch = scan.at;
        switch (r.type) {
        case RECORD_MESSAGE: on_message(s, r.payload); break;
        case RECORD_STATE: on_state(s, r.payload); break;
        case RECORD_RESULT: on_result(s, r.payload); break;
        case RECORD_ATTEMPT: on_attempt(s, r.payload); break;
        case RECORD_OPENS:
        case RECORD_KEY: break;
        }
    }
    batch_ends(s);
}

void survey_read(struct survey *s, const struct world *w, const char *folder, enum world_view view)
{
    *s = (struct survey){0};
    read_segments(s, w, folder, view);
    if (s->segment_count > 0)
        qsort(s->segments, s->segment_count, sizeof(*s->segments), compare_turns);
    learn_limits(s);
    for (uint32_t i = 0; i < s->segment_count; i++)
        read_records(s, &s->segments[i]);
    for (uint32_t i = 0; i < s->message_count; i++)
        for (uint32_t k = 0; k < s->messages[i].rcpt_count; k++) {
            struct survey_rcpt *r = &s->messages[i].rcpts[k];
            r->seems_final = r->final;
            r->doubt = !r->final && r->begun > r->answered ? r->begun : 0;
        }
}

void survey_agree(struct survey *s, const struct survey *other)
{
    for (uint32_t i = 0; i < s->message_count; i++) {
        const struct survey_message *m = find(other, s->messages[i].id);
        for (uint32_t k = 0; k < s->messages[i].rcpt_count; k++) {
            struct survey_rcpt *r = &s->messages[i].rcpts[k];
            r->final &= m && m->rcpts[k].final;
            r->failed &= m && m->rcpts[k].failed;
            if (!m || m->rcpts[k].doubt != r->doubt)
                r->doubt = 0;
        }
    }
}

void survey_print(const struct survey *s, FILE *to)
{
    for (uint32_t i = 0; i < s->message_count; i++)
        for (uint32_t k = 0; k < s->messages[i].rcpt_count; k++) {
            const struct survey_rcpt *r = &s->messages[i].rcpts[k];
            fprintf(to, "left: %.*s%s, attempt %u begun, %u answered%s\n", SLICE_ARG(r->address),
                    r->final ? " over" : "", r->begun, r->answered, r->doubt ? ", doubt" : "");
        }
}

void survey_release(struct survey *s)
{
    for (uint32_t i = 0; i < s->message_count; i++)
        free(s->messages[i].rcpts);
    for (uint32_t i = 0; i < s->segment_count; i++)
        free(s->segments[i].bytes);
    free(s->messages);
    free(s->segments);
    free(s->reports);
    free(s->failed);
    *s = (struct survey){0};
}
