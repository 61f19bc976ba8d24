#include "queue/found_setbacks.h"

#include <stdlib.h>

struct kept {
    struct found_setback what; // its texts point behind it
    uint8_t domain_len;
    char bytes[]; // domain, host, address, text
};

struct found_setbacks {
    struct kept *kept[FOUND_SETBACKS_MAX]; // NULL: free
};

struct found_setbacks *found_setbacks_new(void)
{
    return calloc(1, sizeof(struct found_setbacks));
}

void found_setbacks_free(struct found_setbacks *f)
{
    for (uint32_t i = 0; f && i < FOUND_SETBACKS_MAX; i++)
        free(f->kept[i]);
    free(f);
}

static uint32_t first_of_set(struct slice domain)
{
    return (uint32_t)(slice_hash(domain, 0) % FOUND_SETBACKS_SETS) * FOUND_SETBACKS_SET;
}

static bool is_of(const struct kept *k, struct slice domain)
{
    return k && slice_equal(slice_make(k->bytes, k->domain_len), domain);
}

// The domain's own, else a free one, else that of which was heard longest ago.
static struct kept **place_for(struct found_setbacks *f, struct slice domain)
{
    struct kept **set = &f->kept[first_of_set(domain)], **best = set;
    for (struct kept **at = set; at < set + FOUND_SETBACKS_SET; at++) {
        if (is_of(*at, domain))
            return at;
        if (*best && (!*at || (*at)->what.wall_us < (*best)->what.wall_us))
            best = at;
    }
    return best;
}

static struct slice keep_text(char **to, struct slice s)
{
    struct slice kept = slice_make(*to, s.len);
    if (s.len > 0)
        memcpy(*to, s.data, s.len);
    *to += s.len;
    return kept;
}

void found_setbacks_note(struct found_setbacks *f, struct slice domain,
                         const struct record_result *r, struct slice texts)
{
    struct kept **at = place_for(f, domain);
    struct slice host = slice_take(texts, r->host_bytes);
    struct slice address = slice_take(slice_skip(texts, r->host_bytes), r->address_bytes);
    struct slice text = slice_take(slice_skip(texts, (size_t)r->host_bytes + r->address_bytes),
                                   FOUND_SETBACK_TEXT_BYTES);
    if (domain.len > UINT8_MAX || (is_of(*at, domain) && (*at)->what.wall_us > r->wall_us))
        return; // segments of several homes are read one after the other
    struct kept *k = malloc(sizeof(*k) + domain.len + host.len + address.len + text.len);
    if (!k)
        return;
    char *to = k->bytes;
    k->domain_len = (uint8_t)keep_text(&to, domain).len;
    k->what = (struct found_setback){
        .wall_us = r->wall_us,
        .code = r->code,
        .enhanced = {r->enhanced[0], r->enhanced[1], r->enhanced[2]},
        .reason = r->reason,
        .in_doubt = r->in_doubt,
        .host = keep_text(&to, host),
        .address = keep_text(&to, address),
        .text = keep_text(&to, text),
    };
    free(*at);
    *at = k;
}

bool found_setbacks_look(const struct found_setbacks *f, struct slice domain,
                         struct found_setback *ret)
{
    uint32_t first = first_of_set(domain);
    for (uint32_t i = first; i < first + FOUND_SETBACKS_SET; i++)
        if (is_of(f->kept[i], domain)) {
            *ret = f->kept[i]->what;
            return true;
        }
    return false;
}
