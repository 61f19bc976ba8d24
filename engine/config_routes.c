// Sections `route`, and the routes that domains name.

#include "engine/config_parts.h"

#include <stdlib.h>

static int compare_routes(const void *a, const void *b)
{
    const struct route *left = a, *right = b;
    return strcmp(left->name, right->name);
}

// What it does follows from what it has.
static bool route_complete(struct route *r, struct cfg_t *section)
{
    bool fails = r->fail.code != 0;
    bool has_hosts = r->hosts.count > 0;
    if (fails == has_hosts)
        return config_file_complain(section, "route \"%s\" %s", r->name,
                                    fails ? "has hosts, and fails all the same"
                                          : "has neither host nor fail");
    for (uint32_t i = 0; i < r->hosts.count && r->lookup == ROUTE_LOOKUP_MX; i++)
        if (r->hosts.items[i].name[0] == '[')
            return config_file_complain(
                section, "route \"%s\": lookup = \"mx\" wants names of hosts", r->name);
    if (route_has_login(r) != (r->login.password_file[0] != '\0') || (fails && route_has_login(r)))
        return config_file_complain(
            section, "route \"%s\": user and password-file go together, and with a host", r->name);
    if (route_has_login(r) && r->lookup == ROUTE_LOOKUP_MX)
        return config_file_complain(
            section, "route \"%s\": a password is for hosts that are named, not looked up",
            r->name);
    r->kind = fails ? ROUTE_FAIL : r->lookup == ROUTE_LOOKUP_MX ? ROUTE_EXCHANGERS : ROUTE_HOSTS;
    return true;
}

static bool store_route(const struct config *c, struct route *r, struct cfg_t *section)
{
    static const struct setting name = {.name = "route", .kind = SETTING_ROUTE};
    struct refusal reason;
    if (!setting_parse(&name, slice_of_text(config_file_title(section)), r->name, &reason))
        return config_file_complain(section, "route: %s", reason.text);
    if (r->name[0] == '\0' || strcmp(r->name, "mx") == 0 || strcmp(r->name, "null") == 0)
        return config_file_complain(section, "route \"%s\": this name has a meaning of its own",
                                    r->name);
    config_section_defaults(CONFIG_ROUTE, r);
    config_file_store(CONFIG_ROUTE, section, r);
    return config_find_sources(c, &r->limits.sources, section) && route_complete(r, section);
}

bool config_store_routes(struct config *c, struct cfg_t *file)
{
    unsigned count = config_file_count(file, "route");
    if (count > CONFIG_ROUTES_MAX)
        return config_file_complain(file, "more than %d routes", CONFIG_ROUTES_MAX);
    c->routes = calloc(count + 1, sizeof(*c->routes));
    if (!c->routes)
        return false;
    for (; c->route_count < count; c->route_count++)
        if (!store_route(c, &c->routes[c->route_count],
                         config_file_section(file, "route", c->route_count)))
            return false;
    qsort(c->routes, c->route_count, sizeof(*c->routes), compare_routes);
    return true;
}

bool config_find_route(const struct config *c, struct limits *l, struct cfg_t *section)
{
    struct route wanted;
    memcpy(wanted.name, l->via, sizeof(wanted.name));
    l->route = NULL;
    if (strcmp(l->via, "mx") == 0)
        return true;
    if (strcmp(l->via, route_null.name) == 0)
        l->route = &route_null;
    else if (c->route_count > 0)
        l->route = bsearch(&wanted, c->routes, c->route_count, sizeof(wanted), compare_routes);
    return l->route ||
           config_file_complain(
               section, "via: '%s' is not known: it is \"mx\" or \"null\" or a route's name",
               l->via);
}
