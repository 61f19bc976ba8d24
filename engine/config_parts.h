// engine/config_parts.h: who stores which sections of the file, for config*.c alone. False when
// config_file_complain() has said why, or without memory.
#ifndef POSTHASTE_CONFIG_PARTS_H
#define POSTHASTE_CONFIG_PARTS_H

#include "engine/config_file.h"

// Once all is stored: users stand outside of these sections, maybe behind them.
bool config_check_listeners(const struct config *c, struct cfg_t *file);
bool config_store_sources(struct config *c, struct cfg_t *file);
// Behind the sources, which they name.
bool config_store_routes(struct config *c, struct cfg_t *file);
bool config_store_domains(struct config *c,
                          struct cfg_t *file); // behind the routes, which they name
bool config_store_dkim(struct config *c, struct cfg_t *file);
bool config_store_campaigns(struct config *c, struct cfg_t *file);
bool config_store_sites(struct config *c, struct cfg_t *file);

// Names become sources once all of these stand where they stay.
bool config_find_sources(const struct config *c, struct source_list *list, struct cfg_t *section);
// Names become routes once all of these stand where they stay.
bool config_find_route(const struct config *c, struct limits *l, struct cfg_t *section);

// The others start from it, wherever it stands in the file.
static inline bool config_is_default(struct cfg_t *section)
{
    return strcmp(config_file_title(section), CONFIG_DOMAIN_DEFAULT) == 0;
}

#endif
