// engine/tls_tally_file.h: where the counts of TLS sessions (queue/tls_tally.h) survive a restart:
// the file `counts` in the folder `tls-report` of the state directory.
//
// Written anew a minute after something was counted, beside the old one, synced and renamed, on a
// thread off the loop; and once more at the end. A crash costs what was counted in that minute.
// Threads: worker 0 while the engine runs; before and after that whoever starts and ends it.
#ifndef POSTHASTE_TLS_TALLY_FILE_H
#define POSTHASTE_TLS_TALLY_FILE_H

#include "engine/base/wheel.h"
#include "engine/io/io.h"
#include "queue/tls_tally.h"

// Blocking. A file that is not ours, or is damaged, is read as far as it can be; false then.
bool tls_tally_file_load(int dir_fd, struct tls_tally *t);
int tls_tally_file_save(int dir_fd, struct tls_tally *t, uint64_t wall_s); // 0 or -errno

struct tls_tally_file {
    struct io *io;
    struct wheel *wheel;
    int dir_fd; // -1: counts end with the process
    struct tls_tally *tally;
    struct wheel_timer timer; // for as long as the worker turns
    bool busy;
    uint64_t saved_changes, wall_s;
    int error; // of the last write
};

// `timer_owner`: as in wheel_timer.owner; token: of the write.
void tls_tally_file_start(struct tls_tally_file *f, struct io *io, struct wheel *wheel, int dir_fd,
                          struct tls_tally *tally, struct io_token token);
void tls_tally_file_on_timer(struct tls_tally_file *f, struct io_token token);
void tls_tally_file_on_done(struct tls_tally_file *f, const struct io_done *done);
static inline bool tls_tally_file_stopped(const struct tls_tally_file *f)
{
    return !f->busy;
}

#endif
