#include "engine/io/flight.h"

#include "engine/base/check.h"

#include <stdlib.h>

#define CHAINS (1u << 14) // short chains up to some ten thousand requests

static uint32_t *new_chains(void)
{
    uint32_t *chains = malloc(CHAINS * sizeof(*chains));
    for (uint32_t i = 0; chains && i < CHAINS; i++)
        chains[i] = SLAB_NONE;
    return chains;
}

bool flight_init(struct flight *f)
{
    uint32_t first;
    slab_init(&f->requests, sizeof(struct flight_request), FLIGHT_COUNT_MAX);
    f->by_token = new_chains();
    f->by_fd = new_chains();
    // The first chunk, for 65,536 requests, is made here, where it can still be refused.
    if (!f->by_token || !f->by_fd || !slab_take(&f->requests, &first))
        return false;
    slab_give(&f->requests, first);
    return true;
}

void flight_release(struct flight *f)
{
    slab_release(&f->requests);
    free(f->by_token);
    free(f->by_fd);
}

static uint32_t *token_chain(const struct flight *f, uint64_t token)
{
    // Fibonacci hashing: the index, which differs most between tokens, stands in the low bits.
    return &f->by_token[token * 0x9e3779b97f4a7c15u >> 50];
}
_Static_assert(CHAINS == 1u << (64 - 50), "the hash's upper bits choose the chain");

static uint32_t *fd_chain(const struct flight *f, int fd)
{
    return &f->by_fd[(uint32_t)fd % CHAINS];
}

static struct flight_request *at(const struct flight *f, uint32_t index)
{
    return index == SLAB_NONE ? NULL : slab_at(&f->requests, index);
}

// Where the request's index is written in its token's chain; there stands SLAB_NONE when the
// token is not in flight.
static uint32_t *find(const struct flight *f, uint64_t token)
{
    uint32_t *place = token_chain(f, token);
    struct flight_request *r;
    while ((r = at(f, *place)) && r->token != token)
        place = &r->next_by_token;
    return place;
}

struct flight_request *flight_add(struct flight *f, uint64_t token, int fd)
{
    uint32_t index;
    uint32_t *place = find(f, token);
    CHECK(*place == SLAB_NONE);
    struct flight_request *r = slab_take(&f->requests, &index);
    CHECK(r); // a descriptor carries a few requests, and there are fewer descriptors than this
    *r = (struct flight_request){.token = token,
                                 .fd = fd,
                                 .index = index,
                                 .next_by_token = SLAB_NONE,
                                 .next_by_fd = *fd_chain(f, fd)};
    *place = index;
    *fd_chain(f, fd) = index;
    return r;
}

void flight_remove(struct flight *f, uint64_t token)
{
    uint32_t *place = find(f, token);
    struct flight_request *r = at(f, *place);
    CHECK(r);
    *place = r->next_by_token;
    place = fd_chain(f, r->fd);
    while (*place != r->index)
        place = &at(f, *place)->next_by_fd;
    *place = r->next_by_fd;
    slab_give(&f->requests, r->index);
}

bool flight_has(const struct flight *f, uint64_t token)
{
    return *find(f, token) != SLAB_NONE;
}

struct flight_request *flight_find(const struct flight *f, uint64_t token)
{
    return at(f, *find(f, token));
}

uint32_t flight_count(const struct flight *f)
{
    return f->requests.item_count;
}

// Both cursors are the last request's index + 1.
bool flight_next(const struct flight *f, uint32_t *cursor, uint64_t *ret_token)
{
    const struct flight_request *r = at(f, slab_next(&f->requests, *cursor));
    if (!r)
        return false;
    *cursor = r->index + 1;
    *ret_token = r->token;
    return true;
}

bool flight_next_on(const struct flight *f, int fd, uint32_t *cursor, uint64_t *ret_token)
{
    uint32_t index = *cursor == 0 ? *fd_chain(f, fd) : at(f, *cursor - 1)->next_by_fd;
    const struct flight_request *r = at(f, index);
    while (r && r->fd != fd)
        r = at(f, r->next_by_fd);
    if (!r)
        return false;
    *cursor = r->index + 1;
    *ret_token = r->token;
    return true;
}
