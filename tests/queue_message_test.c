#include "engine/base/check.h"
#include "queue/message.h"
#include "queue/message_record.h"
#include "tests/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BYTES_MAX (1u << 30)

static struct block_pool pool;

static struct message *new_message(void)
{
    block_pool_init(&pool, BYTES_MAX);
    struct message *m = message_new(&pool, SLICE("a@sender.example"), SLICE("RET=HDRS"), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    return m;
}

static void end_message(struct message *m)
{
    message_free(&pool, m);
    block_pool_release(&pool);
}

static bool equal(struct slice got, const char *want)
{
    return slice_equal(got, slice_of_text(want));
}

// Recipients as "address domain", a list of them in, and one line out:
// "domain: address address | domain: ...".
static const struct {
    const char *name;
    const char *rcpts[8][2];
    const char *want;
} grouping_cases[] = {
    {"one", {{"u@a.example", "a.example"}}, "a.example: u@a.example"},
    {"one domain, as they came",
     {{"z@a.example", "a.example"}, {"b@a.example", "a.example"}, {"m@a.example", "a.example"}},
     "a.example: z@a.example b@a.example m@a.example"},
    {"groups by their first recipient",
     {{"1@z.example", "z.example"},
      {"2@a.example", "a.example"},
      {"3@z.example", "z.example"},
      {"4@m.example", "m.example"},
      {"5@a.example", "a.example"}},
     "z.example: 1@z.example 3@z.example | a.example: 2@a.example 5@a.example | "
     "m.example: 4@m.example"},
    {"a duplicate is delivered once, the first stays",
     {{"u@a.example", "a.example"},
      {"v@b.example", "b.example"},
      {"u@a.example", "a.example"},
      {"u@b.example", "b.example"},
      {"u@a.example", "a.example"}},
     "a.example: u@a.example | b.example: v@b.example u@b.example"},
    {"a domain's case makes no difference, a local part's does",
     {{"u@A.Example", "a.example"}, {"u@a.example", "a.example"}, {"U@a.example", "a.example"}},
     "a.example: u@A.Example U@a.example"},
    {"quoted local parts may hold an @",
     {{"\"u@x\"@a.example", "a.example"},
      {"\"u@y\"@a.example", "a.example"},
      {"\"u@x\"@A.example", "a.example"}},
     "a.example: \"u@x\"@a.example \"u@y\"@a.example"},
    {"no domain at all",
     {{"postmaster", "mail.example"}, {"postmaster@mail.example", "mail.example"}},
     "mail.example: postmaster"},
    {"domains of which one begins another",
     {{"u@a.ex", "a.ex"}, {"u@a.example", "a.example"}, {"v@a.ex", "a.ex"}},
     "a.ex: u@a.ex v@a.ex | a.example: u@a.example"},
};

// The group that begins there: how many have its domain.
static uint32_t group_len(const struct message *m, uint32_t first)
{
    uint32_t end = first + 1;
    CU_ASSERT_EQUAL(message_rcpt(m, first)->starts_group, 1);
    while (end < m->rcpt_count && !message_rcpt(m, end)->starts_group)
        end++;
    return end - first;
}

static void describe(const struct message *m, char *text, size_t size)
{
    size_t at = 0;
    uint32_t groups = 0;
    text[0] = '\0';
    for (uint32_t first = 0; first < m->rcpt_count; groups++) {
        uint32_t len = group_len(m, first);
        at += (size_t)snprintf(text + at, size - at, "%s%.*s:", first ? " | " : "",
                               SLICE_ARG(message_rcpt_domain(m, first)));
        for (uint32_t i = first; i < first + len; i++)
            at += (size_t)snprintf(text + at, size - at, " %.*s",
                                   SLICE_ARG(message_rcpt_address(m, i)));
        first += len;
    }
    CU_ASSERT_EQUAL(groups, m->job_count);
}

static void groups_by_domain(void)
{
    for (size_t i = 0; i < COUNT_OF(grouping_cases); i++) {
        char got[1024];
        struct message *m = new_message();
        for (size_t r = 0; r < 8 && grouping_cases[i].rcpts[r][0]; r++)
            CU_ASSERT(message_add_rcpt(&pool, &m, slice_of_text(grouping_cases[i].rcpts[r][0]),
                                       SLICE_EMPTY, slice_of_text(grouping_cases[i].rcpts[r][1])));
        CU_ASSERT(message_seal_envelope(&pool, &m));
        describe(m, got, sizeof(got));
        CU_ASSERT_STRING_EQUAL(got, grouping_cases[i].want);
        if (strcmp(got, grouping_cases[i].want) != 0)
            printf("\n  %s:\n  got  %s\n  want %s\n", grouping_cases[i].name, got,
                   grouping_cases[i].want);
        end_message(m);
    }
}

// The campaign's name stands in front of the content, in memory as in the record, and neither gets
// into the other.
static void keeps_its_campaign(void)
{
    static const char *const names[] = {"", "c", "spring sale 2026"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct message *m = new_message();
        CU_ASSERT(
            message_add_rcpt(&pool, &m, SLICE("u@b.example"), SLICE_EMPTY, SLICE("b.example")));
        CU_ASSERT(message_seal_envelope(&pool, &m));
        CU_ASSERT(message_add_content(&pool, &m, SLICE("Subject: x\r\n\r\n")));
        message_put_in_front(m, SLICE("Received: y\r\n"));
        message_set_campaign(m, slice_of_text(names[i]));
        m->priority = -4;
        CU_ASSERT(equal(message_campaign(m), names[i]));
        CU_ASSERT(equal(message_content(m), "Received: y\r\nSubject: x\r\n\r\n"));

        char payload[1024];
        struct record_message r = message_record_of(m);
        struct slice campaign = message_campaign(m);
        size_t rest_bytes = campaign.len + m->content_bytes;
        size_t bytes = (size_t)message_record_payload_bytes(m);
        CU_ASSERT_EQUAL_FATAL(bytes, sizeof(r) + m->envelope_bytes + rest_bytes);
        memcpy(payload, &r, sizeof(r));
        memcpy(payload + sizeof(r), message_envelope(m), m->envelope_bytes);
        memcpy(payload + sizeof(r) + m->envelope_bytes, campaign.data, rest_bytes);
        struct slice whole = slice_make(payload, bytes);
        CU_ASSERT(record_message_valid(&r, whole));
        CU_ASSERT(r.priority == -4 && equal(record_message_campaign(&r, whole), names[i]));
        r.priority = FORMAT_PRIORITY_MAX + 1;
        CU_ASSERT(!record_message_valid(&r, whole));
        r.priority = 0;
        r.campaign_bytes++;
        r.content_bytes--;
        CU_ASSERT_EQUAL(record_message_valid(&r, whole), true); // a name that ends in "R"
        r.content_bytes++;
        CU_ASSERT(!record_message_valid(&r, whole)); // longer than the record
        end_message(m);
    }
}

static void keeps_what_it_was_given(void)
{
    struct message *m = new_message();
    CU_ASSERT(message_add_rcpt(&pool, &m, SLICE("u@b\xc3\xbc.example"), SLICE("NOTIFY=NEVER"),
                               SLICE("xn--b-xga.example")));
    CU_ASSERT(message_add_rcpt(&pool, &m, SLICE("v@c.example"), SLICE_EMPTY, SLICE("c.example")));
    CU_ASSERT(message_add_rcpt(&pool, &m, SLICE("v@c.example"), SLICE("NOTIFY=DELAY"),
                               SLICE("c.example")));
    CU_ASSERT(message_seal_envelope(&pool, &m));
    CU_ASSERT(message_add_content(&pool, &m, SLICE("Subject: x\r\n\r\n")));
    CU_ASSERT(message_add_content(&pool, &m, SLICE_EMPTY));
    CU_ASSERT(message_add_content(&pool, &m, SLICE("body\r\n")));

    CU_ASSERT(equal(message_sender(m), "a@sender.example"));
    CU_ASSERT(equal(message_dsn(m), "RET=HDRS"));
    CU_ASSERT_EQUAL(m->rcpt_count, 2);
    CU_ASSERT(equal(message_rcpt_address(m, 0), "u@b\xc3\xbc.example"));
    CU_ASSERT(equal(message_rcpt_dsn(m, 0), "NOTIFY=NEVER"));
    CU_ASSERT(equal(message_rcpt_domain(m, 0), "xn--b-xga.example"));
    CU_ASSERT(equal(message_rcpt_dsn(m, 1), ""));        // of the first of two
    CU_ASSERT_EQUAL(message_rcpt(m, 1)->reserved[0], 0); // it goes to disk as it is
    CU_ASSERT_EQUAL(message_rcpt(m, 1)->reserved[1], 0);
    CU_ASSERT(equal(message_content(m), "Subject: x\r\n\r\nbody\r\n"));
    end_message(m);
}

static void the_null_sender_and_no_content(void)
{
    block_pool_init(&pool, BYTES_MAX);
    struct message *m = message_new(&pool, SLICE_EMPTY, SLICE_EMPTY, 0);
    CU_ASSERT(message_add_rcpt(&pool, &m, SLICE("u@c.example"), SLICE_EMPTY, SLICE("c.example")));
    CU_ASSERT(message_seal_envelope(&pool, &m));
    CU_ASSERT_EQUAL(message_sender(m).len, 0);
    CU_ASSERT_EQUAL(message_content(m).len, 0);
    end_message(m);
}

// A usual message takes one block of the smallest class, and no second look at the heap.
static void a_small_message_fits_one_block(void)
{
    static const char content[2048];
    struct message *m = new_message();
    CU_ASSERT(message_add_rcpt(&pool, &m, SLICE("u@c.example"), SLICE_EMPTY, SLICE("c.example")));
    CU_ASSERT(message_seal_envelope(&pool, &m));
    CU_ASSERT(message_add_content(&pool, &m, slice_make(content, sizeof(content))));
    CU_ASSERT_EQUAL(m->block_bytes, 4096);
    CU_ASSERT_EQUAL(pool.heap_calls, 1);
    end_message(m);
}

static void a_declared_size_is_honoured_within_bounds(void)
{
    static const struct {
        size_t hint, want;
    } cases[] = {{0, 4096},        {3000, 4096},     {4096, 16384},     {60000, 65536},
                 {200000, 262144}, {262144, 262144}, {SIZE_MAX, 262144}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        block_pool_init(&pool, BYTES_MAX);
        struct message *m = message_new(&pool, SLICE("a@b"), SLICE_EMPTY, cases[i].hint);
        CU_ASSERT_EQUAL(m->block_bytes, cases[i].want);
        end_message(m);
    }
}

// Every length of content up to some thousands, added in two pieces at every place: where the
// network cuts it must not matter.
static void content_in_pieces(void)
{
    char content[9000];
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (char)('a' + i % 23);
    for (size_t cut = 0; cut <= sizeof(content); cut += 37) {
        struct message *m = new_message();
        CU_ASSERT(message_add_rcpt(&pool, &m, SLICE("u@c"), SLICE_EMPTY, SLICE("c")));
        CU_ASSERT(message_seal_envelope(&pool, &m));
        CU_ASSERT(message_add_content(&pool, &m, slice_make(content, cut)));
        CU_ASSERT(message_add_content(&pool, &m, slice_make(content + cut, sizeof(content) - cut)));
        CU_ASSERT(slice_equal(message_content(m), slice_make(content, sizeof(content))));
        CU_ASSERT(equal(message_sender(m), "a@sender.example"));
        CU_ASSERT(equal(message_rcpt_address(m, 0), "u@c"));
        end_message(m);
    }
}

// At every limit of memory: whatever fails leaves the message whole.
static void without_memory_the_message_stays_as_it_was(void)
{
    static const char piece[3000];
    for (uint64_t limit = 4096; limit < 200000; limit += 4096) {
        block_pool_init(&pool, limit);
        struct message *m = message_new(&pool, SLICE("a@b.example"), SLICE_EMPTY, 0);
        uint32_t added = 0;
        size_t content_bytes = 0;
        char address[32];
        while (added < 300) {
            int len = snprintf(address, sizeof(address), "user%u@d%u.example", added, added % 7);
            struct slice a = slice_make(address, (size_t)len);
            if (!message_add_rcpt(&pool, &m, a, SLICE_EMPTY, slice_skip(a, slice_find(a, '@') + 1)))
                break;
            added++;
        }
        CU_ASSERT_EQUAL(m->rcpt_count, added);
        if (message_seal_envelope(&pool, &m)) {
            while (content_bytes < 50000 &&
                   message_add_content(&pool, &m, slice_make(piece, sizeof(piece))))
                content_bytes += sizeof(piece);
            CU_ASSERT_EQUAL(message_content(m).len, content_bytes);
            CU_ASSERT(equal(message_rcpt_address(m, 0), "user0@d0.example"));
            CU_ASSERT_EQUAL(m->job_count, added < 7 ? added : 7);
        } else {
            CU_ASSERT_EQUAL(m->rcpt_count, added);
            CU_ASSERT(!m->envelope_sealed);
        }
        CU_ASSERT(equal(message_sender(m), "a@b.example"));
        end_message(m);
    }
}

static void as_many_recipients_as_allowed(void)
{
    struct message *m = new_message();
    char address[32];
    for (uint32_t i = 0; i < MESSAGE_RCPTS_MAX; i++) {
        int len = snprintf(address, sizeof(address), "u%u@c.example", i);
        CU_ASSERT_FATAL(message_add_rcpt(&pool, &m, slice_make(address, (size_t)len), SLICE_EMPTY,
                                         SLICE("c.example")));
    }
    CU_ASSERT(!message_add_rcpt(&pool, &m, SLICE("v@c.example"), SLICE_EMPTY, SLICE("c.example")));
    CU_ASSERT(message_seal_envelope(&pool, &m));
    CU_ASSERT_EQUAL(m->rcpt_count, MESSAGE_RCPTS_MAX);
    end_message(m);
}

enum pattern { ONE_DOMAIN, ALL_DIFFERENT, ALTERNATING, ONE_ADDRESS };

static double seal_seconds(enum pattern pattern, uint32_t count, uint32_t *ret_groups,
                           uint32_t *ret_rcpts)
{
    static const char *const formats[] = {"user%u@one.example", "u@domain%u.example",
                                          "user%u@alternating.example", "same@one.example"};
    struct timespec start, end;
    struct message *m = new_message();
    char address[64];
    for (uint32_t i = 0; i < count; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        int len = snprintf(address, sizeof(address), formats[pattern], i);
#pragma GCC diagnostic pop
        struct slice a = slice_make(address, (size_t)len);
        struct slice domain = slice_skip(a, slice_find(a, '@') + 1);
        if (pattern == ALTERNATING)
            domain = i % 2 ? SLICE("odd.example") : SLICE("even.example");
        CU_ASSERT_FATAL(message_add_rcpt(&pool, &m, a, SLICE_EMPTY, domain));
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    CU_ASSERT(message_seal_envelope(&pool, &m));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    *ret_groups = m->job_count;
    *ret_rcpts = m->rcpt_count;
    end_message(m);
    return (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
}

// Hostile envelopes. A quadratic step anywhere would take minutes here; the bound has room for
// sanitizers and busy machines.
static void sealing_is_linear(void)
{
    static const struct {
        enum pattern pattern;
        const char *name;
        uint32_t want_groups, want_rcpts;
    } cases[] = {
        {ONE_DOMAIN, "one domain", 1, MESSAGE_RCPTS_MAX},
        {ALL_DIFFERENT, "all different", MESSAGE_RCPTS_MAX, MESSAGE_RCPTS_MAX},
        {ALTERNATING, "alternating", 2, MESSAGE_RCPTS_MAX},
        {ONE_ADDRESS, "one address", 1, 1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint32_t groups, rcpts;
        double seconds = seal_seconds(cases[i].pattern, MESSAGE_RCPTS_MAX, &groups, &rcpts);
        printf("\n    %u recipients, %s: %.1f ms", MESSAGE_RCPTS_MAX, cases[i].name,
               seconds * 1000);
        CU_ASSERT(seconds < 1.0);
        CU_ASSERT_EQUAL(groups, cases[i].want_groups);
        CU_ASSERT_EQUAL(rcpts, cases[i].want_rcpts);
    }
    printf(" ");
}

static void ids_increase_whatever_the_clock_does(void)
{
    static const uint64_t clock_us[] = {1000, 1000, 1000, 1001, 2000, 1500, 1500, 2000, 2001, 9000};
    uint64_t last[2] = {0, 0}, before = 0;
    char text[MESSAGE_ID_TEXT_BYTES], text_before[MESSAGE_ID_TEXT_BYTES] = "";
    for (size_t i = 0; i < COUNT_OF(clock_us); i++) {
        uint64_t mine = message_id_make(clock_us[i], 5, &last[0]);
        uint64_t other = message_id_make(clock_us[i], 63, &last[1]);
        CU_ASSERT(mine > before);
        CU_ASSERT(mine != other);
        CU_ASSERT_EQUAL(mine % 64, 5);
        CU_ASSERT_EQUAL(other % 64, 63);
        message_id_print(mine, text);
        CU_ASSERT(strcmp(text, text_before) > 0);
        CU_ASSERT_EQUAL(strlen(text), MESSAGE_ID_TEXT_BYTES - 1);
        memcpy(text_before, text, sizeof(text));
        before = mine;
    }
    CU_ASSERT_EQUAL(before >> 6, 9000); // the clock has caught up
}

static void ids_print_in_full(void)
{
    char text[MESSAGE_ID_TEXT_BYTES];
    CU_ASSERT_STRING_EQUAL(message_id_print(0, text), "0000000000000");
    CU_ASSERT_STRING_EQUAL(message_id_print(31, text), "000000000000Z");
    CU_ASSERT_STRING_EQUAL(message_id_print(32, text), "0000000000010");
    CU_ASSERT_STRING_EQUAL(message_id_print(UINT64_MAX, text), "FZZZZZZZZZZZZ");
}

static __attribute__((noinline)) void scribble_on_stack(unsigned char byte)
{
    char bytes[16 * 1024];
    memset(bytes, byte, sizeof(bytes));
    __asm__ volatile("" : : "r"(bytes) : "memory"); // else the compiler sees no need for them
}

// An envelope goes to disk as it is. What the stack held before must not go with it.
static void equal_recipients_make_equal_envelopes(void)
{
    char envelopes[2][1024];
    uint32_t bytes[2];
    for (size_t i = 0; i < 2; i++) {
        struct message *m = new_message();
        for (int rcpt = 0; rcpt < 3; rcpt++) {
            scribble_on_stack(i == 0 ? 0x55 : 0xaa);
            CU_ASSERT(
                message_add_rcpt(&pool, &m, SLICE("u@a.example"), SLICE_EMPTY, SLICE("a.example")));
        }
        CU_ASSERT(message_seal_envelope(&pool, &m));
        bytes[i] = m->envelope_bytes;
        CU_ASSERT_FATAL(bytes[i] <= sizeof(envelopes[i]));
        memcpy(envelopes[i], message_envelope(m), bytes[i]);
        end_message(m);
    }
    CU_ASSERT_EQUAL(bytes[0], bytes[1]);
    CU_ASSERT_EQUAL(memcmp(envelopes[0], envelopes[1], bytes[0]), 0);
}

static const struct suite_test tests[] = {
    {"groups by domain", groups_by_domain},
    {"keeps its campaign", keeps_its_campaign},
    {"keeps what it was given", keeps_what_it_was_given},
    {"the null sender and no content", the_null_sender_and_no_content},
    {"a small message fits one block", a_small_message_fits_one_block},
    {"a declared size is honoured within bounds", a_declared_size_is_honoured_within_bounds},
    {"content in pieces", content_in_pieces},
    {"without memory the message stays as it was", without_memory_the_message_stays_as_it_was},
    {"as many recipients as allowed", as_many_recipients_as_allowed},
    {"sealing is linear", sealing_is_linear},
    {"equal recipients make equal envelopes", equal_recipients_make_equal_envelopes},
    {"ids increase whatever the clock does", ids_increase_whatever_the_clock_does},
    {"ids print in full", ids_print_in_full},
};

SUITE_MAIN("queue_message", tests)
