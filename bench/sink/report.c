#include "bench/sink/report.h"

#include "bench/progress.h"
#include "engine/base/json.h"
#include "engine/base/units.h"

#include <inttypes.h>

#define REPORT_BYTES_MAX (64 * 1024)

static double messages_per_s(const struct sink_report *r)
{
    return r->elapsed_us ? (double)r->stats->messages * 1e6 / (double)r->elapsed_us : 0;
}

static void print_replies(const struct sink_stats *s, FILE *out)
{
    char text[FIGURE_BYTES];
    const char *before = "  replies     ";
    for (unsigned code = 0; code < SINK_CODES; code++) {
        if (s->replies[code] == 0)
            continue;
        fprintf(out, "%s%u: %s", before, code, figure_print(text, s->replies[code]));
        before = ", ";
    }
    if (before[0] == ',')
        fputc('\n', out);
}

// Only where there was any TLS, or any AUTH.
static void print_security(const struct sink_stats *s, FILE *out)
{
    char a[FIGURE_BYTES], b[FIGURE_BYTES], c[FIGURE_BYTES], d[FIGURE_BYTES];
    if (s->handshakes + s->handshakes_failed > 0)
        fprintf(out, "  TLS         %s handshakes: %s TLS 1.3, %s resumed; %s failed\n",
                figure_print(a, s->handshakes), figure_print(b, s->handshakes_tls13),
                figure_print(c, s->handshakes_resumed), figure_print(d, s->handshakes_failed));
    if (s->logins + s->logins_refused > 0)
        fprintf(out, "  AUTH        %s accepted, %s refused\n", figure_print(a, s->logins),
                figure_print(b, s->logins_refused));
}

void sink_report_print(const struct sink_report *r, FILE *out)
{
    const struct sink_stats *s = r->stats;
    char a[FIGURE_BYTES], b[FIGURE_BYTES], c[FIGURE_BYTES], bytes[UNITS_TEXT_BYTES];
    fprintf(out, "%s messages for %s recipients kept in %s: %s/s\n", figure_print(a, s->messages),
            figure_print(b, s->recipients), figure_print_us(c, r->elapsed_us),
            figure_print(bytes, (uint64_t)messages_per_s(r)));
    fprintf(out, "  content     %s\n", units_print_bytes(bytes, s->bytes));
    fprintf(out, "  refused     %s messages after their content\n",
            figure_print(a, s->messages_refused));
    fprintf(out, "  sessions    %s", figure_print(a, s->sessions));
    fprintf(out, ", %s at a time, %s of them inside a transaction\n",
            figure_print(a, r->peaks.sessions), figure_print(b, r->peaks.transactions));
    fprintf(out, "              %s turned away, %s broken off, %s cut by the script\n",
            figure_print(a, s->sessions_refused), figure_print(b, s->sessions_broken),
            figure_print(c, s->disconnects));
    print_security(s, out);
    print_replies(s, out);
    fprintf(out, "  processor   %s", figure_print_us(a, r->cpu_us));
    if (s->messages > 0)
        fprintf(out, ", %.2f us a message", (double)r->cpu_us / (double)s->messages);
    fprintf(out, "\n  memory      %s at most\n", units_print_bytes(bytes, r->resident_bytes_peak));
}

static void json_replies(struct json *j, const struct sink_stats *s)
{
    json_object(j, "replies");
    for (unsigned code = 0; code < SINK_CODES; code++) {
        char key[8];
        snprintf(key, sizeof(key), "%u", code);
        if (s->replies[code] > 0)
            json_u64(j, key, s->replies[code]);
    }
    json_end(j);
}

void sink_report_json(const struct sink_report *r, FILE *out)
{
    const struct sink_stats *s = r->stats;
    struct buffer text;
    struct json j;
    buffer_init(&text, REPORT_BYTES_MAX);
    json_init(&j, &text);
    json_object(&j, NULL);
    json_u64(&j, "messages", s->messages);
    json_u64(&j, "recipients", s->recipients);
    json_u64(&j, "bytes", s->bytes);
    json_u64(&j, "messages_refused", s->messages_refused);
    json_u64(&j, "sessions", s->sessions);
    json_u64(&j, "sessions_peak", r->peaks.sessions);
    json_u64(&j, "transactions_peak", r->peaks.transactions);
    json_u64(&j, "sessions_refused", s->sessions_refused);
    json_u64(&j, "sessions_broken", s->sessions_broken);
    json_u64(&j, "disconnects", s->disconnects);
    json_u64(&j, "handshakes", s->handshakes);
    json_u64(&j, "handshakes_resumed", s->handshakes_resumed);
    json_u64(&j, "handshakes_failed", s->handshakes_failed);
    json_u64(&j, "handshakes_tls13", s->handshakes_tls13);
    json_u64(&j, "logins", s->logins);
    json_u64(&j, "logins_refused", s->logins_refused);
    json_replies(&j, s);
    json_double(&j, "seconds", (double)r->elapsed_us / 1e6);
    json_u64(&j, "last_us", r->last_us);
    json_double(&j, "messages_per_s", messages_per_s(r));
    json_double(&j, "cpu_seconds", (double)r->cpu_us / 1e6);
    json_u64(&j, "resident_bytes_peak", r->resident_bytes_peak);
    json_end(&j);
    if (json_ok(&j))
        fprintf(out, "%.*s\n", SLICE_ARG(buffer_slice(&text)));
    buffer_release(&text);
}
