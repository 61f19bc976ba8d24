#include "tests/fuzz/reply_reference.h"

#include "engine/smtp/reply.h"

// A line with its CRLF: three digits from 200 to 599, then the end, a space or a hyphen.
static bool is_reply_line(struct slice line)
{
    if (line.len < 5 || line.len > REPLY_LINE_BYTES_MAX || line.data[line.len - 2] != '\r')
        return false;
    for (size_t i = 0; i < line.len - 2; i++)
        if (line.data[i] == '\r' || line.data[i] == '\0')
            return false;
    uint64_t code;
    if (!slice_to_u64(slice_take(line, 3), 599, &code) || code < 200)
        return false;
    return line.len == 5 || line.data[3] == ' ' || line.data[3] == '-';
}

void reply_reference_read(struct slice bytes, struct reply_reference *ret)
{
    size_t start = 0; // of the reply
    size_t at = 0;    // of the line
    ret->count = 0;
    ret->broken = false;
    while (ret->count < REFERENCE_REPLIES_MAX) {
        size_t len = slice_find(slice_skip(bytes, at), '\n') + 1;
        if (at + len > bytes.len)
            return;
        struct slice line = slice_make(bytes.data + at, len);
        ret->broken = !is_reply_line(line) || at + len - start > REPLY_BYTES_MAX ||
                      memcmp(line.data, bytes.data + start, 3) != 0;
        if (ret->broken)
            return;
        at += len;
        if (len > 5 && line.data[3] == '-')
            continue;
        uint64_t code = 0;
        slice_to_u64(slice_take(line, 3), 599, &code);
        ret->codes[ret->count++] = (uint16_t)code;
        start = at;
    }
}
