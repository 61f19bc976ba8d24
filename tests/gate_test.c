// The gate: what is verified, what is remembered, and who is not heard. The io is this test's own:
// its time is what we say, and work is done when it is asked for, and told when we say.
#include "engine/submit/gate.h"
#include "tests/suite.h"

#include <stdlib.h>

#define HASH                                                                                       \
    "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN."       \
    "Pq.H91p5hVO1" // secret
#define OTHER                                                                                      \
    "$6$othersalt$yWbVSCJkZ2vwPSOjzg4gnuy.yIFq54VHHC2Mn0XeCpHF6E4vSqSPQ/Q7TMZo3H9HnWE"             \
    "0Q4MIvE9DZW9eoiqoz/" // secret, too
#define SECOND UINT64_C(1000000)

struct io {
    uint64_t now_us;
    unsigned work_count;
};

uint64_t io_now_us(const struct io *io)
{
    return io->now_us;
}

uint64_t io_seed(struct io *io)
{
    (void)io;
    return UINT64_C(0x0123456789abcdef);
}

void io_offload(struct io *io, enum io_haste haste, io_work *work, void *argument,
                struct io_token t)
{
    (void)haste;
    (void)t;
    io->work_count++;
    work(argument, io->work_count % 3);
}

struct stage {
    struct io io;
    struct gate *gate;
    struct users *users;
    struct gate_watch *watch;
    struct io_peer peer;
};

