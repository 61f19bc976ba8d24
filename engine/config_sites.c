// Sections `site`, of the file and of the providers' file.

#include "engine/config_parts.h"

#include <stdlib.h>

static bool has_site(const struct config *c, const char *name)
{
    for (uint32_t i = 0; i < c->limits.site_count; i++)
        if (strcmp(c->sites[i].name, name) == 0)
            return true;
    return false;
}

static bool store_site(struct config *c, struct cfg_t *section)
{
    struct limits_site *s = &c->sites[c->limits.site_count];
    const char *name = config_file_title(section);
    if (c->limits.site_count == CONFIG_SITES_MAX)
        return config_file_complain(section, "more than %d sites", CONFIG_SITES_MAX);
    if (name[0] == '\0' || strlen(name) >= sizeof(s->name))
        return config_file_complain(section, "site: a name of 1 to %d bytes is wanted",
                                    SITE_NAME_BYTES - 1);
    *s = (struct limits_site){0};
    memcpy(s->name, name, strlen(name) + 1);
    config_section_defaults(CONFIG_SITE, s);
    config_file_store(CONFIG_SITE, section, s);
    if (s->mx.count == 0)
        return config_file_complain(
            section, "site \"%s\": mx says which hosts it has, and is missing", name);
    c->limits.site_count++;
    return true;
}

// A site that is known by this name already, from the file before, stays as it is.
bool config_store_sites(struct config *c, struct cfg_t *file)
{
    unsigned count = config_file_count(file, "site");
    struct limits_site *sites = reallocarray(c->sites, c->limits.site_count + count + 1u,
                                             sizeof(*sites));
    if (!sites)
        return false;
    c->sites = sites;
    c->limits.sites = sites;
    for (unsigned i = 0; i < count; i++) {
        struct cfg_t *section = config_file_section(file, "site", i);
        if (!has_site(c, config_file_title(section)) && !store_site(c, section))
            return false;
    }
    return true;
}
