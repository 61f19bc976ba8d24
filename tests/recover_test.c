// From records back to queued messages: states, attempts, due times, doubt; moves and crashes in
// every order. Recovery after faults of all kinds: journal_fault_test.c.
#include "engine/base/check.h"
#include "queue/message_record.h"
#include "tests/journal_stage.h"
#include "tests/suite.h"

#include <errno.h>
#include <stdlib.h>
#include <urcu/urcu-qsbr.h>

#define IN_DOUBT_S 900u // as journal_stage_crash.c has it
#define NOW_S 100u      // and this

static struct stage *ready(void)
{
    struct stage *s = stage_ready(STAGE_SEGMENT_BYTES);
    s->now_us = 0; // then seconds from now are seconds from the recovery's clock
    return s;
}

static struct stage_found *found_after(struct stage *s, enum stage_loss loss)
{
    struct stage_images *images = stage_crash(s, loss, &s->dice);
    struct stage_found *found = stage_recover(images);
    stage_check_found(s, found, images);
    stage_images_free(images);
    return found;
}

// --- what became of recipients

// A letter to three recipients, the first two at one domain. Steps, in order: D0, F0 deliver or
// fail recipient 0; L0:60 defers it for 60 s; A0 content leaves for the job of recipient 0. What is
// found: a letter for each recipient, and of both jobs the attempts, the seconds to wait, and ! for
// doubt; "gone" when nothing is left to do.
static const struct {
    const char *steps, *want;
} fate_cases[] = {
    {"", "OO 0 0 | O 0 0"},
    {"D0", "DO 0 0 | O 0 0"},
    {"F1", "OF 0 0 | O 0 0"},
    {"D2", "OO 0 0 | D"},
    {"D0 F1", "DF | O 0 0"},
    {"D0 F1 D2", "gone"},
    {"L0:60", "OO 1 60 | O 0 0"},
    {"L0:60 L2:5", "OO 1 60 | O 1 5"},
    {"L0:60 L0:120", "OO 2 120 | O 0 0"},
    {"L0:600 L0:12", "OO 2 12 | O 0 0"}, // the later attempt's counts, sooner or not
    {"L0:60 D1", "OD 1 60 | O 0 0"},
    {"A0", "OO 1 900! | O 0 0"},
    {"A2", "OO 0 0 | O 1 900!"},
    {"A0 D0", "DO 1 900! | O 0 0"}, // of the other one nothing is known
    {"A0 D0 D1", "DD | O 0 0"},
    {"A0 L0:60", "OO 1 900! | O 0 0"},  // refused early; the other one's content had left
    {"A0 L0:60 D1", "OD 1 60 | O 0 0"}, // what came of it is known
    {"A0 L0:60 A0", "OO 2 900! | O 0 0"},
    {"L0:2000 A0", "OO 2 2000! | O 0 0"}, // the longer of the two
    {"L0:60 A0 A2 D2", "OO 2 900! | D"},
    {"L2:100000000", "OO 0 0 | O 1 691200"}, // a clock that was wrong
};

static void do_steps(struct stage *s, uint32_t letter, const char *steps)
{
    while (*steps) {
        char *end;
        char what = *steps;
        uint32_t rcpt = (uint32_t)(steps[1] - '0');
        steps += 2;
        switch (what) {
        case 'D': stage_result(s, letter, rcpt, RESULT_DELIVERED, 0); break;
        case 'F': stage_result(s, letter, rcpt, RESULT_FAILED, 0); break;
        case 'A': stage_attempt(s, letter, rcpt / 2); break;
        case 'L':
            stage_result(s, letter, rcpt, RESULT_DEFERRED, (uint32_t)strtoul(steps + 1, &end, 10));
            steps = end;
            break;
        default: CHECK(false);
        }
        steps += *steps == ' ';
    }
}

