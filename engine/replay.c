#include "engine/replay.h"

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "queue/job.h"
#include "queue/message_record.h"

#include <errno.h>
#include <fcntl.h>

#define LINES_BYTES (1024u * 1024) // gathered before they are appended

// Its own requests carry this op; the others of its owner are those of events.c.
#define REPLAY_OP 255u

static void go_on(struct replay *r);

static void ask(struct replay *r, enum replay_step step)
{
    struct io_token token = {.owner = r->io_owner, .op = REPLAY_OP};
    r->step = step;
    switch (step) {
    case REPLAY_OPEN:
        io_open(r->io, r->dir_fd, CURSOR_FILE, O_RDONLY | O_NOFOLLOW, 0, token);
        break;
    case REPLAY_READ:
        io_read(r->io, r->cursor_fd, r->file + r->file_bytes, sizeof(r->file) - r->file_bytes,
                r->file_bytes, token);
        break;
    case REPLAY_MESSAGE: {
        uint64_t place = r->reading->place;
        io_read(r->io, segment_at(r->segments, place_segment(place))->fd, r->to + r->bytes_read,
                r->bytes - r->bytes_read, place_offset(place) + r->bytes_read, token);
        break;
    }
    case REPLAY_CREATE:
        io_open(r->io, r->dir_fd, CURSOR_FILE, O_RDWR | O_CREAT | O_NOFOLLOW, 0600, token);
        break;
    case REPLAY_WRITE:
        r->piece = (struct iovec){r->file + r->file_bytes, sizeof(r->file) - r->file_bytes};
        io_write(r->io, r->cursor_fd, &r->piece, 1, r->file_bytes, token);
        break;
    case REPLAY_SYNC: io_sync_all(r->io, r->cursor_fd, token); break;
    case REPLAY_FORGET: io_unlink(r->io, r->dir_fd, CURSOR_FILE, token); break;
    case REPLAY_GATHERS:
    case REPLAY_APPENDS:
    case REPLAY_DONE: break;
    }
}

void replay_begin(struct replay *r, struct io *io, uint8_t io_owner, int dir_fd, int events_fd,
                  const struct recover *recover, const struct segment_table *segments)
{
    *r = (struct replay){.io = io,
                         .dir_fd = dir_fd,
                         .io_owner = io_owner,
                         .recover = recover,
                         .segments = segments,
                         .wanted = events_fd >= 0,
                         .cursor_fd = -1};
    events_init(&r->events, io, events_fd, io_owner, true);
    buffer_init(&r->results, REPLAY_BYTES_MAX);
    block_pool_init(&r->blocks, UINT64_MAX);
    if (r->wanted)
        ask(r, REPLAY_OPEN);
    else
        ask(r, REPLAY_GATHERS);
}

static void close_cursor(struct replay *r)
{
    if (r->cursor_fd >= 0)
        io_close(r->io, r->cursor_fd);
    r->cursor_fd = -1;
}

static void forget_message(struct replay *r)
{
    message_free(&r->blocks, r->message);
    r->message = NULL;
    r->reading = NULL;
}

void replay_release(struct replay *r)
{
    if (!r->io)
        return;
    CHECK(r->cursor_fd < 0);
    forget_message(r);
    buffer_release(&r->results);
    block_pool_release(&r->blocks);
    events_release(&r->events);
    r->io = NULL;
}

bool replay_gathers(const struct replay *r)
{
    return r->step == REPLAY_GATHERS;
}

bool replay_finished(const struct replay *r)
{
    return r->step == REPLAY_DONE;
}

int replay_take_cursor(struct replay *r)
{
    int fd = r->cursor_fd;
    r->cursor_fd = -1;
    return fd;
}

// Mail does not wait for that. A cursor of an earlier life stays what it was.
static void give_up_cursor(struct replay *r, int error)
{
    log_line(LOG_LEVEL_WARNING,
             "events: cannot keep " CURSOR_FILE
             ": %s; a crash may lose some, or have them told twice",
             strerrordesc_np(-error));
    close_cursor(r);
    ask(r, REPLAY_DONE);
}

// --- what was not told of

