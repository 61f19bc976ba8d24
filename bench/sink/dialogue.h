// bench/sink/dialogue.h: what the sink makes of what a client says: the server machine's events,
// the script's outcomes, and the keeping of messages.
//
// Knows not of: sockets and timers; replies go into the worker's `replies`, sink_session_say() and
// sink_session_end() take them from there.
#ifndef POSTHASTE_BENCH_SINK_DIALOGUE_H
#define POSTHASTE_BENCH_SINK_DIALOGUE_H

#include "bench/sink/session.h"

// The first words, at the SMTP or the POP3 door, or the wait for the client's handshake before
// them. The session may be ending or closed behind it.
void sink_dialogue_open(struct sink_session *s, struct sink_worker *w);
// The handshake is done.
void sink_dialogue_secured(struct sink_session *s, struct sink_worker *w);
void sink_dialogue_feed(struct sink_session *s, struct sink_worker *w, struct slice bytes);
// The last words: ends the session with this reply.
void sink_dialogue_part(struct sink_session *s, struct sink_worker *w, const char *reply);
// Frees what the dialogue held; the session closes.
void sink_dialogue_release(struct sink_session *s, struct sink_worker *w);

#endif
