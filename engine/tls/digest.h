// engine/tls/digest.h: SHA-256 by OpenSSL, for programs that may not see openssl/ themselves.
#ifndef POSTHASTE_TLS_DIGEST_H
#define POSTHASTE_TLS_DIGEST_H

#include "engine/base/slice.h"

#define SHA256_BYTES 32
#define SHA256_HEX_BYTES 65 // with the final NUL

struct sha256; // one per thread; reused from message to message without allocating

struct sha256 *sha256_new(void); // NULL without memory
void sha256_free(struct sha256 *h);
void sha256_start(struct sha256 *h);
void sha256_add(struct sha256 *h, struct slice bytes);
void sha256_end(struct sha256 *h, uint8_t ret[SHA256_BYTES]);
void sha256_hex(const uint8_t digest[SHA256_BYTES], char ret[SHA256_HEX_BYTES]);

#endif
