// engine/private_file.h: files with secrets in them: keys, passwords.
//
// Owns:  whose such a file may be, and who may read it.
#ifndef POSTHASTE_PRIVATE_FILE_H
#define POSTHASTE_PRIVATE_FILE_H

#include "engine/refusal.h"

#include <stddef.h>
#include <sys/types.h>

enum private_file {
    PRIVATE_FILE_READ,
    PRIVATE_FILE_MISSING, // it is not there, or cannot be read: *why says how
    PRIVATE_FILE_REFUSED, // others could read or replace it, or it is too long: *why
};

// Reads the file at `path`, up to `room` bytes. It must be root's or `uid`'s, and for its owner
// alone. `what` names the kind of secret, in a complaint: "a private key".
enum private_file private_file_read(const char *path, uid_t uid, const char *what, char *to,
                                    size_t room, size_t *ret_len, struct refusal *why);

#endif
