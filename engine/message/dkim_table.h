// engine/message/dkim_table.h: with what keys a domain's mail is signed.
//
// Owns:    the keys of all domains, and which domain's count for a name: its own, else those of the
//          nearest parent that signs for its subdomains too.
// Threads: read-only once filled.
#ifndef POSTHASTE_MESSAGE_DKIM_TABLE_H
#define POSTHASTE_MESSAGE_DKIM_TABLE_H

#include "engine/message/dkim.h"

struct dkim_domain {
    char name[DKIM_DOMAIN_BYTES_MAX + 1]; // in lower-case A-labels
    bool subdomains;                      // it signs for these, too
    bool incomplete;                      // a key of it is missing
    bool may_go_unsigned; // then its mail leaves without that signature; else it waits
    struct dkim_names names;
    uint32_t identity_count;
    struct dkim_identity identities[DKIM_KEYS_MAX];
    char selectors[DKIM_KEYS_MAX][DKIM_SELECTOR_BYTES_MAX + 1];
    struct dkim_key *keys[DKIM_KEYS_MAX];
};

struct dkim_table {
    uint32_t count;
    struct dkim_domain *domains; // by name, once sorted
};

// NULL without memory.
struct dkim_table *dkim_table_new(uint32_t count);
void dkim_table_free(struct dkim_table *t); // NULL is fine

// Takes the key.
void dkim_domain_add(struct dkim_domain *d, const char *selector, struct dkim_key *key);
void dkim_table_sort(struct dkim_table *t);

// NULL: mail of that domain is not signed.
const struct dkim_domain *dkim_table_find(const struct dkim_table *t, struct slice name);
// The most that the fields of any of its domains take.
size_t dkim_table_room(const struct dkim_table *t);

#endif
