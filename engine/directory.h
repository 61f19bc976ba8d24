// engine/directory.h: folders that the engine makes for itself.
#ifndef POSTHASTE_DIRECTORY_H
#define POSTHASTE_DIRECTORY_H

#include "engine/refusal.h"

#include <sys/types.h>

// Makes the folder and what is missing above it, owned by uid and gid (root only; else by
// ourselves). The folder has this mode, the ones above it what the umask leaves of it. What exists
// already is left as it is.
bool directory_make(const char *path, mode_t mode, uid_t uid, gid_t gid, struct refusal *why);

// The same for the folder that holds `file_path`.
bool directory_make_for(const char *file_path, mode_t mode, uid_t uid, gid_t gid,
                        struct refusal *why);

// Opens a folder that must be `uid`'s own, and not writable by others; its last component must not
// be a symbolic link. Returns a descriptor, or -1.
int directory_open_own(const char *path, uid_t uid, struct refusal *why);

#endif
