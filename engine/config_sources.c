// Sections `source`, and the sources that domains and routes name.

#include "engine/config_parts.h"

#include <stdlib.h>

static int compare_sources(const void *a, const void *b)
{
    const struct config_source *left = a, *right = b;
    return strcmp(left->source.name, right->source.name);
}

// One address of each family.
static bool source_complete(struct config_source *s, struct cfg_t *section)
{
    for (uint32_t i = 0; i < s->addresses.count; i++) {
        const struct io_address *a = &s->addresses.items[i];
        struct io_address *to = a->as.any.sa_family == AF_INET6 ? &s->source.v6 : &s->source.v4;
        if (to->len > 0)
            return config_file_complain(
                section, "source \"%s\": one IPv4 and one IPv6 address, no more", s->source.name);
        *to = *a;
    }
    return s->addresses.count > 0 ||
           config_file_complain(section, "source \"%s\": address is missing", s->source.name);
}

static bool store_source(struct config_source *s, struct cfg_t *section)
{
    const char *name = config_file_title(section);
    if (name[0] == '\0' || strlen(name) >= sizeof(s->source.name) || strcmp(name, "none") == 0)
        return config_file_complain(
            section, "source: a name of 1 to %d bytes is wanted, other than \"none\"",
            SOURCE_NAME_BYTES - 1);
    memcpy(s->source.name, name, strlen(name) + 1);
    config_section_defaults(CONFIG_SOURCE, s);
    config_file_store(CONFIG_SOURCE, section, s);
    return source_complete(s, section);
}

bool config_store_sources(struct config *c, struct cfg_t *file)
{
    unsigned count = config_file_count(file, "source");
    if (count > CONFIG_SOURCES_MAX)
        return config_file_complain(file, "more than %d sources", CONFIG_SOURCES_MAX);
    c->sources = calloc(count + 1, sizeof(*c->sources));
    if (!c->sources)
        return false;
    for (; c->source_count < count; c->source_count++)
        if (!store_source(&c->sources[c->source_count],
                          config_file_section(file, "source", c->source_count)))
            return false;
    qsort(c->sources, c->source_count, sizeof(*c->sources), compare_sources);
    return true;
}

static bool is_listed_twice(const struct source_list *list, uint32_t at)
{
    for (uint32_t i = 0; i < at; i++)
        if (strcmp(list->items[i].name, list->items[at].name) == 0)
            return true;
    return false;
}

bool config_find_sources(const struct config *c, struct source_list *list, struct cfg_t *section)
{
    struct config_source wanted;
    for (uint32_t i = 0; i < list->count; i++) {
        struct source_place *p = &list->items[i];
        const struct config_source *found = NULL;
        memcpy(wanted.source.name, p->name, sizeof(wanted.source.name));
        if (c->source_count > 0)
            found = bsearch(&wanted, c->sources, c->source_count, sizeof(wanted), compare_sources);
        if (!found || is_listed_twice(list, i))
            return config_file_complain(section, "sources: '%s' %s", p->name,
                                        found ? "stands there twice"
                                              : "is not known: it is no source's name");
        p->found = &found->source;
    }
    return true;
}
