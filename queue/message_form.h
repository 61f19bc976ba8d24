// queue/message_form.h: a message as it goes to somebody, where that is not as it is stored: with
// fields in front that are for one recipient alone, or with its content written anew.
//
// Owns:    how such a one stands for the message: envelope, recipients and all else that a delivery
//          asks for are those of the message.
// Life:    whoever delivers makes it, and counts its loans as with a message that he has read back.
//          Nothing of it is ever on disk.
#ifndef POSTHASTE_QUEUE_MESSAGE_FORM_H
#define POSTHASTE_QUEUE_MESSAGE_FORM_H

#include "queue/message.h"

// A view of `m`, which must stay: the same bytes, and a preface of its own. No more than a struct.
void message_view_init(struct message *view, struct message *m);
void message_view_release(struct message *view);

// A copy of its envelope in a block of this pool, with room for other content at *ret_room. NULL
// without memory; `beyond`: the pool's limit does not count. The second call says how much was
// written there, and what it is.
struct message *message_rewrite_new(struct block_pool *p, bool beyond, const struct message *m,
                                    size_t content_bytes_max, char **ret_room);
void message_rewrite_done(struct message *copy, size_t content_bytes, bool is_8bit,
                          bool has_dot_lines);

#endif
