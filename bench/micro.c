#include "bench/micro.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MESSAGES_DEFAULT 5000000

static void measure(const struct micro_pace *pace, uint64_t messages)
{
    struct timespec from, to;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    uint64_t said_bytes = pace->run(messages);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    double s = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    printf("%-10s %8.0f messages/s  %6.1f ns/message  %5.0f bytes/message\n", pace->name,
           (double)messages / s, s * 1e9 / (double)messages, (double)said_bytes / (double)messages);
}

int micro_main(int argc, char **argv, const struct micro_pace *paces, size_t pace_count)
{
    uint64_t messages = argc > 1 ? strtoull(argv[1], NULL, 10) : MESSAGES_DEFAULT;
    messages = (messages + MICRO_WINDOW - 1) / MICRO_WINDOW * MICRO_WINDOW; // none is left over
    unsigned measured = 0;
    for (size_t i = 0; i < pace_count; i++)
        if (argc < 3 || strcmp(argv[2], paces[i].name) == 0) {
            measure(&paces[i], messages);
            measured++;
        }
    if (messages > 0 && measured > 0)
        return 0;
    fprintf(stderr, "usage: %s [MESSAGES [PACE]]\n", argv[0]);
    return 64;
}
