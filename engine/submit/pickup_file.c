// One file: from its name in the directory to its end.
#include "engine/submit/pickup_parts.h"

#include "engine/base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// A fifo does not make us wait, and a link leads nowhere.
#define OPEN_FLAGS (O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY)

struct io_token pickup_file_ask(struct pickup *p, struct pickup_file *f,
                                enum pickup_file_state state)
{
    CHECK(!f->asked);
    f->asked = true;
    f->state = state;
    return (struct io_token){f->index, f->generation, p->o.io_owner, PICKUP_OP_FILE};
}

static int folder_fd_of(struct pickup *p, const struct pickup_file *f)
{
    const struct pickup_place *place = pickup_folder_of(p, f)->place;
    return f->in_taken ? place->taken_fd : place->dir_fd;
}

// --- names

// "TIME-RANDOM-NAME", each of the first two in 16 hexadecimal digits.
static void make_unique(struct pickup *p, const char *name, char to[PICKUP_NAME_BYTES])
{
    snprintf(to, PICKUP_NAME_BYTES, "%016" PRIx64 "-%016" PRIx64 "-%.*s", io_wall_us(p->o.io),
             random_u64(&p->random), NAME_MAX - PICKUP_NOTED_LEN, name);
}

const char *pickup_file_own_name(const struct pickup_file *f)
{
    bool is_unique = f->in_taken && pickup_name_is_unique(f->name);
    return is_unique ? pickup_name_own(f->name) : f->name;
}

// --- birth and death

static void ask_rename(struct pickup *p, struct pickup_file *f)
{
    make_unique(p, f->name, f->to);
    io_rename(p->o.io, folder_fd_of(p, f), f->name, pickup_folder_of(p, f)->place->taken_fd, f->to,
              pickup_file_ask(p, f, PICKUP_FILE_RENAME));
}

static void ask_open(struct pickup *p, struct pickup_file *f)
{
    io_open(p->o.io, folder_fd_of(p, f), f->name, OPEN_FLAGS, 0,
            pickup_file_ask(p, f, PICKUP_FILE_OPEN));
}

void pickup_file_begin(struct pickup *p, struct pickup_file *f, const char *name, bool in_taken)
{
    CHECK(f->state == PICKUP_FILE_FREE && !wheel_armed(&f->timer));
    *f = (struct pickup_file){.place = f->place,
                              .generation = f->generation,
                              .index = f->index,
                              .in_taken = in_taken,
                              .fd = -1,
                              .why_fd = -1,
                              .format = f->format,
                              .chunk = f->chunk,
                              .timer.owner = f->timer.owner};
    snprintf(f->name, sizeof(f->name), "%s", name);
    pickup_window_init(&f->window);
    if (!in_taken)
        io_open(p->o.io, folder_fd_of(p, f), f->name, OPEN_FLAGS, 0,
                pickup_file_ask(p, f, PICKUP_FILE_LOOK));
    else if (pickup_waiting_recall(p, f))
        ask_open(p, f);
    else if (pickup_name_is_unique(name))
        f->state = PICKUP_FILE_UNSYNCED; // its rename may not have reached the disk
    else
        ask_rename(p, f);
}

static void close_fd(struct pickup *p, int *fd)
{
    if (*fd >= 0)
        io_close(p->o.io, *fd);
    *fd = -1;
}

void pickup_file_free(struct pickup *p, struct pickup_file *f)
{
    CHECK(!f->asked && f->state != PICKUP_FILE_FREE);
    close_fd(p, &f->fd);
    close_fd(p, &f->why_fd);
    pickup_file_drop_message(p, f);
    wheel_disarm(p->o.wheel, &f->timer);
    f->news = false;
    f->state = PICKUP_FILE_FREE;
    if (++f->generation == 0)
        f->generation = 1;
    pickup_folder_of(p, f)->file_count--;
}

// Nothing can be done about it for now. It stays where it is.
static void leave_alone(struct pickup *p, struct pickup_file *f, const char *what, int error)
{
    pickup_notice(p, "%s cannot be %s: %s; it is left alone for a while", f->name, what,
                  strerror(-error));
    pickup_folder_leave_alone(p, pickup_folder_of(p, f), f->name);
    pickup_file_free(p, f);
}