static struct users *parse(const char *text)
{
    uint32_t line;
    const char *why;
    struct users *u = users_parse(slice_of_text(text), &line, &why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(u);
    return u;
}

static void begin(struct stage *s)
{
    *s = (struct stage){.io.now_us = 5 * SECOND};
    s->watch = calloc(1, sizeof(*s->watch));
    gate_watch_init(s->watch);
    CU_ASSERT_FATAL(gate_new(&s->gate, &s->io, s->watch) == 0);
    s->users = parse("joe:" HASH "\nann:" HASH "\nuid 7:\n");
    CU_ASSERT_FATAL(io_address_parse(SLICE("192.0.2.1:1"), 0, &s->peer.address));
}

static void end(struct stage *s)
{
    gate_free(s->gate);
    users_free(s->users);
    gate_watch_release(s->watch);
    free(s->watch);
}

static enum gate_answer begin_ask(struct stage *s, const char *name, const char *password,
                                  struct gate_ask **ret)
{
    return gate_ask(s->gate, s->users, &s->peer, slice_of_text(name), slice_of_text(password),
                    (struct io_token){0}, ret);
}

static enum gate_answer ask(struct stage *s, const char *name, const char *password)
{
    struct gate_ask *under_way;
    enum gate_answer a = begin_ask(s, name, password, &under_way);
    return a == GATE_ASKED ? gate_on_done(s->gate, s->users, under_way, 0) : a;
}

static void from(struct stage *s, const char *address)
{
    CU_ASSERT_FATAL(io_address_parse(slice_of_text(address), 1, &s->peer.address));
}

static void verified(void)
{
    struct stage s;
    begin(&s);
    CU_ASSERT_EQUAL(ask(&s, "joe", "secret"), GATE_YES);
    CU_ASSERT_EQUAL(ask(&s, "ann", "secret"), GATE_YES);
    CU_ASSERT_EQUAL(ask(&s, "joe", "Secret"), GATE_NO);
    CU_ASSERT_EQUAL(ask(&s, "joe", "secret "), GATE_NO);
    CU_ASSERT_EQUAL(ask(&s, "uid 7", ""), GATE_NO);
    // Nobody of that name: the same work, and the same answer.
    unsigned before = s.io.work_count;
    CU_ASSERT_EQUAL(ask(&s, "eve", "secret"), GATE_NO);
    CU_ASSERT_EQUAL(s.io.work_count, before + 1);
    end(&s);
}

static void without_users(void)
{
    struct stage s;
    begin(&s);
    users_free(s.users);
    s.users = NULL;
    CU_ASSERT_EQUAL(ask(&s, "joe", "secret"), GATE_NO);
    end(&s);
}

static void remembered_for_ten_minutes(void)
{
    struct stage s;
    begin(&s);
    CU_ASSERT_EQUAL(ask(&s, "joe", "secret"), GATE_YES);
    CU_ASSERT_EQUAL(s.io.work_count, 1);
    s.io.now_us += GATE_REMEMBER_US - 1;
    CU_ASSERT_EQUAL(ask(&s, "joe", "secret"), GATE_YES);
    CU_ASSERT_EQUAL(s.io.work_count, 1);
    CU_ASSERT_EQUAL(ask(&s, "joe", "wrong"), GATE_NO);
    CU_ASSERT_EQUAL(ask(&s, "ann", "secret"), GATE_YES); // is another
    CU_ASSERT_EQUAL(s.io.work_count, 3);
    s.io.now_us += 1;
    CU_ASSERT_EQUAL(ask(&s, "joe", "secret"), GATE_YES);
    CU_ASSERT_EQUAL(s.io.work_count, 4);
    // Another hash is another password, whoever has set it; and who is gone is gone.
    users_free(s.users);
    s.users = parse("joe:" OTHER "\n");
    CU_ASSERT_EQUAL(ask(&s, "joe", "secret"), GATE_YES);
    CU_ASSERT_EQUAL(s.io.work_count, 5);
    CU_ASSERT_EQUAL(ask(&s, "ann", "secret"), GATE_NO);
    end(&s);
}

static void users_change_meanwhile(void)
{
    struct stage s;
    struct gate_ask *under_way;
    begin(&s);
    CU_ASSERT_EQUAL_FATAL(begin_ask(&s, "joe", "secret", &under_way), GATE_ASKED);
    users_free(s.users);
    s.users = parse("joe:" OTHER "\n");
    CU_ASSERT_EQUAL(gate_on_done(s.gate, s.users, under_way, 0), GATE_NO);
    // Without a thread there is no verdict.
    CU_ASSERT_EQUAL_FATAL(begin_ask(&s, "joe", "secret", &under_way), GATE_ASKED);
    CU_ASSERT_EQUAL(gate_on_done(s.gate, s.users, under_way, -11), GATE_LATER);
    end(&s);
}

// One address guesses at many names.
static void an_address_guesses(void)
{
    struct stage s;
    char name[16];
    begin(&s);
    CU_ASSERT_EQUAL(ask(&s, "ann", "secret"), GATE_YES);
    for (unsigned i = 0; i <= GUESSES_FREE; i++) {
        snprintf(name, sizeof(name), "name%u", i);
        CU_ASSERT_EQUAL(ask(&s, name, "x"), GATE_NO);
    }
    unsigned before = s.io.work_count;
    CU_ASSERT_EQUAL(ask(&s, "joe", "secret"), GATE_LATER); // not even the right one
    CU_ASSERT_EQUAL(ask(&s, "name99", "x"), GATE_LATER);
    CU_ASSERT_EQUAL(s.io.work_count, before);
    CU_ASSERT_EQUAL(ask(&s, "ann", "secret"), GATE_YES); // it is remembered
    from(&s, "192.0.2.2");
    CU_ASSERT_EQUAL(ask(&s, "joe", "secret"), GATE_YES);
    // Success with one password does not buy guesses at others.
    from(&s, "192.0.2.1");
    s.io.now_us += GUESSES_PAUSE_US_FIRST;
    CU_ASSERT_EQUAL(ask(&s, "name99", "x"), GATE_NO);
    CU_ASSERT_EQUAL(ask(&s, "name98", "x"), GATE_LATER);
    // A network of IPv6 is one customer.
    for (unsigned i = 0; i <= GUESSES_FREE; i++) {
        snprintf(name, sizeof(name), "other%u", i);
        char address[32];
        snprintf(address, sizeof(address), "[2001:db8::%u]:1", i + 1);
        from(&s, address);
        CU_ASSERT_EQUAL(ask(&s, name, "x"), GATE_NO);
    }
    CU_ASSERT_EQUAL(ask(&s, "other9", "x"), GATE_LATER);
    from(&s, "[2001:db8:0:1::1]:1");
    CU_ASSERT_EQUAL(ask(&s, "other9", "x"), GATE_NO);
    end(&s);
}

// Many addresses guess at one name; there or not, it is the same.
static void a_name_is_guessed_at(void)
{
    static const char *const names[] = {"joe", "nobody"};
    for (unsigned n = 0; n < 2; n++) {
        struct stage s;
        char address[32];
        begin(&s);
        for (unsigned i = 0; i <= GUESSES_FREE; i++) {
            snprintf(address, sizeof(address), "198.51.100.%u:1", i + 1);
            from(&s, address);
            CU_ASSERT_EQUAL(ask(&s, names[n], "x"), GATE_NO);
        }
        from(&s, "198.51.100.99:1");
        CU_ASSERT_EQUAL(ask(&s, names[n], "secret"), GATE_LATER);
        s.io.now_us += GUESSES_PAUSE_US_FIRST;
        CU_ASSERT_EQUAL(ask(&s, names[n], "secret"), n == 0 ? GATE_YES : GATE_NO);
        end(&s);
    }
}

// Whoever asks a thousand times at once learns no more than who asks one after the other.
static void many_at_once(void)
{
    struct stage s;
    struct gate_ask *asks[50];
    unsigned no = 0, later = 0;
    begin(&s);
    for (unsigned i = 0; i < 50; i++)
        CU_ASSERT_EQUAL_FATAL(begin_ask(&s, "joe", i == 30 ? "secret" : "x", &asks[i]), GATE_ASKED);
    for (unsigned i = 0; i < 50; i++) {
        enum gate_answer a = gate_on_done(s.gate, s.users, asks[i], 0);
        no += a == GATE_NO;
        later += a == GATE_LATER;
    }
    CU_ASSERT_EQUAL(no, GUESSES_FREE + 1);
    CU_ASSERT_EQUAL(later, 50 - no);
    end(&s);
}

static const struct suite_test tests[] = {
    {"verified", verified},
    {"without users", without_users},
    {"remembered for ten minutes", remembered_for_ten_minutes},
    {"users change meanwhile", users_change_meanwhile},
    {"an address guesses", an_address_guesses},
    {"a name is guessed at", a_name_is_guessed_at},
    {"many at once", many_at_once},
};

SUITE_MAIN("gate", tests)
