// The plan of the journal, step by step, while all goes well. When it does not:
// journal_trouble_test.c. In all orders, and after a crash: journal_fault_test.c.
#include "engine/base/check.h"
#include "tests/journal_stage.h"
#include "tests/suite.h"

#include <errno.h>
#include <urcu/urcu-qsbr.h>

// --- the null journal

static void the_null_journal(void)
{
    struct journal j;
    struct entry entry = {0};
    struct message messages[4] = {0};
    struct journal_task t;
    enum journal_fate fate = JOURNAL_FAILED;
    CU_ASSERT(journal_init(&j, NULL));
    for (int i = 0; i < 4; i++)
        messages[i] = (struct message){.envelope_sealed = true, .entry = &entry};
    t = journal_next(&j, 0, 0);
    CU_ASSERT_EQUAL(t.kind, JOURNAL_NOTHING);
    CU_ASSERT_PTR_NULL(journal_settled(&j, &fate));
    CU_ASSERT(journal_accepts(&j, &fate) && journal_idle(&j));
    journal_append(&j, &messages[0]);
    journal_append(&j, &messages[1]);
    CU_ASSERT_PTR_NULL(journal_settled(&j, &fate)); // by the end of the turn and not before
    CU_ASSERT(!journal_idle(&j));
    t = journal_next(&j, 0, 0);
    CU_ASSERT_EQUAL(t.kind, JOURNAL_NOTHING);
    CU_ASSERT_PTR_EQUAL(journal_settled(&j, &fate), &messages[0]);
    CU_ASSERT_EQUAL(fate, JOURNAL_COMMITTED);
    journal_append(&j, &messages[2]);
    journal_next(&j, 0, 0); // the caller has not asked for all of the turn before
    journal_append(&j, &messages[3]);
    CU_ASSERT_PTR_EQUAL(journal_settled(&j, &fate), &messages[1]);
    CU_ASSERT_PTR_EQUAL(journal_settled(&j, &fate), &messages[2]);
    CU_ASSERT_PTR_NULL(journal_settled(&j, &fate));
    journal_next(&j, 0, 0);
    CU_ASSERT_PTR_EQUAL(journal_settled(&j, &fate), &messages[3]);
    CU_ASSERT_PTR_NULL(journal_settled(&j, &fate));
    CU_ASSERT_EQUAL(j.counters.messages, 4);
    CU_ASSERT_EQUAL(messages[3].place, PLACE_NONE);
    for (int i = 0; i < 4; i++)
        journal_forget(&j, &entry);
    CU_ASSERT_EQUAL(j.counters.forgotten, 4);
    CU_ASSERT(journal_idle(&j) && !journal_troubled(&j) && !journal_broken(&j));
    CU_ASSERT_EQUAL(journal_due_us(&j), UINT64_MAX);
    journal_release(&j);
}

static void the_null_journal_counts_results(void)
{
    struct journal j;
    struct job job = {0};
    struct result r = {.job = &job, .kind = RESULT_DEFERRED};
    job.entry = &job.own_entry;
    CU_ASSERT(journal_init(&j, NULL));
    journal_result(&j, &r);
    r.kind = RESULT_ATTEMPT;
    journal_result(&j, &r);
    r.kind = RESULT_JOB_HOME;
    journal_result(&j, &r);
    CU_ASSERT_EQUAL(j.counters.results, 1);
    CU_ASSERT(journal_idle(&j));
    journal_release(&j);
}

// --- group commit

static void nothing_is_asked_for_nothing(void)
{
    struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
    stage_ask(s);
    CU_ASSERT(!s->writing && !s->syncing && journal_idle(&s->journal));
    CU_ASSERT_EQUAL(journal_due_us(&s->journal), UINT64_MAX);
    stage_free(s);
}