static void describe(const struct stage_found *found, struct entry *e, char *text, size_t size)
{
    static const char letters[] = {'O', 'D', 'F', '?'};
    size_t at = 0;
    text[0] = '\0';
    if (!e)
        snprintf(text, size, "gone");
    for (uint32_t i = 0; e && i < entry_job_count(e); i++) {
        const struct job *j = entry_job(e, i);
        at += (size_t)snprintf(text + at, size - at, i ? " | " : "");
        for (uint32_t n = 0; n < j->rcpt_count; n++)
            at += (size_t)snprintf(text + at, size - at, "%c",
                                   letters[job_rcpt_state(j, j->rcpt_first + n)]);
        // Nothing is due earlier for the rounding of two clocks.
        uint32_t wait_s = j->due_s > NOW_S ? j->due_s - NOW_S - 1 : 0;
        bool doubt = found->recover.counters.in_doubt > 0 && wait_s >= IN_DOUBT_S;
        if (job_open_count(j) > 0)
            at += (size_t)snprintf(text + at, size - at, " %u %u%s", j->attempt_count, wait_s,
                                   doubt ? "!" : "");
    }
}

// In one batch with the message's results, or each step in a batch of its own.
static void what_became_of_recipients(void)
{
    for (size_t i = 0; i < COUNT_OF(fate_cases); i++)
        for (int mode = 0; mode < 2; mode++) {
            char got[128];
            struct stage *s = ready();
            uint32_t letter = stage_append(s, 3, 500);
            stage_settle(s);
            s->now_us = 0;
            const char *steps = fate_cases[i].steps;
            if (mode == 0)
                do_steps(s, letter, steps);
            while (mode == 1 && *steps) {
                char step[32];
                size_t len = strcspn(steps, " ");
                snprintf(step, sizeof(step), "%.*s", (int)len, steps);
                do_steps(s, letter, step);
                steps += len + (steps[len] == ' ');
                stage_settle(s);
                s->now_us = 0;
            }
            stage_settle(s);
            struct stage_found *found = found_after(s, LOSE_ALL);
            describe(found, stage_found_entry(found, stage_id(letter)), got, sizeof(got));
            CU_ASSERT_STRING_EQUAL(got, fate_cases[i].want);
            if (strcmp(got, fate_cases[i].want) != 0)
                printf("\n  %s:\n  got  %s\n  want %s\n", fate_cases[i].steps, got,
                       fate_cases[i].want);
            bool gone = strcmp(fate_cases[i].want, "gone") == 0;
            CU_ASSERT_EQUAL(found->recover.counters.done, gone);
            CU_ASSERT_EQUAL(found->recover.counters.messages, !gone);
            CU_ASSERT_EQUAL(segment_at(&found->table, 0)->live_count +
                                segment_at(&found->table, 1)->live_count,
                            !gone);
            stage_found_free(found);
            stage_free(s);
        }
}

// --- moves

// The oldest message is moved, with a history behind it and more to come. At each point the power
// may fail: before the copy is written, while it is, when it is written but not synced, synced,
// and when its old segment is gone. Whatever is left tells the same story.
static void moved_messages_in_every_order_of_crash(void)
{
    for (int point = 0; point < 6; point++)
        for (enum stage_loss loss = LOSE_ALL; loss <= LOSE_SOME; loss++)
            for (int late = 0; late < 3; late++) { // the last result: before, meanwhile, after
                char got[128];
                struct stage *s = ready();
                random_init(&s->dice, (uint64_t)(point * 100 + late));
                uint32_t letter = stage_append(s, 3, 500);
                stage_append(s, 1, 57000); // it fills the segment
                stage_settle(s);
                s->now_us = 0;
                do_steps(s, letter, "D0 L1:60 L2:7200");
                if (late == 0)
                    do_steps(s, letter, "D1");
                stage_settle(s);
                stage_move(s, letter);
                if (late == 1)
                    do_steps(s, letter, "D1");
                if (point > 0)
                    stage_ask(s);
                if (point > 1 && s->writing)
                    stage_wrote(s, (int32_t)s->flight_bytes);
                if (point > 2)
                    stage_settle(s);
                if (point > 3) {
                    stage_result(s, 1, 0, RESULT_DELIVERED, 0); // the other one there
                    stage_settle(s);
                }
                if (late == 2 && point > 2)
                    do_steps(s, letter, "D1");
                if (point > 4)
                    stage_settle(s);
                struct stage_found *found = found_after(s, loss);
                describe(found, stage_found_entry(found, stage_id(letter)), got, sizeof(got));
                bool sure = point > 4 || late == 0;
                if (sure)
                    CU_ASSERT_STRING_EQUAL(got, "DD | O 1 7200");
                if (!sure && strcmp(got, "DO 1 60 | O 1 7200") != 0)
                    CU_ASSERT_STRING_EQUAL(got, "DD | O 1 7200");
                if (point == 3)
                    CU_ASSERT_EQUAL(found->recover.counters.moved, 1);
                if (point == 5) {
                    CU_ASSERT_EQUAL(found->recover.counters.moved, 0); // emptied
                    CU_ASSERT(s->segments.emptied_count > 0);
                }
                stage_found_free(found);
                stage_free(s);
            }
}

