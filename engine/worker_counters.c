#include "engine/worker_parts.h"

// As their homes have taken them.
static struct deliver_counters delivery_of(const struct worker *w)
{
    struct deliver_counters c = deliver_counters(w->deliver);
    c.failed -= w->home.counters.failures_put_off; // of all workers together they are
    c.deferred += w->home.counters.failures_put_off;
    c.failed += w->home.counters.ended; // without having been tried
    return c;
}

struct counters worker_counters(const struct worker *w)
{
    const struct home *h = &w->home;
    struct resolver_counters r = resolver_counters(w->resolver);
    return (struct counters){
        .messages = h->counters.messages,
        .recipients = h->counters.recipients,
        .jobs = h->counters.jobs,
        .jobs_crossed = h->counters.jobs_crossed,
        .jobs_retried = h->counters.jobs_retried,
        .suppressed = h->counters.suppressed + deliver_counters(w->deliver).suppressed,
        .turns = w->turn_count,
        .wakes = w->wake_count,
        .submit = submit_counters(w->submit),
        .deliver = delivery_of(w),
        .queries = r.queries,
        .cache_hits = r.cache_hits,
        .journal = h->journal.counters,
        .events = w->events.line_count,
        .events_dropped = w->events.dropped_count,
        .changes_left_out = w->changes_left_out + deliver_counters(w->deliver).changes_left_out,
        .block_bytes_peak = h->blocks.bytes_peak,
        .block_heap_calls = h->blocks.heap_calls,
        .block_bytes_copied = h->blocks.bytes_copied,
        .messages_left = home_messages_left(h),
        .reports = h->notices.report_count,
    };
}

const struct histogram *worker_commit_us(const struct worker *w)
{
    return &w->home.commit_us;
}
