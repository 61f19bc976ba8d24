// engine/storage.h: carries out what a home's journal and segments plan, through io.
//
// Owns:    the requests in flight, and files while they are being made.
// Knows not of: what is written, or why. Which file fails when, and what that means, is the
//          plan's (queue/journal.h, queue/segments.h).
// Threads: one worker's.
#ifndef POSTHASTE_STORAGE_H
#define POSTHASTE_STORAGE_H

#include "engine/io/io.h"
#include "queue/journal.h"

#define STORAGE_NAME_BYTES 48
#define STORAGE_DAMAGED_SUFFIX ".damaged" // of a segment that was set aside

struct storage {
    struct io *io;
    struct journal *journal;
    struct segments *segments; // NULL: the null journal, which needs no storage
    int dir_fd;
    uint8_t io_owner;
    uint32_t ops_in_flight;
    // The segment that is being prepared:
    struct segments_task task;
    uint8_t step; // enum step
    int fd;
    int error; // the first; what follows only cleans up
    uint64_t zeros_written;
    char name[STORAGE_NAME_BYTES];
    char new_name[STORAGE_NAME_BYTES];
    struct iovec *pieces;
    void *block;            // FORMAT_BLOCK_BYTES: a header
    bool full;              // no new mail is taken, and that was told
    uint64_t full_since_us; // when it was
    uint64_t told_batch;    // results of later ones are still needed: nobody was told of them
};

bool storage_init(struct storage *s, struct io *io, struct journal *journal,
                  struct segments *segments, int dir_fd, uint8_t io_owner);
void storage_release(struct storage *s); // nothing is in flight

// Asks for whatever is to be done now. At most one write and one sync of the journal are under way,
// and one step of preparing a segment.
void storage_turn(struct storage *s);
void storage_on_done(struct storage *s, const struct io_done *done);
uint64_t storage_due_us(const struct storage *s); // when a turn is due though nothing happens
bool storage_idle(const struct storage *s);       // nothing is in flight

// The name of a segment's file.
void storage_name(uint64_t name, char text[STORAGE_NAME_BYTES]);

#endif
