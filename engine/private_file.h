// engine/private_file.h: files with secrets in them, or that nobody else may change: keys,
// passwords, certificates, users.
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

struct private_kind {
    const char *what;   // in a complaint: "a private key"
    unsigned forbidden; // bits of its mode
    bool refuses_links; // it must stand at its path itself: a link there may be anybody's next time
};
#define PRIVATE_FOR_OWNER 0077u    // others could use it
#define PRIVATE_FROM_OTHERS 0027u  // they could guess at it; its group may read it
#define PRIVATE_FROM_CHANGES 0022u // it is no secret

// Reads the file at `path`, up to `room` bytes. It must be root's or `uid`'s, with a mode of its
// kind.
enum private_file private_file_read(const char *path, uid_t uid, const struct private_kind *kind,
                                    char *to, size_t room, size_t *ret_len, struct refusal *why);

#endif
