#include "queue/result.h"

#include "engine/base/check.h"

// What stands in front of a result's six texts, whose bytes follow without padding.
struct encoded {
    struct job *job;
    uint64_t wall_us;
    uint32_t rcpt;
    uint32_t delay_s;
    uint16_t attempt;
    uint16_t code;
    uint16_t enhanced[3];
    uint16_t tls_version;
    uint16_t tls_cipher;
    uint16_t text_len;
    uint16_t sender_len;
    uint16_t recipient_len;
    uint8_t host_len;
    uint8_t address_len;
    uint8_t campaign_len;
    uint8_t kind;
    uint8_t category;
    uint8_t reason;
    bool in_doubt;
    bool job_comes_home;
    bool notice;
};

_Static_assert(sizeof(struct encoded) + 3 * UINT8_MAX + 3 * RESULT_TEXT_BYTES_MAX <
                   RESULT_PAGE_BYTES,
               "an empty page takes any result");

static char *put(char *to, struct slice s)
{
    if (s.len > 0)
        memcpy(to, s.data, s.len);
    return to + s.len;
}

// Texts are cut to what their lengths can say.
static struct result within_limits(const struct result *r)
{
    struct result cut = *r;
    cut.host = slice_take(r->host, UINT8_MAX);
    cut.address = slice_take(r->address, UINT8_MAX);
    cut.text = slice_take(r->text, RESULT_TEXT_BYTES_MAX);
    cut.sender = slice_take(r->sender, RESULT_TEXT_BYTES_MAX);
    cut.recipient = slice_take(r->recipient, RESULT_TEXT_BYTES_MAX);
    cut.campaign = slice_take(r->campaign, UINT8_MAX);
    return cut;
}

static size_t encoded_bytes(const struct result *r)
{
    return sizeof(struct encoded) + r->host.len + r->address.len + r->text.len + r->sender.len +
           r->recipient.len + r->campaign.len;
}

static void encode(const struct result *r, char *at)
{
    struct encoded e = {
        .job = r->job,
        .wall_us = r->wall_us,
        .rcpt = r->rcpt,
        .delay_s = r->delay_s,
        .attempt = r->attempt,
        .code = r->code,
        .enhanced = {r->enhanced[0], r->enhanced[1], r->enhanced[2]},
        .tls_version = r->tls_version,
        .tls_cipher = r->tls_cipher,
        .text_len = (uint16_t)r->text.len,
        .sender_len = (uint16_t)r->sender.len,
        .recipient_len = (uint16_t)r->recipient.len,
        .host_len = (uint8_t)r->host.len,
        .address_len = (uint8_t)r->address.len,
        .campaign_len = (uint8_t)r->campaign.len,
        .kind = r->kind,
        .category = r->category,
        .reason = r->reason,
        .in_doubt = r->in_doubt,
        .job_comes_home = r->job_comes_home,
        .notice = r->notice,
    };
    memcpy(at, &e, sizeof(e));
    at = put(put(put(at + sizeof(e), r->host), r->address), r->text);
    put(put(put(at, r->sender), r->recipient), r->campaign);
}

// Returns how many bytes it has read.
static size_t decode(const char *at, size_t bytes_left, struct result *ret)
{
    struct encoded e;
    CHECK(sizeof(e) <= bytes_left);
    memcpy(&e, at, sizeof(e));
    const char *host = at + sizeof(e);
    const char *address = host + e.host_len;
    const char *text = address + e.address_len;
    const char *sender = text + e.text_len;
    const char *recipient = sender + e.sender_len;
    const char *campaign = recipient + e.recipient_len;
    *ret = (struct result){
        .job = e.job,
        .rcpt = e.rcpt,
        .delay_s = e.delay_s,
        .wall_us = e.wall_us,
        .attempt = e.attempt,
        .code = e.code,
        .enhanced = {e.enhanced[0], e.enhanced[1], e.enhanced[2]},
        .tls_version = e.tls_version,
        .tls_cipher = e.tls_cipher,
        .kind = e.kind,
        .category = e.category,
        .reason = e.reason,
        .in_doubt = e.in_doubt,
        .job_comes_home = e.job_comes_home,
        .notice = e.notice,
        .host = slice_make(host, e.host_len),
        .address = slice_make(address, e.address_len),
        .text = slice_make(text, e.text_len),
        .sender = slice_make(sender, e.sender_len),
        .recipient = slice_make(recipient, e.recipient_len),
        .campaign = slice_make(campaign, e.campaign_len),
    };
    size_t bytes = (size_t)(campaign + e.campaign_len - at);
    CHECK(bytes <= bytes_left);
    return bytes;
}

bool result_page_add(struct result_page *p, const struct result *r)
{
    struct result cut = within_limits(r);
    size_t bytes = encoded_bytes(&cut);
    if (bytes > sizeof(p->bytes) - p->used_bytes)
        return false;
    encode(&cut, p->bytes + p->used_bytes);
    p->used_bytes += (uint32_t)bytes;
    p->result_count++;
    return true;
}

bool result_page_next(const struct result_page *p, uint32_t *offset, struct result *ret)
{
    if (*offset == p->used_bytes)
        return false;
    *offset += (uint32_t)decode(p->bytes + *offset, p->used_bytes - *offset, ret);
    return true;
}

bool result_keep(struct buffer *b, const struct result *r)
{
    struct result cut = within_limits(r);
    size_t bytes = encoded_bytes(&cut);
    char *to = buffer_reserve(b, bytes);
    if (!to)
        return false;
    encode(&cut, to);
    buffer_advance(b, bytes);
    return true;
}

bool result_kept_next(const struct buffer *b, size_t end_bytes, size_t *offset, struct result *ret)
{
    CHECK(end_bytes <= b->len);
    if (*offset >= end_bytes)
        return false;
    *offset += decode(b->data + *offset, end_bytes - *offset, ret);
    return true;
}
