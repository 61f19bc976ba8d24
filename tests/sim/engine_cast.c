#include "tests/sim/engine_cast.h"

#include "engine/base/check.h"
#include "tests/sim/engine_certificates.h"
#include "tests/sim/engine_rates.h"

#include <stdlib.h>

#define MAILBOX_BYTES_MAX (UINT64_C(1) << 30)

static const struct io_options io_options = {.receive_buffer_count = 64,
                                             .receive_buffer_bytes = 2048};

// --- the world's furniture

static void add_mx_set(struct scene *s, const char *domain, const struct plan_site *site)
{
    for (uint32_t h = 0; h < site->host_count; h++)
        world_dns_add_mx(s->world, domain, site->hosts[h].preference, site->hosts[h].name);
}

static void add_records(struct scene *s, const struct plan_domain *d)
{
    const struct plan_site *site = &s->plan->sites[d->site];
    if (d->kind == DOMAIN_WITH_MX)
        add_mx_set(s, d->name, site);
    if (d->kind == DOMAIN_NULL_MX)
        world_dns_add_mx(s->world, d->name, 0, ".");
    for (uint32_t h = 0; h < site->host_count && d->kind == DOMAIN_WITHOUT_MX; h++)
        for (uint32_t a = 0; a < site->hosts[h].address_count; a++)
            world_dns_add_address(s->world, d->name, site->hosts[h].addresses[a].text);
}

static void add_host(struct scene *s, uint32_t site, const struct plan_host *host)
{
    for (uint32_t i = 0; i < host->address_count; i++) {
        const struct plan_address *a = &host->addresses[i];
        struct io_address address = plan_io_address(a);
        world_dns_add_address(s->world, host->name, a->text);
        world_count_connections(s->world, &address, site);
        if (a->kind == ADDRESS_BLACK_HOLE)
            world_black_hole(s->world, &address, true);
    }
}

static void furnish(struct scene *s)
{
    const struct plan *p = s->plan;
    for (uint32_t i = 0; i < p->site_count; i++)
        for (uint32_t h = 0; h < p->sites[i].host_count; h++)
            add_host(s, i, &p->sites[i].hosts[h]);
    for (uint32_t i = 0; i < p->domain_count; i++)
        add_records(s, &p->domains[i]);
    add_mx_set(s, PLAN_SENDER_DOMAIN, &p->sites[p->sender_site]);
    world_dns_set_ttl(s->world, p->dns_ttl_s);
}

void cast_move_domains(struct scene *s, uint64_t acknowledged_count)
{
    for (; s->moves_done < s->plan->move_count; s->moves_done++) {
        const struct plan_move *m = &s->plan->moves[s->moves_done];
        if (m->after_messages > acknowledged_count)
            return;
        world_dns_remove(s->world, s->plan->domains[m->domain].name);
        add_mx_set(s, s->plan->domains[m->domain].name, &s->plan->sites[m->site]);
    }
}

// --- exchangers' TLS

static void show(struct scene *s, uint32_t nth, const struct plan_sink_tls_state *state)
{
    const struct plan_sink_tls *t = &s->plan->sink_tls[nth];
    struct scene_sink *k = &s->sinks[nth];
    if (!s->plan->has_tls)
        return;
    k->plan.smtp.starttls = state->is_offered && !t->is_implicit;
    k->plan.tls = t->is_implicit                 ? SINK_TLS_IMPLICIT
                  : t->is_required && !s->healed ? SINK_TLS_REQUIRED
                                                 : SINK_TLS_OFFERED;
    k->worker->tls = certificates_context(state->certificate);
}

void cast_turn_tls(struct scene *s)
{
    uint64_t now_us = world_now_us(s->world);
    for (uint32_t i = 0; s->plan->has_tls && !s->healed && i < s->plan->sink_count; i++) {
        const struct plan_sink_tls *t = &s->plan->sink_tls[i];
        if (t->later_us == 0 || s->sinks[i].tls_is_late || now_us < s->began_us + t->later_us)
            continue;
        s->sinks[i].tls_is_late = true;
        show(s, i, &t->later);
    }
}

