#include "engine/storage.h"

#include "engine/base/check.h"
#include "engine/base/crc32c.h"
#include "engine/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZERO_PIECE_BYTES (64u * 1024)
#define ZERO_PIECES 16u        // in one write
#define FULL_TOLD_US 10000000u // between two complaints

enum storage_op { STORAGE_OP_WRITE, STORAGE_OP_SYNC, STORAGE_OP_PREPARE };

// Preparing a segment, one request after the other.
//
//   make:   open -> allocate -> zeros... -> header -> sync file -> sync folder
//   empty:  header -> sync file
//   remove: unlink -> sync folder
//   set aside: rename -> sync folder
//   a step of make fails -> unlink -> (told)
enum step {
    STEP_NONE,
    STEP_OPEN,
    STEP_ALLOCATE,
    STEP_ZEROS,
    STEP_HEADER,
    STEP_SYNC_FILE,
    STEP_SYNC_FOLDER,
    STEP_UNLINK,
    STEP_RENAME,
};

static const char zeros[ZERO_PIECE_BYTES];

void storage_name(uint64_t name, char text[STORAGE_NAME_BYTES])
{
    snprintf(text, STORAGE_NAME_BYTES, "%08" PRIu64 FORMAT_SEGMENT_SUFFIX, name);
}

bool storage_init(struct storage *s, struct io *io, struct journal *journal,
                  struct segments *segments, int dir_fd, uint8_t io_owner)
{
    *s = (struct storage){.io = io,
                          .journal = journal,
                          .segments = segments,
                          .dir_fd = dir_fd,
                          .io_owner = io_owner,
                          .fd = -1,
                          .told_batch = UINT64_MAX};
    if (!segments)
        return true;
    s->block = calloc(1, FORMAT_BLOCK_BYTES);
    s->pieces = calloc(ZERO_PIECES, sizeof(*s->pieces));
    return s->block && s->pieces;
}

void storage_release(struct storage *s)
{
    CHECK(s->ops_in_flight == 0);
    free(s->block);
    free(s->pieces);
    s->block = NULL;
    s->pieces = NULL;
}

static struct io_token token_of(const struct storage *s, enum storage_op op)
{
    return (struct io_token){.owner = s->io_owner, .op = (uint8_t)op};
}

// --- preparing segments

static void write_zeros(struct storage *s)
{
    uint64_t left = s->task.bytes - s->zeros_written;
    unsigned count = 0;
    while (count < ZERO_PIECES && left > 0) {
        size_t bytes = left < sizeof(zeros) ? (size_t)left : sizeof(zeros);
        s->pieces[count++] = (struct iovec){.iov_base = (void *)(uintptr_t)zeros, .iov_len = bytes};
        left -= bytes;
    }
    io_write(s->io, s->fd, s->pieces, count, s->zeros_written, token_of(s, STORAGE_OP_PREPARE));
}

static void write_header(struct storage *s)
{
    struct segment_header h = {
        .magic = FORMAT_SEGMENT_MAGIC,
        .version = FORMAT_VERSION,
        .epoch = s->task.epoch,
        .bytes = s->task.bytes,
        .block_bytes = FORMAT_BLOCK_BYTES,
        .worker = s->segments->worker,
        .wall_us = io_wall_us(s->io),
    };
    h.checksum = crc32c(0, &h, sizeof(h));
    memset(s->block, 0, FORMAT_BLOCK_BYTES);
    memcpy(s->block, &h, sizeof(h));
    s->pieces[0] = (struct iovec){.iov_base = s->block, .iov_len = FORMAT_BLOCK_BYTES};
    io_write(s->io, s->fd, s->pieces, 1, 0, token_of(s, STORAGE_OP_PREPARE));
}

