#include "engine/io/watch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

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

// Copies the names of whole events. -ENOENT: the kernel takes a watch away with its folder, and
// then has nothing more to tell.
static int take_names(const char *events, size_t bytes, char *names, size_t *ret_len)
{
    struct inotify_event event;
    size_t len = 0;
    *ret_len = 0;
    for (size_t at = 0; at + sizeof(event) <= bytes; at += sizeof(event) + event.len) {
        memcpy(&event, events + at, sizeof(event));
        if (event.mask & IN_IGNORED)
            return -ENOENT;
        if (event.len == 0) // IN_Q_OVERFLOW
            return 0;
        const char *name = events + at + sizeof(event);
        len = (size_t)((char *)mempcpy(names + len, name, strlen(name) + 1) - names);
    }
    *ret_len = len;
    return 0;
}

// More than one read brings is too much to name.
int watch_take(int watch_fd, char names[WATCH_NAMES_BYTES], size_t *ret_len)
{
    char events[WATCH_NAMES_BYTES];
    *ret_len = 0;
    for (int reads = 0; reads < READS_MAX; reads++) {
        ssize_t bytes = read(watch_fd, events, sizeof(events));
        if (bytes < 0 && errno == EINTR)
            continue;
        if (bytes < 0)
            return errno == EAGAIN ? 0 : -errno;
        int error = take_names(events, (size_t)bytes, names, ret_len);
        if (error < 0)
            return error;
        if (reads > 0)
            *ret_len = 0;
    }
    return 0;
}
