// engine/state_dir.h: the directory that holds the engine's state, and the lock on it.
//
// Owns:         the descriptor of the directory, and the lock that keeps a second engine out of
//               it. The lock ends with the process, however that ends.
// Knows not of: what is kept there.
#ifndef POSTHASTE_STATE_DIR_H
#define POSTHASTE_STATE_DIR_H

#include "engine/refusal.h"

#include <sys/types.h>

struct state_dir {
    int dir_fd;
    int lock_fd;
};

// Makes the directory when it is missing, and takes the lock. It must belong to `uid`, be no
// symbolic link, and not be writable by others. On false *s is as after state_dir_close().
bool state_dir_open(struct state_dir *s, const char *path, uid_t uid, gid_t gid,
                    struct refusal *why);
// A folder in it, of the same owner, made when it is missing; on stable storage, as is the state
// directory itself. Returns a descriptor, or -1.
int state_dir_folder(const struct state_dir *s, const char *path, const char *name, uid_t uid,
                     gid_t gid, struct refusal *why);
void state_dir_close(struct state_dir *s);

#endif
