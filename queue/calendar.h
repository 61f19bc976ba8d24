// queue/calendar.h: jobs that wait at home for a later attempt, by due second.
//
// Shape:   one ring of slots; what is due a lap later stays in its slot. Adding, taking and
//          removing cost the same at any distance, and the next due second is found through a bit
//          for each slot. Lists are linked both ways (job.next, job.prev).
// Threads: one owner, the home.
#ifndef POSTHASTE_QUEUE_CALENDAR_H
#define POSTHASTE_QUEUE_CALENDAR_H

#include <stdint.h>

struct job;

#define CALENDAR_SLOTS 4096u

struct calendar {
    uint32_t now_s; // all slots up to here have been taken
    uint32_t count;
    struct job *overdue;                    // was already due when it came
    uint64_t occupied_words;                // a bit for each word below that is not 0
    uint64_t occupied[CALENDAR_SLOTS / 64]; // a bit for each slot that holds jobs
    struct job *slots[CALENDAR_SLOTS];
};

void calendar_init(struct calendar *c, uint32_t now_s);
void calendar_add(struct calendar *c, struct job *j); // by j->due_s; past ones are due at once
// One that is in it, with the due_s that it came with.
void calendar_remove(struct calendar *c, struct job *j);
// All jobs due by now_s, linked by `next`, by due second; NULL when none.
struct job *calendar_take(struct calendar *c, uint32_t now_s);
// No later than the first due second; UINT32_MAX when empty. May be early by a lap.
uint32_t calendar_next_s(const struct calendar *c);

#endif