// Its name says how far it has come. Where that cannot be, we have to remember it.
static void on_noted(struct pickup *p, struct pickup_file *f)
{
    if (!f->left || p->stopping) {
        pickup_file_free(p, f);
    } else if (f->note_error == 0 || !f->in_taken) {
        leave_alone(p, f, f->left, f->left_error);
    } else {
        pickup_notice(p, "%s cannot be %s: %s; it is tried again in %u seconds", f->name, f->left,
                      strerror(-f->left_error), PICKUP_LEFT_ALONE_US / 1000000);
        f->state = PICKUP_FILE_HALTED;
        f->attempt = 0;
        wheel_arm(p->o.wheel, &f->timer, io_now_us(p->o.io) + PICKUP_LEFT_ALONE_US);
    }
}

void pickup_file_leave(struct pickup *p, struct pickup_file *f, const char *what, int error)
{
    CHECK(f->window.pending == 0);
    f->left = what;
    f->left_error = error;
    f->note_error = 0;
    if (!pickup_note_begin(p, f))
        on_noted(p, f);
}

// --- what it is

enum kind { KIND_FILE, KIND_FOLDER, KIND_OTHER };

struct look {
    enum kind kind;
    uint64_t bytes;
    uint64_t modified_wall_us;
};

// Answers at once, as io_file_of() does.
static int look_at(int fd, struct look *ret)
{
    struct stat file;
    *ret = (struct look){.kind = KIND_OTHER};
    if (fstat(fd, &file) < 0)
        return -errno;
    *ret = (struct look){.kind = S_ISREG(file.st_mode)   ? KIND_FILE
                                 : S_ISDIR(file.st_mode) ? KIND_FOLDER
                                                         : KIND_OTHER,
                         .bytes = (uint64_t)file.st_size,
                         .modified_wall_us = (uint64_t)file.st_mtim.tv_sec * 1000000 +
                                             (uint64_t)file.st_mtim.tv_nsec / 1000};
    return 0;
}

// A time in the future is none: the clock was set back, or the file's was set by hand.
static bool was_modified_within(struct pickup *p, const struct look *l, uint64_t us)
{
    uint64_t now_us = io_wall_us(p->o.io);
    return l->modified_wall_us <= now_us && now_us - l->modified_wall_us < us;
}

// Why it was not opened, as far as that is the file's own fault.
static const char *fault_of_open(int error)
{
    switch (-error) {
    case ELOOP: return "it is a symbolic link";
    case EACCES:
    case EPERM: return "the engine has no permission to read it";
    case ENXIO:
    case ENODEV: return "it is no regular file";
    default: return NULL;
    }
}

static void on_look(struct pickup *p, struct pickup_file *f, int32_t result)
{
    struct pickup_folder *d = pickup_folder_of(p, f);
    struct look l = {.kind = KIND_OTHER};
    const char *fault = result < 0 ? fault_of_open(result) : NULL;
    int error = result < 0 ? result : look_at(result, &l);
    if (result >= 0)
        io_close(p->o.io, result);
    if (p->stopping || (error < 0 && !fault)) {
        if (error != -ENOENT) // no descriptor, no memory
            pickup_folder_look_by(p, d, io_now_us(p->o.io) + PICKUP_QUIET_US);
        pickup_file_free(p, f);
    } else if (error == 0 && l.kind == KIND_FOLDER) { // feeders may write in one
        pickup_folder_leave_alone(p, d, f->name);
        pickup_file_free(p, f);
    } else if (fault || l.kind != KIND_FILE) {
        pickup_file_is_bad(f, 0, "%s", fault ? fault : "it is no regular file");
        pickup_file_reject(p, f);
    } else if (l.bytes == 0 && was_modified_within(p, &l, PICKUP_UNFINISHED_US)) {
        pickup_folder_look_by(p, d, io_now_us(p->o.io) + PICKUP_WAITING_US);
        pickup_file_free(p, f);
    } else if (!f->arrived && was_modified_within(p, &l, PICKUP_QUIET_US)) {
        pickup_folder_look_by(p, d, io_now_us(p->o.io) + PICKUP_QUIET_US);
        pickup_file_free(p, f);
    } else {
        ask_rename(p, f);
    }
}

// --- taking it

