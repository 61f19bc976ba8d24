// tests/fuzz/reply_reference.h: SMTP replies read all at once, as plainly as can be, to compare the
// parser and the client machine with.
#ifndef POSTHASTE_TESTS_FUZZ_REPLY_REFERENCE_H
#define POSTHASTE_TESTS_FUZZ_REPLY_REFERENCE_H

#include "engine/base/slice.h"

#define REFERENCE_REPLIES_MAX 4096

struct reply_reference {
    uint32_t count; // whole replies in front of the first fault, or of the end of the bytes
    bool broken;    // a fault follows, in a line that has ended
    uint16_t codes[REFERENCE_REPLIES_MAX];
};

void reply_reference_read(struct slice bytes, struct reply_reference *ret);

// The words and seeds of who reads replies.
#define REPLY_WORDS                                                                                \
    {"250 ok\r\n", 8}, {"354 go\r\n", 8}, {"421 bye\r\n", 9}, {"550 5.1.1 no\r\n", 14},            \
        {"450 4.2.0 later\r\n", 17}, {"503 what\r\n", 10}, {"250-", 4}, {"250 ", 4}, {"\r\n", 2},  \
        {"\n", 1}, {"\r", 1}, {"\0", 1}, {"250-PIPELINING\r\n", 16}, {"250 CHUNKING\r\n", 14},     \
        {"250-SIZE 5\r\n", 12}, {"250\r\n", 5}, {"2.1.5 ", 6},                                     \
    {                                                                                              \
        "550-a\r\n550 b\r\n", 14                                                                   \
    }

#endif
