// The configuration file, by libConfuse. It sees nothing but strings: each value is checked by
// setting_parse() as soon as it is read, so that a complaint names its line, and stored in a
// second pass that cannot fail.
#include "engine/config_settings.h"
#include "engine/config_text.h"

#include "engine/base/check.h"

#include <confuse.h>
#include <stdio.h>
#include <stdlib.h>

#define LISTEN_PORT_DEFAULT 25
#define SETTINGS_PER_SECTION_MAX 32

// --- complaints

// libConfuse has no place for the caller's data. What it says is kept where it keeps comments,
// which we do not ask it to read: in the section that it concerns, until find_error() comes by.
__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *section, const char *format,
                                                           va_list args)
{
    char *reason = NULL;
    if (section->comment || vasprintf(&reason, format, args) < 0)
        return;
    if (asprintf(&section->comment, "%d: %s", section->line, reason) < 0)
        section->comment = NULL;
    free(reason);
}

// "LINE: reason"
static const char *find_error(cfg_t *file)
{
    if (file->comment)
        return file->comment;
    for (int i = CONFIG_TOP + 1; i < CONFIG_SECTION_COUNT; i++) {
        cfg_opt_t *option = cfg_getopt(file, config_sections[i].name);
        for (unsigned at = 0; at < cfg_opt_size(option); at++)
            if (cfg_opt_getnsec(option, at)->comment)
                return cfg_opt_getnsec(option, at)->comment;
    }
    return " out of memory";
}

// --- while the file is read

static enum config_section section_named(const char *name)
{
    for (int i = CONFIG_TOP + 1; i < CONFIG_SECTION_COUNT; i++)
        if (strcmp(config_sections[i].name, name) == 0)
            return (enum config_section)i;
    return CONFIG_TOP; // libConfuse calls it "root"
}

static const struct setting *setting_named(enum config_section section, const char *name)
{
    const struct config_section_table *table = &config_sections[section];
    for (uint32_t i = 0; i < table->setting_count; i++)
        if (strcmp(table->settings[i].name, name) == 0)
            return &table->settings[i];
    return NULL;
}

// Is called after each value, and for lists after the last one again.
static int check_value(cfg_t *section, cfg_opt_t *option)
{
    union {
        char text[SETTING_TEXT_BYTES];
        struct setting_addresses addresses;
        struct setting_networks networks;
        struct route_hosts hosts;
        struct route_reply reply;
        struct retry_steps steps;
        struct setting_texts texts;
        struct dkim_names fields;
        struct mx_patterns patterns;
        struct rate_limits rates;
    } scratch = {.addresses.count = 0};
    struct refusal reason;
    const struct setting *s = setting_named(section_named(cfg_name(section)), cfg_opt_name(option));
    CHECK(s);
    for (unsigned i = 0; i < cfg_opt_size(option); i++) {
        struct slice text = slice_of_text(cfg_opt_getnstr(option, i));
        if (!setting_parse(s, text, &scratch, &reason)) {
            cfg_error(section, "%s: %s", s->name, reason.text);
            return -1;
        }
    }
    return 0;
}

static void make_options(enum config_section section, cfg_opt_t options[])
{
    const struct config_section_table *table = &config_sections[section];
    const cfg_opt_t end = CFG_END();
    CHECK(table->setting_count < SETTINGS_PER_SECTION_MAX);
    for (uint32_t i = 0; i < table->setting_count; i++) {
        const struct setting *s = &table->settings[i];
        cfg_opt_t one = CFG_STR(s->name, NULL, CFGF_NODEFAULT);
        cfg_opt_t list = CFG_STR_LIST(s->name, NULL, CFGF_NODEFAULT);
        options[i] = setting_is_list(s) ? list : one;
        options[i].validcb = check_value;
    }
    options[table->setting_count] = end;
}

