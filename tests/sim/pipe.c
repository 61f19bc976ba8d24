// tests/sim/pipe.c: one direction of a connection: a ring of bytes that grows.
#include "tests/sim/sim.h"

#include <stdlib.h>

static void pipe_grow(struct sim_pipe *p, size_t need)
{
    size_t room = p->room ? p->room : 256;
    while (room < need)
        room *= 2;
    char *bytes = malloc(room);
    CHECK(bytes);
    for (size_t i = 0; i < p->len; i++)
        bytes[i] = p->bytes[(p->first + i) % p->room];
    free(p->bytes);
    *p = (struct sim_pipe){.bytes = bytes, .len = p->len, .room = room, .len_max = p->len_max};
}

void sim_pipe_put(struct sim_pipe *p, const char *bytes, size_t len)
{
    if (p->len + len > p->room)
        pipe_grow(p, p->len + len);
    for (size_t done = 0, run; done < len; done += run) {
        size_t at = (p->first + p->len) % p->room;
        run = len - done < p->room - at ? len - done : p->room - at;
        memcpy(p->bytes + at, bytes + done, run);
        p->len += run;
    }
}

void sim_pipe_take(struct sim_pipe *p, char *bytes, size_t len)
{
    CHECK(len <= p->len);
    for (size_t done = 0, run; done < len; done += run) {
        run = len - done < p->room - p->first ? len - done : p->room - p->first;
        memcpy(bytes + done, p->bytes + p->first, run);
        p->first = (p->first + run) % p->room;
        p->len -= run;
    }
}
