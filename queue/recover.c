#include "queue/recover.h"

#include "engine/base/check.h"
#include "queue/job.h"
#include "queue/message_record.h"

#include <stdlib.h>

#define ID_SLOTS_FIRST (1u << 16)
#define KEY_LIFE_US (UINT64_C(3) * 86400 * 1000000)

// While records are read a job is in no list: the highest attempt with an ATTEMPT record stands in
// its link. `due_s` is seconds of wall-clock time until recover_finish(), and RCPT_DEFERRED says
// that what attempt number `attempt_count` came to is known of that recipient.

static uint32_t attempt_begun(const struct job *j)
{
    return (uint32_t)(uintptr_t)j->prev;
}

static void set_attempt_begun(struct job *j, uint32_t attempt)
{
    j->prev = (struct job *)(uintptr_t)attempt;
}

// --- the table of ids

bool recover_init(struct recover *r, struct domain_table *domains,
                  const struct segment_table *segments, struct slab *homes)
{
    *r = (struct recover){
        .domains = domains, .segments = segments, .homes = homes, .id_slots = ID_SLOTS_FIRST};
    r->ids = calloc(r->id_slots, sizeof(struct entry *));
    return r->ids;
}

void recover_release(struct recover *r)
{
    free(r->ids);
    free(r->keys);
    r->ids = NULL;
    r->keys = NULL;
}

static struct entry **slot_of(struct entry **ids, uint64_t slots, uint64_t id)
{
    uint64_t at = id * UINT64_C(0x9e3779b97f4a7c15) >> 20;
    while (ids[at & (slots - 1)] && ids[at & (slots - 1)]->id != id)
        at++;
    return &ids[at & (slots - 1)];
}

static bool grow(struct recover *r)
{
    uint64_t slots = r->id_slots * 2;
    struct entry **ids = calloc(slots, sizeof(struct entry *));
    if (!ids)
        return false;
    for (uint64_t i = 0; i < r->id_slots; i++)
        if (r->ids[i])
            *slot_of(ids, slots, r->ids[i]->id) = r->ids[i];
    free(r->ids);
    r->ids = ids;
    r->id_slots = slots;
    return true;
}

static struct entry *find(const struct recover *r, uint64_t id)
{
    return *slot_of(r->ids, r->id_slots, id);
}

const struct entry *recover_find(const struct recover *r, uint64_t id)
{
    return find(r, id);
}

// --- messages

static bool rcpt_is_over(const struct job *j, uint32_t rcpt)
{
    enum rcpt_state state = job_rcpt_state(j, rcpt);
    return state == RCPT_DELIVERED || state == RCPT_FAILED;
}

static bool job_is_over(const struct job *j)
{
    for (uint32_t i = 0; i < j->rcpt_count; i++)
        if (!rcpt_is_over(j, j->rcpt_first + i))
            return false;
    return true;
}

static void drop_domain(struct job *j)
{
    if (j->domain)
        domain_unref(j->domain);
    j->domain = NULL;
}

// Of what was delivered long ago the journal may name any number of domains: they must not fill the
// table. Looked through again when it has doubled, so that each domain costs little.
static void make_domain_room(struct recover *r)
{
    if (!domain_table_full(r->domains) || domain_count(r->domains) / 2 < r->domain_count_kept)
        return;
    for (uint64_t slot = 0; slot < r->id_slots; slot++)
        for (uint32_t i = 0; r->ids[slot] && i < entry_job_count(r->ids[slot]); i++)
            if (job_is_over(entry_job(r->ids[slot], i)))
                drop_domain(entry_job(r->ids[slot], i));
    domain_table_sweep(r->domains);
    r->domain_count_kept = domain_count(r->domains);
}

static void drop_entry(struct recover *r, struct entry *e)
{
    for (uint32_t i = 0; i < entry_job_count(e); i++)
        drop_domain(entry_job(e, i));
    uint32_t home = entry_job(e, 0)->home;
    if (r->campaigns)
        campaigns_drop(&r->campaigns[home], e->campaign, false);
    entry_free(&r->homes[home], e);
}

