// engine/submit/pickup_parts.h: what the files of the pickup directory share, and its one way out.
//
// A file's life, each arrow a completion of its one request in flight:
//
//   LOOK -> RENAME -> UNSYNCED -> SYNCING -> OPEN -> FLUSH -> READ <-> HALTED -> UNLINK -> FREE
//     |       |       (found in taken/)       |       |         |
//     |       |        -> UNSYNCED            |       |         |
//     +-------+-------------------------------+-------+---------+-> WHY -> WRITE -> SYNC -> MOVE ->
//     FREE
//
// What is left in DIR/taken half-way, or because it cannot be removed: HALTED, UNLINK or WITHDRAW
// -> NOTE -> NOTE_SYNC -> FREE. Where its name cannot be changed, it stays HALTED until it is tried
// again.
//
// HALTED: no bytes are asked for. The window of messages is full, or the last verdicts are missing,
//         or a message was put off until the timer.
//
// A file that is unfinished goes from HALTED to FREE, and its name into pickup_folder.waiting; the
// next look at DIR/taken brings it to OPEN.
#ifndef POSTHASTE_SUBMIT_PICKUP_PARTS_H
#define POSTHASTE_SUBMIT_PICKUP_PARTS_H

#include "engine/base/random.h"
#include "engine/message/trace.h"
#include "engine/submit/body_hash.h"
#include "engine/submit/pickup.h"
#include "engine/tls/digest.h"

#include <limits.h>
#include <sys/uio.h>

#define PICKUP_NAME_BYTES (NAME_MAX + 1)
#define PICKUP_UNIQUE_LEN 34        // what stands before the file's own name: "TIME-RANDOM-"
#define PICKUP_NOTED_LEN 60         // the same with how far it has come: pickup_note.c
#define PICKUP_BAD_NAME_LEN_MAX 240 // room for a number and ".why"
#define PICKUP_BAD_NUMBERS_MAX 1000 // files of one name in bad/
#define PICKUP_WHY_BYTES 2048
#define PICKUP_REASON_BYTES 160
#define PICKUP_NOTICES_MAX 16
#define PICKUP_NAMES_KNOWN 4096 // a power of two

// Hands a complete message over: trace fields stand in front, it has its id, session, and key
// (m->has_key). Takes *m and sets it to NULL; then pickup_verdict() comes. False: no room now, *m
// is still the caller's.
bool pickup_submit(struct pickup *p, struct message **m);

enum pickup_file_state {
    PICKUP_FILE_FREE,
    PICKUP_FILE_LOOK,     // DIR/name is opened, to see what it is
    PICKUP_FILE_RENAME,   // to DIR/taken/
    PICKUP_FILE_UNSYNCED, // waits for the next sync
    PICKUP_FILE_SYNCING,
    PICKUP_FILE_OPEN,
    PICKUP_FILE_FLUSH, // its bytes are synced: who wrote it may not have done so
    PICKUP_FILE_READ,
    PICKUP_FILE_HALTED,
    PICKUP_FILE_UNLINK,
    PICKUP_FILE_NOTE, // its name in DIR/taken is to say how far it has come
    PICKUP_FILE_NOTE_SYNC,
    PICKUP_FILE_WHY, // DIR/bad/NAME.why is opened
    PICKUP_FILE_WRITE,
    PICKUP_FILE_SYNC,
    PICKUP_FILE_MOVE,     // to DIR/bad/
    PICKUP_FILE_WITHDRAW, // the .why of a file that could not be moved is removed
};

// Which messages of a file are in flight: PICKUP_IN_FLIGHT_MAX ordinals from
// `first` on, a bit each at the ordinal modulo that.
struct pickup_window {
    uint32_t first;   // all before it are settled
    uint64_t settled; // has a final verdict
    uint64_t pending; // has none yet
    size_t bytes_pending;
    struct pickup_mark marks[PICKUP_IN_FLIGHT_MAX];
    size_t bytes[PICKUP_IN_FLIGHT_MAX];
};
_Static_assert(PICKUP_IN_FLIGHT_MAX == 64, "bits of a mask");

