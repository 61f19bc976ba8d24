#include "bench/load/report.h"

#include "bench/progress.h"
#include "engine/base/check.h"
#include "engine/base/json.h"

#include <inttypes.h>

#define REPORT_BYTES_MAX (256 * 1024)

struct quantile {
    const char *name;
    uint32_t per_million;
};
static const struct quantile quantiles[] = {
    {"p50", 500000}, {"p90", 900000}, {"p99", 990000}, {"p99.9", 999000}};

static double per_second(uint64_t count, uint64_t us)
{
    return us ? (double)count * 1e6 / (double)us : 0;
}

static void print_latency(const struct load_stats *s, FILE *out)
{
    char text[FIGURE_BYTES];
    if (s->phases[LOAD_CONNECT].count == 0)
        return; // nobody was there
    fprintf(out, "\n%-20s", "latency");
    for (unsigned q = 0; q < COUNT_OF(quantiles); q++)
        fprintf(out, "%10s", quantiles[q].name);
    fprintf(out, "%10s\n", "max");
    for (unsigned i = 0; i < LOAD_PHASE_COUNT; i++) {
        const struct histogram *h = &s->phases[i];
        if (h->count == 0)
            continue;
        fprintf(out, "  %-18s", load_phase_words(i));
        for (unsigned q = 0; q < COUNT_OF(quantiles); q++)
            fprintf(out, "%10s",
                    figure_print_us(text, histogram_quantile(h, quantiles[q].per_million)));
        fprintf(out, "%10s\n", figure_print_us(text, h->max));
    }
}

static void print_faults(const struct load_stats *s, FILE *out)
{
    char text[FIGURE_BYTES];
    if (s->fault_count > 0)
        fprintf(out, "\n%-20s%10s\n", "trouble", "count");
    for (uint32_t i = 0; i < s->fault_count; i++) {
        const struct load_fault *f = &s->faults[i];
        char code[8] = "";
        if (f->code)
            snprintf(code, sizeof(code), "%u", f->code);
        fprintf(out, "  %-9s%-9s%10s  %s\n", f->where, code, figure_print(text, f->count), f->text);
    }
}

void load_report_print(const struct load_report *r, FILE *out)
{
    const struct load_counters *c = &r->stats->counters;
    char a[FIGURE_BYTES], b[FIGURE_BYTES], d[FIGURE_BYTES];
    fprintf(out, "%s messages accepted by %s in %s: %s/s, %.1f MiB/s\n",
            figure_print(a, c->messages_accepted), r->peer, figure_print_us(b, r->elapsed_us),
            figure_print(d, (uint64_t)per_second(c->messages_accepted, r->elapsed_us)),
            per_second(c->bytes, r->elapsed_us) / (1 << 20));
    fprintf(out, "  messages    %s refused, %s lost\n", figure_print(a, c->messages_refused),
            figure_print(b, c->messages_lost));
    fprintf(out, "  recipients  %s accepted, %s failed (%.2f %%)\n",
            figure_print(a, c->recipients_accepted), figure_print(b, c->recipients_failed),
            load_error_share(c) * 100);
    fprintf(out, "  sessions    %s", figure_print(a, c->sessions));
    fprintf(out, ", %s at a time, %s broken, %s failed\n", figure_print(a, c->sessions_open_peak),
            figure_print(b, c->sessions_broken), figure_print(d, c->sessions_failed));
    if (c->handshakes > 0)
        fprintf(out, "  TLS         %s handshakes: %s TLS 1.3, %s resumed\n",
                figure_print(a, c->handshakes), figure_print(b, c->handshakes_tls13),
                figure_print(d, c->handshakes_resumed));
    fprintf(out, "  processor   %s", figure_print_us(a, r->cpu_us));
    if (c->messages_accepted > 0)
        fprintf(out, ", %.2f us a message", (double)r->cpu_us / (double)c->messages_accepted);
    fputc('\n', out);
    if (r->overdue > 0)
        fprintf(out,
                "  overdue     %s messages were due and never started: too few sessions for "
                "this rate\n",
                figure_print(a, r->overdue));
    print_latency(r->stats, out);
    print_faults(r->stats, out);
    if (r->gave_up)
        fputs("\nGave up: nothing went well any more.\n", out);
    if (r->interrupted)
        fputs("\nInterrupted.\n", out);
}

