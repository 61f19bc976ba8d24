// bench/load/secure.h: TLS between a session's socket and its dialogue.
//
// Knows not of: SMTP. Sealed bytes come in, plain ones go to the dialogue; what the session's wire
//               holds is sealed into `s->sealed`, which then is sent.
#ifndef POSTHASTE_BENCH_LOAD_SECURE_H
#define POSTHASTE_BENCH_LOAD_SECURE_H

#include "bench/load/plan.h"
#include "bench/load/session.h"
#include "engine/tls/tls.h"

#define LOAD_SEALED_BYTES_MAX (256 * 1024) // of a session, to be sent at once

// For each worker one. NULL: *ret_why says why not.
struct tls_context *load_secure_context(const struct load_plan *plan, const char **ret_why);

// The handshake begins. False without memory.
bool load_secure_start(struct load_session *s, struct load_worker *w);
// Bytes from the server. The session may be closed behind it.
void load_secure_feed(struct load_session *s, struct load_worker *w, struct slice sealed);
// Seals what the wire holds, as far as there is room. False when that cannot be.
bool load_secure_fill(struct load_session *s);
// Appends the last words of TLS.
void load_secure_part(struct load_session *s);

#endif
