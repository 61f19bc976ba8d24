// tests/nsd.h: a real name server (NSD) for a test, on a loopback port of its own.
#ifndef POSTHASTE_TESTS_NSD_H
#define POSTHASTE_TESTS_NSD_H

#include "engine/io/address.h"

#include <sys/types.h>

struct nsd_zone {
    const char *name; // "example.test"
    const char *text; // a zone file
};

struct nsd {
    struct io_address address;
    pid_t pid;
    char folder[64];
};

bool nsd_installed(void);
// True when it answers. It dies with us, however we end.
bool nsd_start(struct nsd *n, const struct nsd_zone *zones, unsigned zone_count);
void nsd_stop(struct nsd *n); // also one that never started

#endif
