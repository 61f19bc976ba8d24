#include "engine/tls/digest.h"

#include "engine/base/check.h"

#include <openssl/evp.h>
#include <stdlib.h>

// Fetched once: EVP_sha256() would search the providers again at every start.
struct sha256 {
    EVP_MD *algorithm;
    EVP_MD_CTX *context;
};

struct sha256 *sha256_new(void)
{
    struct sha256 *h = calloc(1, sizeof(*h));
    if (!h)
        return NULL;
    h->algorithm = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    h->context = EVP_MD_CTX_new();
    if (!h->algorithm || !h->context || !EVP_DigestInit_ex2(h->context, h->algorithm, NULL)) {
        sha256_free(h);
        return NULL;
    }
    return h;
}

void sha256_free(struct sha256 *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->context);
    EVP_MD_free(h->algorithm);
    free(h);
}

void sha256_start(struct sha256 *h)
{
    // With the algorithm of before, OpenSSL only resets the state: nothing here can fail.
    CHECK(EVP_DigestInit_ex2(h->context, NULL, NULL));
}

void sha256_add(struct sha256 *h, struct slice bytes)
{
    CHECK(EVP_DigestUpdate(h->context, bytes.data, bytes.len));
}

void sha256_end(struct sha256 *h, uint8_t ret[SHA256_BYTES])
{
    unsigned len = 0;
    CHECK(EVP_DigestFinal_ex(h->context, ret, &len) && len == SHA256_BYTES);
}

void sha256_hex(const uint8_t digest[SHA256_BYTES], char ret[SHA256_HEX_BYTES])
{
    for (unsigned i = 0; i < SHA256_BYTES; i++) {
        ret[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        ret[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    ret[2 * SHA256_BYTES] = 0;
}
