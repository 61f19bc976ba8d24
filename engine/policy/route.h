// engine/policy/route.h: how a domain's mail leaves, where that is not by its own exchangers. Pure.
#ifndef POSTHASTE_POLICY_ROUTE_H
#define POSTHASTE_POLICY_ROUTE_H

#include "dns/mx.h"
#include "engine/policy/limits.h"
#include "engine/smtp/reply.h"

#define ROUTE_TEXT_BYTES 200
#define ROUTE_HOSTS_MAX 16

enum route_kind {
    ROUTE_MX,         // to the domain's mail exchangers
    ROUTE_NULL,       // nowhere: it is discarded, and counts as delivered
    ROUTE_HOSTS,      // to hosts of its own, in the order in which they are named
    ROUTE_EXCHANGERS, // to the mail exchangers of its hosts, those of the first one before others
    ROUTE_FAIL,       // nowhere: it fails with the route's reply
};

struct route_host {
    char name[MX_HOST_BYTES_MAX + 1]; // lower-case A-labels, or an address literal
    uint16_t port;                    // 0: the usual one
};

struct route_hosts {
    uint32_t count;
    struct route_host items[ROUTE_HOSTS_MAX];
};

struct route_reply {
    uint16_t code; // 0: there is none
    struct enhanced_code enhanced;
    char text[ROUTE_TEXT_BYTES];
};

#define ROUTE_LOGIN_BYTES 256

// Who we are to a smarthost (AUTH).
struct route_login {
    char user[ROUTE_LOGIN_BYTES]; // empty: nobody
    char password_file[ROUTE_LOGIN_BYTES];
    char password[ROUTE_LOGIN_BYTES]; // what stands in it
    enum tls_level needs;             // it is said on no connection that is worth less
};

enum route_lookup { ROUTE_LOOKUP_ADDRESS, ROUTE_LOOKUP_MX };

struct route {
    char name[ROUTE_NAME_BYTES];
    enum route_kind kind;
    struct route_hosts hosts;
    enum route_lookup lookup; // of its hosts
    struct limits limits;     // of all that takes it together
    struct route_reply fail;
    enum tls_level tls;
    bool tls_implicit;
    struct route_login login;
};

// via = "null".
extern const struct route route_null;

// NULL: no route but the domain's exchangers.
static inline enum route_kind route_kind_of(const struct route *r)
{
    return r ? r->kind : ROUTE_MX;
}

// Mail that takes it goes nowhere.
static inline bool route_ends_here(const struct route *r)
{
    return route_kind_of(r) == ROUTE_NULL || route_kind_of(r) == ROUTE_FAIL;
}

static inline bool route_has_login(const struct route *r)
{
    return r && r->login.user[0];
}

// What a connection must be worth that mail of this domain's level may take, this way.
enum tls_level route_tls_level(const struct route *r, enum tls_level domain);

// Are these the hosts that it names? A set that was found under an earlier configuration is
// another's.
bool route_leads_to(const struct route *r, const struct mx_set *set);

// The names that must be looked up for their MX records, one after the other, to find out where
// the domain's mail goes.
uint32_t route_mx_count(const struct route *r);
struct slice route_mx_name(const struct route *r, uint32_t nth, struct slice domain);

// What a site is made from: the earlier it is named, the more a host is preferred. `ret` has room
// for them.
void route_set(const struct route *r, struct mx_set *ret);
// The exchangers of its host `nth` become the route's own, behind those that `into` has (it has
// room for MX_HOSTS_MAX): with its port, and trusted as it is. What is there already, or too much,
// is left out.
void route_adopt(const struct route *r, uint32_t nth, const struct mx_set *found,
                 struct mx_set *into);

#endif
