// One directory: what the news says, what there is to take, and syncs that serve many files.
#include "engine/submit/pickup_parts.h"

#include "engine/base/check.h"

#include <errno.h>
#include <string.h>

static struct io_token token_of(const struct pickup *p, const struct pickup_folder *d,
                                enum pickup_op op)
{
    return (struct io_token){d->index, 0, p->o.io_owner, (uint8_t)op};
}

static struct pickup_file *first_file(struct pickup *p, const struct pickup_folder *d)
{
    return &p->files[(size_t)d->index * PICKUP_FILES_MAX];
}

// --- names

uint64_t pickup_name_hash(const struct pickup *p, const char *name)
{
    return slice_hash(slice_of_text(name), p->hash_seed) | 1; // 0: no name
}

static bool names_have(const struct pickup_names *n, uint64_t hash)
{
    return n->hashes[hash / 2 % PICKUP_NAMES_KNOWN] == hash;
}

static void names_add(struct pickup_names *n, uint64_t hash)
{
    n->hashes[hash / 2 % PICKUP_NAMES_KNOWN] = hash;
}

static void names_remove(struct pickup_names *n, uint64_t hash)
{
    if (names_have(n, hash))
        names_add(n, 0);
}

void pickup_folder_leave_alone(struct pickup *p, struct pickup_folder *d, const char *name)
{
    uint64_t until_us = io_now_us(p->o.io) + PICKUP_LEFT_ALONE_US;
    names_add(&d->left_alone, pickup_name_hash(p, name));
    if (d->left_alone_until_us == 0)
        d->left_alone_until_us = until_us;
    pickup_folder_look_by(p, d, d->left_alone_until_us);
}

static bool is_in_work(struct pickup *p, const struct pickup_folder *d, const char *name,
                       bool in_taken)
{
    const struct pickup_file *f = first_file(p, d);
    for (uint32_t i = 0; i < PICKUP_FILES_MAX; i++) {
        if (f[i].state == PICKUP_FILE_FREE)
            continue;
        if (f[i].in_taken == in_taken && strcmp(f[i].name, name) == 0)
            return true;
        bool moves = f[i].state == PICKUP_FILE_RENAME || f[i].state == PICKUP_FILE_NOTE;
        if (in_taken && moves && strcmp(f[i].to, name) == 0)
            return true;
    }
    return false;
}

static bool is_ours(const char *name)
{
    return name[0] == '.' || strcmp(name, "taken") == 0 || strcmp(name, "bad") == 0;
}

static struct pickup_file *free_file(struct pickup *p, const struct pickup_folder *d)
{
    struct pickup_file *f = first_file(p, d);
    if (d->file_count == PICKUP_FILES_MAX)
        return NULL;
    while (f->state != PICKUP_FILE_FREE)
        f++;
    return f;
}

// Takes a name up, unless there is a reason not to.
static void consider(struct pickup *p, struct pickup_folder *d, const char *name, bool in_taken)
{
    uint64_t hash = pickup_name_hash(p, name);
    if (name[0] == '.' || (!in_taken && is_ours(name)) || strlen(name) >= PICKUP_NAME_BYTES ||
        is_in_work(p, d, name, in_taken) || names_have(&d->left_alone, hash))
        return;
    struct pickup_file *f = free_file(p, d);
    CHECK(f);
    d->file_count++;
    pickup_file_begin(p, f, name, in_taken);
    f->arrived = in_taken || names_have(&d->arrived, hash);
    if (!in_taken)
        names_remove(&d->arrived, hash);
}

// --- news

static void watch(struct pickup *p, struct pickup_folder *d)
{
    d->watching = true;
    d->look = true; // what came before it was asked is not told of
    io_watch(p->o.io, d->place->dir_fd, token_of(p, d, PICKUP_OP_WATCH));
}

