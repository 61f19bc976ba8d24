// tests/sim/world.h: a world in one thread: network, files, name server and clock behind
// engine/io/io.h and dns/resolver.h, all of it decided by one seed.
//
// One world at a time. Whoever calls io_new() lives in it, any number of them; nothing in here
// sleeps: io_wait() notes what its owner waits for and returns at once. The test's main loop lets
// the owners take turns:
//
//     struct io *io;
//     while (world_next(world, &io))
//         owner_turn(owner_of(io)); // takes completions, works, calls io_wait() once
//
// A turn is best `io_next()... work, io_wait(io, due_us)` with io_wait() as the last thing it does,
// since a wait that has returned has not waited yet. (The other way round works too, and costs a
// turn more.) world_next() picks any owner that has something to do, hands it completions that
// could come now in any order, and moves the clock on when nobody has anything to do.
//
// What is decided by dice: which completions come, when, and in what order (the bytes of one
// stream keep theirs); where a receive is cut and a send is short; whether a connection breaks;
// whether a cancelled request still succeeds; which owner is slow. Given the same seed and the
// same program all is the same again, and world_trace() proves it.
//
// What is checked: two requests in flight never carry equal tokens; memory lent to a send, an
// append, a write or a read is not touched, nor are names; a lent buffer is returned once, and not
// read after (it is poisoned); no request names a closed descriptor; no owner turns forever while
// the clock stands still.
#ifndef POSTHASTE_TESTS_SIM_WORLD_H
#define POSTHASTE_TESTS_SIM_WORLD_H

#include "dns/resolver.h"
#include "engine/io/io.h"

#include <stdio.h>

struct world;

// How often things go wrong: of a million chances, each.
struct world_faults {
    uint32_t reset;           // a connection, at each of its sends and receives
    uint32_t connect_failure; // refused, unreachable, timed out
    uint32_t accept_failure;  // ends a standing accept with -ECONNABORTED
    uint32_t early_end;       // a standing request ends with a good result, as the kernel may
    uint32_t append_failure;  // -ENOSPC, -EIO; only of files of world_open_file()
    uint32_t read_failure;    // on the disk: -EIO
    uint32_t write_failure;   // -EIO
    uint32_t sync_failure;    // -EIO: sectors are lost (world_disk.h)
    uint32_t no_space;        // -ENOSPC: creating, allocating, writing beyond what is allocated
    uint32_t short_transfer;  // of a file: fewer bytes than asked, but some
    uint32_t torn_sector;     // a pending one, at a power cut: holds garbage after
    uint32_t dns_failure;     // SERVFAIL or silence until the time-out
    uint32_t stall;           // an owner gets no turn for up to stall_us_max
};

struct world_options {
    uint64_t seed;
    struct world_faults faults;
    uint32_t latency_us_max;      // of any completion; 0: 1,000
    uint32_t file_latency_us_max; // of those on files of the disk; 0: latency_us_max
    uint32_t sync_latency_us_max; // 0: file_latency_us_max
    uint32_t work_latency_us_max; // of what is done off the loop; 0: latency_us_max
    uint64_t disk_bytes_max;      // world_set_disk_bytes_max()
    uint32_t stall_us_max;        // 0: 50,000
    uint32_t dns_latency_us_max;  // 0: 20,000
    uint32_t pipe_bytes_max;      // in flight in one direction of a connection; 0: 65,536
    uint32_t pipe_bytes_min;      // the same: no line is so narrow that it takes seconds; 0: 1
    uint32_t receive_buffers_max; // of one io, whatever it asks for; 0: as it asks
    uint32_t descriptors_max;     // 0: 65,536
    uint32_t cut_mode;            // 0: by dice for each connection; or enum world_cut
    FILE *trace;                  // a line for each completion; NULL: none
};

enum world_cut { WORLD_CUT_DICE, WORLD_CUT_BYTE, WORLD_CUT_FEW, WORLD_CUT_ANY, WORLD_CUT_NONE };

#define WORLD_GROUPS_MAX 16384
#define WORLD_TURNS_AT_ONE_TIME_MAX 2000000 // more without the clock moving: somebody spins

struct world *world_new(const struct world_options *options); // CHECKs that it is the only one
// Frees all that is left in it: descriptors, files. Every io must have been freed before.
void world_free(struct world *w);

// True: *ret is to have a turn now. False: nothing more will ever happen.
bool world_next(struct world *w, struct io **ret);

uint64_t world_now_us(const struct world *w);
// A hash of all completions so far (whose, token, result, bytes, time), in order.
uint64_t world_trace(const struct world *w);
struct random *world_dice(struct world *w); // for the test's own decisions
// From now on nothing goes wrong any more (broken connections stay broken).
void world_heal(struct world *w);
void world_set_faults(struct world *w, const struct world_faults *faults);

// Connecting to this address (port 0: to any of this host's) is never answered, until `gone` is
// false again.
void world_black_hole(struct world *w, const struct io_address *address, bool gone);

// Connections to this address are counted with those of `group`, from io_connect() to io_close().
void world_count_connections(struct world *w, const struct io_address *address, uint32_t group);
uint32_t world_connections_peak(const struct world *w, uint32_t group);

// Its owner will have a turn though nothing more happens and no time passes.
bool world_is_awake(const struct io *io);

uint32_t world_descriptors_open(const struct world *w);
uint32_t world_requests_in_flight(const struct world *w);
uint32_t world_buffers_lent(const struct world *w);

// Opens a file for io_append(), beside the disk (world_disk.h): what it holds outlives its
// descriptors, and these outlive the process.
int world_open_file(struct world *w, const char *name);
struct slice world_file(const struct world *w, const char *name); // valid until the next append

// --- the name server. Names are lower case. What is not named there does not exist (NXDOMAIN);
// a name with records of another kind has none of this kind.

void world_dns_add_mx(struct world *w, const char *domain, uint16_t preference, const char *host);
void world_dns_add_address(struct world *w, const char *host, const char *address);
void world_dns_remove(struct world *w, const char *name);
void world_dns_set_ttl(struct world *w, uint32_t ttl_s); // of all records; 300 at first

#endif
