// List-Unsubscribe: and its companion from templates (RFC 2369, 8058): which templates there are,
// what comes of them, and that no value can be anything but part of a URI.
#include "engine/message/fields.h"
#include "engine/message/list_fields.h"
#include "tests/suite.h"

static struct list_template template_of(const char *uris, bool one_click)
{
    struct list_template t = {.one_click = one_click};
    snprintf(t.uris, sizeof(t.uris), "%s", uris);
    return t;
}

static void templates(void)
{
    static const struct {
        const char *uris;
        bool one_click, good;
    } rows[] = {
        {"", false, true},
        {"", true, false},
        {"<https://x.example/u/{id}>", true, true},
        {"<HTTPS://x.example/u/{id}> , <mailto:u@x.example?subject={campaign}>", true, true},
        {"<http://x.example/>", false, true},
        {"<http://x.example/>, <mailto:u@x>", true, false},
        {"https://x.example/", false, false},
        {"<https://x.example/", false, false},
        {"<https://x.example/>,", false, false},
        {"<https://x.example/> <mailto:u@x>", false, false},
        {"<https://x.example/>, x", false, false},
        {"x <https://x.example/>", false, false},
        {"<https://x.example/{who}>", false, false},
        {"<https://x.example/{id>", false, false},
        {"<https://x.example/ a>", false, false},
        {"<https://x.example/\xc3\xbc>", false, false},
        {"<https://x.example/\"a>", false, false},
        {"<ftp://x.example/>", false, false},
        {"<>", false, false},
        {"<mailto:1@x>,<mailto:2@x>,<mailto:3@x>,<mailto:4@x>", false, true},
        {"<mailto:1@x>,<mailto:2@x>,<mailto:3@x>,<mailto:4@x>,<mailto:5@x>", false, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct list_template t = template_of(rows[i].uris, rows[i].one_click);
        const char *fault = list_template_fault(&t);
        if ((fault == NULL) != rows[i].good)
            printf("\n%s: %s\n", rows[i].uris, fault ? fault : "fine");
        CU_ASSERT_EQUAL(fault == NULL, rows[i].good);
    }
}

static const struct list_values values = {SLICE("1f2e"), SLICE("news/11 a"),
                                          SLICE("j\xc3\xb6 e+1@x.example")};

static void fields(void)
{
    static const char list[] = "<https://x.example/{campaign}?r={recipient}>, <mailto:u-{id}@x>";
    static const char want_list[] =
        "List-Unsubscribe: <https://x.example/news%2F11%20a?r=j%C3%B6%20e%2B1%40x.example>,\r\n"
        "\t<mailto:u-1f2e@x>\r\n";
    static const char want_post[] = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
    static const struct {
        const char *content;
        bool one_click, list, post;
    } rows[] = {
        {"Subject: x\r\n\r\n", true, true, true},
        {"Subject: x\r\n\r\nList-Unsubscribe: <a:b>\r\n", true, true, true},
        {"Subject: x\r\n\r\n", false, true, false},
        {"Subject: x\r\nlist-unsubscribe : <a:b>\r\n\r\n", true, false, false},
        {"List-Unsubscribe-Post: x\r\n\r\n", true, true, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[LIST_FIELDS_BYTES_MAX], want[1024];
        struct list_template t = template_of(list, rows[i].one_click);
        size_t len = list_fields_write(&t, slice_of_text(rows[i].content), &values, out);
        snprintf(want, sizeof(want), "%s%s", rows[i].list ? want_list : "",
                 rows[i].post ? want_post : "");
        CU_ASSERT(slice_equal(slice_make(out, len), slice_of_text(want)));
    }
    struct list_template t = template_of(list, false);
    CU_ASSERT_TRUE(list_template_is_personal(&t));
    t = template_of("<mailto:u-{id}@x>", false);
    CU_ASSERT_FALSE(list_template_is_personal(&t));
}

// Any bytes as values: two fields at most come out, whose lines are what lines may be.
static void hostile_values(void)
{
    char bytes[256], out[LIST_FIELDS_BYTES_MAX];
    struct list_template t = template_of(
        "<https://x.example/{campaign}{recipient}>, <mailto:{id}@x>", true);
    for (size_t len = 0; len < sizeof(bytes); len++) {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (char)(i + len);
        const struct list_values v = {slice_make(bytes, len / 4), slice_make(bytes, len / 2),
                                      slice_make(bytes, len)};
        struct slice rest = slice_make(out, list_fields_write(&t, SLICE("\r\n"), &v, out));
        struct header_field f;
        unsigned count = 0;
        for (size_t i = 0, line = 0; i < rest.len; i++, line++) {
            CU_ASSERT(rest.data[i] != '\r' || rest.data[i + 1] == '\n');
            CU_ASSERT(rest.data[i] >= ' ' || strchr("\r\n\t", rest.data[i]));
            line = rest.data[i] == '\n' ? 0 : line;
            CU_ASSERT(line < 998 && rest.data[i] != 0x7f);
        }
        while (fields_next(&rest, &f))
            count++;
        CU_ASSERT(rest.len == 0 && count >= 1 && count <= 2);
    }
}

// What would be too long for a line is left out, and what wants the recipient without one.
static void left_out(void)
{
    char name[254], out[LIST_FIELDS_BYTES_MAX];
    memset(name, '@', sizeof(name));
    struct list_values v = {SLICE("1"), SLICE("c"), slice_make(name, sizeof(name))};
    struct list_template t = template_of("<https://x.example/{recipient}{recipient}>, <mailto:u@x>",
                                         true);
    CU_ASSERT(slice_equal(slice_make(out, list_fields_write(&t, SLICE("\r\n"), &v, out)),
                          SLICE("List-Unsubscribe: <mailto:u@x>\r\n")));
    t = template_of("<https://x.example/{recipient}>", true);
    v.recipient = SLICE_EMPTY;
    CU_ASSERT_EQUAL(list_fields_write(&t, SLICE("\r\n"), &v, out), 0);
    for (unsigned i = 0; i < LIST_URIS_MAX; i++) { // all that fits has room
        v.recipient = slice_make(name, 250);
        t = template_of("<mailto:{recipient}>,<mailto:{recipient}>,<mailto:{recipient}>,"
                        "<https:{recipient}>",
                        true);
        CU_ASSERT(list_fields_write(&t, SLICE("\r\n"), &v, out) > 3 * 750);
    }
}

static void campaigns(void)
{
    struct list_rule rules[] = {
        {.campaign = "news*", .fields = {.uris = "<mailto:1@x>"}},
        {.campaign = "news-11", .fields = {.uris = "<mailto:2@x>"}},
        {.campaign = "news-*", .fields = {.uris = "<mailto:3@x>"}},
        {.campaign = "none"},
        {.campaign = "*", .fields = {.uris = "<mailto:4@x>"}},
    };
    struct list_table t = {.count = 5, .rules = rules};
    static const struct {
        const char *campaign;
        int want; // of the rules; -1: none
    } rows[] = {{"news", 0}, {"newsletter", 0}, {"news-11", 1}, {"news-11a", 2}, {"news-", 2},
                {"none", 3}, {"new", 4},        {"", -1},       {"News-11", 4}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct list_template *got = list_table_find(&t, slice_of_text(rows[i].campaign));
        const struct list_template *want = rows[i].want < 0 ? NULL : &rules[rows[i].want].fields;
        CU_ASSERT_PTR_EQUAL(got, want && want->uris[0] ? want : NULL);
    }
}

static const struct suite_test tests[] = {
    {"templates", templates}, {"fields", fields},       {"hostile values", hostile_values},
    {"left out", left_out},   {"campaigns", campaigns},
};

SUITE_MAIN("list_fields", tests)
