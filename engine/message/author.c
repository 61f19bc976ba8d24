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

struct slice author_address(struct slice content, char text[ADDRESS_LIST_ADDRESS_BYTES_MAX])
{
    struct slice rest = slice_take(content, AUTHOR_HEADER_BYTES_MAX);
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
