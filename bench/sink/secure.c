#include "bench/sink/secure.h"

#include "bench/sink/dialogue.h"
#include "bench/sink/worker.h"

struct tls_context *sink_secure_context(const struct sink_plan *plan, const char **ret_why)
{
    const struct tls_server_options options = {
        .certificates = {{.chain_pem = plan->certificate_pem, .key_pem = plan->key_pem}},
        .certificate_count = 1,
        .service = plan->smtp.hostname,
    };
    return tls_context_new_server(&options, ret_why);
}

bool sink_secure_start(struct sink_session *s, struct sink_worker *w)
{
    s->tls = tls_new_server(w->tls);
    return s->tls != NULL;
}

// What TLS itself has to say goes as late as any reply. False without memory.
static bool put_sealed(struct sink_session *s, struct sink_worker *w, uint64_t due_us)
{
    struct slice sealed = sink_session_rest(s, w, buffer_slice(&w->sealed));
    bool fine = sealed.len == 0 || delay_line_put(&s->line, sealed, due_us);
    buffer_clear(&w->sealed);
    sink_worker_dirty(w, s);
    return fine;
}

static uint64_t due_us_of(const struct sink_worker *w)
{
    return w->plan->latency_us ? w->now_us + w->plan->latency_us : 0;
}

// What the script wants of this handshake. False: it goes no further.
static bool begin(struct sink_session *s, struct sink_worker *w)
{
    if (s->tls_begun)
        return !s->tls_silent;
    s->tls_begun = true;
    struct sink_outcome o = sink_script_throw(&w->plan->script, SINK_TLS, &w->dice);
    s->tls_silent = o.deed == SINK_SILENCE;
    s->torn = o.deed == SINK_TEAR;
    if (o.deed == SINK_DISCONNECT) {
        w->stats.disconnects++;
        sink_session_end(s, w, 0);
    }
    return o.deed == SINK_USUAL || o.deed == SINK_TEAR;
}

// Of its answer to the handshake a part is on its way, and no more.
static void on_torn(struct sink_session *s, struct sink_worker *w)
{
    w->stats.disconnects++;
    sink_session_end(s, w, 0);
}

static void on_ready(struct sink_session *s, struct sink_worker *w)
{
    struct tls_info info = tls_info(s->tls);
    s->tls_ready = true;
    w->stats.handshakes++;
    w->stats.handshakes_resumed += info.resumed;
    w->stats.handshakes_tls13 += strcmp(info.version, "TLSv1.3") == 0;
    sink_dialogue_secured(s, w);
}

void sink_secure_feed(struct sink_session *s, struct sink_worker *w, struct slice sealed)
{
    enum tls_status status = TLS_READY;
    s->heard_us = w->heard_us = w->now_us;
    if (!begin(s, w))
        return;
    while (s->state == SINK_TALKING && (status == TLS_READY || status == TLS_FULL)) {
        buffer_clear(&w->plain);
        status = tls_feed(s->tls, &sealed, &w->plain, &w->sealed);
        bool answers = w->sealed.len > 0;
        if (!put_sealed(s, w, due_us_of(w)))
            sink_session_close(s, w);
        else if (s->torn && answers)
            on_torn(s, w);
        else if (status == TLS_READY)
            on_ready(s, w);
        if (s->state == SINK_TALKING && w->plain.len > 0)
            sink_dialogue_feed(s, w, buffer_slice(&w->plain));
    }
    if (s->state == SINK_TALKING && (status == TLS_CLOSED || status == TLS_FAILED))
        sink_session_end(s, w, 0); // behind the alert that says why
}

bool sink_secure_say(struct sink_session *s, struct sink_worker *w, struct slice plain,
                     uint64_t due_us)
{
    while (plain.len > 0) {
        const struct iovec piece = {.iov_base = (void *)(uintptr_t)plain.data,
                                    .iov_len = plain.len};
        size_t used = tls_seal(s->tls, &piece, 1, &w->sealed);
        if (!put_sealed(s, w, due_us) || used == 0)
            return false;
        plain = slice_skip(plain, used);
    }
    return true;
}

void sink_secure_part(struct sink_session *s, struct sink_worker *w)
{
    if (!s->tls_ready)
        return;
    tls_close(s->tls, &w->sealed);
    if (!put_sealed(s, w, 0))
        sink_session_close(s, w);
}

void sink_secure_release(struct sink_session *s, struct sink_worker *w)
{
    if (s->tls && !s->tls_ready)
        w->stats.handshakes_failed++;
    tls_free(s->tls);
    s->tls = NULL;
}
