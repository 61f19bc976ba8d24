#include "bench/load/stats.h"

const char *load_phase_name(enum load_phase phase)
{
    static const char *const names[LOAD_PHASE_COUNT] = {
        "connect", "greeting", "tls", "ehlo", "auth", "envelope", "verdict", "message"};
    return names[phase];
}

const char *load_phase_words(enum load_phase phase)
{
    static const char *const words[LOAD_PHASE_COUNT] = {
        "connect", "greeting",    "TLS handshake",      "EHLO",
        "AUTH",    "MAIL to 354", "content to verdict", "whole message",
    };
    return words[phase];
}

double load_error_share(const struct load_counters *c)
{
    uint64_t tried = c->recipients_accepted + c->recipients_failed;
    if (tried == 0)
        return c->sessions_failed > 0 ? 1 : 0;
    return (double)c->recipients_failed / (double)tried;
}

void load_counters_merge(struct load_counters *into, const struct load_counters *from)
{
    into->sessions += from->sessions;
    into->sessions_failed += from->sessions_failed;
    into->sessions_broken += from->sessions_broken;
    into->handshakes += from->handshakes;
    into->handshakes_resumed += from->handshakes_resumed;
    into->handshakes_tls13 += from->handshakes_tls13;
    into->sessions_open += from->sessions_open;
    into->sessions_open_peak += from->sessions_open_peak;
    into->messages_started += from->messages_started;
    into->messages_accepted += from->messages_accepted;
    into->messages_refused += from->messages_refused;
    into->messages_lost += from->messages_lost;
    into->recipients_accepted += from->recipients_accepted;
    into->recipients_failed += from->recipients_failed;
    into->bytes += from->bytes;
}

// Replies count as one kind by their code, other trouble by its text.
static bool is_fault(const struct load_fault *f, const char *where, uint16_t code,
                     struct slice text)
{
    return strcmp(f->where, where) == 0 && f->code == code &&
           (code != 0 || slice_equal(slice_of_text(f->text), text));
}

void load_stats_fault(struct load_stats *s, const char *where, uint16_t code, struct slice text,
                      uint64_t count)
{
    text = slice_take(text, LOAD_FAULT_TEXT_BYTES_MAX - 1);
    for (uint32_t i = 0; i < s->fault_count; i++) {
        if (is_fault(&s->faults[i], where, code, text)) {
            s->faults[i].count += count;
            return;
        }
    }
    if (s->fault_count == LOAD_FAULTS_MAX) {
        struct load_fault *last = &s->faults[LOAD_FAULTS_MAX - 1];
        last->where = "other";
        last->code = 0;
        last->text[0] = 0;
        last->count += count;
        return;
    }
    struct load_fault *f = &s->faults[s->fault_count++];
    *f = (struct load_fault){.where = where, .code = code, .count = count};
    memcpy(f->text, text.data, text.len);
}

void load_stats_merge(struct load_stats *into, const struct load_stats *from)
{
    load_counters_merge(&into->counters, &from->counters);
    for (unsigned i = 0; i < LOAD_PHASE_COUNT; i++)
        histogram_merge(&into->phases[i], &from->phases[i]);
    histogram_merge(&into->interval, &from->interval);
    for (uint32_t i = 0; i < from->fault_count; i++)
        load_stats_fault(into, from->faults[i].where, from->faults[i].code,
                         slice_of_text(from->faults[i].text), from->faults[i].count);
}
