#include "engine/deliver/conn.h"

#include "engine/base/check.h"

#include <errno.h>

static struct io_token conn_token(const struct conn *c, enum conn_op op)
{
    return (struct io_token){c->index, c->generation, c->io_owner, (uint8_t)op};
}

int conn_open(struct conn *c, struct io *io, const struct smtp_client_options *options)
{
    c->fd = io_connect(io, &c->peer, c->local, conn_token(c, CONN_OP_CONNECT));
    if (c->fd < 0)
        return c->fd;
    c->peer_text_len = (uint8_t)strlen(io_address_print(&c->peer, c->peer_text));
    c->ops_in_flight = 1;
    c->state = CONN_CONNECTING;
    smtp_client_init(&c->client, options);
    wire_init(&c->wire);
    return 0;
}

static void conn_broke(struct conn *c, int error)
{
    const char *text = error == 0 ? "connection closed by the other side" : strerror(-error);
    failure_set(&c->failure, 0, (struct enhanced_code){4, 4, error == 0 ? 2 : 1},
                slice_of_text(text));
}

static void conn_receive(struct conn *c, struct io *io)
{
    c->receiving = true;
    c->ops_in_flight++;
    io_receive(io, c->fd, conn_token(c, CONN_OP_RECEIVE));
}

static enum conn_news on_connect(struct conn *c, struct io *io, int result)
{
    if (c->state == CONN_CLOSING)
        return CONN_NOTHING;
    if (result < 0) {
        conn_broke(c, result);
        return CONN_LOST;
    }
    c->state = CONN_OPENING;
    conn_receive(c, io);
    return CONN_CONNECTED;
}

static enum conn_news on_receive(struct conn *c, struct io *io, const struct io_done *done,
                                 struct slice *ret_bytes)
{
    if (done->ended)
        c->receiving = false;
    if (c->state == CONN_CLOSING)
        return CONN_NOTHING;
    if (done->result <= 0 && done->result != -ENOBUFS) {
        conn_broke(c, done->result);
        return CONN_LOST;
    }
    if (done->ended) // the ring of buffers ran dry, or the kernel wants to be asked again
        conn_receive(c, io);
    *ret_bytes = done->bytes;
    return done->result > 0 ? CONN_BYTES : CONN_NOTHING;
}

// Of what was sealed together nobody knows which part has gone: it counts as gone when all of it
// has, and as maybe gone when anything has.
static void count_sent(struct conn *c, size_t bytes)
{
    struct channel *ch = c->channel;
    if (!c->sends_sealed) {
        c->sent_bytes += bytes;
        c->left_bytes = c->sent_bytes;
        wire_sent(&c->wire, bytes);
        return;
    }
    c->left_bytes = ch->sent_end;
    channel_sent(ch, bytes);
    if (ch->sent.len == 0)
        c->sent_bytes = ch->sent_end;
}

static enum conn_news on_send(struct conn *c, const struct io_done *done)
{
    c->sending = false;
    if (done->result > 0)
        count_sent(c, (size_t)done->result);
    if (c->state == CONN_CLOSING)
        return CONN_NOTHING;
    if (done->result <= 0) {
        conn_broke(c, done->result);
        c->send_broke = true;
        // A server that hangs up may have said something before, which is still to be read.
        return c->receiving ? CONN_NOTHING : CONN_LOST;
    }
    return CONN_SENT;
}

enum conn_news conn_on_done(struct conn *c, struct io *io, const struct io_done *done,
                            struct slice *ret_bytes)
{
    enum conn_news news = CONN_NOTHING;
    CHECK(c->ops_in_flight > 0);
    if (done->ended)
        c->ops_in_flight--;
    switch ((enum conn_op)done->token.op) {
    case CONN_OP_CONNECT: news = on_connect(c, io, done->result); break;
    case CONN_OP_RECEIVE: news = on_receive(c, io, done, ret_bytes); break;
    case CONN_OP_SEND: news = on_send(c, done); break;
    case CONN_OP_TIMER:
    case CONN_OP_COUNT: CHECK(false);
    }
    if (c->state == CONN_CLOSING && c->ops_in_flight == 0)
        return CONN_GONE;
    return news;
}

bool conn_secure(struct conn *c, struct tls *t)
{
    c->channel = channel_new(t);
    if (!c->channel)
        return false;
    // The machine has said so much in the clear. That all of it was taken, the kernel may have yet
    // to say: the answer to it may be told before.
    c->channel->sealed_end = c->channel->sent_end = c->sent_bytes + c->wire.bytes;
    return true;
}

static const struct iovec *plain_pieces(struct conn *c, unsigned *ret_count)
{
    smtp_client_fill(&c->client, &c->wire);
    return wire_empty(&c->wire) ? NULL : wire_pieces(&c->wire, ret_count);
}

