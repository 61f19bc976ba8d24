// The plan of the journal, step by step. Its bytes after a crash: journal_fault_test.c.
#include "engine/base/check.h"
#include "queue/journal_batch.h"
#include "tests/journal_stage.h"
#include "tests/suite.h"

#include <errno.h>
#include <stdlib.h>
#include <urcu/urcu-qsbr.h>

#define PLENTY (UINT64_C(64) * 1024 * 1024)

// With two spares made, and nothing under way.
static struct stage *ready_with(uint64_t segment_bytes)
{
    struct stage *s = stage_new(segment_bytes, PLENTY);
    while (stage_prepare(s, 0))
        ;
    CU_ASSERT_EQUAL(s->segments.spare_count, SEGMENTS_SPARE);
    return s;
}

static struct stage *ready(void)
{
    return ready_with(STAGE_SEGMENT_BYTES);
}

static void write_ends(struct stage *s)
{
    stage_wrote(s, (int32_t)s->flight_bytes);
    stage_ask(s);
}

static void sync_ends(struct stage *s)
{
    stage_synced(s, 0);
    stage_ask(s);
}

static uint64_t committed(const struct stage *s)
{
    return s->committed_count;
}

// One committed letter, nothing under way.
static uint32_t one_committed(struct stage *s)
{
    uint32_t letter = stage_append(s, 1, 100);
    stage_settle(s);
    CU_ASSERT_FATAL(s->letters[letter].committed);
    return letter;
}

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
    struct stage *s = ready();
    stage_ask(s);
    CU_ASSERT(!s->writing && !s->syncing && journal_idle(&s->journal));
    CU_ASSERT_EQUAL(journal_due_us(&s->journal), UINT64_MAX);
    stage_free(s);
}

static void one_message_is_written_and_synced_at_once(void)
{
    struct stage *s = ready();
    stage_append(s, 3, 700);
    stage_ask(s);
    CU_ASSERT(s->writing && s->syncing && s->sync_linked);
    CU_ASSERT_EQUAL(s->flight_bytes, FORMAT_BLOCK_BYTES);
    CU_ASSERT_EQUAL(s->write.offset, FORMAT_BLOCK_BYTES);
    write_ends(s);
    CU_ASSERT_EQUAL(committed(s), 0); // written is not enough
    CU_ASSERT(!journal_idle(&s->journal));
    sync_ends(s);
    CU_ASSERT_EQUAL(committed(s), 1);
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
            struct stage *s = ready_with(512 * 1024);
            stage_append(s, 1, 100);
            stage_ask(s);
            write_ends(s);
            for (uint32_t i = 0; i < k; i++) {
                stage_append(s, 1, 100);
                if (turns == 1)
                    continue;
                stage_ask(s); // each in a turn of its own
                if (s->writing)
                    write_ends(s);
            }
            stage_ask(s);
            if (s->writing)
                write_ends(s);
            CU_ASSERT_EQUAL(s->sync_count, 1);
            CU_ASSERT_EQUAL(committed(s), 0);
            sync_ends(s);
            CU_ASSERT_EQUAL(committed(s), 1);
            CU_ASSERT(s->syncing && !s->writing);
            sync_ends(s);
            CU_ASSERT_EQUAL(committed(s), 1 + k);
            CU_ASSERT_EQUAL(s->sync_count, 2);
            stage_free(s);
        }
}

static void a_sync_covers_no_write_that_was_not_complete(void)
{
    struct stage *s = ready();
    stage_append(s, 1, 100);
    stage_ask(s);
    write_ends(s); // its own sync is under way
    stage_append(s, 1, 100);
    stage_ask(s);
    CU_ASSERT(s->writing && s->syncing);
    sync_ends(s);
    CU_ASSERT_EQUAL(committed(s), 1);
    CU_ASSERT(!s->syncing); // nothing to sync until that is written
    write_ends(s);
    CU_ASSERT(s->syncing && !s->sync_linked);
    sync_ends(s);
    CU_ASSERT_EQUAL(committed(s), 2);
    stage_free(s);
}

// --- results