// libConfuse's picture of all sections; it copies what it is given.
static cfg_t *make_file(void)
{
    cfg_opt_t inner[CONFIG_SECTION_COUNT][SETTINGS_PER_SECTION_MAX];
    cfg_opt_t top[SETTINGS_PER_SECTION_MAX + CONFIG_SECTION_COUNT];
    const cfg_opt_t end = CFG_END();
    make_options(CONFIG_TOP, top);
    uint32_t count = config_sections[CONFIG_TOP].setting_count;
    for (int i = CONFIG_TOP + 1; i < CONFIG_SECTION_COUNT; i++) {
        const struct config_section_table *table = &config_sections[i];
        cfg_flag_t flags = table->has_title ? CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES : 0;
        make_options((enum config_section)i, inner[i]);
        const cfg_opt_t section = CFG_SEC(table->name, inner[i], flags);
        top[count++] = section;
    }
    top[count] = end;
    return cfg_init(top, CFGF_NONE);
}

static bool parse_file(cfg_t *file, const char *path, struct refusal *why)
{
    char *text = config_text_read(path, why);
    FILE *stream = text ? fmemopen(text, strlen(text), "r") : NULL;
    bool is_ok = stream && cfg_parse_fp(file, stream) == CFG_SUCCESS;
    if (text && !is_ok)
        refuse(why, "%s:%s", path, find_error(file));
    if (stream)
        fclose(stream);
    free(text);
    return is_ok;
}

// --- when the file has been read

// Stores what the section of the file says into the struct at `base`; the rest stays as it is.
static void store_section(enum config_section section, cfg_t *from, void *base)
{
    const struct config_section_table *table = &config_sections[section];
    struct refusal reason;
    for (uint32_t i = 0; i < table->setting_count; i++) {
        const struct setting *s = &table->settings[i];
        cfg_opt_t *option = cfg_getopt(from, s->name);
        if (setting_is_list(s) && cfg_opt_size(option) > 0)
            setting_clear_list(s, setting_at(s, base));
        for (unsigned at = 0; at < cfg_opt_size(option); at++) {
            struct slice text = slice_of_text(cfg_opt_getnstr(option, at));
            CHECK(setting_parse(s, text, setting_at(s, base), &reason)); // check_value() saw to it
        }
    }
}

static bool store_listener(struct config *c, cfg_t *section)
{
    struct slice title = slice_of_text(cfg_title(section));
    struct config_listener *l = &c->listeners[c->listener_count];
    if (c->listener_count == CONFIG_LISTENERS_MAX) {
        cfg_error(section, "more than %d listeners", CONFIG_LISTENERS_MAX);
        return false;
    }
    if (!io_address_parse(title, LISTEN_PORT_DEFAULT, &l->address)) {
        cfg_error(section, "'%s' is no address, such as \"127.0.0.1:2525\" or \"unix:/run/x.sock\"",
                  cfg_title(section));
        return false;
    }
    for (uint32_t i = 0; i < c->listener_count; i++)
        if (io_address_equal(&c->listeners[i].address, &l->address)) {
            cfg_error(section, "listen \"%s\" stands here for the second time", cfg_title(section));
            return false;
        }
    config_section_defaults(CONFIG_LISTEN, l);
    store_section(CONFIG_LISTEN, section, l);
    c->listener_count++;
    return true;
}

// The title is the folder. Two sections for one folder would take each other's files.
static bool store_pickup(struct config *c, cfg_t *section)
{
    static const struct setting dir = {.name = "pickup", .kind = SETTING_PATH};
    struct refusal reason;
    struct config_pickup *p = &c->pickups[c->pickup_count];
    if (c->pickup_count == CONFIG_PICKUPS_MAX) {
        cfg_error(section, "more than %d pickup directories", CONFIG_PICKUPS_MAX);
        return false;
    }
    if (!setting_parse(&dir, slice_of_text(cfg_title(section)), p->dir, &reason)) {
        cfg_error(section, "pickup: %s", reason.text);
        return false;
    }
    for (size_t len = strlen(p->dir); len > 1 && p->dir[len - 1] == '/'; len--)
        p->dir[len - 1] = '\0';
    for (uint32_t i = 0; i < c->pickup_count; i++)
        if (strcmp(c->pickups[i].dir, p->dir) == 0) {
            cfg_error(section, "pickup \"%s\" stands here for the second time", p->dir);
            return false;
        }
    config_section_defaults(CONFIG_PICKUP, p);
    store_section(CONFIG_PICKUP, section, p);
    c->pickup_count++;
    return true;
}

