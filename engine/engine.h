// engine/engine.h: the workers of one process, from the first listener to the last thread.
//
// Worker 0 runs on the caller's thread; it listens, and hears the signals. The others have threads
// of their own, each with a ring made there.
#ifndef POSTHASTE_ENGINE_H
#define POSTHASTE_ENGINE_H

#include "engine/config.h"
#include "engine/message/dkim_table.h"
#include "engine/refusal.h"

struct doors;
struct engine;
struct holds;
struct reroutes;
struct users;

// Binds the listeners, with whatever rights the process still has; no thread and no ring is made
// yet, so that rights can be dropped behind it. NULL, with a reason, when
// something is in the way. `config` stays the caller's, and must outlive the engine.
struct engine *engine_new(const struct config *config, const struct dkim_table *dkim,
                          struct refusal *why);
// Descriptors of the caller's, open for as long as the engine runs; that of the events is the
// engine's to close, which may go on to another file.
struct engine_files {
    int signal_fd;      // a signalfd; the signals are blocked
    int events_fd;      // where events go; -1: nowhere
    int journal_fd;     // the journal's folder; -1: mail is kept in memory alone
    int suppression_fd; // the folder of the list of suppressed addresses
    int mta_sts_fd;     // the folder of policies; -1: these end with the process, as do
    int tls_report_fd;  // the counts in this one
    int holds_fd;       // what holds_file_open() has given; -1: holds end with the process
    int rates_fd;       // the folder of what was counted against rates; -1: that ends with it
    const struct rate_memory *rate_memory; // what rates_file_load() has read; stays the caller's
    struct holds **holds;                  // these four: taken over, and left empty
    struct reroutes *reroutes;
    struct doors *doors;
    struct users **users;
    // Reads the configuration again. NULL, with a reason, when it is not sound. Else *why names the
    // sections that differ and wait for a restart, if any.
    struct config *(*reload)(void *context, struct refusal *why);
    void *reload_context;
};
// Reads what the journal holds, says where it listens, and serves until a signal arrives: the first
// one lets what is under way end, the second ends at once. False, with a reason, when it could not
// start, or when the journal can be written no longer.
bool engine_run(struct engine *e, const struct engine_files *files, struct refusal *why);
// After engine_run() has said false: was it because the journal can be written no longer?
bool engine_disk_failed(const struct engine *e);
void engine_free(struct engine *e); // NULL is fine

#endif