static void results_are_written_at_once_and_synced_when_they_are_old(void)
{
    struct stage *s = ready();
    uint32_t letter = one_committed(s);
    uint64_t syncs = s->sync_count;
    stage_result(s, letter, 0, RESULT_DEFERRED, 60);
    stage_ask(s);
    CU_ASSERT(s->writing && !s->syncing);
    s->now_us += 100;
    write_ends(s);
    CU_ASSERT_EQUAL(journal_due_us(&s->journal), s->now_us + JOURNAL_RESULTS_US_MAX);
    CU_ASSERT(!journal_idle(&s->journal));
    s->now_us += JOURNAL_RESULTS_US_MAX - 1;
    stage_ask(s);
    CU_ASSERT_EQUAL(s->sync_count, syncs);
    s->now_us += 1;
    stage_ask(s);
    CU_ASSERT_EQUAL(s->sync_count, syncs + 1);
    sync_ends(s);
    CU_ASSERT(s->results[0].durable);
    CU_ASSERT(journal_idle(&s->journal));
    stage_free(s);
}

static void results_go_with_the_next_group(void)
{
    struct stage *s = ready();
    uint32_t letter = one_committed(s);
    uint64_t writes = s->write_count, syncs = s->sync_count;
    stage_result(s, letter, 0, RESULT_DELIVERED, 0);
    stage_append(s, 1, 100);
    stage_ask(s);
    write_ends(s);
    sync_ends(s);
    CU_ASSERT(s->results[0].durable);
    CU_ASSERT_EQUAL(s->write_count, writes + 1);
    CU_ASSERT_EQUAL(s->sync_count, syncs + 1);
    CU_ASSERT(journal_idle(&s->journal));
    stage_free(s);
}

static void many_results_are_synced_before_they_are_old(void)
{
    const uint32_t record_bytes = sizeof(struct record_header) + sizeof(struct record_attempt);
    struct stage *s = ready_with(4u * 1024 * 1024);
    uint32_t letter = one_committed(s);
    uint64_t syncs = s->sync_count;
    uint32_t written = 0;
    while (written < JOURNAL_RESULTS_BYTES_MAX) {
        CU_ASSERT_EQUAL(s->sync_count, syncs);
        for (int i = 0; i < 100; i++, written += record_bytes)
            stage_attempt(s, letter, 0);
        stage_ask(s);
        write_ends(s);
    }
    CU_ASSERT_EQUAL(s->sync_count, syncs + 1);
    stage_free(s);
}

