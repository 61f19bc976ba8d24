// The file of suppressed addresses only grows: when most of its lines say nothing any more, those
// that do are written to another one, which takes its place.
//
//   create list.N+1.new -> read a piece, write what counts of it -> ... -> what was appended
//   meanwhile, as it is -> sync -> rename to list.N+1 -> (the folder is synced) -> list.N goes
//
// One request at a time, and in turns with what is to be written: nobody waits for it, but for the
// moment from the last piece to the rename. It may be given up, or interrupted, at any time: list.N
// is whole until list.N+1 is safe.

#include "engine/base/check.h"
#include "engine/suppressor_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define PIECE_BYTES (64u * 1024)
#define NEW_SUFFIX ".new"
#define AGAIN_US UINT64_C(600000000) // after a failure

void compaction_init(struct suppressor_compaction *c)
{
    *c = (struct suppressor_compaction){.fd = -1, .lines_min = SUPPRESSOR_COMPACT_LINES_MIN};
    buffer_init(&c->text, 2 * PIECE_BYTES);
    buffer_init(&c->out, 2 * PIECE_BYTES);
}

void compaction_release(struct suppressor *s)
{
    struct suppressor_compaction *c = &s->compaction;
    if (s->io && c->fd >= 0)
        io_close(s->io, c->fd);
    c->fd = -1;
    c->step = COMPACTION_NONE;
    buffer_release(&c->text);
    buffer_release(&c->out);
}

static bool is_worth_it(const struct suppressor *s)
{
    uint32_t live = atomic_load_explicit(&s->list->count, memory_order_relaxed);
    return s->fd >= 0 && s->line_count >= s->compaction.lines_min && s->line_count / 2 > live &&
           !s->failing && !s->ending;
}

bool compaction_is_due(const struct suppressor *s)
{
    const struct suppressor_compaction *c = &s->compaction;
    if (c->step != COMPACTION_NONE)
        return true;
    return is_worth_it(s) && io_now_us(s->io) >= c->again_us;
}

uint64_t compaction_due_us(const struct suppressor *s)
{
    const struct suppressor_compaction *c = &s->compaction;
    if (c->step != COMPACTION_NONE)
        return 0;
    return is_worth_it(s) ? c->again_us : UINT64_MAX;
}

// What is appended now would be in the old file alone.
bool compaction_holds_writes(const struct suppressor *s)
{
    return s->compaction.step == COMPACTION_SYNC || s->compaction.step == COMPACTION_RENAME;
}

static struct io_token token(struct suppressor *s)
{
    return suppressor_token(s, SUPPRESSOR_OP_COMPACT);
}

void compaction_give_up(struct suppressor *s)
{
    compaction_release(s); // what is left of it is overwritten by the next
    s->compaction.again_us = io_now_us(s->io) + AGAIN_US;
}

static void fail(struct suppressor *s, const char *what, int error)
{
    bool was_failing = s->failing; // nothing is known of the file that counts
    suppressor_complain(s, what, error);
    s->failing = was_failing;
    compaction_give_up(s);
}

// --- steps

static void begin(struct suppressor *s)
{
    struct suppressor_compaction *c = &s->compaction;
    struct io_file about;
    unsigned long number = strtoul(s->name + strlen(SUPPRESSOR_NAME_PREFIX), NULL, 10);
    int error = io_file_of(s->io, s->fd, &about);
    if (error < 0) {
        fail(s, "cannot be looked at", error);
        return;
    }
    snprintf(c->name, sizeof(c->name), SUPPRESSOR_NAME_PREFIX "%0*lu", SUPPRESSOR_NAME_DIGITS,
             number + 1);
    snprintf(c->new_name, sizeof(c->new_name), "%s" NEW_SUFFIX, c->name);
    c->offset = 0;
    c->filtered_end = about.bytes;
    c->line_count = c->kept_count = 0;
    c->out_bytes = 0;
    c->step = COMPACTION_CREATE;
    io_open(s->io, s->dir_fd, c->new_name, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW, 0600,
            token(s));
}

static void read_on(struct suppressor *s)
{
    struct suppressor_compaction *c = &s->compaction;
    size_t bytes = PIECE_BYTES;
    if (c->offset < c->filtered_end && c->filtered_end - c->offset < bytes)
        bytes = (size_t)(c->filtered_end - c->offset);
    char *to = buffer_reserve(&c->text, bytes);
    if (!to) {
        fail(s, "is not compacted", -ENOMEM);
        return;
    }
    c->step = COMPACTION_READ;
    io_read(s->io, s->fd, to, bytes, c->offset, token(s));
}

static void write_on(struct suppressor *s)
{
    struct suppressor_compaction *c = &s->compaction;
    c->step = COMPACTION_WRITE;
    io_append(s->io, c->fd, slice_skip(buffer_slice(&c->out), c->out_bytes), token(s));
}

