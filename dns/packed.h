// dns/packed.h: exchangers and addresses in few bytes, for keeping many of them.
//
//   MX:      length (0: none) and canonical name; then preference (2 bytes, high first), length and
//            name of each, one behind the other
//   address: length (4 or 16), bytes; in front of them maybe 0, length, canonical name
//   TLSA, TXT: length (2 bytes, high first), bytes; as dns/response.h has them
#ifndef POSTHASTE_DNS_PACKED_H
#define POSTHASTE_DNS_PACKED_H

#include "dns/response.h"

#define PACKED_BYTES_MAX (1 + DNS_NAME_BYTES_MAX + MX_HOSTS_MAX * (3 + DNS_NAME_BYTES_MAX))

// All: return the bytes written to `out`.
size_t packed_write_mx(struct slice canonical, const struct mx_host *hosts, uint32_t count,
                       char out[PACKED_BYTES_MAX]);
size_t packed_write_ips(const struct dns_ip *ips, uint32_t count, char out[PACKED_BYTES_MAX]);
size_t packed_write_canonical(struct slice name, char out[2 + DNS_NAME_BYTES_MAX]);

// Both: `ret` has room for MX_HOSTS_MAX or DNS_ADDRESSES_MAX; more is left out.
uint32_t packed_read_mx(struct slice packed, struct slice *ret_canonical, struct mx_host *ret);
uint32_t packed_read_addresses(struct slice packed, struct io_address *ret);
// Both, and that canonical name: what is returned points into `packed`.
struct slice packed_read_canonical(struct slice packed); // the first, or empty
uint32_t packed_read_records(struct slice packed, struct slice ret[DNS_RECORDS_KEPT_MAX]);

#endif
