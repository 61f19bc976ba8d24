// How far the events have come: lines that are no results never take it back, or segments would
// wait for them.

#include "engine/base/check.h"
#include "engine/control/events.h"
#include "tests/sim/world_disk.h"
#include "tests/suite.h"

#include <fcntl.h>

struct stand {
    struct world *world;
    struct io *io;
    struct journal journal; // no more of it than events look at
    struct events events;
};

static int open_file(struct stand *s)
{
    struct io *io;
    struct io_done done;
    io_open(s->io, world_folder(s->world, "state"), "events.jsonl", O_WRONLY | O_APPEND | O_CREAT,
            0600, (struct io_token){.owner = 2});
    io_wait(s->io, UINT64_MAX);
    CHECK(world_next(s->world, &io) && io_next(s->io, &done) && done.result >= 0);
    return done.result;
}

static void begin(struct stand *s)
{
    s->world = world_new(&(struct world_options){.seed = 1});
    CHECK(io_new(&s->io, NULL) == 0);
    s->journal = (struct journal){.batch = 1};
    events_init(&s->events, s->io, open_file(s), 1, true);
    s->events.syncs = true; // which it cannot find out of a simulated file
    events_follow(&s->events, &s->journal, -1, 0, 0);
}

static void end(struct stand *s)
{
    events_release(&s->events);
    io_close(s->io, s->events.fd);
    io_free(s->io);
    world_free(s->world);
}

static void turn(struct stand *s, bool ending)
{
    struct io *io;
    struct io_done done;
    events_flush(&s->events, ending);
    if (!s->events.writing && !s->events.syncing)
        return;
    io_wait(s->io, UINT64_MAX);
    CHECK(world_next(s->world, &io));
    while (io_next(s->io, &done))
        events_on_done(&s->events, &done);
}

// So far, and no further: what is appended is synced a second later.
static void append_all(struct stand *s)
{
    const struct events *e = &s->events;
    while (e->lines.text.len + e->held.text.len > 0 || e->writing)
        turn(s, false);
}

static void sync_all(struct stand *s)
{
    append_all(s);
    while (s->events.unsynced || s->events.syncing)
        turn(s, true);
    events_flush(&s->events, true); // which hears of the journal's sync
}

static void tell_result(struct stand *s)
{
    s->journal.result_count = 1;
    events_add(&s->events, &(struct event){.id = 1, .kind = RESULT_DELIVERED, .wall_us = 1});
    s->journal.result_count = 0;
    s->journal.synced_batch = s->journal.batch++;
}

static void tell_note(struct stand *s)
{
    struct json j;
    events_open(&s->events, &j, "site");
    json_text(&j, "site", SLICE("mx.example"));
    events_close(&s->events, &j);
}

static void notes_take_nothing_back(void)
{
    struct stand s;
    begin(&s);
    for (int i = 0; i < 5; i++) {
        tell_result(&s);
        sync_all(&s);
    }
    CU_ASSERT(events_told_batch(&s.events) >= 5);
    for (int i = 0; i < 5; i++) {
        tell_note(&s);
        append_all(&s);
        CU_ASSERT(s.events.unsynced || s.events.syncing);
        CU_ASSERT(events_told_batch(&s.events) >= 5);
        sync_all(&s);
    }
    sync_all(&s);
    CU_ASSERT_EQUAL(s.events.line_count, 10);
    end(&s);
}

// Together in one part: the result's batch counts.
static void a_result_beside_notes_is_waited_for(void)
{
    struct stand s;
    begin(&s);
    tell_result(&s);
    sync_all(&s);
    tell_note(&s);
    tell_result(&s);
    tell_note(&s);
    CU_ASSERT(events_told_batch(&s.events) < 2);
    sync_all(&s);
    CU_ASSERT(events_told_batch(&s.events) >= 2);
    end(&s);
}

static const struct suite_test tests[] = {
    {"notes take nothing back", notes_take_nothing_back},
    {"a result beside notes is waited for", a_result_beside_notes_is_waited_for},
};

SUITE_MAIN("events", tests)