// No handshake comes to its end.
static void break_tls(struct scene *s, uint32_t nth)
{
    const char *why;
    if (s->plan->sink_tls[nth].breaks)
        CHECK(sink_script_add(&s->sinks[nth].plan.script, SLICE("TLS tear"), &why));
}

void cast_heal(struct scene *s)
{
    const struct plan *p = s->plan;
    world_heal(s->world);
    world_set_disk_bytes_max(s->world, 0);
    s->healed = true;
    for (uint32_t i = 0; i < p->sink_count; i++) {
        s->sinks[i].plan.script = (struct sink_script){0};
        s->sinks[i].plan.limits_options.messages_per_s_max = 0;
        s->sinks[i].plan.silence_us_max = PLAN_PATIENCE_US;
        break_tls(s, i);
        show(s, i, &p->sink_tls[i].end);
    }
}

// --- exchangers

static void listen_for(struct scene_sink *k, const struct plan_address *a)
{
    struct sink_listeners *l = &k->listeners;
    l->items = reallocarray(l->items, l->count + 1u, sizeof(*l->items));
    CHECK(l->items);
    l->items[l->count] = (struct sink_listener){
        .address = plan_io_address(a), .range = l->ranges++, .fd = -1};
    l->count++;
}

void cast_file_name(char name[16], const char *word, uint32_t nth)
{
    snprintf(name, 16, "%s-%u", word, nth);
}

static void start_sink(struct scene *s, uint32_t nth)
{
    const struct plan *p = s->plan;
    struct scene_sink *k = &s->sinks[nth];
    char name[16];
    uint32_t failed;
    k->plan = p->sinks[nth];
    CHECK(io_new(&k->io, &io_options) == 0);
    world_is_elsewhere(k->io);
    for (uint32_t i = 0; i < p->site_count; i++)
        for (uint32_t h = 0; h < p->sites[i].host_count && p->sites[i].sink == nth; h++)
            for (uint32_t a = 0; a < p->sites[i].hosts[h].address_count; a++)
                if (p->sites[i].hosts[h].addresses[a].kind == ADDRESS_SERVES)
                    listen_for(k, &p->sites[i].hosts[h].addresses[a]);
    CHECK(sink_listeners_open(&k->listeners, k->io, false, &failed) == 0);
    k->plan.limits_options.listener_count = k->listeners.count + 1;
    CHECK(sink_limits_new(&k->plan.limits, &k->plan.limits_options) == 0);
    cast_file_name(name, "sink", nth);
    k->plan.ledger_fd = world_open_file(s->world, name);
    if (nth == p->sender_sink)
        CHECK(sink_mailbox_new(&k->mailbox, MAILBOX_BYTES_MAX) == 0);
    k->plan.mailbox = k->mailbox;
    CHECK(sink_worker_new(&k->worker, k->io, &k->plan, &k->listeners, 0) == 0);
    break_tls(s, nth);
    show(s, nth, &p->sink_tls[nth].first);
    io_wait(k->io, sink_worker_due_us(k->worker));
}

static void free_sink(struct scene *s, uint32_t nth)
{
    struct scene_sink *k = &s->sinks[nth];
    io_close(k->io, k->plan.ledger_fd);
    k->worker->tls = NULL; // it is everybody's
    sink_worker_free(k->worker);
    sink_limits_free(k->plan.limits);
    sink_mailbox_free(k->mailbox);
    sink_listeners_release(&k->listeners);
}

// --- clients

// Four messages that hold what generated text does not: lines that begin with dots, 8-bit bytes.
static void write_files(struct scene *s)
{
    static const char *const texts[PLAN_FILES] = {
        "Subject: none\r\n\r\n",
        "Subject: dots\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\n.\r\n..\r\n.x\r\n\r\n.\r\n",
        "Subject: gr\xc3\xbc\xc3\x9f\r\n\r\n\xff\xfe latin or not\r\n",
        "Subject: folded\r\n line\r\n\r\nbody without much\r\n",
    };
    static const bool has_dots[PLAN_FILES] = {[1] = true}, has_8bit[PLAN_FILES] = {[2] = true};
    for (uint32_t i = 0; i < PLAN_FILES; i++)
        s->files[i] = (struct load_file){.bytes = slice_of_text(texts[i]),
                                         .has_date = strstr(texts[i], "Date:") != NULL,
                                         .has_dot_lines = has_dots[i],
                                         .has_8bit = has_8bit[i]};
}

