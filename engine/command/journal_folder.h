// engine/command/journal_folder.h: a journal's folder as the read-only checker sees it.
//
// Owns:         the folder's descriptor, the names of its segments, and the bytes that were read
//               last. Nothing is written or locked, and no link is followed within the folder.
// Knows not of: what is in a segment.
#ifndef POSTHASTE_COMMAND_JOURNAL_FOLDER_H
#define POSTHASTE_COMMAND_JOURNAL_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum journal_lock { JOURNAL_STOPPED, JOURNAL_RUNNING, JOURNAL_UNKNOWN };

struct journal_folder {
    int fd;
    enum journal_lock lock; // whether an engine holds the state directory's lock
    char **names;           // of the segments, sorted
    uint32_t name_count;
};

// `path`: the journal, or the state directory that it is in. 0; -ENOENT when there is no such
// folder, or no segment in it; or -errno. *f is released by the caller only after 0.
int journal_folder_open(struct journal_folder *f, const char *path);
void journal_folder_release(struct journal_folder *f);

// A descriptor for reading the segment, or -errno; -EINVAL when it is no regular file.
int journal_folder_open_segment(const struct journal_folder *f, const char *name,
                                uint64_t *ret_file_bytes);

#define JOURNAL_WINDOW_BYTES (256u * 1024)

// A window on a file: what lies close together is read once.
struct journal_window {
    int fd; // borrowed
    uint64_t file_bytes;
    uint64_t offset;
    uint32_t len;
    int error; // of the last read that went wrong; 0: the file was shorter
    char bytes[JOURNAL_WINDOW_BYTES];
};

void journal_window_init(struct journal_window *w, int fd, uint64_t file_bytes);
// The bytes there, until the next call; at most JOURNAL_WINDOW_BYTES. NULL: they cannot be read.
const char *journal_window_at(struct journal_window *w, uint64_t offset, size_t len);
// The first offset from `offset` on that is not in a hole of the file.
uint64_t journal_window_skip_hole(const struct journal_window *w, uint64_t offset);

#endif