void replay_result(struct replay *r, struct slice payload, uint32_t worker, struct journal_place at)
{
    uint32_t len = (uint32_t)payload.len;
    if (!r->found || cursor_covers(&r->cursor, worker, at) ||
        payload.len < sizeof(struct record_result))
        return;
    if (r->results.bytes_max - r->results.len < sizeof(len) + len ||
        !buffer_append(&r->results, slice_make(&len, sizeof(len))) ||
        !buffer_append(&r->results, payload))
        r->counters.dropped++;
}

static struct slice result_payload(const struct replay *r)
{
    uint32_t len;
    memcpy(&len, r->results.data + r->results_at, sizeof(len));
    return slice_make(r->results.data + r->results_at + sizeof(len), len);
}

static bool rest_is(const struct record_result *d, struct slice texts)
{
    return texts.len == (size_t)d->host_bytes + d->address_bytes + d->text_bytes;
}

static enum result_kind kind_of(const struct record_result *d)
{
    if (d->outcome == RCPT_DELIVERED)
        return RESULT_DELIVERED;
    return d->outcome == RCPT_FAILED ? RESULT_FAILED : RESULT_DEFERRED;
}

// As events_result() has it, or would have had.
static void tell(struct replay *r, const struct record_result *d, struct slice texts)
{
    const struct message *m = r->message;
    bool known = m && m->id == d->id && d->rcpt < m->rcpt_count;
    uint64_t told_s = (d->wall_us + 999999) / 1000000;
    struct event e = {
        .id = d->id,
        .rcpt = d->rcpt,
        .wall_us = d->wall_us,
        .kind = (uint8_t)kind_of(d),
        .category = d->category,
        .in_doubt = d->in_doubt,
        .attempt = d->attempt,
        .code = d->code,
        .enhanced = {d->enhanced[0], d->enhanced[1], d->enhanced[2]},
        .tls = {d->tls_version, d->tls_cipher},
        .delay_s = d->due_wall_s > told_s ? (uint32_t)(d->due_wall_s - told_s) : 0,
        .sender = known ? message_sender(m) : SLICE_EMPTY,
        .recipient = known ? message_rcpt_address(m, d->rcpt) : SLICE_EMPTY,
        .campaign = known ? message_campaign(m) : SLICE_EMPTY,
        .domain = known ? message_rcpt_domain(m, d->rcpt) : SLICE_EMPTY,
        .host = slice_take(texts, d->host_bytes),
        .address = slice_take(slice_skip(texts, d->host_bytes), d->address_bytes),
        .text = slice_skip(texts, (size_t)d->host_bytes + d->address_bytes),
    };
    events_add(&r->events, &e);
    r->counters.told++;
}

// True: its bytes are asked for.
static bool read_message(struct replay *r, const struct entry *e)
{
    void *to;
    forget_message(r);
    r->message = message_read_new(&r->blocks, e->payload_bytes, &to, &r->bytes);
    if (!r->message)
        return false; // its events lack sender and recipient
    r->reading = e;
    r->to = to;
    r->bytes_read = 0;
    ask(r, REPLAY_MESSAGE);
    return true;
}

static void message_came(struct replay *r, int32_t result)
{
    const struct entry *e = r->reading;
    const struct segment *s = segment_at(r->segments, place_segment(e->place));
    if (result == -EINTR || result == -EAGAIN) {
        ask(r, REPLAY_MESSAGE);
        return;
    }
    r->bytes_read += result > 0 ? (size_t)result : 0;
    if (result > 0 && r->bytes_read < r->bytes) {
        ask(r, REPLAY_MESSAGE);
        return;
    }
    if (result <= 0 ||
        !message_read_done(r->message, e->payload_bytes, s->epoch, place_offset(e->place), e->id)) {
        message_free(&r->blocks, r->message);
        r->message = NULL;
    }
    go_on(r);
}

static void flush(struct replay *r)
{
    r->step = REPLAY_APPENDS;
    events_flush(&r->events, true);
    events_flush(&r->events, true); // what was held by the first
}

static void tell_one(struct replay *r, struct slice payload)
{
    struct record_result d;
    memcpy(&d, payload.data, sizeof(d));
    struct slice texts = slice_skip(payload, sizeof(d));
    if (rest_is(&d, texts))
        tell(r, &d, texts);
}

