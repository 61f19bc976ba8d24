// Which segments there are. Each is opened, synced, and its front is read; in the end those that
// were never begun are removed.

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/recovery_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- the list

static bool is_numbered(const char *name, const char *suffix, uint64_t *ret)
{
    char *end;
    if (name[0] < '0' || name[0] > '9' || strlen(name) >= STORAGE_NAME_BYTES)
        return false;
    errno = 0;
    *ret = strtoull(name, &end, 10);
    return errno == 0 && strcmp(end, suffix) == 0;
}

static bool add_name(struct recovery *r, const char *name, uint64_t number)
{
    if (r->segment_count == r->segment_room) {
        uint32_t room = r->segment_room * 2;
        struct found_segment *more = realloc(r->segments, room * sizeof(*more));
        if (!more)
            return false;
        r->segments = more;
        r->segment_room = room;
    }
    struct found_segment *s = &r->segments[r->segment_count++];
    *s = (struct found_segment){.fd = -1, .file_name = number, .limit = UINT64_MAX};
    memcpy(s->name, name, strlen(name) + 1); // is_numbered() has measured it
    return true;
}

void recovery_list(struct recovery *r)
{
    struct io_names *names;
    const char *name;
    uint64_t number, last = 0;
    int error = io_names_open(r->o.io, r->o.dir_fd, &names);
    if (error < 0) {
        recovery_fail(r, "list", "its folder", error);
        return;
    }
    while (!r->error && (name = io_names_next(names))) {
        bool segment = is_numbered(name, FORMAT_SEGMENT_SUFFIX, &number);
        // A new one may have to be set aside, too: then its name must be free.
        if (!segment && !is_numbered(name, STORAGE_DAMAGED_SUFFIX, &number))
            continue;
        if (number > last)
            last = number;
        if (!segment)
            continue;
        if (r->segment_count == SEGMENTS_FOUND_MAX + 64 || !add_name(r, name, number))
            recovery_fail(r, "take in", name, -ENOMEM);
    }
    if (io_names_error(names) < 0)
        recovery_fail(r, "list", "its folder", io_names_error(names));
    io_names_close(names);
    atomic_store(&r->o.table->name, last);
}

// --- what is asked for

static struct io_token step_token(const struct recovery *r)
{
    return (struct io_token){.owner = r->o.io_owner, .op = RECOVERY_OP_STEP};
}

static void ask_step(struct recovery *r, enum step step)
{
    struct found_segment *s = &r->segments[r->next];
    r->step = step;
    switch (step) {
    case STEP_OPEN:
        io_open(r->o.io, r->o.dir_fd, s->name, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0, step_token(r));
        break;
    case STEP_SYNC: io_sync(r->o.io, s->fd, step_token(r)); break;
    case STEP_FRONT:
        io_read(r->o.io, s->fd, r->front + r->front_bytes, SCAN_FRONT_BYTES - r->front_bytes,
                r->front_bytes, step_token(r));
        break;
    case STEP_UNLINK: io_unlink(r->o.io, r->o.dir_fd, s->name, step_token(r)); break;
    case STEP_SYNC_FOLDER: io_sync_all(r->o.io, r->o.dir_fd, step_token(r)); break;
    case STEP_DONE: break;
    }
}

void recovery_open_segments(struct recovery *r)
{
    bool at_end = r->next == r->segment_count;
    if (at_end && r->next > 0 && r->fronts_unreadable == r->next) // it is the disk, not a sector
        recovery_fail(r, "read", "any segment", -EIO);
    if (r->error)
        recovery_finish(r);
    else if (r->next < r->segment_count)
        ask_step(r, STEP_OPEN);
    else
        recovery_load(r);
}

void recovery_remove_unbegun(struct recovery *r)
{
    while (r->next < r->segment_count && r->segments[r->next].kind != SCAN_UNBEGUN)
        r->next++;
    if (r->next == r->segment_count) {
        ask_step(r, STEP_SYNC_FOLDER);
        return;
    }
    io_close(r->o.io, r->segments[r->next].fd);
    ask_step(r, STEP_UNLINK);
}

// --- what has come of it

