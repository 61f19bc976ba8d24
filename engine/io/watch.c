#include "engine/io/watch.h"

#include "engine/base/check.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENTS_BYTES 4096
#define READS_MAX 64 // what is left after as many is news again at once

// By the descriptor, not by a name that may mean another folder by now.
static int add_folder(int watch_fd, int dir_fd)
{
    char path[40];
    struct stat folder;
    if (fstat(dir_fd, &folder) < 0)
        return -errno;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", dir_fd);
    if (inotify_add_watch(watch_fd, path, IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR) < 0)
        return -errno;
    return 0;
}

int watch_open(int dir_fd)
{
    int watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch_fd < 0)
        return -errno;
    int error = add_folder(watch_fd, dir_fd);
    if (error) {
        close(watch_fd);
        return error;
    }
    return watch_fd;
}

// The kernel takes a watch away with its folder, and then has nothing more to tell.
static bool tells_of_the_end(const char *events, size_t bytes)
{
    struct inotify_event event;
    for (size_t at = 0; at + sizeof(event) <= bytes; at += sizeof(event) + event.len) {
        memcpy(&event, events + at, sizeof(event));
        if (event.mask & IN_IGNORED)
            return true;
    }
    return false;
}

// Which event it was does not matter, IN_Q_OVERFLOW included: who is told looks into the folder.
int watch_take(int watch_fd)
{
    char events[EVENTS_BYTES];
    for (int reads = 0; reads < READS_MAX; reads++) {
        ssize_t bytes = read(watch_fd, events, sizeof(events));
        if (bytes < 0 && errno == EINTR)
            continue;
        if (bytes < 0)
            return errno == EAGAIN ? 0 : -errno;
        if (tells_of_the_end(events, (size_t)bytes))
            return -ENOENT;
    }
    return 0;
}
