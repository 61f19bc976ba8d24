#include "engine/policy/selector.h"

#include "engine/base/check.h"
#include "engine/base/units.h"
#include "engine/base/words.h"
#include "queue/message_id.h"

#include <stdio.h>

const char SELECTOR_NOT_MINE[] = "no such word";

const char *const queue_state_words[QUEUE_STATE_COUNT] = {
    [QUEUE_READY] = "ready",
    [QUEUE_SENDING] = "sending",
    [QUEUE_DEFERRED] = "deferred",
    [QUEUE_HELD] = "held",
};

static const char *set_text(char to[SELECTOR_TEXT_BYTES], struct slice value)
{
    if (value.len == 0 || value.len >= SELECTOR_TEXT_BYTES)
        return "is empty, or too long";
    if (memchr(value.data, '\0', value.len))
        return "holds a NUL";
    memcpy(to, value.data, value.len);
    to[value.len] = '\0';
    return NULL;
}

static const char *set_age(uint64_t *to, struct slice value)
{
    if (!units_parse_us(value, to) || *to == 0)
        return "is no duration, such as 30m or 2d";
    return NULL;
}

static const char *set_id(uint64_t *to, struct slice value)
{
    if (!message_id_parse(value, to) || *to == 0)
        return "is no message id";
    return NULL;
}

// Several states may be named, with commas between them.
static const char *set_states(uint8_t *to, struct slice value)
{
    while (value.len > 0) {
        struct slice word = slice_cut(&value, ',');
        uint32_t state = 0;
        while (state < QUEUE_STATE_COUNT &&
               !slice_equal(word, slice_of_text(queue_state_words[state])))
            state++;
        if (state == QUEUE_STATE_COUNT)
            return "is none of ready, sending, deferred, held";
        *to |= (uint8_t)(1u << state);
    }
    return *to ? NULL : "is none of ready, sending, deferred, held";
}

const char *selector_set(struct selector *s, struct slice key, struct slice value)
{
    if (slice_equal(key, SLICE("all"))) {
        s->all = true;
        return value.len > 0 ? "takes no value" : NULL;
    }
    if (slice_equal(key, SLICE("domain")))
        return set_text(s->domain, value);
    if (slice_equal(key, SLICE("sender")))
        return set_text(s->sender, value);
    if (slice_equal(key, SLICE("recipient")))
        return set_text(s->recipient, value);
    if (slice_equal(key, SLICE("campaign")))
        return set_text(s->campaign, value);
    if (slice_equal(key, SLICE("id")))
        return set_id(&s->id, value);
    if (slice_equal(key, SLICE("older")))
        return set_age(&s->age_us_min, value);
    if (slice_equal(key, SLICE("newer")))
        return set_age(&s->age_us_max, value);
    if (slice_equal(key, SLICE("state")))
        return set_states(&s->states, value);
    return SELECTOR_NOT_MINE;
}

bool selector_says_nothing(const struct selector *s)
{
    const struct selector nothing = {0};
    return selector_equal(s, &nothing);
}

bool selector_fits_job(const struct selector *s, const struct selector_job *job)
{
    if (selector_says_nothing(s))
        return false;
    return (s->id == 0 || s->id == job->id) && (!s->states || s->states >> job->state & 1) &&
           (s->age_us_min == 0 || job->age_us >= s->age_us_min) &&
           (s->age_us_max == 0 || job->age_us <= s->age_us_max) &&
           (!s->domain[0] || slice_equal_nocase(slice_of_text(s->domain), job->domain)) &&
           (!s->campaign[0] || slice_equal(slice_of_text(s->campaign), job->campaign));
}

bool selector_needs_message(const struct selector *s)
{
    return s->sender[0] || s->recipient[0];
}

static bool fits_address(const char *wanted, struct slice address)
{
    struct slice w = slice_of_text(wanted);
    if (w.len == 0)
        return true;
    if (slice_equal(w, SLICE("<>")))
        return address.len == 0;
    if (w.data[0] == '@')
        return address.len >= w.len &&
               slice_equal_nocase(slice_skip(address, address.len - w.len), w);
    return slice_equal_nocase(w, address);
}

bool selector_fits_sender(const struct selector *s, struct slice sender)
{
    return fits_address(s->sender, sender);
}

bool selector_fits_rcpt(const struct selector *s, struct slice recipient)
{
    return fits_address(s->recipient, recipient);
}

bool selector_equal(const struct selector *a, const struct selector *b)
{
    return a->all == b->all && a->states == b->states && a->id == b->id &&
           a->age_us_min == b->age_us_min && a->age_us_max == b->age_us_max &&
           strcmp(a->domain, b->domain) == 0 && strcmp(a->sender, b->sender) == 0 &&
           strcmp(a->recipient, b->recipient) == 0 && strcmp(a->campaign, b->campaign) == 0;
}

static bool print_word(struct buffer *out, const char *key, const char *value)
{
    return !value[0] || words_put(out, key, slice_of_text(value));
}

static bool print_age(struct buffer *out, const char *key, uint64_t age_us)
{
    char text[UNITS_TEXT_BYTES];
    return age_us == 0 || words_put(out, key, slice_of_text(units_print_us(text, age_us)));
}

static bool print_states(struct buffer *out, uint8_t states)
{
    char text[64] = "";
    size_t len = 0;
    for (uint32_t state = 0; state < QUEUE_STATE_COUNT; state++)
        if (states >> state & 1)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len > 0 ? "," : "",
                                    queue_state_words[state]);
    return print_word(out, "state", text);
}

bool selector_print(const struct selector *s, struct buffer *out)
{
    char id[MESSAGE_ID_TEXT_BYTES] = "";
    if (s->id)
        message_id_print(s->id, id);
    return (!s->all || words_put(out, "all", SLICE_EMPTY)) && print_word(out, "id", id) &&
           print_word(out, "domain", s->domain) && print_word(out, "sender", s->sender) &&
           print_word(out, "recipient", s->recipient) && print_word(out, "campaign", s->campaign) &&
           print_age(out, "older", s->age_us_min) && print_age(out, "newer", s->age_us_max) &&
           print_states(out, s->states);
}
