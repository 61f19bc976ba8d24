#include "bench/load/secure.h"

#include "bench/load/dialogue.h"
#include "bench/load/worker.h"

#include <stdio.h>

struct tls_context *load_secure_context(const struct load_plan *plan, const char **ret_why)
{
    const struct tls_client_options options = {
        .trusted_pem = plan->tls_trusted_pem,
        .session_count = plan->tls_resume ? TLS_SESSIONS_MAX : 0,
    };
    return tls_context_new_client(&options, ret_why);
}

bool load_secure_start(struct load_session *s, struct load_worker *w)
{
    const struct load_plan *plan = w->plan;
    char peer[IO_ADDRESS_TEXT_BYTES];
    io_address_print(load_session_peer(s, w), peer);
    const struct tls_client_session options = {
        .check = plan->tls_verify ? TLS_CHECK_NAME : TLS_CHECK_NONE,
        .server_name = plan->tls_name,
        .names = {plan->tls_name},
        .name_count = plan->tls_name.len > 0 ? 1 : 0,
        .peer = plan->tls_resume ? slice_of_text(peer) : SLICE_EMPTY,
    };
    s->asked_us = w->now_us;
    s->tls = tls_new_client(w->tls, &options);
    return s->tls && tls_start(s->tls, &s->sealed) != TLS_FAILED;
}

static void on_ready(struct load_session *s, struct load_worker *w)
{
    struct tls_info info = tls_info(s->tls);
    struct load_counters *counters = &w->stats.counters;
    s->tls_ready = true;
    counters->handshakes++;
    counters->handshakes_resumed += info.resumed;
    counters->handshakes_tls13 += strcmp(info.version, "TLSv1.3") == 0;
    histogram_add(&w->stats.phases[LOAD_TLS], w->now_us - s->asked_us);
    s->asked_us = w->now_us;
    load_dialogue_secured(s, w);
}

// For people: what to do about it.
static struct slice explain(const struct load_session *s, char *text, size_t text_bytes)
{
    struct tls_failure failure = tls_failure(s->tls);
    const char *advice =
        failure.trouble == TLS_TROUBLE_VERDICT
            ? " (--trusted FILE names whom to trust, --tls-name NAME whom to expect)"
            : "";
    snprintf(text, text_bytes, "TLS: %s%s", failure.text, advice);
    return slice_of_text(text);
}

static void on_failed(struct load_session *s, struct load_worker *w)
{
    char text[LOAD_FAULT_TEXT_BYTES_MAX];
    struct slice why = explain(s, text, sizeof(text));
    if (!s->ready && !s->quitting)
        load_session_count_failed(w, "TLS", 0, why);
    load_session_close(s, w, 0, why);
}

void load_secure_feed(struct load_session *s, struct load_worker *w, struct slice sealed)
{
    enum tls_status status = TLS_READY;
    s->heard_us = w->now_us;
    load_worker_dirty(w, s);
    while (s->state == LOAD_TALKING && (status == TLS_READY || status == TLS_FULL)) {
        buffer_clear(&w->plain);
        status = tls_feed(s->tls, &sealed, &w->plain, &s->sealed);
        if (status == TLS_READY)
            on_ready(s, w);
        if (w->plain.len > 0)
            load_dialogue_feed(s, w, buffer_slice(&w->plain));
    }
    if (s->state != LOAD_TALKING)
        return;
    if (status == TLS_FAILED)
        on_failed(s, w);
    else if (status == TLS_CLOSED)
        load_session_break(s, w, "TLS closed by the server");
}

bool load_secure_fill(struct load_session *s)
{
    unsigned count;
    if (!s->tls_ready || wire_empty(&s->wire))
        return true;
    const struct iovec *pieces = wire_pieces(&s->wire, &count);
    size_t used = tls_seal(s->tls, pieces, count, &s->sealed);
    wire_sent(&s->wire, used);
    s->sealed_plain_bytes += used;
    return used > 0 || s->sealed.len > 0;
}

void load_secure_part(struct load_session *s)
{
    if (s->tls_ready)
        tls_close(s->tls, &s->sealed);
}
