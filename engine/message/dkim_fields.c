#include "engine/message/dkim_fields.h"

#include "engine/message/fields.h"

static struct dkim_name *name_find(struct dkim_names *names, struct slice name)
{
    for (uint32_t i = 0; i < names->count; i++)
        if (slice_equal_nocase(slice_make(names->items[i].text, names->items[i].len), name))
            return &names->items[i];
    return NULL;
}

// RFC 5322 3.6.8; ";" would end the list of a signature.
static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] <= ' ' || name.data[i] >= 0x7f || name.data[i] == ':' ||
            name.data[i] == ';')
            return false;
    return name.len > 0 && name.len <= DKIM_NAME_BYTES_MAX;
}

bool dkim_names_add(struct dkim_names *names, struct slice name, bool over)
{
    struct dkim_name *n = name_find(names, name);
    if (!is_name(name))
        return false;
    if (!n) {
        if (names->count == DKIM_NAMES_MAX)
            return false;
        n = &names->items[names->count++];
        *n = (struct dkim_name){.len = (uint8_t)name.len};
        for (size_t i = 0; i < name.len; i++) {
            char c = name.data[i];
            n->text[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
        }
    }
    n->over |= over;
    return true;
}

// In front of those that stood above it; the uppermost of too many is left out.
static void keep(struct dkim_fields *f, uint32_t name, struct slice body)
{
    uint8_t count = f->counts[name];
    if (count == DKIM_INSTANCES_MAX) {
        f->more[name] = true;
        count--;
    }
    memmove(&f->bodies[name][1], &f->bodies[name][0], count * sizeof(f->bodies[name][0]));
    f->bodies[name][0] = body;
    f->counts[name] = (uint8_t)(count + 1);
}

static void find(const struct dkim_names *names, struct slice content, struct dkim_fields *ret)
{
    struct header_field field;
    while (fields_next(&content, &field))
        for (uint32_t i = 0; i < names->count; i++) {
            const struct dkim_name *n = &names->items[i];
            if (field.name.len != n->len || !header_field_is(&field, slice_make(n->text, n->len)))
                continue;
            keep(ret, i, field.body);
            break;
        }
}

void dkim_fields_find(const struct dkim_names *names, struct slice front, struct slice content,
                      struct dkim_fields *ret)
{
    memset(ret->counts, 0, sizeof(ret->counts));
    memset(ret->more, 0, sizeof(ret->more));
    find(names, front, ret);
    find(names, content, ret);
}
