// campaign: how far one has come. Each home has its part of it by name: nothing is looked through.
#include "engine/base/check.h"
#include "engine/home.h"
#include "engine/order_place.h"

#include <stdlib.h>

struct progress {
    uint64_t queued, over; // messages
    uint64_t counts[CAMPAIGN_COUNTS];
    uint64_t first_us, now_us;
};

static bool campaign_begin(struct order *o)
{
    if (!o->selector.campaign[0])
        return order_refuse(o, ORDER_REFUSED, "which campaign?");
    o->work = calloc(1, sizeof(struct progress));
    return o->work || order_refuse(o, ORDER_LATER, "no memory");
}

static enum order_step campaign_visit(struct order_place *p, struct order *o)
{
    struct progress *sum = o->work;
    const struct campaigns *all = &p->home->campaigns;
    struct slice name = slice_of_text(o->selector.campaign);
    const struct campaign *c = campaigns_at(all, campaigns_find(all, name));
    sum->now_us = io_now_us(p->io);
    if (!c)
        return ORDER_OVER;
    sum->queued += c->message_count;
    sum->over += c->over_count;
    for (uint32_t i = 0; i < CAMPAIGN_COUNTS; i++)
        sum->counts[i] += c->counts[i];
    if (sum->first_us == 0 || c->first_us < sum->first_us)
        sum->first_us = c->first_us;
    return ORDER_OVER;
}

static enum order_step campaign_end(struct order *o)
{
    const struct progress *sum = o->work;
    struct json j;
    if (sum->first_us == 0) {
        order_refuse(o, ORDER_REFUSED, "no such campaign, or it was over long ago");
        return ORDER_OVER;
    }
    double seconds = (double)(sum->now_us - sum->first_us) / 1e6;
    double over_per_s = seconds > 0 ? (double)sum->over / seconds : 0;
    order_line(o, &j);
    json_text(&j, "campaign", slice_of_text(o->selector.campaign));
    json_u64(&j, "messages-queued", sum->queued);
    json_u64(&j, "messages-over", sum->over);
    json_u64(&j, "delivered", sum->counts[CAMPAIGN_DELIVERED]);
    json_u64(&j, "deferred", sum->counts[CAMPAIGN_DEFERRED]);
    json_u64(&j, "failed", sum->counts[CAMPAIGN_FAILED]);
    json_double(&j, "seconds", seconds);
    json_double(&j, "messages-per-s", over_per_s);
    if (sum->queued == 0 || over_per_s > 0) // else nobody can tell
        json_u64(&j, "finished-in-s",
                 sum->queued > 0 ? (uint64_t)((double)sum->queued / over_per_s) + 1 : 0);
    order_line_end(o, &j);
    return ORDER_OVER;
}

const struct order_kind order_campaign = {
    .name = "campaign",
    .selects = true,
    .must_select = true,
    .rounds = 1,
    .begin = campaign_begin,
    .visit = campaign_visit,
    .end = campaign_end,
};