static bool find_domains(struct recover *r, struct entry *e, const struct message_rcpt *rcpts,
                         const char *envelope)
{
    make_domain_room(r);
    for (uint32_t i = 0; i < entry_job_count(e); i++) {
        struct job *j = entry_job(e, i);
        j->domain = domain_find_anyway(r->domains, rcpt_domain(envelope, &rcpts[j->rcpt_first]));
        if (!j->domain)
            return false;
        domain_ref(j->domain);
    }
    return true;
}

// The earlier copy goes; what was said of it holds for the later one.
static void take_over(struct recover *r, struct entry *from, struct entry *to)
{
    CHECK(entry_job_count(from) == entry_job_count(to));
    for (uint32_t i = 0; i < entry_job_count(to); i++) {
        const struct job *old = entry_job(from, i);
        struct job *j = entry_job(to, i);
        CHECK(old->rcpt_count == j->rcpt_count);
        j->due_s = old->due_s;
        j->attempt_count = old->attempt_count;
        set_attempt_begun(j, attempt_begun(old));
        for (uint32_t n = 0; n < j->rcpt_count; n++)
            job_set_rcpt_state(j, j->rcpt_first + n, job_rcpt_state(old, old->rcpt_first + n));
    }
    drop_entry(r, from);
    r->counters.moved++;
}

static bool same_shape(const struct entry *a, uint32_t rcpt_count, uint32_t job_count)
{
    const struct spread *s = entry_spread(a);
    return entry_job_count(a) == job_count && (s ? s->rcpt_count : 1) == rcpt_count;
}

// The same groups, too: else it is another message with this id.
static bool same_groups(const struct entry *a, const struct message_rcpt *rcpts,
                        uint32_t rcpt_count, uint32_t job_count)
{
    if (!same_shape(a, rcpt_count, job_count))
        return false;
    for (uint32_t i = 0; i < job_count; i++)
        if (!rcpts[entry_job(a, i)->rcpt_first].starts_group)
            return false;
    return true;
}

static bool add_key(struct recover *r, const struct recovered_key *key)
{
    if (r->key_count == r->key_room) {
        uint64_t room = r->key_room ? r->key_room * 2 : 1024;
        struct recovered_key *keys = realloc(r->keys, room * sizeof(*keys));
        if (!keys)
            return false;
        r->keys = keys;
        r->key_room = room;
    }
    r->keys[r->key_count++] = *key;
    return true;
}

static bool on_key_of_message(struct recover *r, const struct record_message *m)
{
    struct recovered_key key = {
        .content = m->key_content, .id = m->id, .until_wall_us = m->received_wall_us + KEY_LIFE_US};
    if (!(m->flags & MESSAGE_FLAG_KEY))
        return true;
    memcpy(key.key, m->key, sizeof(key.key));
    return add_key(r, &key);
}

static bool on_message(struct recover *r, const struct scan_record *record, uint32_t segment,
                       uint32_t home)
{
    struct record_message m;
    if (record->payload.len < sizeof(m)) {
        r->counters.malformed++;
        return true;
    }
    memcpy(&m, record->payload.data, sizeof(m));
    if (!record_message_valid(&m, record->payload) || m.id == 0) {
        r->counters.malformed++;
        return true;
    }
    const char *envelope = record->payload.data + sizeof(m);
    const struct message_rcpt *rcpts = (const struct message_rcpt *)(const void *)(envelope +
                                                                                   m.rcpts_offset);
    struct entry *before = find(r, m.id);
    if (before && !same_groups(before, rcpts, m.rcpt_count, m.job_count)) {
        r->counters.malformed++;
        return true;
    }
    if (r->id_count * 2 >= r->id_slots && !grow(r))
        return false;
    struct entry *e = entry_new(&r->homes[home], home, rcpts, m.rcpt_count, m.job_count);
    if (!e)
        return false;
    e->id = m.id;
    e->priority = m.priority;
    struct slice campaign = record_message_campaign(&m, record->payload);
    e->campaign = r->campaigns ? campaigns_take(&r->campaigns[home], campaign, r->now_us)
                               : campaign_number(campaign);
    e->place = place_make(segment, record->offset);
    e->payload_bytes = (uint32_t)record->payload.len & INT32_MAX;
    if (!find_domains(r, e, rcpts, envelope) || !on_key_of_message(r, &m))
        return false;
    *slot_of(r->ids, r->id_slots, m.id) = e;
    if (before)
        take_over(r, before, e);
    else
        r->id_count++;
    if (m.id > r->id_last)
        r->id_last = m.id;
    return true;
}

