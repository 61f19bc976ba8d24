// Sections `domain`: limits, each a copy of the default with what it says itself.

#include "engine/config_parts.h"

#include <stdlib.h>

static bool says(struct cfg_t *section, const char *name)
{
    return config_file_count(section, name) > 0;
}

static bool store_limits(const struct config *c, struct limits *l, struct cfg_t *section)
{
    // Whoever says how delays grow does not want the list that he inherits.
    if (says(section, "retry-first") || says(section, "retry-max") || says(section, "retry-growth"))
        l->retry.steps.count = 0;
    config_file_store(CONFIG_DOMAIN, section, l);
    if (!config_find_route(c, l, section) || !config_find_sources(c, &l->sources, section))
        return false;
    if (l->retry.delay_us_first > l->retry.delay_us_max)
        return config_file_complain(section, "domain \"%s\": retry-first is longer than retry-max",
                                    config_file_title(section));
    return true;
}

static bool store_rule(const struct config *c, struct limits_rule *rule, struct cfg_t *section)
{
    static const struct setting domain = {.name = "domain", .kind = SETTING_HOST};
    struct refusal reason;
    if (!setting_parse(&domain, slice_of_text(config_file_title(section)), rule->domain, &reason))
        return config_file_complain(section, "%s", reason.text);
    return store_limits(c, &rule->limits, section);
}

static int compare_rules(const void *a, const void *b)
{
    const struct limits_rule *left = a, *right = b;
    return strcmp(left->domain, right->domain);
}

static bool sort_rules(struct config *c, struct cfg_t *file)
{
    qsort(c->rules, c->limits.rule_count, sizeof(*c->rules), compare_rules);
    for (uint32_t i = 1; i < c->limits.rule_count; i++)
        if (compare_rules(&c->rules[i - 1], &c->rules[i]) == 0)
            return config_file_complain(file, "domain \"%s\" has more than one section",
                                        c->rules[i].domain);
    return true;
}

// Every domain starts from the default one, wherever that stands in the file.
bool config_store_domains(struct config *c, struct cfg_t *file)
{
    unsigned count = config_file_count(file, "domain");
    c->rules = calloc(count + 1, sizeof(*c->rules));
    c->limits.rules = c->rules;
    if (!c->rules)
        return false;
    for (unsigned i = 0; i < count; i++) {
        struct cfg_t *section = config_file_section(file, "domain", i);
        if (config_is_default(section) && !store_limits(c, &c->limits.fallback, section))
            return false;
    }
    for (unsigned i = 0; i < count; i++) {
        struct cfg_t *section = config_file_section(file, "domain", i);
        struct limits_rule *rule = &c->rules[c->limits.rule_count];
        if (config_is_default(section))
            continue;
        rule->limits = c->limits.fallback;
        if (!store_rule(c, rule, section))
            return false;
        c->limits.rule_count++;
    }
    return sort_rules(c, file);
}
