// queue/result.h: what became of recipients, on its way from the worker that tried to the home.
//
// Shape: pages of encoded results; one letter a page, and the page goes back to who filled it.
#ifndef POSTHASTE_QUEUE_RESULT_H
#define POSTHASTE_QUEUE_RESULT_H

#include "engine/base/buffer.h"
#include "queue/domain.h"

#define RESULT_PAGE_BYTES (16u * 1024)
#define RESULT_TEXT_BYTES_MAX 512

enum result_kind {
    RESULT_DELIVERED,
    RESULT_DEFERRED,
    RESULT_FAILED,
    RESULT_ATTEMPT,  // content is about to leave for the job's open recipients
    RESULT_JOB_HOME, // nothing but the job comes
    RESULT_DAMAGED,  // its message could not be read from segment `rcpt`
    RESULT_JOB_HELD, // nothing but the job comes: its open recipients were not tried
};

// One recipient's outcome. The slices point into the page.
struct result {
    struct job *job;
    uint32_t rcpt;        // in the message
    uint32_t delay_s;     // RESULT_DEFERRED: until the next attempt
    uint64_t wall_us;     // when
    uint16_t attempt;     // 1: the first
    uint16_t code;        // of the reply; 0: there was none
    uint16_t enhanced[3]; // class, subject, detail; class 0: none
    uint8_t kind;         // enum result_kind
    uint8_t category;     // of a failure or deferral (engine/policy/category.h)
    uint8_t reason;       // of the same (engine/policy/reason.h)
    bool in_doubt;        // the last byte was sent and no reply came: may arrive twice
    bool job_comes_home;  // the last result of this attempt: the job is the home's again
    bool notice;          // its sender may want to be told: see engine/notices.h
    uint16_t tls_version; // as on the wire; 0: in the clear
    uint16_t tls_cipher;
    struct slice host;    // exchanger's name, empty when none was reached
    struct slice address; // its address and port as text
    struct slice text;    // reply, or what went wrong
    struct slice sender;  // where the message was read back; else its home has it
    struct slice recipient;
    struct slice campaign; // empty: none
};

struct result_page {
    struct letter letter;
    struct result_page *next; // the filler's free list
    uint8_t from;             // the worker who fills it
    uint32_t used_bytes;
    uint32_t result_count;
    char bytes[RESULT_PAGE_BYTES];
};

// Appends a copy. False: the page is full.
bool result_page_add(struct result_page *p, const struct result *r);
// Reads the next one; *offset starts at 0. False at the end.
bool result_page_next(const struct result_page *p, uint32_t *offset, struct result *ret);

// The same in a buffer: for who keeps results. False without memory.
bool result_keep(struct buffer *b, const struct result *r);
// Reads the next one of those before `end_bytes`.
bool result_kept_next(const struct buffer *b, size_t end_bytes, size_t *offset, struct result *ret);

#endif
