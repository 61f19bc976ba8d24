// tests/sim/requests.c: requests in flight, when they can complete, and their completions.
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdlib.h>

#define FNV_PRIME 1099511628211u
// Of lent memory, the edges of three pieces; of some requests all: a message that goes out byte by
// byte is summed for each byte.
#define CHECKSUM_EDGE_BYTES 32
#define CHECKSUM_WHOLE_EVERY 64

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ at[i]) * FNV_PRIME;
    return hash;
}

// --- in flight

static struct sim_request **bucket_of(struct io *io, struct io_token token)
{
    uint64_t bits;
    memcpy(&bits, &token, sizeof(bits));
    return &io->buckets[(bits * FNV_PRIME >> 32) % SIM_TOKEN_BUCKETS];
}

struct sim_request *sim_find(struct io *io, struct io_token token)
{
    struct sim_request *r = *bucket_of(io, token);
    while (r && memcmp(&r->token, &token, sizeof(token)) != 0)
        r = r->next;
    return r;
}

static struct sim_request *new_request(struct world *w)
{
    struct sim_request *r = w->free_requests;
    if (r) {
        w->free_requests = r->next;
        memset(r, 0, sizeof(*r));
        return r;
    }
    r = calloc(1, sizeof(*r));
    CHECK(r);
    return r;
}

struct sim_request *sim_ask(struct io *io, enum sim_kind kind, struct sim_socket *s,
                            struct io_token token)
{
    CHECK(token.owner != IO_OWNER_RESERVED);
    CHECK(!sim_find(io, token)); // two requests with one token
    bool is_sole = kind < SIM_SOLE_KINDS;
    CHECK(!s || !is_sole || !s->requests[kind]); // one of each such kind at a time
    struct sim_request *r = new_request(io->world);
    r->io = io;
    r->token = token;
    r->kind = kind;
    r->serial = ++io->world->serial;
    r->socket = s;
    if (s && is_sole) {
        s->requests[kind] = r;
    } else if (s) {
        r->next_asked = s->asked;
        s->asked = r;
    }
    r->next = *bucket_of(io, token);
    *bucket_of(io, token) = r;
    io->request_count++;
    io->waiting = false;
    return r;
}

void sim_detach(struct sim_request *r)
{
    struct sim_socket *s = r->socket;
    if (!s)
        return;
    if (r->kind < SIM_SOLE_KINDS) {
        s->requests[r->kind] = NULL;
    } else {
        struct sim_request **link = &s->asked;
        while (*link != r)
            link = &(*link)->next_asked;
        *link = r->next_asked;
    }
    r->socket = NULL;
}

void sim_drop(struct sim_request *r)
{
    struct sim_request **link = bucket_of(r->io, r->token);
    sim_unschedule(r);
    while (*link != r)
        link = &(*link)->next;
    *link = r->next;
    r->io->request_count--;
    sim_detach(r);
    r->next = r->io->world->free_requests;
    r->io->world->free_requests = r;
}

// --- when

static bool sooner(const struct sim_request *a, const struct sim_request *b)
{
    return a->ready_us != b->ready_us ? a->ready_us < b->ready_us : a->serial < b->serial;
}

static void heap_set(struct world *w, uint32_t at, struct sim_request *r)
{
    w->heap[at] = r;
    r->at = at;
}

