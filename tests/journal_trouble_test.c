// The journal step by step when a write or a sync fails, when a segment is full, when there is no
// room.
#include "engine/base/check.h"
#include "tests/journal_stage.h"
#include "tests/suite.h"

#include <errno.h>
#include <urcu/urcu-qsbr.h>

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
    struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
    uint32_t letter = stage_one_committed(s);
    *ret_epoch = segment_at(&s->table, s->segments.open)->epoch;
    *ret_end = s->journal.synced_end;
    stage_result(s, letter, 0, RESULT_DEFERRED, 60);
    stage_ask(s);
    stage_write_ends(s);
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
        stage_write_ends(s);
        CU_ASSERT(journal_troubled(&s->journal));
        CU_ASSERT(!s->results[0].durable);
        stage_sync_ends(s);
        CU_ASSERT(!journal_troubled(&s->journal) && journal_accepts(&s->journal, &fate));
        CU_ASSERT(s->results[0].durable);
        CU_ASSERT_EQUAL(opens_of(s, s->write.fd).previous_epoch, epoch);
        CU_ASSERT_EQUAL(opens_of(s, s->write.fd).previous_end, end);
        CU_ASSERT_EQUAL(s->journal.counters.segments_failed, 1);
        CU_ASSERT_EQUAL(s->journal.error, -EIO);
        stage_append(s, 1, 100);
        stage_settle(s);
        CU_ASSERT_EQUAL(s->committed_count, 2);
        stage_check_crash(s, LOSE_NONE, &s->dice);
        stage_free(s);
    }
}

// With nothing to write again, the next segment is opened and synced all the same: before that
// nobody knows whether the disk can be written.
static void trouble_ends_with_a_good_sync_though_nothing_waits(void)
{
    struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
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
    struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
    uint32_t letter = stage_one_committed(s);
    stage_result(s, letter, 0, RESULT_DEFERRED, 60);
    stage_ask(s);
    stage_write_ends(s);
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
    struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
    uint32_t first = s->letter_count;
    uint64_t epoch = 0;
    for (uint32_t i = 0; i < 12; i++) {
        stage_append(s, 1, 7000);
        stage_ask(s);
        if (i == 0)
            epoch = segment_at(&s->table, s->segments.open)->epoch;
        while (s->writing || s->syncing) {
            if (s->writing)
                stage_write_ends(s);
            if (s->syncing)
                stage_sync_ends(s);
        }
        while (stage_prepare(s, 0))
            ;
    }
    CU_ASSERT_EQUAL(s->committed_count, 12);
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
    struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
    uint32_t letter = stage_one_committed(s);
    stage_append(s, 1, 50000);
    stage_ask(s);
    stage_write_ends(s);
    CU_ASSERT(s->syncing);
    stage_result(s, letter, 0, RESULT_DEFERRED, 60);
    stage_ask(s);
    stage_write_ends(s);
    stage_append(s, 1, 20000); // does not fit
    stage_ask(s);
    CU_ASSERT(!s->writing && s->syncing);
    uint32_t open = s->segments.open;
    stage_sync_ends(s);
    CU_ASSERT(s->syncing && !s->writing); // the result: at once, not when it is old
    CU_ASSERT_EQUAL(s->segments.open, open);
    stage_sync_ends(s);
    CU_ASSERT(s->writing && s->segments.open != open);
    CU_ASSERT(s->results[0].durable);
    stage_settle(s);
    CU_ASSERT_EQUAL(s->committed_count, 3);
    stage_free(s);
}

// What is synced but whose fate nobody has asked for yet is as good as acknowledged: its segment
// is not emptied, though nobody has counted it among the living.
static void a_segment_is_not_emptied_before_its_messages_are_taken(void)
{
    struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
    stage_append(s, 1, 40000);
    stage_ask(s);
    stage_write_ends(s);
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
    CU_ASSERT_EQUAL(s->committed_count, 1);
    stage_result(s, 0, 0, RESULT_DELIVERED, 0);
    stage_settle(s);
    CU_ASSERT(s->segments.emptied_count > 0); // later it is
    stage_free(s);
}

// --- large messages, and no room

static void a_message_larger_than_a_segment_gets_one_of_its_own(void)
{
    for (uint32_t bytes = 56 * 1024; bytes < 300 * 1024; bytes += 8 * 1024 + 1) {
        struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
        uint32_t letter = stage_one_committed(s);
        stage_append(s, 1, 100);
        uint32_t large = stage_append(s, 1, bytes);
        stage_append(s, 1, 100);
        stage_settle(s);
        CU_ASSERT_EQUAL(s->committed_count, 4);
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
    struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
    uint32_t letter = stage_one_committed(s);
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
        stage_write_ends(s);
        s->now_us += JOURNAL_RESULTS_US_MAX;
        stage_ask(s);
        CU_ASSERT_FATAL(s->syncing);
        stage_sync_ends(s);
        CU_ASSERT(s->results[s->result_count - 1].durable);
        if (i == 10)
            stage_prepare_end(s, 0); // from now on there is no end of results all the same
        if (s->segments.open != open)
            break;
    }
    stage_settle(s);
    CU_ASSERT_EQUAL(s->committed_count, 2);
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
    stage_one_committed(s);
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
    CU_ASSERT_EQUAL(s->committed_count, 2);
    s->table.bytes_max = STAGE_PLENTY; // somebody made room
    s->now_us += SEGMENTS_AGAIN_US;
    stage_settle(s);
    stage_append(s, 1, 4 * STAGE_SEGMENT_BYTES);
    stage_settle(s);
    CU_ASSERT_EQUAL(s->committed_count, 3);
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
    CU_ASSERT(s->committed_count >= 6);
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
    uint64_t before = s->committed_count;
    stage_append(s, 1, 9000);
    stage_settle(s);
    CU_ASSERT_EQUAL(s->committed_count, before + 1);
    stage_free(s);
}

static void a_disk_that_is_full_for_a_while(void)
{
    struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
    enum journal_fate fate;
    stage_one_committed(s);
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
    int result = suite_main("journal_trouble", tests, COUNT_OF(tests), argc, argv);
    urcu_qsbr_unregister_thread();
    return result;
}
