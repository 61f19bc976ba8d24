// tests/io_asker.h: someone who asks a ring for things, and keeps book of what comes back.
//
// A request's token is token(slot); what its completions brought stands in slots[slot]. Whatever
// breaks io.h's promises (a completion after the end, a length that is not the result) fails the
// test on the way.
#ifndef POSTHASTE_TESTS_IO_ASKER_H
#define POSTHASTE_TESTS_IO_ASKER_H

#include "engine/io/io.h"
#include "tests/suite.h"

#define PATIENCE_US 10000000u
#define SLOTS 2100

struct slot {
    unsigned count; // completions
    unsigned ended_count;
    int32_t last;
    uint64_t bytes;
    uint64_t checksum;
    char text[64]; // the first bytes
    size_t text_len;
    struct io_token token; // as it came back
};

struct asker {
    struct io *io;
    struct slot slots[SLOTS];
    bool keep_lent; // else each buffer goes back at once
    uint16_t lent[64];
    unsigned lent_count;
};

struct asker *asker_new(const struct io_options *options);
void asker_free(struct asker *me);

struct io_token token(uint32_t slot);
uint64_t checksum_of(uint64_t sum, struct slice bytes);
bool is_open(int fd);

// One turn of at most wait_us.
void turn(struct asker *me, uint64_t wait_us);
void record(struct asker *me, const struct io_done *done);
bool ended(const struct asker *me, uint32_t slot);
bool says(const struct asker *me, uint32_t slot, const char *text); // those were the first bytes
void forget(struct asker *me, uint32_t slot);                       // so that it can be used again

// Turns until the condition holds; the test fails when it never does.
#define TURN_UNTIL(me, condition)                                                                  \
    do {                                                                                           \
        uint64_t until_us = io_now_us((me)->io) + PATIENCE_US;                                     \
        while (!(condition) && io_now_us((me)->io) < until_us)                                     \
            turn(me, 10000);                                                                       \
        CU_ASSERT_TRUE(condition);                                                                 \
    } while (0)

enum kind { TCP4, TCP6, UNIX, KINDS };

// A listener of that kind; -1 where the host has no IPv6.
int listener(struct asker *me, enum kind kind, struct io_address *ret);
struct io_address address_of(enum kind kind);
void remove_socket(void); // the one of address_of(UNIX)
const char *own_directory(void);
// Both ends of a connection, by way of slots 0 and 1, which are forgotten.
void connect_pair(struct asker *me, enum kind kind, int ret_fds[2]);

// suite_main() inside a directory of its own.
int asker_main(const char *name, const struct suite_test *tests, size_t count, int argc,
               char **argv);

#endif
