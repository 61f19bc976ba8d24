// A file that cannot be taken: beside the reason, in DIR/bad.
#include "engine/submit/pickup_parts.h"

#include "engine/base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define WHY_MODE 0640

void pickup_file_is_bad(struct pickup_file *f, uint64_t line, const char *format, ...)
{
    va_list args;
    if (f->bad)
        return; // the first reason is the one
    f->bad = true;
    f->bad_line = line;
    va_start(args, format);
    vsnprintf(f->reason, sizeof(f->reason), format, args);
    va_end(args);
}

// "1 to 5, 7": the messages that have been taken.
static void print_taken(const struct pickup_window *w, struct buffer *out)
{
    const char *between = "";
    if (w->first > 1)
        buffer_printf(out, w->first > 2 ? "1 to %u" : "%u", w->first - 1);
    if (w->first > 1)
        between = ", ";
    for (uint32_t i = 0; i < PICKUP_IN_FLIGHT_MAX; i++) {
        uint32_t ordinal = w->first + i;
        if (!(w->settled >> ordinal % PICKUP_IN_FLIGHT_MAX & 1))
            continue;
        buffer_printf(out, "%s%u", between, ordinal);
        between = ", ";
    }
    if (out->len == 0)
        buffer_append(out, SLICE("none"));
}

static void write_why(struct pickup *p, struct pickup_file *f)
{
    char date[TRACE_DATE_BYTES];
    char line[64] = "";
    struct buffer taken;
    buffer_init(&taken, 1024);
    print_taken(&f->window, &taken);
    if (f->bad_line > 0)
        snprintf(line, sizeof(line), "line: %" PRIu64 "\n", f->bad_line);
    int len = snprintf(
        f->why_text, sizeof(f->why_text), "time: %s\nreason: %s\n%smessages taken: %.*s\n",
        trace_date(io_wall_us(p->o.io), date), f->reason, line, SLICE_ARG(buffer_slice(&taken)));
    f->why_piece = (struct iovec){.iov_base = f->why_text, .iov_len = (size_t)len};
    buffer_release(&taken);
}

static const struct pickup_place *place_of(struct pickup *p, const struct pickup_file *f)
{
    return pickup_folder_of(p, f)->place;
}

static void name_it(struct pickup_file *f)
{
    const char *own = pickup_file_own_name(f);
    if (f->attempt == 0)
        snprintf(f->to, sizeof(f->to), "%.*s", PICKUP_BAD_NAME_LEN_MAX, own);
    else
        snprintf(f->to, sizeof(f->to), "%.*s.%u", PICKUP_BAD_NAME_LEN_MAX, own,
                 (unsigned)f->attempt);
    snprintf(f->why, sizeof(f->why), "%.*s.why", NAME_MAX - 4, f->to);
}

void pickup_file_reject(struct pickup *p, struct pickup_file *f)
{
    name_it(f);
    write_why(p, f);
    io_open(p->o.io, place_of(p, f)->bad_fd, f->why, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
            WHY_MODE, pickup_file_ask(p, f, PICKUP_FILE_WHY));
}

// It stays where it is. Nothing that was taken is taken again: its name in DIR/taken says what was.
static void give_up(struct pickup *p, struct pickup_file *f, int error)
{
    pickup_notice(p, "%s is bad: %s", f->name, f->reason);
    pickup_file_leave(p, f, "moved to bad/", error);
}

static void try_next_name(struct pickup *p, struct pickup_file *f)
{
    if (++f->attempt < PICKUP_BAD_NUMBERS_MAX)
        pickup_file_reject(p, f);
    else
        give_up(p, f, -EEXIST);
}

static void on_why(struct pickup *p, struct pickup_file *f, int32_t result)
{
    if (result == -EEXIST) {
        try_next_name(p, f);
    } else if (result < 0) {
        give_up(p, f, result);
    } else {
        f->why_fd = result;
        io_write(p->o.io, f->why_fd, &f->why_piece, 1, 0, pickup_file_ask(p, f, PICKUP_FILE_WRITE));
    }
}

static void withdraw(struct pickup *p, struct pickup_file *f, int32_t error)
{
    f->move_error = error;
    io_unlink(p->o.io, place_of(p, f)->bad_fd, f->why, pickup_file_ask(p, f, PICKUP_FILE_WITHDRAW));
}

static void on_write(struct pickup *p, struct pickup_file *f, int32_t result)
{
    if (result < 0 || (size_t)result < f->why_piece.iov_len)
        withdraw(p, f, result < 0 ? result : -ENOSPC);
    else
        io_sync_all(p->o.io, f->why_fd, pickup_file_ask(p, f, PICKUP_FILE_SYNC));
}

static void on_sync(struct pickup *p, struct pickup_file *f, int32_t result)
{
    if (result < 0) {
        withdraw(p, f, result);
        return;
    }
    const struct pickup_place *place = place_of(p, f);
    io_rename(p->o.io, f->in_taken ? place->taken_fd : place->dir_fd, f->name, place->bad_fd, f->to,
              pickup_file_ask(p, f, PICKUP_FILE_MOVE));
}

static void on_move(struct pickup *p, struct pickup_file *f, int32_t result)
{
    if (result < 0) {
        withdraw(p, f, result);
        return;
    }
    if (f->bad_line > 0)
        pickup_notice(p, "%s is bad: line %" PRIu64 ": %s; see bad/%s", pickup_file_own_name(f),
                      f->bad_line, f->reason, f->why);
    else
        pickup_notice(p, "%s is bad: %s; see bad/%s", pickup_file_own_name(f), f->reason, f->why);
    p->counters.bad++;
    pickup_folder_of(p, f)->unlinked = true;
    pickup_file_free(p, f);
}

static void on_withdraw(struct pickup *p, struct pickup_file *f)
{
    if (f->why_fd >= 0)
        io_close(p->o.io, f->why_fd);
    f->why_fd = -1;
    if (f->move_error == -EEXIST)
        try_next_name(p, f);
    else if (f->move_error == -ENOENT)
        pickup_file_free(p, f); // somebody else has removed it
    else
        give_up(p, f, f->move_error);
}

void pickup_file_reject_on_done(struct pickup *p, struct pickup_file *f, int32_t result)
{
    switch (f->state) {
    case PICKUP_FILE_WHY: on_why(p, f, result); return;
    case PICKUP_FILE_WRITE: on_write(p, f, result); return;
    case PICKUP_FILE_SYNC: on_sync(p, f, result); return;
    case PICKUP_FILE_MOVE: on_move(p, f, result); return;
    case PICKUP_FILE_WITHDRAW: on_withdraw(p, f); return;
    default: CHECK(false);
    }
}
