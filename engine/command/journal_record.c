#include "engine/command/journal_record.h"

#include "engine/command/journal_batch.h"

#include <string.h>

#define FLAGS_KNOWN                                                                                \
    (MESSAGE_FLAG_8BIT | MESSAGE_FLAG_SMTPUTF8 | MESSAGE_FLAG_DOT_LINES | MESSAGE_FLAG_KEY |       \
     MESSAGE_FLAG_EVENTS_ONLY | MESSAGE_FLAG_VERP)

static bool read_front(struct journal_reader *r, void *ret, size_t len)
{
    const void *bytes = journal_reader_payload(r, 0, len);
    if (bytes)
        memcpy(ret, bytes, len);
    return bytes != NULL;
}

bool journal_text(struct journal_reader *r, uint64_t at, size_t len, struct slice *ret)
{
    const void *bytes = journal_reader_text(r, at, len);
    if (bytes)
        *ret = slice_make(bytes, len);
    return bytes != NULL;
}

bool journal_opens_in_front(struct journal_reader *r, struct record_opens *ret)
{
    uint64_t offset = FORMAT_BLOCK_BYTES + sizeof(struct batch_header);
    const char *bytes = journal_window_at(&r->headers, offset, sizeof(r->record));
    if (!r->has_header || !bytes)
        return false;
    memcpy(&r->record, bytes, sizeof(r->record));
    r->record_offset = offset;
    return r->record.type == RECORD_OPENS && journal_opens_fault(r, ret) == NULL &&
           journal_record_fault(&r->payload, r->header.epoch, offset, &r->record) == NULL;
}

const char *journal_opens_fault(struct journal_reader *r, struct record_opens *ret)
{
    if (r->record.bytes != sizeof(*ret) || !read_front(r, ret, sizeof(*ret)))
        return "its length is not that of an OPENS";
    if (ret->previous_epoch == 0)
        return ret->previous_end == 0 ? NULL : "it ends a segment that it does not name";
    if (ret->previous_epoch == r->header.epoch)
        return "it names itself as the segment before it";
    return ret->previous_end < FORMAT_BLOCK_BYTES ? "the segment before it ends in its header"
                                                  : NULL;
}

bool journal_message_rcpt(struct journal_reader *r, const struct record_message *m, uint32_t rcpt,
                          struct message_rcpt *ret)
{
    const void *bytes = journal_reader_payload(
        r, sizeof(*m) + m->rcpts_offset + (uint64_t)rcpt * sizeof(*ret), sizeof(*ret));
    if (bytes)
        memcpy(ret, bytes, sizeof(*ret));
    return bytes != NULL;
}

static const char *rcpt_fault(const struct record_message *m, const struct message_rcpt *rcpt)
{
    uint64_t end = (uint64_t)rcpt->text_offset + rcpt->address_bytes + rcpt->dsn_bytes +
                   rcpt->domain_bytes;
    if (rcpt->text_offset < (uint32_t)m->sender_bytes + m->dsn_bytes || end > m->rcpts_offset)
        return "a recipient's text is outside the envelope's texts";
    if (rcpt->address_bytes == 0)
        return "a recipient without an address";
    return rcpt->starts_group > 1 ? "a recipient's mark of a group is neither 0 nor 1" : NULL;
}

static uint64_t domain_at(const struct message_rcpt *rcpt)
{
    return sizeof(struct record_message) + rcpt->text_offset + rcpt->address_bytes +
           rcpt->dsn_bytes;
}

