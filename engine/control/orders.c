#include "engine/control/order.h"

#include <stdarg.h>
#include <stdio.h>

bool order_refuse(struct order *o, enum order_end how, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(o->why, sizeof(o->why), format, args);
    va_end(args);
    o->how = how;
    return false;
}

void order_line(struct order *o, struct json *j)
{
    json_init(j, &o->out);
    json_object(j, NULL);
}

void order_line_end(struct order *o, struct json *j)
{
    size_t end = o->out.len;
    json_end(j);
    if (json_ok(j) && buffer_append_byte(&o->out, '\n'))
        return;
    // Back to the end of the line before.
    while (end > 0 && o->out.data[end - 1] != '\n')
        end--;
    o->out.len = end;
}

// --- visits

void orders_take(struct orders *os, struct letter *l)
{
    struct order *o = CONTAINER_OF(l, struct order, letter);
    o->next = NULL;
    if (os->last)
        os->last->next = o;
    else
        os->first = o;
    os->last = o;
}

static enum order_step order_visit(struct order_place *place, struct order *o)
{
    return o->kind->visit ? o->kind->visit(place, o) : ORDER_OVER;
}

void orders_turn(struct orders *os, struct order_place *place, struct post *post)
{
    struct order *o = os->first;
    os->first = os->last = NULL;
    os->busy = false;
    while (o) {
        struct order *next = o->next;
        enum order_step step = order_visit(place, o);
        if (step == ORDER_OVER || order_page_full(o)) {
            o->visited = step == ORDER_OVER;
            o->letter.kind = LETTER_ORDER_BACK;
            post_leave(post, 0, &o->letter);
        } else {
            os->busy |= step == ORDER_AGAIN;
            orders_take(os, &o->letter);
        }
        o = next;
    }
}
