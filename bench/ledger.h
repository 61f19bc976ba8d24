// bench/ledger.h: what was acknowledged, one line for each recipient of each message.
//
// Line:  recipient TAB message-id TAB sha256 [TAB more columns] LF. The first three columns are the
//        same in both programs, so that `cut -f1-3 | sort` makes two ledgers comparable.
// Order: lines gather in memory and go to the file by io_append(), one write at a time. Whoever
//        must not act before a line is written asks ledger_written() with the position that
//        ledger_position() gave behind it.
// The file is opened with O_APPEND and may be shared by workers: each write holds whole lines.
#ifndef POSTHASTE_BENCH_LEDGER_H
#define POSTHASTE_BENCH_LEDGER_H

#include "engine/base/buffer.h"
#include "engine/io/io.h"
#include "engine/tls/digest.h"

#define LEDGER_BYTES_MAX (64u * 1024 * 1024) // that wait to be written; more is an error

struct ledger {
    struct io *io;
    int fd; // -1: no ledger is kept
    struct io_token token;
    struct buffer gathering;
    struct buffer writing; // lent to the kernel while `under_way`
    size_t writing_at;     // bytes of it that are in the file
    bool under_way;
    uint64_t gathered_bytes; // all that was ever added
    uint64_t written_bytes;  // of these, in the file
    int error;               // 0, or the -errno that ended it
};

void ledger_init(struct ledger *l, struct io *io, int fd, struct io_token token);
void ledger_release(struct ledger *l); // CHECKs that no write is under way

static inline bool ledger_is_kept(const struct ledger *l)
{
    return l->fd >= 0;
}

// `more`: further columns without the leading TAB, or empty. Bytes in foreign text that would
// break the line (control characters) become '?'.
void ledger_add(struct ledger *l, struct slice recipient, struct slice message_id,
                const char hex[SHA256_HEX_BYTES], struct slice more);

static inline uint64_t ledger_position(const struct ledger *l)
{
    return l->gathered_bytes;
}
static inline bool ledger_written(const struct ledger *l, uint64_t position)
{
    return l->written_bytes >= position;
}

// Once a turn: asks for the next write when there is something to write and none is under way.
void ledger_flush(struct ledger *l);
// Takes the completion of a write.
void ledger_on_done(struct ledger *l, const struct io_done *done);
// Nothing is left to write, or nothing can be written any more.
bool ledger_idle(const struct ledger *l);

#endif
