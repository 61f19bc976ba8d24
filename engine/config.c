#include "engine/config_parts.h"

#include <stdlib.h>

#define LISTEN_PORT_DEFAULT 25

static bool store_listener(struct config *c, struct cfg_t *section)
{
    struct slice title = slice_of_text(config_file_title(section));
    struct config_listener *l = &c->listeners[c->listener_count];
    if (c->listener_count == CONFIG_LISTENERS_MAX)
        return config_file_complain(section, "more than %d listeners", CONFIG_LISTENERS_MAX);
    if (!io_address_parse(title, LISTEN_PORT_DEFAULT, &l->address))
        return config_file_complain(
            section, "'%s' is no address, such as \"127.0.0.1:2525\" or \"unix:/run/x.sock\"",
            config_file_title(section));
    for (uint32_t i = 0; i < c->listener_count; i++)
        if (io_address_equal(&c->listeners[i].address, &l->address))
            return config_file_complain(section, "listen \"%s\" stands here for the second time",
                                        config_file_title(section));
    config_section_defaults(CONFIG_LISTEN, l);
    config_file_store(CONFIG_LISTEN, section, l);
    c->listener_count++;
    return true;
}

// The title is the folder. Two sections for one folder would take each other's files.
static bool store_pickup(struct config *c, struct cfg_t *section)
{
    static const struct setting dir = {.name = "pickup", .kind = SETTING_PATH};
    struct refusal reason;
    struct config_pickup *p = &c->pickups[c->pickup_count];
    if (c->pickup_count == CONFIG_PICKUPS_MAX)
        return config_file_complain(section, "more than %d pickup directories", CONFIG_PICKUPS_MAX);
    if (!setting_parse(&dir, slice_of_text(config_file_title(section)), p->dir, &reason))
        return config_file_complain(section, "pickup: %s", reason.text);
    for (size_t len = strlen(p->dir); len > 1 && p->dir[len - 1] == '/'; len--)
        p->dir[len - 1] = '\0';
    for (uint32_t i = 0; i < c->pickup_count; i++)
        if (strcmp(c->pickups[i].dir, p->dir) == 0)
            return config_file_complain(section, "pickup \"%s\" stands here for the second time",
                                        p->dir);
    config_section_defaults(CONFIG_PICKUP, p);
    config_file_store(CONFIG_PICKUP, section, p);
    c->pickup_count++;
    return true;
}

static bool store_file(struct config *c, struct cfg_t *file)
{
    for (int i = CONFIG_TOP; i < CONFIG_SECTION_COUNT; i++) {
        const struct config_section_table *table = &config_sections[i];
        if (!table->has_title)
            config_file_store((enum config_section)i,
                              i == CONFIG_TOP ? file : config_file_section(file, table->name, 0),
                              config_section_base(c, (enum config_section)i));
    }
    for (unsigned i = 0; i < config_file_count(file, "listen"); i++)
        if (!store_listener(c, config_file_section(file, "listen", i)))
            return false;
    for (unsigned i = 0; i < config_file_count(file, "pickup"); i++)
        if (!store_pickup(c, config_file_section(file, "pickup", i)))
            return false;
    return config_check_listeners(c, file) && config_store_sources(c, file) &&
           config_store_routes(c, file) && config_store_domains(c, file) &&
           config_store_dkim(c, file) && config_store_campaigns(c, file) &&
           config_store_sites(c, file);
}

static bool load_files(struct config *c, const char *path, struct refusal *why)
{
    return !path || (config_file_read(c, path, store_file, why) &&
                     (c->providers_file[0] == '\0' ||
                      config_file_read(c, c->providers_file, config_store_sites, why)));
}

struct config *config_load(const char *file_path, const struct config_place *place,
                           struct refusal *why)
{
    struct config *c = calloc(1, sizeof(*c));
    if (!c) {
        refuse(why, "out of memory");
        return NULL;
    }
    for (int i = CONFIG_TOP; i < CONFIG_SECTION_COUNT; i++)
        if (!config_sections[i].has_title)
            config_section_defaults((enum config_section)i,
                                    config_section_base(c, (enum config_section)i));
    config_section_defaults(CONFIG_DOMAIN, &c->limits.fallback);
    config_section_defaults(CONFIG_DKIM, &c->dkim_default);
    config_dkim_usual(&c->dkim_default);
    if (!load_files(c, file_path, why) || !config_place_defaults(c, place, why) ||
        !config_rules_load(c, why)) {
        config_free(c);
        return NULL;
    }
    return c;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    free(c->rules);
    if (c->routes) // passwords stand in them
        explicit_bzero(c->routes, c->route_count * sizeof(*c->routes));
    free(c->routes);
    free(c->tls.trusted_pem);
    free(c->sources);
    free(c->dkim);
    free(c->lists.rules);
    free(c->sites);
    rules_free(c->reply_rules);
    free(c);
}
