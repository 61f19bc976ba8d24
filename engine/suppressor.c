#include "engine/suppressor_parts.h"

#include "engine/base/check.h"
#include "engine/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define READ_BYTES (256u * 1024)
#define AGAIN_US 1000000u

struct io_token suppressor_token(struct suppressor *s, enum suppressor_op op)
{
    CHECK(!s->under_way);
    s->under_way = true;
    return (struct io_token){0, 0, s->io_owner, (uint8_t)op};
}

void suppressor_init(struct suppressor *s, struct io *io, struct suppression *list,
                     const struct epochs *epochs, int dir_fd, uint8_t io_owner)
{
    *s = (struct suppressor){
        .io = io, .list = list, .epochs = epochs, .dir_fd = dir_fd, .io_owner = io_owner, .fd = -1};
    compaction_init(&s->compaction);
    buffer_init(&s->text, 2 * READ_BYTES);
    buffer_init(&s->lines, SUPPRESSOR_WAITING_BYTES_MAX);
    buffer_init(&s->written, SUPPRESSOR_WAITING_BYTES_MAX);
}

static void free_page(struct suppression_page *p)
{
    buffer_release(&p->lines);
    free(p);
}

void suppressor_release(struct suppressor *s)
{
    while (s->early) {
        struct suppression_page *p = s->early;
        s->early = p->next;
        free_page(p);
    }
    compaction_release(s);
    if (s->io && s->fd >= 0)
        io_close(s->io, s->fd);
    buffer_release(&s->text);
    buffer_release(&s->lines);
    buffer_release(&s->written);
    s->fd = -1;
}

uint16_t suppressor_today(const struct suppressor *s)
{
    return suppression_day(io_wall_us(s->io));
}

// --- reading it

static bool is_list_name(const char *name)
{
    return strncmp(name, SUPPRESSOR_NAME_PREFIX, strlen(SUPPRESSOR_NAME_PREFIX)) == 0 &&
           strspn(name + strlen(SUPPRESSOR_NAME_PREFIX), "0123456789") == SUPPRESSOR_NAME_DIGITS &&
           strlen(name) == strlen(SUPPRESSOR_NAME_PREFIX) + SUPPRESSOR_NAME_DIGITS;
}

// The highest counts. Another one is what a compaction has left that was interrupted.
static void note_name(struct suppressor *s, const char *name)
{
    int order = strcmp(name, s->name);
    if (order > 0) {
        if (s->found)
            memcpy(s->old_name, s->name, sizeof(s->old_name));
        memcpy(s->name, name, strlen(name) + 1);
    } else if (order < 0) {
        memcpy(s->old_name, name, strlen(name) + 1);
    }
    s->found = true;
}

// The one with the highest number; the first that there shall be, where there is none.
static int find_name(struct suppressor *s)
{
    struct io_names *names;
    const char *name;
    int error = io_names_open(s->io, s->dir_fd, &names);
    snprintf(s->name, sizeof(s->name), SUPPRESSOR_NAME_PREFIX "%0*d", SUPPRESSOR_NAME_DIGITS, 1);
    if (error < 0)
        return error;
    while ((name = io_names_next(names)))
        if (is_list_name(name))
            note_name(s, name);
    error = io_names_error(names);
    io_names_close(names);
    return error;
}

void suppressor_complain(struct suppressor *s, const char *what, int error)
{
    if (!s->failing)
        log_line(LOG_LEVEL_ERROR, "suppression/%s: %s: %s", s->name, what, strerrordesc_np(-error));
    s->failing = true;
}

static void be_ready(struct suppressor *s)
{
    buffer_release(&s->text);
    s->state = SUPPRESSOR_READY;
    while (s->early) {
        struct suppression_page *p = s->early;
        s->early = p->next;
        suppressor_take(s, p);
    }
    if (s->bad_count > 0)
        log_line(LOG_LEVEL_WARNING, "suppression/%s: %llu lines are damaged and do not count",
                 s->name, (unsigned long long)s->bad_count);
}

static void open_list(struct suppressor *s)
{
    int error = s->dir_fd < 0 ? 0 : find_name(s);
    s->state = SUPPRESSOR_OPENING;
    if (error < 0)
        suppressor_complain(s, "cannot be read", error);
    if (s->dir_fd < 0 || error < 0) {
        be_ready(s);
        return;
    }
    io_open(s->io, s->dir_fd, s->name, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0600,
            suppressor_token(s, SUPPRESSOR_OP_OPEN));
}

bool suppressor_ready(const struct suppressor *s)
{
    return s->state == SUPPRESSOR_READY;
}

