#include "engine/tls/parts.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#define SHA512_BYTES 64

// It stands there whole, and must be one that can be read, to its end.
static bool is_readable(const struct tls_tlsa *r)
{
    const unsigned char *at = (const unsigned char *)r->data.data;
    const unsigned char *end = at + r->data.len;
    X509 *x = r->selector == 0 ? d2i_X509(NULL, &at, (long)r->data.len) : NULL;
    EVP_PKEY *key = r->selector == 1 ? d2i_PUBKEY(NULL, &at, (long)r->data.len) : NULL;
    bool is_good = (x && X509_get0_pubkey(x)) || key;
    X509_free(x);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return is_good && at == end;
}

bool tls_tlsa_usable(const struct tls_tlsa *r)
{
    if ((r->usage != 2 && r->usage != 3) || r->selector > 1)
        return false;
    switch (r->matching) {
    case 0: return r->data.len > 0 && r->data.len <= UINT16_MAX && is_readable(r);
    case 1: return r->data.len == SHA256_BYTES;
    case 2: return r->data.len == SHA512_BYTES;
    default: return false;
    }
}