static void ask_step(struct storage *s, enum step step)
{
    struct io_token token = token_of(s, STORAGE_OP_PREPARE);
    s->step = (uint8_t)step;
    s->ops_in_flight++;
    switch (step) {
    case STEP_OPEN:
        io_open(s->io, s->dir_fd, s->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, token);
        break;
    case STEP_ALLOCATE: io_allocate(s->io, s->fd, s->task.bytes, token); break;
    case STEP_ZEROS: write_zeros(s); break;
    case STEP_HEADER: write_header(s); break;
    case STEP_SYNC_FILE: io_sync_all(s->io, s->fd, token); break;
    case STEP_SYNC_FOLDER: io_sync_all(s->io, s->dir_fd, token); break;
    case STEP_UNLINK: io_unlink(s->io, s->dir_fd, s->name, token); break;
    case STEP_RENAME: io_rename(s->io, s->dir_fd, s->name, s->dir_fd, s->new_name, token); break;
    case STEP_NONE: CHECK(false);
    }
}

static void prepared(struct storage *s, int result)
{
    int fd = s->fd;
    bool gone = s->task.kind == SEGMENTS_REMOVE || s->task.kind == SEGMENTS_SET_ASIDE;
    bool named = segment_at(s->segments->table, s->task.number)->live_count > 0;
    bool keeps_file = gone ? named : result >= 0 || s->task.kind == SEGMENTS_EMPTY;
    if (result < 0 && s->task.kind != SEGMENTS_MAKE) // see tell_room()
        log_line(LOG_LEVEL_WARNING, "journal: cannot %s %s: %s",
                 s->task.kind == SEGMENTS_EMPTY ? "empty" : "remove or rename", s->name,
                 strerrordesc_np(-result));
    if (result >= 0 && gone && named)
        log_line(LOG_LEVEL_ERROR,
                 "journal: %s is renamed to %s and kept: %u messages that wait cannot be read from "
                 "it (posthaste journal dump shows it)",
                 s->name, s->new_name, segment_at(s->segments->table, s->task.number)->live_count);
    s->step = STEP_NONE;
    s->fd = -1;
    segments_done(s->segments, result, fd, io_now_us(s->io));
    if (!keeps_file && fd >= 0)
        io_close(s->io, fd);
}

static void step_failed(struct storage *s, int error)
{
    if (!s->error)
        s->error = error;
    if (s->task.kind == SEGMENTS_MAKE && s->step != STEP_OPEN && s->step != STEP_UNLINK)
        ask_step(s, STEP_UNLINK); // half a segment is none
    else
        prepared(s, s->error);
}

static void step_done(struct storage *s, int result)
{
    bool again = result == -EINTR || result == -EAGAIN;
    enum step step = (enum step)s->step;
    // A sync is never repeated and believed; all else may be.
    if (again && step != STEP_SYNC_FILE && step != STEP_SYNC_FOLDER) {
        ask_step(s, step);
        return;
    }
    if (step == STEP_ALLOCATE && result == -EOPNOTSUPP)
        result = 0; // this file system cannot: zeros bring the blocks, too
    if (result < 0) {
        step_failed(s, result);
        return;
    }
    switch (step) {
    case STEP_OPEN:
        s->fd = result;
        ask_step(s, STEP_ALLOCATE);
        break;
    case STEP_ALLOCATE: ask_step(s, STEP_ZEROS); break;
    case STEP_ZEROS:
        s->zeros_written += (uint64_t)result;
        ask_step(s, s->zeros_written < s->task.bytes ? STEP_ZEROS : STEP_HEADER);
        break;
    case STEP_HEADER:
        if ((uint32_t)result < FORMAT_BLOCK_BYTES)
            ask_step(s, STEP_HEADER);
        else
            ask_step(s, STEP_SYNC_FILE);
        break;
    case STEP_SYNC_FILE:
        if (s->task.kind == SEGMENTS_MAKE)
            ask_step(s, STEP_SYNC_FOLDER);
        else
            prepared(s, 0);
        break;
    case STEP_SYNC_FOLDER: prepared(s, 0); break;
    case STEP_RENAME: ask_step(s, STEP_SYNC_FOLDER); break;
    case STEP_UNLINK:
        if (s->error)
            prepared(s, s->error);
        else
            ask_step(s, STEP_SYNC_FOLDER);
        break;
    case STEP_NONE: CHECK(false);
    }
}

