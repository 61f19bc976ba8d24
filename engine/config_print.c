#include "engine/config_settings.h"

#include <stdio.h>

// One line a setting. What has no value (a list without items, no user) is left out: reading it
// back finds the same nothing.
static bool print_setting(const struct setting *s, const void *base, const char *indent,
                          struct buffer *out)
{
    const void *value = (const char *)base + s->offset;
    switch (s->kind) {
    case SETTING_HOST:
    case SETTING_USER:
    case SETTING_PATH:
    case SETTING_TEXT:
    case SETTING_OUTPUT:
    case SETTING_LIST_URIS:
        if (*(const char *)value == '\0')
            return true;
        break;
    case SETTING_ADDRESSES:
    case SETTING_NETWORKS:
    case SETTING_DURATIONS:
    case SETTING_HOSTS:
    case SETTING_PATHS:
    case SETTING_SELECTORS:
    case SETTING_FIELDS:
    case SETTING_WORDS:
        if (*(const uint32_t *)value == 0) // the count comes first in all of them
            return true;
        break;
    case SETTING_REPLY:
        if (((const struct route_reply *)value)->code == 0)
            return true;
        break;
    case SETTING_ROUTE:
    case SETTING_FACTOR:
    case SETTING_COUNT:
    case SETTING_SIZE:
    case SETTING_DURATION:
    case SETTING_YES_NO:
    case SETTING_WORD:
    case SETTING_PRIORITY:
    case SETTING_MODE:
    case SETTING_PATTERNS:
    case SETTING_RATES:
    case SETTING_LOCALS:
    case SETTING_SOURCES: break;
    }
    return buffer_printf(out, "%s%s = ", indent, s->name) && setting_print(s, value, out) &&
           buffer_append_byte(out, '\n');
}

static bool print_settings(enum config_section section, const void *base, const char *indent,
                           struct buffer *out)
{
    const struct config_section_table *table = &config_sections[section];
    for (uint32_t i = 0; i < table->setting_count; i++)
        if (!print_setting(&table->settings[i], base, indent, out))
            return false;
    return true;
}

// `title`: empty for a section that has none.
static bool print_section(enum config_section section, struct slice title, const void *base,
                          struct buffer *out)
{
    return buffer_printf(out, "\n%s ", config_sections[section].name) &&
           (title.len == 0 || (setting_print_quoted(title, out) && buffer_append_byte(out, ' '))) &&
           buffer_append(out, SLICE("{\n")) && print_settings(section, base, "    ", out) &&
           buffer_append(out, SLICE("}\n"));
}

static bool print_listeners(const struct config *c, struct buffer *out)
{
    char text[IO_ADDRESS_TEXT_BYTES];
    for (uint32_t i = 0; i < c->listener_count; i++) {
        const struct config_listener *l = &c->listeners[i];
        struct slice title = slice_of_text(io_address_print(&l->address, text));
        if (!print_section(CONFIG_LISTEN, title, l, out))
            return false;
    }
    return true;
}

static bool print_pickups(const struct config *c, struct buffer *out)
{
    for (uint32_t i = 0; i < c->pickup_count; i++) {
        const struct config_pickup *p = &c->pickups[i];
        if (!print_section(CONFIG_PICKUP, slice_of_text(p->dir), p, out))
            return false;
    }
    return true;
}

static bool print_routes(const struct config *c, struct buffer *out)
{
    for (uint32_t i = 0; i < c->route_count; i++)
        if (!print_section(CONFIG_ROUTE, slice_of_text(c->routes[i].name), &c->routes[i], out))
            return false;
    return true;
}

static bool print_sources(const struct config *c, struct buffer *out)
{
    for (uint32_t i = 0; i < c->source_count; i++)
        if (!print_section(CONFIG_SOURCE, slice_of_text(c->sources[i].source.name), &c->sources[i],
                           out))
            return false;
    return true;
}

static bool print_domains(const struct config *c, struct buffer *out)
{
    if (!print_section(CONFIG_DOMAIN, SLICE(CONFIG_DOMAIN_DEFAULT), &c->limits.fallback, out))
        return false;
    for (uint32_t i = 0; i < c->limits.rule_count; i++) {
        const struct limits_rule *rule = &c->rules[i];
        if (!print_section(CONFIG_DOMAIN, slice_of_text(rule->domain), &rule->limits, out))
            return false;
    }
    return true;
}

