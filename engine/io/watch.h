// engine/io/watch.h: the part of io_watch() that plain system calls do, on an inotify descriptor.
#ifndef POSTHASTE_IO_WATCH_H
#define POSTHASTE_IO_WATCH_H

// A descriptor that is readable when there is news from this folder; or -errno.
int watch_open(int dir_fd);
// Takes all news that is there. 0, or -errno: no more will come.
int watch_take(int watch_fd);

#endif
