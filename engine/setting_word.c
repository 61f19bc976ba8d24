// Single words, names and paths.

#include "engine/base/check.h"
#include "engine/setting_parts.h"
#include "engine/smtp/address.h"
#include "queue/priority.h"

#include <stdio.h>

#define SETTING_MODE_MAX 0777

bool setting_parse_yes_no(struct slice text, bool *ret, struct refusal *why)
{
    bool is_yes = slice_equal(text, SLICE("yes"));
    if (!is_yes && !slice_equal(text, SLICE("no")))
        return refuse(why, "'%.*s' is neither yes nor no", SLICE_ARG(text));
    *ret = is_yes;
    return true;
}

bool setting_parse_word(const struct setting *s, struct slice text, uint32_t *ret,
                        struct refusal *why)
{
    char known[REFUSAL_BYTES_MAX / 2] = "";
    size_t len = 0;
    for (uint32_t i = 0; s->words[i]; i++) {
        if (slice_equal(text, slice_of_text(s->words[i]))) {
            *ret = i;
            return true;
        }
        len += (size_t)snprintf(known + len, sizeof(known) - len, "%s\"%s\"", i ? " or " : "",
                                s->words[i]);
        CHECK(len < sizeof(known)); // a few words of ours
    }
    return refuse(why, "'%.*s' is not known: it is %s", SLICE_ARG(text), known);
}

bool setting_parse_mode(struct slice text, uint32_t *ret, struct refusal *why)
{
    uint32_t mode = 0;
    size_t i = 0;
    for (; i < text.len && text.data[i] >= '0' && text.data[i] <= '7' && mode <= SETTING_MODE_MAX;
         i++)
        mode = mode * 8 + (uint32_t)(text.data[i] - '0');
    if (i == 0 || i < text.len || mode > SETTING_MODE_MAX)
        return refuse(why, "'%.*s' is not a file mode, such as \"0660\"", SLICE_ARG(text));
    *ret = mode;
    return true;
}

bool setting_parse_mail_priority(struct slice text, int32_t *ret, struct refusal *why)
{
    int8_t priority;
    if (!priority_parse(text, &priority))
        return refuse(why,
                      "'%.*s' is not a priority: \"transactional\", \"normal\", \"bulk\", or a "
                      "number from -9 to 9",
                      SLICE_ARG(text));
    *ret = (int32_t)priority; // -9 to 9
    return true;
}

bool setting_keep_text(char value[SETTING_TEXT_BYTES], struct slice text, struct refusal *why)
{
    if (text.len >= SETTING_TEXT_BYTES)
        return refuse(why, "longer than %d bytes", SETTING_TEXT_BYTES - 1);
    memcpy(value, text.data, text.len);
    value[text.len] = '\0';
    return true;
}

bool setting_parse_host(struct slice text, char value[SETTING_TEXT_BYTES], struct refusal *why)
{
    char name[ADDRESS_DOMAIN_BYTES_MAX + 1];
    size_t len = text.len > 0 && text.data[0] != '[' ? address_domain_ascii(text, name) : 0;
    if (len == 0)
        return refuse(why, "'%.*s' is not a domain name", SLICE_ARG(text));
    return setting_keep_text(value, slice_make(name, len), why);
}

// What useradd(8) allows, and nothing that a shell or a log could take for something else.
bool setting_parse_user(struct slice text, char value[SETTING_TEXT_BYTES], struct refusal *why)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        bool is_inner = (c >= '0' && c <= '9') || c == '-' || c == '.';
        if (!is_letter && !(is_inner && i > 0))
            return refuse(why, "'%.*s' is not a user's name", SLICE_ARG(text));
    }
    if (text.len == 0)
        return refuse(why, "a user's name is missing");
    if (slice_equal(text, SLICE("root")))
        return refuse(why, "the engine does not run as root");
    return setting_keep_text(value, text, why);
}

bool setting_parse_path(struct slice text, char value[SETTING_TEXT_BYTES], struct refusal *why)
{
    if (text.len == 0 || text.data[0] != '/')
        return refuse(why, "'%.*s' is not an absolute path", SLICE_ARG(text));
    return setting_keep_text(value, text, why);
}

bool setting_parse_list_uris(struct slice text, char value[LIST_TEMPLATE_BYTES],
                             struct refusal *why)
{
    struct list_template t = {.one_click = false};
    if (text.len >= sizeof(t.uris))
        return refuse(why, "longer than %zu bytes", sizeof(t.uris) - 1);
    memcpy(t.uris, text.data, text.len);
    const char *fault = list_template_fault(&t);
    if (fault)
        return refuse(why, "'%.*s': %s", SLICE_ARG(text), fault);
    memcpy(value, t.uris, text.len + 1);
    return true;
}
