// A report to a sender and the records of what has failed: both are in the journal, or neither is,
// wherever a crash comes, and whatever fails.
#include "engine/base/check.h"
#include "tests/journal_stage.h"
#include "tests/suite.h"

#include <errno.h>
#include <urcu/urcu-qsbr.h>

#define FAILED_MAX 5u
#define CRASHES 60u // of each moment

struct scene {
    struct stage *stage;
    uint32_t failed[FAILED_MAX]; // letters that the report is about
    uint32_t failed_count;
    uint32_t report;
    struct buffer records;
};

static void put_record(struct scene *c, uint32_t letter)
{
    struct job *j = entry_job(c->stage->letters[letter].entry, 0);
    struct result r = {
        .job = j,
        .kind = RESULT_FAILED,
        .wall_us = STAGE_WALL_US,
        .attempt = 1,
        .code = 550,
        .host = SLICE("mx.example"),
        .text = SLICE("no such user"),
    };
    CU_ASSERT(journal_put_result(&c->records, &r));
}

static struct scene scene_new(uint32_t failed_count)
{
    struct scene c = {.stage = stage_ready(STAGE_SEGMENT_BYTES), .failed_count = failed_count};
    buffer_init(&c.records, 1 << 20);
    for (uint32_t i = 0; i < failed_count; i++) {
        c.failed[i] = stage_one_committed(c.stage);
        put_record(&c, c.failed[i]);
    }
    return c;
}

static void append_report(struct scene *c, uint32_t content_bytes)
{
    c->report = stage_append(c->stage, 1, content_bytes);
    struct message *m = c->stage->letters[c->report].message;
    m->results = &c->records;
    m->result_count = c->failed_count;
}

static void scene_free(struct scene *c)
{
    stage_free(c->stage);
    buffer_release(&c->records);
}

// Returns whether they are there.
static bool check_found(struct scene *c, enum stage_loss loss)
{
    struct stage_images *images = stage_crash(c->stage, loss, &c->stage->dice);
    struct stage_found *found = stage_recover(images);
    bool reported = stage_found_entry(found, stage_id(c->report));
    for (uint32_t i = 0; i < c->failed_count; i++) // a letter with nobody left is not queued
        CU_ASSERT_EQUAL(stage_found_entry(found, stage_id(c->failed[i])) == NULL, reported);
    CU_ASSERT_EQUAL(found->recover.counters.malformed, 0);
    stage_found_free(found);
    stage_images_free(images);
    return reported;
}

static void crash_at_any_moment(void)
{
    uint32_t there = 0, gone = 0;
    for (uint32_t count = 1; count <= FAILED_MAX; count++) {
        struct scene c = scene_new(count);
        append_report(&c, 100 * count);
        CU_ASSERT(!check_found(&c, LOSE_NONE)); // nothing is written yet
        stage_ask(c.stage);
        for (uint32_t i = 0; i < CRASHES; i++) {
            bool reported = check_found(&c, LOSE_SOME);
            there += reported;
            gone += !reported;
        }
        CU_ASSERT(!check_found(&c, LOSE_ALL));
        stage_write_ends(c.stage);
        CU_ASSERT(check_found(&c, LOSE_NONE)); // the process alone has gone
        for (uint32_t i = 0; i < CRASHES; i++)
            check_found(&c, LOSE_SOME);
        stage_sync_ends(c.stage);
        CU_ASSERT(c.stage->letters[c.report].committed);
        CU_ASSERT(check_found(&c, LOSE_ALL));
        scene_free(&c);
    }
    CU_ASSERT(there > 0 && gone > 0);
}

// It stands among other mail and other results, in the order in which it came.
static void among_others(void)
{
    struct scene c = scene_new(2);
    uint32_t other = stage_one_committed(c.stage);
    stage_result(c.stage, other, 0, RESULT_DELIVERED, 0);
    stage_append(c.stage, 3, 700);
    append_report(&c, 300);
    stage_append(c.stage, 2, 90);
    stage_ask(c.stage);
    CU_ASSERT(!check_found(&c, LOSE_ALL));
    stage_write_ends(c.stage);
    stage_sync_ends(c.stage);
    stage_settle(c.stage);
    CU_ASSERT(check_found(&c, LOSE_ALL));
    scene_free(&c);
}

// A segment that fails takes both with it: they are refused together, and may come again.
static void a_sync_that_fails(void)
{
    struct scene c = scene_new(3);
    append_report(&c, 300);
    stage_ask(c.stage);
    stage_wrote(c.stage, (int32_t)c.stage->flight_bytes);
    stage_synced(c.stage, -EIO);
    stage_settle(c.stage);
    CU_ASSERT(c.stage->letters[c.report].settled && !c.stage->letters[c.report].committed);
    CU_ASSERT(!check_found(&c, LOSE_NONE));
    CU_ASSERT(!check_found(&c, LOSE_ALL));
    append_report(&c, 300);
    stage_settle(c.stage);
    CU_ASSERT(c.stage->letters[c.report].committed);
    CU_ASSERT(check_found(&c, LOSE_ALL));
    scene_free(&c);
}

// As many reports as waiting go into one write, each with its records.
static void many_reports(void)
{
    struct scene c = scene_new(FAILED_MAX);
    struct buffer single[FAILED_MAX];
    for (uint32_t i = 0; i < FAILED_MAX; i++) {
        struct buffer all = c.records;
        buffer_init(&c.records, 1 << 20);
        put_record(&c, c.failed[i]);
        single[i] = c.records;
        c.records = all;
        c.report = stage_append(c.stage, 1, 101 + i);
        struct message *m = c.stage->letters[c.report].message;
        m->results = &single[i];
        m->result_count = 1;
    }
    stage_ask(c.stage);
    CU_ASSERT(!check_found(&c, LOSE_ALL));
    stage_settle(c.stage);
    CU_ASSERT_EQUAL(c.stage->write_count, FAILED_MAX + 1);
    CU_ASSERT(check_found(&c, LOSE_ALL));
    scene_free(&c);
    for (uint32_t i = 0; i < FAILED_MAX; i++)
        buffer_release(&single[i]);
}

static const struct suite_test tests[] = {
    {"a crash at any moment", crash_at_any_moment},
    {"among others", among_others},
    {"a sync that fails", a_sync_that_fails},
    {"many reports", many_reports},
};

int main(int argc, char **argv)
{
    urcu_qsbr_register_thread();
    int result = suite_main("journal_report", tests, COUNT_OF(tests), argc, argv);
    urcu_qsbr_unregister_thread();
    return result;
}