static void on_rename(struct pickup *p, struct pickup_file *f, int32_t result)
{
    if (result == 0) {
        memcpy(f->name, f->to, sizeof(f->name));
        f->in_taken = true;
        f->state = PICKUP_FILE_UNSYNCED;
        f->news = p->stopping;
    } else if (result == -ENOENT || p->stopping) {
        pickup_file_free(p, f);
    } else if (result == -EEXIST) {
        ask_rename(p, f);
    } else {
        leave_alone(p, f, "taken", result);
    }
}

void pickup_file_synced(struct pickup *p, struct pickup_file *f)
{
    CHECK(f->state == PICKUP_FILE_SYNCING && f->in_taken);
    pickup_note_recall(f);
    ask_open(p, f);
}

static void read_on(struct pickup *p, struct pickup_file *f)
{
    f->state = PICKUP_FILE_READ;
    if (!pickup_file_parse(p, f))
        io_read(p->o.io, f->fd, f->chunk, PICKUP_CHUNK_BYTES, f->read_offset,
                pickup_file_ask(p, f, PICKUP_FILE_READ));
}

static void halt(struct pickup_file *f)
{
    f->state = PICKUP_FILE_HALTED;
    f->news = true;
}

static bool has_not_changed(const struct pickup_file *f, const struct look *l)
{
    return f->known.hash != 0 && l->bytes == f->known.bytes &&
           l->modified_wall_us == f->known.modified_wall_us;
}

static void ask_flush(struct pickup *p, struct pickup_file *f)
{
    io_sync(p->o.io, f->fd, pickup_file_ask(p, f, PICKUP_FILE_FLUSH));
}

// Once it is ours: what was looked at may have been another file of that name.
static void on_open(struct pickup *p, struct pickup_file *f, int32_t result)
{
    struct look l = {.kind = KIND_OTHER};
    const char *fault = result < 0 ? fault_of_open(result) : NULL;
    f->fd = result < 0 ? -1 : result;
    int error = result < 0 ? result : look_at(result, &l);
    if (!f->chunk)
        f->chunk = malloc(PICKUP_CHUNK_BYTES);
    if (error == -ENOENT) {
        pickup_file_free(p, f); // somebody else has removed it
    } else if (fault || (error == 0 && l.kind != KIND_FILE)) {
        pickup_file_is_bad(f, 0, "%s", fault ? fault : "it is no regular file");
        halt(f);
    } else if (error < 0 || !f->chunk) {
        close_fd(p, &f->fd);
        pickup_file_put_off(p, f);
        halt(f);
    } else if (has_not_changed(f, &l) && was_modified_within(p, &l, PICKUP_UNFINISHED_US)) {
        pickup_waiting_keep(p, f);
    } else {
        ask_flush(p, f);
    }
}

// Says nothing about the file.
static bool is_passing(int32_t error)
{
    return error == -EINTR || error == -EAGAIN || error == -ENOMEM || error == -ENOBUFS;
}

static void on_flush(struct pickup *p, struct pickup_file *f, int32_t result)
{
    bool is_synced = result == 0 || result == -EINVAL || result == -EROFS; // or cannot be
    if (is_synced && !p->stopping) {
        pickup_file_rewind(p, f);
        read_on(p, f);
    } else if (f->window.pending == 0 && !is_passing(result)) {
        f->put_off = true; // if it cannot be left, it is begun again
        pickup_file_leave(p, f, is_synced ? NULL : "synced", result);
    } else {
        f->put_off = false;
        pickup_file_put_off(p, f);
        halt(f);
    }
}

static void on_read(struct pickup *p, struct pickup_file *f, int32_t result)
{
    struct look l = {.kind = KIND_OTHER};
    if (is_passing(result)) {
        pickup_file_put_off(p, f);
        halt(f);
        return;
    }
    if (result < 0) {
        pickup_file_is_bad(f, 0, "it cannot be read: %s", strerror(-result));
        halt(f);
        return;
    }
    f->rest = slice_make(f->chunk, (size_t)result);
    f->read_offset += (uint64_t)result;
    f->at_end = result == 0 || (look_at(f->fd, &l) == 0 && f->read_offset >= l.bytes);
    read_on(p, f);
}