// The default one says nothing where no domain's mail is signed.
static bool print_dkim(const struct config *c, struct buffer *out)
{
    if (c->dkim_count > 0 &&
        !print_section(CONFIG_DKIM, SLICE(CONFIG_DOMAIN_DEFAULT), &c->dkim_default, out))
        return false;
    for (uint32_t i = 0; i < c->dkim_count; i++)
        if (!print_section(CONFIG_DKIM, slice_of_text(c->dkim[i].domain), &c->dkim[i], out))
            return false;
    return true;
}

static bool print_campaigns(const struct config *c, struct buffer *out)
{
    for (uint32_t i = 0; i < c->lists.count; i++) {
        const struct list_rule *rule = &c->lists.rules[i];
        if (!print_section(CONFIG_CAMPAIGN, slice_of_text(rule->campaign), rule, out))
            return false;
    }
    return true;
}

static bool print_sites(const struct config *c, struct buffer *out)
{
    for (uint32_t i = 0; i < c->limits.site_count; i++)
        if (!print_section(CONFIG_SITE, slice_of_text(c->sites[i].name), &c->sites[i], out))
            return false;
    return true;
}

// All sections of one kind.
static bool print_kind(enum config_section section, const struct config *c, struct buffer *out)
{
    const void *base = config_section_base((struct config *)(uintptr_t)c, section);
    switch (section) {
    case CONFIG_LISTEN: return print_listeners(c, out);
    case CONFIG_PICKUP: return print_pickups(c, out);
    case CONFIG_SOURCE: return print_sources(c, out);
    case CONFIG_ROUTE: return print_routes(c, out);
    case CONFIG_DOMAIN: return print_domains(c, out);
    case CONFIG_DKIM: return print_dkim(c, out);
    case CONFIG_SITE: return print_sites(c, out);
    case CONFIG_CAMPAIGN: return print_campaigns(c, out);
    default: return print_settings(section, base, "", out);
    }
}

static bool differs(enum config_section section, const struct config *a, const struct config *b)
{
    struct buffer left, right;
    buffer_init(&left, 2 * CONFIG_FILE_BYTES_MAX);
    buffer_init(&right, 2 * CONFIG_FILE_BYTES_MAX);
    bool same = print_kind(section, a, &left) && print_kind(section, b, &right) &&
                slice_equal(buffer_slice(&left), buffer_slice(&right));
    buffer_release(&left);
    buffer_release(&right);
    return !same;
}

void config_needs_restart(const struct config *a, const struct config *b, struct refusal *ret)
{
    size_t len = 0;
    ret->text[0] = '\0';
    for (int i = CONFIG_TOP; i < CONFIG_SECTION_COUNT; i++) {
        bool is_live = i == CONFIG_DOMAIN || i == CONFIG_ROUTE || i == CONFIG_SOURCE;
        if (is_live || !differs((enum config_section)i, a, b))
            continue;
        const char *name = i == CONFIG_TOP ? "what is outside of sections"
                                           : config_sections[i].name;
        len += (size_t)snprintf(ret->text + len, sizeof(ret->text) - len, "%s%s",
                                len > 0 ? ", " : "", name);
    }
}

bool config_print(const struct config *c, struct buffer *out)
{
    return print_settings(CONFIG_TOP, c, "", out) && print_listeners(c, out) &&
           print_pickups(c, out) &&
           print_section(CONFIG_RESOLVER, SLICE_EMPTY, &c->resolver, out) &&
           print_section(CONFIG_DELIVERY, SLICE_EMPTY, &c->delivery, out) &&
           print_section(CONFIG_JOURNAL, SLICE_EMPTY, c, out) &&
           print_section(CONFIG_EVENTS, SLICE_EMPTY, c, out) &&
           print_section(CONFIG_SUPPRESSION, SLICE_EMPTY, &c->suppression, out) &&
           print_section(CONFIG_MTA_STS, SLICE_EMPTY, &c->mta_sts, out) &&
           print_section(CONFIG_CONTROL, SLICE_EMPTY, c, out) &&
           print_section(CONFIG_METRICS, SLICE_EMPTY, c, out) &&
           print_section(CONFIG_TLS, SLICE_EMPTY, &c->tls, out) && print_sources(c, out) &&
           print_routes(c, out) && print_domains(c, out) && print_dkim(c, out) &&
           print_campaigns(c, out) && print_sites(c, out);
}
