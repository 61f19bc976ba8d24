// engine/policy/turns.h: which class of mail goes next where several wait. Pure.
//
// The most urgent class goes first; but each time that another one is passed over counts, and one
// that was passed over for long enough goes once. So no class waits for ever, whatever comes in
// front of it: while normal mail waits it has one start of TURNS_NORMAL_EVERY, and bulk mail one of
// TURNS_BULK_EVERY, and the most urgent class nearly all.
#ifndef POSTHASTE_POLICY_TURNS_H
#define POSTHASTE_POLICY_TURNS_H

#include "queue/priority.h"

#define TURNS_NORMAL_EVERY 8
#define TURNS_BULK_EVERY 16

// Zeroed: nobody was passed over yet.
struct turns {
    uint8_t passed[PRIORITY_CLASSES]; // starts since it went last, while it waited
};

// `waiting`: a bit for each class that has something to start. PRIORITY_CLASSES: none has.
enum priority_class turns_next(const struct turns *t, uint32_t waiting);
// That class has started one.
void turns_went(struct turns *t, enum priority_class rank, uint32_t waiting);

#endif
