#include "engine/base/json.h"
#include "engine/base/json_scan.h"
#include "tests/suite.h"

static const char line[] = "{\"a\":\"x\\\"y\\u0007\",\"b\":12,\"n\":{\"a\":3,\"t\":[1,\"]\"]},"
                           "\"l\":[\"one\",\"t,wo\",{\"x\":1}],\"e\":[],\"t\":true}";

static void members_are_found(void)
{
    char text[32];
    struct slice value, object = slice_of_text(line);
    CU_ASSERT_STRING_EQUAL(json_member_plain(object, "a", text, sizeof(text)), "x\"y?");
    CU_ASSERT_EQUAL(json_member_u64(object, "b"), 12);
    CU_ASSERT_EQUAL(json_member_u64(object, "a"), 0);
    CU_ASSERT(json_member(object, "t", &value) && slice_equal(value, SLICE("true")));
    CU_ASSERT_FALSE(json_member(object, "x", &value)); // one of a member's own
    CU_ASSERT_STRING_EQUAL(json_member_plain(object, "x", text, sizeof(text)), "");
    CU_ASSERT_STRING_EQUAL(json_member_plain(object, "a", text, 3), "x\"");
}

static void items_are_found(void)
{
    struct slice rest, item, object = slice_of_text(line);
    char text[32];
    CU_ASSERT_FATAL(json_member(object, "l", &rest));
    CU_ASSERT(json_item(&rest, &item));
    CU_ASSERT_STRING_EQUAL(json_plain(item, text, sizeof(text)), "one");
    CU_ASSERT(json_item(&rest, &item));
    CU_ASSERT_STRING_EQUAL(json_plain(item, text, sizeof(text)), "t,wo");
    CU_ASSERT(json_item(&rest, &item) && json_member_u64(item, "x") == 1);
    CU_ASSERT_FALSE(json_item(&rest, &item));
    CU_ASSERT_FATAL(json_member(object, "e", &rest));
    CU_ASSERT_FALSE(json_item(&rest, &item));
}

// Whatever is cut off, nothing is read behind the end.
static void cut_lines_find_less(void)
{
    for (size_t len = 0; len < sizeof(line); len++) {
        char copy[sizeof(line)];
        struct slice value;
        memcpy(copy, line, len);
        struct slice object = slice_make(copy, len);
        if (json_member(object, "t", &value))
            CU_ASSERT(len + 5 >= sizeof(line)); // from the first letter of "true" on
        if (json_member(object, "l", &value))
            while (json_item(&value, &object))
                ;
    }
}

static void what_json_writes_is_read(void)
{
    struct buffer out;
    struct json j;
    char text[64];
    buffer_init(&out, 1024);
    json_init(&j, &out);
    json_object(&j, NULL);
    json_text(&j, "text", SLICE("\"quoted\" \x1b[2J and \\"));
    json_u64(&j, "number", UINT64_MAX);
    json_end(&j);
    CU_ASSERT_STRING_EQUAL(json_member_plain(buffer_slice(&out), "text", text, sizeof(text)),
                           "\"quoted\" ?[2J and \\");
    CU_ASSERT_EQUAL(json_member_u64(buffer_slice(&out), "number"), UINT64_MAX);
    buffer_release(&out);
}

static const struct suite_test tests[] = {
    {"members are found", members_are_found},
    {"items are found", items_are_found},
    {"cut lines find less", cut_lines_find_less},
    {"what json writes is read", what_json_writes_is_read},
};

SUITE_MAIN("json_scan", tests)
