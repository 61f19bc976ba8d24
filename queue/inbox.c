// liburcu is called as a library here and in domain.c, without _LGPL_SOURCE: any program may do
// that, while the inline forms of these functions are longer than what its licence gives away.
#include "queue/inbox.h"

#include "engine/base/check.h"
#include "queue/sanitizer.h"

#include <stddef.h>
#include <urcu/arch.h>

void inbox_init(struct inbox *i)
{
    __cds_wfcq_init(&i->head, &i->tail);
    atomic_init(&i->asleep, false);
}

bool inbox_push(struct inbox *i, struct letter *l)
{
    if (atomic_exchange_explicit(&l->under_way, true, memory_order_acq_rel)) {
        CHECK(l->kind == LETTER_DOMAIN_DIRTY);
        return false;
    }
    cds_wfcq_node_init(&l->node);
    ORDER_GIVE(l);
    (void)cds_wfcq_enqueue(&i->head, &i->tail, &l->node);
    // The enqueue is a full barrier. Only one of many senders shall pay for the wake-up.
    return atomic_load_explicit(&i->asleep, memory_order_relaxed) &&
           atomic_exchange_explicit(&i->asleep, false, memory_order_relaxed);
}

struct letter *inbox_pop(struct inbox *i)
{
    struct cds_wfcq_node *node = __cds_wfcq_dequeue_nonblocking(&i->head, &i->tail);
    if (!node || node == CDS_WFCQ_WOULDBLOCK)
        return NULL;
    struct letter *l = CONTAINER_OF(node, struct letter, node);
    ORDER_TAKE(l);
    // An exchange, not a store: who was told in the meantime that the letter is under way did his
    // part before, and its reader must see that.
    CHECK(atomic_exchange_explicit(&l->under_way, false, memory_order_acq_rel));
    return l;
}

bool inbox_sleep(struct inbox *i)
{
    atomic_store_explicit(&i->asleep, true, memory_order_relaxed);
    // Pairs with the barrier of the enqueue: either we see the letter, or its sender sees that we
    // sleep. A letter that is only half in the queue counts as seen.
    cmm_smp_mb();
    if (cds_wfcq_empty(&i->head, &i->tail))
        return true;
    inbox_wake(i);
    return false;
}

void inbox_wake(struct inbox *i)
{
    atomic_store_explicit(&i->asleep, false, memory_order_relaxed);
}