static void one_message_is_written_and_synced_at_once(void)
{
    struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
    stage_append(s, 3, 700);
    stage_ask(s);
    CU_ASSERT(s->writing && s->syncing && s->sync_linked);
    CU_ASSERT_EQUAL(s->flight_bytes, FORMAT_BLOCK_BYTES);
    CU_ASSERT_EQUAL(s->write.offset, FORMAT_BLOCK_BYTES);
    stage_write_ends(s);
    CU_ASSERT_EQUAL(s->committed_count, 0); // written is not enough
    CU_ASSERT(!journal_idle(&s->journal));
    stage_sync_ends(s);
    CU_ASSERT_EQUAL(s->committed_count, 1);
    CU_ASSERT(journal_idle(&s->journal));
    CU_ASSERT_EQUAL(s->write_count, 1);
    CU_ASSERT_EQUAL(s->sync_count, 1);
    stage_free(s);
}

// Whoever comes while a sync is under way is written meanwhile, and shares the next one.
static void all_who_come_during_a_sync_share_the_next(void)
{
    for (uint32_t k = 1; k <= 40; k += 3)
        for (uint32_t turns = 1; turns <= 2; turns++) {
            struct stage *s = stage_ready(512 * 1024);
            stage_append(s, 1, 100);
            stage_ask(s);
            stage_write_ends(s);
            for (uint32_t i = 0; i < k; i++) {
                stage_append(s, 1, 100);
                if (turns == 1)
                    continue;
                stage_ask(s); // each in a turn of its own
                if (s->writing)
                    stage_write_ends(s);
            }
            stage_ask(s);
            if (s->writing)
                stage_write_ends(s);
            CU_ASSERT_EQUAL(s->sync_count, 1);
            CU_ASSERT_EQUAL(s->committed_count, 0);
            stage_sync_ends(s);
            CU_ASSERT_EQUAL(s->committed_count, 1);
            CU_ASSERT(s->syncing && !s->writing);
            stage_sync_ends(s);
            CU_ASSERT_EQUAL(s->committed_count, 1 + k);
            CU_ASSERT_EQUAL(s->sync_count, 2);
            stage_free(s);
        }
}

static void a_sync_covers_no_write_that_was_not_complete(void)
{
    struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
    stage_append(s, 1, 100);
    stage_ask(s);
    stage_write_ends(s); // its own sync is under way
    stage_append(s, 1, 100);
    stage_ask(s);
    CU_ASSERT(s->writing && s->syncing);
    stage_sync_ends(s);
    CU_ASSERT_EQUAL(s->committed_count, 1);
    CU_ASSERT(!s->syncing); // nothing to sync until that is written
    stage_write_ends(s);
    CU_ASSERT(s->syncing && !s->sync_linked);
    stage_sync_ends(s);
    CU_ASSERT_EQUAL(s->committed_count, 2);
    stage_free(s);
}

// --- results

static void results_are_written_at_once_and_synced_when_they_are_old(void)
{
    struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
    uint32_t letter = stage_one_committed(s);
    uint64_t syncs = s->sync_count;
    stage_result(s, letter, 0, RESULT_DEFERRED, 60);
    stage_ask(s);
    CU_ASSERT(s->writing && !s->syncing);
    s->now_us += 100;
    stage_write_ends(s);
    CU_ASSERT_EQUAL(journal_due_us(&s->journal), s->now_us + JOURNAL_RESULTS_US_MAX);
    CU_ASSERT(!journal_idle(&s->journal));
    s->now_us += JOURNAL_RESULTS_US_MAX - 1;
    stage_ask(s);
    CU_ASSERT_EQUAL(s->sync_count, syncs);
    s->now_us += 1;
    stage_ask(s);
    CU_ASSERT_EQUAL(s->sync_count, syncs + 1);
    stage_sync_ends(s);
    CU_ASSERT(s->results[0].durable);
    CU_ASSERT(journal_idle(&s->journal));
    stage_free(s);
}

static void results_go_with_the_next_group(void)
{
    struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
    uint32_t letter = stage_one_committed(s);
    uint64_t writes = s->write_count, syncs = s->sync_count;
    stage_result(s, letter, 0, RESULT_DELIVERED, 0);
    stage_append(s, 1, 100);
    stage_ask(s);
    stage_write_ends(s);
    stage_sync_ends(s);
    CU_ASSERT(s->results[0].durable);
    CU_ASSERT_EQUAL(s->write_count, writes + 1);
    CU_ASSERT_EQUAL(s->sync_count, syncs + 1);
    CU_ASSERT(journal_idle(&s->journal));
    stage_free(s);
}

