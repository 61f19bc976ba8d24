// engine/submit/submission_key.h: how a submission key is known in the queue (queue/keys.h): by a
// digest of who gave it and of what he called it.
//
// Knows not of: who may give one, and how that is found out.
#ifndef POSTHASTE_SUBMIT_SUBMISSION_KEY_H
#define POSTHASTE_SUBMIT_SUBMISSION_KEY_H

#include "engine/tls/digest.h"
#include "queue/format.h"

// `submitter`: "user:joe" for who has proved to be him, "uid:1000" for a user of this host,
// "@192.0.2.1" for an address. What else there is contains no NUL either.
void submission_key_digest(struct sha256 *h, struct slice submitter, struct slice key,
                           uint8_t ret[FORMAT_KEY_BYTES]);

#endif
