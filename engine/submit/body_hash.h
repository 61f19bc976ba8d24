// engine/submit/body_hash.h: the hash of a message's body while it comes in, where its signature
// will want it, so that signing need not go over the content again.
//
// Owns:  which part of the content that is, and whether anybody will ask for it.
#ifndef POSTHASTE_SUBMIT_BODY_HASH_H
#define POSTHASTE_SUBMIT_BODY_HASH_H

#include "engine/message/dkim_table.h"
#include "engine/message/trace.h"
#include "queue/message.h"

// Zeroed is the start; the hash is kept from message to message.
struct body_hash {
    struct dkim_body *hash;
    bool under_way;
    bool behind_header; // the decision was made
    bool skips_lf;      // of the empty line that ends the header section
};

void body_hash_release(struct body_hash *b);
// Another message begins.
void body_hash_restart(struct body_hash *b);
// `rest`: what header_scan() has left of bytes that are in the message by now. `table` may be NULL.
void body_hash_add(struct body_hash *b, const struct dkim_table *table, const struct message *m,
                   const struct header_scan *header, struct slice rest);
// The content is complete.
void body_hash_end(struct body_hash *b, struct message *m);

#endif
