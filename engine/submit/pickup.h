// engine/submit/pickup.h: the second way in: files that appear in a directory.
//
// Owns:    the directories' files from the moment they are taken: their names, reading them, and
//          removing them; messages under construction.
// Knows not of: the journal, or how a message becomes jobs: pickup_submit() (pickup_parts.h).
// Trusts:  whoever may write into the directory, as a local peer.
// Threads: one worker, which serves all directories.
// A turn:  pickup_on_done(), pickup_on_timer() and pickup_verdict() as they come, then one
//          pickup_turn(). While pickup_busy(), the worker does not wait.
//
// What a crash finds. The order of steps for one file is
//
//   1  DIR/NAME is renamed to DIR/taken/UNIQUE, and that is synced (a sync serves many files)
//   2  its bytes are synced: what is taken must not depend on some that a power cut may take away
//   3  it is read; each message is submitted with a key made of UNIQUE and the message's ordinal
//   4  when the last verdict has come, all of it is durable elsewhere: DIR/taken/UNIQUE is unlinked
//
// and what stands in DIR/taken at start is taken up at 1, under the name that it has. Before 1 is
// synced nothing has been submitted; from then on the name, and so each message's key, stays: what
// was submitted already is answered as a duplicate. UNIQUE is never used again, whatever the clock
// does: it holds 64 random bits. Names in DIR/taken that begin with a dot are others' (those of
// engine/pickup_owner.h).
//
// The journal forgets keys after three days, or when there are too many. A file that is left in
// DIR/taken with some of its messages taken, because we stop or because it cannot be removed, gets
// a name that says which: the same one for the keys, and these are not submitted again.
//
// A file that cannot be taken is renamed to DIR/bad/NAME, after DIR/bad/NAME.why has been written
// and synced. What stood in it before the fault stays taken.
//
// A file that is written in its place shows itself when it is closed, but so do all others: one
// that was not named by the news, and was changed a moment ago, may still be written and is looked
// at again later. That a file ends too early is believed when it has not changed for longer:
// until then an empty one is left in DIR, and any other in DIR/taken is no more than a name, so
// that none is in the others' way.
#ifndef POSTHASTE_SUBMIT_PICKUP_H
#define POSTHASTE_SUBMIT_PICKUP_H

#include "engine/base/wheel.h"
#include "engine/io/io.h"
#include "engine/submit/pickup_format.h"
#include "queue/message.h"

#define PICKUP_FOLDERS_MAX 8
#define PICKUP_FILES_MAX 64                            // being taken at a time, of one directory
#define PICKUP_CHUNK_BYTES (64u * 1024)                // read at a time
#define PICKUP_NAMES_PER_TURN 256                      // looked at, of one directory
#define PICKUP_IN_FLIGHT_MAX 64                        // messages of one file without a verdict
#define PICKUP_IN_FLIGHT_BYTES_MAX (16u * 1024 * 1024) // the same; one message may be larger
#define PICKUP_QUIET_US 1000000u                       // unchanged for so long: nobody writes it
#define PICKUP_UNFINISHED_US 60000000u                 // unchanged for so long: nobody will end it
#define PICKUP_WAITING_US 2000000u                     // between two looks at what is unfinished
#define PICKUP_LOOK_US 30000000u                       // between two looks without news
#define PICKUP_AGAIN_US_MIN 50000u                     // a message that was put off
#define PICKUP_AGAIN_US_MAX 5000000u
#define PICKUP_SYNC_AGAIN_US 10000000u  // a sync that has failed
#define PICKUP_LEFT_ALONE_US 600000000u // a file that can be neither taken nor moved away
#define PICKUP_NOTICE_BYTES 512

// A directory, opened by pickup_open(). Its descriptors are the caller's.
struct pickup_place {
    int dir_fd, taken_fd, bad_fd;
    struct pickup_rules rules;
};

// Opens the directory, makes it when it is missing, and the two folders in it. 0 or -errno; what
// is open already is closed by pickup_close(). At start only: these calls block.
int pickup_open(struct pickup_place *place, const char *dir_path);
void pickup_close(struct pickup_place *place);

struct session_room;
struct dkim_table;

struct pickup_options {
    struct io *io;
    struct wheel *wheel;
    struct block_pool *blocks;
    const struct pickup_place *places;
    uint32_t place_count;
    struct slice hostname;
    const struct dkim_table *dkim; // NULL: no mail is signed
    uint64_t *last_id;             // the worker's, for message_id_make()
    uint32_t worker;
    uint8_t io_owner;
    struct session_room *room; // for pickup_submit()
};

struct pickup_counters {
    uint64_t files, messages, bad; // files done with, messages taken, files moved to bad/
};

struct pickup;
int pickup_new(struct pickup **ret, const struct pickup_options *options); // 0 or -errno
// pickup_stopped() has said true, or it was never used. NULL is fine.
void pickup_free(struct pickup *p);

void pickup_on_done(struct pickup *p, const struct io_done *done);
void pickup_on_timer(struct pickup *p, struct wheel_timer *t);
void pickup_turn(struct pickup *p);
bool pickup_busy(const struct pickup *p); // the next turn has something to do already

enum pickup_verdict {
    PICKUP_TAKEN,     // it is durable
    PICKUP_DUPLICATE, // it was already
    PICKUP_LATER,     // no room, or its journal failed: submitted again after a while
    PICKUP_NEVER,     // it is refused for good
};
// Of a message that pickup_submit() has taken: by its `session` and `session_generation`. At any
// time, also within pickup_submit(), and in any order. The file may be gone by now.
void pickup_verdict(struct pickup *p, uint32_t session, uint16_t generation,
                    enum pickup_verdict verdict);
// In message.session: it came from here, and no client's session waits for it.
#define PICKUP_SESSION UINT32_C(0x80000000)

// No file is begun any more; of those that were, the messages in flight have their verdicts.
void pickup_stop(struct pickup *p);
// The same, and no verdict is waited for.
void pickup_abandon(struct pickup *p);
bool pickup_stopped(const struct pickup *p);

// The next line for the log, in the order of what happened; false: none. Some are left out when
// they come faster than they are fetched.
bool pickup_next_notice(struct pickup *p, char text[PICKUP_NOTICE_BYTES]);
struct pickup_counters pickup_counters(const struct pickup *p);

#endif
