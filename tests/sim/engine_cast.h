// tests/sim/engine_cast.h: all that takes part in a scenario: the engine's workers, the programs
// that feed it, the exchangers that it feeds, and the name server's records. For engine_world.c and
// engine_cast.c alone.
#ifndef POSTHASTE_TESTS_SIM_ENGINE_CAST_H
#define POSTHASTE_TESTS_SIM_ENGINE_CAST_H

#include "bench/load/worker.h"
#include "bench/sink/worker.h"
#include "tests/sim/engine_books.h"

enum phase { PHASE_LOADING, PHASE_DRAINING, PHASE_STOPPING, PHASE_CLOSING, PHASE_OVER };

struct scene_worker {
    struct io *io;
    struct worker *worker;
    int events_fd; // of its own: each appends in pieces
    bool finished;
};

struct scene_load {
    struct io *io;
    struct load_plan plan;
    struct load_worker *worker;
    uint64_t seen; // messages that the books know
    bool done;
};

struct scene_sink {
    struct io *io;
    struct sink_plan plan;
    struct sink_listeners listeners;
    struct sink_worker *worker;
    bool done;
};

struct scene {
    const struct plan *plan;
    struct world *world;
    struct books books;
    enum phase phase;
    uint64_t phase_us; // when it began
    uint64_t turns;
    uint32_t moves_done;

    struct config config;
    struct shared shared;
    struct scene_worker workers[PLAN_WORKERS_MAX];

    struct io_address engine_addresses[2];
    struct load_content *content;
    struct load_domains *domains;
    struct load_file files[PLAN_FILES];
    struct scene_load loads[PLAN_LOADS_MAX];
    struct scene_sink sinks[PLAN_SINKS_MAX];
};

// Of a ledger or of events in the world: "load-0", "sink-0", "events-0".
void cast_file_name(char name[16], const char *word, uint32_t nth);

// Everything is there and waits for its first turn.
void cast_start(struct scene *s);
// From now on nothing goes wrong any more; addresses that are dead stay so.
void cast_heal(struct scene *s);
// Domains move when so many messages were acknowledged.
void cast_move_domains(struct scene *s, uint64_t acknowledged_count);
// When all have had their last turn. Complains of what is left.
void cast_free(struct scene *s);

#endif
