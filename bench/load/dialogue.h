// bench/load/dialogue.h: what a session of posthaste-load says and hears: messages started, the
// client machine's events, verdicts counted and timed.
//
// Knows not of: sockets and timers (session.h).
#ifndef POSTHASTE_BENCH_LOAD_DIALOGUE_H
#define POSTHASTE_BENCH_LOAD_DIALOGUE_H

#include "bench/load/session.h"

// Room for one more message now?
bool load_dialogue_has_room(const struct load_session *s, const struct load_worker *w);
// Starts a message. False without memory for it.
bool load_dialogue_start(struct load_session *s, struct load_worker *w, uint64_t intended_us);
// The handshake that the dialogue has asked for, or that comes before all else, is done.
void load_dialogue_secured(struct load_session *s, struct load_worker *w);
// No more messages in this connection: QUIT behind the last verdict.
void load_dialogue_quit(struct load_session *s, struct load_worker *w);

// Bytes from the server. The session may be closed behind it.
void load_dialogue_feed(struct load_session *s, struct load_worker *w, struct slice bytes);

// Learns where in the stream each content ends that the machine has just written; and which of
// these the kernel has taken by now.
void load_dialogue_note_written(struct load_session *s, struct load_worker *w);
void load_dialogue_note_sent(struct load_session *s, struct load_worker *w);

// The session ends. What is under way is lost: nobody knows whether the server has taken it.
void load_dialogue_lose(struct load_session *s, struct load_worker *w, uint16_t code,
                        struct slice why);

#endif
