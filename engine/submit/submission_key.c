#include "engine/submit/submission_key.h"

_Static_assert(FORMAT_KEY_BYTES <= SHA256_BYTES, "a part of it");

void submission_key_digest(struct sha256 *h, struct slice submitter, struct slice key,
                           uint8_t ret[FORMAT_KEY_BYTES])
{
    uint8_t digest[SHA256_BYTES];
    sha256_start(h);
    sha256_add(h, submitter);
    sha256_add(h, slice_make("", 1)); // so that neither can be a part of the other
    sha256_add(h, key);
    sha256_end(h, digest);
    memcpy(ret, digest, FORMAT_KEY_BYTES);
}
