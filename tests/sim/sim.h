// tests/sim/sim.h: what the files of the simulator share. Tests read world.h instead.
#ifndef POSTHASTE_TESTS_SIM_SIM_H
#define POSTHASTE_TESTS_SIM_SIM_H

#include "engine/base/check.h"
#include "engine/base/random.h"
#include "tests/sim/world.h"

#define SIM_TOKEN_BUCKETS 1024
#define SIM_FILES_MAX 256
#define SIM_FD_FIRST 1000 // so that a real system call with one of ours fails
#define SIM_BLACK_HOLES_MAX 256
#define SIM_CONNECT_TIMEOUT_US (130u * 1000000u) // when a Linux kernel gives up
#define SIM_PORT_FIRST 40000
#define SIM_PORT_LAST 65000
#define SIM_UID 1000 // of everybody at a unix socket

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif
#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#endif

enum sim_kind {
    SIM_ACCEPT,
    SIM_CONNECT,
    SIM_RECEIVE,
    SIM_SEND,
    SIM_APPEND,
    SIM_POLL,
    SIM_OFFLOAD,
    SIM_SOLE_KINDS, // so far, a descriptor has one of each kind at a time
    SIM_OPEN = SIM_SOLE_KINDS,
    SIM_READ,
    SIM_WRITE,
    SIM_SYNC,
    SIM_SYNC_ALL,
    SIM_ALLOCATE,
    SIM_RENAME,
    SIM_UNLINK,
    SIM_WATCH,
};

enum sim_place {
    SIM_NOWHERE, // waits for its socket
    SIM_TIMED,   // in the world's heap: can complete at ready_us
    SIM_READY,   // among its io's ready ones: can complete now
};

// What a request on a file or a folder is about.
struct sim_file_ask {
    const char *name, *to_name; // lent
    struct sim_folder *to_folder;
    int flags;      // SIM_OPEN
    char *to;       // SIM_READ: lent
    uint64_t bytes; // to read, write or allocate
    uint64_t offset;
    struct iovec piece;       // of an append
    struct sim_request *then; // SIM_WRITE: the sync that waits for it
    bool waits;               // SIM_SYNC: for that write
    uint64_t serial;          // SIM_SYNC, SIM_SYNC_ALL: what it covers at least
    bool has_news;            // SIM_WATCH
    bool is_settled;          // ends with `decided`, also when that is 0
};

struct sim_request {
    struct io *io;
    struct io_token token;
    enum sim_kind kind;
    enum sim_place place;
    uint32_t at; // its index there
    uint64_t ready_us;
    uint64_t serial;                // order among equal times
    struct sim_socket *socket;      // NULL when it has been closed
    struct sim_request *next;       // in its bucket, or free
    struct sim_request *next_asked; // of its descriptor; not of the sole kinds
    const struct iovec *pieces;     // SIM_SEND, SIM_WRITE: lent
    unsigned piece_count;
    struct slice bytes; // SIM_APPEND: lent
    io_work *work;      // SIM_OFFLOAD
    void *argument;     // lent
    uint64_t checksum;  // of what is lent, when it was lent
    bool cancelled;
    int32_t decided; // how it will end, when that is clear before its time; 0: it is not
    struct sim_file_ask file;
};

struct sim_pipe {
    char *bytes;
    size_t first, len, room; // a ring of bytes
    size_t len_max;
};

// SIM_FILE is one of world_open_file(); SIM_OPENED and SIM_FOLDER are on the disk.
enum sim_socket_kind { SIM_LISTENER, SIM_STREAM, SIM_FILE, SIM_OPENED, SIM_FOLDER };

struct sim_socket {
    enum sim_socket_kind kind;
    int fd; // -1: nobody has accepted it yet
    struct io_address here, there;
    struct sim_request *requests[SIM_SOLE_KINDS];
    struct sim_request *asked; // those of other kinds, newest first
    bool is_elsewhere;         // of an io that is

    struct sim_socket *peer; // NULL: not connected, or gone
    struct sim_pipe in;
    bool connected;
    bool peer_ended;
    bool broken; // reset
    enum world_cut cut;
    uint64_t bytes_cut; // that went through in small pieces

    bool shared_port;
    struct sim_socket *backlog; // oldest first
    struct sim_socket *backlog_next;

    struct sim_file *file;
    struct sim_inode *inode; // SIM_OPENED; NULL: not yet
    int open_flags;
    bool was_written;
    struct sim_folder *folder;
    uint64_t folder_errors;  // that this descriptor has heard of
    struct sim_group *group; // that counts this connection; NULL: none
};

struct sim_file {
    char name[64];
    char *bytes;
    size_t len, room;
};

struct sim_arrived {
    struct io_done done;
    bool brings_descriptor;
};

struct sim_buffer {
    char *bytes; // buffer_bytes of them, once used
    bool lent;
};

struct io {
    struct world *world;
    struct io *next;
    uint32_t number; // in order of io_new()
    bool is_dead;    // and no longer in the world's list
    bool is_elsewhere;
    unsigned offload_threads;
    uint64_t now_us;

