// engine/recovery_parts.h: the state of a recovery, for the files recovery*.c alone.
#ifndef POSTHASTE_RECOVERY_PARTS_H
#define POSTHASTE_RECOVERY_PARTS_H

#include "engine/recovery.h"

#define RECOVERY_READS_MAX 8u         // at a time, for one segment
#define RECOVERY_READ_FAILURES_MAX 3u // of one request; then the bytes are given up
#define RECOVERY_NO_SEGMENT "is no segment of this version, or its header is damaged"

enum recovery_op { RECOVERY_OP_STEP, RECOVERY_OP_READ };

enum step { STEP_OPEN, STEP_SYNC, STEP_FRONT, STEP_UNLINK, STEP_SYNC_FOLDER, STEP_DONE };

struct found_segment {
    char name[STORAGE_NAME_BYTES];
    uint64_t file_name; // its number
    int fd;
    uint64_t bytes;
    enum scan_kind kind;
    struct scan_front front;
    uint64_t limit; // where another one says that it ends
    uint32_t number;
    uint32_t front_failures;
};

// One of two: while one segment is understood, the next one is being read.
struct load {
    struct found_segment *segment;
    char *bytes;
    uint64_t asked;   // bytes for which a read was asked
    uint64_t arrived; // bytes
    uint32_t reads;   // in flight
    int error;
    uint64_t bad_from; // where the first read failed
    // A short read asks again from here.
    struct {
        uint64_t at, end;
        uint32_t failures;
    } parts[RECOVERY_READS_MAX];
};

struct recovery {
    struct recovery_options o;
    struct recover recover;
    struct slab *homes;
    struct campaigns *campaigns; // of each home
    struct found_segment *segments;
    uint32_t segment_count, segment_room;
    uint32_t next; // of the segments: for this step, or to be loaded
    enum step step;
    int error;
    char error_text[128];
    char *front;
    size_t front_bytes; // of it, that have arrived
    uint32_t fronts_unreadable;
    struct load loads[2];
    uint32_t understood; // of what was loaded
    uint32_t taken;      // segments, by the homes
    struct recovery_report report;
    struct replay replay;
    bool reading; // segments: the replay has begun to gather
};

// recovery.c
void recovery_fail(struct recovery *r, const char *what, const char *name, int error);
void recovery_finish(struct recovery *r);

// recovery_step.c
void recovery_list(struct recovery *r);
void recovery_open_segments(struct recovery *r);  // from r->next on, each; then they are loaded
void recovery_remove_unbegun(struct recovery *r); // from r->next on; then the folder is synced
void recovery_step_done(struct recovery *r, int result);
void recovery_leave_alone(struct recovery *r, const struct found_segment *s, const char *why);

// recovery_load.c
void recovery_load(struct recovery *r); // each, in order, and understands it; then events are told
void recovery_read_done(struct recovery *r, uint32_t index, int result);

// recovery_understand.c
void recovery_understand(struct recovery *r, struct load *l);
// Its front is zeros. Whoever made it was interrupted, if all of it is.
void recovery_check_unbegun(struct recovery *r, const struct load *l);

#endif
