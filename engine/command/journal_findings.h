// engine/command/journal_findings.h: what the check finds wrong, kept until a segment has been read
// to its end: only then is it known whether a running engine has changed it meanwhile.
//
// Damage is what a sound journal never shows. A remark is harmless, but the engine writes nothing
// of the kind.
#ifndef POSTHASTE_COMMAND_JOURNAL_FINDINGS_H
#define POSTHASTE_COMMAND_JOURNAL_FINDINGS_H

#include "engine/command/journal_line.h"
#include "engine/command/journal_segments.h"

#define JOURNAL_FINDINGS_MAX 1000 // of one segment are printed; the others are counted

struct journal_finding {
    bool is_damage;
    uint8_t type; // of the record; 0: of none
    uint64_t id;  // of the record's message
    uint64_t offset;
    const char *what;
};

struct journal_findings {
    const char *file;
    struct journal_finding list[JOURNAL_FINDINGS_MAX];
    uint64_t damage_count; // of this segment
    uint64_t remark_count;
    uint64_t damage_total; // of all that were printed
    uint64_t remark_total;
    uint32_t count;
};

void journal_findings_begin(struct journal_findings *f, const char *file);
void journal_findings_damage(struct journal_findings *f, uint64_t offset, const char *what);
void journal_findings_remark(struct journal_findings *f, uint64_t offset, const char *what);
// Of the record that the reader stands at.
void journal_findings_damage_of(struct journal_findings *f, const struct journal_reader *r,
                                uint64_t id, const char *what);
// The end of a segment: they hold, or they mean nothing since it changed.
void journal_findings_print(struct journal_findings *f, struct journal_line *l);
void journal_findings_changed(struct journal_findings *f, struct journal_line *l);

// Lines and parts of lines that check and dump share: the first of all, and how a segment ends.
void journal_journal_line(struct journal_line *l, const struct journal_segments *s,
                          const char *path);
// `fault`: journal_segment_fault(), which makes it damaged however its batches end.
void journal_end_line(struct journal_line *l, const struct journal_reader *r,
                      const struct journal_segment *about, const char *fault);
const char *journal_type_print(uint8_t type); // NULL: not known

// On standard error, when that is a terminal and it takes more than a moment.
struct journal_progress {
    uint64_t count;
    uint64_t shown_s; // monotonic; 0: there is nobody to show it to
    bool is_shown;
};

void journal_progress_init(struct journal_progress *p, uint64_t count);
void journal_progress_at(struct journal_progress *p, uint64_t step);
void journal_progress_over(struct journal_progress *p);

#endif