// Those that were written during a sync, the linked one too, are not safe with it: they are synced
// in their own time, from when they were written.
static void results_written_during_a_sync_wait_for_the_next(void)
{
    for (int linked = 0; linked < 2; linked++) {
        struct stage *s = ready();
        uint32_t letter = one_committed(s);
        if (linked)
            stage_append(s, 1, 100);
        else
            stage_result(s, letter, 0, RESULT_DEFERRED, 60);
        stage_ask(s);
        write_ends(s);
        s->now_us += JOURNAL_RESULTS_US_MAX;
        stage_ask(s);
        CU_ASSERT(s->syncing && s->sync_linked == linked);
        stage_result(s, letter, 0, RESULT_DEFERRED, 61);
        uint32_t result = s->result_count - 1;
        stage_ask(s);
        CU_ASSERT(s->writing);
        write_ends(s);
        uint64_t written_us = s->now_us;
        s->now_us += 1000; // the sync takes that long
        sync_ends(s);
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

// --- marks

// After a while of rest, or at the end, a batch without records says that the last one is safe.
// Then nothing more is due.
static void the_last_batch_is_marked(void)
{
    for (int closes = 0; closes < 2; closes++) {
        struct stage *s = ready();
        one_committed(s);
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

// --- short writes

// Every length at which a write of two blocks may stop; then the rest in one piece, or a few.
static void short_writes_go_on_where_they_stopped(void)
{
    for (uint32_t stop = 1; stop < 2 * FORMAT_BLOCK_BYTES; stop++) {
        struct stage *s = ready();
        uint32_t letter = one_committed(s);
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
        CU_ASSERT_EQUAL(committed(s), 3);
        CU_ASSERT(s->results[0].durable);
        stage_free(s);
    }
}

static void interrupted_writes_are_asked_again(void)
{
    static const int32_t results[] = {-EINTR, -EAGAIN};
    for (int i = 0; i < 2; i++) {
        struct stage *s = ready();
        stage_append(s, 1, 100);
        stage_ask(s);
        stage_wrote(s, results[i]);
        stage_synced(s, -ECANCELED);
        stage_ask(s);
        CU_ASSERT_FATAL(s->writing);
        CU_ASSERT_EQUAL(s->write.offset, FORMAT_BLOCK_BYTES);
        stage_settle(s);
        CU_ASSERT_EQUAL(committed(s), 1);
        CU_ASSERT_EQUAL(s->journal.counters.segments_failed, 0);
        stage_free(s);
    }
}

// The two were parted for want of memory: all is written, the sync was not tried.
static void a_linked_sync_that_was_not_tried_is_asked_again(void)
{
    for (int sync_first = 0; sync_first < 2; sync_first++) {
        struct stage *s = ready();
        stage_append(s, 1, 100);
        stage_ask(s);
        if (sync_first)
            stage_synced(s, -ECANCELED);
        stage_wrote(s, (int32_t)s->flight_bytes);
        if (!sync_first)
            stage_synced(s, -ECANCELED);
        stage_ask(s);
        CU_ASSERT_EQUAL(committed(s), 0);
        CU_ASSERT(s->syncing && !s->sync_linked);
        sync_ends(s);
        CU_ASSERT_EQUAL(committed(s), 1);
        CU_ASSERT_EQUAL(s->journal.counters.segments_failed, 0);
        stage_free(s);
    }
}

// --- errors

static struct record_opens opens_of(struct stage *s, int fd)
{
    struct scan_front front = {0};
    const struct stage_file *f = stage_file(s, fd);
    CU_ASSERT_EQUAL(scan_front(slice_make(f->now, SCAN_FRONT_BYTES), &front), SCAN_SEGMENT);
    CU_ASSERT(front.opens);
    return front.opening;
}

enum what_fails { A_WRITE, A_LINKED_SYNC, A_SYNC };

// A committed letter, a result that is written but not synced, and a letter that waits. Then that
// fails.
static struct stage *failed(enum what_fails what, uint64_t *ret_epoch, uint64_t *ret_end)
{
    struct stage *s = ready();
    uint32_t letter = one_committed(s);
    *ret_epoch = segment_at(&s->table, s->segments.open)->epoch;
    *ret_end = s->journal.synced_end;
    stage_result(s, letter, 0, RESULT_DEFERRED, 60);
    stage_ask(s);
    write_ends(s);
    stage_append(s, 1, 100);
    stage_ask(s);
    CU_ASSERT_FATAL(s->writing && s->syncing);
    switch (what) {
    case A_WRITE:
        stage_wrote(s, -EIO);
        CU_ASSERT(journal_troubled(&s->journal));
        stage_synced(s, -ECANCELED);
        break;
    case A_SYNC: // of the result before it
        stage_synced(s, -ECANCELED);
        stage_ask(s);
        CU_ASSERT_FATAL(s->syncing && !s->sync_linked);
        stage_synced(s, -EIO);
        stage_ask(s);
        CU_ASSERT_EQUAL(s->refused_count, 0); // its bytes are still lent
        stage_wrote(s, (int32_t)s->flight_bytes);
        break;
    case A_LINKED_SYNC:
        stage_wrote(s, (int32_t)s->flight_bytes);
        stage_synced(s, -EIO);
        break;
    }
    return s;
}

static void after_an_error_the_next_segment_says_where_the_last_one_ends(void)
{
    for (enum what_fails what = A_WRITE; what <= A_SYNC; what++) {
        uint64_t epoch, end;
        enum journal_fate fate;
        struct stage *s = failed(what, &epoch, &end);
        int old_fd = s->write.fd;
        stage_ask(s);
        CU_ASSERT_EQUAL(s->refused_count, 1);
        CU_ASSERT_EQUAL(s->fate_last, JOURNAL_FAILED);
        CU_ASSERT(journal_troubled(&s->journal) && !journal_broken(&s->journal));
        CU_ASSERT(!journal_accepts(&s->journal, &fate));
        CU_ASSERT_EQUAL(fate, JOURNAL_FAILED);
        // The result is written again, and synced without waiting.
        CU_ASSERT_FATAL(s->writing && s->syncing);
        CU_ASSERT_NOT_EQUAL(s->write.fd, old_fd);
        write_ends(s);
        CU_ASSERT(journal_troubled(&s->journal));
        CU_ASSERT(!s->results[0].durable);
        sync_ends(s);
        CU_ASSERT(!journal_troubled(&s->journal) && journal_accepts(&s->journal, &fate));
        CU_ASSERT(s->results[0].durable);
        CU_ASSERT_EQUAL(opens_of(s, s->write.fd).previous_epoch, epoch);
        CU_ASSERT_EQUAL(opens_of(s, s->write.fd).previous_end, end);
        CU_ASSERT_EQUAL(s->journal.counters.segments_failed, 1);
        CU_ASSERT_EQUAL(s->journal.error, -EIO);
        stage_append(s, 1, 100);
        stage_settle(s);
        CU_ASSERT_EQUAL(committed(s), 2);
        stage_check_crash(s, LOSE_NONE, &s->dice);
        stage_free(s);
    }
}

// With nothing to write again, the next segment is opened and synced all the same: before that
// nobody knows whether the disk can be written.
static void trouble_ends_with_a_good_sync_though_nothing_waits(void)
{
    struct stage *s = ready();
    stage_append(s, 1, 100);
    stage_ask(s);
    stage_wrote(s, (int32_t)s->flight_bytes);
    stage_synced(s, -EIO);
    stage_ask(s);
    CU_ASSERT(s->writing && s->syncing);
    stage_settle(s);
    CU_ASSERT(!journal_troubled(&s->journal));
    CU_ASSERT_EQUAL(s->refused_count, 1);
    stage_free(s);
}

// Who fails while he waits for a spare goes on waiting, and comes through.
static void trouble_waits_for_a_segment(void)
{
    uint64_t epoch, end;
    struct stage *s = failed(A_LINKED_SYNC, &epoch, &end);
    s->segments.spare_count = 0; // as if none had been made
    stage_ask(s);
    CU_ASSERT(!s->writing && !s->syncing && journal_troubled(&s->journal));
    CU_ASSERT_EQUAL(journal_due_us(&s->journal), UINT64_MAX);
    stage_settle(s);
    CU_ASSERT(!journal_troubled(&s->journal) && s->results[0].durable);
    stage_free(s);
}

static uint32_t count_unrecorded(const struct stage *s, uint64_t *ret_ids)
{
    size_t offset = 0;
    uint32_t count = 0;
    struct record_result r;
    *ret_ids = 0;
    for (; journal_unrecorded(&s->journal, &offset, &r); count++)
        *ret_ids += r.id;
    return count;
}

static void a_second_failure_breaks_it(void)
{
    for (enum what_fails what = A_WRITE; what <= A_SYNC; what++)
        for (int second = 0; second < 2; second++) {
            uint64_t epoch, end, ids;
            enum journal_fate fate;
            struct stage *s = failed(what, &epoch, &end);
            stage_ask(s);
            CU_ASSERT_FATAL(s->writing && s->syncing);
            stage_result(s, 0, 0, RESULT_FAILED, 0); // gathers meanwhile
            if (second)
                stage_wrote(s, -ENOSPC);
            else
                stage_wrote(s, (int32_t)s->flight_bytes);
            stage_synced(s, second ? -ECANCELED : -EIO);
            stage_ask(s);
            CU_ASSERT(journal_broken(&s->journal) && journal_troubled(&s->journal));
            CU_ASSERT(!s->writing && !s->syncing);
            CU_ASSERT_EQUAL(count_unrecorded(s, &ids), 2); // those two, once each
            CU_ASSERT_EQUAL(ids, 2 * stage_id(0));
            stage_append(s, 1, 100);
            stage_ask(s);
            CU_ASSERT_EQUAL(s->refused_count, 2);
            CU_ASSERT_EQUAL(s->fate_last, JOURNAL_FAILED);
            CU_ASSERT(!journal_accepts(&s->journal, &fate));
            CU_ASSERT_EQUAL(fate, JOURNAL_FAILED);
            CU_ASSERT(!s->writing && !s->syncing && journal_idle(&s->journal));
            CU_ASSERT_EQUAL(journal_due_us(&s->journal), UINT64_MAX);
            stage_check_crash(s, LOSE_SOME, &s->dice);
            stage_free(s);
        }
}

static void while_a_write_of_a_failed_segment_lasts_nobody_spins(void)
{
    struct stage *s = ready();
    uint32_t letter = one_committed(s);
    stage_result(s, letter, 0, RESULT_DEFERRED, 60);
    stage_ask(s);
    write_ends(s);
    s->now_us += JOURNAL_RESULTS_US_MAX;
    stage_ask(s);
    CU_ASSERT_FATAL(s->syncing);
    stage_result(s, letter, 0, RESULT_DEFERRED, 61);
    stage_ask(s);
    CU_ASSERT_FATAL(s->writing);
    stage_synced(s, -EIO);
    stage_ask(s);
    CU_ASSERT(s->writing && !s->syncing);
    CU_ASSERT_EQUAL(journal_due_us(&s->journal), UINT64_MAX);
    stage_settle(s);
    CU_ASSERT(s->results[0].durable && s->results[1].durable);
    stage_free(s);
}

// --- from segment to segment

static void a_full_segment_is_synced_before_the_next_one_opens(void)
{
    struct stage *s = ready();
    uint32_t first = s->letter_count;
    uint64_t epoch = 0;
    for (uint32_t i = 0; i < 12; i++) {
        stage_append(s, 1, 7000);
        stage_ask(s);
        if (i == 0)
            epoch = segment_at(&s->table, s->segments.open)->epoch;
        while (s->writing || s->syncing) {
            if (s->writing)
                write_ends(s);
            if (s->syncing)
                sync_ends(s);
        }
        while (stage_prepare(s, 0))
            ;
    }
    CU_ASSERT_EQUAL(committed(s), 12);
    CU_ASSERT_EQUAL(s->segments.count, 2);
    struct record_opens opens = opens_of(s, s->write.fd);
    CU_ASSERT_EQUAL(opens.previous_epoch, epoch);
    CU_ASSERT_EQUAL(opens.previous_end,
                    stage_file(s, STAGE_FD_FIRST + (int)s->segments.oldest)->durable_end);
    CU_ASSERT_EQUAL(place_segment(s->letters[first].place_durable), s->segments.oldest);
    stage_check_crash(s, LOSE_ALL, &s->dice);
    stage_free(s);
}

// The message that does not fit waits until what is before it is safe, whether a sync is under way
// or only a result was written.
static void sealing_waits_for_what_is_under_way(void)
{
    struct stage *s = ready();
    uint32_t letter = one_committed(s);
    stage_append(s, 1, 50000);
    stage_ask(s);
    write_ends(s);
    CU_ASSERT(s->syncing);
    stage_result(s, letter, 0, RESULT_DEFERRED, 60);
    stage_ask(s);
    write_ends(s);
    stage_append(s, 1, 20000); // does not fit
    stage_ask(s);
    CU_ASSERT(!s->writing && s->syncing);
    uint32_t open = s->segments.open;
    sync_ends(s);
    CU_ASSERT(s->syncing && !s->writing); // the result: at once, not when it is old
    CU_ASSERT_EQUAL(s->segments.open, open);
    sync_ends(s);
    CU_ASSERT(s->writing && s->segments.open != open);
    CU_ASSERT(s->results[0].durable);
    stage_settle(s);
    CU_ASSERT_EQUAL(committed(s), 3);
    stage_free(s);
}

// What is synced but whose fate nobody has asked for yet is as good as acknowledged: its segment
// is not emptied, though nobody has counted it among the living.
static void a_segment_is_not_emptied_before_its_messages_are_taken(void)
{
    struct stage *s = ready();
    stage_append(s, 1, 40000);
    stage_ask(s);
    write_ends(s);
    stage_append(s, 1, 40000);
    // Its sync is done; nobody has asked yet. The same turn opens the next segment...
    s->syncing = false;
    stage_disk_sync_ends(s, stage_file(s, s->sync_fd));
    journal_synced(&s->journal, 0, s->now_us);
    struct journal_task t = journal_next(&s->journal, s->now_us, STAGE_WALL_US);
    CU_ASSERT_EQUAL(t.kind, JOURNAL_WRITE_AND_SYNC);
    CU_ASSERT_EQUAL(s->segments.count, 2);
    // ... and looks for what may be emptied.
    while (stage_prepare_begin(s)) {
        CU_ASSERT_EQUAL_FATAL(s->task.kind, SEGMENTS_MAKE);
        stage_prepare_end(s, 0);
    }
    journal_wrote(&s->journal, -EIO, s->now_us);
    journal_synced(&s->journal, -ECANCELED, s->now_us);
    stage_settle(s);
    CU_ASSERT_EQUAL(committed(s), 1);
    stage_result(s, 0, 0, RESULT_DELIVERED, 0);
    stage_settle(s);
    CU_ASSERT(s->segments.emptied_count > 0); // later it is
    stage_free(s);
}

// --- large messages, and no room

static void a_message_larger_than_a_segment_gets_one_of_its_own(void)
{
    for (uint32_t bytes = 56 * 1024; bytes < 300 * 1024; bytes += 8 * 1024 + 1) {
        struct stage *s = ready();
        uint32_t letter = one_committed(s);
        stage_append(s, 1, 100);
        uint32_t large = stage_append(s, 1, bytes);
        stage_append(s, 1, 100);
        stage_settle(s);
        CU_ASSERT_EQUAL(committed(s), 4);
        const struct segment *own = segment_at(&s->table,
                                               place_segment(s->letters[large].place_durable));
        if (bytes > STAGE_SEGMENT_BYTES)
            CU_ASSERT(own->bytes > STAGE_SEGMENT_BYTES && own->bytes >= bytes);
        stage_result(s, letter, 0, RESULT_DELIVERED, 0);
        stage_settle(s);
        stage_check_crash(s, LOSE_ALL, &s->dice);
        stage_free(s);
    }
}

// While its segment is made, results go on being written, each in the segment that is open.
static void results_do_not_wait_for_a_large_segment(void)
{
    struct stage *s = ready();
    uint32_t letter = one_committed(s);
    uint32_t large = stage_append(s, 1, 200 * 1024);
    uint32_t open = s->segments.open;
    stage_ask(s);
    CU_ASSERT(!s->writing && !s->syncing);
    CU_ASSERT_FATAL(stage_prepare_begin(s));
    CU_ASSERT(s->task.bytes > 200 * 1024);
    for (uint32_t i = 0; i < 20; i++) {
        stage_result(s, letter, 0, RESULT_DEFERRED, 60 + i);
        stage_ask(s);
        CU_ASSERT_FATAL(s->writing);
        CU_ASSERT_EQUAL(s->segments.open, open);
        write_ends(s);
        s->now_us += JOURNAL_RESULTS_US_MAX;
        stage_ask(s);
        CU_ASSERT_FATAL(s->syncing);
        sync_ends(s);
        CU_ASSERT(s->results[s->result_count - 1].durable);
        if (i == 10)
            stage_prepare_end(s, 0); // from now on there is no end of results all the same
        if (s->segments.open != open)
            break;
    }
    stage_settle(s);
    CU_ASSERT_EQUAL(committed(s), 2);
    CU_ASSERT(s->letters[large].committed);
    CU_ASSERT_EQUAL(s->segments.count, 2); // and no segment was wasted
    stage_free(s);
}

// A message that can have no segment is refused, and so is each that waits with it; the next one
// that fits is taken, and when there is room large ones are too.
static void a_large_message_without_room(void)
{
    struct stage *s = stage_new(STAGE_SEGMENT_BYTES, 6 * STAGE_SEGMENT_BYTES);
    while (stage_prepare(s, 0))
        ;
    one_committed(s);
    while (stage_prepare(s, 0))
        ;
    stage_append(s, 1, 4 * STAGE_SEGMENT_BYTES);
    for (int i = 0; i < 5; i++) {
        stage_ask(s);
        stage_prepare(s, 0);
    }
    stage_ask(s);
    CU_ASSERT_EQUAL(s->refused_count, 1);
    CU_ASSERT_EQUAL(s->fate_last, JOURNAL_NO_ROOM);
    s->now_us += SEGMENTS_AGAIN_US;
    stage_append(s, 1, 100);
    stage_settle(s);
    CU_ASSERT_EQUAL(committed(s), 2);
    s->table.bytes_max = PLENTY; // somebody made room
    s->now_us += SEGMENTS_AGAIN_US;
    stage_settle(s);
    stage_append(s, 1, 4 * STAGE_SEGMENT_BYTES);
    stage_settle(s);
    CU_ASSERT_EQUAL(committed(s), 3);
    stage_free(s);
}

// Fills all there may be. New messages are refused while there is a segment left: it is for
// results, which free the others.
static void without_room_results_have_the_reserve(void)
{
    struct stage *s = stage_new(STAGE_SEGMENT_BYTES, 4 * STAGE_SEGMENT_BYTES);
    enum journal_fate fate = JOURNAL_COMMITTED;
    while (stage_prepare(s, 0))
        ;
    for (int i = 0; i < 100 && s->refused_count == 0; i++) {
        if (!journal_accepts(&s->journal, &fate))
            break;
        stage_append(s, 1, 9000);
        stage_settle(s);
    }
    CU_ASSERT(s->segments.no_room);
    CU_ASSERT(!journal_accepts(&s->journal, &fate));
    CU_ASSERT_EQUAL(fate, JOURNAL_NO_ROOM);
    CU_ASSERT_EQUAL(s->segments.spare_count, SEGMENTS_RESERVE);
    CU_ASSERT(committed(s) >= 6);
    // One that had been let in before is refused as well: what is left is the reserve.
    uint32_t refused = 0;
    for (int i = 0; i < 20 && refused == 0; i++) {
        uint32_t letter = stage_append(s, 1, 9000);
        stage_settle(s);
        refused += !s->letters[letter].committed;
    }
    CU_ASSERT_EQUAL(refused, 1);
    CU_ASSERT_EQUAL(s->fate_last, JOURNAL_NO_ROOM);
    CU_ASSERT_EQUAL(s->segments.spare_count, SEGMENTS_RESERVE);
    // Results are written wherever there is room, then in the reserve.
    for (uint32_t i = 0; i < s->letter_count; i++)
        if (stage_open_rcpt(s, i, 0)) {
            stage_result(s, i, 0, RESULT_DELIVERED, 0);
            stage_settle(s);
            CU_ASSERT(s->results[s->result_count - 1].durable);
        }
    s->now_us += SEGMENTS_AGAIN_US;
    stage_settle(s);
    CU_ASSERT(journal_accepts(&s->journal, &fate)); // emptied, so there is room again
    uint64_t before = committed(s);
    stage_append(s, 1, 9000);
    stage_settle(s);
    CU_ASSERT_EQUAL(committed(s), before + 1);
    stage_free(s);
}

static void a_disk_that_is_full_for_a_while(void)
{
    struct stage *s = ready();
    enum journal_fate fate;
    one_committed(s);
    s->segments.spare_count = 0;
    CU_ASSERT_FATAL(stage_prepare(s, -ENOSPC));
    CU_ASSERT(!journal_accepts(&s->journal, &fate));
    CU_ASSERT_EQUAL(fate, JOURNAL_NO_ROOM);
    CU_ASSERT(!stage_prepare(s, 0)); // not at once again
    CU_ASSERT_EQUAL(segments_due_us(&s->segments), s->now_us + SEGMENTS_AGAIN_US);
    s->now_us += SEGMENTS_AGAIN_US;
    CU_ASSERT_FATAL(stage_prepare(s, 0));
    CU_ASSERT(!journal_accepts(&s->journal, &fate)); // the first is the reserve
    CU_ASSERT_FATAL(stage_prepare(s, 0));
    CU_ASSERT(journal_accepts(&s->journal, &fate));
    stage_free(s);
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
    {"the last batch is marked", the_last_batch_is_marked},
    {"short writes go on where they stopped", short_writes_go_on_where_they_stopped},
    {"interrupted writes are asked again", interrupted_writes_are_asked_again},
    {"a linked sync that was not tried is asked again",
     a_linked_sync_that_was_not_tried_is_asked_again},
    {"after an error the next segment says where the last one ends",
     after_an_error_the_next_segment_says_where_the_last_one_ends},
    {"trouble ends with a good sync though nothing waits",
     trouble_ends_with_a_good_sync_though_nothing_waits},
    {"trouble waits for a segment", trouble_waits_for_a_segment},
    {"a second failure breaks it", a_second_failure_breaks_it},
    {"while a write of a failed segment lasts nobody spins",
     while_a_write_of_a_failed_segment_lasts_nobody_spins},
    {"a full segment is synced before the next one opens",
     a_full_segment_is_synced_before_the_next_one_opens},
    {"sealing waits for what is under way", sealing_waits_for_what_is_under_way},
    {"a segment is not emptied before its messages are taken",
     a_segment_is_not_emptied_before_its_messages_are_taken},
    {"a message larger than a segment gets one of its own",
     a_message_larger_than_a_segment_gets_one_of_its_own},
    {"results do not wait for a large segment", results_do_not_wait_for_a_large_segment},
    {"a large message without room", a_large_message_without_room},
    {"without room results have the reserve", without_room_results_have_the_reserve},
    {"a disk that is full for a while", a_disk_that_is_full_for_a_while},
};

int main(int argc, char **argv)
{
    urcu_qsbr_register_thread();
    int result = suite_main("journal", tests, COUNT_OF(tests), argc, argv);
    urcu_qsbr_unregister_thread();
    return result;
}