static int compare_routes(const void *a, const void *b)
{
    const struct route *left = a, *right = b;
    return strcmp(left->name, right->name);
}

// What it does follows from what it has.
static bool route_complete(struct route *r, cfg_t *section)
{
    bool fails = r->fail.code != 0;
    bool has_hosts = r->hosts.count > 0;
    if (fails == has_hosts) {
        cfg_error(section, "route \"%s\" %s", r->name,
                  fails ? "has hosts, and fails all the same" : "has neither host nor fail");
        return false;
    }
    if (r->lookup == ROUTE_LOOKUP_MX && (r->hosts.count != 1 || r->hosts.items[0].name[0] == '[')) {
        cfg_error(section, "route \"%s\": lookup = \"mx\" wants one host, a name", r->name);
        return false;
    }
    r->kind = fails ? ROUTE_FAIL : r->lookup == ROUTE_LOOKUP_MX ? ROUTE_EXCHANGERS : ROUTE_HOSTS;
    return true;
}

static bool store_route(struct route *r, cfg_t *section)
{
    static const struct setting name = {.name = "route", .kind = SETTING_ROUTE};
    struct refusal reason;
    if (!setting_parse(&name, slice_of_text(cfg_title(section)), r->name, &reason)) {
        cfg_error(section, "route: %s", reason.text);
        return false;
    }
    if (r->name[0] == '\0' || strcmp(r->name, "mx") == 0 || strcmp(r->name, "null") == 0) {
        cfg_error(section, "route \"%s\": this name has a meaning of its own", r->name);
        return false;
    }
    config_section_defaults(CONFIG_ROUTE, r);
    store_section(CONFIG_ROUTE, section, r);
    return route_complete(r, section);
}

static bool store_routes(struct config *c, cfg_t *file)
{
    unsigned count = cfg_size(file, "route");
    if (count > CONFIG_ROUTES_MAX) {
        cfg_error(file, "more than %d routes", CONFIG_ROUTES_MAX);
        return false;
    }
    c->routes = calloc(count + 1, sizeof(*c->routes));
    if (!c->routes)
        return false;
    for (; c->route_count < count; c->route_count++)
        if (!store_route(&c->routes[c->route_count], cfg_getnsec(file, "route", c->route_count)))
            return false;
    qsort(c->routes, c->route_count, sizeof(*c->routes), compare_routes);
    return true;
}

// Names become routes once all of these stand where they stay.
static bool find_route(const struct config *c, struct limits *l, cfg_t *section)
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
    if (!l->route)
        cfg_error(section, "via: '%s' is not known: it is \"mx\" or \"null\" or a route's name",
                  l->via);
    return l->route != NULL;
}

static bool says(cfg_t *section, const char *name)
{
    return cfg_size(section, name) > 0;
}

static bool store_limits(const struct config *c, struct limits *l, cfg_t *section)
{
    // Whoever says how delays grow does not want the list that he inherits.
    if (says(section, "retry-first") || says(section, "retry-max") || says(section, "retry-growth"))
        l->retry.steps.count = 0;
    store_section(CONFIG_DOMAIN, section, l);
    if (!find_route(c, l, section))
        return false;
    if (l->retry.delay_us_first > l->retry.delay_us_max) {
        cfg_error(section, "domain \"%s\": retry-first is longer than retry-max",
                  cfg_title(section));
        return false;
    }
    return true;
}

static bool store_rule(const struct config *c, struct limits_rule *rule, cfg_t *section)
{
    static const struct setting domain = {.name = "domain", .kind = SETTING_HOST};
    struct refusal reason;
    if (!setting_parse(&domain, slice_of_text(cfg_title(section)), rule->domain, &reason)) {
        cfg_error(section, "%s", reason.text);
        return false;
    }
    return store_limits(c, &rule->limits, section);
}

