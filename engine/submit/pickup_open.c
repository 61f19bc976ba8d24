// The folders of a pickup directory, at start.
#include "engine/submit/pickup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIR_MODE 0770   // of a directory that we make: its group feeds it
#define TAKEN_MODE 0700 // mail on its way is nobody else's
#define BAD_MODE 0750

static int open_folder(int at_fd, const char *path, mode_t mode, int flags, int *ret_fd)
{
    bool is_new = mkdirat(at_fd, path, mode) == 0;
    if (!is_new && errno != EEXIST)
        return -errno;
    *ret_fd = openat(at_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
    // The umask is for files of people, not for who may feed an engine.
    return *ret_fd < 0 || (is_new && fchmod(*ret_fd, mode) < 0) ? -errno : 0;
}

int pickup_open(struct pickup_place *place, const char *dir_path)
{
    place->dir_fd = place->taken_fd = place->bad_fd = -1;
    int error = open_folder(AT_FDCWD, dir_path, DIR_MODE, 0, &place->dir_fd);
    if (!error)
        error = open_folder(place->dir_fd, "taken", TAKEN_MODE, O_NOFOLLOW, &place->taken_fd);
    if (!error)
        error = open_folder(place->dir_fd, "bad", BAD_MODE, O_NOFOLLOW, &place->bad_fd);
    // A folder that a power cut could take away would take the files in it with it.
    if (!error && fsync(place->dir_fd) < 0)
        error = -errno;
    if (error)
        pickup_close(place);
    return error;
}

static void close_folder(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void pickup_close(struct pickup_place *place)
{
    close_folder(&place->bad_fd);
    close_folder(&place->taken_fd);
    close_folder(&place->dir_fd);
}