static void heap_settle(struct world *w, struct sim_request *r)
{
    uint32_t at = r->at;
    for (; at > 0 && sooner(r, w->heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap_set(w, at, w->heap[(at - 1) / 2]);
    for (uint32_t child; (child = 2 * at + 1) < w->heap_count; at = child) {
        if (child + 1 < w->heap_count && sooner(w->heap[child + 1], w->heap[child]))
            child++;
        if (!sooner(w->heap[child], r))
            break;
        heap_set(w, at, w->heap[child]);
    }
    heap_set(w, at, r);
}

static void *with_room(void *array, uint32_t *room, uint32_t count, size_t item_bytes)
{
    if (count < *room)
        return array;
    *room = *room ? *room * 2 : 64;
    array = realloc(array, *room * item_bytes);
    CHECK(array);
    return array;
}

static void make_ready(struct sim_request *r)
{
    struct io *io = r->io;
    io->ready = with_room(io->ready, &io->ready_room, io->ready_count, sizeof(io->ready[0]));
    r->place = SIM_READY;
    r->at = io->ready_count;
    io->ready[io->ready_count++] = r;
}

void sim_unschedule(struct sim_request *r)
{
    struct world *w = r->io->world;
    if (r->place == SIM_READY) {
        struct sim_request *last = r->io->ready[--r->io->ready_count];
        r->io->ready[r->at] = last;
        last->at = r->at;
    } else if (r->place == SIM_TIMED) {
        struct sim_request *last = w->heap[--w->heap_count];
        if (last != r) {
            heap_set(w, r->at, last);
            heap_settle(w, last);
        }
    }
    r->place = SIM_NOWHERE;
}

void sim_schedule_in(struct sim_request *r, uint64_t delay_us)
{
    struct world *w = r->io->world;
    sim_unschedule(r);
    if (delay_us == 0) {
        make_ready(r);
        return;
    }
    w->heap = with_room(w->heap, &w->heap_room, w->heap_count, sizeof(w->heap[0]));
    r->place = SIM_TIMED;
    r->ready_us = w->now_us + delay_us;
    heap_set(w, w->heap_count++, r);
    heap_settle(w, r);
}

static uint32_t latency_us_max(const struct sim_request *r)
{
    const struct world_options *o = &r->io->world->options;
    if (r->kind == SIM_SYNC || r->kind == SIM_SYNC_ALL)
        return o->sync_latency_us_max;
    if (r->kind == SIM_OFFLOAD)
        return o->work_latency_us_max;
    return sim_is_of_disk(r) ? o->file_latency_us_max : o->latency_us_max;
}

void sim_schedule(struct sim_request *r)
{
    if (!r || r->place != SIM_NOWHERE)
        return;
    struct world *w = r->io->world;
    bool at_once = random_below(&w->dice, 2);
    sim_schedule_in(r, at_once ? 0 : random_below(&w->dice, latency_us_max(r)));
}

void sim_promote(struct world *w)
{
    while (w->heap_count > 0 && w->heap[0]->ready_us <= w->now_us) {
        struct sim_request *r = w->heap[0];
        sim_unschedule(r);
        make_ready(r);
    }
}

// --- completions

static uint64_t checksum_piece(uint64_t hash, struct slice piece, bool whole)
{
    if (whole || piece.len <= 2 * CHECKSUM_EDGE_BYTES)
        return slice_hash(piece, hash);
    hash = slice_hash(slice_take(piece, CHECKSUM_EDGE_BYTES), hash);
    return slice_hash(slice_skip(piece, piece.len - CHECKSUM_EDGE_BYTES), hash);
}

static uint64_t checksum_names(const struct sim_request *r)
{
    const char *names[] = {r->file.name, r->file.to_name};
    uint64_t hash = 0;
    for (unsigned i = 0; i < COUNT_OF(names); i++)
        if (names[i])
            hash = slice_hash(slice_of_text(names[i]), hash);
    return hash;
}

uint64_t sim_checksum(const struct sim_request *r)
{
    bool whole = r->serial % CHECKSUM_WHOLE_EVERY == 0;
    if (r->kind == SIM_APPEND)
        return checksum_piece(0, r->bytes, whole);
    if (r->kind == SIM_READ)
        return checksum_piece(0, slice_make(r->file.to, r->file.bytes), whole);
    if (sim_is_of_disk(r) && r->kind != SIM_WRITE)
        return checksum_names(r);
    uint64_t hash = slice_hash(slice_make(r->pieces, r->piece_count * sizeof(r->pieces[0])), 0);
    for (unsigned i = 0; i < r->piece_count; i++) {
        bool is_chosen = i == 0 || i + 1 == r->piece_count || i == r->serial % r->piece_count;
        struct slice piece = slice_make(r->pieces[i].iov_base, r->pieces[i].iov_len);
        if (whole || is_chosen)
            hash = checksum_piece(hash, piece, whole);
    }
    return hash;
}

static void trace(const struct sim_request *r, const struct io_done *done)
{
    struct world *w = r->io->world;
    struct slice bytes = done->bytes;
    if (r->kind == SIM_READ && done->result > 0)
        bytes = slice_make(r->file.to, (size_t)done->result);
    uint64_t bytes_hash = hash_bytes(0, bytes.data, bytes.len);
    uint64_t facts[] = {w->now_us,  r->io->number,          0,
                        bytes_hash, (uint32_t)done->result, done->ended};
    memcpy(&facts[2], &done->token, sizeof(done->token));
    w->trace = hash_bytes(w->trace, facts, sizeof(facts));
    if (w->options.trace)
        fprintf(w->options.trace,
                "%" PRIu64 " io %u owner %u op %u index %u.%u: %d%s %016" PRIx64 "\n",
                w->now_us - 1000000000u, r->io->number, done->token.owner, done->token.op,
                done->token.index, done->token.generation, done->result,
                done->ended ? " ended" : "", bytes_hash);
}

void sim_post(struct sim_request *r, int32_t result, bool ended, struct slice lent, uint16_t number)
{
    struct io *io = r->io;
    struct io_done done = {
        .token = r->token,
        .result = result,
        .ended = ended,
        .lends = lent.len > 0,
        .lent = number,
        .bytes = lent,
    };
    trace(r, &done);
    io->arrived = with_room(io->arrived, &io->arrived_room, io->arrived_first + io->arrived_count,
                            sizeof(io->arrived[0]));
    io->arrived[io->arrived_first + io->arrived_count++] = (struct sim_arrived){
        .done = done,
        .brings_descriptor = (r->kind == SIM_ACCEPT || r->kind == SIM_OPEN) && result >= 0,
    };
    if (!ended)
        return;
    // What was lent has been left alone by its owner until now.
    CHECK((r->kind != SIM_SEND && r->kind != SIM_APPEND) || sim_checksum(r) == r->checksum);
    sim_drop(r);
}

void sim_end(struct sim_request *r, int32_t result)
{
    sim_post(r, result, true, SLICE_EMPTY, 0);
}
