// What a site teaches us: which replies count, how the rate falls and rises, and the whole loop
// against model receivers that take N messages a second and refuse what is above.
#include "engine/base/random.h"
#include "engine/policy/throttle.h"
#include "tests/suite.h"

#include <stdlib.h>

#define SECOND UINT64_C(1000000)
#define NOW (100 * SECOND)

// --- which replies are complaints

static const struct {
    enum smtp_phase phase;
    uint16_t code;
    struct enhanced_code enhanced;
    const char *text;
    bool want;
} replies[] = {
    {SMTP_PHASE_MAIL, 421, {0, 0, 0}, "", true},
    {SMTP_PHASE_CONTENT, 421, {4, 7, 0}, "Try again later, closing connection", true},
    {SMTP_PHASE_MAIL, 421, {4, 4, 2}, "timeout exceeded", false},
    {SMTP_PHASE_QUIT, 421, {4, 3, 2}, "closing", false},
    {SMTP_PHASE_MAIL, 450, {4, 7, 28}, "unusual rate of unsolicited mail", true},
    {SMTP_PHASE_MAIL, 451, {4, 3, 2}, "not accepting network messages", true},
    {SMTP_PHASE_DATA, 451, {4, 4, 5}, "congested", true},
    {SMTP_PHASE_RCPT, 451, {4, 7, 1}, "Greylisting in action", false},
    {SMTP_PHASE_RCPT, 450, {4, 2, 0}, "come back in five minutes", false},
    {SMTP_PHASE_RCPT, 452, {4, 5, 3}, "too many recipients", false},
    {SMTP_PHASE_RCPT, 450, {0, 0, 0}, "later", false},
    {SMTP_PHASE_CONTENT, 550, {5, 7, 1}, "spam", false},
    {SMTP_PHASE_CONTENT, 250, {2, 0, 0}, "ok", false},
};

static void test_which_replies_are_complaints(void)
{
    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        bool got = throttle_is_complaint(replies[i].phase, replies[i].code, replies[i].enhanced,
                                         slice_of_text(replies[i].text));
        if (got != replies[i].want)
            printf("\n  %u %s\n", replies[i].code, replies[i].text);
        CU_ASSERT_EQUAL(got, replies[i].want);
    }
}

// --- single steps

static void take(struct throttle *t, uint32_t count, uint64_t now_us)
{
    for (; count > 0; count--)
        throttle_takes(t, now_us);
}

static void test_begins_with_few(void)
{
    struct throttle t;
    throttle_init(&t);
    CU_ASSERT_EQUAL(throttle_room(&t, 0, NOW), 2);
    CU_ASSERT_EQUAL(throttle_room(&t, 2, NOW), 0);
    CU_ASSERT_EQUAL(throttle_due_us(&t, NOW), NOW); // not a matter of time
    take(&t, 3, NOW);
    throttle_answers(&t);
    CU_ASSERT_EQUAL(throttle_room(&t, 2, NOW), 4);
    CU_ASSERT_FALSE(throttle_is_active(&t, NOW));
}

static void test_first_complaint(void)
{
    struct throttle t;
    throttle_init(&t);
    take(&t, 160, NOW);
    CU_ASSERT_TRUE(throttle_complains(&t, NOW, NOW + 1000));
    CU_ASSERT_EQUAL(t.rate, 150000);
    CU_ASSERT_EQUAL(throttle_room(&t, 0, NOW + 1000), 0);
    CU_ASSERT_EQUAL(throttle_due_us(&t, NOW + 1000), NOW + 1000 + SECOND);
    CU_ASSERT_EQUAL(throttle_reason(&t, NOW + 1000).kind, REASON_SITE_BACK_OFF);
    CU_ASSERT_EQUAL(throttle_reason(&t, NOW + 1000).until_us, NOW + 1000 + SECOND);
    // The others that were under way say the same.
    CU_ASSERT_FALSE(throttle_complains(&t, NOW, NOW + 2000));
    CU_ASSERT_EQUAL(t.rate, 150000);
}

// From then on they begin evenly.
static void test_paces(void)
{
    struct throttle t;
    uint64_t now_us = NOW;
    uint32_t begun = 0;
    throttle_init(&t);
    take(&t, 32, now_us);
    throttle_complains(&t, now_us, now_us);
    CU_ASSERT_EQUAL(t.rate, 30000);
    now_us += SECOND;
    for (uint64_t end_us = now_us + 10 * SECOND; now_us < end_us;) {
        if (throttle_room(&t, 0, now_us) > 0) {
            throttle_begins(&t, now_us);
            begun++;
        } else {
            CU_ASSERT_EQUAL(throttle_reason(&t, now_us).kind, REASON_MESSAGE_RATE);
            now_us = throttle_due_us(&t, now_us);
        }
    }
    CU_ASSERT(begun >= 300 && begun <= 302);
}

