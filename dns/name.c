// dns/name.c: domain names as text.
#include "dns/name.h"

#include <arpa/inet.h>

static bool is_host_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

bool dns_name_is_host(struct slice name)
{
    if (name.len == 0 || name.len > DNS_NAME_BYTES_MAX)
        return false;
    size_t label_bytes = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '.') {
            if (label_bytes == 0)
                return false;
            label_bytes = 0;
        } else if (!is_host_byte(name.data[i]) || ++label_bytes > DNS_LABEL_BYTES_MAX) {
            return false;
        }
    }
    return label_bytes > 0;
}

bool dns_name_is_literal(struct slice name)
{
    return name.len > 0 && name.data[0] == '[';
}

bool dns_literal_parse(struct slice name, struct io_address *ret)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    if (name.len < 2 || name.data[0] != '[' || name.data[name.len - 1] != ']')
        return false;
    struct slice inside = slice_make(name.data + 1, name.len - 2);
    bool is_v6 = slice_starts_nocase(inside, SLICE("IPv6:"));
    if (is_v6)
        inside = slice_skip(inside, strlen("IPv6:"));
    if (inside.len >= sizeof(text) || memchr(inside.data, '\0', inside.len))
        return false;
    memcpy(text, inside.data, inside.len);
    text[inside.len] = '\0';
    if (inet_pton(is_v6 ? AF_INET6 : AF_INET, text, bytes) != 1)
        return false;
    *ret = io_address_from_bytes(bytes, is_v6 ? 16 : 4, 0);
    return true;
}
