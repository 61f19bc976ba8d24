// queue/message.h: one message in memory: envelope, recipients and content in one block.
//
// Owns:    the layout. All inside is found by offset, since a block may move while it grows:
//
//            struct message | envelope: sender, dsn, texts ..., struct message_rcpt[] |
//            campaign | content
//
//          message_seal_envelope() groups recipients by domain; each group is one job
//          (queue/grouping.h, which also drops duplicates).
// Life:    built by the home, written to the journal, freed as soon as nobody needs the bytes in
//          memory; read back by whoever delivers it (queue/message_record.h).
// Threads: built and freed by one worker. From commit on the bytes are read only; a preface may be
//          added once, by any.
#ifndef POSTHASTE_QUEUE_MESSAGE_H
#define POSTHASTE_QUEUE_MESSAGE_H

#include "queue/block.h"
#include "queue/message_id.h"
#include "queue/priority.h"
#include "queue/recipient.h"

#include <stdatomic.h>

#define MESSAGE_RCPTS_MAX 50000
#define MESSAGE_TRACE_BYTES 1024u // room for what is put in front of the content
// In front of the content once the envelope is sealed: for that, and for the campaign's name.
#define MESSAGE_FRONT_BYTES (MESSAGE_TRACE_BYTES + CAMPAIGN_NAME_BYTES_MAX)
#define MESSAGE_ENVELOPE_BYTES_MAX (128u * 1024 * 1024) // sender and recipients

struct buffer;
struct entry;
struct notice;

// Fields that are sent in front of the content and stand nowhere on disk: a signature. There may be
// none, and that is known.
struct message_preface {
    size_t bytes;
    char text[];
};

struct message {
    size_t block_bytes; // of the block that this stands at the start of
    _Atomic(struct message_preface *) preface;
    struct message *view_of; // NULL, or whose bytes it shows (queue/message_form.h)
    size_t used_bytes;
    uint64_t id;
    uint64_t received_wall_us;
    uint32_t session; // who waits for the commit: the intake's slot and its generation
    uint16_t session_generation;
    uint16_t loan_count; // jobs that use it; kept by whoever has read it back
    bool is_8bit;
    bool smtputf8;
    bool has_dot_lines;
    bool envelope_sealed;
    bool has_body_hash; // not of one that was read back
    bool has_key;
    bool events_only; // no reports to its sender: he reads the events
    bool verp;        // see engine/message/verp.h
    bool is_for_one;  // a form of it (queue/message_form.h), for this recipient alone:
    uint32_t only_rcpt;
    int8_t priority;
    uint8_t campaign_len;          // it stands right in front of the content
    uint8_t key[FORMAT_KEY_BYTES]; // a digest of who submits and of his key
    uint64_t key_content;          // a digest of what came with it
    uint8_t body_hash[32];         // of what is signed of the content
    uint16_t sender_len;
    uint16_t dsn_len;
    uint32_t texts_offset;   // of the recipients, while they are added
    uint32_t rcpts_offset;   // of struct message_rcpt[] in the envelope, once sealed
    uint32_t envelope_bytes; // once sealed
    uint32_t rcpt_count;
    uint32_t job_count; // groups by domain, once sealed
    size_t content_offset;
    size_t content_bytes;
    struct entry *entry;   // once it is complete
    uint64_t arrived_us;   // when its last byte came: monotonic
    uint8_t waiter_slot;   // which of the session's messages it is
    struct handed *handed; // it is a copy that another worker has sent, and waits for
    // The journal's:
    struct message *next_waiting;
    uint64_t batch;
    uint64_t place; // where it stands, or will
    uint8_t fate;   // enum journal_fate
    bool moving;    // from a segment that it shall leave
    // It is a report that its home has made (engine/notices.h), with the records that stand in the
    // same batch: what it tells of.
    struct notice *notice;
    struct buffer *results; // without checksums; NULL: none
    uint32_t result_count;
};

// A message under construction with a sender, or NULL when there is no memory. `size_hint`: of the
// content, 0 when not known. It saves copies, and no more than BLOCK_BYTES_POOLED is set aside for
// it, whatever a client declares. Texts may be as long as their length fields in struct
// message_rcpt can say: the command grammar sees to it.
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
// Puts bytes in front of the content, once: at most MESSAGE_TRACE_BYTES, for which sealing the
// envelope has left room. So fields can be added that depend on what the content turned out to be.
void message_put_in_front(struct message *m, struct slice bytes);

// The name of its campaign, campaign_name_valid(), once the content begins where it shall.
void message_set_campaign(struct message *m, struct slice name);

// Takes bytes out of the content, whole lines of its header section: those in front of them move.
void message_cut(struct message *m, size_t offset, size_t len);
// For taking out many: moves bytes at `from` forward to `to`, over what is to go. Then one
// message_cut() of what is left behind those that were moved.
void message_close_up(struct message *m, size_t to, size_t from, size_t len);

struct slice message_sender(const struct message *m);
struct slice message_dsn(const struct message *m);
struct slice message_content(const struct message *m);
struct slice message_campaign(const struct message *m);            // empty: none
const struct message_rcpt *message_rcpts(const struct message *m); // once sealed
const struct message_rcpt *message_rcpt(const struct message *m, uint32_t rcpt);
const char *message_envelope(const struct message *m);
struct slice message_rcpt_address(const struct message *m, uint32_t rcpt);
struct slice message_rcpt_dsn(const struct message *m, uint32_t rcpt);
struct slice message_rcpt_domain(const struct message *m, uint32_t rcpt);

// From the heap, taken over: it goes with the message. Of several the first stays.
void message_add_preface(struct message *m, struct message_preface *preface);
struct slice message_preface(const struct message *m); // empty: there is none
bool message_has_preface(const struct message *m);

// A copy in a block of this pool; whose jobs it has is not copied, nor its
// preface. NULL without memory.
struct message *message_copy(struct block_pool *p, const struct message *m);

// Messages in order, linked by next_waiting: each is in one list at a time.
struct message_list {
    struct message *first, *last;
};

static inline void message_list_add(struct message_list *l, struct message *m)
{
    m->next_waiting = NULL;
    if (l->last)
        l->last->next_waiting = m;
    else
        l->first = m;
    l->last = m;
}

static inline struct message *message_list_take(struct message_list *l)
{
    struct message *m = l->first;
    if (!m)
        return NULL;
    l->first = m->next_waiting;
    if (!l->first)
        l->last = NULL;
    m->next_waiting = NULL;
    return m;
}

#endif
