// engine/tls/certificate.h: a self-signed certificate made on the spot, for tests and tools (an
// opportunistic receiver needs no better one).
#ifndef POSTHASTE_TLS_CERTIFICATE_H
#define POSTHASTE_TLS_CERTIFICATE_H

#include "engine/base/buffer.h"

// For `name` (CN and DNS name), with a new ECDSA P-256 key, good for ten years from yesterday. Both
// in PEM, some 1 KiB. False without memory, or when the name cannot be one.
bool certificate_make(struct slice name, struct buffer *ret_chain_pem, struct buffer *ret_key_pem);

#endif