#define PICKUP_WAITING_MAX 4096 // a power of two

// An unfinished file: what it was when it was read, and where to read on.
struct pickup_waiting {
    uint64_t hash; // of its name in DIR/taken; 0: none
    uint64_t bytes, modified_wall_us;
    uint32_t first, ordinal; // of the window, and of the message at `mark`
    struct pickup_mark mark;
};

struct pickup_file {
    enum pickup_file_state state;
    uint8_t place;
    uint16_t generation;
    uint32_t index;     // in pickup.files
    bool asked;         // a request is in flight
    bool news;          // a verdict or the timer has come: pickup_turn() looks
    bool in_taken;      // else in DIR
    bool arrived;       // the news named it: it is complete
    uint32_t attempt;   // of a name in bad/
    int32_t move_error; // why it could not be moved there
    const char *left;   // what could not be done, so that it is left in DIR/taken; NULL: we stop
    int32_t left_error;
    int32_t note_error;
    char name[PICKUP_NAME_BYTES];
    char to[PICKUP_NAME_BYTES]; // the name that it is to have
    char why[PICKUP_NAME_BYTES];
    int fd;
    int why_fd;
    // reading
    struct pickup_format format;
    char *chunk;
    struct slice rest; // of the chunk
    uint64_t read_offset;
    bool at_end;
    struct message *message; // being built
    struct header_scan header;
    struct body_hash body_hash;
    bool skipping;    // this message has had its verdict
    uint32_t ordinal; // of the message read last; the first one is 1
    struct pickup_window window;
    uint32_t message_count; // taken
    // how it ends
    bool ended;   // all of it has been read
    bool refused; // one of its messages was, for good
    bool put_off; // to be read again from the first message without verdict
    uint64_t again_us;
    struct wheel_timer timer;
    bool bad;
    bool unfinished;             // and more bytes could mend it
    struct pickup_waiting known; // .hash is not 0: it has waited, unless it has changed
    uint64_t bad_line;
    char reason[PICKUP_REASON_BYTES];
    char why_text[PICKUP_WHY_BYTES];
    struct iovec why_piece;
};

enum pickup_scan { PICKUP_SCAN_NONE, PICKUP_SCAN_TAKEN, PICKUP_SCAN_DIR };
enum pickup_sync { PICKUP_SYNC_NONE, PICKUP_SYNC_TAKEN, PICKUP_SYNC_DIR };

// Hashes of names, a place for each value of the lowest bits: one may push out another.
struct pickup_names {
    uint64_t hashes[PICKUP_NAMES_KNOWN];
};

struct pickup_folder {
    const struct pickup_place *place;
    uint8_t index;
    bool watching;
    bool look;       // at all that is there, when the scan under way has ended
    bool start_over; // the same from DIR/taken on
    enum pickup_scan scan;
    struct io_names *names;
    uint64_t look_us; // without news
    struct wheel_timer timer;
    enum pickup_sync sync;
    bool unlinked; // since the last sync
    uint64_t sync_again_us;
    uint32_t file_count;
    struct pickup_names arrived;    // the news named them
    struct pickup_names left_alone; // nothing can be done about them
    uint64_t left_alone_until_us;   // then it is tried again
    struct pickup_waiting waiting[PICKUP_WAITING_MAX];
    uint64_t waiting_until_us; // then they are looked at
};

struct pickup {
    struct pickup_options o;
    struct pickup_folder folders[PICKUP_FOLDERS_MAX];
    struct pickup_file *files; // PICKUP_FILES_MAX for each folder, one folder behind the other
    uint32_t file_count_max;
    bool stopping, abandoned;
    struct random random;
    uint64_t hash_seed;
    struct sha256 *sha256;
    struct body_cache bodies;
    struct pickup_counters counters;
    char notices[PICKUP_NOTICES_MAX][PICKUP_NOTICE_BYTES];
    uint32_t notice_first, notice_count;
};