// Groups are recipients with one domain that stand together. The text of the domain before is kept,
// not pointed to: the two may be far apart.
static const char *groups_fault(struct journal_reader *r, const struct record_message *m)
{
    char domain[UINT8_MAX];
    size_t domain_bytes = 0;
    uint32_t group_count = 0;
    for (uint32_t i = 0; i < m->rcpt_count; i++) {
        struct message_rcpt rcpt;
        if (!journal_message_rcpt(r, m, i, &rcpt))
            return "its recipients cannot be read";
        const char *fault = rcpt_fault(m, &rcpt);
        if (fault)
            return fault;
        const char *text = journal_reader_text(r, domain_at(&rcpt), rcpt.domain_bytes);
        if (!text)
            return "a recipient's domain cannot be read";
        bool is_same = i > 0 && slice_equal(slice_make(text, rcpt.domain_bytes),
                                            slice_make(domain, domain_bytes));
        if (is_same == (rcpt.starts_group == 1))
            return "its groups are not those of its domains";
        memcpy(domain, text, rcpt.domain_bytes);
        domain_bytes = rcpt.domain_bytes;
        group_count += rcpt.starts_group;
    }
    return group_count == m->job_count ? NULL : "it has another number of groups than jobs";
}

bool journal_message_campaign(struct journal_reader *r, const struct record_message *m,
                              struct slice *ret)
{
    return journal_text(r, sizeof(*m) + (uint64_t)m->envelope_bytes, m->campaign_bytes, ret);
}

// When it shall go: its priority and campaign.
static const char *order_fault(struct journal_reader *r, const struct record_message *m)
{
    struct slice name;
    if (m->priority < FORMAT_PRIORITY_MIN || m->priority > FORMAT_PRIORITY_MAX)
        return "its priority is none";
    if (m->campaign_bytes == 0)
        return NULL;
    if (!journal_message_campaign(r, m, &name))
        return "its campaign cannot be read";
    if (name.len > FORMAT_CAMPAIGN_BYTES_MAX)
        return "the name of its campaign is too long";
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] < ' ' || name.data[i] > '~')
            return "the name of its campaign is not printable";
    bool blank = name.data[0] == ' ' || name.data[name.len - 1] == ' ';
    return blank ? "the name of its campaign begins or ends with a blank" : NULL;
}

const char *journal_message_fault(struct journal_reader *r, struct record_message *ret)
{
    struct record_message *m = ret;
    if (!read_front(r, m, sizeof(*m)))
        return "it is shorter than a MESSAGE";
    uint64_t rest = r->record.bytes - sizeof(*m);
    uint64_t front = (uint64_t)m->envelope_bytes + m->campaign_bytes;
    if (front > rest || m->content_bytes != rest - front)
        return "envelope and content are not as long as the record";
    if (m->rcpt_count == 0)
        return "it has no recipients";
    if (m->rcpts_offset > m->envelope_bytes ||
        m->rcpt_count != (m->envelope_bytes - m->rcpts_offset) / sizeof(struct message_rcpt) ||
        (m->envelope_bytes - m->rcpts_offset) % sizeof(struct message_rcpt) != 0)
        return "the table of its recipients does not end the envelope";
    if ((uint32_t)m->sender_bytes + m->dsn_bytes > m->rcpts_offset)
        return "its sender is outside the envelope's texts";
    if ((m->flags & ~(uint32_t)FLAGS_KNOWN) != 0)
        return "it has flags that are not known";
    const char *fault = order_fault(r, m);
    return fault ? fault : groups_fault(r, m);
}

bool journal_state_job(struct journal_reader *r, uint32_t job, struct state_job *ret)
{
    const void *bytes = journal_reader_payload(
        r, sizeof(struct record_state) + (uint64_t)job * sizeof(*ret), sizeof(*ret));
    if (bytes)
        memcpy(ret, bytes, sizeof(*ret));
    return bytes != NULL;
}

bool journal_state_rcpt(struct journal_reader *r, const struct record_state *s, uint32_t rcpt,
                        enum rcpt_state *ret)
{
    const uint8_t *byte = journal_reader_text(
        r, sizeof(*s) + s->job_count * sizeof(struct state_job) + rcpt, 1);
    if (byte)
        *ret = *byte;
    return byte != NULL;
}

