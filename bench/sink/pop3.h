// bench/sink/pop3.h: the server side of POP3 (RFC 1939; LAST of RFC 1460; CAPA of RFC 2449),
// without I/O: lines go in, replies are appended to the caller's buffer.
//
//   AUTHORIZATION -> (USER, PASS) -> TRANSACTION -> (QUIT) -> closed, and what DELE marked is gone
//
// Every password is right: this door is for looking at test mail.
#ifndef POSTHASTE_BENCH_SINK_POP3_H
#define POSTHASTE_BENCH_SINK_POP3_H

#include "bench/sink/mailbox.h"

#define POP3_LINE_BYTES_MAX 512
#define POP3_ERRORS_MAX 20
#define POP3_BACKLOG_BYTES_MAX (64u * 1024 * 1024) // a client that asks for more at once is cut off

struct pop3;

struct pop3 *pop3_new(struct sink_mailbox *mailbox); // lends it; NULL without memory
void pop3_free(struct pop3 *p);

void pop3_greet(struct pop3 *p, struct buffer *out);
// Uses all bytes. False when the session is over: flush and close.
bool pop3_feed(struct pop3 *p, struct slice bytes, struct buffer *out);

#endif
