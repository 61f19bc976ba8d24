#include "engine/policy/rules_line.h"

#include "engine/base/units.h"

#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 2, 3))) static bool bad(char why[RULES_WHY_BYTES], const char *format,
                                                      ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, RULES_WHY_BYTES, format, args);
    va_end(args);
    return false;
}

static const struct {
    const char *word;
    enum smtp_phase phase;
} phase_words[] = {
    {"greeting", SMTP_PHASE_GREETING}, {"ehlo", SMTP_PHASE_EHLO}, {"mail", SMTP_PHASE_MAIL},
    {"rcpt", SMTP_PHASE_RCPT},         {"data", SMTP_PHASE_DATA}, {"content", SMTP_PHASE_CONTENT},
};

static bool read_phase(struct slice word, struct rules_line *l, char *why)
{
    for (size_t i = 0; i < sizeof(phase_words) / sizeof(phase_words[0]); i++)
        if (slice_equal(word, slice_of_text(phase_words[i].word))) {
            l->phases |= (uint16_t)(1u << phase_words[i].phase);
            if (phase_words[i].phase == SMTP_PHASE_EHLO) // what stands in for it, too
                l->phases |= 1u << SMTP_PHASE_HELO;
            return true;
        }
    return bad(why, "'%.*s' is no phase: greeting, ehlo, mail, rcpt, data or content",
               SLICE_ARG(word));
}

static bool read_code(struct slice word, struct rules_line *l, char *why)
{
    uint64_t code = 0;
    if (slice_equal(word, SLICE("4xx")) || slice_equal(word, SLICE("5xx")))
        code = (uint64_t)(word.data[0] - '0');
    else if (!slice_to_u64(word, 599, &code) || code < 400)
        return bad(why, "'%.*s' is no code of 400 to 599, nor 4xx or 5xx", SLICE_ARG(word));
    if (l->code_count == RULES_CODES_MAX)
        return bad(why, "more than %d codes", RULES_CODES_MAX);
    l->codes[l->code_count++] = (uint16_t)code;
    return true;
}

static bool read_number(struct slice word, uint16_t *ret)
{
    uint64_t number = RULES_ANY;
    bool is_ok = slice_equal(word, SLICE("x")) || slice_to_u64(word, 999, &number);
    *ret = (uint16_t)number;
    return is_ok;
}

static bool read_enhanced(struct slice word, struct rules_line *l, char *why)
{
    struct slice rest = word;
    uint16_t class, subject, detail;
    bool is_ok = read_number(slice_cut(&rest, '.'), &class);
    is_ok = is_ok && read_number(slice_cut(&rest, '.'), &subject) && read_number(rest, &detail);
    if (!is_ok || (class != 4 && class != 5 && class != RULES_ANY))
        return bad(why, "'%.*s' is no enhanced code, such as 5.1.1 or x.7.x", SLICE_ARG(word));
    if (l->enhanced_count == RULES_CODES_MAX)
        return bad(why, "more than %d enhanced codes", RULES_CODES_MAX);
    l->enhanced[l->enhanced_count++] = (struct enhanced_code){
        class == RULES_ANY ? UINT8_MAX : (uint8_t) class, subject, detail};
    return true;
}

static bool read_list(struct slice list, struct rules_line *l, char *why,
                      bool (*read_item)(struct slice, struct rules_line *, char *))
{
    do
        if (!read_item(slice_cut(&list, ','), l, why))
            return false;
    while (list.len > 0);
    return true;
}

static bool read_time(struct slice word, uint64_t *ret, char *why)
{
    uint64_t us;
    if (!units_parse_us(word, &us) || us == 0 || us > RULES_BACK_OFF_US_MAX)
        return bad(why, "'%.*s' is no time of up to seven days, such as 10m", SLICE_ARG(word));
    *ret = us;
    return true;
}

static bool read_word(struct slice word, struct rules_line *l, char *why)
{
    struct slice value = word;
    struct slice name = slice_cut(&value, '=');
    if (slice_equal(word, SLICE("later")) || slice_equal(word, SLICE("never"))) {
        if (l->meaning.turn != RULES_AS_SAID)
            return bad(why, "later or never stands here for the second time");
        l->meaning.turn = word.data[0] == 'l' ? RULES_LATER : RULES_NEVER;
        return true;
    }
    if (slice_equal(name, SLICE("phase")))
        return read_list(value, l, why, read_phase);
    if (slice_equal(name, SLICE("code")))
        return read_list(value, l, why, read_code);
    if (slice_equal(name, SLICE("enhanced")))
        return read_list(value, l, why, read_enhanced);
    if (slice_equal(name, SLICE("back-off")))
        return read_time(value, &l->meaning.back_off_us, why);
    if (slice_equal(name, SLICE("suspend")))
        return read_time(value, &l->meaning.suspend_us, why);
    return bad(why, "'%.*s' is neither condition nor action", SLICE_ARG(word));
}

// The pattern is cut off *line.
static bool read_pattern(struct slice *line, struct rules_line *l, char *why)
{
    size_t from = slice_find(*line, '/');
    if (from == line->len)
        return true;
    if (line->len - from < 3 || line->data[line->len - 1] != '/')
        return bad(why, "the pattern does not end: it stands between two slashes, at the line's "
                        "end");
    l->pattern = slice_make(line->data + from + 1, line->len - from - 2);
    *line = slice_take(*line, from);
    return true;
}

static struct slice next_word(struct slice *rest)
{
    *rest = slice_trim(*rest);
    size_t len = 0;
    while (len < rest->len && rest->data[len] != ' ' && rest->data[len] != '\t')
        len++;
    struct slice word = slice_take(*rest, len);
    *rest = slice_skip(*rest, len);
    return word;
}

static bool read_rule(struct slice line, struct rules_line *l, char *why)
{
    if (line.len > RULES_LINE_BYTES_MAX)
        return bad(why, "the line is longer than %u bytes", RULES_LINE_BYTES_MAX);
    if (!read_pattern(&line, l, why))
        return false;
    struct slice word = next_word(&line);
    if (!category_of_word(word, &l->meaning.category) || l->meaning.category == CATEGORY_NONE ||
        l->meaning.category == CATEGORY_SUPPRESSED)
        return bad(why, "'%.*s' is no category", SLICE_ARG(word));
    while ((word = next_word(&line)).len > 0)
        if (!read_word(word, l, why))
            return false;
    if (l->phases == 0 && l->code_count == 0 && l->enhanced_count == 0 && l->pattern.len == 0)
        return bad(why, "it has neither a condition nor a pattern");
    return true;
}

enum rules_line_kind rules_line_read(struct slice line, struct rules_line *ret,
                                     char why[RULES_WHY_BYTES])
{
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    line = slice_trim(line);
    *ret = (struct rules_line){.phases = 0};
    if (line.len == 0 || line.data[0] == '#')
        return RULES_LINE_EMPTY;
    return read_rule(line, ret, why) ? RULES_LINE_RULE : RULES_LINE_BAD;
}
