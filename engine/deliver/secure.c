// TLS on a connection: how its session begins, what comes under it, and what becomes of the host
// when it fails. What that means is policy/tls.h's.
//
//   STARTTLS agreed upon, or implicit: secure_begin() -> secure_bytes() ... handshake succeeds
//     -> the machine goes on, with what was sealed alone
//   it fails -> the host is tried again in the clear (`may`), or cannot be used for now

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/deliver/parts.h"

#include <stdio.h>

static const struct mx_host *host_of(const struct conn *c)
{
    return &c->site->set->hosts[c->host];
}

static bool plain_is_kept(const struct deliver *d, const struct conn *c)
{
    const struct site_address *a = site_address_of(c->site, &c->peer);
    return a && io_now_us(d->io) < a->plain_until_us;
}

static struct tls_facts facts_of(const struct deliver *d, const struct conn *c)
{
    struct tls_facts f = site_tls_facts(c->site, c->host);
    f.plain_kept = plain_is_kept(d, c);
    return f;
}

void secure_plan(const struct deliver *d, struct conn *c, struct smtp_client_options *o)
{
    const struct route *login = c->site->need.login;
    c->facts = facts_of(d, c);
    c->plan = tls_plan(&c->facts);
    switch (c->plan.way) {
    case TLS_WAY_PLAIN:
    case TLS_WAY_AT_ONCE: o->tls = SMTP_TLS_NEVER; break;
    case TLS_WAY_IF_OFFERED: o->tls = SMTP_TLS_IF_OFFERED; break;
    case TLS_WAY_ALWAYS: o->tls = SMTP_TLS_ALWAYS; break;
    }
    if (!login)
        return;
    o->user = slice_of_text(login->login.user);
    o->password = slice_of_text(login->login.password);
}

// --- trouble

static void falls_back(struct deliver *d, struct conn *c, struct slice text)
{
    struct site_address *a = site_address_of(c->site, &c->peer);
    log_line(LOG_LEVEL_INFO, "%.*s: %s: mail goes there in the clear for an hour: %.*s",
             (int)host_of(c)->len, host_of(c)->name, c->peer_text, SLICE_ARG(text));
    c->tries_anew = a != NULL;
    if (a) // else it is no longer in the DNS
        a->plain_until_us = io_now_us(d->io) + TLS_PLAIN_KEPT_US;
}

static void secure_trouble(struct deliver *d, struct conn *c, enum tls_mishap m,
                           struct slice detail)
{
    const struct tls_consequence means = tls_trouble_means(&c->facts, m);
    tally_failure(d, c, m);
    char text[SITE_TEXT_BYTES_MAX];
    int len = snprintf(text, sizeof(text), "%s%s%.*s", means.text, detail.len > 0 ? ": " : "",
                       SLICE_ARG(detail));
    CHECK(len >= 0);
    failure_set(&c->failure, 0, means.enhanced,
                slice_make(text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1));
    c->failure.reason = means.reason;
    c->failure.category = CATEGORY_AUTH;
    if (means.retries_plain)
        falls_back(d, c, slice_make(c->failure.text, c->failure.text_len));
}

// By who wants our password, or should. RFC 3463 3.8: x.7.4 features not supported.
static void login_refused(struct conn *c, const struct smtp_event *e)
{
    c->failure.reason = REASON_AUTH_REFUSED;
    c->failure.category = CATEGORY_AUTH;
    if (!e->reply && !e->broke_rules) // AUTH is not offered
        c->failure.enhanced = (struct enhanced_code){4, 7, 4};
}

// The session has ended in the machine, over STARTTLS or AUTH.
void secure_closed(struct deliver *d, struct conn *c, const struct smtp_event *e)
{
    if (e->phase == SMTP_PHASE_AUTH && c->failure.code != 421)
        login_refused(c, e);
    if (e->phase != SMTP_PHASE_STARTTLS || c->failure.code == 421)
        return;
    struct slice said = SLICE_EMPTY;
    enum tls_mishap m = TLS_NOT_OFFERED;
    if (e->reply && reply_is_success(e->reply)) {
        m = TLS_INJECTED;
    } else if (e->reply && e->reply->code >= 400) {
        m = TLS_REFUSED;
        said = e->reply->text;
    }
    secure_trouble(d, c, m, said);
}

static void session_failed(struct deliver *d, struct conn *c)
{
    const struct tls_failure f = tls_failure(c->channel->tls);
    enum tls_mishap m = TLS_LOST;
    if (f.trouble == TLS_TROUBLE_VERDICT)
        m = TLS_NOT_VERIFIED;
    else if (f.in_handshake)
        m = TLS_HANDSHAKE_FAILED;
    if (!apart_begins(d, c))
        secure_trouble(d, c, m, slice_of_text(f.text));
}