// An attempt is under way, said so in a segment that goes away when the message is moved: it is in
// doubt all the same.
static void doubt_moves_with_its_message(void)
{
    char got[128];
    struct stage *s = ready();
    uint32_t letter = stage_append(s, 3, 500);
    stage_append(s, 1, 50000);
    stage_settle(s);
    s->now_us = 0;
    stage_attempt(s, letter, 0);
    entry_job(s->letters[letter].entry, 0)->place = JOB_SENDING;
    stage_settle(s);
    stage_append(s, 1, 20000);
    stage_settle(s);
    stage_move(s, letter);
    stage_settle(s);
    stage_result(s, 1, 0, RESULT_DELIVERED, 0);
    stage_settle(s);
    CU_ASSERT(s->segments.emptied_count > 0);
    s->now_us = 0;
    struct stage_found *found = found_after(s, LOSE_ALL);
    describe(found, stage_found_entry(found, stage_id(letter)), got, sizeof(got));
    CU_ASSERT_STRING_EQUAL(got, "OO 1 900! | O 0 0");
    stage_found_free(found);
    stage_free(s);
}

static void a_message_may_be_moved_again_and_again(void)
{
    char got[128];
    struct stage *s = ready();
    uint32_t letter = stage_append(s, 3, 500);
    stage_settle(s);
    for (int n = 0; n < 30; n++) {
        s->now_us = 0;
        if (n == 10)
            do_steps(s, letter, "D1 L2:60");
        stage_move(s, letter);
        stage_append(s, 1, 9000);
        stage_settle(s);
        stage_result(s, s->letter_count - 1, 0, RESULT_DELIVERED, 0);
        stage_settle(s);
        stage_check_crash(s, (enum stage_loss)(n % 3), &s->dice);
    }
    CU_ASSERT(s->segments.emptied_count > 3);
    struct stage_found *found = found_after(s, LOSE_ALL);
    describe(found, stage_found_entry(found, stage_id(letter)), got, sizeof(got));
    CU_ASSERT_STRING_EQUAL(got, "OD 0 0 | O 1 60");
    stage_found_free(found);
    stage_free(s);
}

// --- records that nobody should have written, with all sums right

struct book {
    struct domain_table *domains;
    struct segment_table table;
    struct slab jobs;
    struct recover recover;
    struct block_pool blocks;
    char *last; // the record given last
};

static struct book *book_open(void)
{
    struct book *b = calloc(1, sizeof(*b));
    CHECK(b && segment_table_init(&b->table, UINT64_MAX));
    b->domains = domain_table_new(sizeof(struct domain), 1);
    slab_init(&b->jobs, sizeof(struct job), 1000);
    block_pool_init(&b->blocks, UINT64_C(1) << 30);
    CHECK(b->domains && recover_init(&b->recover, b->domains, &b->table, &b->jobs));
    return b;
}

static void book_close(struct book *b)
{
    for (uint32_t i = slab_next(&b->jobs, 0); i != SLAB_NONE; i = slab_next(&b->jobs, i + 1)) {
        struct job *j = slab_at(&b->jobs, i);
        if (j->entry == &j->own_entry)
            free(entry_spread(j->entry));
    }
    recover_release(&b->recover);
    slab_release(&b->jobs);
    block_pool_release(&b->blocks);
    domain_table_free(b->domains);
    segment_table_release(&b->table);
    free(b->last);
    free(b);
}

