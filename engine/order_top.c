// top: the sites with the most mail, and what the mail waits for: a line for each site, then one
// for each reason.
#include "engine/deliver/survey.h"
#include "engine/order_place.h"

#include <stdlib.h>

static bool top_begin(struct order *o)
{
    o->work = calloc(1, sizeof(struct survey));
    return o->work || order_refuse(o, ORDER_LATER, "no memory");
}

static enum order_step top_visit(struct order_place *p, struct order *o)
{
    return deliver_survey(p->deliver, o->work) ? ORDER_OVER : ORDER_AGAIN;
}

static void say_site(struct order *o, const struct survey_row *r)
{
    struct json j;
    uint64_t now_us = io_now_us(o->place->io);
    order_line(o, &j);
    json_text(&j, "site", slice_of_text(r->name));
    json_u64(&j, "ready", r->ready);
    json_u64(&j, "sending", r->sending);
    json_u64(&j, "connections", r->connection_count);
    json_u64(&j, "connections-max", r->connections_max);
    json_text(&j, "reason", slice_of_text(reason_word(r->reason.kind)));
    if (r->reason.until_us > now_us)
        json_u64(&j, "in-s", (r->reason.until_us - now_us + 999999) / 1000000);
    order_line_end(o, &j);
}

static void say_reason(struct order *o, enum reason_kind kind, const struct survey_reason *r)
{
    struct json j;
    if (r->sites + r->domains == 0)
        return;
    order_line(o, &j);
    json_text(&j, "reason", slice_of_text(reason_word(kind)));
    json_text(&j, "text", slice_of_text(reason_text(kind)));
    json_u64(&j, "sites", r->sites);
    json_u64(&j, "ready", r->ready);
    json_u64(&j, "domains-deferred", r->domains);
    order_line_end(o, &j);
}

static enum order_step top_end(struct order *o)
{
    const struct survey *s = o->work;
    for (uint32_t i = 0; i < s->row_count; i++)
        say_site(o, &s->rows[i]);
    for (uint32_t i = 0; i < REASON_COUNT; i++)
        say_reason(o, (enum reason_kind)i, &s->reasons[i]);
    return ORDER_OVER;
}

const struct order_kind order_top = {
    .name = "top",
    .rounds = 1,
    .begin = top_begin,
    .visit = top_visit,
    .end = top_end,
};
