// engine/privileges.h: from root to a user who may do little.
//
// Call privileges_drop() once all that needs root is open, and before the first thread or ring is
// made: the kernel's workers of a ring keep the rights of the moment in which they start.
#ifndef POSTHASTE_PRIVILEGES_H
#define POSTHASTE_PRIVILEGES_H

#include "engine/refusal.h"

#include <sys/types.h>

struct privileges {
    uid_t uid;
    gid_t gid;
};

// The user that the engine runs as: `user`, or whoever we are when that is empty. False when there
// is none of that name, when it is root, or when only root could become it.
bool privileges_find(const char *user, struct privileges *ret, struct refusal *why);

// Becomes that user for good: root's rights cannot come back, and no program that we might start
// gets more than we have (PR_SET_NO_NEW_PRIVS). For a process that is not root only the latter.
bool privileges_drop(const struct privileges *p, struct refusal *why);

#endif
