// engine/deliver/survey.h: which sites have mail waiting, and why it does: for posthaste top. A
// look-up, as explain.h is: what was decided is counted, nothing is decided.
//
// Bounds:  SURVEY_LOOKS_MAX sites a step; the SURVEY_ROWS with the most mail are named.
// Threads: the worker's whose delivery is looked at; a survey goes from one to the next.
#ifndef POSTHASTE_DELIVER_SURVEY_H
#define POSTHASTE_DELIVER_SURVEY_H

#include "engine/policy/reason.h"

#define SURVEY_ROWS 20u
#define SURVEY_LOOKS_MAX 512u
#define SURVEY_NAME_BYTES 256u

struct deliver;

// A site, or what a provider has together.
struct survey_row {
    char name[SURVEY_NAME_BYTES]; // its first host, or its name in the configuration
    uint64_t ready;               // messages that could go
    uint64_t sending;
    uint64_t connection_count, connections_max;
    struct reason reason; // why no more begins
};

struct survey_reason {
    uint64_t sites, ready; // that wait for this
    uint64_t domains;      // whose mail was last deferred for it
};

struct survey {
    uint32_t next; // of this worker's sites
    uint32_t row_count;
    struct survey_row rows[SURVEY_ROWS]; // the most mail first
    struct survey_reason reasons[REASON_COUNT];
};

// The next step. True: this worker's part is done; then the survey may go to another one.
bool deliver_survey(struct deliver *d, struct survey *s);

#endif
