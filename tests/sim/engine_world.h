// tests/sim/engine_world.h: a whole engine, the programs that feed it and the exchangers that it
// feeds, in one thread and one simulated world, from first connection to last descriptor.
//
// Order: everything starts; the loads send until they are done (or the engine is told to stop), and
//        meanwhile the engine dies and comes back (engine_fate.h); the world heals, and all mail
//        gets out; the engine stops; the exchangers stop; what is left must be nothing; the books
//        are read.
#ifndef POSTHASTE_TESTS_SIM_ENGINE_WORLD_H
#define POSTHASTE_TESTS_SIM_ENGINE_WORLD_H

#include "tests/sim/engine_books.h"
#include "tests/sim/engine_plan.h"
#include "tests/sim/engine_secrecy.h"

struct scene_result {
    uint32_t complaint_count;
    uint64_t trace;
    uint64_t us;      // of the world's time
    uint64_t reports; // to senders
    uint64_t arrivals, duplicates, in_doubt, left_in_doubt, moved;
    uint64_t at_rate; // messages and connections that were as early as their rate allows
    struct secrecy_seen secrecy;
    uint64_t handshakes, handshakes_resumed, handshakes_failed; // of the exchangers
    uint32_t lives;                                             // of the engine
    uint64_t file_operations, file_failures;
    bool last_acknowledged; // the last message of all
    // Since the world began:
    uint64_t disk_good_us; // what failed was over
    uint64_t last_life_us; // the engine's last life began
    uint64_t loads_us;     // all messages had been sent
    uint64_t unanswered;   // messages whose client was cut off before it heard a verdict
    struct counters sum;   // of the workers of its last life
};

// Plays one scenario. When it never comes to its end, says so and ends the program: there is no way
// to free it. `trace`: a line for each completion, and in the end all ledgers and events; or NULL.
struct scene_result scene_play(const struct plan *p, FILE *trace);

#endif
