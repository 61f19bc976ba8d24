#include "engine/control/counters.h"

#include "engine/base/process.h"

void counters_add(struct counters *sum, const struct counters *c)
{
    sum->messages += c->messages;
    sum->recipients += c->recipients;
    sum->jobs += c->jobs;
    sum->jobs_crossed += c->jobs_crossed;
    sum->jobs_retried += c->jobs_retried;
    sum->suppressed += c->suppressed;
    sum->turns += c->turns;
    sum->wakes += c->wakes;
    sum->submit.sessions += c->submit.sessions;
    sum->submit.sessions_opened += c->submit.sessions_opened;
    sum->submit.sessions_peak += c->submit.sessions_peak;
    sum->submit.refused += c->submit.refused;
    sum->submit.tls_sessions += c->submit.tls_sessions;
    sum->submit.tls_failed += c->submit.tls_failed;
    sum->submit.auth_accepted += c->submit.auth_accepted;
    sum->submit.auth_refused += c->submit.auth_refused;
    sum->deliver.connections += c->deliver.connections;
    sum->deliver.sites += c->deliver.sites;
    sum->deliver.sources_suspended += c->deliver.sources_suspended;
    sum->deliver.connections_opened += c->deliver.connections_opened;
    sum->deliver.connections_failed += c->deliver.connections_failed;
    sum->deliver.connections_reused += c->deliver.connections_reused;
    sum->deliver.lent += c->deliver.lent;
    sum->deliver.gave_way += c->deliver.gave_way;
    sum->deliver.transactions_ahead += c->deliver.transactions_ahead;
    sum->deliver.tls_sessions += c->deliver.tls_sessions;
    sum->deliver.tls_resumed += c->deliver.tls_resumed;
    sum->deliver.connections_peak += c->deliver.connections_peak;
    sum->deliver.transactions += c->deliver.transactions;
    sum->deliver.delivered += c->deliver.delivered;
    sum->deliver.deferred += c->deliver.deferred;
    sum->deliver.failed += c->deliver.failed;
    sum->deliver.in_doubt += c->deliver.in_doubt;
    sum->queries += c->queries;
    sum->cache_hits += c->cache_hits;
    sum->deliver.fetched += c->deliver.fetched;
    sum->deliver.fetches_failed += c->deliver.fetches_failed;
    sum->deliver.signatures += c->deliver.signatures;
    sum->deliver.signatures_failed += c->deliver.signatures_failed;
    sum->deliver.encoded += c->deliver.encoded;
    sum->journal.writes += c->journal.writes;
    sum->journal.syncs += c->journal.syncs;
    sum->journal.bytes += c->journal.bytes;
    sum->journal.messages_synced += c->journal.messages_synced;
    sum->journal.messages_refused += c->journal.messages_refused;
    sum->journal.segments_failed += c->journal.segments_failed;
    sum->events += c->events;
    sum->events_dropped += c->events_dropped;
    sum->changes_left_out += c->changes_left_out;
    sum->block_bytes_peak += c->block_bytes_peak;
    sum->block_heap_calls += c->block_heap_calls;
    sum->block_bytes_copied += c->block_bytes_copied;
    sum->messages_left += c->messages_left;
    sum->reports += c->reports;
}

void counters_print(const struct counters *c, struct json *j)
{
    json_u64(j, "messages", c->messages);
    json_u64(j, "recipients", c->recipients);
    json_u64(j, "jobs", c->jobs);
    json_u64(j, "jobs-crossed", c->jobs_crossed);
    json_u64(j, "jobs-retried", c->jobs_retried);
    json_u64(j, "delivered", c->deliver.delivered);
    json_u64(j, "deferred", c->deliver.deferred);
    json_u64(j, "failed", c->deliver.failed);
    json_u64(j, "in-doubt", c->deliver.in_doubt);
    json_u64(j, "suppressed", c->suppressed);
    json_u64(j, "messages-left", c->messages_left);
    json_u64(j, "reports", c->reports);
    json_u64(j, "sessions", c->submit.sessions_opened);
    json_u64(j, "sessions-peak", c->submit.sessions_peak);
    json_u64(j, "sessions-refused", c->submit.refused);
    json_u64(j, "sessions-tls", c->submit.tls_sessions);
    json_u64(j, "sessions-tls-failed", c->submit.tls_failed);
    json_u64(j, "auth-accepted", c->submit.auth_accepted);
    json_u64(j, "auth-refused", c->submit.auth_refused);
    json_u64(j, "connections", c->deliver.connections_opened);
    json_u64(j, "connections-peak", c->deliver.connections_peak);
    json_u64(j, "connections-failed", c->deliver.connections_failed);
    json_u64(j, "connections-reused", c->deliver.connections_reused);
    json_u64(j, "connections-gave-way", c->deliver.gave_way);
    json_u64(j, "jobs-lent", c->deliver.lent);
    json_u64(j, "transactions-ahead", c->deliver.transactions_ahead);
    json_u64(j, "tls-sessions", c->deliver.tls_sessions);
    json_u64(j, "tls-resumed", c->deliver.tls_resumed);
    json_u64(j, "transactions", c->deliver.transactions);
    json_u64(j, "dns-queries", c->queries);
    json_u64(j, "dns-cache-hits", c->cache_hits);
    json_u64(j, "journal-messages", c->journal.messages_synced);
    json_u64(j, "journal-refused", c->journal.messages_refused);
    json_u64(j, "journal-writes", c->journal.writes);
    json_u64(j, "journal-syncs", c->journal.syncs);
    json_u64(j, "journal-bytes", c->journal.bytes);
    json_u64(j, "journal-failures", c->journal.segments_failed);
    json_u64(j, "read-back", c->deliver.fetched);
    json_u64(j, "read-back-failed", c->deliver.fetches_failed);
    json_u64(j, "signed", c->deliver.signatures);
    json_u64(j, "signed-failed", c->deliver.signatures_failed);
    json_u64(j, "encoded", c->deliver.encoded);
    json_u64(j, "turns", c->turns);
    json_u64(j, "wakes", c->wakes);
    json_u64(j, "events", c->events);
    json_u64(j, "events-dropped", c->events_dropped);
    json_u64(j, "site-changes-left-out", c->changes_left_out);
    json_u64(j, "block-bytes-peak", c->block_bytes_peak);
    json_u64(j, "block-heap-calls", c->block_heap_calls);
    json_u64(j, "block-bytes-copied", c->block_bytes_copied);
    json_u64(j, "cpu-us", process_cpu_us());
    json_u64(j, "resident-bytes-peak", process_resident_bytes_peak());
}
