// Which mail an operator means: words in, yes or no out.
#include "engine/base/words.h"
#include "engine/policy/selector.h"
#include "queue/message_id.h"
#include "tests/suite.h"

#define HOURS(n) (UINT64_C(3600000000) * (n))

static bool read_words(struct selector *s, const char *words)
{
    char line[512];
    struct slice rest, key, value;
    snprintf(line, sizeof(line), "%s", words);
    rest = slice_of_text(line);
    *s = (struct selector){0};
    while (words_next(&rest, &key, &value))
        if (selector_set(s, key, value))
            return false;
    return rest.len == 0;
}

static const struct {
    const char *words;
    struct selector_job job; // an id of 1: that of the words
    const char *sender, *recipient;
    bool want;
} fit_cases[] = {
    {"", {.id = 1, .domain = SLICE("x.example")}, "a@s", "b@x", false}, // nothing was said
    {"all", {.id = 1, .domain = SLICE("x.example")}, "a@s", "b@x", true},
    {"domain=x.example", {.domain = SLICE("x.example")}, "a@s", "b@x", true},
    {"domain=x.example", {.domain = SLICE("y.x.example")}, "a@s", "b@x", false},
    {"all domain=x.example", {.domain = SLICE("y.example")}, "a@s", "b@x", false},
    {"sender=a@s", {.id = 1}, "a@s", "b@x", true},
    {"sender=A@S", {.id = 1}, "a@s", "b@x", true},
    {"sender=a@s", {.id = 1}, "ba@s", "b@x", false},
    {"sender=@s", {.id = 1}, "ba@s", "b@x", true},
    {"sender=@s", {.id = 1}, "ba@t.s", "b@x", false},
    {"sender=@s", {.id = 1}, "", "b@x", false},
    {"sender=<>", {.id = 1}, "", "b@x", true},
    {"sender=<>", {.id = 1}, "a@s", "b@x", false},
    {"recipient=b@x", {.id = 1}, "a@s", "b@x", true},
    {"recipient=b@x", {.id = 1}, "a@s", "c@x", false},
    {"recipient=b@x sender=c@s", {.id = 1}, "a@s", "b@x", false},
    {"older=2h", {.age_us = HOURS(3)}, "a@s", "b@x", true},
    {"older=2h", {.age_us = HOURS(1)}, "a@s", "b@x", false},
    {"newer=2h", {.age_us = HOURS(3)}, "a@s", "b@x", false},
    {"newer=2h", {.age_us = HOURS(1)}, "a@s", "b@x", true},
    {"older=1h newer=3h", {.age_us = HOURS(2)}, "a@s", "b@x", true},
    {"state=held", {.state = QUEUE_HELD}, "a@s", "b@x", true},
    {"state=held", {.state = QUEUE_READY}, "a@s", "b@x", false},
    {"state=ready,held", {.state = QUEUE_READY}, "a@s", "b@x", true},
    {"campaign=spring%20sale", {.campaign = SLICE("spring sale")}, "a@s", "b@x", true},
    {"campaign=spring%20sale", {.campaign = SLICE("Spring sale")}, "a@s", "b@x", false},
    {"campaign=spring", {.id = 1}, "a@s", "b@x", false},
    {"id=0000000000001", {.id = 1}, "a@s", "b@x", true},
    {"id=0000000000001", {.id = 2}, "a@s", "b@x", false},
};

static void what_fits(void)
{
    for (size_t i = 0; i < sizeof(fit_cases) / sizeof(fit_cases[0]); i++) {
        struct selector s;
        CU_ASSERT_FATAL(read_words(&s, fit_cases[i].words));
        bool got = selector_fits_job(&s, &fit_cases[i].job) &&
                   selector_fits_sender(&s, slice_of_text(fit_cases[i].sender)) &&
                   selector_fits_rcpt(&s, slice_of_text(fit_cases[i].recipient));
        if (got != fit_cases[i].want)
            printf("case %zu: %s\n", i, fit_cases[i].words);
        CU_ASSERT_EQUAL(got, fit_cases[i].want);
    }
}

static void what_is_printed_reads_back(void)
{
    static const char *const words[] = {
        "all",
        "domain=x.example",
        "sender=<> older=1h30m",
        "state=sending,held",
        "all recipient=%22a%20b%22@x%25y id=0000000000ABC newer=2d",
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct selector one, other;
        struct buffer text;
        char line[1024];
        buffer_init(&text, sizeof(line));
        CU_ASSERT_FATAL(read_words(&one, words[i]) && selector_print(&one, &text));
        snprintf(line, sizeof(line), "%.*s", SLICE_ARG(buffer_slice(&text)));
        CU_ASSERT_FATAL(read_words(&other, line));
        CU_ASSERT(selector_equal(&one, &other));
        buffer_release(&text);
    }
}

static void what_is_wrong(void)
{
    static const char *const words[] = {
        "all=1",    "domain",           "domain=",          "frobnicate=1",
        "id=x",     "id=0000000000000", "id=Z000000000000", "older=x",
        "older=0s", "state=",           "state=gone",       "state=held,gone",
    };
    struct selector s;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        CU_ASSERT_FALSE(read_words(&s, words[i]));
}

static void ids_read_back(void)
{
    static const uint64_t ids[] = {1, 31, 32, UINT64_MAX, UINT64_C(0x0123456789abcdef)};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        char text[MESSAGE_ID_TEXT_BYTES];
        uint64_t id = 0;
        CU_ASSERT(message_id_parse(slice_of_text(message_id_print(ids[i], text)), &id));
        CU_ASSERT_EQUAL(id, ids[i]);
    }
}

static const struct suite_test tests[] = {
    {"what fits", what_fits},
    {"what is printed reads back", what_is_printed_reads_back},
    {"what is wrong", what_is_wrong},
    {"ids read back", ids_read_back},
};

SUITE_MAIN("selector", tests)
