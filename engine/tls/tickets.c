#include "engine/tls/parts.h"

#include "engine/base/check.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

void tickets_turn(struct ticket_keys *k)
{
    k->before = k->now;
    // The system's randomness does not end; without it there is no TLS at all.
    CHECK(RAND_bytes((unsigned char *)&k->now, sizeof(k->now)) == 1);
}

static bool mac_by(EVP_MAC_CTX *mac, const struct ticket_key *k)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)k->mac,
                                          sizeof(k->mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params);
}

static int seal_ticket(const struct ticket_key *k, unsigned char *name, unsigned char *iv,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    memcpy(name, k->name, sizeof(k->name));
    return RAND_bytes(iv, EVP_MAX_IV_LENGTH) == 1 &&
           EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k->cipher, iv) && mac_by(mac, k);
}

// 0: not ours, so that a full handshake follows. 2: taken, and a new one is due: in TLS 1.3 each is
// used once (RFC 8446 C.4).
static int open_ticket(const struct ticket_keys *keys, bool once, const unsigned char *name,
                       const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    bool is_now = memcmp(name, keys->now.name, sizeof(keys->now.name)) == 0;
    bool is_before = memcmp(name, keys->before.name, sizeof(keys->before.name)) == 0;
    const struct ticket_key *k = is_now ? &keys->now : &keys->before;
    if (!is_now && !is_before)
        return 0;
    if (!EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k->cipher, iv) || !mac_by(mac, k))
        return 0;
    return is_now && !once ? 1 : 2;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int seals)
{
    const struct tls *t = SSL_get_app_data(ssl);
    const struct ticket_keys *keys = &t->context->tickets;
    return seals ? seal_ticket(&keys->now, name, iv, cipher, mac)
                 : open_ticket(keys, SSL_version(ssl) == TLS1_3_VERSION, name, iv, cipher, mac);
}

void tickets_use(SSL_CTX *ssl_ctx)
{
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl_ctx, on_ticket);
}
