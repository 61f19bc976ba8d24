#include "engine/message/dkim_table.h"

#include "engine/base/check.h"

#include <stdlib.h>

struct dkim_table *dkim_table_new(uint32_t count)
{
    struct dkim_table *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->domains = calloc(count > 0 ? count : 1, sizeof(*t->domains));
    t->count = count;
    if (!t->domains) {
        free(t);
        return NULL;
    }
    return t;
}

void dkim_table_free(struct dkim_table *t)
{
    if (!t)
        return;
    for (uint32_t i = 0; i < t->count; i++)
        for (uint32_t k = 0; k < t->domains[i].identity_count; k++)
            dkim_key_free(t->domains[i].keys[k]);
    free(t->domains);
    free(t);
}

void dkim_domain_add(struct dkim_domain *d, const char *selector, struct dkim_key *key)
{
    uint32_t i = d->identity_count++;
    CHECK(i < DKIM_KEYS_MAX && strlen(selector) <= DKIM_SELECTOR_BYTES_MAX);
    memcpy(d->selectors[i], selector, strlen(selector) + 1);
    d->keys[i] = key;
}

static int compare(const void *a, const void *b)
{
    const struct dkim_domain *left = a, *right = b;
    return strcmp(left->name, right->name);
}

// A domain stays where it is from now on: what points into it holds.
void dkim_table_sort(struct dkim_table *t)
{
    qsort(t->domains, t->count, sizeof(*t->domains), compare);
    for (uint32_t i = 0; i < t->count; i++) {
        struct dkim_domain *d = &t->domains[i];
        for (uint32_t k = 0; k < d->identity_count; k++)
            d->identities[k] = (struct dkim_identity){.domain = slice_of_text(d->name),
                                                      .selector = slice_of_text(d->selectors[k]),
                                                      .key = d->keys[k]};
    }
}

static const struct dkim_domain *find_exactly(const struct dkim_table *t, struct slice name)
{
    uint32_t low = 0, high = t->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct slice at = slice_of_text(t->domains[middle].name);
        size_t len = at.len < name.len ? at.len : name.len;
        int order = memcmp(name.data, at.data, len);
        if (order == 0 && name.len == at.len)
            return &t->domains[middle];
        if (order < 0 || (order == 0 && name.len < at.len))
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct dkim_domain *dkim_table_find(const struct dkim_table *t, struct slice name)
{
    const struct dkim_domain *d = find_exactly(t, name);
    while (!d && name.len > 0) { // no more often than a name has labels
        slice_cut(&name, '.');
        d = find_exactly(t, name);
        if (d && !d->subdomains)
            d = NULL;
    }
    return d;
}

size_t dkim_table_room(const struct dkim_table *t)
{
    size_t most = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        const struct dkim_domain *d = &t->domains[i];
        size_t room = 0;
        for (uint32_t k = 0; k < d->identity_count; k++)
            room += dkim_room(&d->names, &d->identities[k]);
        most = room > most ? room : most;
    }
    return most;
}
