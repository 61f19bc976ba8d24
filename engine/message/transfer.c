#include "engine/message/transfer.h"

#include "engine/base/base64.h"

// That one line holds.
#define BASE64_LINE_BYTES (TRANSFER_LINE_BYTES_MAX / BASE64_GROUP_CHARS * BASE64_GROUP_BYTES)

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool at_line_end(struct slice s, size_t at)
{
    return s.len - at >= 2 && s.data[at] == '\r' && s.data[at + 1] == '\n';
}

// A blank that ends a line would be lost on the way.
static bool is_escaped(struct slice s, size_t at)
{
    unsigned char c = (unsigned char)s.data[at];
    if (is_blank(s.data[at]))
        return at + 1 == s.len || at_line_end(s, at + 1);
    return c <= ' ' || c == '=' || c >= 0x7f;
}

size_t transfer_escapes(struct slice bytes)
{
    size_t count = 0;
    for (size_t at = 0; at < bytes.len; at++) {
        if (at_line_end(bytes, at))
            at++;
        else
            count += is_escaped(bytes, at);
    }
    return count;
}

static void put_escaped(struct transfer *t, char c)
{
    static const char digits[] = "0123456789ABCDEF";
    const unsigned char byte = (unsigned char)c;
    const char text[] = {'=', digits[byte >> 4], digits[byte & 15]};
    transfer_put(t, slice_make(text, sizeof(text)));
}

void transfer_quoted(struct transfer *t, struct slice bytes)
{
    size_t column = 0;
    for (size_t at = 0; at < bytes.len && !t->full; at++) {
        if (at_line_end(bytes, at)) {
            transfer_put(t, SLICE("\r\n"));
            column = 0;
            at++;
            continue;
        }
        bool escaped = is_escaped(bytes, at);
        bool ends_line = at + 1 == bytes.len || at_line_end(bytes, at + 1);
        size_t width = escaped ? 3 : 1;
        if (column + width > TRANSFER_LINE_BYTES_MAX - (ends_line ? 0 : 1)) {
            transfer_put(t, SLICE("=\r\n")); // which a reader takes out again
            column = 0;
            escaped |= bytes.data[at] == '-'; // else the line may be taken for a delimiter of parts
            width = escaped ? 3 : 1;
        }
        if (escaped)
            put_escaped(t, bytes.data[at]);
        else
            transfer_put(t, slice_make(bytes.data + at, 1));
        column += width;
    }
}

void transfer_base64(struct transfer *t, struct slice bytes)
{
    while (bytes.len > 0 && !t->full) {
        struct slice line = slice_take(bytes, BASE64_LINE_BYTES);
        bytes = slice_skip(bytes, line.len);
        for (; line.len > 0; line = slice_skip(line, BASE64_GROUP_BYTES)) {
            char four[BASE64_GROUP_CHARS];
            base64_group(line.data, slice_take(line, BASE64_GROUP_BYTES).len, four);
            transfer_put(t, slice_make(four, sizeof(four)));
        }
        if (bytes.len > 0)
            transfer_put(t, SLICE("\r\n"));
    }
}
