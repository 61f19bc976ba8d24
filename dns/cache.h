// dns/cache.h: what is known about names, until it expires.
//
// Owns:   entries, found by kind and name. Each is one block of memory, immutable, counted: an
//         answer that waits to be taken outlives its place in the cache.
// Bounds: count_max entries; a full cache drops what expires soonest, so the expired first.
// Time:   comes in as an argument.
// Threads: one owner.
#ifndef POSTHASTE_DNS_CACHE_H
#define POSTHASTE_DNS_CACHE_H

#include "dns/answer.h"

struct dns_entry {
    struct dns_entry *next; // in its bucket
    uint64_t hash;
    uint64_t expires_us;
    uint32_t heap_at;
    uint32_t ref_count;
    uint16_t packed_bytes;
    uint8_t kind;   // enum dns_answer_kind
    uint8_t status; // enum dns_status
    uint8_t name_bytes;
    bool secure;  // dns/answer.h; false in a new one
    char bytes[]; // the name, then what dns/packed.h makes
};

// With one reference, the caller's. NULL: no memory.
struct dns_entry *dns_entry_new(enum dns_answer_kind kind, struct slice name,
                                enum dns_status status, uint64_t expires_us, struct slice packed);
struct dns_entry *dns_entry_ref(struct dns_entry *e);
void dns_entry_unref(struct dns_entry *e); // NULL is fine
struct slice dns_entry_name(const struct dns_entry *e);
struct slice dns_entry_packed(const struct dns_entry *e);

struct dns_cache {
    struct dns_entry **buckets;
    struct dns_entry **heap; // the one that expires soonest on top
    uint32_t bucket_mask;
    uint32_t count;
    uint32_t count_max;
    uint64_t seed;
};

int dns_cache_init(struct dns_cache *c, uint32_t count_max, uint64_t seed); // 0 or -ENOMEM
void dns_cache_release(struct dns_cache *c);

// Borrowed until the next call. NULL: not known, or no longer.
struct dns_entry *dns_cache_find(struct dns_cache *c, enum dns_answer_kind kind, struct slice name,
                                 uint64_t now_us);
// Is the last that was heard of it, expired or not, that it could not be looked up? For as long as
// that has not been dropped.
bool dns_cache_has_failed(struct dns_cache *c, enum dns_answer_kind kind, struct slice name);
// Takes a reference of its own, in place of an older entry of this kind and name.
void dns_cache_put(struct dns_cache *c, struct dns_entry *e);

#endif