static void many_results_are_synced_before_they_are_old(void)
{
    const uint32_t record_bytes = sizeof(struct record_header) + sizeof(struct record_attempt);
    struct stage *s = stage_ready(4u * 1024 * 1024);
    uint32_t letter = stage_one_committed(s);
    uint64_t syncs = s->sync_count;
    uint32_t written = 0;
    while (written < JOURNAL_RESULTS_BYTES_MAX) {
        CU_ASSERT_EQUAL(s->sync_count, syncs);
        for (int i = 0; i < 100; i++, written += record_bytes)
            stage_attempt(s, letter, 0);
        stage_ask(s);
        stage_write_ends(s);
    }
    CU_ASSERT_EQUAL(s->sync_count, syncs + 1);
    stage_free(s);
}

// Those that were written during a sync, the linked one too, are not safe with it: they are synced
// in their own time, from when they were written.
static void results_written_during_a_sync_wait_for_the_next(void)
{
    for (int linked = 0; linked < 2; linked++) {
        struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
        uint32_t letter = stage_one_committed(s);
        if (linked)
            stage_append(s, 1, 100);
        else
            stage_result(s, letter, 0, RESULT_DEFERRED, 60);
        stage_ask(s);
        stage_write_ends(s);
        s->now_us += JOURNAL_RESULTS_US_MAX;
        stage_ask(s);
        CU_ASSERT(s->syncing && s->sync_linked == linked);
        stage_result(s, letter, 0, RESULT_DEFERRED, 61);
        uint32_t result = s->result_count - 1;
        stage_ask(s);
        CU_ASSERT(s->writing);
        stage_write_ends(s);
        uint64_t written_us = s->now_us;
        s->now_us += 1000; // the sync takes that long
        stage_sync_ends(s);
        CU_ASSERT(!s->results[result].durable);
        CU_ASSERT(!s->syncing && !journal_idle(&s->journal));
        CU_ASSERT_EQUAL(journal_due_us(&s->journal), written_us + JOURNAL_RESULTS_US_MAX);
        s->now_us = written_us + JOURNAL_RESULTS_US_MAX;
        stage_ask(s);
        CU_ASSERT_FATAL(s->syncing);
        stage_synced(s, -EIO);
        stage_settle(s);
        CU_ASSERT(s->results[result].durable); // written again, elsewhere
        stage_free(s);
    }
}

// More results than the open segment has room for, the one that ends an older segment's only
// message behind all others: when the first part is synced that one is not, and the old segment
// stays. What is emptied is looked through by the stage.
static void a_result_without_room_keeps_its_messages_segment(void)
{
    const uint32_t record_bytes = sizeof(struct record_header) + sizeof(struct record_attempt);
    struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
    uint32_t old = stage_one_committed(s);
    uint32_t filler = stage_append(s, 1, STAGE_SEGMENT_BYTES * 3 / 4);
    stage_settle(s);
    uint32_t open = stage_append(s, 1, STAGE_SEGMENT_BYTES / 2);
    stage_result(s, filler, 0, RESULT_DELIVERED, 0);
    stage_settle(s);
    CU_ASSERT(place_segment(s->letters[old].entry->place) == s->segments.oldest);
    CU_ASSERT(place_segment(s->letters[open].entry->place) == s->segments.open);
    for (uint32_t bytes = 0; bytes < STAGE_SEGMENT_BYTES; bytes += record_bytes)
        stage_attempt(s, open, 0);
    stage_result(s, old, 0, RESULT_DELIVERED, 0);
    uint64_t syncs = s->sync_count;
    for (int step = 0; step < 20; step++) {
        stage_ask(s);
        if (s->writing)
            stage_wrote(s, (int32_t)s->flight_bytes);
        else if (s->syncing)
            stage_synced(s, 0);
        else
            s->now_us += JOURNAL_RESULTS_US_MAX;
        while (stage_prepare(s, 0))
            ;
        CU_ASSERT_EQUAL(s->segments.emptied_count, s->results[1].durable);
    }
    CU_ASSERT(s->results[1].durable && s->sync_count > syncs + 1);
    stage_settle(s);
    stage_free(s);
}

