// drain, stop and reload: what concerns the engine itself.
//
// A reload takes from the new configuration what can change while the engine runs: the sections
// `domain`, `route` and `source`. What else is different is told, and waits for a restart. The
// files that the listeners have, certificates and users, are read again in any case, by the names
// that the engine was started with; one that is not sound leaves in force what was read before, and
// is told. The file of the events is opened anew, too.
#include "engine/base/log.h"
#include "engine/deliver/deliver.h"
#include "engine/notify.h"
#include "engine/order_place.h"

#include <stdlib.h>
#include <unistd.h>

static void wake_all(const struct order_place *p)
{
    p->post->wake = UINT64_MAX >> (64 - p->post->worker_count);
}

// --- drain

static const char *drain_word(struct order *o, struct slice key, struct slice value)
{
    if (!slice_equal(key, SLICE("off")))
        return SELECTOR_NOT_MINE;
    o->brief = true;
    return value.len > 0 ? "takes no value" : NULL;
}

static bool drain_begin(struct order *o)
{
    bool off = o->brief;
    atomic_store(&o->place->shared->draining, !off);
    log_line(LOG_LEVEL_INFO, off ? "mail is taken again"
                                 : "draining: no mail is taken, what is there is delivered");
    return true;
}

const struct order_kind order_drain = {
    .name = "drain",
    .changes = true,
    .word = drain_word,
    .begin = drain_begin,
};

// --- stop

static bool stop_begin(struct order *o)
{
    struct shared *s = o->place->shared;
    if (atomic_load(&s->stop) == STOP_NOT)
        atomic_store_explicit(&s->stop, STOP_GRACEFULLY, memory_order_release);
    wake_all(o->place);
    return true;
}

const struct order_kind order_stop = {.name = "stop", .changes = true, .begin = stop_begin};

// --- reload

struct reload {
    struct config_kept *kept;
    const struct limits_table *limits;
    struct refusal restart;  // sections that wait for it
    struct doors doors;      // that were read again, and are sound
    struct users *spare;     // those of before, once all have the new ones
    struct refusal kept_why; // why something of before stays; empty: nothing does
};

static void keep_old(struct reload *r, const char *reason)
{
    struct refusal before = r->kept_why;
    log_line(LOG_LEVEL_ERROR, "reload: %s; what was read before stays", reason);
    if (!strstr(before.text, reason)) // listeners may share a file
        refuse(&r->kept_why, "%s%s%s", before.text, before.text[0] ? "; " : "", reason);
}

// Certificates and users.
static void read_doors(struct reload *r, struct shared *s)
{
    const struct config *c = s->config;
    struct refusal why;
    r->doors.count = c->listener_count;
    for (uint32_t i = 0; i < c->listener_count; i++)
        if (!door_read(&c->listeners[i], geteuid(), &r->doors.items[i], &why))
            keep_old(r, why.text);
    if (!doors_read_users(c, geteuid(), &r->spare, &why))
        keep_old(r, why.text);
}

// From here on all is the engine's.
static void put_in_force(struct reload *r, struct shared *s)
{
    struct users *old = s->users;
    if (!r->spare)
        return;
    if (old)
        users_carry_over(r->spare, old);
    s->users = r->spare;
    r->spare = old;
}

static bool reload_begin(struct order *o)
{
    struct shared *s = o->place->shared;
    struct refusal why;
    struct reload *r = calloc(1, sizeof(*r));
    o->work = r;
    s->reopen_wanted = true; // whatever becomes of the rest
    if (r)
        r->kept = calloc(1, sizeof(*r->kept));
    if (!r || !r->kept)
        return order_refuse(o, ORDER_LATER, "no memory");
    if (!s->reload)
        return order_refuse(o, ORDER_REFUSED, "this engine has no configuration file");
    notify_reloading();
    r->kept->config = s->reload(s->reload_context, &why);
    if (!r->kept->config) {
        log_line(LOG_LEVEL_ERROR, "reload: %s; the configuration stays as it was", why.text);
        notify_say("READY=1");
        return order_refuse(o, ORDER_REFUSED, "%s", why.text);
    }
    // From here on it is the engine's, whatever becomes of the order.
    r->kept->next = s->configs;
    s->configs = r->kept;
    s->config_now = r->kept->config;
    r->restart = why;
    r->limits = reroutes_apply(&s->reroutes, r->kept->config);
    if (!r->limits)
        return order_refuse(o, ORDER_LATER, "no memory");
    read_doors(r, s);
    put_in_force(r, s);
    return true;
}

static void renew_certificates(struct order_place *p, const struct reload *r)
{
    const char *why;
    for (uint32_t i = 0; i < r->doors.count; i++) {
        const struct door *d = &r->doors.items[i];
        const struct tls_server_options options = door_options(d);
        if (d->count > 0 && !submit_set_certificates(p->submit, i, &options, &why))
            log_line(LOG_LEVEL_ERROR, "reload: listen \"%s\": %s; the certificate of before stays",
                     d->name, why);
    }
}

static enum order_step reload_visit(struct order_place *p, struct order *o)
{
    const struct reload *r = o->work;
    deliver_set_limits(p->deliver, r->limits);
    submit_set_users(p->submit, p->shared->users);
    renew_certificates(p, r);
    return ORDER_OVER;
}

static enum order_step reload_end(struct order *o)
{
    const struct reload *r = o->work;
    struct json j;
    log_line(LOG_LEVEL_INFO,
             "reload: the sections \"domain\", \"route\" and \"source\" are in force%s%s",
             r->restart.text[0] ? "; a restart is needed for: " : "", r->restart.text);
    order_line(o, &j);
    json_text(&j, "in-force", SLICE("domain, route, source"));
    json_text(&j, "needs-restart", slice_of_text(r->restart.text));
    if (r->kept_why.text[0])
        json_text(&j, "kept", slice_of_text(r->kept_why.text));
    order_line_end(o, &j);
    return ORDER_OVER;
}

static void reload_release(struct order *o)
{
    struct reload *r = o->work;
    if (!r)
        return;
    doors_release(&r->doors);
    users_free(r->spare);
    if (!r->kept)
        return;
    if (r->kept->config)
        notify_say("READY=1");
    else
        free(r->kept);
}

const struct order_kind order_reload = {
    .name = "reload",
    .changes = true,
    .rounds = 1,
    .begin = reload_begin,
    .visit = reload_visit,
    .end = reload_end,
    .release = reload_release,
};
