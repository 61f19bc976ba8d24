// bench/load/chain.h: messages in a row, linked by slab index, oldest first.
#ifndef POSTHASTE_BENCH_LOAD_CHAIN_H
#define POSTHASTE_BENCH_LOAD_CHAIN_H

#include "bench/load/message.h"
#include "engine/base/check.h"
#include "engine/base/slab.h"

struct load_chain {
    uint32_t first, last; // SLAB_NONE when empty
};
#define LOAD_CHAIN_EMPTY ((struct load_chain){SLAB_NONE, SLAB_NONE})

static inline void load_chain_push(struct load_chain *chain, struct slab *messages, uint32_t index)
{
    struct load_message *m = slab_at(messages, index);
    m->next = SLAB_NONE;
    if (chain->first == SLAB_NONE) {
        chain->first = index;
    } else {
        struct load_message *last = slab_at(messages, chain->last);
        last->next = index;
    }
    chain->last = index;
}

static inline uint32_t load_chain_pop(struct load_chain *chain, struct slab *messages)
{
    uint32_t index = chain->first;
    CHECK(index != SLAB_NONE);
    struct load_message *m = slab_at(messages, index);
    chain->first = m->next;
    return index;
}

static inline void load_chain_free(struct load_chain *chain, struct slab *messages)
{
    while (chain->first != SLAB_NONE)
        slab_give(messages, load_chain_pop(chain, messages));
}

#endif
