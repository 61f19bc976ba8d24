// tests/sim/world_disk.h: the disk of a simulated world: what tests do to it, and ask of it.
//
// There is one disk, with folders of files (paths here are "folder/name"), behind the section on
// files in engine/io/io.h. What its options are is in world.h. It is more pessimistic than ext4.
//
// Bytes. Each file has them twice: cached, which is what io_read() shows, and durable. A write
// changes the cached ones and leaves each sector of 512 bytes that it touches pending: with the
// bytes that it has now, and those that it had between earlier writes. io_sync() makes durable
// what had completed before it was asked (and perhaps what completed meanwhile). A sync that fails
// writes any of the sectors, and forgets that the others were pending: they stay as they are in
// the cache, are lost on the disk, and the next sync says 0. io_forget_cached() reads again from
// the disk each page of 4,096 bytes without pending sectors. Size and allocation become durable
// with a sync, too; until then a power cut may leave any size between the old and the new.
//
// Names. Creating, renaming and unlinking is pending until io_sync_all() of the folder; syncing the
// file does not help. Renaming from one folder to another has two ends: with the new one synced
// and the old one not, a cut may leave both names. Pending operations survive a cut in any
// combination that makes sense for each name.
//
// Requests act when they complete. One whose owner dies has acted wholly, in part or not at all,
// and one that fails with -EIO or -EINTR may have, too; -ECANCELED is one that never began. Any
// other error of a sync is of the kind that loses sectors.
#ifndef POSTHASTE_TESTS_SIM_WORLD_DISK_H
#define POSTHASTE_TESTS_SIM_WORLD_DISK_H

#include "tests/sim/world.h"

// Opens a folder (makes it, durably, when it is new). The descriptor belongs to the process that
// dies in world_process_killed(): open it anew after.
int world_folder(struct world *w, const char *name);

// --- the process ends without a word
//
// Every io dies but those named to world_is_elsewhere(), with its requests and its descriptors:
// connections, listeners, files, folders. Only those of world_open_file() stay open, as the test's.
//
// Owners may be thrown away before or after; what they have lent stays until io_free() or the
// death, whichever is first. An io that is dead takes whatever it is still asked, does nothing, has
// no completions, and waits for its io_free().

// kill -9: what is in the cache stays there.
void world_process_killed(struct world *w);
// Every file and folder goes back to what is durable, and to what dice keep of what is pending.
// Peers see their connections break. Nobody elsewhere may have this disk's files open.
void world_power_cut(struct world *w);
// The owner of this io is another machine, which no kill nor power cut reaches. Say so before it is
// asked anything.
void world_is_elsewhere(struct io *io);

// --- faults by position
//
// Each completion of io_open(), io_read(), io_write(), io_append() (to a file of this disk),
// io_sync(), io_sync_all(), io_allocate(), io_rename() and io_unlink() counts, good or bad.

uint64_t world_file_operation_count(const struct world *w);

// In place of an error: a read or write comes to fewer bytes. Other operations go well.
enum world_short {
    WORLD_SHORT_NOTHING = 1,
    WORLD_SHORT_ONE,
    WORLD_SHORT_HALF,
    WORLD_SHORT_ALL_BUT_ONE,
};
// The nth operation of this world (from 1 on, 0: none), and all after it if `from_then_on`, ends
// with `result`: -errno, or an enum world_short. One such fault at a time; world_heal() ends it.
void world_fail_file_operation(struct world *w, uint64_t nth, int result, bool from_then_on);
uint64_t world_file_failure_count(const struct world *w); // that had come about by position

// --- space

// Beyond it -ENOSPC, for io_allocate(), and for writes that go past what their file has. A write
// that fits in part is short. 0: no limit. world_heal() leaves it as it is.
void world_set_disk_bytes_max(struct world *w, uint64_t bytes);
// In blocks of 4,096 bytes, of files that have a name or are open.
uint64_t world_disk_bytes_used(const struct world *w);

// --- looking, and tampering

enum world_view { WORLD_CACHED, WORLD_DURABLE };

// False: there is no such file in this view.
bool world_disk_size(const struct world *w, const char *path, enum world_view view,
                     uint64_t *ret_bytes);
// Bytes read: fewer than asked at the file's end, 0 when there is no such file.
size_t world_disk_read(const struct world *w, const char *path, enum world_view view,
                       uint64_t offset, void *to, size_t bytes);
// The names in a folder, in no order; NULL: there are not so many.
const char *world_disk_name(const struct world *w, const char *folder, enum world_view view,
                            uint32_t index);

// Somebody else moves a file into the folder, in place of one of that name; all of it is durable.
void world_disk_put(struct world *w, const char *path, struct slice bytes);
// Turns the bits of one byte over, cached, durable and pending. CHECKs that it is there.
void world_flip_file_byte(struct world *w, const char *path, uint64_t offset);

#endif
