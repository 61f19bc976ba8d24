// dns/sts_policy.h: MTA-STS (RFC 8461) as data: the record that says that there is a policy, and
// the policy itself. Pure.
//
// Owns:         both grammars, and which hosts a policy allows.
// Knows not of: how either is fetched, or for how long it is kept.
// Every byte is hostile: what does not follow the grammar is no policy.
#ifndef POSTHASTE_DNS_STS_POLICY_H
#define POSTHASTE_DNS_STS_POLICY_H

#include "engine/base/buffer.h"

#define STS_ID_BYTES_MAX 32                  // RFC 8461 3.1
#define STS_TEXT_BYTES_MAX (64 * 1024)       // a policy as it is fetched (RFC 8461 3.3)
#define STS_MX_COUNT_MAX 128                 // patterns in one
#define STS_MX_BYTES_MAX (8 * 1024)          // of all of them
#define STS_MAX_AGE_S_MAX UINT32_C(31557600) // a year (RFC 8461 3.2)

enum sts_mode { STS_NONE, STS_TESTING, STS_ENFORCE };
const char *sts_mode_word(enum sts_mode m); // as in a policy

struct sts_policy {
    enum sts_mode mode;
    uint32_t max_age_s;
    uint16_t mx_count;
    uint16_t mx_bytes;
    char mx[STS_MX_BYTES_MAX]; // each with a NUL behind it: "mx.example.net", "*.example.net"
};

// False, with a constant reason: it is none.
bool sts_policy_parse(struct slice text, struct sts_policy *ret, const char **ret_why);
// As a file has it, so that sts_policy_parse() reads the same. False when `out` is full.
bool sts_policy_print(const struct sts_policy *p, struct buffer *out);
// The next pattern behind *at, which begins at 0; empty: no more.
struct slice sts_policy_next_mx(const struct sts_policy *p, size_t *at);
// May mail go to this host (lower case, no final dot)? A star stands for one label (RFC 8461 4.1).
bool sts_policy_allows(const struct sts_policy *p, struct slice host);

// The TXT records of _mta-sts.DOMAIN, as they stand in the DNS. True when exactly one of them says
// "v=STSv1", and has an id: the others are not about this (RFC 8461 3.1).
bool sts_record_find(const struct slice *records, uint32_t count,
                     char ret_id[STS_ID_BYTES_MAX + 1]);

#endif