// What the machine says is sealed at once, so that the wire is open again for more of it.
static const struct iovec *sealed_pieces(struct conn *c, unsigned *ret_count)
{
    do
        smtp_client_fill(&c->client, &c->wire);
    while (!wire_empty(&c->wire) && channel_seal(c->channel, &c->wire));
    *ret_count = 1;
    return channel_send(c->channel);
}

static void conn_send(struct conn *c, struct io *io, const struct iovec *pieces, unsigned count)
{
    c->sending = true;
    c->sends_sealed = c->channel;
    c->ops_in_flight++;
    io_send(io, c->fd, pieces, count, conn_token(c, CONN_OP_SEND));
}

void conn_flush(struct conn *c, struct io *io)
{
    unsigned count;
    if (c->sending || c->send_broke || c->state == CONN_CLOSING || c->state == CONN_CONNECTING)
        return;
    const struct iovec *pieces = c->channel ? sealed_pieces(c, &count) : plain_pieces(c, &count);
    if (pieces)
        conn_send(c, io, pieces, count);
}

// The alert that says why, or a good-bye: as much as the kernel takes at once. Nothing that stands
// before it is held back: it was meant to go in any case.
static void send_last(struct conn *c, struct io *io)
{
    tls_close(c->channel->tls, &c->channel->out);
    const struct iovec *pieces = channel_send(c->channel);
    if (pieces)
        conn_send(c, io, pieces, 1);
}

void conn_close(struct conn *c, struct io *io)
{
    CHECK(c->state != CONN_CLOSING);
    if (c->channel && !c->sending && !c->send_broke)
        send_last(c, io);
    c->state = CONN_CLOSING;
    io_close(io, c->fd);
}

size_t conn_unsent(const struct conn *c)
{
    return c->wire.bytes + (c->channel ? channel_unsent(c->channel) : 0);
}

void conn_add_transaction(struct conn *c, struct transaction *tx)
{
    tx->next = NULL;
    if (c->tx_last)
        c->tx_last->next = tx;
    else
        c->tx_first = tx;
    c->tx_last = tx;
    tx->smtp.tag = ++c->started_count;
    c->tx_count++;
    c->site->transaction_count++;
    if (c->site->group)
        c->site->group->transaction_count++;
}

void conn_remove_transaction(struct conn *c, struct transaction *tx)
{
    struct transaction *before = NULL;
    for (struct transaction *at = c->tx_first; at != tx; at = at->next)
        before = at; // few stand before it: replies come in order
    if (before)
        before->next = tx->next;
    else
        c->tx_first = tx->next;
    if (c->tx_last == tx)
        c->tx_last = before;
    c->tx_count--;
    c->site->transaction_count--;
    if (c->site->group)
        c->site->group->transaction_count--;
}

void conn_release(struct conn *c)
{
    CHECK(!c->tx_first);
    CHECK(c->ops_in_flight == 0);
    smtp_client_release(&c->client);
    wire_release(&c->wire);
    channel_free(c->channel);
}

static uint32_t smaller_said(uint32_t said, uint32_t limit)
{
    return said > 0 && said < limit ? said : limit;
}

uint32_t conn_messages_max(const struct conn *c, uint32_t limit)
{
    return smaller_said(smtp_client_limits(&c->client).mail_max, limit);
}

uint32_t conn_rcpts_max(const struct conn *c, uint32_t limit)
{
    return smaller_said(smtp_client_limits(&c->client).rcpt_max, limit);
}

bool conn_offers(const struct conn *c, enum smtp_extension extension)
{
    return (smtp_client_extensions(&c->client) & (uint32_t)extension) != 0;
}

bool conn_takes_domain(struct conn *c, struct slice domain)
{
    uint32_t said = smtp_client_limits(&c->client).rcpt_domain_max;
    if (said == 0)
        return true;
    uint64_t hash = slice_hash(domain, 0);
    for (uint32_t i = 0; i < c->domain_count; i++)
        if (c->domain_hashes[i] == hash)
            return true;
    if (c->domain_count == smaller_said(said, CONN_DOMAINS_MAX))
        return false;
    c->domain_hashes[c->domain_count++] = hash;
    return true;
}

uint64_t conn_patience_us(const struct conn *c, const struct conn_patience *p)
{
    enum smtp_phase phase;
    switch ((enum conn_state)c->state) {
    case CONN_CONNECTING: return p->connect_us;
    case CONN_IDLE: return p->idle_us;
    case CONN_OPENING:
    case CONN_BUSY:
    case CONN_QUITTING:
    case CONN_CLOSING: break;
    }
    if (conn_unsent(c) > 0)
        return patience_send_us(conn_unsent(c));
    if (!smtp_client_awaits(&c->client, &phase))
        phase = SMTP_PHASE_GREETING;
    if (phase == SMTP_PHASE_STARTTLS || (c->channel && !c->channel->ready))
        return p->tls_us;
    return patience_us(phase);
}
