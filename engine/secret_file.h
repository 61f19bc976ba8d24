// engine/secret_file.h: a file that not everybody may read or write, read whole.
//
// Owns:  whose it may be, and what its mode may allow.
#ifndef POSTHASTE_SECRET_FILE_H
#define POSTHASTE_SECRET_FILE_H

#include "engine/base/buffer.h"
#include "engine/refusal.h"

#include <sys/types.h>

// Appends the file to `ret`, up to its limit. Refused, with the reason, unless it is a file of
// root's or of `uid`'s whose mode has none of the bits `forbidden`.
bool secret_file_read(const char *path, uid_t uid, unsigned forbidden, struct buffer *ret,
                      struct refusal *why);

#endif
