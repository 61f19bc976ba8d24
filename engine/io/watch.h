// engine/io/watch.h: the part of io_watch() that plain system calls do, on an inotify descriptor.
#ifndef POSTHASTE_IO_WATCH_H
#define POSTHASTE_IO_WATCH_H

#include <stddef.h>

// A descriptor that is readable when there is news from this folder; or -errno.
int watch_open(int dir_fd);
#define WATCH_NAMES_BYTES (64 * 1024)

// Takes all news that is there. 0, or -errno: no more will come. *ret_len: how many bytes
// of names, a NUL behind each; 0: look at all.
int watch_take(int watch_fd, char names[WATCH_NAMES_BYTES], size_t *ret_len);

#endif
