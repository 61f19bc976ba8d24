// engine/message/author.h: whose message it is: the domain of the address in its From: field.
//
// Owns:         where in the header section that is looked for, and how far.
// Knows not of: what is done with the domain.
#ifndef POSTHASTE_MESSAGE_AUTHOR_H
#define POSTHASTE_MESSAGE_AUTHOR_H

#include "engine/base/slice.h"
#include "engine/message/address_list.h"
#include "engine/smtp/address.h"

// A From: field beyond this, or its address, is not found: who asks is on the loop.
#define AUTHOR_HEADER_BYTES_MAX (256 * 1024)
#define AUTHOR_FIELD_BYTES_MAX (16 * 1024)

// The first address in the first From: field of the content, as address_list_next() has it. Empty:
// there is none.
struct slice author_address(struct slice content, char text[ADDRESS_LIST_ADDRESS_BYTES_MAX]);

// Writes the domain of the first address in the first From: field of the content, as lower-case
// A-labels with a NUL behind them, and returns its length. 0: there is none.
size_t author_domain(struct slice content, char out[ADDRESS_DOMAIN_BYTES_MAX + 1]);

#endif
