#include "engine/message/fields.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

// Length of the name at the front of a line, with a colon behind it; 0 when there is none.
static size_t name_bytes(struct slice line, size_t *ret_colon)
{
    size_t len = 0;
    while (len < line.len && line.data[len] > ' ' && line.data[len] < 0x7f && line.data[len] != ':')
        len++;
    size_t colon = len;
    while (colon < line.len && is_blank(line.data[colon]))
        colon++;
    *ret_colon = colon;
    return colon < line.len && line.data[colon] == ':' ? len : 0;
}

bool fields_is_first_line(struct slice line)
{
    size_t colon;
    return name_bytes(line, &colon) > 0;
}

bool fields_is_postmark(struct slice line)
{
    while (line.len > 0 && line.data[0] == '>')
        line = slice_skip(line, 1);
    return slice_starts(line, SLICE("From "));
}

bool fields_next(struct slice *rest, struct header_field *ret)
{
    size_t colon;
    size_t name_len = name_bytes(*rest, &colon);
    size_t len = 0;
    if (name_len == 0)
        return false;
    do
        len += slice_find(slice_skip(*rest, len), '\n') + 1;
    while (len < rest->len && is_blank(rest->data[len]));
    ret->whole = slice_take(*rest, len);
    ret->name = slice_take(*rest, name_len);
    ret->body = slice_skip(ret->whole, colon + 1);
    *rest = slice_skip(*rest, len);
    return true;
}