static void json_counters(struct json *j, const struct load_report *r)
{
    const struct load_counters *c = &r->stats->counters;
    json_u64(j, "messages_started", c->messages_started);
    json_u64(j, "messages_accepted", c->messages_accepted);
    json_u64(j, "messages_refused", c->messages_refused);
    json_u64(j, "messages_lost", c->messages_lost);
    json_u64(j, "messages_overdue", r->overdue);
    json_u64(j, "recipients_accepted", c->recipients_accepted);
    json_u64(j, "recipients_failed", c->recipients_failed);
    json_u64(j, "bytes", c->bytes);
    json_u64(j, "sessions", c->sessions);
    json_u64(j, "sessions_peak", c->sessions_open_peak);
    json_u64(j, "sessions_broken", c->sessions_broken);
    json_u64(j, "sessions_failed", c->sessions_failed);
    json_u64(j, "handshakes", c->handshakes);
    json_u64(j, "handshakes_resumed", c->handshakes_resumed);
    json_u64(j, "handshakes_tls13", c->handshakes_tls13);
}

static void json_latency(struct json *j, const struct load_stats *s)
{
    json_object(j, "latency_us");
    for (unsigned i = 0; i < LOAD_PHASE_COUNT; i++) {
        const struct histogram *h = &s->phases[i];
        json_object(j, load_phase_name(i));
        json_u64(j, "count", h->count);
        json_double(j, "mean", h->count ? (double)h->sum / (double)h->count : 0);
        for (unsigned q = 0; q < COUNT_OF(quantiles); q++)
            json_u64(j, quantiles[q].name, histogram_quantile(h, quantiles[q].per_million));
        json_u64(j, "max", h->max);
        json_end(j);
    }
    json_end(j);
}

static void json_faults(struct json *j, const struct load_stats *s)
{
    json_array(j, "trouble");
    for (uint32_t i = 0; i < s->fault_count; i++) {
        json_object(j, NULL);
        json_text(j, "at", slice_of_text(s->faults[i].where));
        json_u64(j, "code", s->faults[i].code);
        json_u64(j, "count", s->faults[i].count);
        json_text(j, "text", slice_of_text(s->faults[i].text));
        json_end(j);
    }
    json_end(j);
}

void load_report_json(const struct load_report *r, FILE *out)
{
    const struct load_counters *c = &r->stats->counters;
    struct buffer text;
    struct json j;
    buffer_init(&text, REPORT_BYTES_MAX);
    json_init(&j, &text);
    json_object(&j, NULL);
    json_text(&j, "peer", slice_of_text(r->peer));
    json_double(&j, "seconds", (double)r->elapsed_us / 1e6);
    json_u64(&j, "start_us", r->start_us);
    json_double(&j, "cpu_seconds", (double)r->cpu_us / 1e6);
    json_double(&j, "messages_per_s", per_second(c->messages_accepted, r->elapsed_us));
    json_double(&j, "error_share", load_error_share(c));
    json_counters(&j, r);
    json_bool(&j, "gave_up", r->gave_up);
    json_bool(&j, "interrupted", r->interrupted);
    json_latency(&j, r->stats);
    json_faults(&j, r->stats);
    json_end(&j);
    if (json_ok(&j))
        fprintf(out, "%.*s\n", SLICE_ARG(buffer_slice(&text)));
    buffer_release(&text);
}

void load_csv_head(FILE *out)
{
    fputs("seconds,sessions,messages_accepted,messages_failed,recipients_accepted,"
          "recipients_failed,bytes,p50_us,p90_us,p99_us,max_us\n",
          out);
}

void load_csv_line(FILE *out, uint64_t elapsed_us, const struct load_counters *now,
                   const struct load_counters *before, const struct histogram *latency)
{
    uint64_t failed = now->messages_refused + now->messages_lost;
    uint64_t failed_before = before->messages_refused + before->messages_lost;
    fprintf(out, "%.1f,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64,
            (double)elapsed_us / 1e6, now->sessions_open,
            now->messages_accepted - before->messages_accepted, failed - failed_before,
            now->recipients_accepted - before->recipients_accepted,
            now->recipients_failed - before->recipients_failed, now->bytes - before->bytes);
    fprintf(out, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n",
            histogram_quantile(latency, 500000), histogram_quantile(latency, 900000),
            histogram_quantile(latency, 990000), latency->max);
    fflush(out);
}
