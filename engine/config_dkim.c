// Sections `dkim`.

#include "engine/config_parts.h"

#include <stdlib.h>

static bool selector_is_repeated(const struct setting_texts *selectors)
{
    for (uint32_t i = 0; i < selectors->count; i++)
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(selectors->items[i], selectors->items[k]) == 0)
                return true;
    return false;
}

static bool store_dkim(struct config_dkim *d, struct cfg_t *section)
{
    static const struct setting domain = {.name = "dkim", .kind = SETTING_HOST};
    struct refusal reason;
    const char *fault = NULL;
    if (!setting_parse(&domain, slice_of_text(config_file_title(section)), d->domain, &reason))
        return config_file_complain(section, "%s", reason.text);
    config_file_store(CONFIG_DKIM, section, d);
    if (d->keys.count == 0 || d->selectors.count != d->keys.count)
        fault = "it takes a selector for each key, and one key at least";
    else if (selector_is_repeated(&d->selectors))
        fault = "two keys cannot have the same selector";
    for (uint32_t i = 0; i < d->selectors.count && !fault; i++)
        if (strlen(d->selectors.items[i]) > DKIM_SELECTOR_BYTES_MAX)
            fault = "a selector is longer than 63 bytes";
    return !fault ||
           config_file_complain(section, "dkim \"%s\": %s", config_file_title(section), fault);
}

static int compare_dkim(const void *a, const void *b)
{
    const struct config_dkim *left = a, *right = b;
    return strcmp(left->domain, right->domain);
}

static bool sort_dkim(struct config *c, struct cfg_t *file)
{
    qsort(c->dkim, c->dkim_count, sizeof(*c->dkim), compare_dkim);
    for (uint32_t i = 1; i < c->dkim_count; i++)
        if (compare_dkim(&c->dkim[i - 1], &c->dkim[i]) == 0)
            return config_file_complain(file, "dkim \"%s\" has more than one section",
                                        c->dkim[i].domain);
    return true;
}

// As with domains, all start from the default one.
bool config_store_dkim(struct config *c, struct cfg_t *file)
{
    unsigned count = config_file_count(file, "dkim");
    c->dkim = calloc(count + 1, sizeof(*c->dkim));
    if (!c->dkim)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (config_is_default(config_file_section(file, "dkim", i)))
            config_file_store(CONFIG_DKIM, config_file_section(file, "dkim", i), &c->dkim_default);
    for (unsigned i = 0; i < count; i++) {
        struct cfg_t *section = config_file_section(file, "dkim", i);
        struct config_dkim *d = &c->dkim[c->dkim_count];
        if (config_is_default(section))
            continue;
        *d = c->dkim_default;
        if (!store_dkim(d, section))
            return false;
        c->dkim_count++;
    }
    return sort_dkim(c, file);
}