    // What its owner waits for. A wait counts when the turn before it has ended (`drained`), or
    // when there was no reason for the turn at all.
    bool waiting;
    uint64_t due_us;
    bool woken;
    bool has_reason;
    bool drained;
    uint64_t stalled_until_us;

    struct sim_request *buckets[SIM_TOKEN_BUCKETS]; // in flight, by token
    uint32_t request_count;
    struct sim_request **ready;
    uint32_t ready_count, ready_room;
    struct sim_arrived *arrived; // completions not taken yet
    uint32_t arrived_first, arrived_count, arrived_room;

    struct sim_buffer *buffers;
    uint32_t buffer_count, buffer_bytes, buffers_free;
};

// Connections that are counted together.
struct sim_group {
    uint32_t open_count, open_peak;
};

struct sim_counted {
    struct io_address address;
    uint32_t group;
};

struct world {
    struct world_options options;
    struct random dice;
    uint64_t now_us;
    uint64_t trace;
    uint64_t serial;
    uint32_t turns_at_this_time;
    uint32_t io_count;
    uint16_t port_next;
    struct io *ios;
    struct sim_request **heap; // SIM_TIMED, soonest first
    uint32_t heap_count, heap_room;
    struct sim_request *free_requests;
    struct sim_socket **descriptors;
    uint32_t descriptor_top; // no higher one was ever open
    uint32_t descriptor_low; // no lower one is free
    struct sim_socket **listeners;
    uint32_t listener_count, listener_room;
    struct io_address black_holes[SIM_BLACK_HOLES_MAX];
    uint32_t black_hole_count;
    struct sim_counted *counted; // addresses
    uint32_t counted_count, counted_room;
    struct sim_group groups[WORLD_GROUPS_MAX];
    struct sim_file *files[SIM_FILES_MAX];
    uint32_t file_count;
    struct sim_dns *dns;
    struct sim_disk *disk;
};

struct world *sim_world(void); // the one; CHECKs that there is one

static inline bool sim_chance(struct world *w, uint32_t per_million)
{
    return per_million > 0 && random_below(&w->dice, 1000000) < per_million;
}

// --- requests.c

// A request in flight; `s` (NULL: something outside of this world) has no other of this kind.
struct sim_request *sim_ask(struct io *io, enum sim_kind kind, struct sim_socket *s,
                            struct io_token token);
struct sim_request *sim_find(struct io *io, struct io_token token);
// It can complete now, or so soon as the line lets it. NULL and a second time are fine.
void sim_schedule(struct sim_request *r);
void sim_schedule_in(struct sim_request *r, uint64_t delay_us);
void sim_unschedule(struct sim_request *r);
void sim_promote(struct world *w); // the timed ones whose time has come become ready
// A completion. `ended` frees r.
void sim_post(struct sim_request *r, int32_t result, bool ended, struct slice lent,
              uint16_t number);
void sim_end(struct sim_request *r, int32_t result); // without bytes
void sim_drop(struct sim_request *r);                // frees it without a word
void sim_detach(struct sim_request *r); // its descriptor knows it no more, nor it the descriptor
uint64_t sim_checksum(const struct sim_request *r);

// --- sockets.c

// A connection to s->there has been asked for.
void sim_count_connection(struct world *w, struct sim_socket *s);

// The lowest descriptor that is free, for s; -EMFILE: there is none.
int sim_descriptor_take(struct world *w, struct sim_socket *s);
int sim_socket_new(struct world *w, enum sim_socket_kind kind, bool with_descriptor,
                   struct sim_socket **ret); // the descriptor (-1 without), or -EMFILE
struct sim_socket *sim_socket_at(struct world *w, int fd); // CHECKs that it is open
void sim_socket_close(struct world *w, struct sim_socket *s);
void sim_break_connection(struct world *w, struct sim_socket *s);
// Something has changed for its request of this kind, if there is one.
void sim_notify(const struct sim_socket *s, enum sim_kind kind);

// --- pipe.c

void sim_pipe_put(struct sim_pipe *p, const char *bytes, size_t len);
void sim_pipe_take(struct sim_pipe *p, char *bytes, size_t len); // CHECKs that they are there

// --- completions.c

// Lets r come to what it can come to now: a completion, or nothing.
void sim_complete(struct sim_request *r);
// Some bytes of a send go to the other side. 0: there is no room.
size_t sim_send_bytes(struct sim_request *r);

// --- io_sim.c

// Drops all that it has in flight. It is no longer of this world, and waits for its io_free().
void sim_io_bury(struct io *io);

// --- files.c

// Its descriptor is no more.
void sim_file_closed(struct world *w, struct sim_socket *s);

// --- file_ops.c

static inline bool sim_is_of_disk(const struct sim_request *r)
{
    return r->kind >= SIM_SOLE_KINDS;
}

void sim_complete_file(struct sim_request *r);
// Its descriptor closes: it has not begun, or goes on to its end.
void sim_file_leave(struct sim_request *r);
// It is never to complete, or only with an error: it has acted wholly, in part, or not at all.
void sim_file_abandon(struct sim_request *r);

// --- disk.c
struct sim_disk *sim_disk_new(uint64_t bytes_max);
void sim_disk_free(struct sim_disk *d);

// --- resolver_sim.c
void sim_dns_free(struct sim_dns *d);

#endif
