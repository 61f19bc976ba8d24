// bench/load/content.h: what the messages say.
//
// Generated: one pool of text, of which each message borrows as much of the end as its size asks
//            for. So content of any size costs no copying and no memory of its own.
// Real:      the files of a folder, each one message, read once. Their line ends become CRLF. The
//            Message-ID field is cut out, since every message that is sent needs one of its own;
//            `as_is` leaves it, and the whole file goes out unchanged.
//
// Made once before the workers start; read-only from then on, shared by all.
#ifndef POSTHASTE_BENCH_LOAD_CONTENT_H
#define POSTHASTE_BENCH_LOAD_CONTENT_H

#include "engine/base/random.h"
#include "engine/base/slice.h"
#include "engine/tls/digest.h"

#define LOAD_SIZE_BYTES_MAX (1ull << 30)
#define LOAD_FILES_MAX 1000000u
#define LOAD_LINE_BYTES 64 // of generated text, CRLF included

struct load_file {
    struct slice bytes;      // ends in CRLF
    struct slice message_id; // as_is: its own
    bool has_date;
    bool has_dot_lines;
    bool has_8bit;
    char hex[SHA256_HEX_BYTES]; // as_is: of the content without leading trace fields
};

struct load_content {
    uint64_t bytes_min; // generated: the size of a message, drawn evenly between the two
    uint64_t bytes_max;
    char *pool;
    size_t pool_bytes;
    bool as_is;
    uint32_t file_count; // 0: generated
    struct load_file *files;
};

int load_content_generate(struct load_content **ret_content, uint64_t bytes_min,
                          uint64_t bytes_max);
// In the order of their names. -ENOENT: no file in it.
int load_content_read(struct load_content **ret_content, const char *folder, bool as_is);
void load_content_free(struct load_content *c);

// How many bytes the next generated message shall have.
uint64_t load_content_draw_bytes(const struct load_content *c, struct random *dice);
// The last `bytes` of the pool. They never begin between a CR and its LF unless `bytes` %
// LOAD_LINE_BYTES is 1, and never hold a dot.
struct slice load_content_pool(const struct load_content *c, size_t bytes);

#endif
