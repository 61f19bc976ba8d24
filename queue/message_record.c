#include "queue/message_record.h"

#include "engine/base/check.h"
#include "engine/base/crc32c.h"

_Static_assert(sizeof(struct message) >= MESSAGE_RECORD_FRONT,
               "what stands in front of the envelope on disk fits in front of it in memory");

struct record_message message_record_of(const struct message *m)
{
    struct record_message r = {
        .id = m->id,
        .received_wall_us = m->received_wall_us,
        .content_bytes = m->content_bytes,
        .envelope_bytes = m->envelope_bytes,
        .rcpts_offset = m->rcpts_offset,
        .rcpt_count = m->rcpt_count,
        .job_count = m->job_count,
        .sender_bytes = m->sender_len,
        .dsn_bytes = m->dsn_len,
        .flags = (m->is_8bit ? MESSAGE_FLAG_8BIT : 0u) |
                 (m->smtputf8 ? MESSAGE_FLAG_SMTPUTF8 : 0u) |
                 (m->has_dot_lines ? MESSAGE_FLAG_DOT_LINES : 0u) |
                 (m->has_key ? MESSAGE_FLAG_KEY : 0u) |
                 (m->events_only ? MESSAGE_FLAG_EVENTS_ONLY : 0u) |
                 (m->verp ? MESSAGE_FLAG_VERP : 0u),
        .key_content = m->key_content,
        .campaign_bytes = m->campaign_len,
        .priority = m->priority,
    };
    memcpy(r.key, m->key, sizeof(r.key));
    return r;
}

uint64_t message_record_payload_bytes(const struct message *m)
{
    return sizeof(struct record_message) + m->envelope_bytes + m->campaign_len + m->content_bytes;
}

uint32_t record_checksum_seed(uint64_t epoch, uint64_t offset)
{
    uint64_t place[2] = {epoch, offset};
    return crc32c(0, place, sizeof(place));
}

struct message *message_read_new(struct block_pool *p, uint32_t payload_bytes, void **ret_to,
                                 size_t *ret_bytes)
{
    size_t block_bytes;
    size_t front = sizeof(struct message) - MESSAGE_RECORD_FRONT;
    *ret_bytes = sizeof(struct record_header) + payload_bytes;
    struct message *m = block_take(p, front + *ret_bytes, &block_bytes);
    if (!m)
        return NULL;
    // This much must hold if it is never filled; the rest of the struct is read over.
    m->block_bytes = block_bytes;
    atomic_init(&m->preface, NULL);
    _Static_assert(offsetof(struct message, preface) + sizeof(m->preface) <=
                       sizeof(struct message) - MESSAGE_RECORD_FRONT,
                   "stays as it is while the record is read");
    *ret_to = (char *)m + front;
    return m;
}

static bool rcpts_valid(const struct record_message *r, const char *envelope)
{
    uint32_t groups = 0;
    for (uint32_t i = 0; i < r->rcpt_count; i++) {
        struct message_rcpt rcpt;
        memcpy(&rcpt, envelope + r->rcpts_offset + i * sizeof(rcpt), sizeof(rcpt));
        uint64_t end = (uint64_t)rcpt.text_offset + rcpt.address_bytes + rcpt.dsn_bytes +
                       rcpt.domain_bytes;
        if (end > r->rcpts_offset || rcpt.starts_group > 1 || (i == 0 && !rcpt.starts_group))
            return false;
        groups += rcpt.starts_group;
    }
    return groups == r->job_count;
}

struct slice record_message_campaign(const struct record_message *r, struct slice payload)
{
    return slice_take(slice_skip(payload, sizeof(*r) + (size_t)r->envelope_bytes),
                      r->campaign_bytes);
}

bool record_message_valid(const struct record_message *r, struct slice payload)
{
    uint64_t front_bytes = sizeof(*r) + (uint64_t)r->envelope_bytes + r->campaign_bytes;
    if (payload.len < front_bytes || r->content_bytes != payload.len - front_bytes)
        return false;
    if (r->priority < FORMAT_PRIORITY_MIN || r->priority > FORMAT_PRIORITY_MAX ||
        (r->campaign_bytes > 0 && !campaign_name_valid(record_message_campaign(r, payload))))
        return false;
    if (r->rcpt_count == 0 || r->rcpt_count > MESSAGE_RCPTS_MAX || r->rcpts_offset % 4 != 0 ||
        (uint64_t)r->rcpts_offset + r->rcpt_count * sizeof(struct message_rcpt) !=
            r->envelope_bytes ||
        (uint32_t)r->sender_bytes + r->dsn_bytes > r->rcpts_offset)
        return false;
    return rcpts_valid(r, payload.data + sizeof(*r));
}

bool message_read_done(struct message *m, uint32_t payload_bytes, uint64_t epoch, uint64_t offset,
                       uint64_t id)
{
    struct record_header header;
    struct record_message r;
    const char *at = (const char *)m + sizeof(*m) - MESSAGE_RECORD_FRONT;
    struct slice payload = slice_make(at + sizeof(header), payload_bytes);
    memcpy(&header, at, sizeof(header));
    if (header.type != RECORD_MESSAGE || header.bytes != payload_bytes ||
        payload_bytes < sizeof(r) ||
        crc32c(record_checksum_seed(epoch, offset), payload.data, payload.len) != header.checksum)
        return false;
    memcpy(&r, payload.data, sizeof(r));
    if (r.id != id || !record_message_valid(&r, payload))
        return false;
    *m = (struct message){
        .id = r.id,
        .received_wall_us = r.received_wall_us,
        .block_bytes = m->block_bytes,
        .used_bytes = sizeof(*m) + payload_bytes - sizeof(r),
        .is_8bit = r.flags & MESSAGE_FLAG_8BIT,
        .smtputf8 = r.flags & MESSAGE_FLAG_SMTPUTF8,
        .has_dot_lines = r.flags & MESSAGE_FLAG_DOT_LINES,
        .has_key = r.flags & MESSAGE_FLAG_KEY,
        .events_only = r.flags & MESSAGE_FLAG_EVENTS_ONLY,
        .verp = r.flags & MESSAGE_FLAG_VERP,
        .key_content = r.key_content,
        .priority = r.priority,
        .campaign_len = r.campaign_bytes,
        .envelope_sealed = true,
        .sender_len = r.sender_bytes,
        .dsn_len = r.dsn_bytes,
        .rcpts_offset = r.rcpts_offset,
        .envelope_bytes = r.envelope_bytes,
        .rcpt_count = r.rcpt_count,
        .job_count = r.job_count,
        .content_offset = sizeof(*m) + r.envelope_bytes + r.campaign_bytes,
        .content_bytes = r.content_bytes,
    };
    memcpy(m->key, r.key, sizeof(m->key));
    return true;
}
