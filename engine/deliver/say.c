// What connections have to say goes out at the end of the turn, each in one write.

#include "engine/deliver/parts.h"

void conn_speaks(struct deliver *d, struct conn *c)
{
    if (c->want_send)
        return;
    c->want_send = true;
    c->send_next = d->send_first;
    d->send_first = c;
}

static void tell_homes_of(struct deliver *d, struct transaction *tx)
{
    const struct job *last = NULL;
    tx->told = true;
    for (uint32_t i = 0; i < tx->rcpt_count; i++) {
        if (tx->rcpts[i].job != last)
            outbox_attempt(d, tx->rcpts[i].job);
        last = tx->rcpts[i].job;
    }
}

// From the moment when all of a message is on the wire it may arrive though its home never learns
// of it: that is written down.
static void tell_homes(struct deliver *d, struct conn *c)
{
    struct smtp_unfinished u;
    struct transaction *tx = c->tx_first;
    for (uint32_t i = 0; tx && smtp_client_unfinished(&c->client, i, &u); i++) {
        while (tx && tx->smtp.tag != u.tag)
            tx = tx->next;
        if (!tx || !u.written)
            return;
        if (!tx->told)
            tell_homes_of(d, tx);
    }
}

// Sends what there is to say. The deadline moves only when the session has: bytes that drip without
// ever making a reply, or being taken, do not keep it.
static void conn_say(struct deliver *d, struct conn *c)
{
    bool was_silent = conn_unsent(c) == 0;
    conn_flush(c, d->io);
    tell_homes(d, c);
    if (!c->moved && !(was_silent && conn_unsent(c) > 0))
        return;
    c->moved = false;
    crowd_moved(d, c);
    const struct conn_patience p = {d->o.connect_timeout_us, d->o.tls_timeout_us, d->o.idle_us};
    c->deadline_us = io_now_us(d->io) + conn_patience_us(c, &p);
    if (!wheel_armed(&c->timer) || c->timer.due_us > c->deadline_us)
        wheel_arm(d->o.wheel, &c->timer, c->deadline_us);
}

void say_all(struct deliver *d)
{
    struct conn *c = d->send_first;
    d->send_first = NULL;
    while (c) {
        struct conn *next = c->send_next;
        c->want_send = false;
        if (c->gone) {
            attempt_gone(d, c);
        } else if (c->state != CONN_CLOSING) {
            conn_say(d, c);
        }
        c = next;
    }
}
