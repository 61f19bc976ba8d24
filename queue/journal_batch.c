#include "queue/journal_batch.h"

#include "engine/base/check.h"
#include "engine/base/crc32c.h"
#include "queue/job.h"
#include "queue/message_record.h"

#define PIECES_PER_MESSAGE 3u                // its headers, envelope, content
#define PIECES_OF_RESULTS 2u                 // the padding in front of them, and they
#define RESULTS_MAX (FORMAT_RECORDS_MAX / 2) // in one batch
#define RESULTS_ROOM_BYTES (16u * 1024)      // for some at least, in a segment that is opened
#define PIECES_BESIDE 4u // headers, results, the end of the last record, padding

static const char zeros[FORMAT_BLOCK_BYTES];

// --- planning

static uint64_t state_payload_bytes(const struct message *m)
{
    return sizeof(struct record_state) + m->job_count * sizeof(struct state_job) + m->rcpt_count;
}

static size_t results_bytes(const struct message *m)
{
    return m->results ? m->results->len : 0;
}

static uint64_t message_bytes(const struct message *m)
{
    uint64_t bytes = sizeof(struct record_header) +
                     format_record_padded(message_record_payload_bytes(m));
    if (m->moving)
        bytes += sizeof(struct record_header) + format_record_padded(state_payload_bytes(m));
    return bytes + results_bytes(m);
}

static uint64_t bytes_before_messages(const struct journal *j)
{
    return sizeof(struct batch_header) +
           (j->opens ? sizeof(struct record_header) + sizeof(struct record_opens) : 0);
}

static size_t notes_bytes(const struct message *m)
{
    return (size_t)(message_bytes(m) - m->envelope_bytes - m->campaign_len - m->content_bytes -
                    results_bytes(m));
}

static uint32_t pieces_of(const struct message *m)
{
    return PIECES_PER_MESSAGE + (m->results ? PIECES_OF_RESULTS : 0);
}

// How many of the results that wait fit into `room` bytes; usually all.
static size_t results_that_fit(const struct journal *j, uint64_t room, uint32_t *ret_count)
{
    size_t bytes = 0;
    *ret_count = j->result_count;
    if (j->results.len <= room && j->result_count <= RESULTS_MAX)
        return j->results.len;
    for (*ret_count = 0; *ret_count < RESULTS_MAX; (*ret_count)++) {
        struct record_header h;
        memcpy(&h, j->results.data + bytes, sizeof(h));
        size_t more = sizeof(h) + (size_t)format_record_padded(h.bytes);
        if (more > room - bytes)
            break;
        bytes += more;
    }
    return bytes;
}

struct batch_plan batch_plan(const struct journal *j, uint64_t room)
{
    uint64_t bytes = bytes_before_messages(j);
    struct batch_plan p = {.notes_bytes = (size_t)bytes};
    if (format_block_padded(bytes) > room)
        return p;
    p.results_bytes = results_that_fit(j, room - bytes, &p.results_count);
    p.record_count = j->opens + p.results_count;
    bytes += p.results_bytes;
    bool all = p.results_bytes == j->results.len;
    uint32_t pieces = PIECES_BESIDE;
    if (!all && p.results_count == 0)
        return p;
    for (const struct message *m = all ? j->waiting.first : NULL; m; m = m->next_waiting) {
        uint64_t more = bytes + message_bytes(m);
        if (format_block_padded(more) > room ||
            (p.message_count > 0 && more > JOURNAL_BATCH_BYTES_MAX) ||
            pieces + pieces_of(m) > JOURNAL_PIECES_MAX)
            break;
        pieces += pieces_of(m);
        bytes = more;
        p.notes_bytes += notes_bytes(m);
        p.message_count++;
        p.record_count += 1 + m->moving + m->result_count;
    }
    // After trouble the first thing to be written is where that was, with nothing else if need be.
    if (p.results_count > 0 || p.message_count > 0 || (j->opens && j->troubled)) {
        p.record_bytes = bytes;
        p.bytes = format_block_padded(bytes);
    }
    return p;
}

static uint64_t segment_bytes_for(const struct journal *j, uint64_t messages_bytes)
{
    size_t results = j->results.len < RESULTS_ROOM_BYTES ? j->results.len : RESULTS_ROOM_BYTES;
    uint64_t bytes = sizeof(struct batch_header) + sizeof(struct record_header) +
                     sizeof(struct record_opens) + results + messages_bytes;
    return FORMAT_BLOCK_BYTES + format_block_padded(bytes);
}

uint64_t batch_bytes_first(const struct journal *j)
{
    return segment_bytes_for(j, j->waiting.first ? message_bytes(j->waiting.first) : 0);
}

uint64_t batch_bytes_results(const struct journal *j)
{
    return segment_bytes_for(j, 0);
}

// --- building