// --- what became of them

static struct job *job_of_rcpt(struct entry *e, uint32_t rcpt)
{
    struct job *j = entry_job(e, entry_job_of_rcpt(e, rcpt));
    return rcpt - j->rcpt_first < j->rcpt_count ? j : NULL;
}

static uint8_t counted_attempts(uint32_t attempt)
{
    return attempt < JOB_ATTEMPTS_MAX ? (uint8_t)attempt : JOB_ATTEMPTS_MAX;
}

// Of all recipients that are not over.
static void set_waiting(struct job *j, enum rcpt_state state)
{
    for (uint32_t i = 0; i < j->rcpt_count; i++)
        if (!rcpt_is_over(j, j->rcpt_first + i))
            job_set_rcpt_state(j, j->rcpt_first + i, state);
}

static void on_deferred(struct job *j, const struct record_result *d)
{
    uint8_t attempt = counted_attempts(d->attempt);
    if (attempt > j->attempt_count) {
        j->attempt_count = attempt;
        j->due_s = 0;
        set_waiting(j, RCPT_OPEN);
    }
    if (attempt < j->attempt_count || rcpt_is_over(j, d->rcpt))
        return;
    job_set_rcpt_state(j, d->rcpt, RCPT_DEFERRED);
    if (d->due_wall_s > j->due_s)
        j->due_s = d->due_wall_s;
}

static void on_result(struct recover *r, struct slice payload)
{
    struct record_result d;
    if (payload.len < sizeof(d)) {
        r->counters.malformed++;
        return;
    }
    memcpy(&d, payload.data, sizeof(d));
    struct entry *e = find(r, d.id);
    struct job *j = e ? job_of_rcpt(e, d.rcpt) : NULL;
    r->counters.results++;
    r->counters.results_of_unknown += !e;
    if (!j) {
        r->counters.malformed += e != NULL;
        return;
    }
    if (d.outcome == RCPT_DEFERRED && r->setbacks)
        found_setbacks_note(r->setbacks, domain_name(j->domain), &d,
                            slice_skip(payload, sizeof(d)));
    if (d.outcome == RCPT_DEFERRED)
        on_deferred(j, &d);
    else if (!rcpt_is_over(j, d.rcpt) && (d.outcome == RCPT_DELIVERED || d.outcome == RCPT_FAILED))
        job_set_rcpt_state(j, d.rcpt, (enum rcpt_state)d.outcome);
}

static void on_attempt(struct recover *r, struct slice payload)
{
    struct record_attempt a;
    if (payload.len < sizeof(a)) {
        r->counters.malformed++;
        return;
    }
    memcpy(&a, payload.data, sizeof(a));
    struct entry *e = find(r, a.id);
    struct job *j = e ? job_of_rcpt(e, a.rcpt_first) : NULL;
    if (j && a.attempt > attempt_begun(j))
        set_attempt_begun(j, a.attempt);
}

static void on_state(struct recover *r, struct slice payload)
{
    struct record_state s;
    if (payload.len < sizeof(s)) {
        r->counters.malformed++;
        return;
    }
    memcpy(&s, payload.data, sizeof(s));
    struct entry *e = find(r, s.id);
    if (!e || !same_shape(e, s.rcpt_count, s.job_count) ||
        payload.len !=
            sizeof(s) + s.job_count * sizeof(struct state_job) + (uint64_t)s.rcpt_count) {
        r->counters.malformed += e != NULL;
        return;
    }
    const char *jobs = payload.data + sizeof(s);
    const char *states = jobs + s.job_count * sizeof(struct state_job);
    for (uint32_t i = 0; i < s.job_count; i++) {
        struct state_job state;
        struct job *j = entry_job(e, i);
        memcpy(&state, jobs + i * sizeof(state), sizeof(state));
        uint8_t attempts = counted_attempts(state.attempt_count);
        if (attempts >= j->attempt_count) {
            j->attempt_count = attempts;
            j->due_s = state.due_wall_s;
            set_waiting(j, RCPT_DEFERRED);
        }
        if (state.begun > attempt_begun(j))
            set_attempt_begun(j, state.begun);
        for (uint32_t rcpt = j->rcpt_first; rcpt < (uint32_t)j->rcpt_first + j->rcpt_count; rcpt++)
            if (states[rcpt] == RCPT_DELIVERED || states[rcpt] == RCPT_FAILED)
                job_set_rcpt_state(j, rcpt, (enum rcpt_state)states[rcpt]);
    }
}

