// Messages come back from disk: their jobs wait for that before they go on.

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/deliver/parts.h"
#include "queue/message_record.h"

#include <errno.h>
#include <string.h>

static struct io_token fetch_token(const struct deliver *d, uint32_t index)
{
    return (struct io_token){index, slab_generation(&d->fetches, index), d->o.io_owner,
                             DELIVER_OP_FETCH};
}

static void fetch_read(struct deliver *d, const struct fetch *f, uint32_t index)
{
    const struct segment *s = segment_at(d->o.segments, place_segment(f->place));
    io_read(d->io, s->fd, f->to + f->bytes_read, f->bytes - f->bytes_read,
            place_offset(f->place) + f->bytes_read, fetch_token(d, index));
}

bool fetch_has_room(const struct deliver *d, const struct job *j)
{
    return d->fetches.item_count < FETCHES_MAX &&
           block_has_room(d->o.blocks, sizeof(struct message) + j->entry->payload_bytes);
}

bool fetch_ask(struct deliver *d, struct job *j, enum fetch_purpose purpose)
{
    uint32_t index;
    void *to;
    size_t bytes;
    struct fetch *f = slab_take(&d->fetches, &index);
    if (!f)
        return false;
    struct message *m = message_read_new(d->o.blocks, j->entry->payload_bytes, &to, &bytes);
    if (!m) {
        slab_give(&d->fetches, index);
        return false;
    }
    CHECK(!j->message);
    *f = (struct fetch){
        .job = j,
        .message = m,
        .place = segment_read_begins(d->o.segments, j->entry),
        .to = to,
        .bytes = bytes,
        .purpose = purpose,
    };
    fetch_read(d, f, index);
    return true;
}

// NULL: it cannot be had now. Its recipients are told of as deferred, and it is tried again then.
static struct message *fetch_result(struct deliver *d, const struct fetch *f, int32_t result)
{
    const struct entry *e = f->job->entry;
    char id[MESSAGE_ID_TEXT_BYTES];
    const struct segment *s = segment_at(d->o.segments, place_segment(f->place));
    if (result > 0 &&
        message_read_done(f->message, e->payload_bytes, s->epoch, place_offset(f->place), e->id)) {
        f->message->loan_count = 1;
        d->counters.fetched++;
        return f->message;
    }
    d->counters.fetches_failed++;
    log_line(LOG_LEVEL_ERROR, "message %s cannot be read back from the journal: %s",
             message_id_print(e->id, id),
             result < 0 ? strerrordesc_np(-result) : "its bytes are damaged");
    if (result >= 0 || result == -EIO)
        outbox_damaged(d, f->job, place_segment(f->place));
    message_free(d->o.blocks, f->message);
    return NULL;
}

// Its site has it again, unless there is something to be done to it first.
static void fetched(struct deliver *d, struct job *j)
{
    struct site *s = job_target(j)->site;
    struct failure why;
    enum dress_step step = DRESS_FAILED;
    if (j->message)
        step = dress_job(d, j, site_is_7bit(s, io_now_us(d->io)), &why);
    else
        failure_set(&why, 451, (struct enhanced_code){4, 3, 0},
                    SLICE("the message cannot be read back from the journal"));
    switch (step) {
    case DRESS_READY: prepare_done(d, s, j); break;
    case DRESS_ASKED: break;
    case DRESS_FAILED: prepare_failed(d, s, j, VERDICT_LATER, &why); break;
    }
}

void fetch_on_done(struct deliver *d, const struct io_done *done)
{
    struct fetch *f = slab_find(&d->fetches, done->token.index, done->token.generation);
    CHECK(f);
    if (done->result > 0) {
        f->bytes_read += (size_t)done->result;
        CHECK(f->bytes_read <= f->bytes);
    }
    if ((done->result > 0 && f->bytes_read < f->bytes) || done->result == -EINTR ||
        done->result == -EAGAIN) {
        fetch_read(d, f, done->token.index);
        return;
    }
    struct job *j = f->job;
    j->message = fetch_result(d, f, done->result);
    segment_read_ends(d->o.segments, f->place);
    enum fetch_purpose purpose = f->purpose;
    slab_give(&d->fetches, done->token.index);
    switch (purpose) {
    case FETCH_TO_DELIVER: fetched(d, j); break;
    case FETCH_TO_END: target_end_fetched(d, job_target(j), j); break;
    case FETCH_TO_EXPIRE: target_expire_fetched(d, job_target(j), j); break;
    }
}