// --- marks

// After a while of rest, or at the end, a batch without records says that the last one is safe.
// Then nothing more is due.
static void the_last_batch_is_marked(void)
{
    for (int closes = 0; closes < 2; closes++) {
        struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
        stage_one_committed(s);
        uint64_t writes = s->write_count, end = s->journal.synced_end;
        uint64_t due_us = journal_due_us(&s->journal);
        CU_ASSERT(due_us > s->now_us && due_us <= s->now_us + JOURNAL_MARK_US);
        if (closes) {
            CU_ASSERT(journal_idle(&s->journal));
            journal_close(&s->journal);
            CU_ASSERT(!journal_idle(&s->journal));
        } else {
            s->now_us = due_us - 1;
            stage_ask(s);
            CU_ASSERT(!s->writing);
            s->now_us++;
        }
        stage_ask(s);
        CU_ASSERT_FATAL(s->writing);
        CU_ASSERT_EQUAL(s->flight_bytes, FORMAT_BLOCK_BYTES);
        struct batch_header mark;
        memcpy(&mark, s->flight, sizeof(mark));
        CU_ASSERT_EQUAL(mark.durable, end);
        CU_ASSERT_EQUAL(mark.record_count, 0);
        stage_settle(s);
        CU_ASSERT_EQUAL(s->write_count, writes + 1);
        s->now_us += 10 * JOURNAL_MARK_US;
        stage_settle(s);
        CU_ASSERT_EQUAL(s->write_count, writes + 1); // once
        CU_ASSERT_EQUAL(journal_due_us(&s->journal), UINT64_MAX);
        stage_free(s);
    }
}

// --- memory

// None for a batch: nothing is lost by it, and until it is tried again nobody is kept busy. The
// sync of what was written before does not wait for that.
static void without_memory_it_waits(void)
{
    struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
    uint32_t letter = stage_one_committed(s);
    size_t bytes_max = s->journal.notes.bytes_max;
    stage_result(s, letter, 0, RESULT_DEFERRED, 60);
    stage_ask(s);
    stage_write_ends(s);
    uint64_t synced_us = s->now_us + JOURNAL_RESULTS_US_MAX;
    s->journal.notes.bytes_max = s->journal.notes.len; // as if there were no more
    uint64_t writes = s->write_count;
    uint32_t waits = stage_append(s, 1, 100);
    CU_ASSERT(journal_busy(&s->journal));
    stage_ask(s);
    CU_ASSERT_EQUAL(s->write_count, writes);
    CU_ASSERT(!journal_busy(&s->journal) && !journal_idle(&s->journal));
    CU_ASSERT_EQUAL(journal_due_us(&s->journal), synced_us);
    s->now_us = synced_us;
    stage_ask(s);
    CU_ASSERT(s->syncing);
    CU_ASSERT_EQUAL(journal_due_us(&s->journal),
                    synced_us - JOURNAL_RESULTS_US_MAX + JOURNAL_MEMORY_US);
    stage_sync_ends(s);
    for (int tries = 0; tries < 3; tries++) {
        uint64_t due_us = journal_due_us(&s->journal);
        CU_ASSERT(due_us > s->now_us && due_us <= s->now_us + JOURNAL_MEMORY_US);
        s->now_us = due_us;
        stage_ask(s);
        CU_ASSERT(!s->writing && !journal_busy(&s->journal));
    }
    s->journal.notes.bytes_max = bytes_max;
    s->now_us = journal_due_us(&s->journal);
    stage_ask(s);
    CU_ASSERT(s->writing);
    stage_settle(s);
    CU_ASSERT(s->letters[waits].committed);
    stage_free(s);
}

// --- short writes

