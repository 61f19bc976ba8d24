#include "engine/base/json_scan.h"

#define DEPTH_MAX 16

static void skip_blanks(struct slice *s)
{
    while (s->len > 0 &&
           (s->data[0] == ' ' || s->data[0] == '\t' || s->data[0] == '\n' || s->data[0] == '\r'))
        *s = slice_skip(*s, 1);
}

static bool skip_byte(struct slice *s, char byte)
{
    skip_blanks(s);
    if (s->len == 0 || s->data[0] != byte)
        return false;
    *s = slice_skip(*s, 1);
    return true;
}

// The length of the text that begins here, both quotes included; 0: it does not end.
static size_t text_len(struct slice s)
{
    for (size_t i = 1; i < s.len; i++) {
        if (s.data[i] == '\\')
            i++;
        else if (s.data[i] == '"')
            return i + 1;
    }
    return 0;
}

static size_t nested_len(struct slice s)
{
    uint32_t depth = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (c == '"') {
            size_t len = text_len(slice_skip(s, i));
            if (len == 0)
                return 0;
            i += len - 1;
        } else if (c == '{' || c == '[') {
            if (++depth > DEPTH_MAX)
                return 0;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

static size_t bare_len(struct slice s)
{
    size_t len = 0;
    while (len < s.len && s.data[len] != ',' && s.data[len] != '}' && s.data[len] != ']' &&
           s.data[len] != ' ')
        len++;
    return len;
}

static bool take_value(struct slice *s, struct slice *ret_value)
{
    size_t len = 0;
    skip_blanks(s);
    if (s->len == 0)
        return false;
    if (s->data[0] == '"')
        len = text_len(*s);
    else if (s->data[0] == '{' || s->data[0] == '[')
        len = nested_len(*s);
    else
        len = bare_len(*s);
    *ret_value = slice_take(*s, len);
    *s = slice_skip(*s, len);
    return len > 0;
}

bool json_member(struct slice object, const char *key, struct slice *ret_value)
{
    struct slice name, value;
    if (!skip_byte(&object, '{'))
        return false;
    do {
        if (!take_value(&object, &name) || name.len < 2 || name.data[0] != '"' ||
            !skip_byte(&object, ':') || !take_value(&object, &value))
            return false;
        if (!slice_equal(slice_make(name.data + 1, name.len - 2), slice_of_text(key)))
            continue;
        *ret_value = value;
        return true;
    } while (skip_byte(&object, ','));
    return false;
}

bool json_item(struct slice *rest, struct slice *ret_value)
{
    skip_blanks(rest);
    if (rest->len == 0 || (rest->data[0] != '[' && rest->data[0] != ','))
        return false;
    *rest = slice_skip(*rest, 1);
    skip_blanks(rest);
    return rest->len > 0 && rest->data[0] != ']' && take_value(rest, ret_value);
}

// Of "uXXXX" behind a backslash: '?' for what would move a cursor, and for all that json.h does not
// write in this way.
static char escaped(struct slice s, size_t *used)
{
    char c = s.data[0];
    *used = 1;
    if (c == 'u')
        *used = s.len < 5 ? s.len : 5;
    return c == '"' || c == '\\' || c == '/' ? c : '?';
}

const char *json_plain(struct slice value, char *to, size_t room)
{
    size_t at = 0, used;
    bool is_text = value.len >= 2 && value.data[0] == '"';
    struct slice s = is_text ? slice_make(value.data + 1, value.len - 2) : value;
    while (s.len > 0 && at + 1 < room) {
        char c = s.data[0];
        used = 1;
        if (is_text && c == '\\' && s.len > 1) {
            c = escaped(slice_skip(s, 1), &used);
            used++;
        } else if ((unsigned char)c < 0x20 || c == 0x7f) {
            c = '?';
        }
        to[at++] = c;
        s = slice_skip(s, used);
    }
    to[at] = '\0';
    return to;
}

const char *json_member_plain(struct slice object, const char *key, char *to, size_t room)
{
    struct slice value = SLICE_EMPTY;
    (void)json_member(object, key, &value);
    return json_plain(value, to, room);
}

uint64_t json_member_u64(struct slice object, const char *key)
{
    struct slice value = SLICE_EMPTY;
    uint64_t number = 0;
    (void)json_member(object, key, &value);
    return slice_to_u64(value, UINT64_MAX, &number) ? number : 0;
}
