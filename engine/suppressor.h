// engine/suppressor.h: keeps the list of suppressed addresses: in memory for all workers, on disk.
//
// Owns:    the file, and all changes of the list. Others leave pages (queue/suppression_page.h),
//          or ask for it by suppressor_put().
// On disk: state/suppression/list.NUMBER, of which the highest counts: lines that are only
//          appended (queue/suppression_line.h), many to one write and one sync. Nobody waits for
//          them: what a crash takes is the last milliseconds, and the next bounce brings it again.
//          A sector is the disk's to write whole: the last one is written again with what follows.
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

enum suppressor_state {
    SUPPRESSOR_NEW,
    SUPPRESSOR_OPENING,
    SUPPRESSOR_READING,
    SUPPRESSOR_READY,
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
    bool failing; // told so
    int fd;
    char name[24];
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

#endif
