// bench/sink/secure.h: TLS between a session's socket and its dialogue, on the certificate of the
// plan.
//
// Knows not of: SMTP, sockets and timers. Sealed bytes come in, plain ones go to the dialogue; what
//               is to be sent goes into the delay line, so that a handshake is as late as replies.
#ifndef POSTHASTE_BENCH_SINK_SECURE_H
#define POSTHASTE_BENCH_SINK_SECURE_H

#include "bench/sink/plan.h"
#include "bench/sink/session.h"
#include "engine/tls/tls.h"

// A certificate and its key, for a context of each worker. NULL: *ret_why says why not.
struct tls_context *sink_secure_context(const struct sink_plan *plan, const char **ret_why);

// From here on everything is TLS: the client begins. False without memory.
bool sink_secure_start(struct sink_session *s, struct sink_worker *w);
// Bytes from the client. The session may be ending or closed behind it.
void sink_secure_feed(struct sink_session *s, struct sink_worker *w, struct slice sealed);
// Puts `plain`, sealed, into the delay line. False without memory for it.
bool sink_secure_say(struct sink_session *s, struct sink_worker *w, struct slice plain,
                     uint64_t due_us);
// The last that is said: nothing more comes from us.
void sink_secure_part(struct sink_session *s, struct sink_worker *w);
// Counts a handshake that was never completed. The session closes.
void sink_secure_release(struct sink_session *s, struct sink_worker *w);

#endif
