// engine/submit/body_hash.h: the hash of a message's body while it comes in, where its signature
// will want it, so that signing need not go over the content again.
//
// Owns:  which part of the content that is, and whether anybody will ask for it. A body of a usual
//        size is hashed when all of it is there: it may be one that is known (body_cache.h).
#ifndef POSTHASTE_SUBMIT_BODY_HASH_H
#define POSTHASTE_SUBMIT_BODY_HASH_H

#include "engine/message/dkim_table.h"
#include "engine/message/trace.h"
#include "engine/submit/body_cache.h"
#include "queue/message.h"

// Zeroed is the start; the hash is kept from message to message.
struct body_hash {
    struct dkim_body *hash; // of one that is large
    bool wanted;
    bool under_way;       // it is hashed while it comes in
    bool behind_header;   // the decision was made
    size_t header_bytes;  // what stands in front of the body
    size_t content_bytes; // that have come
};

void body_hash_release(struct body_hash *b);
// Another message begins.
void body_hash_restart(struct body_hash *b);
// `rest`: what header_scan() has left of bytes that are in the message by now. `table` may be NULL.
void body_hash_add(struct body_hash *b, const struct dkim_table *table, const struct message *m,
                   const struct header_scan *header, struct slice rest);
// The content is complete; fields of its header may have been taken out since.
void body_hash_end(struct body_hash *b, struct body_cache *known, struct message *m);

#endif
