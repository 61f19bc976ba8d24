// tests/io_folder.h: an asker in a folder of its own, for tests of requests on files.
//
// The folder is inside own_directory(); folder_release() takes it away with all that is in it.
#ifndef POSTHASTE_TESTS_IO_FOLDER_H
#define POSTHASTE_TESTS_IO_FOLDER_H

#include "tests/io_asker.h"

struct folder {
    struct asker *me;
    int fd;
    char path[100];
};

struct folder folder_open(const struct io_options *options);
void folder_release(struct folder *f); // the asker first

// The one completion of a one-shot request; its slot can be used again.
int32_t answer(struct asker *me, uint32_t slot);

// A file with these bytes; its descriptor is for reading and writing.
int file_of(const struct folder *f, const char *name, const char *bytes, size_t len);
void fill(char *bytes, size_t len, unsigned seed);
size_t bytes_in(const struct iovec *pieces, unsigned count);
unsigned descriptors_open(void); // in this process

#endif
