#define PCRE2_CODE_UNIT_WIDTH 8
#include "engine/policy/rules_line.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

#define NESTING_MAX 50u         // of groups in a pattern
#define HEAP_KIBIBYTES_MAX 256u // of one match, where there is no JIT

struct rule {
    struct rules_line line; // its pattern has been compiled, and is gone
    pcre2_code *code;       // NULL: any text
};

struct rules {
    uint32_t count;
    struct rule items[];
};

// --- making

static bool explain(char why[RULES_WHY_BYTES], int error, size_t at)
{
    char text[RULES_WHY_BYTES / 2] = "";
    pcre2_get_error_message(error, (PCRE2_UCHAR *)text, sizeof(text));
    snprintf(why, RULES_WHY_BYTES, "the pattern, at its byte %zu: %s", at + 1, text);
    return false;
}

// What can go back to what it matched before has no bound worth having: no back references, no
// recursion.
static bool is_bounded(const pcre2_code *code)
{
    uint32_t reference_max = 0;
    pcre2_pattern_info(code, PCRE2_INFO_BACKREFMAX, &reference_max);
    return reference_max == 0;
}

static bool compile(struct slice pattern, pcre2_compile_context *context, pcre2_code **ret,
                    char why[RULES_WHY_BYTES])
{
    int error;
    size_t at;
    *ret = pcre2_compile((PCRE2_SPTR)pattern.data, pattern.len,
                         PCRE2_CASELESS | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C |
                             PCRE2_NEVER_UTF,
                         &error, &at, context);
    if (!*ret)
        return explain(why, error, at);
    if (!is_bounded(*ret)) {
        snprintf(why, RULES_WHY_BYTES, "the pattern has a back reference");
        return false;
    }
    // Where it cannot be had, or memory must not become code, the pattern is interpreted.
    (void)pcre2_jit_compile(*ret, PCRE2_JIT_COMPLETE);
    return true;
}

static bool add_line(struct rules *r, struct slice line, pcre2_compile_context *context,
                     char why[RULES_WHY_BYTES])
{
    struct rule *rule = &r->items[r->count];
    *rule = (struct rule){.code = NULL};
    switch (rules_line_read(line, &rule->line, why)) {
    case RULES_LINE_EMPTY: return true;
    case RULES_LINE_BAD: return false;
    case RULES_LINE_RULE: break;
    }
    r->count++;
    bool is_ok = rule->line.pattern.len == 0 ||
                 compile(rule->line.pattern, context, &rule->code, why);
    rule->line.pattern = SLICE_EMPTY;
    return is_ok;
}

static bool add_lines(struct rules *r, struct slice text, pcre2_compile_context *context,
                      char why[RULES_WHY_BYTES], uint32_t *ret_line)
{
    for (*ret_line = 1; text.len > 0; (*ret_line)++)
        if (!add_line(r, slice_cut(&text, '\n'), context, why))
            return false;
    return true;
}

static uint32_t line_count(struct slice text)
{
    uint32_t count = 0;
    for (; text.len > 0; count++)
        slice_cut(&text, '\n');
    return count;
}

struct rules *rules_new(struct slice text, struct slice behind, char why[RULES_WHY_BYTES],
                        uint32_t *ret_line)
{
    uint32_t line_behind, count = line_count(text) + line_count(behind);
    *ret_line = 0;
    if (text.len > RULES_FILE_BYTES_MAX || count > RULES_MAX) {
        snprintf(why, RULES_WHY_BYTES, "more than %u bytes or %u lines", RULES_FILE_BYTES_MAX,
                 RULES_MAX);
        return NULL;
    }
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    struct rules *r = malloc(sizeof(*r) + count * sizeof(r->items[0]));
    if (r)
        r->count = 0;
    if (!r || !context) {
        snprintf(why, RULES_WHY_BYTES, "not enough memory");
        goto fail;
    }
    pcre2_set_parens_nest_limit(context, NESTING_MAX);
    if (!add_lines(r, text, context, why, ret_line) ||
        !add_lines(r, behind, context, why, &line_behind))
        goto fail;
    pcre2_compile_context_free(context);
    return r;
fail:
    pcre2_compile_context_free(context);
    rules_free(r);
    return NULL;
}

