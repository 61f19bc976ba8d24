// Lists: each call takes one item more.

#include "engine/setting_parts.h"

#include <inttypes.h>

bool setting_parse_one_of_words(const struct setting *s, struct slice text, uint32_t *set,
                                struct refusal *why)
{
    uint32_t word = 0;
    if (!setting_parse_word(s, text, &word, why))
        return false;
    *set |= UINT32_C(1) << word;
    return true;
}

bool setting_parse_address(const struct setting *s, struct slice text,
                           struct setting_addresses *list, struct refusal *why)
{
    struct io_address a;
    if (list->count == SETTING_LIST_MAX || list->count >= s->max)
        return refuse(why, "more than %" PRIu64 " addresses", s->max);
    if (!io_address_parse(text, s->port_default, &a) || io_address_is_unix(&a))
        return refuse(why, "'%.*s' is not an address, such as \"127.0.0.1:%u\"", SLICE_ARG(text),
                      s->port_default);
    list->items[list->count++] = a;
    return true;
}

bool setting_parse_local(const struct setting *s, struct slice text, struct setting_addresses *list,
                         struct refusal *why)
{
    struct io_address a;
    if (list->count == SETTING_LIST_MAX || list->count >= s->max)
        return refuse(why, "more than %" PRIu64 " addresses", s->max);
    if (!io_address_parse(text, 0, &a) || io_address_is_unix(&a) || io_address_port(&a) != 0)
        return refuse(why, "'%.*s' is not an address without a port, such as \"192.0.2.1\"",
                      SLICE_ARG(text));
    list->items[list->count++] = a;
    return true;
}

bool setting_parse_source_name(struct slice text, struct source_list *list, struct refusal *why)
{
    struct source_place *p = &list->items[list->count];
    if (slice_equal(text, SLICE("none"))) {
        list->count = 0;
        return true;
    }
    if (list->count == SOURCES_MAX)
        return refuse(why, "more than %d sources", SOURCES_MAX);
    if (text.len == 0 || text.len >= SOURCE_NAME_BYTES)
        return refuse(why, "a name of 1 to %d bytes is wanted", SOURCE_NAME_BYTES - 1);
    *p = (struct source_place){.found = NULL};
    memcpy(p->name, text.data, text.len);
    list->count++;
    return true;
}

bool setting_parse_network(const struct setting *s, struct slice text,
                           struct setting_networks *list, struct refusal *why)
{
    struct io_network n;
    if (list->count == SETTING_LIST_MAX || list->count >= s->max)
        return refuse(why, "more than %" PRIu64 " networks", s->max);
    if (!io_network_parse(text, &n))
        return refuse(why, "'%.*s' is not a network, such as \"10.0.0.0/8\"", SLICE_ARG(text));
    list->items[list->count++] = n;
    return true;
}

bool setting_parse_text_of(const struct setting *s, struct slice text, struct setting_texts *list,
                           struct refusal *why)
{
    if (list->count == SETTING_TEXTS_MAX)
        return refuse(why, "more than %d of them", SETTING_TEXTS_MAX);
    bool is_good = s->kind == SETTING_PATHS
                       ? setting_parse_path(text, list->items[list->count], why)
                       : setting_parse_host(text, list->items[list->count], why);
    list->count += is_good;
    return is_good;
}

bool setting_parse_field(struct slice text, struct dkim_names *list, struct refusal *why)
{
    if (list->count == DKIM_NAMES_MAX)
        return refuse(why, "more than %d fields", DKIM_NAMES_MAX);
    if (!dkim_names_add(list, text, false))
        return refuse(why, "'%.*s' is not the name of a header field", SLICE_ARG(text));
    return true;
}

// "*." in front of a name: all names below it.
bool setting_parse_pattern(struct slice text, struct mx_patterns *list, struct refusal *why)
{
    char *item = list->items[list->count];
    size_t star_len = slice_starts_nocase(text, SLICE("*.")) ? 2 : 0;
    char name[SETTING_TEXT_BYTES];
    if (list->count == SITE_PATTERNS_MAX)
        return refuse(why, "more than %d patterns", SITE_PATTERNS_MAX);
    if (!setting_parse_host(slice_skip(text, star_len), name, why))
        return false;
    if (star_len + strlen(name) >= sizeof(list->items[0]))
        return refuse(why, "longer than %zu bytes", sizeof(list->items[0]) - 1);
    memcpy(item, "*.", star_len);
    memcpy(item + star_len, name, strlen(name) + 1);
    list->count++;
    return true;
}
