#include "engine/tls/parts.h"

#include "engine/base/check.h"

#include <stdlib.h>

bool resume_init(struct resume_table *r, uint32_t count)
{
    *r = (struct resume_table){.count = count < TLS_SESSIONS_MAX ? count : TLS_SESSIONS_MAX};
    r->sha256 = sha256_new();
    r->slots = calloc(r->count + 1u, sizeof(*r->slots));
    return r->sha256 && r->slots;
}

void resume_release(struct resume_table *r)
{
    for (uint32_t i = 0; r->slots && i < r->count; i++)
        SSL_SESSION_free(r->slots[i].session);
    free(r->slots);
    sha256_free(r->sha256);
    *r = (struct resume_table){.count = 0};
}

// Each part with its length in front: no two lists of parts are the same bytes.
static void add_part(struct sha256 *h, struct slice part)
{
    uint64_t len = part.len;
    sha256_add(h, slice_make(&len, sizeof(len)));
    if (part.len > 0)
        sha256_add(h, part);
}

void resume_key(struct resume_table *r, const struct tls_client_session *o,
                uint8_t ret[RESUME_KEY_BYTES])
{
    struct sha256 *h = r->sha256;
    const uint8_t head[2] = {(uint8_t)o->check, (uint8_t)o->name_count};
    sha256_start(h);
    sha256_add(h, slice_make(head, sizeof(head)));
    add_part(h, o->peer);
    add_part(h, o->server_name);
    for (uint32_t i = 0; i < o->name_count; i++)
        add_part(h, o->names[i]);
    for (uint32_t i = 0; i < o->tlsa_count; i++) {
        const struct tls_tlsa *t = &o->tlsa[i];
        const uint8_t fields[3] = {t->usage, t->selector, t->matching};
        add_part(h, slice_make(fields, sizeof(fields)));
        add_part(h, t->data);
    }
    sha256_end(h, ret);
}

static struct resume_slot *slot_of(const struct resume_table *r,
                                   const uint8_t key[RESUME_KEY_BYTES])
{
    uint32_t hash;
    if (r->count == 0)
        return NULL;
    memcpy(&hash, key, sizeof(hash));
    return &r->slots[hash % r->count];
}

SSL_SESSION *resume_find(const struct resume_table *r, const uint8_t key[RESUME_KEY_BYTES])
{
    const struct resume_slot *slot = slot_of(r, key);
    bool is_it = slot && slot->session && memcmp(slot->key, key, RESUME_KEY_BYTES) == 0;
    return is_it && SSL_SESSION_is_resumable(slot->session) ? slot->session : NULL;
}

void resume_keep(struct resume_table *r, const uint8_t key[RESUME_KEY_BYTES], SSL_SESSION *taken)
{
    struct resume_slot *slot = slot_of(r, key);
    CHECK(slot);
    SSL_SESSION_free(slot->session);
    slot->session = taken;
    memcpy(slot->key, key, RESUME_KEY_BYTES);
}
