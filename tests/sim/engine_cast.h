// tests/sim/engine_cast.h: all that takes part in a scenario: the engine's workers, the programs
// that feed it, the exchangers that it feeds, and the name server's records. For engine_world.c and
// engine_cast.c alone.
#ifndef POSTHASTE_TESTS_SIM_ENGINE_CAST_H
#define POSTHASTE_TESTS_SIM_ENGINE_CAST_H

#include "bench/load/worker.h"
#include "bench/sink/mailbox.h"
#include "bench/sink/worker.h"
#include "tests/sim/engine_books.h"
#include "tests/sim/engine_life.h"

enum phase { PHASE_LOADING, PHASE_DRAINING, PHASE_STOPPING, PHASE_CLOSING, PHASE_OVER };

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
    struct sink_mailbox *mailbox; // of whom reports go to
    bool tls_is_late;             // in its later state
    bool done;
};

struct scene {
    const struct plan *plan;
    struct world *world;
    FILE *trace; // NULL: none
    struct books books;
    enum phase phase;
    uint64_t phase_us; // when it began
    uint64_t began_us;
    uint64_t turns;
    uint32_t moves_done;

    struct io *keeper; // of what outlives the engine
    struct life life;  // of the engine, now
    struct io_address engine_addresses[LIFE_ADDRESSES_MAX];
    struct config config;
    uint32_t deaths_done;  // of the plan's
    bool life_is_stopped;  // it was told to end by the plan
    bool rates_are_kept;   // what the last life has counted is written down
    uint64_t next_life_us; // LIFE_NONE: when it begins
    struct counters sum;   // of the last life that ended in an orderly way
    bool healed;
    uint64_t loads_us;     // when all messages had been sent; 0: not yet
    uint64_t disk_good_us; // when what fails from then on is over; 0: nothing has failed yet
    bool disk_healed;
    bool disk_is_full;
    uint64_t disk_turns_us; // when it is full, or has room again
    struct random operator_dice;
    uint64_t operate_us; // when the operator does something again

    struct load_content *content;
    struct load_domains *domains;
    struct load_file files[PLAN_FILES];
    struct scene_load loads[PLAN_LOADS_MAX];
    struct scene_sink sinks[PLAN_SINKS_MAX];
};

// Of a ledger in the world: "load-0", "sink-0".
void cast_file_name(char name[16], const char *word, uint32_t nth);

// Everything is there and waits for its first turn.
void cast_start(struct scene *s);
// From now on nothing goes wrong any more; addresses that are dead stay so.
void cast_heal(struct scene *s);
// The engine's next life begins.
void cast_life(struct scene *s);
// Domains move when so many messages were acknowledged.
void cast_move_domains(struct scene *s, uint64_t acknowledged_count);
// What exchangers offer of TLS changes when it is time.
void cast_turn_tls(struct scene *s);
// When all have had their last turn. Complains of what is left.
void cast_free(struct scene *s);

#endif
