// engine/command/event_file.h: the file of the events, line by line, also while the engine writes
// to it and somebody rotates it.
//
// Rotation: the path names another file now (the engine was told by SIGHUP), or the file has become
// shorter (it was copied and cut). Then reading goes on at the new one's beginning.
#ifndef POSTHASTE_COMMAND_EVENT_FILE_H
#define POSTHASTE_COMMAND_EVENT_FILE_H

#include "engine/base/buffer.h"

#define EVENT_LINE_BYTES_MAX (1024u * 1024) // what is longer is left out

struct event_file {
    const char *path; // the caller's
    int fd;
    uint64_t at; // read so far
    struct buffer bytes;
    size_t used; // of these, as lines
    bool skips;  // the rest of a line that was too long
};

// 0 or -errno; then it is as after event_file_close().
int event_file_open(struct event_file *f, const char *path);
void event_file_close(struct event_file *f);
// The next whole line, without its end; good until the next call. 1, 0: there is none yet, -errno.
int event_file_next(struct event_file *f, struct slice *ret_line);
// At the end: does the path name another file, or has this one become shorter?
bool event_file_was_rotated(const struct event_file *f);

#endif
