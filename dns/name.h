// dns/name.h: domain names as text: which can be names of mail domains and hosts.
#ifndef POSTHASTE_DNS_NAME_H
#define POSTHASTE_DNS_NAME_H

#include "engine/io/address.h"

#define DNS_NAME_BYTES_MAX 253 // as text, without the final dot (RFC 1035 3.1 less two)
#define DNS_LABEL_BYTES_MAX 63

// Letters, digits, hyphens, and the underscore that some hosts have in spite of RFC 952; labels of
// 1 to 63 bytes. Anything else (spaces, control characters, bytes >= 0x80, a backslash) could only
// do harm further on.
bool dns_name_is_host(struct slice name);

// "[127.0.0.1]", "[IPv6:::1]" (RFC 5321 4.1.3): a bracket at the front says that it wants to be
// one.
bool dns_name_is_literal(struct slice name);
bool dns_literal_parse(struct slice name, struct io_address *ret); // port 0

#endif