void rules_free(struct rules *r)
{
    for (uint32_t i = 0; r && i < r->count; i++)
        pcre2_code_free(r->items[i].code);
    free(r);
}

uint32_t rules_count(const struct rules *r)
{
    return r->count;
}

// --- asking

bool rules_reader_init(struct rules_reader *r, const struct rules *rules)
{
    *r = (struct rules_reader){.rules = rules};
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    r->match_data = data;
    r->match_context = context;
    if (!data || !context) {
        rules_reader_release(r);
        return false;
    }
    pcre2_set_match_limit(context, RULES_STEPS_MAX);
    pcre2_set_depth_limit(context, RULES_STEPS_MAX);
    pcre2_set_heap_limit(context, HEAP_KIBIBYTES_MAX);
    return true;
}

void rules_reader_release(struct rules_reader *r)
{
    pcre2_match_data_free(r->match_data);
    pcre2_match_context_free(r->match_context);
    *r = (struct rules_reader){.rules = NULL};
}

static bool has_code(const struct rules_line *l, uint16_t code)
{
    bool has = l->code_count == 0;
    for (uint32_t i = 0; !has && i < l->code_count; i++)
        has = l->codes[i] == code || l->codes[i] == code / 100;
    return has;
}

static bool enhanced_fits(const struct enhanced_code *want, struct enhanced_code e)
{
    return e.class != 0 && (want->class == UINT8_MAX || want->class == e.class) &&
           (want->subject == RULES_ANY || want->subject == e.subject) &&
           (want->detail == RULES_ANY || want->detail == e.detail);
}

static bool has_enhanced(const struct rules_line *l, struct enhanced_code e)
{
    bool has = l->enhanced_count == 0;
    for (uint32_t i = 0; !has && i < l->enhanced_count; i++)
        has = enhanced_fits(&l->enhanced[i], e);
    return has;
}

// A match that took too many steps is none.
static bool has_pattern(const struct rules_reader *r, const struct rule *rule, struct slice text)
{
    return !rule->code || pcre2_match(rule->code, (PCRE2_SPTR)text.data, text.len, 0, 0,
                                      r->match_data, r->match_context) >= 0;
}

// Where a reply goes on in another line ("try / again") a pattern sees one blank.
static struct slice join_lines(struct slice text, char to[REPLY_TEXT_BYTES_MAX])
{
    size_t len = 0;
    text = slice_take(text, REPLY_TEXT_BYTES_MAX);
    while (text.len > 0) {
        bool joint = slice_starts(text, SLICE(" / "));
        char c = text.data[0];
        text = slice_skip(text, joint ? 2 : 1);
        if (joint || (c == ' ' && len > 0 && to[len - 1] == ' '))
            continue;
        to[len++] = c;
    }
    return slice_make(to, len);
}

struct reply_meaning rules_look_up(const struct rules_reader *r, enum smtp_phase phase,
                                   uint16_t code, struct enhanced_code enhanced, struct slice text)
{
    char joined[REPLY_TEXT_BYTES_MAX];
    bool asks = r->rules && (code / 100 == 4 || code / 100 == 5);
    if (asks)
        text = join_lines(text, joined);
    for (uint32_t i = 0; asks && i < r->rules->count; i++) {
        const struct rule *rule = &r->rules->items[i];
        const struct rules_line *l = &rule->line;
        if ((l->phases == 0 || (l->phases & 1u << phase)) && has_code(l, code) &&
            has_enhanced(l, enhanced) && has_pattern(r, rule, text))
            return l->meaning;
    }
    return (struct reply_meaning){.category = category_of_codes(phase, code, enhanced)};
}
