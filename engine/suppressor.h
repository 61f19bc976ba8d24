// engine/suppressor.h: keeps the list of suppressed addresses: in memory for all workers, on disk.
//
// Owns:    the file, and all changes of the list. Others leave pages (queue/suppression_page.h),
//          or ask for it by suppressor_put().
// On disk: state/suppression/list.NUMBER, of which the highest counts: lines that are only
//          appended (queue/suppression_line.h), many to one write and one sync. Nobody waits for
//          them: what a crash takes is the last milliseconds, and the next bounce brings it again.
//          A sector is the disk's to write whole: the last one is written again with what follows.
//          When most lines say nothing any more those that do are copied to the next number
//          (suppressor_compact.c).
// Start:   the file is read from the first turn on, a piece a turn. Until suppressor_ready() no
//          mail should be taken.
// Trouble: what could not be written is written again a second later, whole, since nobody knows
//          how much of it is there. Twice does not matter.
// Threads: worker 0.
#ifndef POSTHASTE_SUPPRESSOR_H
#define POSTHASTE_SUPPRESSOR_H

#include "engine/io/io.h"
#include "queue/suppression_page.h"

#define SUPPRESSOR_WAITING_BYTES_MAX (64u * 1024 * 1024)
#define SUPPRESSOR_COMPACT_LINES_MIN 10000u // a file with fewer stays as it is
#define SUPPRESSOR_NAME_BYTES 24u

enum suppressor_state {
    SUPPRESSOR_NEW,
    SUPPRESSOR_OPENING,
    SUPPRESSOR_READING,
    SUPPRESSOR_READY,
};

enum compaction_step {
    COMPACTION_NONE, // there is none
    COMPACTION_CREATE,
    COMPACTION_READ,
    COMPACTION_WRITE,
    COMPACTION_SYNC,
    COMPACTION_RENAME,
};

// A copy of the file, without what says nothing any more.
struct suppressor_compaction {
    uint8_t step; // enum compaction_step
    int fd;       // of the copy; -1: none
    char name[SUPPRESSOR_NAME_BYTES], new_name[SUPPRESSOR_NAME_BYTES + 4];
    uint64_t offset;       // in the file, read so far
    uint64_t filtered_end; // where it ended at first: what stands behind is copied as it is
    uint64_t line_count;   // in the copy
    uint64_t kept_count;   // of these, that were looked at and still count
    struct buffer text;    // read, and not understood yet
    struct buffer out;     // lent to the kernel
    size_t out_bytes;      // of these, written
    uint64_t again_us;     // none before then
    uint64_t lines_min;    // tests have less
};

struct suppressor {
    struct io *io;
    struct suppression *list;
    const struct epochs *epochs;
    int dir_fd; // -1: the list is kept in memory alone
    uint8_t io_owner;
    uint8_t state;  // enum suppressor_state
    bool under_way; // one request of ours
    bool folder_synced;
    bool found;   // the folder has a list
    bool failing; // told so
    int fd;
    char name[SUPPRESSOR_NAME_BYTES];
    char old_name[SUPPRESSOR_NAME_BYTES]; // one that does not count any more; empty: none
    bool ending;                          // nothing is begun that need not be done
    bool compacts_next;                   // it takes turns with writing
    uint64_t line_count;                  // in the file
    struct suppressor_compaction compaction;
    uint64_t offset;       // read so far
    uint64_t bad_count;    // lines that say nothing
    uint64_t lost_count;   // for which there was no room
    struct buffer text;    // read, and not understood yet
    struct buffer lines;   // gather
    struct buffer written; // lent to the kernel, until they are safe
    size_t written_bytes;
    struct suppression_page *early; // came while the file was being read
    uint64_t again_us;              // after a failure; 0: none
    uint64_t put_count;             // lines
    uint64_t begun_count;           // of these, in what is being written
    uint64_t safe_count;            // of these, on stable storage
};

void suppressor_init(struct suppressor *s, struct io *io, struct suppression *list,
                     const struct epochs *epochs, int dir_fd, uint8_t io_owner);
void suppressor_release(struct suppressor *s);

bool suppressor_ready(const struct suppressor *s);

// The list holds it, or does so no longer, from now on. False: no room.
bool suppressor_put(struct suppressor *s, const struct suppression_line *l);
void suppressor_take(struct suppressor *s, struct suppression_page *p); // frees it

void suppressor_on_done(struct suppressor *s, const struct io_done *done);
void suppressor_turn(struct suppressor *s);
uint64_t suppressor_due_us(const struct suppressor *s); // UINT64_MAX: no turn is due; 0: now
bool suppressor_idle(const struct suppressor *s);       // nothing is under way, or waits for it
void suppressor_end(struct suppressor *s); // the engine stops: nothing more is compacted

#endif