static void write_content(struct scene *s)
{
    const struct plan *p = s->plan;
    CHECK(load_content_generate(&s->content, p->content_bytes_min, p->content_bytes_max) == 0);
    CHECK(load_domains_number(&s->domains, p->domain_count) == 0);
    write_files(s);
    if (!p->content_from_files)
        return;
    s->content->file_count = PLAN_FILES;
    s->content->files = s->files;
}

static void free_content(struct scene *s)
{
    s->content->file_count = 0;
    s->content->files = NULL;
    load_content_free(s->content);
    load_domains_free(s->domains);
}

static void start_load(struct scene *s, uint32_t nth)
{
    struct scene_load *l = &s->loads[nth];
    char name[16];
    CHECK(io_new(&l->io, &io_options) == 0);
    world_is_elsewhere(l->io);
    cast_file_name(name, "load", nth);
    l->plan = s->plan->loads[nth];
    l->plan.peers = s->engine_addresses;
    l->plan.peer_count = s->config.listener_count;
    l->plan.content = s->content;
    l->plan.domains = s->domains;
    l->plan.ledger_fd = world_open_file(s->world, name);
    CHECK(load_worker_new(&l->worker, l->io, &l->plan) == 0);
    io_wait(l->io, load_worker_due_us(l->worker));
}

static void free_load(struct scene_load *l)
{
    io_close(l->io, l->plan.ledger_fd);
    load_worker_free(l->worker);
}

// --- the engine

void cast_life(struct scene *s)
{
    const struct plan *p = s->plan;
    uint32_t workers = s->deaths_done > 0 ? p->deaths[s->deaths_done - 1].worker_count
                                          : p->worker_count;
    rates_new_life(s->rates_are_kept);
    s->rates_are_kept = false;
    life_begin(&s->life, s->world, s->keeper, &s->config, s->books.life_count, workers,
               p->rates_survive, s->engine_addresses);
}

static void start_engine(struct scene *s)
{
    const struct plan *p = s->plan;
    CHECK(io_new(&s->keeper, &io_options) == 0);
    world_is_elsewhere(s->keeper);
    io_wait(s->keeper, UINT64_MAX);
    s->config = p->config;
    if (p->disk.fail_nth > 0)
        world_fail_file_operation(s->world, p->disk.fail_nth, p->disk.fail_result,
                                  p->disk.fail_from_then_on);
    cast_life(s);
}

// --- all of it

void cast_start(struct scene *s)
{
    s->began_us = world_now_us(s->world);
    furnish(s);
    start_engine(s);
    write_content(s);
    for (uint32_t i = 0; i < s->plan->sink_count; i++)
        start_sink(s, i);
    for (uint32_t i = 0; i < s->plan->load_count; i++)
        start_load(s, i);
}

static void check_nothing_left(struct scene *s)
{
    if (world_descriptors_open(s->world) > 0)
        books_complain(&s->books, "%u descriptors are left", world_descriptors_open(s->world));
    if (world_requests_in_flight(s->world) > 0)
        books_complain(&s->books, "%u requests are left", world_requests_in_flight(s->world));
    if (world_buffers_lent(s->world) > 0)
        books_complain(&s->books, "%u buffers are left", world_buffers_lent(s->world));
}

void cast_free(struct scene *s)
{
    const struct plan *p = s->plan;
    for (uint32_t i = 0; i < p->load_count; i++)
        free_load(&s->loads[i]);
    for (uint32_t i = 0; i < p->sink_count; i++)
        free_sink(s, i);
    free_content(s);
    check_nothing_left(s);
    io_free(s->keeper);
    for (uint32_t i = 0; i < p->load_count; i++)
        io_free(s->loads[i].io);
    for (uint32_t i = 0; i < p->sink_count; i++)
        io_free(s->sinks[i].io);
    world_free(s->world);
}
