// engine/message/author.h: whose message it is: the addresses in its From: field.
//
// Owns:         where in the header section these are looked for, and how far.
// Knows not of: what is done with them.
#ifndef POSTHASTE_MESSAGE_AUTHOR_H
#define POSTHASTE_MESSAGE_AUTHOR_H

#include "engine/base/slice.h"
#include "engine/message/address_list.h"
#include "engine/smtp/address.h"

// A From: field beyond this, or its address, is not found: who asks is on the loop.
#define AUTHOR_HEADER_BYTES_MAX (256 * 1024)
#define AUTHOR_FIELD_BYTES_MAX (16 * 1024)

// Every address that stands in any From: field of the content, one after the other.
struct author_walk {
    struct slice rest; // of the content
    struct slice list; // of the field
    bool is_cut;       // the content goes on behind `rest`
};

enum author_step {
    AUTHOR_ADDRESS, // *ret, as address_list_next() has it
    AUTHOR_UNKNOWN, // an entry that cannot be read, a section without an empty line behind it, or
                    // more than is looked at: nobody can say that these are all
    AUTHOR_END,
};

struct author_walk author_walk(struct slice content);
enum author_step author_next(struct author_walk *w, char text[ADDRESS_LIST_ADDRESS_BYTES_MAX],
                             struct slice *ret);

// Writes the domain of the first address in the first From: field of the content, as lower-case
// A-labels with a NUL behind them, and returns its length. 0: there is none.
size_t author_domain(struct slice content, char out[ADDRESS_DOMAIN_BYTES_MAX + 1]);

#endif
