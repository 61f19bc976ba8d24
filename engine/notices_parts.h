// engine/notices_parts.h: what notices.c and notices_build.c share.
#ifndef POSTHASTE_NOTICES_PARTS_H
#define POSTHASTE_NOTICES_PARTS_H

#include "engine/notices.h"

enum notice_built {
    NOTICE_BUILT,     // it is on its way to the journal
    NOTICE_NOT_DUE,   // of what t->told_bytes covers nothing is to be told
    NOTICE_NO_MEMORY, // nothing has changed
};
// Puts the report together and appends it, about as many results as go into one.
enum notice_built notice_build(struct notices *n, struct notice *t, const struct message *original);

#endif
