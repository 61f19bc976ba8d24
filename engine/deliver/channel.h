// engine/deliver/channel.h: a connection's bytes under TLS: what is sealed and waits, and what the
// kernel has.
//
// Owns:    the TLS session, and two buffers: one gathers while the other is being sent.
// Knows not of: SMTP, or what a failure means.
#ifndef POSTHASTE_DELIVER_CHANNEL_H
#define POSTHASTE_DELIVER_CHANNEL_H

#include "engine/smtp/wire.h"
#include "engine/tls/tls.h"

// A few records: so much is sealed ahead of the kernel.
#define CHANNEL_BYTES_MAX (TLS_SEND_BYTES_MIN + 3 * (size_t)TLS_RECORD_BYTES_MAX)
#define CHANNEL_ROOM_KEPT (8 * 1024) // by a connection that is idle

struct channel {
    struct tls *tls;
    bool ready; // the handshake has succeeded
    struct buffer out, sent;
    size_t sent_used; // of `sent`, taken by the kernel
    struct iovec piece;
    uint64_t sealed_end; // stream position (of plain bytes) behind what has been sealed
    uint64_t sent_end;   // the same, behind what `sent` holds
};

// Takes the session. NULL without memory: then it is freed.
struct channel *channel_new(struct tls *t);
void channel_free(struct channel *c); // NULL is fine

// Seals what the wire holds, as far as there is room. True: the wire is empty.
bool channel_seal(struct channel *c, struct wire *w);
// What is to be sent now; NULL: nothing. None may be under way.
const struct iovec *channel_send(struct channel *c);
void channel_sent(struct channel *c, size_t bytes);
// Not yet taken by the kernel.
size_t channel_unsent(const struct channel *c);
// Nothing is to be said for now: what it needs not is given back.
void channel_rests(struct channel *c);

#endif
