// queue/message.h: one accepted message: envelope, recipients and content in one block of memory.
//
// Owns:    the layout. All inside is found by offset, since a block may move while it grows:
//
//            struct message | sender, dsn | recipient texts ... | struct recipient[] | content
//
//          message_seal_envelope() groups recipients by domain; each group is one job
//          (queue/grouping.h, which also drops duplicates).
// States:  a recipient is OPEN, then DELIVERED or FAILED for good; DEFERRED while its job is on its
//          way home with nothing but a later attempt to tell.
// Threads: built and freed by the home. From commit on the bytes are read only, but for
//          recipient.state, which the job's owner of the moment writes.
#ifndef POSTHASTE_QUEUE_MESSAGE_H
#define POSTHASTE_QUEUE_MESSAGE_H

#include "queue/block.h"
#include "queue/message_id.h"
#include "queue/recipient.h"

#define MESSAGE_RCPTS_MAX 50000
#define MESSAGE_FRONT_BYTES 1024u
#define MESSAGE_ENVELOPE_BYTES_MAX (128u * 1024 * 1024) // sender and recipients

struct message {
    uint64_t id;
    uint64_t received_wall_us;
    size_t block_bytes; // of the block that this stands at the start of
    size_t used_bytes;
    uint32_t session; // who waits for the commit: the intake's slot and its generation
    uint16_t session_generation;
    uint16_t home;
    bool is_8bit;
    bool smtputf8;
    bool has_dot_lines;
    bool envelope_sealed;
    uint16_t sender_len;
    uint16_t dsn_len;
    uint32_t texts_offset; // of the recipients
    uint32_t rcpts_offset; // of struct recipient[], once sealed
    uint32_t rcpt_count;
    uint32_t job_count;      // groups by domain, once sealed
    uint32_t job_count_open; // the home's: jobs that are not over
    size_t content_offset;
    size_t content_bytes;
    struct job *job_first;        // the ring of its jobs (job.h)
    struct message *next_waiting; // journal.h
};

// A message under construction with a sender, or NULL when there is no memory. `size_hint`: of the
// content, 0 when not known. It saves copies, and no more than BLOCK_BYTES_POOLED is set aside for
// it, whatever a client declares. Texts may be as long as their length fields in struct recipient
// can say: the command grammar sees to it.
struct message *message_new(struct block_pool *p, struct slice sender, struct slice dsn,
                            size_t size_hint);
void message_free(struct block_pool *p, struct message *m); // NULL is fine

// These may move the message: *m is changed. False: no memory (or one of the limits above), the
// message stays as it was and where *m says.
bool message_add_rcpt(struct block_pool *p, struct message **m, struct slice address,
                      struct slice dsn, struct slice domain);
// No more recipients (there is one at least): groups them by domain, stable otherwise, and begins
// the content. rcpt_count is now without duplicates.
bool message_seal_envelope(struct block_pool *p, struct message **m);
bool message_add_content(struct block_pool *p, struct message **m, struct slice bytes);
// Puts bytes in front of the content, once: at most MESSAGE_FRONT_BYTES, for which sealing the
// envelope has left room. So fields can be added that depend on what the content turned out to be.
void message_put_in_front(struct message *m, struct slice bytes);

struct slice message_sender(const struct message *m);
struct slice message_dsn(const struct message *m);
struct slice message_content(const struct message *m);
struct recipient *message_rcpt(const struct message *m, uint32_t rcpt); // once sealed
struct slice message_rcpt_address(const struct message *m, uint32_t rcpt);
struct slice message_rcpt_dsn(const struct message *m, uint32_t rcpt);
struct slice message_rcpt_domain(const struct message *m, uint32_t rcpt);
// The group that begins at recipient `rcpt`: how many have its domain.
uint32_t message_group_len(const struct message *m, uint32_t rcpt);

#endif
