// bench/sink/arrival.h: one message while it comes in: who it is for, its Message-ID, and the hash
// of its content without leading trace fields; and, where it is to be kept, the content itself.
//
// Owns:         its buffers and its hash, kept from message to message.
// Knows not of: sockets, ledgers, files.
#ifndef POSTHASTE_BENCH_SINK_ARRIVAL_H
#define POSTHASTE_BENCH_SINK_ARRIVAL_H

#include "engine/base/buffer.h"
#include "engine/tls/digest.h"

#define ARRIVAL_HEADER_BYTES_MAX (256 * 1024) // trace fields and Message-ID are sought up to here
#define ARRIVAL_ID_BYTES_MAX 512
#define ARRIVAL_RCPTS_BYTES_MAX (16 * 1024 * 1024)
#define ARRIVAL_CONTENT_BYTES_MAX (1u << 30)

struct arrival {
    struct arrival *next; // in the worker's row of free ones
    bool keeps_content;
    bool header_ended;
    uint32_t rcpt_count;
    struct buffer sender;
    struct buffer rcpts;  // each with LF behind: no address holds one
    struct buffer header; // what came before the header was complete
    struct buffer content;
    struct sha256 *hash;
    size_t id_len;
    char id[ARRIVAL_ID_BYTES_MAX];
    char hex[SHA256_HEX_BYTES];
};

struct arrival *arrival_new(bool keeps_content); // NULL without memory
void arrival_free(struct arrival *a);

// All that may need memory are false without it (or beyond a limit above): refuse the message.
bool arrival_start(struct arrival *a, struct slice sender);
bool arrival_add_rcpt(struct arrival *a, struct slice address);
bool arrival_add_content(struct arrival *a, struct slice bytes);
// The content is complete: id and hex are set.
void arrival_end(struct arrival *a);

static inline struct slice arrival_id(const struct arrival *a)
{
    return slice_make(a->id, a->id_len);
}
// Takes the next recipient from *rest, which begins as buffer_slice(&a->rcpts).
static inline bool arrival_next_rcpt(struct slice *rest, struct slice *ret_address)
{
    if (rest->len == 0)
        return false;
    *ret_address = slice_cut(rest, '\n');
    return true;
}

#endif
