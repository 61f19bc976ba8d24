// The way of an order: from worker to worker, round by round, with what it says going to its client
// page by page. One change after the other.

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/control/control_parts.h"

#include <stdlib.h>

// --- birth and death

static struct order *order_new(struct control *c, const struct client *client)
{
    struct order *o = calloc(1, sizeof(*o));
    if (!o)
        return NULL;
    c->order_count++;
    o->all_next = c->all_first;
    c->all_first = o;
    o->client = client ? client->index : SLAB_NONE;
    o->client_generation = client ? client->generation : 0;
    o->uid = client ? client->uid : c->o.uid;
    o->place = c->o.place;
    o->plain = client && client->http;
    buffer_init(&o->out, ORDER_OUT_BYTES_MAX);
    return o;
}

static void order_free(struct control *c, struct order *o)
{
    struct order **at = &c->all_first;
    while (*at != o)
        at = &(*at)->all_next;
    *at = o->all_next;
    c->order_count--;
    if (o->kind && o->kind->release)
        o->kind->release(o);
    buffer_release(&o->out);
    free(o->work);
    free(o);
}

static struct client *order_client(const struct control *c, const struct order *o)
{
    struct client *client = slab_find(&c->clients, o->client, o->client_generation);
    return client && !client->closing ? client : NULL;
}

// --- its way

static void say_end(struct order *o)
{
    static const char *const words[] = {"done", "refused", "later"};
    struct json j;
    if (o->plain)
        return;
    order_line(o, &j);
    json_text(&j, "end", slice_of_text(words[o->how]));
    if (o->how != ORDER_DONE)
        json_text(&j, "why", slice_of_text(o->why));
    order_line_end(o, &j);
}

// One change after the other: the next one's turn.
static void change_over(struct control *c)
{
    struct order *next = c->waiting_first;
    c->changing = next;
    if (!next)
        return;
    c->waiting_first = next->next;
    if (!c->waiting_first)
        c->waiting_last = NULL;
    order_goes_on(c, next);
}

static void order_over(struct control *c, struct order *o)
{
    struct client *client = order_client(c, o);
    bool changed = c->changing == o;
    say_end(o);
    if (client) {
        client->close_when_sent = true;
        client->order = NULL;
        if (o->out.len > 0)
            client_say(c, client, &o->out);
        else
            client_close(c, client);
    }
    order_free(c, o);
    if (changed)
        change_over(c);
}

// To the worker whose turn it is.
static void order_leaves(struct control *c, struct order *o)
{
    o->visited = false;
    o->letter.kind = LETTER_ORDER;
    post_leave(c->o.post, o->worker, &o->letter);
}

// True: there is another worker, or a round more, to go to.
static bool order_next_visit(const struct control *c, struct order *o)
{
    if (++o->worker == c->o.post->worker_count) {
        o->worker = 0;
        o->round++;
    }
    return o->round < o->kind->rounds && o->how == ORDER_DONE;
}

// The last lines: page by page. True when all has been said.
static bool order_ends(struct order *o)
{
    enum order_step step = ORDER_OVER;
    do {
        if (o->how == ORDER_DONE && o->kind->end && !atomic_load(&o->cancelled))
            step = o->kind->end(o);
    } while (step != ORDER_OVER && o->out.len == 0);
    return step == ORDER_OVER;
}

// Until its client has taken a page of it.
static void order_rests(struct control *c, struct order *o)
{
    struct client *client = order_client(c, o);
    if (!client) { // nobody asked for it to be said
        buffer_clear(&o->out);
        order_goes_on(c, o);
        return;
    }
    o->rests = true;
    client_say(c, client, &o->out);
}

// Nothing of it is being said. What is next?
void order_goes_on(struct control *c, struct order *o)
{
    if (atomic_load(&o->cancelled) && !o->begun) {
        order_over(c, o);
        return;
    }
    if (!o->begun) {
        o->begun = true;
        o->visited = true;
        o->worker = UINT32_MAX; // order_next_visit() begins with 0
        if (o->kind->begin && !o->kind->begin(o)) {
            order_over(c, o);
            return;
        }
        if (o->kind->rounds == 0)
            o->round = 1; // no visits
    }
    if (o->round < o->kind->rounds && (!o->visited || order_next_visit(c, o))) {
        order_leaves(c, o);
        return;
    }
    if (order_ends(o))
        order_over(c, o);
    else
        order_rests(c, o);
}

void control_on_back(struct control *c, struct letter *l)
{
    struct order *o = CONTAINER_OF(l, struct order, letter);
    if (atomic_load(&o->cancelled))
        buffer_clear(&o->out);
    if (o->out.len == 0)
        order_goes_on(c, o);
    else
        order_rests(c, o);
}

// --- how it begins

static void order_waits(struct control *c, struct order *o)
{
    o->next = NULL;
    if (c->waiting_last)
        c->waiting_last->next = o;
    else
        c->waiting_first = o;
    c->waiting_last = o;
}

static void log_change(const struct order *o, struct slice line)
{
    log_line(LOG_LEVEL_INFO, "control: uid %u asks: %.*s", o->uid, SLICE_ARG(line));
}

// Its request was read: one change after the other.
static void order_begins(struct control *c, struct order *o)
{
    if (o->kind->changes && c->changing) {
        order_waits(c, o);
        return;
    }
    if (o->kind->changes)
        c->changing = o;
    order_goes_on(c, o);
}

// Those of clients that have gone count, too: a change waits for its turn all the same.
static bool is_one_too_many(const struct control *c, struct order *o)
{
    return c->order_count > CONTROL_ORDERS_MAX &&
           !order_refuse(o, ORDER_LATER, "%u requests are under way; ask again later",
                         CONTROL_ORDERS_MAX);
}

void order_start(struct control *c, struct client *client, struct slice line)
{
    struct order *o = order_new(c, client);
    if (!o) {
        client_close(c, client);
        return;
    }
    client->order = o;
    char copy[ORDER_LINE_BYTES_MAX]; // before its values are unescaped
    memcpy(copy, line.data, line.len);
    if (!request_parse(o, c->o.kinds, line) || is_one_too_many(c, o)) {
        o->plain = false;
        order_over(c, o);
        return;
    }
    if (o->kind->changes)
        log_change(o, slice_make(copy, line.len));
    if (client->http)
        CHECK(http_say_head(&o->out)); // an empty buffer takes it
    order_begins(c, o);
}

bool control_ask(struct control *c, const char *request)
{
    char line[64];
    bool takes = !c->stopping && c->order_count < CONTROL_ORDERS_MAX;
    struct order *o = takes ? order_new(c, NULL) : NULL;
    if (!o)
        return false;
    size_t len = strlen(request);
    CHECK(len < sizeof(line));
    memcpy(line, request, len);
    CHECK(request_parse(o, c->o.kinds, slice_make(line, len)));
    order_begins(c, o);
    return true;
}
