// engine/message/verp.h: variable envelope return paths: the recipient is written into the sender's
// address, so that a report names him whoever wrote it.
//
//     news@list.example  to  joe@example.org    is    news+joe=example.org@list.example
//
// Owns:         the form. Pure.
// Knows not of: whose mail has it; that it implies one recipient for each transaction.
#ifndef POSTHASTE_MESSAGE_VERP_H
#define POSTHASTE_MESSAGE_VERP_H

#include "engine/smtp/address.h"

// Returns the length; 0 where there is no such form: for the null sender, for quoted local parts
// and address literals, and where it would be too long. Then the address stays as it is.
size_t verp_write(struct slice sender, struct slice rcpt, char out[ADDRESS_BYTES_MAX]);

#endif
