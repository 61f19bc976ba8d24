#include "bench/ledger.h"

#include "bench/text.h"
#include "engine/base/check.h"

#include <errno.h>

void ledger_init(struct ledger *l, struct io *io, int fd, struct io_token token)
{
    *l = (struct ledger){.io = io, .fd = fd, .token = token};
    buffer_init(&l->gathering, LEDGER_BYTES_MAX);
    buffer_init(&l->writing, LEDGER_BYTES_MAX);
}

void ledger_release(struct ledger *l)
{
    CHECK(!l->under_way);
    buffer_release(&l->gathering);
    buffer_release(&l->writing);
}

static char *add_clean(char *to, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        to[i] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
    }
    return to + text.len;
}

void ledger_add(struct ledger *l, struct slice recipient, struct slice message_id,
                const char hex[SHA256_HEX_BYTES], struct slice more)
{
    size_t bytes = recipient.len + message_id.len + SHA256_HEX_BYTES - 1 + more.len + 4;
    char *line = l->error ? NULL : buffer_reserve(&l->gathering, bytes);
    if (!line) {
        if (l->error == 0)
            l->error = -ENOBUFS;
        return;
    }
    char *to = add_clean(line, recipient);
    *to++ = '\t';
    to = add_clean(to, message_id);
    *to++ = '\t';
    to = text_put(to, slice_make(hex, SHA256_HEX_BYTES - 1));
    if (more.len > 0) {
        *to++ = '\t';
        to = text_put(to, more);
    }
    *to++ = '\n';
    buffer_advance(&l->gathering, (size_t)(to - line));
    l->gathered_bytes += (size_t)(to - line);
}

static void ask(struct ledger *l)
{
    l->under_way = true;
    io_append(l->io, l->fd, slice_skip(buffer_slice(&l->writing), l->writing_at), l->token);
}

void ledger_flush(struct ledger *l)
{
    if (l->under_way || l->error || l->gathering.len == 0)
        return;
    struct buffer empty = l->writing;
    l->writing = l->gathering;
    l->gathering = empty;
    buffer_clear(&l->gathering);
    l->writing_at = 0;
    ask(l);
}

void ledger_on_done(struct ledger *l, const struct io_done *done)
{
    CHECK(l->under_way && done->ended);
    l->under_way = false;
    if (done->result <= 0) {
        l->error = done->result < 0 ? done->result : -EIO;
        return;
    }
    l->writing_at += (size_t)done->result;
    l->written_bytes += (uint64_t)done->result;
    CHECK(l->writing_at <= l->writing.len);
    if (l->writing_at < l->writing.len)
        ask(l);
    else
        ledger_flush(l); // what gathered meanwhile
}

bool ledger_idle(const struct ledger *l)
{
    return !l->under_way && (l->error || l->gathering.len == 0);
}