// Tells of what can be told of at once; then something is asked for, or all is appended.
static void go_on(struct replay *r)
{
    while (r->results_at < r->results.len && r->events.lines.text.len < LINES_BYTES &&
           !r->events.abandoned) {
        struct slice payload = result_payload(r);
        struct record_result d;
        memcpy(&d, payload.data, sizeof(d));
        const struct entry *e = recover_find(r->recover, d.id);
        if (e && e != r->reading && read_message(r, e))
            return;
        // A message's segment goes only when all that became of it was told of: what is not there
        // any more was, though the cursor had not come so far yet.
        if (e)
            tell_one(r, payload);
        r->results_at += sizeof(uint32_t) + payload.len;
    }
    flush(r);
    if (!events_idle(&r->events))
        return; // again when it has been appended
    if (r->events.abandoned || r->events.dropped_count > 0)
        log_line(LOG_LEVEL_ERROR,
                 "events: what the engine did before it died cannot be told of: %s",
                 strerrordesc_np(-r->events.error));
    forget_message(r);
    ask(r, REPLAY_CREATE);
}

void replay_tell(struct replay *r, uint64_t base_turn)
{
    CHECK(r->step == REPLAY_GATHERS);
    r->base_turn = base_turn;
    if (!r->wanted) {
        ask(r, REPLAY_FORGET);
        return;
    }
    go_on(r);
}

// --- completions

static void cursor_came(struct replay *r, int32_t result)
{
    r->file_bytes += result > 0 ? (size_t)result : 0;
    if ((result > 0 && r->file_bytes < sizeof(r->file)) || result == -EINTR || result == -EAGAIN) {
        ask(r, REPLAY_READ);
        return;
    }
    // What cannot be read reads as nothing told of.
    cursor_read(&r->cursor, slice_make(r->file, result < 0 ? 0 : r->file_bytes));
    close_cursor(r);
    ask(r, REPLAY_GATHERS);
}

static void opened(struct replay *r, int32_t result)
{
    if (result == -EINTR || result == -EAGAIN) {
        ask(r, REPLAY_OPEN);
        return;
    }
    r->found = result != -ENOENT;
    r->cursor_fd = result >= 0 ? result : -1;
    ask(r, result >= 0 ? REPLAY_READ : REPLAY_GATHERS);
}

static void created(struct replay *r, int32_t result)
{
    if (result == -EINTR || result == -EAGAIN) {
        ask(r, REPLAY_CREATE);
        return;
    }
    if (result < 0) {
        give_up_cursor(r, result);
        return;
    }
    r->cursor_fd = result;
    r->file_bytes = 0;
    cursor_begin(r->file, r->base_turn);
    ask(r, REPLAY_WRITE);
}

static void wrote(struct replay *r, int32_t result)
{
    if (result < 0 && result != -EINTR && result != -EAGAIN) {
        give_up_cursor(r, result);
        return;
    }
    r->file_bytes += result > 0 ? (size_t)result : 0;
    ask(r, r->file_bytes < sizeof(r->file) ? REPLAY_WRITE : REPLAY_SYNC);
}

void replay_on_done(struct replay *r, const struct io_done *done)
{
    if (done->token.op != REPLAY_OP) {
        events_on_done(&r->events, done);
        if (r->events.again_us) // mail does not wait for that
            events_abandon(&r->events);
        if (r->step == REPLAY_APPENDS)
            go_on(r);
        return;
    }
    switch (r->step) {
    case REPLAY_OPEN: opened(r, done->result); break;
    case REPLAY_READ: cursor_came(r, done->result); break;
    case REPLAY_MESSAGE: message_came(r, done->result); break;
    case REPLAY_CREATE: created(r, done->result); break;
    case REPLAY_WRITE: wrote(r, done->result); break;
    case REPLAY_SYNC:
        if (done->result < 0)
            give_up_cursor(r, done->result);
        else
            ask(r, REPLAY_DONE);
        break;
    case REPLAY_FORGET: ask(r, REPLAY_DONE); break;
    case REPLAY_GATHERS:
    case REPLAY_APPENDS:
    case REPLAY_DONE: CHECK(false);
    }
}
