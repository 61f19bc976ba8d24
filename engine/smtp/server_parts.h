// engine/smtp/server_parts.h: what the five files of the server machine share, and nobody else.
//
//   server.c          the doors: feed, answer, verdict, and the end of a session
//   server_command.c  lines, the order of commands, and what is refused for it
//   server_content.c  DATA and BDAT: content in its stored form, and how it ends
//   server_auth.c     what a client says to prove who it is
//   server_replies.c  what the machine says when its owner leaves that to it
#ifndef POSTHASTE_SMTP_SERVER_PARTS_H
#define POSTHASTE_SMTP_SERVER_PARTS_H

#include "engine/smtp/server.h"

// Says a whole reply with its CRLF, or a part of one, in its turn. A reply that cannot be said (no
// memory) breaks the session: the client must not take a later one for it.
void server_say(struct smtp_server *s, struct slice text, struct buffer *out);
// Ends the transaction, and tells SERVER_DROPPED if one was open.
void server_drop(struct smtp_server *s, enum smtp_verb verb, enum content_fault fault);
// Ends the transaction. The one place that does.
void server_end_transaction(struct smtp_server *s);

// Ends the session when all verdicts have been given; nothing more is read.
void server_end_session(struct smtp_server *s);

// server_command.c. Takes up to one command line from the front of *bytes; true when *event is to
// be told.
bool server_feed_line(struct smtp_server *s, struct slice *bytes, struct buffer *out,
                      struct smtp_server_event *event);

// The same for a line that is not parsed as a command: without its CRLF in *ret, valid until the
// next bytes. LINE_TOO_LONG: all of it was read.
enum server_line { LINE_MORE, LINE_WHOLE, LINE_TOO_LONG, LINE_ENDLESS };
enum server_line server_read_line(struct smtp_server *s, struct slice *bytes, struct slice *ret);
// Says why, and ends the session.
void server_too_much(struct smtp_server *s, struct slice reply, struct buffer *out);
// True when that was one error too many, and the session has ended.
bool server_count_error(struct smtp_server *s, struct buffer *out);

// server_auth.c. Begins with the AUTH that is in order; true when *event is to be told.
bool server_begin_auth(struct smtp_server *s, const struct command *c, struct buffer *out,
                       struct smtp_server_event *event);
bool server_feed_auth(struct smtp_server *s, struct slice *bytes, struct buffer *out,
                      struct smtp_server_event *event);
// Leaves nothing of what the client has said.
void server_forget_credentials(struct smtp_server *s);

// server_content.c. Both take bytes from the front of *bytes; true when *event is to be told.
bool server_feed_data(struct smtp_server *s, struct slice *bytes, struct buffer *out,
                      struct smtp_server_event *event);
bool server_feed_chunk(struct smtp_server *s, struct slice *bytes, struct buffer *out,
                       struct smtp_server_event *event);
// The chunk is read and thrown away; then comes this reply (whole, with CRLF).
void server_refuse_chunk(struct smtp_server *s, struct slice reply);

// server_replies.c: the reply to a command that is in order, as it is where nobody says otherwise.
void server_say_greeting(struct smtp_server *s, struct buffer *out);
void server_say_usual(struct smtp_server *s, enum smtp_verb verb, struct buffer *out);

#endif
