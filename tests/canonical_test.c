// Relaxed canonical forms: RFC 6376 3.4.5's example and what else there is, each through every cut
// of what goes in, and into rooms of every size that may be given.
#include "engine/message/canonical.h"
#include "tests/suite.h"

struct row {
    const char *in;
    const char *want;
};

static const struct row bodies[] = {
    {" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"}, // the RFC's
    {"", ""},
    {"\r\n", ""},
    {"\r\n\r\n\r\n", ""},
    {" \t\r\n\t \r\n", ""},
    {"a\r\n", "a\r\n"},
    {"a", "a\r\n"}, // without a line end at its end
    {"a \t", "a\r\n"},
    {"a\r\n\r\n\r\n", "a\r\n"},
    {"a\r\n \r\n\t\r\n", "a\r\n"},
    {"\r\n\r\na\r\n", "\r\n\r\na\r\n"},
    {"a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n"},
    {"a\r\n \t\r\n\t\r\nb\r\n\r\n", "a\r\n\r\n\r\nb\r\n"},
    {"  a  b\t\tc  \r\n", " a b c\r\n"},
    {".\r\n..\r\n", ".\r\n..\r\n"},
    {"Gr\xc3\xbc\xc3\x9f"
     "e  aus \x80\xff\r\n",
     "Gr\xc3\xbc\xc3\x9f"
     "e aus \x80\xff\r\n"},
    {"a\x01\x02 \x7f b\r\n", "a\x01\x02 \x7f b\r\n"}, // no blanks, these
};

static const struct row values[] = {
    {" X\r\n", "X"},
    {" Y\t\r\n\tZ  \r\n", "Y Z"},
    {"", ""},
    {"\r\n", ""},
    {" \t \r\n", ""},
    {"x\r\n", "x"},
    {"\r\n\tx\r\n \r\n\t\r\n y \r\n", "x y"},
    {"  a   b \t c", "a b c"},
    {" a\r\n b\r\n c\r\n", "a b c"},
    {" J\xc3\xb6rg  <j@x>\r\n", "J\xc3\xb6rg <j@x>"},
};

struct out {
    char bytes[256];
    size_t len;
    size_t room;
};

static void body_in(struct canonical_body *c, struct slice bytes, struct out *out)
{
    while (bytes.len > 0)
        out->len += canonical_body(c, &bytes, out->bytes + out->len, out->room);
}

static void value_in(struct canonical_value *c, struct slice bytes, struct out *out)
{
    while (bytes.len > 0)
        out->len += canonical_value(c, &bytes, out->bytes + out->len, out->room);
}

static void compare(const struct out *out, const struct row *row)
{
    bool same = slice_equal(slice_make(out->bytes, out->len), slice_of_text(row->want));
    if (!same)
        printf("\n%s\nwant %s\ngot  %.*s\n", row->in, row->want, (int)out->len, out->bytes);
    CU_ASSERT_TRUE(same);
}

static void bodies_in_every_cut(void)
{
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct slice in = slice_of_text(bodies[i].in);
        for (size_t cut = 0; cut <= in.len; cut++)
            for (size_t room = CANONICAL_ROOM_MIN; room < 12; room++) {
                struct canonical_body c = {0};
                struct out out = {.room = room};
                body_in(&c, slice_take(in, cut), &out);
                body_in(&c, slice_skip(in, cut), &out);
                out.len += canonical_body_end(&c, out.bytes + out.len);
                compare(&out, &bodies[i]);
            }
    }
}

static void values_in_every_cut(void)
{
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct slice in = slice_of_text(values[i].in);
        for (size_t cut = 0; cut <= in.len; cut++)
            for (size_t room = CANONICAL_ROOM_MIN; room < 12; room++) {
                struct canonical_value c = {0};
                struct out out = {.room = room};
                value_in(&c, slice_take(in, cut), &out);
                value_in(&c, slice_skip(in, cut), &out);
                compare(&out, &values[i]);
            }
    }
}

// A million empty lines wait in a counter, and come out in pieces when something follows.
static void many_line_ends(void)
{
    const unsigned count = 1000000;
    struct canonical_body c = {0};
    char out[64];
    size_t len = 0;
    struct slice last = SLICE("x");
    for (unsigned i = 0; i < count; i++) {
        struct slice line = SLICE(" \r\n");
        CU_ASSERT_EQUAL_FATAL(canonical_body(&c, &line, out, sizeof(out)), 0);
    }
    while (last.len > 0)
        len += canonical_body(&c, &last, out, sizeof(out));
    CU_ASSERT_EQUAL(len, 2 * count + 1);
}

static const struct suite_test tests[] = {
    {"bodies in every cut", bodies_in_every_cut},
    {"field bodies in every cut", values_in_every_cut},
    {"many line ends", many_line_ends},
};
SUITE_MAIN("canonical", tests)
