// engine/lock_file.h: a file whose lock says which process a folder belongs to.
//
// Owns:         the file's contents, the process's number, and what is said to whoever comes
// second. Knows not of: what the folder is for.
#ifndef POSTHASTE_LOCK_FILE_H
#define POSTHASTE_LOCK_FILE_H

#include "engine/refusal.h"

#include <sys/types.h>

// Takes the lock of the file `name` in the folder, which is `path` to people, and makes it when it
// is missing. It must be a file of `uid`'s own, or an empty one that root gives to it. Returns a
// descriptor, which holds the lock until it is closed, at the latest when the process ends; or -1.
int lock_file_take(int dir_fd, const char *path, const char *name, uid_t uid, gid_t gid,
                   struct refusal *why);

#endif
