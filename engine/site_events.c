#include "engine/site_events.h"

#include "engine/deliver/change.h"

#include <math.h>

static void put_number(struct json *j, const char *name, bool is_set, double value)
{
    json_double(j, name, is_set ? value : (double)INFINITY);
}

static void put_rates(struct json *j, const struct site_use *before, const struct site_use *now)
{
    if (before->rate == now->rate)
        return;
    put_number(j, "rate-before", before->rate > 0, (double)before->rate / 1000);
    put_number(j, "rate", now->rate > 0, (double)now->rate / 1000);
}

static void put_connections(struct json *j, const struct site_use *before,
                            const struct site_use *now)
{
    if (before->connections == now->connections)
        return;
    put_number(j, "connections-before", before->connections != UINT32_MAX, before->connections);
    put_number(j, "connections", now->connections != UINT32_MAX, now->connections);
}

static void put_times(struct json *j, const struct site_use *before, const struct site_use *now)
{
    if (before->back_off_us != now->back_off_us) {
        json_double(j, "back-off-before", (double)before->back_off_us / 1e6);
        json_double(j, "back-off", (double)now->back_off_us / 1e6);
    }
    if (before->rest_us != now->rest_us) {
        json_double(j, "rest-before", (double)before->rest_us / 1e6);
        json_double(j, "rest", (double)now->rest_us / 1e6);
    }
}

static void put_reply(struct json *j, const struct deliver_change *c)
{
    char enhanced[ENHANCED_TEXT_BYTES];
    if (c->text_len == 0)
        return;
    json_u64(j, "code", c->code);
    json_text(j, "enhanced", slice_of_text(enhanced_print(c->enhanced, enhanced)));
    json_text(j, "text", slice_make(c->text, c->text_len));
}

static void tell(struct events *e, const struct deliver_change *c)
{
    struct json j;
    events_open(e, &j, "site");
    json_text(&j, "site", slice_of_text(c->site));
    json_text(&j, "cause", slice_of_text(change_cause_word(c->cause)));
    put_rates(&j, &c->before, &c->now);
    put_connections(&j, &c->before, &c->now);
    put_times(&j, &c->before, &c->now);
    if (c->source[0]) {
        json_text(&j, "source", slice_of_text(c->source));
        json_double(&j, "suspended", (double)c->suspended_us / 1e6);
    }
    put_reply(&j, c);
    events_close(e, &j);
}

uint64_t site_events_tell(struct deliver *d, struct events *e)
{
    uint64_t left_out = 0;
    struct deliver_change c;
    while (deliver_next_change(d, &c)) {
        bool has_room = events_has_room(e);
        if (has_room)
            tell(e, &c);
        left_out += !has_room;
    }
    return left_out;
}