// Every length at which a write of two blocks may stop; then the rest in one piece, or a few.
static void short_writes_go_on_where_they_stopped(void)
{
    for (uint32_t stop = 1; stop < 2 * FORMAT_BLOCK_BYTES; stop++) {
        struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
        uint32_t letter = stage_one_committed(s);
        stage_result(s, letter, 0, RESULT_DEFERRED, 60);
        stage_append(s, 2, 2000);
        stage_append(s, 1, 3001);
        stage_ask(s);
        CU_ASSERT_EQUAL_FATAL(s->flight_bytes, 2 * FORMAT_BLOCK_BYTES);
        if (stop % 2) { // the sync's completion comes first, or behind
            stage_synced(s, -ECANCELED);
            stage_ask(s);
        }
        stage_wrote(s, (int32_t)stop);
        stage_ask(s);
        if (stop % 2 == 0) {
            CU_ASSERT(!s->writing); // the sync might still be tried
            stage_synced(s, -ECANCELED);
            stage_ask(s);
        }
        CU_ASSERT_FATAL(s->writing);
        CU_ASSERT_EQUAL(s->write.offset, 2 * FORMAT_BLOCK_BYTES + stop);
        if (stop % 3 == 0 && s->flight_bytes > 1) {
            stage_wrote(s, 1);
            stage_ask(s);
        }
        stage_settle(s);
        CU_ASSERT_EQUAL(s->committed_count, 3);
        CU_ASSERT(s->results[0].durable);
        stage_free(s);
    }
}

static void interrupted_writes_are_asked_again(void)
{
    static const int32_t results[] = {-EINTR, -EAGAIN};
    for (int i = 0; i < 2; i++) {
        struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
        stage_append(s, 1, 100);
        stage_ask(s);
        stage_wrote(s, results[i]);
        stage_synced(s, -ECANCELED);
        stage_ask(s);
        CU_ASSERT_FATAL(s->writing);
        CU_ASSERT_EQUAL(s->write.offset, FORMAT_BLOCK_BYTES);
        stage_settle(s);
        CU_ASSERT_EQUAL(s->committed_count, 1);
        CU_ASSERT_EQUAL(s->journal.counters.segments_failed, 0);
        stage_free(s);
    }
}

// The two were parted for want of memory: all is written, the sync was not tried.
static void a_linked_sync_that_was_not_tried_is_asked_again(void)
{
    for (int sync_first = 0; sync_first < 2; sync_first++) {
        struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
        stage_append(s, 1, 100);
        stage_ask(s);
        if (sync_first)
            stage_synced(s, -ECANCELED);
        stage_wrote(s, (int32_t)s->flight_bytes);
        if (!sync_first)
            stage_synced(s, -ECANCELED);
        stage_ask(s);
        CU_ASSERT_EQUAL(s->committed_count, 0);
        CU_ASSERT(s->syncing && !s->sync_linked);
        stage_sync_ends(s);
        CU_ASSERT_EQUAL(s->committed_count, 1);
        CU_ASSERT_EQUAL(s->journal.counters.segments_failed, 0);
        stage_free(s);
    }
}

static const struct suite_test tests[] = {
    {"the null journal", the_null_journal},
    {"the null journal counts results", the_null_journal_counts_results},
    {"nothing is asked for nothing", nothing_is_asked_for_nothing},
    {"one message is written and synced at once", one_message_is_written_and_synced_at_once},
    {"all who come during a sync share the next", all_who_come_during_a_sync_share_the_next},
    {"a sync covers no write that was not complete", a_sync_covers_no_write_that_was_not_complete},
    {"results are written at once and synced when they are old",
     results_are_written_at_once_and_synced_when_they_are_old},
    {"results go with the next group", results_go_with_the_next_group},
    {"many results are synced before they are old", many_results_are_synced_before_they_are_old},
    {"results written during a sync wait for the next",
     results_written_during_a_sync_wait_for_the_next},
    {"a result without room keeps its message's segment",
     a_result_without_room_keeps_its_messages_segment},
    {"the last batch is marked", the_last_batch_is_marked},
    {"without memory it waits", without_memory_it_waits},
    {"short writes go on where they stopped", short_writes_go_on_where_they_stopped},
    {"interrupted writes are asked again", interrupted_writes_are_asked_again},
    {"a linked sync that was not tried is asked again",
     a_linked_sync_that_was_not_tried_is_asked_again},
};

int main(int argc, char **argv)
{
    urcu_qsbr_register_thread();
    int result = suite_main("journal", tests, COUNT_OF(tests), argc, argv);
    urcu_qsbr_unregister_thread();
    return result;
}