enum pickup_op { PICKUP_OP_FILE, PICKUP_OP_WATCH, PICKUP_OP_SYNC };

static inline struct pickup_folder *pickup_folder_of(struct pickup *p, const struct pickup_file *f)
{
    return &p->folders[f->place];
}

// pickup.c
void pickup_notice(struct pickup *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

// pickup_folder.c
void pickup_folder_init(struct pickup *p, struct pickup_folder *d);
void pickup_folder_on_done(struct pickup *p, struct pickup_folder *d, const struct io_done *done);
void pickup_folder_on_timer(struct pickup *p, struct pickup_folder *d);
void pickup_folder_turn(struct pickup *p, struct pickup_folder *d);
bool pickup_folder_busy(const struct pickup *p, const struct pickup_folder *d);
void pickup_folder_stop(struct pickup *p, struct pickup_folder *d);
bool pickup_folder_stopped(const struct pickup_folder *d);
void pickup_folder_look_by(struct pickup *p, struct pickup_folder *d, uint64_t us);
void pickup_folder_leave_alone(struct pickup *p, struct pickup_folder *d, const char *name);

uint64_t pickup_name_hash(const struct pickup *p, const char *name);

// pickup_waiting.c
// Lets go of an unfinished file, and looks at it again later. f->known has what it is now.
void pickup_waiting_keep(struct pickup *p, struct pickup_file *f);
// True: it has waited, and is as it was then.
bool pickup_waiting_recall(struct pickup *p, struct pickup_file *f);

// pickup_file.c
void pickup_file_begin(struct pickup *p, struct pickup_file *f, const char *name, bool in_taken);
void pickup_file_synced(struct pickup *p, struct pickup_file *f);
void pickup_file_on_done(struct pickup *p, struct pickup_file *f, const struct io_done *done);
void pickup_file_on_timer(struct pickup *p, struct pickup_file *f);
// After verdicts and the timer: goes on, or comes to an end.
void pickup_file_turn(struct pickup *p, struct pickup_file *f);
void pickup_file_free(struct pickup *p, struct pickup_file *f);
struct io_token pickup_file_ask(struct pickup *p, struct pickup_file *f,
                                enum pickup_file_state state);
// It stays where it is: we stop (`what` is NULL), or "it cannot be WHAT", for now. It is in no
// request, and none of its messages waits for a verdict.
void pickup_file_leave(struct pickup *p, struct pickup_file *f, const char *what, int error);
const char *pickup_file_own_name(const struct pickup_file *f); // as the feeder called it

// pickup_note.c
bool pickup_name_is_unique(const char *name);
const char *pickup_name_own(const char *name); // of a unique one
void pickup_note_recall(struct pickup_file *f);
// False: there is nothing to note, or no way to.
bool pickup_note_begin(struct pickup *p, struct pickup_file *f);
// True: it has ended. f->note_error says how.
bool pickup_note_on_done(struct pickup *p, struct pickup_file *f, int32_t result);

// pickup_build.c: what is read becomes messages.
void pickup_window_init(struct pickup_window *w);
// Reads on as far as bytes, the window and memory allow. False: more bytes are needed.
bool pickup_file_parse(struct pickup *p, struct pickup_file *f);
uint32_t pickup_file_resume_at(const struct pickup_file *f); // a message, or 0
void pickup_file_rewind(struct pickup *p, struct pickup_file *f);
void pickup_file_put_off(struct pickup *p, struct pickup_file *f);
void pickup_file_drop_message(struct pickup *p, struct pickup_file *f);

// pickup_bad.c
void pickup_file_is_bad(struct pickup_file *f, uint64_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// Begins to move it away; it is in no request.
void pickup_file_reject(struct pickup *p, struct pickup_file *f);
void pickup_file_reject_on_done(struct pickup *p, struct pickup_file *f, int32_t result);

#endif