static void read_on(struct suppressor *s)
{
    char *to = buffer_reserve(&s->text, READ_BYTES);
    CHECK(to); // an unfinished line and this are half of what it may hold, at most
    io_read(s->io, s->fd, to, READ_BYTES, s->offset, suppressor_token(s, SUPPRESSOR_OP_READ));
}

static void on_open(struct suppressor *s, int result)
{
    if (result < 0) {
        suppressor_complain(s, "cannot be opened", result);
        be_ready(s);
        return;
    }
    s->fd = result;
    s->state = SUPPRESSOR_READING;
    read_on(s);
}

static bool apply(struct suppressor *s, const struct suppression_line *l)
{
    if (l->removes)
        (void)suppression_remove(s->list, l->address);
    else if (l->until > suppressor_today(s) || suppression_until(s->list, l->address) > 0)
        return suppression_add(s->list, l->address, l->until, suppressor_today(s));
    return true;
}

static void take_text(struct suppressor *s)
{
    struct slice rest = buffer_slice(&s->text);
    struct suppression_line l;
    enum suppression_read got;
    if (s->offset == rest.len && slice_starts(rest, SLICE(SUPPRESSOR_HEAD)))
        rest = slice_skip(rest, strlen(SUPPRESSOR_HEAD));
    while ((got = suppression_line_next(&rest, &l)) != SUPPRESSION_MORE) {
        s->line_count++;
        s->bad_count += got == SUPPRESSION_BAD;
        s->lost_count += got == SUPPRESSION_READ && !apply(s, &l);
    }
    if (rest.len > SUPPRESSION_LINE_BYTES_MAX) { // none of ours; its end will be bad, too
        s->bad_count++;
        rest = SLICE_EMPTY;
    }
    buffer_drop_front(&s->text, s->text.len - rest.len);
}

static void end_reading(struct suppressor *s)
{
    if (s->offset == 0)
        CHECK(buffer_append(&s->lines, SLICE(SUPPRESSOR_HEAD))); // it was empty
    if (s->lost_count > 0)
        log_line(LOG_LEVEL_ERROR, "suppression/%s: there is no room for %llu of its lines", s->name,
                 (unsigned long long)s->lost_count);
    // What a process left in the cache when it was killed counts from here on.
    io_sync(s->io, s->fd, suppressor_token(s, SUPPRESSOR_OP_SYNC));
}

static void on_read(struct suppressor *s, int result)
{
    if (result < 0)
        suppressor_complain(s, "cannot be read to its end", result);
    if (result <= 0) {
        end_reading(s);
        return;
    }
    buffer_advance(&s->text, (size_t)result);
    s->offset += (uint64_t)result;
    take_text(s);
    read_on(s);
}

// --- writing it

bool suppressor_put(struct suppressor *s, const struct suppression_line *l)
{
    uint16_t until = suppression_until(s->list, l->address);
    if (until == (l->removes ? 0 : l->until)) // as it is
        return true;
    bool is_ok = s->lines.len > 0 || buffer_append_byte(&s->lines, '\n');
    if (!is_ok || !suppression_line_put(&s->lines, l) || !apply(s, l)) {
        s->lost_count++;
        return false;
    }
    s->put_count++;
    s->line_count++;
    return true;
}

void suppressor_take(struct suppressor *s, struct suppression_page *p)
{
    struct slice rest = buffer_slice(&p->lines);
    struct suppression_line l;
    if (s->state != SUPPRESSOR_READY) { // what the file says is older
        p->next = s->early;
        s->early = p;
        return;
    }
    while (suppression_line_next(&rest, &l) == SUPPRESSION_READ)
        if (l.until > suppression_until(s->list, l.address)) // a bounce never shortens it
            (void)suppressor_put(s, &l);
    free_page(p);
}

static void write_on(struct suppressor *s)
{
    io_append(s->io, s->fd, slice_skip(buffer_slice(&s->written), s->written_bytes),
              suppressor_token(s, SUPPRESSOR_OP_WRITE));
}

static void begin_write(struct suppressor *s)
{
    struct buffer gathered = s->lines;
    s->lines = s->written;
    s->written = gathered;
    s->written_bytes = 0;
    s->begun_count = s->put_count;
    write_on(s);
}

static void write_again_later(struct suppressor *s, int error)
{
    suppressor_complain(s, "cannot be written", error);
    s->again_us = io_now_us(s->io) + AGAIN_US;
    s->written_bytes = 0;
}

