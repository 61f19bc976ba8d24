// engine/submit/body_cache.h: bodies whose hash is known. The messages of a campaign often have the
// same one: it is hashed once.
//
// Owns:    copies of the bodies that came at least twice, so that a match is none by chance; which
//          makes room for which (by a digest, so that others' mail cannot push them all out).
// Threads: one worker's.
#ifndef POSTHASTE_SUBMIT_BODY_CACHE_H
#define POSTHASTE_SUBMIT_BODY_CACHE_H

#include "engine/message/dkim.h"

#define BODY_CACHE_SLOTS 64
#define BODY_CACHE_BYTES_MAX (64 * 1024) // a larger body is hashed while it comes in

struct body_slot {
    uint64_t digest; // of the body that came last
    size_t bytes;    // of the copy; 0: there is none
    size_t room;
    char *copy;
    uint8_t hash[DKIM_HASH_BYTES];
};

struct body_cache {
    uint64_t seed; // of digests
    uint64_t hits, misses;
    struct dkim_body *hasher;
    struct body_slot slots[BODY_CACHE_SLOTS];
};

// False without memory.
bool body_cache_init(struct body_cache *c, uint64_t seed);
void body_cache_release(struct body_cache *c); // zeroed is fine

// The hash of a body of BODY_CACHE_BYTES_MAX at most.
void body_cache_hash(struct body_cache *c, struct slice body, uint8_t ret[DKIM_HASH_BYTES]);

#endif
