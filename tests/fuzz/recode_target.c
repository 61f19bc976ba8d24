// A message for servers without 8BITMIME, of any bytes: what comes out is ASCII with sound lines,
// has a sound header section where there was one, and says the same: each leaf that was encoded
// decodes to what it was, by slow decoders of our own.
#include "engine/base/check.h"
#include "engine/message/mime.h"
#include "engine/message/recode.h"
#include "engine/smtp/content.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

const struct slice fuzz_seeds[] = {
    SLICE("Subject: gr\xc3\xbcn\r\n\r\ngr\xc3\xbcn = \r\n"),
    SLICE(
        "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\n\r\n\xfc plain plain plain\r\n"
        "--b\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xfc\xfd\r\n"
        "--b--\r\n"),
    SLICE("From: \"J\xc3\xb6\" <j@x>\r\nContent-Type: multipart/digest; boundary=a\r\n\r\n"
          "--a\r\n\r\nX: \xff\r\n\r\n\xc3\xa4\r\n--a\r\nContent-Type: message/rfc822\r\n\r\n"
          "Content-Type: multipart/signed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n--a--\r\n"),
};
const size_t fuzz_seed_count = COUNT_OF(fuzz_seeds);
const struct slice fuzz_words[] = {
    SLICE("\r\n"),
    SLICE("\r\n\r\n"),
    SLICE("--b"),
    SLICE("--b--\r\n"),
    SLICE("\xc3\xbc"),
    SLICE("\xff"),
    SLICE(" \r\n"),
    SLICE("\r\n "),
    SLICE("Content-Type: "),
    SLICE("multipart/x"),
    SLICE("message/rfc822"),
    SLICE("text/plain"),
    SLICE(";boundary="),
    SLICE("\""),
    SLICE("="),
    SLICE("Content-Transfer-Encoding: "),
    SLICE("8bit"),
    SLICE("base64"),
    SLICE("("),
    SLICE(":"),
    SLICE("plain plain plain plain plain plain plain"),
};
const size_t fuzz_word_count = COUNT_OF(fuzz_words);

#define BYTES_MAX (16 * 1024)

// The stored form: lines end in CRLF and hold neither NUL nor CR nor LF, and no more than fits.
static struct slice sound(const uint8_t *data, size_t size, char *to)
{
    size_t len = 0, line = 0;
    for (size_t i = 0; i < size && len + 4 < BYTES_MAX; i++) {
        bool ends = data[i] == '\n' || line == CONTENT_LINE_BYTES_MAX;
        if (ends) {
            to[len++] = '\r';
            to[len++] = '\n';
            line = 0;
        }
        if (data[i] != '\n' && data[i] != '\r' && data[i] != '\0') {
            to[len++] = (char)data[i];
            line++;
        }
    }
    to[len++] = '\r';
    to[len++] = '\n';
    return slice_make(to, len);
}

static int hex_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static size_t from_quoted(struct slice s, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] != '=') {
            out[len++] = s.data[i];
            continue;
        }
        CHECK(s.len - i >= 3);
        if (s.data[i + 1] != '\r')
            out[len++] = (char)(hex_of(s.data[i + 1]) << 4 | hex_of(s.data[i + 2]));
        i += 2;
    }
    return len;
}

static size_t from_base64(struct slice s, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = 0;
    unsigned bits = 0, count = 0;
    for (size_t i = 0; i < s.len; i++) {
        const char *at = s.data[i] == '\0' ? NULL : strchr(digits, s.data[i]);
        if (!at)
            continue;
        bits = bits << 6 | (unsigned)(at - digits);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[len++] = (char)(bits >> count & 0xff);
        }
    }
    return len;
}

// What a part says, decoded, if it is one that recode() has encoded.
static struct slice decoded(const struct mime_entity *e, char *out)
{
    if (memmem(e->fields.data, e->fields.len, "\r\nContent-Transfer-Encoding: base64\r\n", 37) ||
        slice_starts(e->fields, SLICE("Content-Transfer-Encoding: base64\r\n")))
        return slice_make(out, from_base64(e->body, out));
    return slice_make(out, from_quoted(e->body, out));
}

static bool is_ascii(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.data[i] >= 0x80)
            return false;
    return true;
}

static bool is_composite(const struct mime_entity *e)
{
    return e->kind == MIME_MULTIPART || e->kind == MIME_DIGEST || e->kind == MIME_MESSAGE;
}

// The bodies of both, part by part. A last line end may have come behind what ended without one.
static void check_same(struct slice before, struct slice after, enum mime_kind usual)
{
    static char text[4 * BYTES_MAX + 65536];
    struct mime_entity a, b;
    struct mime_piece p, q;
    if (is_ascii(before)) {
        CHECK(slice_equal(before, after));
        return;
    }
    mime_read(before, usual, &a);
    mime_read(after, usual, &b);
    CHECK(is_composite(&a) == is_composite(&b));
    CHECK(!is_composite(&a) || a.boundary_len == b.boundary_len);
    if (is_ascii(a.body)) {
        CHECK(slice_equal(a.body, b.body));
    } else if (!is_composite(&a)) {
        struct slice got = decoded(&b, text);
        CHECK(slice_starts(got, a.body) && got.len - a.body.len <= 2);
    } else if (a.kind == MIME_MESSAGE) {
        check_same(a.body, b.body, MIME_TEXT);
    } else {
        enum mime_kind inner = a.kind == MIME_DIGEST ? MIME_MESSAGE : MIME_TEXT;
        while (mime_part_next(&a, &a.body, &p)) {
            CHECK(mime_part_next(&b, &b.body, &q));
            check_same(p.part, q.part, inner);
        }
        CHECK(!mime_part_next(&b, &b.body, &q));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char bytes[BYTES_MAX];
    struct content_scan scan = {.fault = CONTENT_FINE};
    struct slice content = sound(data, size, bytes);
    size_t room = recode_room(content), len;
    char *out = malloc(room);
    CHECK(out);
    enum recode_status status = recode(content, out, room, &len);
    CHECK(recode_text(status) && len <= room);
    if (status == RECODE_DONE) {
        content_scan(&scan, slice_make(out, len));
        CHECK(scan.fault == CONTENT_FINE && !scan.has_8bit && !scan.in_line);
        CHECK(!recode_wanted(slice_make(out, len)));
        check_same(content, slice_make(out, len), MIME_TEXT);
    }
    free(out);
    return 0;
}