static void on_write(struct suppressor *s, int result)
{
    if (result <= 0) {
        write_again_later(s, result < 0 ? result : -EIO);
        return;
    }
    s->written_bytes += (size_t)result;
    if (s->written_bytes < s->written.len)
        write_on(s);
    else
        io_sync(s->io, s->fd, suppressor_token(s, SUPPRESSOR_OP_SYNC));
}

static void are_safe(struct suppressor *s)
{
    buffer_clear(&s->written);
    s->safe_count = s->begun_count;
    if (s->failing)
        log_line(LOG_LEVEL_WARNING, "suppression/%s: it can be written again", s->name);
    s->failing = false;
}

static void on_synced(struct suppressor *s, int result)
{
    if (s->state == SUPPRESSOR_READING) {
        if (result < 0)
            suppressor_complain(s, "cannot be synced", result);
        be_ready(s);
    } else if (result < 0) {
        write_again_later(s, result);
    } else {
        are_safe(s);
    }
}

static void on_sync(struct suppressor *s, int result)
{
    if (result >= 0 && !s->folder_synced) // the file may be new
        io_sync_all(s->io, s->dir_fd, suppressor_token(s, SUPPRESSOR_OP_SYNC_FOLDER));
    else
        on_synced(s, result);
}

static void on_sync_folder(struct suppressor *s, int result)
{
    s->folder_synced = result >= 0;
    on_synced(s, result);
}

// The name of the one that counts is safe first.
static void remove_old(struct suppressor *s)
{
    if (s->folder_synced)
        io_unlink(s->io, s->dir_fd, s->old_name, suppressor_token(s, SUPPRESSOR_OP_REMOVE));
    else
        io_sync_all(s->io, s->dir_fd, suppressor_token(s, SUPPRESSOR_OP_REMOVE));
}

static void on_remove(struct suppressor *s, int result)
{
    if (s->folder_synced || result < 0) // gone; or it stays until the next start
        s->old_name[0] = 0;
    s->folder_synced |= result >= 0;
}

void suppressor_on_done(struct suppressor *s, const struct io_done *done)
{
    CHECK(s->under_way && done->ended);
    s->under_way = false;
    switch ((enum suppressor_op)done->token.op) {
    case SUPPRESSOR_OP_OPEN: on_open(s, done->result); break;
    case SUPPRESSOR_OP_READ: on_read(s, done->result); break;
    case SUPPRESSOR_OP_WRITE: on_write(s, done->result); break;
    case SUPPRESSOR_OP_SYNC: on_sync(s, done->result); break;
    case SUPPRESSOR_OP_SYNC_FOLDER: on_sync_folder(s, done->result); break;
    case SUPPRESSOR_OP_COMPACT: compaction_on_done(s, done->result); break;
    case SUPPRESSOR_OP_REMOVE: on_remove(s, done->result); break;
    }
}

void suppressor_turn(struct suppressor *s)
{
    suppression_reclaim(s->list, s->epochs);
    if (s->state == SUPPRESSOR_NEW)
        open_list(s);
    if (s->state != SUPPRESSOR_READY || s->under_way)
        return;
    if (s->fd < 0) { // kept in memory alone
        buffer_clear(&s->lines);
        s->safe_count = s->put_count;
        return;
    }
    s->compacts_next = compaction_holds_writes(s) || (!s->compacts_next && compaction_is_due(s));
    if (!s->compacts_next && s->written.len > 0 && io_now_us(s->io) >= s->again_us)
        write_on(s);
    else if (!s->compacts_next && s->written.len == 0 && s->lines.len > 0)
        begin_write(s);
    else if (compaction_is_due(s))
        compaction_step(s);
    else if (s->old_name[0] && !s->ending)
        remove_old(s);
}

uint64_t suppressor_due_us(const struct suppressor *s)
{
    if (s->under_way || !s->io)
        return UINT64_MAX;
    if (s->state == SUPPRESSOR_NEW)
        return 0;
    if (s->fd >= 0 && s->state == SUPPRESSOR_READY && s->old_name[0] && !s->ending)
        return 0;
    uint64_t due_us = s->state == SUPPRESSOR_READY ? compaction_due_us(s) : UINT64_MAX;
    if (s->written.len > 0)
        return s->again_us < due_us ? s->again_us : due_us;
    return s->lines.len > 0 ? 0 : due_us;
}

void suppressor_end(struct suppressor *s)
{
    s->ending = true;
    if (s->compaction.step != COMPACTION_NONE && !s->under_way)
        compaction_give_up(s);
}

bool suppressor_idle(const struct suppressor *s)
{
    return !s->under_way && (s->failing || (s->lines.len == 0 && s->written.len == 0));
}
