// tests/sim/engine_survey.h: what the journal's folder holds between two lives of the engine, read
// by the rules of queue/format.h, for the books.
//
// It knows nothing of the engine's recovery, and keeps no more than it needs: for each recipient,
// whether he has a final result, and whether content was about to leave for him. And it sees to it
// that what says of a recipient that he has failed, and the report to his sender, are one batch.
#ifndef POSTHASTE_TESTS_SIM_ENGINE_SURVEY_H
#define POSTHASTE_TESTS_SIM_ENGINE_SURVEY_H

#include "engine/base/slice.h"
#include "tests/sim/world_disk.h"

struct survey_rcpt {
    struct slice address;
    uint32_t job; // of the message
    bool final;
    bool failed;       // that is how
    bool said_failed;  // by the state of a copy
    bool seems_final;  // also when the other view disagrees
    uint32_t doubt;    // the attempt without a result; 0: none
    uint32_t answered; // the highest attempt of which something is known
    uint32_t begun;    // the highest with an ATTEMPT record
};

struct survey_message {
    uint64_t id;
    uint32_t rcpt_count;
    bool is_told; // its sender, of what has failed
    struct survey_rcpt *rcpts;
};

struct survey {
    struct survey_message *messages; // each once, in no order
    uint32_t message_count, message_room;
    uint32_t state_count; // copies of messages that were moved
    uint32_t segment_count;
    struct survey_segment *segments;
    // Of the batch that is being read:
    struct slice *reports; // their records
    struct survey_rcpt **failed;
    uint32_t report_count, failed_count;
    // Whoever had no report in the batch that says that he has failed; or was said to have failed
    // by a copy of his message before, or not to have behind it.
    uint32_t untold_count, early_count, late_count;
    struct slice untold; // the last of any of these
};

void survey_read(struct survey *s, const struct world *w, const char *folder, enum world_view view);
// What is final, or in doubt, must be so in the other one too.
void survey_agree(struct survey *s, const struct survey *other);
void survey_print(const struct survey *s, FILE *to); // a line for each recipient
void survey_release(struct survey *s);

#endif