const char *journal_state_fault(struct journal_reader *r, struct record_state *ret)
{
    enum rcpt_state state;
    if (!read_front(r, ret, sizeof(*ret)))
        return "it is shorter than a STATE";
    uint64_t want = sizeof(*ret) + ret->job_count * sizeof(struct state_job) + ret->rcpt_count;
    if (r->record.bytes != want)
        return "jobs and recipients are not as long as the record";
    for (uint32_t i = 0; i < ret->rcpt_count; i++) {
        if (!journal_state_rcpt(r, ret, i, &state))
            return "its recipients cannot be read";
        if (state != RCPT_OPEN && state != RCPT_DELIVERED && state != RCPT_FAILED)
            return "a recipient is in a state that is not known";
    }
    return NULL;
}

const char *journal_result_fault(struct journal_reader *r, struct record_result *ret)
{
    if (!read_front(r, ret, sizeof(*ret)))
        return "it is shorter than a RESULT";
    if (r->record.bytes !=
        sizeof(*ret) + (uint64_t)ret->text_bytes + ret->host_bytes + ret->address_bytes)
        return "its texts are not as long as the record";
    if (ret->outcome != RCPT_DELIVERED && ret->outcome != RCPT_FAILED &&
        ret->outcome != RCPT_DEFERRED)
        return "an outcome that is not known";
    return ret->in_doubt > 1 ? "its mark of doubt is neither 0 nor 1" : NULL;
}

const char *journal_attempt_fault(struct journal_reader *r, struct record_attempt *ret)
{
    if (r->record.bytes != sizeof(*ret) || !read_front(r, ret, sizeof(*ret)))
        return "its length is not that of an ATTEMPT";
    return ret->rcpt_count == 0 ? "an attempt for nobody" : NULL;
}

const char *journal_key_fault(struct journal_reader *r, struct record_key *ret)
{
    return r->record.bytes != sizeof(*ret) || !read_front(r, ret, sizeof(*ret))
               ? "its length is not that of a KEY"
               : NULL;
}

void journal_record_read(struct journal_reader *r, struct journal_record *ret)
{
    memset(ret, 0, sizeof(*ret));
    switch (r->record.type) {
    case RECORD_OPENS: ret->fault = journal_opens_fault(r, &ret->as.opens); break;
    case RECORD_MESSAGE:
        ret->fault = journal_message_fault(r, &ret->as.message);
        ret->id = ret->as.message.id;
        break;
    case RECORD_STATE:
        ret->fault = journal_state_fault(r, &ret->as.state);
        ret->id = ret->as.state.id;
        break;
    case RECORD_RESULT:
        ret->fault = journal_result_fault(r, &ret->as.result);
        ret->id = ret->as.result.id;
        break;
    case RECORD_ATTEMPT:
        ret->fault = journal_attempt_fault(r, &ret->as.attempt);
        ret->id = ret->as.attempt.id;
        break;
    case RECORD_KEY:
        ret->fault = journal_key_fault(r, &ret->as.key);
        ret->id = ret->as.key.id;
        break;
    default: ret->fault = "a type of record that is not known"; break;
    }
}

static bool is_zero(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++)
        if (at[i] != 0)
            return false;
    return true;
}

const char *journal_record_oddity(struct journal_reader *r)
{
    uint64_t payload = r->record_offset + sizeof(r->record);
    size_t padding = (size_t)(format_record_padded(r->record.bytes) - r->record.bytes);
    const char *bytes = journal_window_at(&r->headers, payload + r->record.bytes, padding);
    struct record_message m;
    struct record_result result;
    if (bytes && !is_zero(bytes, padding))
        return "its padding is not zero";
    if (!is_zero(r->record.reserved, sizeof(r->record.reserved)))
        return "what is reserved in its header is not zero";
    if (r->record.type == RECORD_MESSAGE && read_front(r, &m, sizeof(m)) &&
        !is_zero(m.reserved, sizeof(m.reserved)))
        return "what is reserved in it is not zero";
    if (r->record.type == RECORD_RESULT && read_front(r, &result, sizeof(result)) &&
        !is_zero(result.reserved, sizeof(result.reserved)))
        return "what is reserved in it is not zero";
    return NULL;
}
