// engine/engine.h: the workers of one process, from the first listener to the last thread.
//
// Worker 0 runs on the caller's thread; it listens, and hears the signals. The others have threads
// of their own, each with a ring made there.
#ifndef POSTHASTE_ENGINE_H
#define POSTHASTE_ENGINE_H

#include "engine/config.h"
#include "engine/refusal.h"

struct engine;

// Binds the listeners, with whatever rights the process still has; no thread and no ring is made
// yet, so that rights can be dropped behind it. NULL, with a reason, when
// something is in the way. `config` stays the caller's, and must outlive the engine.
struct engine *engine_new(const struct config *config, struct refusal *why);
// Says where it listens, and serves until a signal arrives on `signal_fd` (a signalfd; the signals
// are blocked): the first one lets what is under way end, the second ends at once. False, with a
// reason, when it could not start. `events_fd`: where events go, -1: nowhere.
bool engine_run(struct engine *e, int signal_fd, int events_fd, struct refusal *why);
void engine_free(struct engine *e); // NULL is fine

#endif
