// suppress: changes of the list of suppressed addresses. What was asked is on stable storage when
// it is answered; it waits for the list to be read first.
#include "engine/order_place.h"
#include "engine/policy/category.h"
#include "engine/suppressor.h"

#include <stdlib.h>

struct changes {
    uint16_t until;
    enum category category;
    uint32_t count;
    bool is_put;   // the list has them
    uint64_t mark; // its count behind the last of them
    struct buffer lines;
};

static struct changes *changes_of(struct order *o)
{
    struct changes *c = o->work ? o->work : calloc(1, sizeof(*c));
    if (c && !o->work) {
        c->until = SUPPRESSION_FOR_EVER;
        c->category = CATEGORY_OTHER;
        buffer_init(&c->lines, SUPPRESSION_PAGE_BYTES);
    }
    o->work = c;
    return c;
}

static const char *suppress_word(struct order *o, struct slice key, struct slice value)
{
    struct changes *c = changes_of(o);
    bool removes = slice_equal(key, SLICE("remove"));
    if (!c)
        return "no memory";
    if (slice_equal(key, SLICE("until")))
        return suppression_date_read(value, &c->until) ? NULL : "is no day";
    if (slice_equal(key, SLICE("category")))
        return category_of_word(value, &c->category) ? NULL : "is no category";
    if (!removes && !slice_equal(key, SLICE("add")))
        return SELECTOR_NOT_MINE;
    struct suppression_line line = {.removes = removes,
                                    .until = c->until,
                                    .category = slice_of_text(category_word(c->category)),
                                    .address = value};
    c->count++;
    return suppression_line_put(&c->lines, &line) ? NULL : "is no address";
}

static bool suppress_begin(struct order *o)
{
    return changes_of(o) || order_refuse(o, ORDER_LATER, "no memory");
}

static void put_all(struct suppressor *s, struct order *o, struct changes *c)
{
    struct suppression_line line;
    struct slice rest = buffer_slice(&c->lines);
    while (o->how == ORDER_DONE && suppression_line_next(&rest, &line) == SUPPRESSION_READ)
        if (!suppressor_put(s, &line))
            order_refuse(o, ORDER_LATER, "there is no room for more");
    c->is_put = true;
    c->mark = s->put_count;
}

// Who keeps the list has turns until it is read, and then until it is written.
static enum order_step suppress_visit(struct order_place *p, struct order *o)
{
    struct changes *c = o->work;
    if (p->number != SUPPRESSION_KEEPER || atomic_load(&o->cancelled))
        return ORDER_OVER;
    if (!suppressor_ready(p->suppressor))
        return ORDER_WAITS;
    if (!c->is_put)
        put_all(p->suppressor, o, c);
    return p->suppressor->safe_count < c->mark ? ORDER_WAITS : ORDER_OVER;
}

static enum order_step suppress_end(struct order *o)
{
    const struct changes *c = o->work;
    struct json j;
    order_line(o, &j);
    json_u64(&j, "changed", c->count);
    order_line_end(o, &j);
    return ORDER_OVER;
}

static void suppress_release(struct order *o)
{
    struct changes *c = o->work;
    if (c)
        buffer_release(&c->lines);
}

const struct order_kind order_suppress = {
    .name = "suppress",
    .changes = true,
    .rounds = 1,
    .word = suppress_word,
    .begin = suppress_begin,
    .visit = suppress_visit,
    .end = suppress_end,
    .release = suppress_release,
};
