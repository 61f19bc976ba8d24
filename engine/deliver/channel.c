#include "engine/deliver/channel.h"

#include "engine/base/check.h"

#include <stdlib.h>

struct channel *channel_new(struct tls *t)
{
    struct channel *c = t ? calloc(1, sizeof(*c)) : NULL;
    if (!c) {
        tls_free(t);
        return NULL;
    }
    c->tls = t;
    buffer_init(&c->out, CHANNEL_BYTES_MAX);
    buffer_init(&c->sent, CHANNEL_BYTES_MAX);
    return c;
}

void channel_free(struct channel *c)
{
    if (!c)
        return;
    tls_free(c->tls);
    buffer_release(&c->out);
    buffer_release(&c->sent);
    free(c);
}

bool channel_seal(struct channel *c, struct wire *w)
{
    unsigned count;
    if (wire_empty(w))
        return true;
    if (!c->ready)
        return false;
    const struct iovec *pieces = wire_pieces(w, &count);
    size_t sealed = tls_seal(c->tls, pieces, count, &c->out);
    c->sealed_end += sealed;
    if (sealed > 0)
        wire_sent(w, sealed);
    return wire_empty(w);
}

const struct iovec *channel_send(struct channel *c)
{
    if (c->sent.len == 0) {
        struct buffer gathered = c->out;
        c->out = c->sent;
        c->sent = gathered;
        c->sent_end = c->sealed_end;
    }
    if (c->sent.len == 0)
        return NULL;
    c->piece = (struct iovec){c->sent.data + c->sent_used, c->sent.len - c->sent_used};
    return &c->piece;
}

void channel_sent(struct channel *c, size_t bytes)
{
    c->sent_used += bytes;
    CHECK(c->sent_used <= c->sent.len);
    if (c->sent_used < c->sent.len)
        return;
    buffer_clear(&c->sent);
    c->sent_used = 0;
}

size_t channel_unsent(const struct channel *c)
{
    return c->out.len + c->sent.len - c->sent_used;
}

static void give_back(struct buffer *b)
{
    if (b->len == 0 && b->room > CHANNEL_ROOM_KEPT)
        buffer_release(b);
}

void channel_rests(struct channel *c)
{
    give_back(&c->out);
    give_back(&c->sent);
}