// Nothing but complaints: less and less, and longer and longer rests, up to a minute.
static void test_refuses_everything(void)
{
    struct throttle t;
    uint64_t now_us = NOW, rest_us = 0;
    throttle_init(&t);
    take(&t, 1000, now_us);
    for (int i = 0; i < 12; i++) {
        uint64_t rate = t.rate;
        CU_ASSERT_TRUE(throttle_complains(&t, now_us, now_us));
        CU_ASSERT(i == 0 || t.rate < rate || t.rate == 1000);
        CU_ASSERT(t.held_until_us - now_us >= rest_us);
        rest_us = t.held_until_us - now_us;
        now_us = t.held_until_us + 1;
    }
    CU_ASSERT_EQUAL(rest_us, 60 * SECOND);
    CU_ASSERT_EQUAL(t.rate, 1000);
}

static void test_forgets(void)
{
    struct throttle t;
    throttle_init(&t);
    take(&t, 100, NOW);
    throttle_complains(&t, NOW, NOW);
    CU_ASSERT_TRUE(throttle_is_active(&t, NOW + 601 * SECOND));
    take(&t, 100, NOW + 601 * SECOND);
    CU_ASSERT_FALSE(throttle_is_active(&t, NOW + 601 * SECOND));
}

static void test_back_off(void)
{
    struct throttle t;
    throttle_init(&t);
    CU_ASSERT_TRUE(throttle_back_off(&t, NOW, 60 * SECOND));
    CU_ASSERT_FALSE(throttle_back_off(&t, NOW, SECOND)); // shorter than what holds
    CU_ASSERT_EQUAL(throttle_room(&t, 0, NOW), 0);
    CU_ASSERT_EQUAL(throttle_due_us(&t, NOW), NOW + 60 * SECOND);
    CU_ASSERT(throttle_room(&t, 0, NOW + 60 * SECOND) > 0);
}

static void test_connections(void)
{
    struct throttle t;
    throttle_init(&t);
    CU_ASSERT_EQUAL(throttle_connections(&t, NOW), UINT32_MAX);
    throttle_refuses_connection(&t, 5, NOW);
    CU_ASSERT_EQUAL(throttle_connections(&t, NOW), 5);
    CU_ASSERT_EQUAL(throttle_connections(&t, NOW + 59 * SECOND), 5);
    CU_ASSERT_EQUAL(throttle_connections(&t, NOW + 60 * SECOND), 6);
    CU_ASSERT_EQUAL(throttle_connections(&t, NOW + 120 * SECOND), 8);
    throttle_refuses_connection(&t, 5, NOW + 121 * SECOND);
    CU_ASSERT_EQUAL(throttle_connections(&t, NOW + 122 * SECOND), 5);
    CU_ASSERT_EQUAL(throttle_connections(&t, NOW + 3600 * SECOND), UINT32_MAX);
}

// --- the loop: a sender with endless mail, and a receiver that takes N a second

enum model { MODEL_SLIDING, MODEL_FIXED, MODEL_BUCKET, MODEL_COUNT };
static const char *const model_names[] = {"sliding", "fixed", "bucket"};

struct receiver {
    enum model model;
    uint32_t per_s;
    uint64_t *taken_us;
    uint32_t taken, oldest;
    double tokens;
    uint64_t tokens_us;
};

static bool receiver_takes(struct receiver *r, uint64_t now_us)
{
    switch (r->model) {
    case MODEL_SLIDING:
        while (r->oldest < r->taken && now_us - r->taken_us[r->oldest] >= SECOND)
            r->oldest++;
        break;
    case MODEL_FIXED:
        while (r->oldest < r->taken && r->taken_us[r->oldest] / SECOND < now_us / SECOND)
            r->oldest++;
        break;
    case MODEL_BUCKET:
        r->tokens += (double)(now_us - r->tokens_us) * r->per_s / (double)SECOND;
        r->tokens_us = now_us;
        if (r->tokens > r->per_s)
            r->tokens = r->per_s;
        if (r->tokens < 1)
            return false;
        r->tokens--;
        r->taken_us[r->taken++] = now_us;
        return true;
    case MODEL_COUNT: return false;
    }
    if (r->taken - r->oldest >= r->per_s)
        return false;
    r->taken_us[r->taken++] = now_us;
    return true;
}

#define UNDER_WAY_MAX 160 // twenty connections, eight on each
#define RUN_US (120 * SECOND)

struct flight {
    uint64_t began_us;
    bool taken;
};

struct outcome {
    uint32_t taken_first, refused_first; // in the first minute
    uint32_t taken_second, refused_second;
};