// It went away, or silent, in the middle of that: as some do whom a handshake is too much for.
void secure_lost(struct deliver *d, struct conn *c)
{
    enum smtp_phase phase;
    struct failure was = c->failure;
    struct slice said = slice_make(was.text, was.text_len);
    bool awaits = smtp_client_awaits(&c->client, &phase);
    if (c->channel && !c->channel->ready)
        secure_trouble(d, c, TLS_HANDSHAKE_FAILED, said);
    else if (awaits && phase == SMTP_PHASE_STARTTLS)
        secure_trouble(d, c, TLS_REFUSED, said);
}

// --- the handshake

// What else a certificate by DANE's usage 2 may be for (RFC 7672 3.2.2): the domain, where secure
// MX records led here; a host that we were told of, where its CNAME did.
static void add_names(const struct conn *c, struct tls_client_session *o)
{
    const struct mx_host *host = host_of(c);
    const struct site_need *need = &c->site->need;
    const struct slice more[] = {host->configured ? slice_make(host->name, host->len) : SLICE_EMPTY,
                                 need->domain, need->canonical};
    for (size_t i = 0; i < COUNT_OF(more); i++)
        if (more[i].len > 0 && o->name_count > 0)
            o->names[o->name_count++] = more[i];
}
_Static_assert(TLS_NAMES_MAX >= 4, "that of the host, and these");

static struct tls_client_session session_wanted(const struct deliver *d, const struct conn *c,
                                                char peer[SECURE_PEER_BYTES])
{
    const struct site_need *need = &c->site->need;
    struct slice name = dane_name(c->site, c->host);
    const struct host_dane *dane = c->plan.checks_dane ? c->site->hosts[c->host].dane : NULL;
    bool is_literal = name.len > 0 && name.data[0] == '[';
    int len = snprintf(peer, SECURE_PEER_BYTES, "%s %.*s %d", c->peer_text, SLICE_ARG(name),
                       (int)need->level);
    CHECK(len > 0 && len < SECURE_PEER_BYTES);
    struct tls_client_session o = {
        // Without records, too: what was planned is checked, or fails.
        .check = c->plan.checks_dane   ? TLS_CHECK_DANE
                 : c->plan.checks_name ? TLS_CHECK_NAME
                                       : TLS_CHECK_NONE,
        .tlsa = dane ? dane->tlsa : NULL,
        .tlsa_count = dane ? dane->tlsa_count : 0,
        .server_name = is_literal ? SLICE_EMPTY : name,
        .names = {name},
        .name_count = is_literal ? 0 : 1,
        .peer = slice_make(peer, (size_t)len),
        .wall_s = io_wall_us(d->io) / 1000000,
    };
    if (dane)
        add_names(c, &o);
    return o;
}

bool secure_begin(struct deliver *d, struct conn *c)
{
    char peer[SECURE_PEER_BYTES];
    const struct tls_client_session o = session_wanted(d, c, peer);
    CHECK(!c->channel);
    if (o.check != TLS_CHECK_NONE && o.name_count == 0) {
        secure_trouble(d, c, TLS_NOT_VERIFIED, SLICE("the host has no name, only an address"));
        return false;
    }
    if (!conn_secure(c, tls_new_client(d->o.tls, &o))) {
        secure_trouble(d, c, TLS_LOST, SLICE("not enough memory"));
        return false;
    }
    conn_speaks(d, c);
    if (tls_start(c->channel->tls, &c->channel->out) != TLS_FAILED)
        return true;
    session_failed(d, c);
    return false;
}

static void handshake_done(struct deliver *d, struct conn *c)
{
    c->channel->ready = true;
    c->moved = true;
    conn_speaks(d, c);
    const struct tls_info info = tls_info(c->channel->tls);
    c->tls = info.numbers;
    d->counters.tls_sessions++;
    d->counters.tls_resumed += info.resumed;
    if (c->plan.way != TLS_WAY_AT_ONCE)
        smtp_client_secured(&c->client);
}

bool secure_bytes(struct deliver *d, struct conn *c, struct slice sealed)
{
    struct channel *ch = c->channel;
    while (c->state != CONN_CLOSING) {
        enum tls_status status = tls_feed(ch->tls, &sealed, &d->plain, &ch->out);
        struct slice plain = buffer_slice(&d->plain);
        buffer_clear(&d->plain); // its bytes stay where they are
        if (plain.len > 0)
            attempt_events(d, c, plain);
        switch (status) {
        case TLS_MORE: return true;
        case TLS_READY: handshake_done(d, c); break;
        case TLS_FULL: break;
        case TLS_CLOSED:
            failure_set(&c->failure, 0, (struct enhanced_code){4, 4, 2},
                        SLICE("TLS session closed by the other side"));
            return c->state == CONN_CLOSING;
        case TLS_FAILED:
            if (c->state != CONN_CLOSING)
                session_failed(d, c);
            return c->state == CONN_CLOSING;
        }
    }
    return true;
}