void compaction_step(struct suppressor *s)
{
    struct suppressor_compaction *c = &s->compaction;
    switch ((enum compaction_step)c->step) {
    case COMPACTION_NONE: begin(s); break;
    case COMPACTION_READ: read_on(s); break;
    case COMPACTION_WRITE: write_on(s); break;
    case COMPACTION_SYNC: io_sync_all(s->io, c->fd, token(s)); break;
    case COMPACTION_RENAME:
        io_rename(s->io, s->dir_fd, c->new_name, s->dir_fd, c->name, token(s));
        break;
    case COMPACTION_CREATE: CHECK(false); // its request is under way
    }
}

// --- what counts

// The last line of an address, or one that says the same.
static bool still_counts(const struct suppressor *s, const struct suppression_line *l)
{
    return !l->removes && l->until > suppressor_today(s) &&
           suppression_until(s->list, l->address) == l->until;
}

// False without memory.
static bool filter(struct suppressor *s)
{
    struct suppressor_compaction *c = &s->compaction;
    struct slice rest = buffer_slice(&c->text);
    struct suppression_line l;
    enum suppression_read got;
    bool good = true;
    while ((got = suppression_line_next(&rest, &l)) != SUPPRESSION_MORE)
        if (got == SUPPRESSION_READ && still_counts(s, &l)) {
            good &= suppression_line_put(&c->out, &l);
            c->line_count++;
            c->kept_count++;
        }
    if (rest.len > SUPPRESSION_LINE_BYTES_MAX || c->offset == c->filtered_end)
        rest = SLICE_EMPTY; // none of ours, or torn: what follows begins with a line end
    buffer_drop_front(&c->text, c->text.len - rest.len);
    return good;
}

static bool copy(struct suppressor_compaction *c)
{
    for (size_t i = 0; i < c->text.len; i++)
        c->line_count += c->text.data[i] == '\n';
    bool good = buffer_append(&c->out, buffer_slice(&c->text));
    buffer_clear(&c->text);
    return good;
}

// --- completions

static void on_create(struct suppressor *s, int32_t result)
{
    struct suppressor_compaction *c = &s->compaction;
    if (result < 0) {
        fail(s, "cannot be written anew", result);
        return;
    }
    c->fd = result;
    c->step = COMPACTION_WRITE;
    if (!buffer_append(&c->out, SLICE(SUPPRESSOR_HEAD)))
        fail(s, "is not compacted", -ENOMEM);
}

// All that was appended is in the new one, or still waits in memory.
static void caught_up(struct suppressor *s)
{
    if (s->written.len > 0) // the disk is ill: not now
        compaction_give_up(s);
    else
        s->compaction.step = COMPACTION_SYNC;
}

static void on_read(struct suppressor *s, int32_t result)
{
    struct suppressor_compaction *c = &s->compaction;
    bool filters = c->offset < c->filtered_end;
    if (result < 0) {
        fail(s, "cannot be read to be compacted", result);
        return;
    }
    if (result == 0) {
        caught_up(s);
        return;
    }
    buffer_advance(&c->text, (size_t)result);
    c->offset += (uint64_t)result;
    if (filters ? !filter(s) : !copy(c))
        fail(s, "is not compacted", -ENOMEM);
    else
        c->step = c->out.len > 0 ? COMPACTION_WRITE : COMPACTION_READ;
}

static void on_write(struct suppressor *s, int32_t result)
{
    struct suppressor_compaction *c = &s->compaction;
    if (result <= 0) {
        fail(s, "cannot be written anew", result < 0 ? result : -EIO);
        return;
    }
    c->out_bytes += (size_t)result;
    if (c->out_bytes < c->out.len)
        return;
    buffer_clear(&c->out);
    c->out_bytes = 0;
    c->step = COMPACTION_READ;
}

// From here on it is the list. The old one goes when the new one's name is safe, too.
static void take_its_place(struct suppressor *s)
{
    struct suppressor_compaction *c = &s->compaction;
    memcpy(s->old_name, s->name, sizeof(s->old_name));
    memcpy(s->name, c->name, sizeof(s->name));
    io_close(s->io, s->fd);
    s->fd = c->fd;
    s->line_count = c->line_count + s->put_count - s->safe_count; // those still wait in memory
    s->folder_synced = false;
    c->fd = -1;
    if (c->lines_min < 2 * c->kept_count) // else what cannot be made shorter is copied again
        c->lines_min = 2 * c->kept_count;
    compaction_release(s);
}

void compaction_on_done(struct suppressor *s, int32_t result)
{
    struct suppressor_compaction *c = &s->compaction;
    switch ((enum compaction_step)c->step) {
    case COMPACTION_CREATE: on_create(s, result); break;
    case COMPACTION_READ: on_read(s, result); break;
    case COMPACTION_WRITE: on_write(s, result); break;
    case COMPACTION_SYNC:
        if (result < 0)
            fail(s, "cannot be synced when written anew", result);
        else
            c->step = COMPACTION_RENAME;
        break;
    case COMPACTION_RENAME:
        if (result < 0)
            fail(s, "cannot take its name", result);
        else
            take_its_place(s);
        break;
    case COMPACTION_NONE: CHECK(false);
    }
}
