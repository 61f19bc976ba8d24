// dns/sts.h: from a domain to its MTA-STS policy (RFC 8461): record, HTTPS, and what is known.
//
// Owns:         lookups under way on one worker.
// Knows not of: connections, or what a policy does to them. Policies are kept by dns/sts_store.h.
// Threads:      one owner; HTTPS goes through io_offload().
//
//   ask -> known and not expired: an answer at once; the rest goes on behind it
//       -> TXT of _mta-sts.DOMAIN: no record -> what is known holds
//                                  the id that is known, and it is young -> it holds
//       -> addresses of mta-sts.DOMAIN -> the policy by HTTPS -> known from now on
//          anything of that fails -> what is known holds until it expires
//   Whoever asks waits at first contact alone, and for STS_PATIENCE_US at most: then it is as if
//   there were no policy, until the rest has come. A policy is fetched again when half of its life
//   is over.
#ifndef POSTHASTE_DNS_STS_H
#define POSTHASTE_DNS_STS_H

#include "dns/resolver.h"
#include "dns/sts_fetch.h"
#include "dns/sts_store.h"

#define STS_LOOKUPS_MAX 100000
#define STS_FETCHES_MAX 8 // at a time: of threads that others need, too
#define STS_PATIENCE_US (UINT64_C(15) * 1000 * 1000)
// Set in the tag of each of its questions to the resolver.
#define STS_TAG (UINT64_C(1) << 63)

struct sts;

struct sts_options {
    struct io *io;
    struct resolver *resolver; // whose answers with STS_TAG go to sts_on_answer()
    struct sts_store *store;
    uint8_t io_owner;         // token.owner of its requests
    bool private_targets;     // policies may be at loopback and private addresses
    uint16_t port;            // of HTTPS
    const char *trusted_file; // certificates in PEM, for as long as it is used; NULL: the system's
};

int sts_new(struct sts **ret, const struct sts_options *options); // 0 or -ENOMEM
// sts_stopped() has said true. NULL is fine.
void sts_free(struct sts *s);

// `domain`: lower-case A-labels. Answers with this tag come out of sts_next(): one, or two, the
// last with `last`. False: too many lookups, or no memory; no answer will come.
bool sts_ask(struct sts *s, struct slice domain, uint64_t tag);
void sts_on_answer(struct sts *s, const struct dns_answer *a);
void sts_on_done(struct sts *s, const struct io_done *done);
void sts_on_time(struct sts *s, uint64_t now_us); // call when sts_due_us() has come
uint64_t sts_due_us(const struct sts *s);         // UINT64_MAX: nothing waits

struct sts_answer {
    uint64_t tag;
    bool last;
    const struct sts_policy *policy; // NULL: none is known; valid until the next call
    enum sts_trouble trouble;        // of the last one: why the policy could not be had
    const char *why;                 // of trouble
};
bool sts_next(struct sts *s, struct sts_answer *ret); // false: no more for now

// No fetch begins any more, and those under way end soon.
void sts_stop(struct sts *s);
bool sts_stopped(const struct sts *s);

#endif
