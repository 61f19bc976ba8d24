// engine/rates_file.h: what was counted against rates, and who is to be left alone, survives a
// restart: the folder `rates` in the state directory, two files for each worker, written by turns,
// whole (policy/rate_memory.h).
//
// They are written at the end, and else every RATES_FILE_US while something is counted. So after a
// crash what has begun in the time since then is not counted; and what was counted is never
// forgotten too early otherwise. No delivery waits for a file; one that cannot be written is told
// of once, and tried again. Threads: one for each worker, its own.
#ifndef POSTHASTE_RATES_FILE_H
#define POSTHASTE_RATES_FILE_H

#include "engine/base/buffer.h"
#include "engine/io/io.h"
#include "engine/policy/rate_memory.h"

#define RATES_FOLDER "rates"
#define RATES_FILE_US (UINT64_C(5) * 1000 * 1000)

struct deliver;

// At start, blocking: what all files of the folder remember. Those that are not whole, as a crash
// may leave one, are passed over. NULL without memory.
struct rate_memory *rates_file_load(int folder_fd);

enum rates_step { RATES_RESTS, RATES_OPENS, RATES_WRITES, RATES_SYNCS, RATES_ENDED };

struct rates_file {
    struct io *io;
    int folder_fd; // -1: there is none, and nothing is kept
    uint8_t io_owner;
    enum rates_step step;
    const struct rate_memory *memory; // written again: whom it is about may not have come by yet
    char names[2][32];
    int fds[2];
    uint32_t turn; // which of the two is written next
    struct buffer text;
    size_t written;
    struct iovec piece; // lent to a write
    uint64_t next_us;
    uint64_t count; // of what may have been counted, as it was written
    bool is_last, is_told_of;
};

void rates_file_init(struct rates_file *f, struct io *io, int folder_fd, uint32_t worker,
                     const struct rate_memory *memory, uint8_t io_owner);
void rates_file_release(struct rates_file *f);
// `count`: grows with what is counted. `ending`: nothing will be, any more.
void rates_file_turn(struct rates_file *f, struct deliver *d, uint64_t count, bool ending);
uint64_t rates_file_due_us(const struct rates_file *f, uint64_t count);
bool rates_file_ended(const struct rates_file *f); // the last has been written, or given up
void rates_file_on_done(struct rates_file *f, const struct io_done *done);

#endif
