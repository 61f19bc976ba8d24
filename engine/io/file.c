// engine/io/file.c: the part of io.h's files that answers at once, by plain system calls.
#include "engine/io/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int io_file_of(struct io *io, int fd, struct io_file *ret_file)
{
    (void)io;
    struct stat file;
    if (fstat(fd, &file) < 0)
        return -errno;
    *ret_file = (struct io_file){.is_regular = S_ISREG(file.st_mode),
                                 .uid = file.st_uid,
                                 .link_count = (uint32_t)file.st_nlink,
                                 .bytes = (uint64_t)file.st_size};
    return 0;
}

void io_forget_cached(struct io *io, int fd)
{
    (void)io;
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); // advice: nothing depends on its success
}

struct io_names {
    DIR *folder;
    int error;
};

// On a descriptor of its own: where the asker's stands in the folder is not touched, and two may
// read the same one.
int io_names_open(struct io *io, int dir_fd, struct io_names **ret_names)
{
    (void)io;
    struct io_names *names = calloc(1, sizeof(*names));
    if (!names)
        return -ENOMEM;
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        names->folder = fdopendir(fd);
    if (!names->folder) {
        int error = -errno;
        if (fd >= 0)
            close(fd);
        free(names);
        return error;
    }
    *ret_names = names;
    return 0;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

const char *io_names_next(struct io_names *names)
{
    const struct dirent *entry;
    do {
        errno = 0;
        entry = readdir(names->folder);
    } while (entry && is_dots(entry->d_name));
    if (!entry)
        names->error = -errno;
    return entry ? entry->d_name : NULL;
}

int io_names_error(const struct io_names *names)
{
    return names->error;
}

void io_names_close(struct io_names *names)
{
    if (!names)
        return;
    closedir(names->folder);
    free(names);
}
