// bench/load/message.h: one message on its way: its addresses, its header, and when what happened.
//
// Each message has its own Message-ID, Date, From, To and Subject; the body is borrowed from
// content.h. Nothing here allocates: a message is a slot whose size is known from the start.
#ifndef POSTHASTE_BENCH_LOAD_MESSAGE_H
#define POSTHASTE_BENCH_LOAD_MESSAGE_H

#include "bench/load/content.h"
#include "bench/load/domains.h"
#include "engine/smtp/client.h"

#define LOAD_RCPTS_MAX SMTP_RCPTS_PER_TRANSACTION_MAX
#define LOAD_NAME_BYTES_MAX 255 // of --helo
#define LOAD_ID_BYTES_MAX (64 + LOAD_NAME_BYTES_MAX)
#define LOAD_HEAD_BYTES_MAX 1536
#define LOAD_PRIORITY_BYTES_MAX 32
#define LOAD_LOCAL_BYTES_MAX 32 // of a recipient: "r18446744073709551615.1000@"

struct load_message {
    struct smtp_transaction transaction;
    uint32_t next; // in the session's row of messages
    uint64_t number;
    uint64_t intended_us; // when it should have started (open loop), else when it did
    uint64_t started_us;
    uint64_t content_us; // its last byte was handed to the kernel; 0: not yet
    uint64_t end_bytes;  // where in the session's stream that byte is; 0: not yet known
    uint64_t size_bytes;
    uint32_t refused_count;
    uint64_t refused[(LOAD_RCPTS_MAX + 63) / 64]; // a bit for each recipient
    uint32_t wishes_bytes;                        // at the front of `head`: see load_message_hash()
    struct slice id;                              // in `head`, or in the file it was made from
    const struct load_file *file;                 // NULL: generated
    char head[LOAD_HEAD_BYTES_MAX];
    // Behind it: the recipients, then the text of their addresses.
};

// What all messages of one worker have in common.
struct load_author {
    const struct load_content *content;
    const struct load_domains *domains;
    struct slice from; // empty: the null sender
    struct slice helo;
    uint32_t rcpt_count;
    struct slice priority;   // what its messages ask for; empty: nothing
    uint32_t campaign_count; // what its messages are part of; 0: nothing
    struct random dice;
    struct sha256 *hash;
    uint64_t date_s;
    char id_start[40]; // of every Message-ID: this run
    char date[40];     // of the second `date_s`
};

// Lends all but `seed` for the author's life. -ENOMEM.
int load_author_init(struct load_author *a, uint64_t seed, uint64_t wall_us);
void load_author_release(struct load_author *a);

// Bytes of a message's slot.
size_t load_message_slot_bytes(const struct load_author *a);

// Writes message `number` into the slot, as transaction `tag`. Numbers are used once in a run.
void load_message_write(struct load_message *m, struct load_author *a, uint64_t number,
                        uint64_t tag, uint64_t wall_us);

static inline bool load_message_refused(const struct load_message *m, uint32_t rcpt)
{
    return m->refused[rcpt / 64] >> (rcpt % 64) & 1;
}
void load_message_refuse(struct load_message *m, uint32_t rcpt);

// The hash of the content without leading trace fields, and without what is for the engine alone,
// which it takes out.
void load_message_hash(const struct load_message *m, struct load_author *a,
                       char ret_hex[SHA256_HEX_BYTES]);

#endif