static int compare_rules(const void *a, const void *b)
{
    const struct limits_rule *left = a, *right = b;
    return strcmp(left->domain, right->domain);
}

static bool sort_rules(struct config *c, cfg_t *file)
{
    qsort(c->rules, c->limits.rule_count, sizeof(*c->rules), compare_rules);
    for (uint32_t i = 1; i < c->limits.rule_count; i++)
        if (compare_rules(&c->rules[i - 1], &c->rules[i]) == 0) {
            cfg_error(file, "domain \"%s\" has more than one section", c->rules[i].domain);
            return false;
        }
    return true;
}

static bool is_default(cfg_t *section)
{
    return strcmp(cfg_title(section), CONFIG_DOMAIN_DEFAULT) == 0;
}

// Every domain starts from the default one, wherever that stands in the file.
static bool store_domains(struct config *c, cfg_t *file)
{
    unsigned count = cfg_size(file, "domain");
    c->rules = calloc(count + 1, sizeof(*c->rules));
    c->limits.rules = c->rules;
    if (!c->rules)
        return false;
    for (unsigned i = 0; i < count; i++) {
        cfg_t *section = cfg_getnsec(file, "domain", i);
        if (is_default(section) && !store_limits(c, &c->limits.fallback, section))
            return false;
    }
    for (unsigned i = 0; i < count; i++) {
        cfg_t *section = cfg_getnsec(file, "domain", i);
        struct limits_rule *rule = &c->rules[c->limits.rule_count];
        if (is_default(section))
            continue;
        rule->limits = c->limits.fallback;
        if (!store_rule(c, rule, section))
            return false;
        c->limits.rule_count++;
    }
    return sort_rules(c, file);
}

// --- dkim

static bool selector_is_repeated(const struct setting_texts *selectors)
{
    for (uint32_t i = 0; i < selectors->count; i++)
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(selectors->items[i], selectors->items[k]) == 0)
                return true;
    return false;
}

static bool store_dkim(struct config_dkim *d, cfg_t *section)
{
    static const struct setting domain = {.name = "dkim", .kind = SETTING_HOST};
    struct refusal reason;
    const char *fault = NULL;
    if (!setting_parse(&domain, slice_of_text(cfg_title(section)), d->domain, &reason)) {
        cfg_error(section, "%s", reason.text);
        return false;
    }
    store_section(CONFIG_DKIM, section, d);
    if (d->keys.count == 0 || d->selectors.count != d->keys.count)
        fault = "it takes a selector for each key, and one key at least";
    else if (selector_is_repeated(&d->selectors))
        fault = "two keys cannot have the same selector";
    for (uint32_t i = 0; i < d->selectors.count && !fault; i++)
        if (strlen(d->selectors.items[i]) > DKIM_SELECTOR_BYTES_MAX)
            fault = "a selector is longer than 63 bytes";
    if (fault)
        cfg_error(section, "dkim \"%s\": %s", cfg_title(section), fault);
    return !fault;
}

static int compare_dkim(const void *a, const void *b)
{
    const struct config_dkim *left = a, *right = b;
    return strcmp(left->domain, right->domain);
}

static bool sort_dkim(struct config *c, cfg_t *file)
{
    qsort(c->dkim, c->dkim_count, sizeof(*c->dkim), compare_dkim);
    for (uint32_t i = 1; i < c->dkim_count; i++)
        if (compare_dkim(&c->dkim[i - 1], &c->dkim[i]) == 0) {
            cfg_error(file, "dkim \"%s\" has more than one section", c->dkim[i].domain);
            return false;
        }
    return true;
}