static void give(struct book *b, enum record_type type, const void *payload, size_t len)
{
    free(b->last); // exactly sized: a look beyond it is seen
    b->last = malloc(len ? len : 1);
    CHECK(b->last);
    memcpy(b->last, payload, len);
    struct scan_record r = {.type = type, .offset = 4160, .payload = slice_make(b->last, len)};
    CU_ASSERT(recover_record(&b->recover, &r, 0, 0));
}

static size_t sealed_payload(struct book *b, uint64_t id, struct message *m, char *payload)
{
    CHECK(message_seal_envelope(&b->blocks, &m) &&
          message_add_content(&b->blocks, &m, SLICE("x\r\n")));
    m->id = id;
    struct record_message fixed = message_record_of(m);
    struct slice content = message_content(m);
    memcpy(payload, &fixed, sizeof(fixed));
    memcpy(payload + sizeof(fixed), message_envelope(m), m->envelope_bytes);
    memcpy(payload + sizeof(fixed) + m->envelope_bytes, content.data, content.len);
    size_t len = (size_t)message_record_payload_bytes(m);
    message_free(&b->blocks, m);
    return len;
}

// Recipients as domains: "aab" are three, the first two at one. Returns the payload's length.
static size_t message_payload(struct book *b, uint64_t id, const char *domains, char *payload)
{
    struct message *m = message_new(&b->blocks, SLICE("a@b"), SLICE_EMPTY, 0);
    for (size_t i = 0; domains[i]; i++) {
        char address[16];
        int len = snprintf(address, sizeof(address), "u%zu@%c", i, domains[i]);
        CHECK(message_add_rcpt(&b->blocks, &m, slice_make(address, (size_t)len), SLICE_EMPTY,
                               slice_make(&domains[i], 1)));
    }
    return sealed_payload(b, id, m, payload);
}

static void give_message(struct book *b, uint64_t id, const char *domains)
{
    char payload[2048];
    give(b, RECORD_MESSAGE, payload, message_payload(b, id, domains, payload));
}

static void give_result(struct book *b, uint64_t id, uint32_t rcpt, enum rcpt_state outcome)
{
    struct record_result r = {.id = id, .rcpt = rcpt, .attempt = 1, .outcome = (uint8_t)outcome};
    give(b, RECORD_RESULT, &r, sizeof(r));
}

static uint32_t no_delay(const void *context, const struct domain *domain)
{
    (void)context;
    (void)domain;
    return 0;
}

static void results_of_what_is_not_there(void)
{
    struct book *b = book_open();
    give_result(b, 5, 0, RCPT_DELIVERED); // before its message: of a former life, at most
    give_message(b, 5, "aab");
    give_result(b, 6, 0, RCPT_DELIVERED);
    CU_ASSERT_EQUAL(b->recover.counters.results_of_unknown, 2);
    CU_ASSERT_EQUAL(b->recover.counters.malformed, 0);
    give_result(b, 5, 3, RCPT_DELIVERED); // it has three
    give_result(b, 5, UINT32_MAX, RCPT_DELIVERED);
    CU_ASSERT_EQUAL(b->recover.counters.malformed, 2);
    give_result(b, 5, 1, (enum rcpt_state)9);
    recover_finish(&b->recover, NOW_S, STAGE_WALL_US, no_delay, NULL);
    CU_ASSERT_EQUAL(b->recover.counters.messages, 1);
    CU_ASSERT_EQUAL(b->recover.counters.recipients, 3);
    CU_ASSERT_EQUAL(b->recover.id_last, 5);
    book_close(b);
}

// A final result is final, whatever is said later.
static void the_first_final_result_counts(void)
{
    struct book *b = book_open();
    give_message(b, 5, "ab");
    give_result(b, 5, 0, RCPT_DELIVERED);
    give_result(b, 5, 0, RCPT_FAILED);
    give_result(b, 5, 0, RCPT_DEFERRED);
    give_result(b, 5, 0, RCPT_OPEN);
    recover_finish(&b->recover, NOW_S, STAGE_WALL_US, no_delay, NULL);
    CU_ASSERT_EQUAL(b->recover.counters.recipients, 1);
    CU_ASSERT_EQUAL(b->recover.counters.jobs, 1);
    book_close(b);
}

