#include "queue/grouping.h"

#include "engine/base/check.h"

#define NONE UINT32_MAX

// Recipients are known by index here. Two tables with open addressing find the first recipient with
// a domain, and the first with an address; recipients of a group are linked from its first on.
struct grouping {
    const char *envelope;
    struct message_rcpt *rcpts; // as they came
    uint32_t *domains;          // slots: index of a recipient, or NONE
    uint32_t *addresses;
    uint32_t slot_mask;
    uint32_t *next; // in the group
    uint32_t *last; // of the group that this one is the first of
    uint64_t seed;
};

static struct slice domain_of(const struct grouping *g, uint32_t rcpt)
{
    return rcpt_domain(g->envelope, &g->rcpts[rcpt]);
}

// All of the address up to its last '@': a quoted local part may hold others.
static struct slice local_part_of(const struct grouping *g, uint32_t rcpt)
{
    struct slice address = rcpt_address(g->envelope, &g->rcpts[rcpt]);
    const char *at = address.len ? memrchr(address.data, '@', address.len) : NULL;
    return at ? slice_take(address, (size_t)(at - address.data)) : address;
}

// The first recipient with this one's domain; itself when there was none before.
static uint32_t find_group(struct grouping *g, uint32_t rcpt)
{
    struct slice domain = domain_of(g, rcpt);
    uint64_t at = slice_hash(domain, g->seed);
    for (;; at++) {
        uint32_t *slot = &g->domains[at & g->slot_mask];
        if (*slot == NONE)
            return *slot = rcpt;
        if (slice_equal(domain_of(g, *slot), domain))
            return *slot;
    }
}

// Was this address in this group before? If not, it is now.
static bool is_duplicate(struct grouping *g, uint32_t rcpt, uint32_t group)
{
    struct slice local_part = local_part_of(g, rcpt);
    uint64_t at = slice_hash(local_part, g->seed + group + 1);
    for (;; at++) {
        uint32_t *slot = &g->addresses[at & g->slot_mask];
        if (*slot == NONE) {
            *slot = rcpt;
            return false;
        }
        if (slice_equal(local_part_of(g, *slot), local_part) &&
            slice_equal(domain_of(g, *slot), domain_of(g, rcpt)))
            return true;
    }
}

static void link_rcpt(struct grouping *g, uint32_t rcpt)
{
    uint32_t group = find_group(g, rcpt);
    g->next[rcpt] = g->last[rcpt] = NONE;
    if (is_duplicate(g, rcpt, group))
        return;
    if (group != rcpt)
        g->next[g->last[group]] = rcpt;
    g->last[group] = rcpt;
}

// Writes the groups one behind the other; a recipient without `last` is not the first of one.
static uint32_t write_groups(const struct grouping *g, uint32_t count, struct message_rcpt *to,
                             uint32_t *ret_group_count)
{
    uint32_t written = 0;
    *ret_group_count = 0;
    for (uint32_t first = 0; first < count; first++) {
        if (g->last[first] == NONE)
            continue;
        (*ret_group_count)++;
        for (uint32_t rcpt = first; rcpt != NONE; rcpt = g->next[rcpt]) {
            to[written] = g->rcpts[rcpt];
            to[written++].starts_group = rcpt == first;
        }
    }
    return written;
}

bool grouping_apply(struct block_pool *p, const char *envelope, struct message_rcpt *rcpts,
                    uint32_t *rcpt_count, uint32_t *ret_group_count)
{
    uint32_t count = *rcpt_count;
    CHECK(count > 0 && count <= UINT32_MAX / 4);
    if (count == 1) {
        rcpts[0].starts_group = true;
        *ret_group_count = 1;
        return true;
    }
    uint32_t slots = 4; // at least half of them stay free
    while (slots < 2 * count)
        slots *= 2;
    size_t table_bytes = slots * sizeof(uint32_t);
    size_t rcpts_bytes = count * sizeof(struct message_rcpt);
    size_t scratch_bytes;
    char *scratch = block_take(p, 2 * table_bytes + 2 * count * sizeof(uint32_t) + rcpts_bytes,
                               &scratch_bytes);
    if (!scratch)
        return false;
    struct grouping g = {.envelope = envelope, .slot_mask = slots - 1};
    g.domains = (uint32_t *)(void *)scratch;
    g.addresses = g.domains + slots;
    g.next = g.addresses + slots;
    g.last = g.next + count;
    g.rcpts = (struct message_rcpt *)(void *)(g.last + count);
    g.seed = (uint64_t)(uintptr_t)scratch;  // clients do not know where our memory lies
    memset(scratch, 0xff, 2 * table_bytes); // NONE
    memcpy(g.rcpts, rcpts, rcpts_bytes);

    for (uint32_t rcpt = 0; rcpt < count; rcpt++)
        link_rcpt(&g, rcpt);
    *rcpt_count = write_groups(&g, count, rcpts, ret_group_count);
    block_give(p, scratch, scratch_bytes);
    return true;
}
