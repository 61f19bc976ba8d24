#include "engine/base/check.h"
#include "engine/setting_parts.h"

bool setting_is_list(const struct setting *s)
{
    return s->kind == SETTING_ADDRESSES || s->kind == SETTING_NETWORKS ||
           s->kind == SETTING_DURATIONS || s->kind == SETTING_HOSTS || s->kind == SETTING_PATHS ||
           s->kind == SETTING_SELECTORS || s->kind == SETTING_FIELDS ||
           s->kind == SETTING_PATTERNS || s->kind == SETTING_RATES || s->kind == SETTING_WORDS ||
           s->kind == SETTING_LOCALS || s->kind == SETTING_SOURCES;
}

void setting_clear_list(const struct setting *s, void *value)
{
    CHECK(setting_is_list(s));
    *(uint32_t *)value = 0; // the count comes first in all of them, and bits are a set
}

static bool has_control_character(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f)
            return true;
    return false;
}

bool setting_parse(const struct setting *s, struct slice text, void *value, struct refusal *why)
{
    uint64_t number = 0;
    if (has_control_character(text))
        return refuse(why, "the value holds a control character");
    switch (s->kind) {
    case SETTING_COUNT:
        if (!setting_parse_number(s, text, &number, why))
            return false;
        *(uint32_t *)value = (uint32_t)number;
        return true;
    case SETTING_SIZE:
    case SETTING_DURATION: return setting_parse_number(s, text, value, why);
    case SETTING_YES_NO: return setting_parse_yes_no(text, value, why);
    case SETTING_WORD: return setting_parse_word(s, text, value, why);
    case SETTING_PRIORITY: return setting_parse_mail_priority(text, value, why);
    case SETTING_WORDS: return setting_parse_one_of_words(s, text, value, why);
    case SETTING_MODE: return setting_parse_mode(text, value, why);
    case SETTING_HOST: return setting_parse_host(text, value, why);
    case SETTING_USER: return setting_parse_user(text, value, why);
    case SETTING_OUTPUT:
        if (slice_equal(text, SLICE("stdout")))
            return setting_keep_text(value, text, why);
        return setting_parse_path(text, value, why);
    case SETTING_TEXT: return setting_keep_text(value, text, why);
    case SETTING_PATH: return setting_parse_path(text, value, why);
    case SETTING_ADDRESSES: return setting_parse_address(s, text, value, why);
    case SETTING_NETWORKS: return setting_parse_network(s, text, value, why);
    case SETTING_DURATIONS: return setting_parse_step(s, text, value, why);
    case SETTING_FACTOR: return setting_parse_factor(s, text, value, why);
    case SETTING_ROUTE: return setting_parse_route(text, value, why);
    case SETTING_HOSTS: return setting_parse_route_host(text, value, why);
    case SETTING_REPLY: return setting_parse_reply(text, value, why);
    case SETTING_PATHS:
    case SETTING_SELECTORS: return setting_parse_text_of(s, text, value, why);
    case SETTING_FIELDS: return setting_parse_field(text, value, why);
    case SETTING_PATTERNS: return setting_parse_pattern(text, value, why);
    case SETTING_RATES: return setting_parse_rate(s, text, value, why);
    case SETTING_LOCALS: return setting_parse_local(s, text, value, why);
    case SETTING_SOURCES: return setting_parse_source_name(text, value, why);
    case SETTING_LIST_URIS: return setting_parse_list_uris(text, value, why);
    }
    CHECK(false); // no such kind
}
