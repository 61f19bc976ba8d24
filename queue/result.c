#include "queue/result.h"

#include "engine/base/check.h"

// What stands in front of a result's five texts, whose bytes follow without padding.
struct encoded {
    struct job *job;
    uint64_t wall_us;
    uint32_t rcpt;
    uint32_t delay_s;
    uint16_t attempt;
    uint16_t code;
    uint16_t enhanced[3];
    uint16_t text_len;
    uint16_t sender_len;
    uint16_t recipient_len;
    uint8_t host_len;
    uint8_t address_len;
    uint8_t kind;
    bool in_doubt;
    bool job_comes_home;
};

_Static_assert(sizeof(struct encoded) + 2 * UINT8_MAX + 3 * RESULT_TEXT_BYTES_MAX <
                   RESULT_PAGE_BYTES,
               "an empty page takes any result");

static char *put(char *to, struct slice s)
{
    if (s.len > 0)
        memcpy(to, s.data, s.len);
    return to + s.len;
}

bool result_page_add(struct result_page *p, const struct result *r)
{
    struct slice host = slice_take(r->host, UINT8_MAX);
    struct slice address = slice_take(r->address, UINT8_MAX);
    struct slice text = slice_take(r->text, RESULT_TEXT_BYTES_MAX);
    struct slice sender = slice_take(r->sender, RESULT_TEXT_BYTES_MAX);
    struct slice recipient = slice_take(r->recipient, RESULT_TEXT_BYTES_MAX);
    struct encoded e = {
        .job = r->job,
        .wall_us = r->wall_us,
        .rcpt = r->rcpt,
        .delay_s = r->delay_s,
        .attempt = r->attempt,
        .code = r->code,
        .enhanced = {r->enhanced[0], r->enhanced[1], r->enhanced[2]},
        .text_len = (uint16_t)text.len,
        .sender_len = (uint16_t)sender.len,
        .recipient_len = (uint16_t)recipient.len,
        .host_len = (uint8_t)host.len,
        .address_len = (uint8_t)address.len,
        .kind = r->kind,
        .in_doubt = r->in_doubt,
        .job_comes_home = r->job_comes_home,
    };
    size_t bytes = sizeof(e) + host.len + address.len + text.len + sender.len + recipient.len;
    if (bytes > sizeof(p->bytes) - p->used_bytes)
        return false;
    char *at = p->bytes + p->used_bytes;
    memcpy(at, &e, sizeof(e));
    at = put(put(put(at + sizeof(e), host), address), text);
    put(put(at, sender), recipient);
    p->used_bytes += (uint32_t)bytes;
    p->result_count++;
    return true;
}

bool result_page_next(const struct result_page *p, uint32_t *offset, struct result *ret)
{
    struct encoded e;
    if (*offset == p->used_bytes)
        return false;
    CHECK(*offset + sizeof(e) <= p->used_bytes);
    const char *at = p->bytes + *offset;
    memcpy(&e, at, sizeof(e));
    const char *host = at + sizeof(e);
    const char *address = host + e.host_len;
    const char *text = address + e.address_len;
    const char *sender = text + e.text_len;
    const char *recipient = sender + e.sender_len;
    *ret = (struct result){
        .job = e.job,
        .rcpt = e.rcpt,
        .delay_s = e.delay_s,
        .wall_us = e.wall_us,
        .attempt = e.attempt,
        .code = e.code,
        .enhanced = {e.enhanced[0], e.enhanced[1], e.enhanced[2]},
        .kind = e.kind,
        .in_doubt = e.in_doubt,
        .job_comes_home = e.job_comes_home,
        .host = slice_make(host, e.host_len),
        .address = slice_make(address, e.address_len),
        .text = slice_make(text, e.text_len),
        .sender = slice_make(sender, e.sender_len),
        .recipient = slice_make(recipient, e.recipient_len),
    };
    *offset = (uint32_t)(recipient + e.recipient_len - p->bytes);
    CHECK(*offset <= p->used_bytes);
    return true;
}
