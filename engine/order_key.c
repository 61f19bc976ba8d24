// key: which message came with a submission key. One worker owns it, and knows.
#include "engine/home.h"
#include "engine/order_place.h"

#include <stdlib.h>

struct key_search {
    uint8_t key[FORMAT_KEY_BYTES];
    bool found;
    uint64_t id; // 0: its message is not durable yet
};

static bool hex_read(const char *text, uint8_t *to, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        const char *high = text[2 * i] ? strchr(digits, text[2 * i]) : NULL;
        const char *low = high && text[2 * i + 1] ? strchr(digits, text[2 * i + 1]) : NULL;
        if (!low)
            return false;
        to[i] = (uint8_t)((high - digits) << 4 | (low - digits));
    }
    return text[2 * count] == 0;
}

static const char *key_word(struct order *o, struct slice key, struct slice value)
{
    if (!slice_equal(key, SLICE("digest")))
        return SELECTOR_NOT_MINE;
    if (value.len != 2 * FORMAT_KEY_BYTES)
        return "is no digest";
    memcpy(o->subject, value.data, value.len);
    return NULL;
}

static bool key_begin(struct order *o)
{
    struct key_search *s = calloc(1, sizeof(*s));
    o->work = s;
    if (!s)
        return order_refuse(o, ORDER_LATER, "no memory");
    return hex_read(o->subject, s->key, sizeof(s->key)) ||
           order_refuse(o, ORDER_REFUSED, "which key?");
}

static enum order_step key_visit(struct order_place *p, struct order *o)
{
    struct key_search *s = o->work;
    if (keys_owner(s->key, p->post->worker_count) == p->number)
        s->found = keys_look(&p->home->keyring.keys, s->key, &s->id);
    return ORDER_OVER;
}

static enum order_step key_end(struct order *o)
{
    const struct key_search *s = o->work;
    char id[MESSAGE_ID_TEXT_BYTES];
    struct json j;
    if (!s->found) {
        order_refuse(o, ORDER_REFUSED, "no message came with that key, or that was long ago");
        return ORDER_OVER;
    }
    if (s->id == 0) {
        order_refuse(o, ORDER_LATER, "the message with that key is being accepted");
        return ORDER_OVER;
    }
    order_line(o, &j);
    json_text(&j, "id", slice_of_text(message_id_print(s->id, id)));
    order_line_end(o, &j);
    return ORDER_OVER;
}

const struct order_kind order_key = {
    .name = "key",
    .rounds = 1,
    .word = key_word,
    .begin = key_begin,
    .visit = key_visit,
    .end = key_end,
};