// The same id once more: a moved message has the same groups; with others it is something else,
// and the first one stays.
static void ids_twice(void)
{
    static const struct {
        const char *first, *second;
        bool same;
    } cases[] = {
        {"a", "a", true},     {"aab", "aab", true},   {"aab", "ccd", true}, {"aab", "abb", false},
        {"aab", "ab", false}, {"aab", "aabb", false}, {"a", "aa", false},   {"ab", "aa", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct book *b = book_open();
        give_message(b, 5, cases[i].first);
        give_result(b, 5, 0, RCPT_DELIVERED);
        give_message(b, 5, cases[i].second);
        CU_ASSERT_EQUAL(b->recover.counters.moved, cases[i].same);
        CU_ASSERT_EQUAL(b->recover.counters.malformed, !cases[i].same);
        uint32_t rcpts = (uint32_t)strlen(cases[i].first);
        recover_finish(&b->recover, NOW_S, STAGE_WALL_US, no_delay, NULL);
        CU_ASSERT_EQUAL(b->recover.counters.recipients, rcpts - 1);
        CU_ASSERT_EQUAL(b->recover.counters.messages, rcpts > 1);
        CU_ASSERT_EQUAL(b->recover.counters.done, rcpts == 1);
        book_close(b);
    }
}

// Each record cut at each byte, and each of its bytes changed: taken for malformed or for another
// good one, and never more than that.
static void mangled_records(void)
{
    static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
    char payload[2048];
    struct record_result result = {.id = 5, .rcpt = 1, .attempt = 1, .outcome = RCPT_DELIVERED};
    struct record_attempt attempt = {.id = 5, .rcpt_first = 1, .rcpt_count = 1, .attempt = 1};
    struct record_key key = {.id = 5};
    char state[sizeof(struct record_state) + 2 * sizeof(struct state_job) + 3] = {0};
    struct record_state fixed = {.id = 5, .job_count = 2, .rcpt_count = 3};
    memcpy(state, &fixed, sizeof(fixed));
    struct book *first = book_open();
    size_t message_len = message_payload(first, 5, "aab", payload);
    book_close(first);
    const struct {
        enum record_type type;
        const void *payload;
        size_t len;
    } records[] = {{RECORD_MESSAGE, payload, message_len},
                   {RECORD_RESULT, &result, sizeof(result)},
                   {RECORD_ATTEMPT, &attempt, sizeof(attempt)},
                   {RECORD_STATE, state, sizeof(state)},
                   {RECORD_KEY, &key, sizeof(key)},
                   {(enum record_type)0, &key, sizeof(key)},
                   {(enum record_type)99, &key, sizeof(key)}};
    for (size_t i = 0; i < COUNT_OF(records); i++) {
        struct book *b = book_open();
        give(b, RECORD_MESSAGE, payload, message_len);
        for (size_t len = 0; len < records[i].len; len++) {
            uint64_t malformed = b->recover.counters.malformed;
            give(b, records[i].type, records[i].payload, len);
            CU_ASSERT_EQUAL(b->recover.counters.malformed, malformed + 1);
        }
        book_close(b);
        for (size_t at = 0; at < records[i].len; at++)
            for (size_t v = 0; v < COUNT_OF(values); v++) {
                char mangled[2048];
                memcpy(mangled, records[i].payload, records[i].len);
                mangled[at] = (char)values[v];
                b = book_open();
                give(b, RECORD_MESSAGE, payload, message_len);
                give(b, records[i].type, mangled, records[i].len);
                recover_finish(&b->recover, NOW_S, STAGE_WALL_US, no_delay, NULL);
                CU_ASSERT(b->recover.counters.messages + b->recover.counters.done <= 2);
                book_close(b);
            }
    }
}

static void attempts_stop_being_counted(void)
{
    struct book *b = book_open();
    struct record_result r = {
        .id = 5, .attempt = UINT16_MAX, .outcome = RCPT_DEFERRED, .due_wall_s = 0};
    struct record_attempt a = {.id = 5, .rcpt_count = 1, .attempt = UINT16_MAX};
    give_message(b, 5, "a");
    give(b, RECORD_ATTEMPT, &a, sizeof(a));
    give(b, RECORD_RESULT, &r, sizeof(r));
    recover_finish(&b->recover, NOW_S, STAGE_WALL_US, no_delay, NULL);
    const struct job *j = slab_at(&b->jobs, slab_next(&b->jobs, 0));
    CU_ASSERT_EQUAL(j->attempt_count, JOB_ATTEMPTS_MAX);
    CU_ASSERT_EQUAL(b->recover.counters.in_doubt, 0);
    book_close(b);
}

static void keys_are_found(void)
{
    struct book *b = book_open();
    struct record_key k = {
        .key = {1, 2, 3}, .content = 7, .id = 5, .until_wall_us = STAGE_WALL_US + 9};
    give(b, RECORD_KEY, &k, sizeof(k));
    CU_ASSERT_EQUAL_FATAL(b->recover.key_count, 1);
    CU_ASSERT(b->recover.keys[0].id == 5 && b->recover.keys[0].content == 7 &&
              b->recover.keys[0].until_wall_us == STAGE_WALL_US + 9 &&
              memcmp(b->recover.keys[0].key, k.key, sizeof(k.key)) == 0);
    // With its message, and beyond it.
    char payload[2048];
    struct record_message m;
    size_t len = message_payload(b, 8, "a", payload);
    memcpy(&m, payload, sizeof(m));
    m.flags |= MESSAGE_FLAG_KEY;
    m.key[0] = 42;
    m.key_content = 43;
    m.received_wall_us = STAGE_WALL_US;
    memcpy(payload, &m, sizeof(m));
    give(b, RECORD_MESSAGE, payload, len);
    give_result(b, 8, 0, RCPT_DELIVERED);
    recover_finish(&b->recover, NOW_S, STAGE_WALL_US, no_delay, NULL);
    CU_ASSERT_EQUAL(b->recover.counters.done, 1);
    CU_ASSERT_EQUAL_FATAL(b->recover.key_count, 2);
    CU_ASSERT(b->recover.keys[1].id == 8 && b->recover.keys[1].key[0] == 42 &&
              b->recover.keys[1].content == 43);
    CU_ASSERT(b->recover.keys[1].until_wall_us > STAGE_WALL_US);
    book_close(b);
}

// The table of ids grows under them.
static void many_messages(void)
{
    enum { COUNT = 200000 };
    struct book *b = book_open();
    char payload[2048];
    slab_release(&b->jobs);
    slab_init(&b->jobs, sizeof(struct job), COUNT);
    size_t len = message_payload(b, 1, "a", payload);
    for (uint64_t id = 1; id <= COUNT; id++) {
        memcpy(payload, &id, sizeof(id));
        struct scan_record r = {
            .type = RECORD_MESSAGE, .offset = 4160, .payload = slice_make(payload, len)};
        CU_ASSERT_FATAL(recover_record(&b->recover, &r, 0, 0));
    }
    for (uint64_t id = 2; id <= COUNT; id += 2) {
        struct record_result d = {.id = id, .attempt = 1, .outcome = RCPT_DELIVERED};
        struct scan_record r = {.type = RECORD_RESULT, .payload = slice_make(&d, sizeof(d))};
        CU_ASSERT_FATAL(recover_record(&b->recover, &r, 0, 0));
    }
    CU_ASSERT_EQUAL(b->recover.counters.results_of_unknown, 0);
    recover_finish(&b->recover, NOW_S, STAGE_WALL_US, no_delay, NULL);
    CU_ASSERT_EQUAL(b->recover.counters.messages, COUNT / 2);
    CU_ASSERT_EQUAL(b->recover.counters.done, COUNT / 2);
    CU_ASSERT_EQUAL(b->jobs.item_count, COUNT / 2);
    // One more than there is memory for: it cannot go on, and says so.
    b->jobs.item_count_max = b->jobs.item_count;
    uint64_t id = COUNT + 1;
    memcpy(payload, &id, sizeof(id));
    struct scan_record r = {.type = RECORD_MESSAGE, .payload = slice_make(payload, len)};
    CU_ASSERT(!recover_record(&b->recover, &r, 0, 0));
    book_close(b);
}

// One recipient, at a domain that no other message is for.
static void give_message_of_its_own(struct book *b, uint64_t id)
{
    char payload[2048], domain[32];
    int len = snprintf(domain, sizeof(domain), "d%llu.example", (unsigned long long)id);
    struct slice name = slice_make(domain, (size_t)len);
    struct message *m = message_new(&b->blocks, SLICE("a@b"), SLICE_EMPTY, 0);
    CHECK(message_add_rcpt(&b->blocks, &m, SLICE("u@d"), SLICE_EMPTY, name));
    give(b, RECORD_MESSAGE, payload, sealed_payload(b, id, m, payload));
}

// The journal remembers more domains than the table takes, nearly all of them of messages that are
// over: these leave no trace in the table, however late it is said that they are.
static void domains_of_what_is_over(void)
{
    enum { ROUND = DOMAIN_COUNT_MAX / 2 };
    for (int late = 0; late < 2; late++) {
        struct book *b = book_open();
        b->jobs.item_count_max = 20 * ROUND;
        for (uint64_t id = 1; id <= 10 * ROUND; id++) {
            give_message_of_its_own(b, id);
            if (!late && id % 100 != 0)
                give_result(b, id, 0, RCPT_DELIVERED);
        }
        CU_ASSERT(domain_count(b->domains) <= (late ? 10 * ROUND : DOMAIN_COUNT_MAX));
        for (uint64_t id = 1; id <= 10 * ROUND; id++)
            if (late && id % 100 != 0)
                give_result(b, id, 0, RCPT_FAILED);
        recover_finish(&b->recover, NOW_S, STAGE_WALL_US, no_delay, NULL);
        CU_ASSERT_EQUAL(b->recover.counters.messages, 10 * ROUND / 100);
        CU_ASSERT_EQUAL(domain_count(b->domains), 10 * ROUND / 100);
        for (uint32_t i = slab_next(&b->jobs, 0); i != SLAB_NONE; i = slab_next(&b->jobs, i + 1))
            CU_ASSERT_EQUAL(((struct job *)slab_at(&b->jobs, i))->domain->job_count, 1);
        book_close(b);
    }
}

// What waits is taken in though it is for more domains than the table takes. New ones are refused
// until some of it is delivered.
static void more_open_domains_than_the_table_takes(void)
{
    struct book *b = book_open();
    b->jobs.item_count_max = 4 * DOMAIN_COUNT_MAX;
    for (uint64_t id = 1; id <= 3 * DOMAIN_COUNT_MAX; id++)
        give_message_of_its_own(b, id);
    give_message(b, 4 * DOMAIN_COUNT_MAX, "aab");
    give_result(b, 4 * DOMAIN_COUNT_MAX, 2, RCPT_DELIVERED);
    recover_finish(&b->recover, NOW_S, STAGE_WALL_US, no_delay, NULL);
    CU_ASSERT_EQUAL(b->recover.counters.messages, 3 * DOMAIN_COUNT_MAX + 1);
    CU_ASSERT_EQUAL(domain_count(b->domains), 3 * DOMAIN_COUNT_MAX + 1); // "b" has no job left
    CU_ASSERT_PTR_NULL(domain_find(b->domains, SLICE("new.example")));
    CU_ASSERT_PTR_NOT_NULL(domain_find(b->domains, SLICE("d1.example")));
    book_close(b);
}

static const struct suite_test tests[] = {
    {"what became of recipients", what_became_of_recipients},
    {"moved messages in every order of crash", moved_messages_in_every_order_of_crash},
    {"doubt moves with its message", doubt_moves_with_its_message},
    {"a message may be moved again and again", a_message_may_be_moved_again_and_again},
    {"results of what is not there", results_of_what_is_not_there},
    {"the first final result counts", the_first_final_result_counts},
    {"ids twice", ids_twice},
    {"mangled records", mangled_records},
    {"attempts stop being counted", attempts_stop_being_counted},
    {"keys are found", keys_are_found},
    {"many messages", many_messages},
    {"domains of what is over", domains_of_what_is_over},
    {"more open domains than the table takes", more_open_domains_than_the_table_takes},
};

int main(int argc, char **argv)
{
    urcu_qsbr_register_thread();
    int result = suite_main("recover", tests, COUNT_OF(tests), argc, argv);
    urcu_qsbr_unregister_thread();
    return result;
}
