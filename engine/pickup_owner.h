// engine/pickup_owner.h: whose a pickup directory is: one engine's at a time, and while files are
// being taken from it, one journal's.
//
// Owns:         DIR/taken/.lock, which keeps a second engine out; DIR/taken/.journal, which names
//               the journal that knows the messages of the files beside it; and the name of a
//               journal, in the file `identity` of its folder.
// Knows not of: the files themselves.
#ifndef POSTHASTE_PICKUP_OWNER_H
#define POSTHASTE_PICKUP_OWNER_H

#include "engine/refusal.h"

// Takes the directory that is `path` to people for the journal in the folder `journal_fd`; -1:
// there is none, and the directory is nobody's when this engine has ended. Refuses a directory that
// another engine has, or that has files in taken/ whose messages another journal knows: taken up
// with this one, they could be sent twice. Returns a descriptor that holds the lock, or -1.
int pickup_owner_take(int taken_fd, const char *path, int journal_fd, struct refusal *why);

#endif