// As with domains, all start from the default one.
static bool store_all_dkim(struct config *c, cfg_t *file)
{
    unsigned count = cfg_size(file, "dkim");
    c->dkim = calloc(count + 1, sizeof(*c->dkim));
    if (!c->dkim)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (is_default(cfg_getnsec(file, "dkim", i)))
            store_section(CONFIG_DKIM, cfg_getnsec(file, "dkim", i), &c->dkim_default);
    for (unsigned i = 0; i < count; i++) {
        cfg_t *section = cfg_getnsec(file, "dkim", i);
        struct config_dkim *d = &c->dkim[c->dkim_count];
        if (is_default(section))
            continue;
        *d = c->dkim_default;
        if (!store_dkim(d, section))
            return false;
        c->dkim_count++;
    }
    return sort_dkim(c, file);
}

static bool has_site(const struct config *c, const char *name)
{
    for (uint32_t i = 0; i < c->limits.site_count; i++)
        if (strcmp(c->sites[i].name, name) == 0)
            return true;
    return false;
}

static bool store_site(struct config *c, cfg_t *section)
{
    struct limits_site *s = &c->sites[c->limits.site_count];
    const char *name = cfg_title(section);
    if (c->limits.site_count == CONFIG_SITES_MAX) {
        cfg_error(section, "more than %d sites", CONFIG_SITES_MAX);
        return false;
    }
    if (name[0] == '\0' || strlen(name) >= sizeof(s->name)) {
        cfg_error(section, "site: a name of 1 to %d bytes is wanted", SITE_NAME_BYTES - 1);
        return false;
    }
    *s = (struct limits_site){0};
    memcpy(s->name, name, strlen(name) + 1);
    config_section_defaults(CONFIG_SITE, s);
    store_section(CONFIG_SITE, section, s);
    if (s->mx.count == 0) {
        cfg_error(section, "site \"%s\": mx says which hosts it has, and is missing", name);
        return false;
    }
    c->limits.site_count++;
    return true;
}

// A site that is known by this name already, from the file before, stays as it is.
static bool store_sites(struct config *c, cfg_t *file)
{
    unsigned count = cfg_size(file, "site");
    struct limits_site *sites = reallocarray(c->sites, c->limits.site_count + count + 1u,
                                             sizeof(*sites));
    if (!sites)
        return false;
    c->sites = sites;
    c->limits.sites = sites;
    for (unsigned i = 0; i < count; i++) {
        cfg_t *section = cfg_getnsec(file, "site", i);
        if (!has_site(c, cfg_title(section)) && !store_site(c, section))
            return false;
    }
    return true;
}

static bool store_file(struct config *c, cfg_t *file)
{
    for (int i = CONFIG_TOP; i < CONFIG_SECTION_COUNT; i++) {
        const struct config_section_table *table = &config_sections[i];
        if (!table->has_title)
            store_section((enum config_section)i,
                          i == CONFIG_TOP ? file : cfg_getsec(file, table->name),
                          config_section_base(c, (enum config_section)i));
    }
    for (unsigned i = 0; i < cfg_size(file, "listen"); i++)
        if (!store_listener(c, cfg_getnsec(file, "listen", i)))
            return false;
    for (unsigned i = 0; i < cfg_size(file, "pickup"); i++)
        if (!store_pickup(c, cfg_getnsec(file, "pickup", i)))
            return false;
    return store_routes(c, file) && store_domains(c, file) && store_all_dkim(c, file) &&
           store_sites(c, file);
}

// What such a file says goes where `store` puts it.
static bool load_file(struct config *c, const char *path,
                      bool (*store)(struct config *c, cfg_t *file), struct refusal *why)
{
    cfg_t *file = make_file();
    if (!file) {
        refuse(why, "%s: out of memory", path);
        return false;
    }
    cfg_set_error_function(file, on_error);
    bool is_ok = parse_file(file, path, why);
    if (is_ok && !store(c, file)) {
        refuse(why, "%s:%s", path, find_error(file));
        is_ok = false;
    }
    cfg_free(file);
    return is_ok;
}

static bool load_files(struct config *c, const char *path, struct refusal *why)
{
    return !path ||
           (load_file(c, path, store_file, why) &&
            (c->providers_file[0] == '\0' || load_file(c, c->providers_file, store_sites, why)));
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
    free(c->routes);
    free(c->dkim);
    free(c->sites);
    rules_free(c->reply_rules);
    free(c);
}
