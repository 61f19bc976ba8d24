// metrics: the same figures, and more, as Prometheus reads them (its text format 0.0.4).
#include "engine/base/process.h"
#include "engine/order_gather.h"

#include <stddef.h>

struct metric {
    const char *name; // behind "posthaste_"; a counter's ends in _total
    const char *help;
    size_t offset; // in struct gathered
    bool is_gauge;
    bool is_32bit;
};

#define FIGURE(member, name, help, is_gauge, is_32bit)                                             \
    {                                                                                              \
        name, help, offsetof(struct gathered, member), is_gauge, is_32bit                          \
    }
#define COUNTER(member, name, help) FIGURE(counters.member, name, help, false, false)
#define GAUGE32(member, name, help) FIGURE(counters.member, name, help, true, true)
#define GAUGE(member, name, help) FIGURE(member, name, help, true, false)

static const struct metric metrics[] = {
    GAUGE(counters.messages_left, "queue_messages", "Accepted messages that are not done with."),
    GAUGE(jobs_deferred, "queue_deferred_jobs", "Jobs that wait for their next attempt."),
    GAUGE(jobs_held, "queue_held_jobs", "Jobs that an operator's hold keeps."),
    GAUGE(journal_bytes, "journal_bytes", "Size of all segments of the journal."),
    GAUGE(journal_bytes_max, "journal_max_bytes", "What the journal may take."),
    GAUGE32(deliver.connections, "connections", "Open connections to exchangers."),
    GAUGE32(deliver.sites, "sites", "Sites that have mail, or had some lately."),
    GAUGE32(deliver.sources_suspended, "sources_suspended",
            "Source addresses that some site does not want for now, at each site."),
    GAUGE32(submit.sessions, "sessions", "Open sessions of clients."),
    COUNTER(messages, "accepted_messages_total", "Messages accepted."),
    COUNTER(recipients, "accepted_recipients_total", "Recipients of accepted messages."),
    COUNTER(deliver.delivered, "delivered_recipients_total", "Recipients delivered."),
    COUNTER(deliver.deferred, "deferred_recipients_total", "Attempts that are to be repeated."),
    COUNTER(deliver.failed, "failed_recipients_total", "Recipients that failed for good."),
    COUNTER(deliver.in_doubt, "in_doubt_recipients_total", "Attempts whose end is not known."),
    COUNTER(deliver.transactions, "transactions_total", "SMTP transactions begun."),
    COUNTER(deliver.connections_opened, "connections_opened_total", "Connections opened."),
    COUNTER(deliver.connections_failed, "connections_failed_total", "Connections that failed."),
    COUNTER(submit.sessions_opened, "sessions_opened_total", "Sessions of clients."),
    COUNTER(submit.refused, "sessions_refused_total", "Sessions refused: too many."),
    COUNTER(submit.tls_sessions, "sessions_tls_total", "Sessions under TLS."),
    COUNTER(submit.tls_failed, "sessions_tls_failed_total", "Handshakes of clients that failed."),
    COUNTER(submit.auth_accepted, "auth_accepted_total", "Authentications accepted."),
    COUNTER(submit.auth_refused, "auth_refused_total", "Authentications refused."),
    COUNTER(queries, "dns_queries_total", "Queries to name servers."),
    COUNTER(cache_hits, "dns_cache_hits_total", "Questions that the cache answered."),
    COUNTER(journal.messages_synced, "journal_messages_total", "Messages made durable."),
    COUNTER(journal.messages_refused, "journal_refused_total", "Messages the journal refused."),
    COUNTER(journal.writes, "journal_writes_total", "Writes to the journal."),
    COUNTER(journal.syncs, "journal_syncs_total", "Syncs of the journal."),
    COUNTER(journal.bytes, "journal_written_bytes_total", "Bytes written to the journal."),
    COUNTER(journal.segments_failed, "journal_failures_total", "Segments that failed."),
    COUNTER(deliver.fetched, "read_back_total", "Messages read back from the journal."),
    COUNTER(events, "events_total", "Event lines."),
    COUNTER(events_dropped, "events_dropped_total", "Event lines lost."),
    COUNTER(changes_left_out, "site_changes_left_out_total",
            "Changes of how sites are used that no event tells of: too many at once."),
    COUNTER(turns, "turns_total", "Turns of all workers."),
};

static void say(struct buffer *out, const char *name, const char *help, const char *type)
{
    buffer_printf(out, "# HELP posthaste_%s %s\n# TYPE posthaste_%s %s\n", name, help, name, type);
}

static void say_metric(struct buffer *out, const struct metric *m, const struct gathered *g)
{
    const char *at = (const char *)g + m->offset;
    uint64_t value;
    if (m->is_32bit)
        value = *(const uint32_t *)(const void *)at;
    else
        value = *(const uint64_t *)(const void *)at;
    say(out, m->name, m->help, m->is_gauge ? "gauge" : "counter");
    buffer_printf(out, "posthaste_%s %llu\n", m->name, (unsigned long long)value);
}

static void say_commits(struct buffer *out, const struct histogram *h)
{
    static const uint32_t per_million[] = {500000, 900000, 990000, 999000};
    say(out, "commit_seconds", "From a message's last byte to its 250.", "summary");
    for (size_t i = 0; i < sizeof(per_million) / sizeof(per_million[0]); i++)
        buffer_printf(out, "posthaste_commit_seconds{quantile=\"%g\"} %.6f\n",
                      (double)per_million[i] / 1e6,
                      (double)histogram_quantile(h, per_million[i]) / 1e6);
    buffer_printf(out, "posthaste_commit_seconds_sum %.6f\nposthaste_commit_seconds_count %llu\n",
                  (double)h->sum / 1e6, (unsigned long long)h->count);
}

static enum order_step metrics_end(struct order *o)
{
    const struct gathered *g = o->work;
    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
        say_metric(&o->out, &metrics[i], g);
    say_commits(&o->out, &g->commit_us);
    say(&o->out, "cpu_seconds_total", "Processor time of the engine.", "counter");
    buffer_printf(&o->out, "posthaste_cpu_seconds_total %.6f\n", (double)process_cpu_us() / 1e6);
    say(&o->out, "uptime_seconds", "Since the engine has started.", "gauge");
    buffer_printf(&o->out, "posthaste_uptime_seconds %llu\n",
                  (unsigned long long)(g->uptime_us / 1000000));
    return ORDER_OVER;
}

const struct order_kind order_metrics = {
    .name = "metrics",
    .rounds = 1,
    .begin = gather_begin,
    .visit = gather_visit,
    .end = metrics_end,
};
