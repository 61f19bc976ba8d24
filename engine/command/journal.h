// engine/command/journal.h: the subcommands of `posthaste journal`, which read a journal and change
// nothing in it. An independent reading: of the engine's own code for it they share the header of
// the format alone.
//
// Exit codes beside those of command.h: 1 also says that there is damage, or that what was asked
// for is not there or not whole.
#ifndef POSTHASTE_COMMAND_JOURNAL_H
#define POSTHASTE_COMMAND_JOURNAL_H

#include "engine/command/command.h"
#include "engine/command/journal_segments.h"

struct journal_options {
    const char *path; // as it was given
    bool as_json;
    bool verbose;
    bool wants_content;
    bool has_id;
    uint64_t id;
};

// Each releases nothing of the segments, which are open, and prints to standard output.
enum command_exit journal_check(struct journal_segments *s, const struct journal_options *o);
enum command_exit journal_dump(struct journal_segments *s, const struct journal_options *o);
enum command_exit journal_content(struct journal_segments *s, const struct journal_options *o);

#endif