// Each message takes `trip_us` there and back; the receiver decides on its arrival, half way, or up
// to `late_us` later.
static struct outcome run_loop(enum model model, uint32_t per_s, uint64_t trip_us, uint64_t late_us)
{
    struct random dice;
    uint64_t arrives_us = 0;
    struct receiver r = {.model = model, .per_s = per_s, .tokens = per_s, .tokens_us = NOW};
    struct flight flights[UNDER_WAY_MAX]; // a ring, in the order in which they began
    uint32_t first = 0, count = 0;
    struct throttle t;
    struct outcome o = {0};
    uint64_t now_us = NOW + SECOND / 3;
    r.taken_us = calloc((size_t)per_s * 130 + UNDER_WAY_MAX, sizeof(*r.taken_us));
    CU_ASSERT_PTR_NOT_NULL_FATAL(r.taken_us);
    throttle_init(&t);
    random_init(&dice, per_s);
    while (now_us < NOW + RUN_US) {
        for (; count > 0 && flights[first].began_us + trip_us <= now_us; count--) {
            bool early = now_us < NOW + RUN_US / 2;
            if (flights[first].taken) {
                throttle_takes(&t, now_us);
                *(early ? &o.taken_first : &o.taken_second) += 1;
            } else {
                throttle_complains(&t, flights[first].began_us, now_us);
                *(early ? &o.refused_first : &o.refused_second) += 1;
            }
            first = (first + 1) % UNDER_WAY_MAX;
        }
        while (count < UNDER_WAY_MAX && throttle_room(&t, count, now_us) > 0) {
            throttle_begins(&t, now_us);
            uint64_t us = now_us + trip_us / 2 + random_below(&dice, (uint32_t)late_us + 1);
            arrives_us = us > arrives_us ? us : arrives_us; // in the order in which they began
            flights[(first + count++) % UNDER_WAY_MAX] = (struct flight){
                now_us, receiver_takes(&r, arrives_us)};
        }
        uint64_t due_us = throttle_due_us(&t, now_us);
        uint64_t next_us = count > 0 ? flights[first].began_us + trip_us : UINT64_MAX;
        if (due_us > now_us && count < UNDER_WAY_MAX && due_us < next_us)
            next_us = due_us;
        CU_ASSERT_FATAL(next_us != UINT64_MAX);
        now_us = (next_us / 1000 + 1) * 1000; // as a timing wheel wakes us
    }
    free(r.taken_us);
    return o;
}

static double share(uint32_t part, uint32_t whole)
{
    return whole > 0 ? (double)part / whole : 0;
}

// In the first minute, finding out included, it is used at 90 % at least, and refuses 5 % at most;
// so it does in the second one.
static void check_loop(enum model model, uint32_t n, uint64_t trip_us, uint64_t late_us)
{
    struct outcome o = run_loop(model, n, trip_us, late_us);
    double used_first = share(o.taken_first, n * 60);
    double used = share(o.taken_second, n * 60);
    double refused = share(o.refused_first, o.taken_first + o.refused_first);
    double later = share(o.refused_second, o.taken_second + o.refused_second);
    bool good = used_first >= 0.9 && used >= 0.9 && refused <= 0.05 && later <= 0.05;
    if (!good || getenv("POSTHASTE_SHOW"))
        printf("\n  %-7s %4u/s, %3u ms, %2u ms late: first minute %.3f used, %.3f refused; second "
               "%.3f, %.3f",
               model_names[model], n, (unsigned)(trip_us / 1000), (unsigned)(late_us / 1000),
               used_first, refused, used, later);
    CU_ASSERT_TRUE(good);
}

static void test_closed_loop(void)
{
    static const uint32_t rates[] = {10, 50, 200, 1000, 5000};
    static const uint64_t trips_us[] = {2000, 30000, 150000};
    static const uint64_t late_us[] = {0, 10000, 40000};
    for (int model = 0; model < MODEL_COUNT; model++)
        for (size_t r = 0; r < 5; r++)
            for (size_t trip = 0; trip < 3; trip++)
                // As much as a hundred and sixty under way can be: else nothing complains.
                for (size_t late = 0; late < 3; late++)
                    if ((uint64_t)rates[r] * trips_us[trip] <= UNDER_WAY_MAX * SECOND)
                        check_loop((enum model)model, rates[r], trips_us[trip], late_us[late]);
}

static const struct suite_test tests[] = {
    {"which replies are complaints", test_which_replies_are_complaints},
    {"begins with few", test_begins_with_few},
    {"first complaint", test_first_complaint},
    {"paces", test_paces},
    {"refuses everything", test_refuses_everything},
    {"forgets", test_forgets},
    {"back off", test_back_off},
    {"connections", test_connections},
    {"closed loop", test_closed_loop},
};

SUITE_MAIN("throttle", tests)