void pickup_folder_look_by(struct pickup *p, struct pickup_folder *d, uint64_t us)
{
    if (us >= d->look_us || p->stopping)
        return;
    d->look_us = us;
    wheel_arm(p->o.wheel, &d->timer, us);
}

// A look without news: for what was not ready, and what no news has come of.
void pickup_folder_on_timer(struct pickup *p, struct pickup_folder *d)
{
    uint64_t now_us = io_now_us(p->o.io);
    if (p->stopping)
        return;
    d->look = true;
    d->look_us = UINT64_MAX;
    pickup_folder_look_by(p, d, now_us + PICKUP_LOOK_US);
    if (d->left_alone_until_us > 0 && d->left_alone_until_us <= now_us) {
        d->left_alone = (struct pickup_names){{0}};
        d->left_alone_until_us = 0;
        d->start_over = true;
    }
    if (d->waiting_until_us > 0 && d->waiting_until_us <= now_us) {
        d->waiting_until_us = 0;
        d->start_over = true;
    } else if (d->waiting_until_us > 0) {
        pickup_folder_look_by(p, d, d->waiting_until_us);
    }
    if (!d->watching)
        watch(p, d);
}

void pickup_folder_init(struct pickup *p, struct pickup_folder *d)
{
    const struct io_token token = token_of(p, d, PICKUP_OP_WATCH);
    memcpy(&d->timer.owner, &token, sizeof(token));
    d->look_us = UINT64_MAX;
    d->start_over = true;
    watch(p, d);
    pickup_folder_look_by(p, d, io_now_us(p->o.io) + PICKUP_LOOK_US);
}

// The news may name files: then those are complete, and are taken at once where there is room.
static void on_watch(struct pickup *p, struct pickup_folder *d, const struct io_done *done)
{
    struct slice names = done->bytes;
    if (done->ended) {
        d->watching = false;
        if (!p->stopping)
            pickup_notice(p,
                          "no news comes from a pickup directory any more (%s);"
                          " it is looked at every %u seconds",
                          strerror(-done->result), PICKUP_LOOK_US / 1000000);
    }
    if (p->stopping || done->result < 0)
        return;
    d->look |= names.len == 0;
    while (names.len > 0) {
        const char *name = names.data;
        names = slice_skip(names, strlen(name) + 1);
        names_add(&d->arrived, pickup_name_hash(p, name));
        if (d->look || d->names || !free_file(p, d))
            d->look = true;
        else
            consider(p, d, name, false);
    }
}

// --- syncs

static void ask_sync(struct pickup *p, struct pickup_folder *d, enum pickup_sync what)
{
    d->sync = what;
    io_sync_all(p->o.io, what == PICKUP_SYNC_TAKEN ? d->place->taken_fd : d->place->dir_fd,
                token_of(p, d, PICKUP_OP_SYNC));
}

// Renames that have completed by now; and what was unlinked, when there is nothing else to do.
static void begin_sync(struct pickup *p, struct pickup_folder *d)
{
    struct pickup_file *f = first_file(p, d);
    bool any = d->unlinked && d->file_count == 0;
    if (d->sync != PICKUP_SYNC_NONE || io_now_us(p->o.io) < d->sync_again_us || p->stopping)
        return;
    for (uint32_t i = 0; i < PICKUP_FILES_MAX; i++)
        if (f[i].state == PICKUP_FILE_UNSYNCED) {
            f[i].state = PICKUP_FILE_SYNCING;
            any = true;
        }
    if (!any)
        return;
    d->unlinked = false;
    // The folder that gains the names first: a power cut in between may leave a file in both, or
    // in one, but in one at least.
    ask_sync(p, d, PICKUP_SYNC_TAKEN);
}

static void sync_failed(struct pickup *p, struct pickup_folder *d, int error)
{
    d->sync = PICKUP_SYNC_NONE;
    d->sync_again_us = io_now_us(p->o.io) + PICKUP_SYNC_AGAIN_US;
    pickup_folder_look_by(p, d, d->sync_again_us);
    pickup_notice(p,
                  "a pickup directory cannot be synced: %s; nothing is taken from it for %u"
                  " seconds",
                  strerror(-error), PICKUP_SYNC_AGAIN_US / 1000000);
}

