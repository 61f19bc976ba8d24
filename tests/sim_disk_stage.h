// tests/sim_disk_stage.h: a process in a simulated world, with two folders, which does one thing
// after the other; for the tests of the disk.
#ifndef POSTHASTE_TESTS_SIM_DISK_STAGE_H
#define POSTHASTE_TESTS_SIM_DISK_STAGE_H

#include "engine/base/check.h"
#include "engine/base/random.h"
#include "tests/sim/world_disk.h"
#include "tests/suite.h"

#include <errno.h>
#include <fcntl.h>

#define SEEDS 200
#define SECTOR 512
#define BLOCK 4096

// For what is looked at many times: says nothing while it holds.
#define PROMISE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            CU_FAIL_FATAL(#condition);                                                             \
    } while (0)

struct stage {
    struct world *world;
    struct io *io;
    int dir, other_dir; // "a" and "b"
    uint32_t asked;
    struct io_done seen[64]; // not asked for yet
    unsigned seen_count;
    char bytes[4][4 * SECTOR]; // lent to writes
    struct iovec pieces[4];
};

void stage_start(struct stage *s, const struct world_options *options);
void stage_end(struct stage *s);
// The process ends by world_power_cut() or world_process_killed(), and another one starts.
void stage_restart(struct stage *s, void (*death)(struct world *w));

struct io_token token(uint32_t index); // not below 400, which next_token() gives
struct io_token next_token(struct stage *s);
// Lets the world go on until there is a completion of `index`.
struct io_done await(struct stage *s, uint32_t index);
int last(struct stage *s); // the result of what next_token() was given to last

// These wait for their results. Writes are of sectors full of the letters.
int open_file(struct stage *s, const char *name, int flags);
int write_at(struct stage *s, int fd, uint64_t offset, const char *letters);
int sync_of(struct stage *s, int fd);
int sync_all(struct stage *s, int fd);
int rename_to(struct stage *s, const char *from, int to_dir, const char *to);
int unlink_of(struct stage *s, const char *name);
// Lends s->bytes[slot] and s->pieces[slot]; does not wait.
void ask_write(struct stage *s, unsigned slot, int fd, uint64_t offset, const char *letters);
// A file with durable sectors of these letters, in folder "a", open for reading and writing.
int durable_file(struct stage *s, const char *name, const char *letters);

// A letter a sector: what it is full of, '?' when it is mixed, '0' for zeros. Valid until the next
// call.
const char *letters_of(struct stage *s, const char *path, enum world_view view);

// A set of words, in order.
#define WORDS_MAX 16
struct words {
    char of[WORDS_MAX][16];
    unsigned count;
};
void add_word(struct words *w, const char *word);
// Adds both to a line.
void join(char *line, size_t line_bytes, const char *separator, const char *word);

#endif