static void prepare_next(struct storage *s)
{
    uint64_t done_batch = s->journal->synced_batch;
    if (s->told_batch < done_batch)
        done_batch = s->told_batch;
    s->task = segments_next(s->segments, done_batch, io_now_us(s->io));
    if (s->task.kind == SEGMENTS_NOTHING)
        return;
    storage_name(s->task.name, s->name);
    s->error = 0;
    s->zeros_written = 0;
    switch (s->task.kind) {
    case SEGMENTS_MAKE: ask_step(s, STEP_OPEN); break;
    case SEGMENTS_EMPTY:
        s->fd = segment_at(s->segments->table, s->task.number)->fd;
        ask_step(s, STEP_HEADER);
        break;
    case SEGMENTS_REMOVE:
        s->fd = segment_at(s->segments->table, s->task.number)->fd;
        ask_step(s, STEP_UNLINK);
        break;
    case SEGMENTS_SET_ASIDE:
        s->fd = segment_at(s->segments->table, s->task.number)->fd;
        snprintf(s->new_name, sizeof(s->new_name), "%08" PRIu64 STORAGE_DAMAGED_SUFFIX,
                 s->task.name);
        ask_step(s, STEP_RENAME);
        break;
    case SEGMENTS_NOTHING: break;
    }
}

// --- the journal

static void carry_out(struct storage *s, const struct journal_task *t)
{
    struct io_token write = token_of(s, STORAGE_OP_WRITE);
    struct io_token sync = token_of(s, STORAGE_OP_SYNC);
    s->ops_in_flight++;
    switch (t->kind) {
    case JOURNAL_WRITE: io_write(s->io, t->fd, t->pieces, t->piece_count, t->offset, write); break;
    case JOURNAL_WRITE_AND_SYNC:
        s->ops_in_flight++;
        io_write_and_sync(s->io, t->fd, t->pieces, t->piece_count, t->offset, write, sync);
        break;
    case JOURNAL_SYNC: io_sync(s->io, t->fd, sync); break;
    case JOURNAL_NOTHING: CHECK(false);
    }
}

// Making a segment is tried again and again while there is no room: that is told once.
static void tell_room(struct storage *s)
{
    uint64_t now_us = io_now_us(s->io);
    bool full = !segments_accept(s->segments);
    if (full == s->full || (full && s->full_since_us && now_us < s->full_since_us + FULL_TOLD_US))
        return;
    s->full = full;
    if (!full) {
        log_line(LOG_LEVEL_WARNING, "journal: there is room for new mail again");
        return;
    }
    s->full_since_us = now_us;
    int error = s->segments->error;
    log_line(LOG_LEVEL_WARNING, "journal: no new mail is taken until there is room: %s",
             error == -EDQUOT ? "all that it may use is used, see journal { space }"
                              : strerrordesc_np(-error));
}

void storage_turn(struct storage *s)
{
    struct journal_task t;
    while ((t = journal_next(s->journal, io_now_us(s->io), io_wall_us(s->io))).kind !=
           JOURNAL_NOTHING)
        carry_out(s, &t);
    if (s->segments && s->step == STEP_NONE && !journal_broken(s->journal))
        prepare_next(s);
    if (s->segments)
        tell_room(s);
}

void storage_on_done(struct storage *s, const struct io_done *done)
{
    CHECK(s->ops_in_flight > 0);
    s->ops_in_flight--;
    switch ((enum storage_op)done->token.op) {
    case STORAGE_OP_WRITE: journal_wrote(s->journal, done->result, io_now_us(s->io)); break;
    case STORAGE_OP_SYNC: journal_synced(s->journal, done->result, io_now_us(s->io)); break;
    case STORAGE_OP_PREPARE: step_done(s, done->result); break;
    }
}

uint64_t storage_due_us(const struct storage *s)
{
    uint64_t journal_us = journal_due_us(s->journal);
    bool prepares = s->segments && !journal_broken(s->journal);
    uint64_t segments_us = prepares ? segments_due_us(s->segments) : UINT64_MAX;
    return journal_us < segments_us ? journal_us : segments_us;
}

bool storage_idle(const struct storage *s)
{
    return s->ops_in_flight == 0;
}
