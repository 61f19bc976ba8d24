#include "tests/io_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

struct folder folder_open(const struct io_options *options)
{
    struct folder f = {.me = asker_new(options)};
    snprintf(f.path, sizeof(f.path), "%s/folder.XXXXXX", own_directory());
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f.path));
    f.fd = open(f.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CU_ASSERT_TRUE_FATAL(f.fd >= 0);
    return f;
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *where)
{
    (void)s, (void)type, (void)where;
    return remove(path);
}

void folder_release(struct folder *f)
{
    asker_free(f->me);
    close(f->fd);
    CU_ASSERT_EQUAL(nftw(f->path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

int32_t answer(struct asker *me, uint32_t slot)
{
    TURN_UNTIL(me, ended(me, slot));
    CU_ASSERT_EQUAL(me->slots[slot].count, 1);
    int32_t result = me->slots[slot].last;
    forget(me, slot);
    return result;
}

int file_of(const struct folder *f, const char *name, const char *bytes, size_t len)
{
    int fd = openat(f->fd, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, bytes, len), (ssize_t)len);
    return fd;
}

void fill(char *bytes, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)((i * 31 + i / 256 * 7 + seed) % 251);
}

size_t bytes_in(const struct iovec *pieces, unsigned count)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < count; i++)
        bytes += pieces[i].iov_len;
    return bytes;
}

unsigned descriptors_open(void)
{
    DIR *folder = opendir("/proc/self/fd");
    CU_ASSERT_PTR_NOT_NULL_FATAL(folder);
    unsigned count = 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}