static void on_sync(struct pickup *p, struct pickup_folder *d, int32_t result)
{
    struct pickup_file *f = first_file(p, d);
    if (result == 0 && d->sync == PICKUP_SYNC_TAKEN && !p->abandoned) {
        ask_sync(p, d, PICKUP_SYNC_DIR);
        return;
    }
    if (result < 0)
        sync_failed(p, d, result);
    d->sync = PICKUP_SYNC_NONE;
    for (uint32_t i = 0; i < PICKUP_FILES_MAX; i++) {
        if (f[i].state != PICKUP_FILE_SYNCING)
            continue;
        if (result < 0 || p->stopping) {
            f[i].state = PICKUP_FILE_UNSYNCED;
            f[i].news = p->stopping;
        } else {
            pickup_file_synced(p, &f[i]);
        }
    }
}

void pickup_folder_on_done(struct pickup *p, struct pickup_folder *d, const struct io_done *done)
{
    if ((enum pickup_op)done->token.op == PICKUP_OP_SYNC)
        on_sync(p, d, done->result);
    else
        on_watch(p, d, done);
}

// --- looking

// Begins the next look that is wanted. DIR/taken comes first.
static bool begin_look(struct pickup *p, struct pickup_folder *d)
{
    enum pickup_scan scan = d->start_over ? PICKUP_SCAN_TAKEN : PICKUP_SCAN_DIR;
    if (!d->look)
        return false;
    int error = io_names_open(
        p->o.io, scan == PICKUP_SCAN_TAKEN ? d->place->taken_fd : d->place->dir_fd, &d->names);
    if (error < 0) {
        d->look = false; // until the timer
        pickup_folder_look_by(p, d, io_now_us(p->o.io) + PICKUP_QUIET_US);
        return false;
    }
    if (scan == PICKUP_SCAN_TAKEN)
        d->start_over = false;
    else
        d->look = false;
    d->scan = scan;
    return true;
}

static void end_look(struct pickup *p, struct pickup_folder *d)
{
    if (io_names_error(d->names) < 0) {
        d->start_over |= d->scan == PICKUP_SCAN_TAKEN;
        pickup_folder_look_by(p, d, io_now_us(p->o.io) + PICKUP_QUIET_US);
    }
    io_names_close(d->names);
    d->names = NULL;
    d->scan = PICKUP_SCAN_NONE;
}

static void look_on(struct pickup *p, struct pickup_folder *d)
{
    for (uint32_t i = 0; i < PICKUP_NAMES_PER_TURN && free_file(p, d); i++) {
        if (!d->names && !begin_look(p, d))
            return;
        const char *name = io_names_next(d->names);
        if (name)
            consider(p, d, name, d->scan == PICKUP_SCAN_TAKEN);
        else
            end_look(p, d);
    }
}

void pickup_folder_turn(struct pickup *p, struct pickup_folder *d)
{
    if (!p->stopping)
        look_on(p, d);
    begin_sync(p, d);
}

bool pickup_folder_busy(const struct pickup *p, const struct pickup_folder *d)
{
    return !p->stopping && (d->names || d->look) && d->file_count < PICKUP_FILES_MAX;
}

void pickup_folder_stop(struct pickup *p, struct pickup_folder *d)
{
    wheel_disarm(p->o.wheel, &d->timer);
    io_names_close(d->names);
    d->names = NULL;
    if (d->watching)
        io_cancel(p->o.io, token_of(p, d, PICKUP_OP_WATCH));
}

bool pickup_folder_stopped(const struct pickup_folder *d)
{
    return !d->watching && d->sync == PICKUP_SYNC_NONE && d->file_count == 0;
}
