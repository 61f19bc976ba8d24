// queue/format.h: the journal on disk, version 1. The one file that the engine and the read-only
// checker share.
//
// A journal is a folder of segments, files named "NNNNNNNN.segment", of any size and in any order:
// what is in them counts, not their names. All numbers are little-endian; each struct below is what
// stands in the file, byte for byte.
//
//   segment:  segment_header, zeros up to FORMAT_BLOCK_BYTES | batch | batch | ... | zeros, or what
//             the segment held in an earlier life
//   batch:    starts at a multiple of FORMAT_BLOCK_BYTES and is complete or not there:
//             batch_header | record | record | ... (zeros up to the next block)
//             (one without records only says how far the segment is durable)
//   record:   record_header | payload, zeros up to a multiple of 8
//
// Checksums are CRC-32C (Castagnoli). A batch's covers its header and the headers of all its
// records, one behind the other, its own field counted as 0; a record's covers two u64, the epoch
// and the record's offset in the file, and then the payload without padding. Offsets count from
// the start of the file. So nothing from an earlier life of the file, nor from another place, is
// taken for what should be there.
//
// Epoch:    one for each life of each segment, never 0, given out in increasing order over the
//           whole folder. Segments are not used in that order, but in that of their turns.
// Reading:  a segment's batches are read in order until the first that is not good. Behind it
//           nothing is interpreted, but later batch headers of the same epoch are looked for: if
//           one claims that this place was durable, acknowledged mail is damaged; if none does, the
//           writer had not come further (a torn tail). An OPENS record in another segment may say
//           where a segment ends: it is read no further, and all before that place was durable.
//           (That record counts even if the batch around it is torn: it was true when it was
//           written.)
// Meaning:  segments count in the order of their turns, so that a message comes before what became
//           of it. A recipient's DELIVERED or FAILED is final; of deferrals and attempts the one
//           with the highest attempt number counts. Equal message ids are one message that was
//           moved: the later copy counts, with the STATE behind it; what was said of the earlier
//           one holds.
#ifndef POSTHASTE_QUEUE_FORMAT_H
#define POSTHASTE_QUEUE_FORMAT_H

#include <stdint.h>

#define FORMAT_VERSION 1u
#define FORMAT_BLOCK_BYTES 4096u
#define FORMAT_SEGMENT_MAGIC UINT64_C(0x6c6e726a74736f70) // "postjrnl"
#define FORMAT_BATCH_MAGIC 0x68637462u                    // "btch"
#define FORMAT_SEGMENT_SUFFIX ".segment"
#define FORMAT_SEGMENT_BYTES_MIN (64u * 1024)
#define FORMAT_RECORD_ALIGN 8u
#define FORMAT_RECORDS_MAX (1u << 20) // in one batch

// A file whose first block is zeros, or is no good header, has not begun to be a segment, unless
// there is a good batch behind it: then it is damaged.
struct segment_header {
    uint64_t magic;
    uint32_t version;
    uint32_t checksum; // of this struct, with this field as 0
    uint64_t epoch;
    uint64_t bytes; // of the file
    uint32_t block_bytes;
    uint32_t worker;  // who writes it; for people
    uint64_t wall_us; // when it got this epoch
    uint64_t reserved[2];
};
_Static_assert(sizeof(struct segment_header) == 64, "less than a sector: written whole or not");

struct batch_header {
    uint32_t magic;
    uint32_t checksum;
    uint64_t epoch;
    uint64_t offset;  // of this header
    uint64_t durable; // everything before this offset was known to be on stable storage
    uint64_t bytes;   // from this header to the end of the last record's padding
    uint64_t wall_us;
    uint64_t turn; // of the segment: in this order segments were opened, over the whole folder
    uint32_t record_count;
    uint32_t reserved;
};
_Static_assert(sizeof(struct batch_header) == 64, "as in the file");

enum record_type {
    RECORD_OPENS = 1,   // the first record of a segment's first batch
    RECORD_MESSAGE = 2, // sender, recipients and content: all that was accepted
    RECORD_STATE = 3,   // behind a message that was moved: how far it had come
    RECORD_RESULT = 4,  // of one recipient
    RECORD_ATTEMPT = 5, // content is about to leave: without a result behind it, in doubt
    RECORD_KEY = 6,     // a submission key, remembered beyond its message
};

struct record_header {
    uint32_t bytes; // of the payload, without padding
    uint32_t checksum;
    uint8_t type; // enum record_type
    uint8_t reserved[7];
};
_Static_assert(sizeof(struct record_header) == 16, "as in the file");

// The segment that the same writer filled before this one. epoch 0: none.
struct record_opens {
    uint64_t previous_epoch;
    uint64_t previous_end; // it ends here, whatever stands behind; all before this was durable
};

#define FORMAT_KEY_BYTES 16
#define FORMAT_CAMPAIGN_BYTES_MAX 64 // of its name: printable ASCII, no blank at either end
#define FORMAT_PRIORITY_MIN (-9)     // RFC 6710
#define FORMAT_PRIORITY_MAX 9

