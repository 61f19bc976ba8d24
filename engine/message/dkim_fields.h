// engine/message/dkim_fields.h: which header fields of a message are signed.
//
// Owns:         the list of names, and which fields of a header section it means: all of a name,
//               from the last one up (RFC 6376 5.4.2), and with `over` one more than there are, so
//               that none can be added (8.15).
// Knows not of: canonical forms, keys.
#ifndef POSTHASTE_MESSAGE_DKIM_FIELDS_H
#define POSTHASTE_MESSAGE_DKIM_FIELDS_H

#include "engine/base/slice.h"

#define DKIM_NAMES_MAX 48
#define DKIM_NAME_BYTES_MAX 39
#define DKIM_INSTANCES_MAX 8 // of a name, the last ones: no sound message has more

struct dkim_name {
    char text[DKIM_NAME_BYTES_MAX + 1]; // in lower case
    uint8_t len;
    bool over;
};

struct dkim_names {
    uint32_t count;
    struct dkim_name items[DKIM_NAMES_MAX];
};

// Adds a name, or finds it there; `over` stays once set. False: it is no field's name, or too long,
// or one too many.
bool dkim_names_add(struct dkim_names *names, struct slice name, bool over);

// The fields that the names mean, of `front` and of the header section behind it. The bodies are
// slices of either.
struct dkim_fields {
    uint8_t counts[DKIM_NAMES_MAX];
    bool more[DKIM_NAMES_MAX]; // stand above those: one more in the list would be one of them
    struct slice bodies[DKIM_NAMES_MAX][DKIM_INSTANCES_MAX]; // the last one first
};

void dkim_fields_find(const struct dkim_names *names, struct slice front, struct slice content,
                      struct dkim_fields *ret);

#endif
