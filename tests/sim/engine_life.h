// tests/sim/engine_life.h: one life of the engine in a simulated world, from its first look at the
// journal's folder to its end, which may be a good one or not.
//
//   begin -> (recovering ->) serving -> finished: life_end()
//                    \-> refused: life_kill()          at any time: life_kill()
//
// Owns: the engine's memory, its ios, its descriptors; all but the files of its events.
// What it logs goes to the trace.
#ifndef POSTHASTE_TESTS_SIM_ENGINE_LIFE_H
#define POSTHASTE_TESTS_SIM_ENGINE_LIFE_H

#include "engine/recovery.h"
#include "engine/worker.h"
#include "tests/sim/engine_plan.h"
#include "tests/sim/world_disk.h"

#define LIFE_ADDRESSES_MAX 2

struct life_worker {
    struct io *io;
    int events_fd; // of its own: each appends in pieces
    struct worker *worker;
    bool finished;
};

enum life_state { LIFE_NONE, LIFE_RECOVERING, LIFE_REFUSED, LIFE_SERVING };

struct life {
    struct world *world;
    struct io *keeper; // not of this process: it outlives it
    enum life_state state;
    uint32_t number; // 0: the first
    uint32_t worker_count;
    uint64_t began_us;
    struct config config;
    struct shared shared;
    struct dkim_table *dkim;         // shared.dkim
    struct rate_memory *rate_memory; // shared.rate_memory
    struct io *recovery_io;
    struct recovery *recovery;
    int replay_fd;                 // where that goes
    struct recovery_report report; // once it serves
    bool cursorless;               // the cursor of its events could not be kept
    struct life_worker workers[PLAN_WORKERS_MAX];
    char complaint[80]; // of something that must never be; empty: none
};

// The listeners' addresses go to `addresses`. `rates_survive`: what earlier lives have counted is
// known to it, as far as they have written it down.
void life_begin(struct life *l, struct world *w, struct io *keeper, const struct config *config,
                uint32_t number, uint32_t worker_count, bool rates_survive,
                struct io_address *addresses);
// False: that io is none of its.
bool life_has_turn(struct life *l, const struct io *io);

// A request of an operator (engine/control/), when it serves.
void life_ask(struct life *l, const char *request);
void life_tell(struct life *l, enum stop_stage stage);
bool life_finished(const struct life *l);            // all workers have nothing left to do
bool life_broken(const struct life *l);              // it ends because of its journal
struct counters life_counters(const struct life *l); // of all workers, when it serves

// It has finished: gives all back.
void life_end(struct life *l);
// It ends here and now.
void life_kill(struct life *l, bool power_cut);

// The file with the events of one of its workers: "events-3.1"; with what it told, when it began,
// of the lives before: that of worker PLAN_WORKERS_MAX.
void life_events_name(char name[24], uint32_t number, uint32_t worker);
// Where log lines go from now on; NULL: nowhere.
void life_log_to(FILE *trace);

#endif
