#include "queue/message.h"

#include "engine/base/check.h"
#include "queue/grouping.h"

#include <stdalign.h>
#include <stdlib.h>

// The most that a client's word about the size of its content makes us set aside; beyond that the
// block grows with what has really come.
#define SIZE_HINT_BYTES_MAX BLOCK_BYTES_POOLED
// Set aside for recipients besides: a usual envelope needs no second block.
#define ENVELOPE_BYTES_USUAL 512u

_Static_assert(sizeof(struct message) + 2 * UINT16_MAX + ENVELOPE_BYTES_USUAL < SIZE_HINT_BYTES_MAX,
               "any sender fits into the largest class");

// While recipients are still added, each one's text stands behind its lengths.
struct text_lengths {
    uint16_t address_len;
    uint16_t dsn_len;
    uint8_t domain_len;
    uint8_t unused; // named, so that no byte of the stack goes into the journal
};
_Static_assert(sizeof(struct text_lengths) == 6, "without padding");

static char *bytes_of(const struct message *m)
{
    return (char *)(uintptr_t)m;
}

// Where the bytes of a view stand.
static const char *shown_bytes_of(const struct message *m)
{
    return bytes_of(m->view_of ? m->view_of : m);
}

static void append(struct message *m, struct slice s)
{
    if (s.len > 0)
        memcpy(bytes_of(m) + m->used_bytes, s.data, s.len);
    m->used_bytes += s.len;
}

struct message *message_new(struct block_pool *p, struct slice sender, struct slice dsn,
                            size_t size_hint)
{
    CHECK(sender.len <= UINT16_MAX && dsn.len <= UINT16_MAX);
    size_t bytes_min = sizeof(struct message) + sender.len + dsn.len;
    size_t wanted = bytes_min + ENVELOPE_BYTES_USUAL;
    if (size_hint < SIZE_HINT_BYTES_MAX - wanted)
        wanted += size_hint;
    else
        wanted = SIZE_HINT_BYTES_MAX;
    size_t bytes;
    struct message *m = block_take(p, wanted, &bytes);
    if (!m)
        return NULL;
    *m = (struct message){
        .block_bytes = bytes,
        .used_bytes = sizeof(*m),
        .sender_len = (uint16_t)sender.len,
        .dsn_len = (uint16_t)dsn.len,
    };
    append(m, sender);
    append(m, dsn);
    m->texts_offset = (uint32_t)(m->used_bytes - sizeof(*m));
    return m;
}

void message_free(struct block_pool *p, struct message *m)
{
    if (!m)
        return;
    free(atomic_load_explicit(&m->preface, memory_order_acquire));
    block_give(p, m, m->block_bytes);
}

void message_add_preface(struct message *m, struct message_preface *preface)
{
    struct message_preface *none = NULL;
    if (!atomic_compare_exchange_strong_explicit(&m->preface, &none, preface, memory_order_acq_rel,
                                                 memory_order_relaxed))
        free(preface);
}

struct slice message_preface(const struct message *m)
{
    const struct message_preface *preface = atomic_load_explicit(&m->preface, memory_order_acquire);
    return preface ? slice_make(preface->text, preface->bytes) : SLICE_EMPTY;
}

bool message_has_preface(const struct message *m)
{
    return atomic_load_explicit(&m->preface, memory_order_acquire) != NULL;
}

struct message *message_copy(struct block_pool *p, const struct message *m)
{
    size_t bytes;
    CHECK(!m->view_of);
    struct message *copy = block_take(p, m->used_bytes, &bytes);
    if (!copy)
        return NULL;
    memcpy(copy, m, m->used_bytes);
    p->bytes_copied += m->used_bytes;
    copy->block_bytes = bytes;
    atomic_init(&copy->preface, NULL);
    copy->entry = NULL;
    copy->next_waiting = NULL;
    return copy;
}

// Makes room for `count` more bytes; the message may move.
static bool reserve(struct block_pool *p, struct message **m, size_t count)
{
    struct message *old = *m;
    size_t bytes;
    if (count <= old->block_bytes - old->used_bytes)
        return true;
    if (count > SIZE_MAX / 2 - old->used_bytes)
        return false;
    struct message *larger = block_grow(p, old, old->block_bytes, old->used_bytes,
                                        old->used_bytes + count, &bytes);
    if (!larger)
        return false;
    larger->block_bytes = bytes;
    *m = larger;
    return true;
}

bool message_add_rcpt(struct block_pool *p, struct message **m, struct slice address,
                      struct slice dsn, struct slice domain)
{
    CHECK(!(*m)->envelope_sealed);
    CHECK(address.len <= UINT16_MAX && dsn.len <= UINT16_MAX && domain.len <= UINT8_MAX);
    struct text_lengths lengths = {
        .address_len = (uint16_t)address.len,
        .dsn_len = (uint16_t)dsn.len,
        .domain_len = (uint8_t)domain.len,
    };
    size_t bytes = sizeof(lengths) + address.len + dsn.len + domain.len;
    if ((*m)->rcpt_count == MESSAGE_RCPTS_MAX ||
        (*m)->used_bytes + bytes > MESSAGE_ENVELOPE_BYTES_MAX)
        return false;
    if (!reserve(p, m, bytes))
        return false;
    append(*m, slice_make(&lengths, sizeof(lengths)));
    append(*m, address);
    append(*m, dsn);
    append(*m, domain);
    (*m)->rcpt_count++;
    return true;
}

