#include "queue/priority.h"

#include "engine/base/check.h"

#include <stdio.h>

// What a word stands for: what RFC 6710's profiles call urgent and non-urgent.
static const struct {
    const char *word;
    int8_t priority;
} words[] = {{"transactional", 4}, {"normal", 0}, {"bulk", -4}};

#define CAMPAIGN_SEED 0x706f7374u // any will do, as long as it stays

bool priority_parse(struct slice text, int8_t *ret)
{
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (slice_equal_nocase(text, slice_of_text(words[i].word))) {
            *ret = words[i].priority;
            return true;
        }
    bool is_negative = text.len == 2 && text.data[0] == '-';
    struct slice digit = slice_skip(text, is_negative);
    if (digit.len != 1 || digit.data[0] < '0' || digit.data[0] > '9')
        return false;
    int8_t value = (int8_t)(digit.data[0] - '0');
    *ret = is_negative ? (int8_t)-value : value;
    return true;
}

const char *priority_print(int priority, char text[PRIORITY_TEXT_BYTES])
{
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (words[i].priority == priority)
            return words[i].word;
    snprintf(text, PRIORITY_TEXT_BYTES, "%d", priority);
    return text;
}

bool campaign_name_valid(struct slice name)
{
    if (name.len == 0 || name.len > CAMPAIGN_NAME_BYTES_MAX || name.data[0] == ' ' ||
        name.data[name.len - 1] == ' ')
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] < ' ' || name.data[i] > '~')
            return false;
    return true;
}

uint16_t campaign_number(struct slice name)
{
    if (name.len == 0)
        return CAMPAIGN_NONE;
    return (uint16_t)(1 + slice_hash(name, CAMPAIGN_SEED) % (UINT16_MAX - 1u));
}