struct builder {
    struct journal *j;
    uint64_t epoch;
    uint64_t offset;   // in the segment, of what comes next
    uint32_t checksum; // over all headers so far
};

// One more piece, or a longer last one.
static void put_piece(struct builder *b, const void *bytes, size_t len)
{
    struct journal *j = b->j;
    CHECK(j->pieces);
    struct iovec *last = j->piece_count > 0 ? &j->pieces[j->piece_count - 1] : NULL;
    b->offset += len;
    if (len == 0)
        return;
    if (last && (const char *)last->iov_base + last->iov_len == bytes) {
        last->iov_len += len;
        return;
    }
    CHECK(j->piece_count < JOURNAL_PIECES_MAX);
    j->pieces[j->piece_count++] = (struct iovec){.iov_base = (void *)(uintptr_t)bytes,
                                                 .iov_len = len};
}

// Room among the notes, which was reserved for all of them, so that they do not move.
static void *put_note(struct builder *b, size_t len)
{
    char *at = buffer_reserve(&b->j->notes, len);
    CHECK(at);
    memset(at, 0, len);
    buffer_advance(&b->j->notes, len);
    put_piece(b, at, len);
    return at;
}

static void put_padding(struct builder *b, uint64_t payload_bytes)
{
    size_t len = (size_t)(format_record_padded(payload_bytes) - payload_bytes);
    if (len > 0) // asking for room for nothing could move the notes
        put_note(b, len);
}

// Notes stand unaligned: headers are put together elsewhere, and copied.
static void seal_header(struct builder *b, char *at, const struct record_header *h)
{
    memcpy(at, h, sizeof(*h));
    b->checksum = crc32c(b->checksum, h, sizeof(*h));
}

// A record whose payload stands in the notes, and is complete now.
static void seal_record(struct builder *b, char *at, uint64_t offset, enum record_type type,
                        size_t payload_bytes)
{
    struct record_header h = {.type = (uint8_t)type, .bytes = (uint32_t)payload_bytes};
    h.checksum = crc32c(record_checksum_seed(b->epoch, offset), at + sizeof(h), payload_bytes);
    seal_header(b, at, &h);
    put_padding(b, payload_bytes);
}

static void put_opens(struct builder *b)
{
    uint64_t offset = b->offset;
    char *at = put_note(b, sizeof(struct record_header) + sizeof(b->j->opening));
    memcpy(at + sizeof(struct record_header), &b->j->opening, sizeof(b->j->opening));
    seal_record(b, at, offset, RECORD_OPENS, sizeof(b->j->opening));
}

static void put_message(struct builder *b, const struct message *m)
{
    struct record_message fixed = message_record_of(m);
    struct slice campaign = message_campaign(m);
    struct slice rest = slice_make(campaign.data, campaign.len + m->content_bytes);
    struct record_header h = {.type = RECORD_MESSAGE,
                              .bytes = (uint32_t)message_record_payload_bytes(m)};
    h.checksum = crc32c(record_checksum_seed(b->epoch, b->offset), &fixed, sizeof(fixed));
    h.checksum = crc32c(h.checksum, message_envelope(m), m->envelope_bytes);
    h.checksum = crc32c(h.checksum, rest.data, rest.len);
    char *at = put_note(b, sizeof(h) + sizeof(fixed));
    memcpy(at + sizeof(h), &fixed, sizeof(fixed));
    seal_header(b, at, &h);
    put_piece(b, message_envelope(m), m->envelope_bytes);
    put_piece(b, rest.data, rest.len);
    put_padding(b, h.bytes);
}

// How far the recipients of a message have come that is moved.
static void put_state(struct builder *b, const struct message *m, uint64_t now_us, uint64_t wall_us)
{
    uint64_t offset = b->offset;
    size_t bytes = (size_t)state_payload_bytes(m);
    char *record = put_note(b, sizeof(struct record_header) + bytes);
    char *payload = record + sizeof(struct record_header);
    struct record_state fixed = {
        .id = m->id, .job_count = m->job_count, .rcpt_count = m->rcpt_count};
    memcpy(payload, &fixed, sizeof(fixed));
    char *at = payload + sizeof(fixed);
    char *states = at + m->job_count * sizeof(struct state_job);
    for (uint32_t i = 0; i < m->job_count; i++) {
        const struct job *job = entry_job(m->entry, i);
        uint8_t place = atomic_load_explicit(&job->place, memory_order_relaxed);
        // When it is due is its owner's to write while it is out.
        uint64_t due_us = place == JOB_HOME ? (uint64_t)job->due_s * 1000000 : 0;
        // What said so may be in a segment that goes before this one.
        bool sending = place == JOB_SENDING;
        struct state_job s = {
            .due_wall_s = due_us > now_us ? (uint32_t)((wall_us + (due_us - now_us)) / 1000000) : 0,
            .attempt_count = job->attempt_count,
            .begun = sending ? (uint16_t)(job->attempt_count + 1) : 0,
        };
        memcpy(at + i * sizeof(s), &s, sizeof(s));
        for (uint32_t rcpt = job->rcpt_first; rcpt < (uint32_t)job->rcpt_first + job->rcpt_count;
             rcpt++) {
            // Also what was said while the job is out: the result stands in front of this copy, in
            // a segment that goes first.
            enum rcpt_state state = job_rcpt_state(job, rcpt);
            bool over = state == RCPT_DELIVERED || state == RCPT_FAILED;
            states[rcpt] = (char)(over ? state : RCPT_OPEN);
        }
    }
    seal_record(b, record, offset, RECORD_STATE, bytes);
}