static void opened(struct recovery *r, struct found_segment *s)
{
    struct io_file about;
    int error = io_file_of(r->o.io, s->fd, &about);
    if (error < 0 || !about.is_regular) {
        recovery_fail(r, "use", s->name, error < 0 ? error : -EINVAL);
        recovery_finish(r);
        return;
    }
    s->bytes = about.bytes;
    ask_step(r, STEP_SYNC);
}

void recovery_leave_alone(struct recovery *r, const struct found_segment *s, const char *why)
{
    r->report.unknown++;
    log_line(LOG_LEVEL_ERROR,
             "journal: %s %s; it is left as it is (posthaste journal dump shows what can be read)",
             s->name, why);
    io_close(r->o.io, s->fd);
}

static void front_arrived(struct recovery *r, struct found_segment *s, size_t bytes)
{
    s->kind = scan_front(slice_make(r->front, bytes), &s->front);
    if (s->kind == SCAN_UNKNOWN)
        recovery_leave_alone(r, s, RECOVERY_NO_SEGMENT);
    // A segment has its whole length before its first record. A crash leaves less before that, at
    // once or, where blocks cannot be set aside, while zeros are written; so does who cuts it.
    if (s->kind == SCAN_UNBEGUN && s->bytes < FORMAT_SEGMENT_BYTES_MIN)
        log_line(
            LOG_LEVEL_WARNING,
            "journal: %s is empty (%llu bytes), and is removed: a crash came while it was made, "
            "or something other than the engine has cut it, and mail with it",
            s->name, (unsigned long long)s->bytes);
    if (s->kind != SCAN_UNKNOWN && s->front.header.epoch >> 32 > atomic_load(&r->o.table->epoch))
        atomic_store(&r->o.table->epoch, s->front.header.epoch >> 32);
    r->next++;
    recovery_open_segments(r);
}

// A segment whose beginning cannot be read is not one that was never begun. The others are served.
static void front_failed(struct recovery *r, struct found_segment *s, int error)
{
    char why[128];
    if (++s->front_failures < RECOVERY_READ_FAILURES_MAX) {
        ask_step(r, STEP_FRONT);
        return;
    }
    snprintf(why, sizeof(why), "cannot be read at its beginning: %s", strerrordesc_np(-error));
    r->fronts_unreadable++;
    s->kind = SCAN_UNKNOWN;
    recovery_leave_alone(r, s, why);
    r->next++;
    recovery_open_segments(r);
}

static void front_read(struct recovery *r, struct found_segment *s, int result)
{
    size_t wanted = s->bytes < SCAN_FRONT_BYTES ? (size_t)s->bytes : SCAN_FRONT_BYTES;
    r->front_bytes += result > 0 ? (size_t)result : 0;
    if (result < 0 || (result == 0 && r->front_bytes < wanted)) {
        front_failed(r, s, result < 0 ? result : -EIO);
    } else if (r->front_bytes < wanted) {
        ask_step(r, STEP_FRONT);
    } else {
        front_arrived(r, s, r->front_bytes);
    }
}

void recovery_step_done(struct recovery *r, int result)
{
    struct found_segment *s = &r->segments[r->next];
    bool again = result == -EINTR || result == -EAGAIN;
    if (again && r->step != STEP_SYNC && r->step != STEP_SYNC_FOLDER) {
        ask_step(r, r->step);
        return;
    }
    switch (r->step) {
    case STEP_OPEN:
        if (result < 0) {
            recovery_fail(r, "open", s->name, result);
            recovery_finish(r);
            return;
        }
        s->fd = result;
        opened(r, s);
        return;
    case STEP_SYNC:
        if (result < 0) {
            recovery_fail(r, "sync", s->name, result);
            recovery_finish(r);
            return;
        }
        io_forget_cached(r->o.io, s->fd);
        r->front_bytes = 0;
        ask_step(r, STEP_FRONT);
        return;
    case STEP_FRONT: front_read(r, s, result); return;
    case STEP_UNLINK:
        r->report.removed += result >= 0;
        r->next++;
        recovery_remove_unbegun(r);
        return;
    case STEP_SYNC_FOLDER:
        if (result < 0)
            recovery_fail(r, "sync", "its folder", result);
        recovery_finish(r);
        return;
    case STEP_DONE: CHECK(false);
    }
}
