// tests/sim/disk.h: what the files of the simulated disk share. Tests read world_disk.h instead.
//
//     image.c       files and their bytes, as they are written and read
//     image_sync.c  which of these bytes reach the disk
//     folder.c      names, and which of them reach the disk
//     files.c       what is asked: io.h's section on files
//     file_ops.c    what it comes to
//     disk.c        the end of the process, space, and what tests ask
#ifndef POSTHASTE_TESTS_SIM_DISK_H
#define POSTHASTE_TESTS_SIM_DISK_H

#include "tests/sim/sim.h"
#include "tests/sim/world_disk.h"

#define SIM_SECTOR_BYTES 512
#define SIM_BLOCK_BYTES 4096
#define SIM_BLOCK_SECTORS (SIM_BLOCK_BYTES / SIM_SECTOR_BYTES)
#define SIM_VERSIONS_MAX 8 // of a sector: when there are more, the oldest reaches the disk
#define SIM_FILE_BYTES_MAX (1ull << 30)
#define SIM_NAME_BYTES_MAX 255

// Bytes that a sector had in the cache after a write.
struct sim_version {
    struct sim_version *older;
    uint64_t serial; // of the write
    char bytes[SIM_SECTOR_BYTES];
};

struct sim_block {
    char cached[SIM_BLOCK_BYTES];
    char durable[SIM_BLOCK_BYTES];
    struct sim_version *pending[SIM_BLOCK_SECTORS]; // newest first
    bool is_dirty;                                  // is in its file's list
    struct sim_block *dirty_next;
};

struct sim_extent {
    uint64_t bytes;
    uint64_t allocated; // at least so many have their blocks
};

struct sim_inode {
    struct sim_inode *next; // in the disk
    uint32_t refs;          // names in both views, pending changes, descriptors
    uint32_t link_count;    // names, as seen now
    uint32_t opened;        // descriptors
    struct sim_extent now, durable;
    bool extent_pending;
    struct sim_block **blocks; // NULL: zeros
    uint32_t block_count;
    struct sim_block *dirty;
};

struct sim_entry {
    char *name;
    struct sim_inode *inode;
};

struct sim_names {
    struct sim_entry *entries;
    uint32_t count, room;
};

struct sim_folder {
    struct sim_folder *next; // in the disk
    uint64_t errors;         // syncs that failed
    char *name;
    struct sim_names now, durable;
};

// An operation on names that is not durable: a name goes (`from`), comes (`to`), or both.
struct sim_change {
    uint64_t serial;
    struct sim_inode *inode;
    struct sim_folder *from, *to; // NULL: there is no such end, or it is durable
    char *from_name, *to_name;
};

struct sim_disk {
    uint64_t serial; // of the last change to bytes or names
    struct sim_inode *inodes;
    struct sim_folder *folders;
    struct sim_change *changes; // oldest first
    uint32_t change_count, change_room;
    struct sim_version *free_versions;
    uint64_t bytes_max; // 0: no limit

    uint64_t operation_count, failure_count;
    uint64_t fail_nth; // 0: none
    int fail_result;
    bool fail_from_then_on;
};

// --- image.c

struct sim_inode *sim_inode_new(struct sim_disk *d); // one reference, the caller's
struct sim_inode *sim_inode_ref(struct sim_inode *inode);
void sim_inode_unref(struct sim_disk *d, struct sim_inode *inode); // frees the last; NULL is fine
uint64_t sim_inode_space(const struct sim_inode *inode);           // bytes in blocks

// All pieces of one write have the same serial.
void sim_image_write(struct sim_disk *d, struct sim_inode *inode, uint64_t offset,
                     struct slice bytes, uint64_t serial);
size_t sim_image_read(const struct sim_inode *inode, enum world_view view, uint64_t offset,
                      char *to, size_t bytes);
void sim_image_allocate(struct sim_inode *inode, uint64_t bytes);
void sim_image_truncate(struct sim_disk *d, struct sim_inode *inode); // to nothing
void sim_image_flip(struct sim_inode *inode, uint64_t offset);
struct sim_version *sim_version_free(struct sim_disk *d, struct sim_version *v); // the older one
void sim_sector_write_back(struct sim_block *b, unsigned sector, const struct sim_version *v);

// --- image_sync.c

// What is as old as `covered` at least reaches the disk, or (fails) some of it does.
void sim_image_sync(struct world *w, struct sim_inode *inode, uint64_t covered, bool fails);
void sim_image_forget(struct sim_inode *inode);
void sim_image_cut(struct world *w, struct sim_inode *inode); // the power is gone

// --- folder.c

struct sim_folder *sim_folder_named(const struct sim_disk *d, const char *name); // NULL: none
struct sim_folder *sim_folder_make(struct sim_disk *d, const char *name);
struct sim_inode *sim_names_find(const struct sim_names *names, const char *name); // NULL: none
// 0 or -errno.
int sim_folder_create(struct sim_disk *d, struct sim_folder *f, const char *name,
                      struct sim_inode **ret);
int sim_folder_rename(struct sim_disk *d, struct sim_folder *from, const char *from_name,
                      struct sim_folder *to, const char *to_name);
int sim_folder_unlink(struct sim_disk *d, struct sim_folder *f, const char *name);
// Durable at once, in place of what had the name.
void sim_folder_put(struct sim_disk *d, struct sim_folder *f, const char *name,
                    struct sim_inode *inode);
void sim_folder_sync(struct world *w, struct sim_folder *f, uint64_t covered, bool fails);
void sim_folders_cut(struct world *w); // the power is gone
void sim_folders_free(struct sim_disk *d);

// --- files.c

// A file came into this folder, or was closed after it had been written there.
void sim_folder_tell(struct world *w, const struct sim_folder *f);

// --- disk.c

// How far a write that ends at `end` may go, for the space there is.
uint64_t sim_disk_fit(const struct world *w, const struct sim_inode *inode, uint64_t end);
bool sim_disk_is_full(const struct world *w);

#endif
