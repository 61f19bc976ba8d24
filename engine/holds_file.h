// engine/holds_file.h: where standing holds survive a restart: the file `holds` in the state
// directory, a line of words for each change, "hold domain=example.org" or "release ...". Reroutes
// stand there, too: "reroute domain=example.org via=relay", and without "via" when it is over.
//
// At start it is read, and written anew with what is in force. Then lines are appended and synced,
// one change at a time, until the file is as long as may be read at the next start. What was not
// acknowledged does not count then: a line that could not be written whole, and one that could not
// be synced, behind which a line "undone" is written. Threads: worker 0, once it is open.
#ifndef POSTHASTE_HOLDS_FILE_H
#define POSTHASTE_HOLDS_FILE_H

#include "engine/io/io.h"
#include "engine/policy/holds.h"
#include "engine/refusal.h"
#include "engine/reroutes.h"

#include <sys/types.h>

#define HOLDS_FILE_BYTES_MAX (16u * 1024 * 1024)

// At start, blocking. Returns a descriptor to append to, or -1; *ret_holds is the caller's, or NULL
// when there are none; *reroutes (zeroed) likewise. `path`: of the state directory, for people.
int holds_file_open(int state_fd, const char *path, uid_t uid, gid_t gid, struct holds **ret_holds,
                    struct reroutes *reroutes, struct refusal *why);

struct holds_file {
    struct io *io;
    int fd; // -1: holds are kept in memory alone
    uint8_t io_owner;
    bool busy;
    bool torn;      // the last line may lack its end
    uint64_t bytes; // in the file
    int error;      // of the last change
    struct buffer line;
    size_t written;
};

void holds_file_init(struct holds_file *f, struct io *io, int fd, uint8_t io_owner);
void holds_file_release(struct holds_file *f);
// Begins to write "WORD SELECTOR"; over when `busy` is false, with `error`.
void holds_file_append(struct holds_file *f, const char *word, const struct selector *s);
void holds_file_append_reroute(struct holds_file *f, const char *domain, const char *via);
void holds_file_on_done(struct holds_file *f, const struct io_done *done);

#endif
