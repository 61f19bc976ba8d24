// liburcu is called as a library here and in domain.c, without _LGPL_SOURCE: any program may do
// that, while the inline forms of these functions are longer than what its licence gives away.
#include "queue/inbox.h"

#include "engine/base/check.h"
#include "queue/sanitizer.h"

#include <stddef.h>
#include <urcu/arch.h>

static struct letter *letter_of(struct cds_wfcq_node *node)
{
    return CONTAINER_OF(node, struct letter, node);
}

// False: it is under way already, and that will do.
static bool mark_sent(struct letter *l)
{
    bool before = atomic_exchange_explicit(&l->under_way, true, memory_order_acq_rel);
    CHECK(!before || l->kind == LETTER_DOMAIN_DIRTY);
    return !before;
}

// An exchange, not a store: who was told in the meantime that the letter is under way did his part
// before, and its reader must see that.
static struct letter *mark_taken(struct letter *l)
{
    CHECK(atomic_exchange_explicit(&l->under_way, false, memory_order_acq_rel));
    return l;
}

// --- letters that have not left

void letters_init(struct letters *ls)
{
    __cds_wfcq_init(&ls->head, &ls->tail);
}

bool letters_empty(const struct letters *ls)
{
    return ls->tail.p == &ls->head.node;
}

void letters_add(struct letters *ls, struct letter *l)
{
    if (!mark_sent(l))
        return;
    struct cds_wfcq_node *before = ls->tail.p;
    l->node.next = NULL;
    before->next = &l->node;
    ls->tail.p = &l->node;
    if (before != &ls->head.node)
        ORDER_GIVE(letter_of(before)); // nothing is written to it any more
}

struct letter *letters_take(struct letters *ls)
{
    struct cds_wfcq_node *first = ls->head.node.next;
    if (!first)
        return NULL;
    ls->head.node.next = first->next;
    if (!first->next)
        ls->tail.p = &ls->head.node;
    return mark_taken(letter_of(first));
}

// --- the inbox

void inbox_init(struct inbox *i)
{
    __cds_wfcq_init(&i->head, &i->tail);
    atomic_init(&i->asleep, false);
}

// After an enqueue, which is a full barrier. Only one of many senders shall pay for the wake-up.
static bool must_be_woken(struct inbox *i)
{
    return atomic_load_explicit(&i->asleep, memory_order_relaxed) &&
           atomic_exchange_explicit(&i->asleep, false, memory_order_relaxed);
}

bool inbox_push(struct inbox *i, struct letter *l)
{
    if (!mark_sent(l))
        return false;
    cds_wfcq_node_init(&l->node);
    ORDER_GIVE(l);
    (void)cds_wfcq_enqueue(&i->head, &i->tail, &l->node);
    return must_be_woken(i);
}

bool inbox_append(struct inbox *i, struct letters *ls)
{
    if (letters_empty(ls))
        return false;
    ORDER_GIVE(letter_of(ls->tail.p));
    (void)__cds_wfcq_splice_nonblocking(&i->head, &i->tail, &ls->head, &ls->tail);
    return must_be_woken(i);
}

struct letter *inbox_pop(struct inbox *i)
{
    struct cds_wfcq_node *node = __cds_wfcq_dequeue_nonblocking(&i->head, &i->tail);
    if (!node || node == CDS_WFCQ_WOULDBLOCK)
        return NULL;
    ORDER_TAKE(letter_of(node));
    return mark_taken(letter_of(node));
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
