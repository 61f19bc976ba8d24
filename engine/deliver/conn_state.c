// States of a connection, seen from its site: how many are open, and which may be given a message.

#include "engine/base/check.h"
#include "engine/deliver/parts.h"

static bool conn_is_spare(const struct conn *c)
{
    return c->state <= CONN_IDLE;
}

static bool conn_is_opening(const struct conn *c)
{
    return c->state < CONN_IDLE;
}

static bool conn_is_open(const struct conn *c)
{
    return c->state != CONN_CLOSING;
}

static void willing_link(struct conn *c)
{
    c->willing = true;
    c->site->sources[c->source].willing_count++;
    c->prev = NULL;
    c->next = c->site->willing_first;
    if (c->next)
        c->next->prev = c;
    c->site->willing_first = c;
}

static void willing_unlink(struct conn *c)
{
    c->willing = false;
    c->site->sources[c->source].willing_count--;
    if (c->prev)
        c->prev->next = c->next;
    else
        c->site->willing_first = c->next;
    if (c->next)
        c->next->prev = c->prev;
}

bool conn_is_one_too_many(const struct deliver *d, const struct conn *c)
{
    const struct site *s = c->site;
    return s->open_count > lend_connections_max(d, s) || group_has_too_many(s->group) ||
           source_has_too_many(c);
}

static bool conn_is_willing(const struct deliver *d, struct conn *c)
{
    return !d->stopping && (c->state == CONN_IDLE || c->state == CONN_BUSY) &&
           !conn_is_one_too_many(d, c) && !c->spent &&
           c->started_count < conn_messages_max(c, source_messages_max(c)) &&
           !source_is_suspended(d, c) &&
           (c->refused_count == 0 || c->tx_count + c->refused_count < CONN_REFUSED_MAX) &&
           smtp_client_can_start(&c->client);
}

void conn_look_willing(struct deliver *d, struct conn *c)
{
    smtp_client_set_window(&c->client, c->site->pace.window);
    bool willing = conn_is_willing(d, c);
    if (willing == c->willing)
        return;
    if (willing)
        willing_link(c);
    else
        willing_unlink(c);
}

// `by`: 1 or -1.
static void conn_counts(const struct conn *c, int by)
{
    struct site *s = c->site;
    s->spare_count += (uint32_t)(by * conn_is_spare(c));
    source_counts(c, by * conn_is_spare(c), by * conn_is_open(c));
    s->open_count += (uint32_t)(by * conn_is_open(c));
    s->opening_count += (uint32_t)(by * conn_is_opening(c));
    if (!s->group)
        return;
    s->group->open_count += (uint32_t)(by * conn_is_open(c));
    s->group->opening_count += (uint32_t)(by * conn_is_opening(c));
}

// The one place where a connection changes its state.
void conn_enter(struct deliver *d, struct conn *c, enum conn_state state)
{
    const struct site *s = c->site;
    conn_counts(c, -1);
    if (c->state == CONN_IDLE)
        group_conn_not_idle(c);
    if (state == CONN_CLOSING) {
        conn_close(c, d->io);
        crowd_left(d, c);
    }
    c->state = (uint8_t)state;
    if (c->state == CONN_IDLE)
        group_conn_idle(c);
    if (c->state == CONN_IDLE && c->channel)
        channel_rests(c->channel);
    conn_counts(c, 1);
    CHECK(s->spare_count <= s->open_count && s->open_count <= s->conn_count);
    conn_look_willing(d, c);
}
