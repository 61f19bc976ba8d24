// tests/journal_stage.h: a journal on a disk in memory, and a ledger of what it promised.
//
// The stage stands where engine/storage.c, the home and the disk stand: it asks for tasks, carries
// them out on files of its own, says how they went, and keeps all promises in mind. What must
// always hold is checked at every step: see the CU_ASSERTs of journal_stage.c and
// journal_stage_disk.c. Faults are for the test to choose: each result is its own.
#ifndef POSTHASTE_TESTS_JOURNAL_STAGE_H
#define POSTHASTE_TESTS_JOURNAL_STAGE_H

#include "engine/base/random.h"
#include "queue/job.h"
#include "queue/journal.h"
#include "queue/recover.h"

#define STAGE_LETTERS_MAX 4096u
#define STAGE_RCPTS_MAX 6u
#define STAGE_FILES_MAX 1024u
#define STAGE_RESULTS_MAX 8192u
#define STAGE_SEGMENT_BYTES (64u * 1024)
#define STAGE_SECTOR_BYTES 512u
#define STAGE_PLENTY (UINT64_C(64) * 1024 * 1024) // of bytes in all segments
#define STAGE_WALL_US UINT64_C(1800000000000000)
#define STAGE_ID_FIRST 1000u // of the first letter; the others count on
#define STAGE_FD_FIRST 50    // of the file of segment 0

// A message, as the test remembers it.
struct stage_letter {
    struct entry *entry;     // NULL: refused, or over
    struct message *message; // in memory: until it is settled
    uint32_t rcpt_count;
    uint32_t content_bytes;
    bool settled, committed, forgotten;
    bool moving;
    uint64_t place_durable;           // committed: where it stands
    uint8_t states[STAGE_RCPTS_MAX];  // enum rcpt_state, as the results said
    uint8_t durable[STAGE_RCPTS_MAX]; // of these, what was on stable storage once
    uint16_t attempt_durable[STAGE_RCPTS_MAX];
};

struct stage_result {
    uint32_t letter, rcpt;
    uint16_t attempt;
    uint8_t kind; // enum result_kind
    uint32_t delay_s;
    uint64_t at_us;
    bool durable;
};

struct stage_file {
    char *now;      // what a reader would see
    char *durable;  // what surely outlives a power cut
    char *covering; // what the sync under way makes durable
    uint64_t bytes;
    uint64_t epoch;
    uint64_t written_end; // of whole writes in this life
    uint64_t covering_end;
    uint64_t durable_end; // of what was synced; never to be written again
    bool sync_failed;
    bool gone;
};

struct stage {
    struct segment_table table;
    struct segments segments;
    struct journal journal;
    struct slab jobs;
    struct block_pool blocks;
    struct stage_file files[STAGE_FILES_MAX];
    uint64_t now_us;
    // Under way.
    bool writing, syncing, sync_linked, sync_parted; // parted: its write was not whole
    struct journal_task write;
    int sync_fd;
    char *flight; // the bytes of the write
    uint64_t flight_bytes;
    struct segments_task task; // SEGMENTS_NOTHING: none
    // The ledger.
    struct stage_letter letters[STAGE_LETTERS_MAX];
    uint32_t letter_count, settled_count;
    struct stage_result results[STAGE_RESULTS_MAX];
    uint32_t result_count;
    uint64_t committed_count, refused_count;
    enum journal_fate fate_last;
    uint64_t write_count, sync_count;
    struct random dice;
};

// A journal of segments of that many bytes with `bytes_max` of them in all. NULL never.
struct stage *stage_new(uint64_t segment_bytes, uint64_t bytes_max);
struct stage *stage_ready(uint64_t segment_bytes); // with plenty of room, and two spares made
void stage_free(struct stage *s);                  // whatever is under way ends with -ECANCELED

// --- what comes in. A letter's number is what it is known by.

uint32_t stage_append(struct stage *s, uint32_t rcpt_count, uint32_t content_bytes);
uint32_t stage_one_committed(struct stage *s); // and nothing under way any more
// Of a committed letter. When each recipient has a final one the letter is forgotten.
void stage_result(struct stage *s, uint32_t letter, uint32_t rcpt, enum result_kind kind,
                  uint32_t delay_s);
void stage_attempt(struct stage *s, uint32_t letter, uint32_t job);
void stage_move(struct stage *s, uint32_t letter); // reads it back, and appends it once more
bool stage_open_rcpt(struct stage *s, uint32_t letter, uint32_t rcpt);
uint64_t stage_id(uint32_t letter);

// --- what is done

void stage_ask(struct stage *s); // carries tasks out until there is none, takes what is settled
// The write under way ends: `result` bytes, or -errno.
void stage_wrote(struct stage *s, int32_t result);
void stage_synced(struct stage *s, int32_t result);
void stage_take_settled(struct stage *s);
// The next segments_task is begun and ended with that result. False: there is none.
bool stage_prepare(struct stage *s, int result);
bool stage_prepare_begin(struct stage *s); // these are its halves
void stage_prepare_end(struct stage *s, int result);

void stage_write_ends(struct stage *s); // well, and what is to be done next is asked
void stage_sync_ends(struct stage *s);
// Ends with good results all that is under way, and goes on until nothing is left to do.
void stage_settle(struct stage *s);

// --- files (journal_stage_disk.c)

struct stage_file *stage_file(struct stage *s, int fd);
struct slice stage_bytes(const struct stage_file *f);
void stage_disk_write(struct stage *s, uint64_t done_bytes); // of the flight
void stage_disk_sync_begins(struct stage_file *f);
void stage_disk_sync_ends(struct stage *s, struct stage_file *f);
void stage_disk_make(struct stage *s, const struct segments_task *t);
void stage_disk_half_empty(struct stage *s, const struct segments_task *t); // written, not synced
void stage_disk_free(struct stage *s);
// Is that message's record in a good batch among the bytes?
bool stage_finds(const char *bytes, uint64_t len, uint64_t epoch, uint64_t offset, uint64_t id);
// An emptied or removed segment must hold nothing that is wanted.
void stage_check_unwanted(struct stage *s, uint32_t number);

// --- after a crash (journal_stage_crash.c)

enum stage_loss {
    LOSE_ALL,  // that was not synced
    LOSE_NONE, // not even what is being written
    LOSE_SOME, // each sector its own way
};
struct stage_images {
    char *bytes[STAGE_FILES_MAX]; // NULL: no such file
    uint64_t len[STAGE_FILES_MAX];
    uint32_t count;
};
struct stage_images *stage_crash(struct stage *s, enum stage_loss loss, struct random *dice);
void stage_images_free(struct stage_images *i);

// What a start finds in these images.
struct stage_found {
    struct domain_table *domains;
    struct segment_table table;
    struct slab jobs;
    struct recover recover;
    uint32_t torn, damaged, segments, unknown;
};
struct stage_found *stage_recover(const struct stage_images *i);
void stage_found_free(struct stage_found *f);
struct entry *stage_found_entry(struct stage_found *f, uint64_t id); // NULL: not queued
// What was promised is there, and nothing else.
void stage_check_found(struct stage *s, struct stage_found *f, const struct stage_images *i);
void stage_check_crash(struct stage *s, enum stage_loss loss, struct random *dice);

#endif