enum message_flag {
    MESSAGE_FLAG_8BIT = 1,
    MESSAGE_FLAG_SMTPUTF8 = 2,
    MESSAGE_FLAG_DOT_LINES = 4,    // some line begins with a dot
    MESSAGE_FLAG_KEY = 8,          // it came with a submission key
    MESSAGE_FLAG_EVENTS_ONLY = 16, // its sender has no reports
    MESSAGE_FLAG_VERP = 32,        // its sender's address is sent with each recipient's in it
};

// Behind it: the envelope's `envelope_bytes`, the name of its campaign, then the content, unstuffed
// lines ending in CRLF.
// The envelope holds the sender, its DSN parameters, the texts of the recipients, and at
// `rcpts_offset` in it `rcpt_count` of struct message_rcpt, which ends it. Between them there may
// be bytes that mean nothing.
struct record_message {
    uint64_t id;
    uint64_t received_wall_us;
    uint64_t content_bytes;
    uint32_t envelope_bytes;
    uint32_t rcpts_offset; // a multiple of 4
    uint32_t rcpt_count;
    uint32_t job_count; // groups of recipients with the same domain
    uint16_t sender_bytes;
    uint16_t dsn_bytes;
    uint32_t flags;                // enum message_flag
    uint8_t key[FORMAT_KEY_BYTES]; // MESSAGE_FLAG_KEY: a digest of who gave it and of the key
    uint64_t key_content;          // a digest of what came with it
    uint8_t campaign_bytes;        // 0: of none
    int8_t priority;               // FORMAT_PRIORITY_MIN to _MAX; 0: nobody has said any
    uint8_t reserved[6];
};
_Static_assert(sizeof(struct record_message) == 80, "as in the file");

// One recipient; those of one domain stand together.
struct message_rcpt {
    uint32_t text_offset; // in the envelope: address, DSN parameters and A-label domain
    uint16_t address_bytes;
    uint16_t dsn_bytes;
    uint8_t domain_bytes;
    uint8_t starts_group; // 1: the first with its domain
    uint8_t reserved[2];
};
_Static_assert(sizeof(struct message_rcpt) == 12, "as in the file");

enum rcpt_state {
    RCPT_OPEN = 0,
    RCPT_DELIVERED = 1,
    RCPT_FAILED = 2,
    RCPT_DEFERRED = 3,
    RCPT_FAILING = 4, // in memory alone: it has failed, and who sent it is not told yet: OPEN here
};

// Behind it: `job_count` of struct state_job, in the order of the message's groups, then a byte
// (enum rcpt_state: OPEN, DELIVERED or FAILED) for each recipient.
struct record_state {
    uint64_t id;
    uint32_t job_count;
    uint32_t rcpt_count;
};

struct state_job {
    uint32_t due_wall_s; // of the next attempt; 0: at once
    uint16_t attempt_count;
    uint16_t begun; // 0, or the attempt whose content may be leaving, as RECORD_ATTEMPT says it
};

// Behind it: the exchanger's name, its address, and its reply or what went wrong.
struct record_result {
    uint64_t id;
    uint64_t wall_us; // when
    uint32_t rcpt;    // in the message
    uint32_t due_wall_s;
    uint16_t attempt; // 1: the first
    uint16_t code;    // of the reply; 0: there was none
    uint16_t enhanced[3];
    uint8_t outcome; // enum rcpt_state: DELIVERED, FAILED or DEFERRED
    uint8_t in_doubt;
    uint16_t text_bytes;
    uint8_t host_bytes;
    uint8_t address_bytes;
    uint8_t category; // engine/policy/category.h; 0: none, or an older engine wrote it
    uint8_t reason;   // engine/policy/reason.h; 0: none, or an older engine wrote it
    uint8_t reserved[2];
    uint16_t tls_version; // as on the wire; 0: in the clear, or an older engine wrote it
    uint16_t tls_cipher;
};
_Static_assert(sizeof(struct record_result) == 48, "as in the file");

// The open recipients among these: content is about to leave for them.
struct record_attempt {
    uint64_t id;
    uint64_t wall_us;
    uint32_t rcpt_first;
    uint16_t rcpt_count;
    uint16_t attempt;
};
_Static_assert(sizeof(struct record_attempt) == 24, "as in the file");

struct record_key {
    uint8_t key[FORMAT_KEY_BYTES];
    uint64_t content;
    uint64_t id;
    uint64_t until_wall_us; // then it is forgotten
};
_Static_assert(sizeof(struct record_key) == 40, "as in the file");

// Where the next record of a batch begins, and where a batch may.
static inline uint64_t format_record_padded(uint64_t bytes)
{
    return (bytes + FORMAT_RECORD_ALIGN - 1) & ~(uint64_t)(FORMAT_RECORD_ALIGN - 1);
}

static inline uint64_t format_block_padded(uint64_t bytes)
{
    return (bytes + FORMAT_BLOCK_BYTES - 1) & ~(uint64_t)(FORMAT_BLOCK_BYTES - 1);
}

#endif
