// Routes: names, hosts, and the reply of one that fails.

#include "engine/setting_parts.h"
#include "engine/smtp/address.h"

#include <stdio.h>

bool setting_parse_route(struct slice text, char value[ROUTE_NAME_BYTES], struct refusal *why)
{
    if (text.len >= ROUTE_NAME_BYTES)
        return refuse(why, "longer than %d bytes", ROUTE_NAME_BYTES - 1);
    memcpy(value, text.data, text.len);
    value[text.len] = '\0';
    return true;
}

static bool parse_port(struct slice text, uint64_t *ret)
{
    return slice_to_u64(text, 65535, ret) && *ret > 0;
}

static void write_literal(const struct io_address *a, char name[MX_HOST_BYTES_MAX + 1])
{
    char text[IO_ADDRESS_TEXT_BYTES];
    io_address_print_host(a, text);
    snprintf(name, MX_HOST_BYTES_MAX + 1, a->as.any.sa_family == AF_INET6 ? "[IPv6:%s]" : "[%s]",
             text);
}

// "192.0.2.1", "192.0.2.1:587", "[192.0.2.1]:587", "2001:db8::1", "[2001:db8::1]:587", and
// "[IPv6:2001:db8::1]:587", as SMTP has it.
static bool parse_address_host(struct slice text, struct route_host *ret)
{
    struct io_address a;
    uint64_t port = 0;
    struct slice rest = slice_skip(text, 1), inside = text;
    if (text.len > 0 && text.data[0] == '[') {
        if (slice_find(text, ']') == text.len)
            return false;
        inside = slice_cut(&rest, ']');
        if (slice_starts_nocase(inside, SLICE("IPv6:")))
            inside = slice_skip(inside, strlen("IPv6:"));
        if (rest.len > 0 && (rest.data[0] != ':' || !parse_port(slice_skip(rest, 1), &port)))
            return false;
    }
    if (!io_address_parse(inside, (uint16_t)port, &a) || io_address_is_unix(&a))
        return false;
    ret->port = io_address_port(&a);
    write_literal(&a, ret->name);
    return true;
}

static bool parse_named_host(struct slice text, struct route_host *ret)
{
    uint64_t port = 0;
    struct slice rest = text;
    struct slice name = slice_cut(&rest, ':');
    if (name.len == 0 || name.data[0] == '[' || address_domain_ascii(name, ret->name) == 0)
        return false;
    if (name.len < text.len && !parse_port(rest, &port))
        return false;
    ret->port = (uint16_t)port;
    return true;
}

bool setting_parse_route_host(struct slice text, struct route_hosts *list, struct refusal *why)
{
    struct route_host host = {.port = 0};
    if (list->count == ROUTE_HOSTS_MAX)
        return refuse(why, "more than %d hosts", ROUTE_HOSTS_MAX);
    if (!parse_address_host(text, &host) && !parse_named_host(text, &host))
        return refuse(why, "'%.*s' is not a host, such as \"smtp.example.net:587\"",
                      SLICE_ARG(text));
    list->items[list->count++] = host;
    return true;
}

// "5.1.2": the class is the code's.
static bool parse_enhanced(struct slice word, uint16_t code, struct enhanced_code *ret)
{
    uint64_t class, subject, detail;
    struct slice rest = word;
    if (!slice_to_u64(slice_cut(&rest, '.'), 9, &class) ||
        !slice_to_u64(slice_cut(&rest, '.'), 999, &subject) || !slice_to_u64(rest, 999, &detail) ||
        class != code / 100)
        return false;
    *ret = (struct enhanced_code){(uint8_t) class, (uint16_t)subject, (uint16_t)detail};
    return true;
}

bool setting_parse_reply(struct slice text, struct route_reply *ret, struct refusal *why)
{
    uint64_t code = 0;
    struct slice words = text;
    struct route_reply reply = {.code = 0};
    bool is_code = slice_to_u64(slice_cut(&words, ' '), 599, &code) && code >= 400;
    reply.code = (uint16_t)code;
    reply.enhanced.class = (uint8_t)(code / 100); // x.0.0, when nothing else is said
    struct slice rest = words;
    if (parse_enhanced(slice_cut(&rest, ' '), reply.code, &reply.enhanced))
        words = rest;
    words = slice_trim(words);
    if (!is_code || words.len == 0)
        return refuse(why, "'%.*s' is not a reply, such as \"550 5.1.2 this domain is closed\"",
                      SLICE_ARG(text));
    if (words.len >= ROUTE_TEXT_BYTES)
        return refuse(why, "longer than %d bytes", ROUTE_TEXT_BYTES - 1);
    memcpy(reply.text, words.data, words.len);
    *ret = reply;
    return true;
}
