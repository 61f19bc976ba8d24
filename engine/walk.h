// engine/walk.h: an order goes through the jobs of a home, some hundred a turn, and does something
// with those that its selector fits.
//
// Messages that are not in memory are read back where the selector asks for sender or recipient, or
//          whoever walks does. Jobs that are out are called back first, where they are to be
//          changed.
// Threads: the home's, while the order is there.
#ifndef POSTHASTE_WALK_H
#define POSTHASTE_WALK_H

#include "engine/order_place.h"
#include "queue/recall.h"

#define WALK_LOOKS_MAX 128u           // jobs looked at in one turn: a small part of what it does
#define WALK_JOBS_MAX RECALL_JOBS_MAX // taken up together

struct walked {
    struct job *job;
    const struct message *message; // NULL: not in memory, and not read back
    struct selector_job facts;
};

struct walk_pin {
    struct job *job;
    struct peek *peek; // NULL: it is in memory, or was not asked for
    bool recalled;     // it was ready, and was called back for this
};

struct walk {
    bool reads;    // the messages are wanted
    bool recalls;  // jobs that are ready are to come home first
    bool keeps;    // what was called back stays: else it goes out again, if anything of it is left
    bool finishes; // though nobody listens any more: else what it has begun would stay half done
    bool enough;   // set by who walks: it ends here
    void (*act)(struct order_place *p, struct order *o, const struct walked *job);
    uint64_t unread_count; // that could not be read back, though the selector asks for it

    // Of the home that is visited:
    uint32_t job_next;
    uint32_t pin_first, pin_count; // taken up, those in front of pin_first are done with
    bool recalled;                 // was asked for
    uint32_t recall_count;         // of these
    struct walk_pin pins[WALK_JOBS_MAX];
    struct recall recalls_out[]; // one a worker
};

// On the heap, for free(). NULL without memory.
struct walk *walk_new(uint32_t worker_count);
// Once a turn, until it says ORDER_OVER: that home has been gone through.
enum order_step walk_visit(struct order_place *p, struct order *o, struct walk *w);
void walk_on_recall_back(struct letter *l);

// Which recipients of a job are meant, of those that are open. Without a message: all.
bool walk_fits_rcpt(const struct selector *s, const struct message *m, uint32_t rcpt);

#endif
