// dns/sts_store.h: the MTA-STS policies that are known, in memory and on disk.
//
// Owns:    a table by domain, and a folder with a file for each: its name is the domain's, its text
//          the policy, and two lines more: "id" of the record that it was fetched for, and
//          "fetched", in seconds since 1970. A file is written beside, synced, and renamed.
// Bounds:  STS_POLICIES_MAX; a full table drops what expires soonest, with its file.
// Threads: for all, since a domain may go from one worker to another, and whoever forges its MX
//          records must not make us forget its policy. A lock guards the table; it is taken when a
//          domain's exchangers are looked up, never for a message. Only sts_store_put() waits for
//          the disk, and holds another one meanwhile: it is called off the loop.
#ifndef POSTHASTE_DNS_STS_STORE_H
#define POSTHASTE_DNS_STS_STORE_H

#include "dns/sts_policy.h"

#define STS_POLICIES_MAX 10000

struct sts_store;

// Reads what is in the folder: at start, blocking. `dir_fd` stays the caller's, and is open for as
// long as the store is; -1: in memory alone. Files that are none of ours, or have expired, are left
// out. `seed`: a secret, so that nobody can choose domains that are slow to find. 0 or -ENOMEM.
int sts_store_open(struct sts_store **ret, int dir_fd, uint64_t seed, uint64_t wall_s);
void sts_store_free(struct sts_store *s); // NULL is fine

struct sts_known {
    char id[STS_ID_BYTES_MAX + 1];
    uint64_t fetched_s;       // since 1970
    struct sts_policy policy; // last: of its names, only those that there are take memory
};
// False: nothing is known of it, or no longer (max_age).
bool sts_store_find(struct sts_store *s, struct slice domain, uint64_t wall_s,
                    struct sts_known *ret);
// In place of what was known. 0, or -errno of the disk: then it is known until the end only.
int sts_store_put(struct sts_store *s, struct slice domain, const struct sts_known *known);
uint32_t sts_store_count(struct sts_store *s);

#endif
