// Values as one writes them in the file.

#include "engine/base/check.h"
#include "engine/setting_parts.h"
#include "queue/priority.h"

#include <inttypes.h>
#include <stdio.h>

bool setting_print_quoted(struct slice text, struct buffer *out)
{
    bool is_ok = buffer_append_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        // libConfuse replaces ${NAME} in quotes by the environment's.
        if (text.data[i] == '"' || text.data[i] == '\\' || text.data[i] == '$')
            is_ok = is_ok && buffer_append_byte(out, '\\');
        is_ok = is_ok && buffer_append_byte(out, text.data[i]);
    }
    return is_ok && buffer_append_byte(out, '"');
}

// One of a list.
static bool print_item(bool first, struct slice text, struct buffer *out)
{
    return buffer_append(out, first ? SLICE_EMPTY : SLICE(", ")) && setting_print_quoted(text, out);
}

static bool print_addresses(const struct setting_addresses *list, struct buffer *out)
{
    char text[IO_ADDRESS_TEXT_BYTES];
    bool is_ok = buffer_append_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++)
        is_ok = is_ok &&
                print_item(i == 0, slice_of_text(io_address_print(&list->items[i], text)), out);
    return is_ok && buffer_append_byte(out, '}');
}

static bool print_locals(const struct setting_addresses *list, struct buffer *out)
{
    char text[IO_ADDRESS_TEXT_BYTES];
    bool is_ok = buffer_append_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++)
        is_ok = is_ok && buffer_append(out, i ? SLICE(", ") : SLICE_EMPTY) &&
                setting_print_quoted(slice_of_text(io_address_print_host(&list->items[i], text)),
                                     out);
    return is_ok && buffer_append_byte(out, '}');
}

static bool print_source_names(const struct source_list *list, struct buffer *out)
{
    if (list->count == 0)
        return buffer_append(out, SLICE("\"none\""));
    bool is_ok = buffer_append_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++)
        is_ok = is_ok && buffer_append(out, i ? SLICE(", ") : SLICE_EMPTY) &&
                setting_print_quoted(slice_of_text(list->items[i].name), out);
    return is_ok && buffer_append_byte(out, '}');
}

static bool print_words(const struct setting *s, uint32_t set, struct buffer *out)
{
    bool is_ok = buffer_append_byte(out, '{'), any = false;
    for (uint32_t i = 0; s->words[i]; i++) {
        if (!(set & UINT32_C(1) << i))
            continue;
        is_ok = is_ok && print_item(!any, slice_of_text(s->words[i]), out);
        any = true;
    }
    return is_ok && buffer_append_byte(out, '}');
}

static bool print_networks(const struct setting_networks *list, struct buffer *out)
{
    char text[IO_NETWORK_TEXT_BYTES];
    bool is_ok = buffer_append_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++)
        is_ok = is_ok &&
                print_item(i == 0, slice_of_text(io_network_print(&list->items[i], text)), out);
    return is_ok && buffer_append_byte(out, '}');
}

static bool print_steps(const struct setting *s, const struct retry_steps *list, struct buffer *out)
{
    char text[UNITS_TEXT_BYTES];
    bool is_ok = buffer_append_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++)
        is_ok = is_ok && buffer_printf(out, "%s\"%s\"", i ? ", " : "",
                                       setting_print_exact(text, s, list->us[i]));
    return is_ok && buffer_append_byte(out, '}');
}

static bool print_hosts(const struct route_hosts *list, struct buffer *out)
{
    bool is_ok = buffer_append_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++) {
        const struct route_host *h = &list->items[i];
        is_ok = is_ok && buffer_printf(out, "%s\"%s", i ? ", " : "", h->name) &&
                (h->port == 0 || buffer_printf(out, ":%u", h->port)) &&
                buffer_append_byte(out, '"');
    }
    return is_ok && buffer_append_byte(out, '}');
}

