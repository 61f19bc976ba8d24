// Domains with sessions of their own, though they share exchangers and all else that they need:
// since the certificate there may bear the domain's name instead of the host's (RFC 7672 3.2.2, of
// DANE's usage 2).
//
// A session that is good for one domain is then none for another. So the hosts' names alone are
// asked for at first, and the sessions serve all. Only when a certificate is good but for its name
// do the site's domains go apart: each has a site of its own for a time, where its names will do as
// well. It costs each of them that one handshake, and the sharing of connections.

#include "engine/base/check.h"
#include "engine/deliver/target_parts.h"

#include <stdlib.h>

#define APART_KEPT_US (UINT64_C(3600) * 1000 * 1000)

void target_keep_canonical(struct target *t, struct slice name)
{
    CHECK(name.len <= DNS_NAME_BYTES_MAX);
    free(t->mx_canonical);
    t->mx_canonical = NULL;
    t->mx_canonical_len = (uint8_t)name.len;
    if (name.len == 0)
        return;
    t->mx_canonical = malloc(name.len);
    CHECK(t->mx_canonical);
    memcpy(t->mx_canonical, name.data, name.len);
}

// Of a route to one name's exchangers it is that name's certificate, for all whose mail goes there.
// Of one to several nobody knows which name led to a host.
void target_add_names(const struct deliver *d, const struct target *t, const struct route *r,
                      struct site_need *need)
{
    if (route_kind_of(r) == ROUTE_EXCHANGERS && route_mx_count(r) == 1)
        need->domain = route_mx_name(r, 0, SLICE_EMPTY);
    if (route_kind_of(r) != ROUTE_MX || io_now_us(d->io) >= t->apart_until_us)
        return;
    need->domain = domain_name(&t->domain);
    need->canonical = slice_make(t->mx_canonical, t->mx_canonical_len);
}

// Might another name of the same certificate do?
static bool may_go_apart(const struct deliver *d, const struct conn *c)
{
    const struct site *s = c->site;
    return c->plan.checks_dane && tls_info(c->channel->tls).verdict == TLS_PEER_WRONG_NAME &&
           s->need.domain.len == 0 && !s->set->hosts[c->host].configured && !s->borrowed &&
           !d->stopping;
}

// What was got ready, and those that are ready. What is still being made ready comes back to the
// site, whose next connection sends it after them.
static void go_apart(struct deliver *d, struct site *s, uint64_t until_us)
{
    struct job *j;
    while ((j = prepare_take(s))) {
        job_target(j)->apart_until_us = until_us;
        target_requeue(d, job_target(j), j);
    }
    for (int rank = 0; rank < PRIORITY_CLASSES; rank++)
        for (struct target *t = s->rings[rank].first, *next; t; t = next) {
            next = t->ring[rank].next;
            t->apart_until_us = until_us;
            target_move(d, t, s->set);
        }
}

bool apart_begins(struct deliver *d, struct conn *c)
{
    if (!may_go_apart(d, c))
        return false;
    go_apart(d, c->site, io_now_us(d->io) + APART_KEPT_US);
    // Whoever stayed all the same would have the host tried again and again.
    c->tries_anew = c->site->ready_count + c->site->fetched_count == 0;
    return c->tries_anew;
}
