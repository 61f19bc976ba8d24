#include "engine/suppressor.h"

#include "engine/base/check.h"
#include "engine/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define HEAD "posthaste suppression 1\n"
#define NAME_PREFIX "list."
#define NAME_DIGITS 8
#define READ_BYTES (256u * 1024)
#define AGAIN_US 1000000u

enum op { OP_OPEN, OP_READ, OP_WRITE, OP_SYNC, OP_SYNC_FOLDER };

static struct io_token token(struct suppressor *s, enum op op)
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
    if (s->io && s->fd >= 0)
        io_close(s->io, s->fd);
    buffer_release(&s->text);
    buffer_release(&s->lines);
    buffer_release(&s->written);
    s->fd = -1;
}

static uint16_t today(const struct suppressor *s)
{
    return suppression_day(io_wall_us(s->io));
}

// --- reading it

static bool is_list_name(const char *name)
{
    return strncmp(name, NAME_PREFIX, strlen(NAME_PREFIX)) == 0 &&
           strspn(name + strlen(NAME_PREFIX), "0123456789") == NAME_DIGITS &&
           strlen(name) == strlen(NAME_PREFIX) + NAME_DIGITS;
}

// The one with the highest number; the first that there shall be, where there is none.
static int find_name(struct suppressor *s)
{
    struct io_names *names;
    const char *name;
    int error = io_names_open(s->io, s->dir_fd, &names);
    snprintf(s->name, sizeof(s->name), NAME_PREFIX "%0*d", NAME_DIGITS, 1);
    if (error < 0)
        return error;
    while ((name = io_names_next(names)))
        if (is_list_name(name) && strcmp(name, s->name) > 0)
            memcpy(s->name, name, strlen(name) + 1);
    error = io_names_error(names);
    io_names_close(names);
    return error;
}

static void complain(struct suppressor *s, const char *what, int error)
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
        complain(s, "cannot be read", error);
    if (s->dir_fd < 0 || error < 0) {
        be_ready(s);
        return;
    }
    io_open(s->io, s->dir_fd, s->name, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0600,
            token(s, OP_OPEN));
}

bool suppressor_ready(const struct suppressor *s)
{
    return s->state == SUPPRESSOR_READY;
}

static void read_on(struct suppressor *s)
{
    char *to = buffer_reserve(&s->text, READ_BYTES);
    CHECK(to); // an unfinished line and this are half of what it may hold, at most
    io_read(s->io, s->fd, to, READ_BYTES, s->offset, token(s, OP_READ));
}

static void on_open(struct suppressor *s, int result)
{
    if (result < 0) {
        complain(s, "cannot be opened", result);
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
    else if (l->until > today(s) || suppression_until(s->list, l->address) > 0)
        return suppression_add(s->list, l->address, l->until, today(s));
    return true;
}

static void take_text(struct suppressor *s)
{
    struct slice rest = buffer_slice(&s->text);
    struct suppression_line l;
    enum suppression_read got;
    if (s->offset == rest.len && slice_starts(rest, SLICE(HEAD)))
        rest = slice_skip(rest, strlen(HEAD));
    while ((got = suppression_line_next(&rest, &l)) != SUPPRESSION_MORE) {
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
        CHECK(buffer_append(&s->lines, SLICE(HEAD))); // it was empty
    if (s->lost_count > 0)
        log_line(LOG_LEVEL_ERROR, "suppression/%s: there is no room for %llu of its lines", s->name,
                 (unsigned long long)s->lost_count);
    // What a process left in the cache when it was killed counts from here on.
    io_sync(s->io, s->fd, token(s, OP_SYNC));
}

static void on_read(struct suppressor *s, int result)
{
    if (result < 0)
        complain(s, "cannot be read to its end", result);
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
              token(s, OP_WRITE));
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
    complain(s, "cannot be written", error);
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
        io_sync(s->io, s->fd, token(s, OP_SYNC));
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
            complain(s, "cannot be synced", result);
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
        io_sync_all(s->io, s->dir_fd, token(s, OP_SYNC_FOLDER));
    else
        on_synced(s, result);
}

static void on_sync_folder(struct suppressor *s, int result)
{
    s->folder_synced = result >= 0;
    on_synced(s, result);
}

void suppressor_on_done(struct suppressor *s, const struct io_done *done)
{
    CHECK(s->under_way && done->ended);
    s->under_way = false;
    switch ((enum op)done->token.op) {
    case OP_OPEN: on_open(s, done->result); break;
    case OP_READ: on_read(s, done->result); break;
    case OP_WRITE: on_write(s, done->result); break;
    case OP_SYNC: on_sync(s, done->result); break;
    case OP_SYNC_FOLDER: on_sync_folder(s, done->result); break;
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
    } else if (s->written.len > 0) {
        if (io_now_us(s->io) >= s->again_us)
            write_on(s);
    } else if (s->lines.len > 0) {
        begin_write(s);
    }
}

uint64_t suppressor_due_us(const struct suppressor *s)
{
    if (s->under_way || !s->io)
        return UINT64_MAX;
    if (s->state == SUPPRESSOR_NEW)
        return 0;
    if (s->written.len > 0)
        return s->again_us;
    return s->lines.len > 0 ? 0 : UINT64_MAX;
}

bool suppressor_idle(const struct suppressor *s)
{
    return !s->under_way && (s->failing || (s->lines.len == 0 && s->written.len == 0));
}
