// How long submission keys count, whatever the wall clock does meanwhile. With an engine around
// them: interop/keys_test.py.
#include "engine/base/check.h"
#include "engine/keyring.h"
#include "tests/suite.h"

#define SECONDS(s) ((uint64_t)(s)*1000000)
#define DAYS(d) SECONDS((d)*86400)
#define NOW SECONDS(1000)
#define WALL DAYS(20000)

struct stand {
    struct journal journal; // the null journal
    struct keyring ring;
    struct message message;
};

static void stand_init(struct stand *s, uint8_t key)
{
    *s = (struct stand){.message = {.has_key = true, .id = 7, .key_content = 3, .key = {key}}};
    CHECK(journal_init(&s->journal, NULL) && keyring_init(&s->ring, &s->journal, 100, 1));
}

static void stand_release(struct stand *s)
{
    keyring_release(&s->ring);
    journal_release(&s->journal);
}

// Does the key still count at that time? Asking with other content changes nothing if so.
static bool counts(struct stand *s, uint64_t now_us, uint64_t wall_us)
{
    struct message other = s->message;
    uint64_t id;
    other.key_content = 4;
    keyring_turn(&s->ring, now_us, wall_us);
    return keys_claim(&s->ring.keys, &other, now_us, &id) == KEY_OTHER;
}

static void steps_of_the_wall_clock(void)
{
    static const int64_t steps_days[] = {0, 1, 2, 4, 10000, -1, -4, -10000};
    for (size_t i = 0; i < COUNT_OF(steps_days); i++) {
        struct stand s;
        uint64_t id, wall = WALL + (uint64_t)(steps_days[i] * 86400 * 1000000);
        stand_init(&s, 1);
        CU_ASSERT_EQUAL(keys_claim(&s.ring.keys, &s.message, NOW, &id), KEY_NEW);
        keyring_decided(&s.ring, &s.message, true);
        CU_ASSERT(counts(&s, NOW + SECONDS(1), wall + SECONDS(1)));
        CU_ASSERT(counts(&s, NOW + DAYS(3) - SECONDS(1), wall + DAYS(3) - SECONDS(1)));
        CU_ASSERT(!counts(&s, NOW + DAYS(3), wall + DAYS(3)));
        stand_release(&s);
    }
}

// What is left of its time by the wall clock at the start, and no more than a new one has.
static void a_key_that_was_found(void)
{
    static const struct {
        uint64_t left_us, want_us;
    } cases[] = {{SECONDS(1), SECONDS(1)}, {DAYS(2), DAYS(2)}, {DAYS(4000), DAYS(3)}, {0, 0}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct stand s;
        struct recovered_key key = {
            .key = {9}, .content = 3, .id = 7, .until_wall_us = WALL + cases[i].left_us};
        stand_init(&s, 9);
        CU_ASSERT(keyring_restore(&s.ring, &key, 1, 9 % 2, 2, NOW, WALL));
        uint64_t end_us = NOW + cases[i].want_us;
        if (cases[i].want_us > 0)
            CU_ASSERT(counts(&s, end_us - SECONDS(1), WALL + DAYS(100)));
        CU_ASSERT(!counts(&s, end_us, WALL));
        stand_release(&s);
    }
}

static const struct suite_test tests[] = {
    {"steps of the wall clock", steps_of_the_wall_clock},
    {"a key that was found", a_key_that_was_found},
};

SUITE_MAIN("keys", tests)
