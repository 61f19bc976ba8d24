// engine/smtp/address.h: mailbox addresses as MAIL and RCPT carry them (RFC 5321 4.1.2, 6531).
//
// Owns:         the grammar of Reverse-path and Forward-path, and the rule that a local part is
//               never touched. Domains are compared in lower case; turning U-labels into A-labels
//               is address_domain_ascii().
//
// Stricter than the RFC: a literal is an IPv4 or IPv6 address (no other tag was ever registered).
// Laxer: "_" may stand where a letter may in a domain, since such hosts exist and resolve.
#ifndef POSTHASTE_SMTP_ADDRESS_H
#define POSTHASTE_SMTP_ADDRESS_H

#include "engine/base/slice.h"

// RFC 5321 4.5.3.1 asks that everyone take a local part of 64 and a domain of 255, and that
// nobody be stricter than he must: VERP and SRS write local parts beyond 64.
#define ADDRESS_BYTES_MAX 320
#define ADDRESS_LOCAL_BYTES_MAX 255
#define ADDRESS_DOMAIN_BYTES_MAX 255
#define ADDRESS_LABEL_BYTES_MAX 63

struct address {
    struct slice text;   // local@domain, without <>, source routes dropped; empty: the null sender
    struct slice local;  // as written, quotes and all
    struct slice domain; // as written; "[127.0.0.1]" for a literal; empty for "postmaster"
    bool needs_smtputf8; // a byte >= 0x80 somewhere
};

enum address_status {
    ADDRESS_OK,
    ADDRESS_BAD_SYNTAX,
    ADDRESS_TOO_LONG,
    ADDRESS_NEEDS_SMTPUTF8, // bytes >= 0x80 while `utf8` was false, or that are not UTF-8
};

// Reads "<...>" at the start of *rest and moves *rest behind it. `null_allowed`: "<>" is fine (a
// reverse-path). "<postmaster>" without domain is fine where null is not. Slices point into *rest.
enum address_status address_parse_path(struct slice *rest, bool null_allowed, bool utf8,
                                       struct address *ret);
// Reads a bare addr-spec ("a@example.org"), the whole slice.
enum address_status address_parse(struct slice text, bool utf8, struct address *ret);

// Writes the domain in lower-case A-label form (libidn2) to `out`, with a NUL behind it, and
// returns its length; 0 when it is no domain name. Address literals come out in lower case, as
// they are. Allocates only where a label is not ASCII.
size_t address_domain_ascii(struct slice domain, char out[ADDRESS_DOMAIN_BYTES_MAX + 1]);

#endif
