// engine/dkim_keys.h: the files of DKIM keys: read once, by whoever starts the engine, before
// rights are dropped.
//
// Owns:  whose a key's file may be, and who may read it.
#ifndef POSTHASTE_DKIM_KEYS_H
#define POSTHASTE_DKIM_KEYS_H

#include "engine/config.h"
#include "engine/message/dkim_table.h"

#include <sys/types.h>

// Reads the keys of all domains. A file that is not there or cannot be read is told of in the log,
// and leaves its domain incomplete. False, with the reason, when a key is refused: its file is not
// root's or `uid`'s alone, or holds no key that serves. *ret is NULL where no domain is configured.
bool dkim_keys_read(const struct config *c, uid_t uid, struct dkim_table **ret,
                    struct refusal *why);

#endif
