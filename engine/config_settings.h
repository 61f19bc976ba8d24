// engine/config_settings.h: the tables of all settings, section by section. For config*.c alone.
#ifndef POSTHASTE_CONFIG_SETTINGS_H
#define POSTHASTE_CONFIG_SETTINGS_H

#include "engine/config.h"

enum config_section {
    CONFIG_TOP, // outside of any section; struct config
    CONFIG_LISTEN,
    CONFIG_PICKUP,
    CONFIG_RESOLVER,
    CONFIG_DELIVERY,
    CONFIG_JOURNAL,
    CONFIG_EVENTS,
    CONFIG_SUPPRESSION,
    CONFIG_SOURCE,
    CONFIG_ROUTE,
    CONFIG_CONTROL,
    CONFIG_METRICS,
    CONFIG_DOMAIN,
    CONFIG_DKIM,
    CONFIG_CAMPAIGN,
    CONFIG_SITE,
    CONFIG_TLS,
    CONFIG_MTA_STS,
    CONFIG_SECTION_COUNT,
};

struct config_section_table {
    const char *name;
    bool has_title; // and may stand in the file more than once
    const struct setting *settings;
    uint32_t setting_count;
};

extern const struct config_section_table config_sections[CONFIG_SECTION_COUNT];

// The struct that the offsets of a section's settings count from. NULL for titled sections: those
// are config_listener, config_pickup, config_source, route, limits, config_dkim, list_rule and
// limits_site.
void *config_section_base(struct config *c, enum config_section section);

// The setting's value in the struct at `base`.
static inline void *setting_at(const struct setting *s, void *base)
{
    return (char *)base + s->offset;
}

// Fills the struct at `base` with the defaults of the section.
void config_section_defaults(enum config_section section, void *base);

// What is signed, where the file has said nothing.
void config_dkim_usual(struct config_dkim *d);

// Reads the rules about replies: those of the file that is set, and those that ship behind them.
bool config_rules_load(struct config *c, struct refusal *why);

// Fills what depends on the place, where the file has said nothing.
bool config_place_defaults(struct config *c, const struct config_place *place, struct refusal *why);

#endif