static bool print_reply(const struct route_reply *r, struct buffer *out)
{
    char text[ROUTE_TEXT_BYTES + 2 * ENHANCED_TEXT_BYTES], enhanced[ENHANCED_TEXT_BYTES];
    snprintf(text, sizeof(text), "%u %s %s", r->code, enhanced_print(r->enhanced, enhanced),
             r->text);
    return setting_print_quoted(slice_of_text(text), out);
}

static bool print_texts(const struct setting_texts *list, struct buffer *out)
{
    bool is_ok = buffer_append_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++)
        is_ok = is_ok && print_item(i == 0, slice_of_text(list->items[i]), out);
    return is_ok && buffer_append_byte(out, '}');
}

static bool print_fields(const struct dkim_names *list, struct buffer *out)
{
    bool is_ok = buffer_append_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++)
        is_ok = is_ok && print_item(i == 0, slice_of_text(list->items[i].text), out);
    return is_ok && buffer_append_byte(out, '}');
}

static bool print_patterns(const struct mx_patterns *list, struct buffer *out)
{
    bool is_ok = buffer_append_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++)
        is_ok = is_ok && print_item(i == 0, slice_of_text(list->items[i]), out);
    return is_ok && buffer_append_byte(out, '}');
}

static bool print_rates(const struct rate_limits *list, struct buffer *out)
{
    if (list->count == 0)
        return buffer_append(out, SLICE("\"none\""));
    bool is_ok = buffer_append_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++)
        is_ok = is_ok && buffer_append(out, i ? SLICE(", ") : SLICE_EMPTY) &&
                setting_print_rate(&list->items[i], out);
    return is_ok && buffer_append_byte(out, '}');
}

bool setting_print(const struct setting *s, const void *value, struct buffer *out)
{
    char text[UNITS_TEXT_BYTES];
    switch (s->kind) {
    case SETTING_COUNT: return buffer_printf(out, "%" PRIu32, *(const uint32_t *)value);
    case SETTING_SIZE:
    case SETTING_DURATION:
        return buffer_printf(out, "\"%s\"", setting_print_exact(text, s, *(const uint64_t *)value));
    case SETTING_YES_NO: return buffer_printf(out, "%s", *(const bool *)value ? "yes" : "no");
    case SETTING_WORD:
        return setting_print_quoted(slice_of_text(s->words[*(const uint32_t *)value]), out);
    case SETTING_PRIORITY:
        return setting_print_quoted(slice_of_text(priority_print(*(const int32_t *)value, text)),
                                    out);
    case SETTING_WORDS: return print_words(s, *(const uint32_t *)value, out);
    case SETTING_MODE: return buffer_printf(out, "\"%04" PRIo32 "\"", *(const uint32_t *)value);
    case SETTING_HOST:
    case SETTING_USER:
    case SETTING_PATH:
    case SETTING_TEXT:
    case SETTING_OUTPUT:
    case SETTING_LIST_URIS: return setting_print_quoted(slice_of_text(value), out);
    case SETTING_ADDRESSES: return print_addresses(value, out);
    case SETTING_NETWORKS: return print_networks(value, out);
    case SETTING_DURATIONS: return print_steps(s, value, out);
    case SETTING_FACTOR: return setting_print_factor(*(const uint32_t *)value, out);
    case SETTING_ROUTE: return setting_print_quoted(slice_of_text(value), out);
    case SETTING_HOSTS: return print_hosts(value, out);
    case SETTING_REPLY: return print_reply(value, out);
    case SETTING_PATHS:
    case SETTING_SELECTORS: return print_texts(value, out);
    case SETTING_FIELDS: return print_fields(value, out);
    case SETTING_PATTERNS: return print_patterns(value, out);
    case SETTING_RATES: return print_rates(value, out);
    case SETTING_LOCALS: return print_locals(value, out);
    case SETTING_SOURCES: return print_source_names(value, out);
    }
    CHECK(false); // no such kind
}
