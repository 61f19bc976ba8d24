#include "bench/sink/script.h"

#include "bench/values.h"
#include "engine/base/check.h"
#include "engine/base/units.h"

#include <stdio.h>

static const struct {
    const char *name;
    enum sink_step step;
} steps[] = {
    {"CONNECT", SINK_CONNECT}, {"EHLO", SINK_EHLO}, {"HELO", SINK_EHLO},
    {"MAIL", SINK_MAIL},       {"RCPT", SINK_RCPT}, {"DATA", SINK_DATA},
    {"BDAT", SINK_DATA},       {".", SINK_END},     {"RSET", SINK_RSET},
    {"NOOP", SINK_NOOP},       {"QUIT", SINK_QUIT}, {"STARTTLS", SINK_STARTTLS},
    {"TLS", SINK_TLS},         {"AUTH", SINK_AUTH},
};

static struct slice next_word(struct slice *rest)
{
    *rest = slice_trim(*rest);
    struct slice word = slice_cut(rest, ' ');
    *rest = slice_trim(*rest);
    return word;
}

static bool read_step(struct slice word, enum sink_step *ret_step)
{
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        if (slice_equal_nocase(word, slice_of_text(steps[i].name))) {
            *ret_step = steps[i].step;
            return true;
        }
    }
    return false;
}

static bool read_share(struct slice *rest, double *ret_share)
{
    char text[16];
    struct slice after = *rest;
    struct slice word = next_word(&after);
    *ret_share = 1;
    if (word.len == 0 || word.data[word.len - 1] != '%')
        return true; // no share: always
    if (word.len >= sizeof(text))
        return false;
    memcpy(text, word.data, word.len);
    text[word.len] = 0;
    *rest = after;
    return value_percent_parse(text, ret_share);
}

static bool read_delay(struct slice *rest, uint64_t *ret_us)
{
    struct slice after = *rest;
    if (!slice_equal_nocase(next_word(&after), SLICE("delay")))
        return true;
    *rest = after;
    return units_parse_us(next_word(rest), ret_us);
}

// A greeting that is no refusal and a 2xx to DATA are no SMTP: a client could only hang up. What
// accepts STARTTLS is a 220, and AUTH a 235, in the usual words.
static bool code_fits(enum sink_step step, uint64_t code)
{
    bool refuses = code >= 400 && code <= 599;
    bool accepts = code >= 200 && code <= 299;
    bool decides = step == SINK_CONNECT || step == SINK_DATA || step == SINK_STARTTLS ||
                   step == SINK_AUTH;
    return refuses || (accepts && !decides);
}

static bool is_line(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < ' ' || text.data[i] == 0x7f)
            return false;
    return true;
}

static const char *read_reply(struct slice text, struct sink_rule *rule)
{
    if (rule->step == SINK_TLS)
        return "the handshake has no reply: disconnect, tear or silence";
    uint64_t code;
    struct slice words = text;
    struct slice number = next_word(&words);
    if (number.len != 3 || !slice_to_u64(number, 599, &code) || code < 200)
        return "expected a reply such as \"450 4.2.1 later\", disconnect, tear, or accept-disconnect";
    if (!code_fits(rule->step, code))
        return "this step cannot be answered with such a code";
    if (!is_line(words))
        return "a reply is one line of ASCII text";
    if (words.len == 0)
        words = SLICE("as the script says");
    if (words.len + 5 > sizeof(rule->reply))
        return "this reply is too long";
    snprintf(rule->reply, sizeof(rule->reply), "%.*s %.*s", SLICE_ARG(number), SLICE_ARG(words));
    rule->deed = SINK_REPLY;
    return NULL;
}

static const char *read_injection(struct slice text, struct sink_rule *rule)
{
    if (rule->step != SINK_STARTTLS)
        return "inject goes with the step STARTTLS";
    if (text.len == 0 || !is_line(text))
        return "inject wants one line of ASCII text";
    if (text.len >= sizeof(rule->reply))
        return "this text is too long";
    snprintf(rule->reply, sizeof(rule->reply), "%.*s", SLICE_ARG(text));
    rule->deed = SINK_INJECT;
    return NULL;
}

static const char *read_deed(struct slice rest, struct sink_rule *rule)
{
    struct slice text = rest;
    rest = slice_trim(rest);
    if (slice_equal_nocase(next_word(&text), SLICE("inject")))
        return read_injection(text, rule);
    if (slice_equal_nocase(rest, SLICE("disconnect"))) {
        rule->deed = SINK_DISCONNECT;
        return NULL;
    }
    if (slice_equal_nocase(rest, SLICE("accept-disconnect"))) {
        rule->deed = SINK_ACCEPT_DISCONNECT;
        return rule->step == SINK_END ? NULL : "accept-disconnect goes with the step \".\"";
    }
    if (slice_equal_nocase(rest, SLICE("tear"))) {
        rule->deed = SINK_TEAR;
        return NULL;
    }
    if (slice_equal_nocase(rest, SLICE("silence"))) {
        rule->deed = SINK_SILENCE;
        return rule->step == SINK_TLS ? NULL : "silence goes with the step TLS";
    }
    if (rest.len == 0 && rule->delay_us > 0)
        return rule->step == SINK_TLS ? "the handshake is not delayed: disconnect, tear or silence"
                                      : NULL;
    return read_reply(rest, rule);
}

bool sink_script_add(struct sink_script *s, struct slice text, const char **ret_why)
{
    struct sink_rule rule = {.deed = SINK_USUAL};
    *ret_why = NULL;
    if (s->count == SINK_RULES_MAX)
        *ret_why = "too many rules";
    else if (!read_step(next_word(&text), &rule.step))
        *ret_why = "expected CONNECT, EHLO, STARTTLS, TLS, AUTH, MAIL, RCPT, DATA, \".\", RSET, "
                   "NOOP or QUIT";
    else if (!read_share(&text, &rule.share))
        *ret_why = "expected a share such as 10%";
    else if (!read_delay(&text, &rule.delay_us))
        *ret_why = "expected a delay such as 250ms or 3s";
    else
        *ret_why = read_deed(text, &rule);
    if (*ret_why)
        return false;
    s->rules[s->count++] = rule;
    s->steps |= 1u << rule.step;
    return true;
}

struct sink_outcome sink_script_throw(const struct sink_script *s, enum sink_step step,
                                      struct random *dice)
{
    struct sink_outcome outcome = {.deed = SINK_USUAL};
    if ((s->steps >> step & 1) == 0)
        return outcome;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct sink_rule *rule = &s->rules[i];
        if (rule->step != step || random_unit(dice) >= rule->share)
            continue;
        outcome.delay_us += rule->delay_us;
        if (rule->deed == SINK_USUAL)
            continue;
        outcome.deed = rule->deed;
        bool has_text = rule->deed == SINK_REPLY || rule->deed == SINK_INJECT;
        outcome.reply = has_text ? rule->reply : NULL;
        break;
    }
    return outcome;
}