static bool on_key(struct recover *r, struct slice payload)
{
    struct record_key k;
    struct recovered_key key;
    if (payload.len < sizeof(k)) {
        r->counters.malformed++;
        return true;
    }
    memcpy(&k, payload.data, sizeof(k));
    key = (struct recovered_key){
        .content = k.content, .id = k.id, .until_wall_us = k.until_wall_us};
    memcpy(key.key, k.key, sizeof(key.key));
    return add_key(r, &key);
}

bool recover_record(struct recover *r, const struct scan_record *record, uint32_t segment,
                    uint32_t home)
{
    switch (record->type) {
    case RECORD_OPENS: return true;
    case RECORD_MESSAGE: return on_message(r, record, segment, home);
    case RECORD_STATE: on_state(r, record->payload); return true;
    case RECORD_RESULT: on_result(r, record->payload); return true;
    case RECORD_ATTEMPT: on_attempt(r, record->payload); return true;
    case RECORD_KEY: return on_key(r, record->payload);
    }
    r->counters.malformed++;
    return true;
}

// --- the end

// Before anything is counted: the attempt that is in doubt, if there is one, stands in the job's
// link from then on, and recipients are over or open.
static void find_doubt(struct job *j)
{
    uint32_t begun = counted_attempts(attempt_begun(j));
    bool doubt = begun > j->attempt_count ||
                 (begun > 0 && begun == j->attempt_count && job_open_count(j) > 0);
    set_attempt_begun(j, doubt ? begun : 0);
    set_waiting(j, RCPT_OPEN);
}

static void finish_job(struct recover *r, struct job *j, uint32_t now_s, uint32_t wall_s,
                       uint32_t delay_in_doubt_s)
{
    uint32_t in_doubt = attempt_begun(j);
    uint32_t wait_s = j->due_s > wall_s ? j->due_s - wall_s : 0;
    if (wait_s > RECOVER_DUE_S_MAX)
        wait_s = RECOVER_DUE_S_MAX;
    if (in_doubt > 0) { // content was leaving, and nobody knows what came of it
        j->attempt_count = (uint8_t)in_doubt;
        if (wait_s < delay_in_doubt_s)
            wait_s = delay_in_doubt_s;
        r->counters.in_doubt++;
    }
    j->due_s = wait_s ? now_s + wait_s + 1 : now_s; // both clocks were rounded down
    j->prev = NULL;
}

void recover_finish(struct recover *r, uint32_t now_s, uint64_t wall_us,
                    recover_delay_s *delay_in_doubt_s, const void *context)
{
    uint32_t wall_s = (uint32_t)(wall_us / 1000000);
    for (uint64_t slot = 0; slot < r->id_slots; slot++) {
        struct entry *e = r->ids[slot];
        uint32_t open = 0;
        if (!e)
            continue;
        r->ids[slot] = NULL;
        for (uint32_t i = 0; i < entry_job_count(e); i++) {
            find_doubt(entry_job(e, i));
            open += job_open_count(entry_job(e, i)) > 0;
        }
        if (open == 0) {
            drop_entry(r, e);
            r->counters.done++;
            continue;
        }
        struct segment *s = segment_at(r->segments, place_segment(e->place));
        s->live_count++;
        s->live_bytes += sizeof(struct record_header) + e->payload_bytes;
        entry_set_open_count(e, open);
        r->counters.messages++;
        r->counters.jobs += open;
        for (uint32_t i = 0; i < entry_job_count(e); i++) {
            struct job *j = entry_job(e, i);
            r->counters.recipients += job_open_count(j);
            if (job_open_count(j) == 0)
                drop_domain(j); // it is over, and only its slot stays
            else
                finish_job(r, j, now_s, wall_s, delay_in_doubt_s(context, j->domain));
        }
    }
    domain_table_sweep(r->domains);
}
