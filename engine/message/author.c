#include "engine/message/author.h"

#include "engine/message/fields.h"

// The first address of the list, or empty.
static struct slice first_address(struct slice list, char text[ADDRESS_LIST_ADDRESS_BYTES_MAX])
{
    struct slice address = SLICE_EMPTY;
    while (list.len > 0)
        switch (address_list_next(&list, text, &address)) {
        case ADDRESS_LIST_ADDRESS: return address;
        case ADDRESS_LIST_NULL:
        case ADDRESS_LIST_BAD: break;
        case ADDRESS_LIST_END: return SLICE_EMPTY;
        }
    return SLICE_EMPTY;
}

static struct slice header_of(struct slice content)
{
    return slice_take(content, AUTHOR_HEADER_BYTES_MAX);
}

static struct slice author_address(struct slice content, char text[ADDRESS_LIST_ADDRESS_BYTES_MAX])
{
    struct slice rest = header_of(content);
    struct header_field f;
    while (fields_next(&rest, &f))
        if (header_field_is(&f, SLICE("From")))
            return first_address(slice_take(f.body, AUTHOR_FIELD_BYTES_MAX), text);
    return SLICE_EMPTY;
}

size_t author_domain(struct slice content, char out[ADDRESS_DOMAIN_BYTES_MAX + 1])
{
    char text[ADDRESS_LIST_ADDRESS_BYTES_MAX];
    const struct slice address = author_address(content, text);
    const char *at = address.len > 0 ? memrchr(address.data, '@', address.len) : NULL;
    return at ? address_domain_ascii(slice_skip(address, (size_t)(at + 1 - address.data)), out) : 0;
}

struct author_walk author_walk(struct slice content)
{
    return (struct author_walk){.rest = header_of(content),
                                .list = SLICE_EMPTY,
                                .is_cut = content.len > AUTHOR_HEADER_BYTES_MAX};
}

// False: the section is at its end.
static bool next_list(struct author_walk *w)
{
    struct header_field f;
    while (fields_next(&w->rest, &f))
        if (header_field_is(&f, SLICE("From"))) {
            w->list = f.body;
            return true;
        }
    return false;
}

// Behind a line that is no field others may go on to read fields.
static bool ends_well(const struct author_walk *w)
{
    return slice_starts(w->rest, SLICE("\r\n")) || (w->rest.len == 0 && !w->is_cut);
}

enum author_step author_next(struct author_walk *w, char text[ADDRESS_LIST_ADDRESS_BYTES_MAX],
                             struct slice *ret)
{
    for (;;) {
        while (w->list.len > 0 && w->list.len <= AUTHOR_FIELD_BYTES_MAX)
            switch (address_list_next(&w->list, text, ret)) {
            case ADDRESS_LIST_ADDRESS: return AUTHOR_ADDRESS;
            case ADDRESS_LIST_NULL:
            case ADDRESS_LIST_BAD: return AUTHOR_UNKNOWN;
            case ADDRESS_LIST_END: break;
            }
        if (w->list.len > 0)
            return AUTHOR_UNKNOWN;
        if (!next_list(w))
            return ends_well(w) ? AUTHOR_END : AUTHOR_UNKNOWN;
    }
}