static void on_unlink(struct pickup *p, struct pickup_file *f, int32_t result)
{
    struct pickup_folder *d = pickup_folder_of(p, f);
    if (result < 0 && result != -ENOENT) {
        pickup_file_leave(p, f, "removed", result);
        return;
    }
    p->counters.files++;
    d->unlinked = true;
    pickup_file_free(p, f);
}

// What a request still brings to a file that is given up.
static void drop_answer(struct pickup *p, struct pickup_file *f, int32_t result)
{
    bool brings_fd = f->state == PICKUP_FILE_LOOK || f->state == PICKUP_FILE_OPEN ||
                     f->state == PICKUP_FILE_WHY;
    if (brings_fd && result >= 0)
        io_close(p->o.io, result);
    pickup_file_free(p, f);
}

void pickup_file_on_done(struct pickup *p, struct pickup_file *f, const struct io_done *done)
{
    if (p->abandoned) {
        drop_answer(p, f, done->result);
        return;
    }
    switch (f->state) {
    case PICKUP_FILE_LOOK: on_look(p, f, done->result); return;
    case PICKUP_FILE_RENAME: on_rename(p, f, done->result); return;
    case PICKUP_FILE_OPEN: on_open(p, f, done->result); return;
    case PICKUP_FILE_FLUSH: on_flush(p, f, done->result); return;
    case PICKUP_FILE_READ: on_read(p, f, done->result); return;
    case PICKUP_FILE_UNLINK: on_unlink(p, f, done->result); return;
    case PICKUP_FILE_NOTE:
    case PICKUP_FILE_NOTE_SYNC:
        if (pickup_note_on_done(p, f, done->result))
            on_noted(p, f);
        return;
    case PICKUP_FILE_WHY:
    case PICKUP_FILE_WRITE:
    case PICKUP_FILE_SYNC:
    case PICKUP_FILE_MOVE:
    case PICKUP_FILE_WITHDRAW: pickup_file_reject_on_done(p, f, done->result); return;
    case PICKUP_FILE_FREE:
    case PICKUP_FILE_UNSYNCED:
    case PICKUP_FILE_SYNCING:
    case PICKUP_FILE_HALTED: break;
    }
    CHECK(f->state == PICKUP_FILE_READ); // the others ask for nothing
}

// --- what comes next

void pickup_file_on_timer(struct pickup *p, struct pickup_file *f)
{
    (void)p;
    f->news = true;
}

static void begin_again(struct pickup *p, struct pickup_file *f)
{
    if (f->fd < 0) {
        f->put_off = false;
        ask_open(p, f);
        return;
    }
    ask_flush(p, f); // it may have grown
}

// It ends too early, or cannot be understood.
static void end_badly(struct pickup *p, struct pickup_file *f)
{
    struct look l = {.kind = KIND_OTHER};
    if (f->unfinished && !f->refused && f->fd >= 0 && look_at(f->fd, &l) == 0 &&
        was_modified_within(p, &l, PICKUP_UNFINISHED_US)) {
        f->known.bytes = f->read_offset; // more than that has not been seen
        f->known.modified_wall_us = l.modified_wall_us;
        pickup_waiting_keep(p, f);
        return;
    }
    pickup_file_reject(p, f);
}

static void go_on(struct pickup *p, struct pickup_file *f)
{
    bool all_settled = f->window.pending == 0;
    if (f->put_off && !f->refused) {
        if (p->stopping && all_settled)
            pickup_file_leave(p, f, NULL, 0);
        else if (!p->stopping && !wheel_armed(&f->timer))
            begin_again(p, f);
    } else if (f->refused || f->bad) {
        if (all_settled)
            end_badly(p, f);
    } else if (f->ended) {
        if (all_settled)
            io_unlink(p->o.io, folder_fd_of(p, f), f->name,
                      pickup_file_ask(p, f, PICKUP_FILE_UNLINK));
    } else if (!p->stopping) {
        read_on(p, f);
    } else if (all_settled) {
        pickup_file_leave(p, f, NULL, 0);
    }
}

void pickup_file_turn(struct pickup *p, struct pickup_file *f)
{
    f->news = false;
    if (f->asked || f->state == PICKUP_FILE_SYNCING)
        return;
    if (p->abandoned || (p->stopping && f->state == PICKUP_FILE_UNSYNCED))
        pickup_file_free(p, f);
    else if (f->state == PICKUP_FILE_HALTED)
        go_on(p, f);
}
