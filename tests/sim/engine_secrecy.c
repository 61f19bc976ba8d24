#include "tests/sim/engine_secrecy.h"

#include "bench/sink/dialogue.h"
#include "bench/sink/worker.h"
#include "engine/tls/parts.h"
#include "tests/sim/engine_certificates.h"

#include <stdio.h>

static struct {
    const struct plan *plan;
    struct secrecy_seen seen;
    const struct sink_session *session; // that is being fed; NULL: none
    const struct sink_worker *worker;   // whose it is
} watched;

void secrecy_watch(const struct plan *p)
{
    watched.plan = p;
    watched.seen = (struct secrecy_seen){0};
}

struct secrecy_seen secrecy_seen(void)
{
    return watched.seen;
}

static void complain(struct slice address, const char *what)
{
    if (watched.seen.breach_count++ == 0)
        snprintf(watched.seen.breach, sizeof(watched.seen.breach), "%.*s: %s", SLICE_ARG(address),
                 what);
}

// An address of none of its domains is the books' to complain of.
static enum tls_level level_of(struct slice address)
{
    const struct plan *p = watched.plan;
    slice_cut(&address, '@');
    for (uint32_t i = 0; i <= p->domain_count; i++) // the sender's is the last
        if (slice_equal(address, slice_of_text(p->rules[i].domain)))
            return p->rules[i].limits.tls;
    return TLS_LEVEL_NONE;
}

static void count(enum tls_level level, bool is_sealed)
{
    struct secrecy_seen *seen = &watched.seen;
    seen->verified += level == TLS_LEVEL_VERIFY;
    seen->encrypted += level == TLS_LEVEL_ENCRYPT;
    seen->sealed += level == TLS_LEVEL_MAY && is_sealed;
    seen->fallen_back += level == TLS_LEVEL_MAY && !is_sealed &&
                         watched.worker->plan->smtp.starttls;
}

static void hears_of(struct slice address)
{
    const struct tls *t = watched.session->tls;
    enum tls_level level = level_of(address);
    bool is_proven = t && t->context == certificates_context(CERTIFICATE_GOOD);
    if (level >= TLS_LEVEL_ENCRYPT && !t)
        complain(address, "was said in the clear");
    else if (level >= TLS_LEVEL_VERIFY && !is_proven)
        complain(address, "was said to who did not prove who he is");
    count(level, t != NULL);
}

struct smtp_server_event __real_smtp_server_feed(struct smtp_server *s, struct slice *bytes,
                                                 struct buffer *out);
struct smtp_server_event __wrap_smtp_server_feed(struct smtp_server *s, struct slice *bytes,
                                                 struct buffer *out);
struct smtp_server_event __wrap_smtp_server_feed(struct smtp_server *s, struct slice *bytes,
                                                 struct buffer *out)
{
    struct smtp_server_event e = __real_smtp_server_feed(s, bytes, out);
    if (watched.session && watched.plan && e.kind == SERVER_RCPT)
        hears_of(e.address.text);
    return e;
}

void __real_sink_dialogue_feed(struct sink_session *s, struct sink_worker *w, struct slice bytes);
void __wrap_sink_dialogue_feed(struct sink_session *s, struct sink_worker *w, struct slice bytes);
void __wrap_sink_dialogue_feed(struct sink_session *s, struct sink_worker *w, struct slice bytes)
{
    watched.session = s;
    watched.worker = w;
    __real_sink_dialogue_feed(s, w, bytes);
    watched.session = NULL;
}
