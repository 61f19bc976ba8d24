// Relaxed canonical forms beside a slow reading of the RFC's words, through any cut and room; which
// fields are signed, beside a walk from the bottom; and whose mail it is, of any bytes.
#include "engine/base/check.h"
#include "engine/message/author.h"
#include "engine/message/canonical.h"
#include "engine/message/dkim_fields.h"
#include "engine/message/fields.h"
#include "tests/fuzz/fuzz.h"

// The first byte says how the rest is cut.
#define SEED(literal)                                                                              \
    {                                                                                              \
        "\003" literal, sizeof(literal)                                                            \
    }
const struct slice fuzz_seeds[] = {
    SEED("From: a@b.example\r\nTo: c\r\n d\r\n\r\n C \r\nD \t E\r\n\r\n\r\n"),
    SEED("from : \"x\" <a@b\xc3\xbc.example> (c)\r\nFrom:\r\nX-1:1\r\nX-1: 2\r\n\r\n"),
    SEED(" \r\n\t\r\na\r\n \t\r\nb"),
};
const size_t fuzz_seed_count = COUNT_OF(fuzz_seeds);
const struct slice fuzz_words[] = {
    SLICE("\r\n"),  SLICE(" "), SLICE("\t"),     SLICE(" \r\n"), SLICE("\r\n\r\n"),
    SLICE("From:"), SLICE("@"), SLICE("X-1: "),  SLICE("<"),     SLICE(">"),
    SLICE("a"),     SLICE("("), SLICE("\r\n\t"), SLICE("\x80"),
};
const size_t fuzz_word_count = COUNT_OF(fuzz_words);

#define BYTES_MAX (16 * 1024)

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

// One line or field body: runs of blanks become one, none at its end; none in front when `strips`.
static size_t reduce(struct slice line, bool strips, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < line.len; i++) {
        if (is_blank(line.data[i]) && i + 1 < line.len && is_blank(line.data[i + 1]))
            continue;
        out[len++] = (char)(line.data[i] == '\t' ? ' ' : line.data[i]);
    }
    while (len > 0 && out[len - 1] == ' ')
        len--;
    if (strips && len > 0 && out[0] == ' ')
        memmove(out, out + 1, --len);
    return len;
}

static size_t body_by_the_rfc(struct slice body, char *out)
{
    size_t len = 0;
    while (body.len > 0) {
        struct slice line = slice_cut(&body, '\n');
        len += reduce(line, false, out + len);
        out[len++] = '\r';
        out[len++] = '\n';
    }
    while (len >= 4 && memcmp(out + len - 4, "\r\n\r\n", 4) == 0)
        len -= 2;
    return len == 2 ? 0 : len;
}

// The stored form: CR in CRLF alone. Here lines end in LF, and CR comes back below.
static struct slice sound(const uint8_t *data, size_t size, char *to)
{
    size_t len = 0;
    for (size_t i = 0; i < size && len + 2 < BYTES_MAX; i++) {
        if (data[i] == '\n')
            to[len++] = '\r';
        if (data[i] != '\r')
            to[len++] = (char)data[i];
    }
    return slice_make(to, len);
}

static struct slice without_cr(struct slice bytes, char *to)
{
    size_t len = 0;
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.data[i] != '\r')
            to[len++] = bytes.data[i];
    return slice_make(to, len);
}

static void check_body(struct slice bytes, size_t cut)
{
    static char want[2 * BYTES_MAX], got[2 * BYTES_MAX], plain[BYTES_MAX];
    size_t want_len = body_by_the_rfc(without_cr(bytes, plain), want), len = 0;
    struct canonical_body c = {0};
    for (struct slice left = bytes; left.len > 0; left = slice_skip(left, cut)) {
        struct slice piece = slice_take(left, cut);
        while (piece.len > 0) {
            size_t written = canonical_body(&c, &piece, got + len, CANONICAL_ROOM_MIN + cut % 7);
            CHECK(written <= CANONICAL_ROOM_MIN + cut % 7);
            len += written;
        }
    }
    len += canonical_body_end(&c, got + len);
    CHECK(slice_equal(slice_make(got, len), slice_make(want, want_len)));
}

static void check_value(struct slice value, size_t room)
{
    static char want[BYTES_MAX], got[BYTES_MAX + 64], plain[BYTES_MAX];
    struct slice unfolded = without_cr(value, plain);
    for (size_t i = 0; i < unfolded.len; i++)
        if (plain[i] == '\n')
            plain[i] = ' ';
    size_t want_len = reduce(unfolded, true, want), len = 0;
    struct canonical_value c = {0};
    while (value.len > 0)
        len += canonical_value(&c, &value, got + len, room);
    CHECK(slice_equal(slice_make(got, len), slice_make(want, want_len)));
}

static void check_fields(struct slice content, size_t room)
{
    static struct dkim_fields found;
    struct dkim_names names = {0};
    struct header_field f;
    unsigned count = 0;
    CHECK(dkim_names_add(&names, SLICE("From"), true) &&
          dkim_names_add(&names, SLICE("x-1"), false));
    dkim_fields_find(&names, SLICE_EMPTY, content, &found);
    for (struct slice rest = content; fields_next(&rest, &f);)
        count += header_field_is(&f, SLICE("X-1"));
    CHECK(found.counts[1] == (count < DKIM_INSTANCES_MAX ? count : DKIM_INSTANCES_MAX));
    for (uint8_t nth = 0; nth < found.counts[1]; nth++) {
        CHECK(nth == 0 || found.bodies[1][nth].data < found.bodies[1][nth - 1].data);
        check_value(found.bodies[1][nth], room);
    }
}

// Each step takes something away, and addresses are no longer than they may be.
static void check_authors(struct slice content)
{
    char text[ADDRESS_LIST_ADDRESS_BYTES_MAX];
    struct author_walk w = author_walk(content);
    struct slice a;
    size_t left = content.len + 1;
    while (author_next(&w, text, &a) == AUTHOR_ADDRESS) {
        CHECK(a.len > 0 && a.len <= sizeof(text));
        CHECK(w.rest.len + w.list.len < left);
        left = w.rest.len + w.list.len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char bytes[BYTES_MAX];
    char domain[ADDRESS_DOMAIN_BYTES_MAX + 1];
    if (size == 0)
        return 0;
    size_t cut = 1 + data[0] % 64;
    struct slice content = sound(data + 1, size - 1, bytes);
    check_body(content, cut);
    check_fields(content, CANONICAL_ROOM_MIN + cut % 7);
    size_t len = author_domain(content, domain);
    CHECK(len <= ADDRESS_DOMAIN_BYTES_MAX && (len == 0 || domain[len] == '\0'));
    check_authors(content);
    return 0;
}
