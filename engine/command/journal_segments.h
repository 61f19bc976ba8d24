// engine/command/journal_segments.h: the segments of a journal and what they say of one another:
// the first look at all of them, before any is read.
#ifndef POSTHASTE_COMMAND_JOURNAL_SEGMENTS_H
#define POSTHASTE_COMMAND_JOURNAL_SEGMENTS_H

#include "engine/command/journal_reader.h"

struct journal_segment {
    const char *name; // the folder's
    uint64_t epoch;   // 0: no good header
    uint64_t turn;    // of its first batch
    bool has_turn;    // that batch is good
    uint64_t previous_epoch;
    uint64_t previous_end;
    uint64_t seal; // where another segment's OPENS ends this one; 0: none does
    uint64_t sealed_by;
    const char *fault; // what is wrong with it beside others; NULL: nothing
};

struct journal_segments {
    struct journal_folder folder;
    struct journal_reader *reader;
    struct journal_segment *list; // in the order of their turns, those without one first
    uint32_t count;
    int fd; // of the segment that is being read; -1: none
};

// 0; -ENOENT when there is no journal; or -errno.
int journal_segments_open(struct journal_segments *s, const char *path);
void journal_segments_release(struct journal_segments *s);

// Lets the reader begin with a segment. 0; -ESTALE when a running engine has begun to use it anew
// since the first look, so that its place among the others is not known; or -errno. Then there is
// nothing to read, or to close.
int journal_segments_begin(struct journal_segments *s, uint32_t segment);
void journal_segments_end(struct journal_segments *s);
// Whether the segment that is being read is no longer the one that it was: its file has another
// epoch, another size, or is gone. Only a running engine does that.
bool journal_segments_changed(const struct journal_segments *s);

// What is wrong with a segment as a whole, which the reader has read: its size, or what it and
// others say of one another. NULL: nothing.
const char *journal_segment_fault(const struct journal_segment *about,
                                  const struct journal_reader *r);
const char *journal_end_print(enum journal_end end);

#endif