// Reads the recipient whose lengths stand at *offset of the envelope, and moves *offset behind its
// text.
static struct message_rcpt read_rcpt(const struct message *m, uint32_t *offset)
{
    struct text_lengths lengths;
    memcpy(&lengths, message_envelope(m) + *offset, sizeof(lengths));
    struct message_rcpt r = {
        .text_offset = *offset + (uint32_t)sizeof(lengths),
        .address_bytes = lengths.address_len,
        .dsn_bytes = lengths.dsn_len,
        .domain_bytes = lengths.domain_len,
    };
    *offset = r.text_offset + r.address_bytes + r.dsn_bytes + r.domain_bytes;
    return r;
}

bool message_seal_envelope(struct block_pool *p, struct message **m)
{
    uint32_t count = (*m)->rcpt_count;
    CHECK(!(*m)->envelope_sealed);
    CHECK(count > 0);
    if (!reserve(p, m,
                 alignof(struct message_rcpt) + count * sizeof(struct message_rcpt) +
                     MESSAGE_FRONT_BYTES))
        return false;

    struct message *sealed = *m;
    size_t align = alignof(struct message_rcpt);
    size_t texts_end = sealed->used_bytes - sizeof(*sealed);
    uint32_t rcpts_offset = (uint32_t)((texts_end + align - 1) / align * align);
    memset(bytes_of(sealed) + sealed->used_bytes, 0, rcpts_offset - texts_end);
    struct message_rcpt *rcpts = (struct message_rcpt *)(uintptr_t)(message_envelope(sealed) +
                                                                    rcpts_offset);
    uint32_t offset = sealed->texts_offset;
    for (uint32_t i = 0; i < count; i++)
        rcpts[i] = read_rcpt(sealed, &offset);
    CHECK(offset == texts_end);

    if (!grouping_apply(p, message_envelope(sealed), rcpts, &sealed->rcpt_count,
                        &sealed->job_count))
        return false;
    sealed->rcpts_offset = rcpts_offset;
    sealed->envelope_bytes = rcpts_offset +
                             sealed->rcpt_count * (uint32_t)sizeof(struct message_rcpt);
    sealed->content_offset = sizeof(*sealed) + sealed->envelope_bytes + MESSAGE_FRONT_BYTES;
    sealed->used_bytes = sealed->content_offset;
    sealed->envelope_sealed = true;
    return true;
}

bool message_add_content(struct block_pool *p, struct message **m, struct slice bytes)
{
    CHECK((*m)->envelope_sealed);
    if (!reserve(p, m, bytes.len))
        return false;
    append(*m, bytes);
    (*m)->content_bytes += bytes.len;
    p->bytes_copied += bytes.len;
    return true;
}

void message_put_in_front(struct message *m, struct slice bytes)
{
    CHECK(bytes.len <= MESSAGE_TRACE_BYTES && m->envelope_sealed && m->campaign_len == 0);
    m->content_offset -= bytes.len;
    m->content_bytes += bytes.len;
    memcpy(bytes_of(m) + m->content_offset, bytes.data, bytes.len);
}

void message_set_campaign(struct message *m, struct slice name)
{
    CHECK(name.len <= CAMPAIGN_NAME_BYTES_MAX && m->envelope_sealed);
    m->campaign_len = (uint8_t)name.len;
    memcpy(bytes_of(m) + m->content_offset - name.len, name.data, name.len);
}

void message_cut(struct message *m, size_t offset, size_t len)
{
    char *content = bytes_of(m) + m->content_offset;
    CHECK(m->envelope_sealed && offset <= m->content_bytes && len <= m->content_bytes - offset);
    memmove(content + len, content, offset);
    m->content_offset += len;
    m->content_bytes -= len;
}

void message_close_up(struct message *m, size_t to, size_t from, size_t len)
{
    char *content = bytes_of(m) + m->content_offset;
    CHECK(m->envelope_sealed && to <= from);
    CHECK(from <= m->content_bytes && len <= m->content_bytes - from);
    if (to < from)
        memmove(content + to, content + from, len);
}

struct slice message_sender(const struct message *m)
{
    return slice_make(message_envelope(m), m->sender_len);
}

struct slice message_dsn(const struct message *m)
{
    return slice_make(message_envelope(m) + m->sender_len, m->dsn_len);
}

struct slice message_content(const struct message *m)
{
    CHECK(m->envelope_sealed);
    return slice_make(shown_bytes_of(m) + m->content_offset, m->content_bytes);
}

struct slice message_campaign(const struct message *m)
{
    CHECK(m->envelope_sealed);
    return slice_make(shown_bytes_of(m) + m->content_offset - m->campaign_len, m->campaign_len);
}

const char *message_envelope(const struct message *m)
{
    return shown_bytes_of(m) + sizeof(*m);
}

const struct message_rcpt *message_rcpts(const struct message *m)
{
    CHECK(m->envelope_sealed);
    return (const struct message_rcpt *)(const void *)(message_envelope(m) + m->rcpts_offset);
}

const struct message_rcpt *message_rcpt(const struct message *m, uint32_t rcpt)
{
    CHECK(rcpt < m->rcpt_count);
    return message_rcpts(m) + rcpt;
}

struct slice message_rcpt_address(const struct message *m, uint32_t rcpt)
{
    return rcpt_address(message_envelope(m), message_rcpt(m, rcpt));
}

struct slice message_rcpt_dsn(const struct message *m, uint32_t rcpt)
{
    return rcpt_dsn(message_envelope(m), message_rcpt(m, rcpt));
}

struct slice message_rcpt_domain(const struct message *m, uint32_t rcpt)
{
    return rcpt_domain(message_envelope(m), message_rcpt(m, rcpt));
}
