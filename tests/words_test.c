#include "engine/base/words.h"
#include "tests/suite.h"

static const struct {
    const char *line;
    const char *want; // "key|value;" for each word, "!" where it is no line of words
} cases[] = {
    {"", ""},
    {"status", "status|;"},
    {"list all domain=x.example", "list|;all|;domain|x.example;"},
    {"a=b=c", "a|b=c;"},
    {"a=%20%25%3D", "a| %=;"},
    {"a=", "a|;"},
    {"a=%", "!"},
    {"a=%2", "!"},
    {"a=%2g", "!"},
    {"a=%2f", "!"}, // capital letters only
    {"a  b", "a|;!"},
    {"=b", "!"},
    {" a", "!"},
};

static void lines_are_read(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char line[64], got[128];
        size_t len = 0;
        struct slice key, value;
        snprintf(line, sizeof(line), "%s", cases[i].line);
        struct slice rest = slice_of_text(line);
        got[0] = '\0';
        while (words_next(&rest, &key, &value))
            len += (size_t)snprintf(got + len, sizeof(got) - len, "%.*s|%.*s;", SLICE_ARG(key),
                                    SLICE_ARG(value));
        if (rest.len > 0)
            snprintf(got + len, sizeof(got) - len, "!");
        CU_ASSERT_STRING_EQUAL(got, cases[i].want);
    }
}

// Any bytes come back as they were.
static void values_come_back(void)
{
    char bytes[256];
    struct buffer line;
    struct slice key, value;
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    buffer_init(&line, 4096);
    CU_ASSERT(words_put(&line, "list", SLICE_EMPTY));
    CU_ASSERT(words_put(&line, "x", slice_make(bytes, sizeof(bytes))));
    struct slice rest = buffer_slice(&line);
    CU_ASSERT(slice_find(rest, '\n') == rest.len);
    CU_ASSERT(words_next(&rest, &key, &value) && words_next(&rest, &key, &value));
    CU_ASSERT(slice_equal(value, slice_make(bytes, sizeof(bytes))));
    buffer_release(&line);
}

static void full_lines_stay_as_they_were(void)
{
    struct buffer line;
    buffer_init(&line, 10);
    CU_ASSERT(words_put(&line, "list", SLICE_EMPTY));
    CU_ASSERT_FALSE(words_put(&line, "domain", SLICE("x.example")));
    CU_ASSERT(slice_equal(buffer_slice(&line), SLICE("list")));
    buffer_release(&line);
}

static const struct suite_test tests[] = {
    {"lines are read", lines_are_read},
    {"values come back", values_come_back},
    {"full lines stay as they were", full_lines_stay_as_they_were},
};

SUITE_MAIN("words", tests)
