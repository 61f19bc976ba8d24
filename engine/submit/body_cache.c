#include "engine/submit/body_cache.h"

#include "engine/base/check.h"

#include <stdlib.h>

bool body_cache_init(struct body_cache *c, uint64_t seed)
{
    *c = (struct body_cache){.seed = seed, .hasher = dkim_body_new()};
    return c->hasher != NULL;
}

void body_cache_release(struct body_cache *c)
{
    for (uint32_t i = 0; i < BODY_CACHE_SLOTS; i++)
        free(c->slots[i].copy);
    dkim_body_free(c->hasher);
    *c = (struct body_cache){.seed = 0};
}

// Without memory the body is hashed each time.
static void keep(struct body_slot *s, struct slice body, const uint8_t hash[DKIM_HASH_BYTES])
{
    if (s->room < body.len) {
        char *larger = realloc(s->copy, body.len);
        if (!larger)
            return;
        s->copy = larger;
        s->room = body.len;
    }
    memcpy(s->copy, body.data, body.len);
    s->bytes = body.len;
    memcpy(s->hash, hash, DKIM_HASH_BYTES);
}

void body_cache_hash(struct body_cache *c, struct slice body, uint8_t ret[DKIM_HASH_BYTES])
{
    CHECK(body.len <= BODY_CACHE_BYTES_MAX);
    uint64_t digest = slice_hash(body, c->seed);
    struct body_slot *s = &c->slots[digest % BODY_CACHE_SLOTS];
    bool again = s->digest == digest && body.len > 0;
    if (again && slice_equal(body, slice_make(s->copy, s->bytes))) {
        memcpy(ret, s->hash, DKIM_HASH_BYTES);
        c->hits++;
        return;
    }
    c->misses++;
    dkim_body_start(c->hasher);
    dkim_body_add(c->hasher, body);
    dkim_body_end(c->hasher, ret);
    if (again) // what comes once is not worth a copy
        keep(s, body, ret);
    else
        s->bytes = 0;
    s->digest = digest;
}