// Results stand ready but for their checksums, which name their places.
static void put_results(struct builder *b, const struct buffer *results)
{
    for (size_t at = 0; at < results->len;) {
        struct record_header *h = (struct record_header *)(void *)(results->data + at);
        h->checksum = crc32c(record_checksum_seed(b->epoch, b->offset + at), h + 1, h->bytes);
        b->checksum = crc32c(b->checksum, h, sizeof(*h));
        at += sizeof(*h) + format_record_padded(h->bytes);
    }
    put_piece(b, results->data, results->len);
}

static void take_results(struct journal *j, const struct batch_plan *plan)
{
    CHECK(j->results_written.len == 0);
    if (plan->results_bytes == j->results.len) {
        struct buffer gathered = j->results;
        j->results = j->results_written;
        j->results_written = gathered;
    } else {
        struct slice first = slice_take(buffer_slice(&j->results), plan->results_bytes);
        CHECK(buffer_append(&j->results_written, first));
        buffer_drop_front(&j->results, plan->results_bytes);
    }
    j->result_count -= plan->results_count;
}

bool batch_build(struct journal *j, const struct batch_plan *plan, uint32_t segment,
                 uint64_t offset, uint64_t now_us, uint64_t wall_us)
{
    struct builder b = {
        .j = j, .epoch = segment_at(j->segments->table, segment)->epoch, .offset = offset};
    buffer_clear(&j->notes);
    if (!buffer_reserve(&j->notes, plan->notes_bytes))
        return false;
    j->piece_first = j->piece_count = 0;
    struct batch_header *header = put_note(&b, sizeof(*header));
    *header = (struct batch_header){
        .magic = FORMAT_BATCH_MAGIC,
        .epoch = b.epoch,
        .offset = offset,
        .durable = j->synced_end,
        .bytes = plan->record_bytes,
        .wall_us = wall_us,
        .turn = segment_at(j->segments->table, segment)->turn,
        .record_count = plan->record_count,
    };
    b.checksum = crc32c(0, header, sizeof(*header));
    if (j->opens)
        put_opens(&b);
    if (plan->results_count > 0) {
        take_results(j, plan);
        put_results(&b, &j->results_written);
    }
    for (uint32_t i = 0; i < plan->message_count; i++) {
        struct message *m = message_list_take(&j->waiting);
        CHECK(m);
        m->batch = j->batch;
        m->place = place_make(segment, b.offset);
        put_message(&b, m);
        if (m->moving)
            put_state(&b, m, now_us, wall_us);
        if (m->results)
            put_results(&b, m->results);
        message_list_add(&j->written, m);
    }
    CHECK(b.offset == offset + plan->record_bytes);
    header->checksum = b.checksum;
    put_piece(&b, zeros, (size_t)(plan->bytes - plan->record_bytes));
    j->opens = false;
    return true;
}

// --- records that wait

bool batch_put_record(struct buffer *b, enum record_type type, const void *fixed,
                      size_t fixed_bytes, const struct slice *texts, uint32_t text_count)
{
    struct record_header h = {.type = (uint8_t)type, .bytes = (uint32_t)fixed_bytes};
    for (uint32_t i = 0; i < text_count; i++)
        h.bytes += (uint32_t)texts[i].len;
    size_t padded = (size_t)format_record_padded(h.bytes);
    char *at = buffer_reserve(b, sizeof(h) + padded);
    if (!at)
        return false;
    at = (char *)mempcpy(at, &h, sizeof(h));
    at = (char *)mempcpy(at, fixed, fixed_bytes);
    for (uint32_t i = 0; i < text_count; i++)
        at = texts[i].len ? (char *)mempcpy(at, texts[i].data, texts[i].len) : at;
    memset(at, 0, padded - h.bytes);
    buffer_advance(b, sizeof(h) + padded);
    return true;
}

uint32_t batch_count_records(struct slice records)
{
    uint32_t count = 0;
    while (records.len > 0) {
        struct record_header h;
        memcpy(&h, records.data, sizeof(h));
        records = slice_skip(records, sizeof(h) + format_record_padded(h.bytes));
        count++;
    }
    return count;
}
