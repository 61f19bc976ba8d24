#include "engine/tls/parts.h"

#include "engine/base/check.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

// What a peer may make us keep of its certificates.
#define CHAIN_BYTES_MAX (64 * 1024)
// RFC 8446 allows a week; a ticket's key turns every hour, and is good for one more.
#define TICKET_LIFE_S 7200
// TLS 1.2 with forward secrecy and authenticated encryption alone. Those of 1.3 are all of that
// kind.
#define SERVER_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
// AES with 128 bits in front: sealing and opening then take a fifth less time than with 256, and
// either is beyond the reach of anybody known.
#define CIPHERS_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

static struct tls_context *context_new(bool is_server)
{
    struct tls_context *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->ref_count = 1;
    c->is_server = is_server;
    c->ssl_ctx = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    c->bio_method = tls_bytes_method();
    if (!c->ssl_ctx || !c->bio_method ||
        !SSL_CTX_set_min_proto_version(c->ssl_ctx, TLS1_2_VERSION) ||
        !SSL_CTX_set_ciphersuites(c->ssl_ctx, CIPHERS_13)) {
        tls_context_unref(c);
        return NULL;
    }
    SSL_CTX_set_options(c->ssl_ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(c->ssl_ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_max_cert_list(c->ssl_ctx, CHAIN_BYTES_MAX);
    return c;
}

void tls_context_unref(struct tls_context *c)
{
    if (!c || --c->ref_count > 0)
        return;
    resume_release(&c->resume);
    SSL_CTX_free(c->ssl_ctx);
    BIO_meth_free(c->bio_method);
    OPENSSL_cleanse(&c->tickets, sizeof(c->tickets));
    OPENSSL_cleanse(c->scratch, sizeof(c->scratch));
    free(c);
}

static struct tls_context *refused(struct tls_context *c, const char **ret_why, const char *why)
{
    tls_context_unref(c);
    ERR_clear_error();
    *ret_why = why;
    return NULL;
}

// There is no password: OpenSSL would ask for one on the terminal.
static int no_password(char *to, int room, int writes, void *asker)
{
    (void)to, (void)room, (void)writes, (void)asker;
    return 0;
}

static BIO *pem_open(struct slice pem)
{
    if (pem.len == 0 || pem.len > TLS_PEM_BYTES_MAX)
        return NULL;
    return BIO_new_mem_buf(pem.data, (int)pem.len);
}

// Did reading end since there is no more, or since what is there is broken?
static bool pem_ended(void)
{
    unsigned long error = ERR_peek_last_error();
    bool ended = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    return ended;
}

// --- client

static bool trust_pem(SSL_CTX *ssl_ctx, struct slice pem)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ssl_ctx);
    BIO *bio = pem_open(pem);
    X509 *x;
    bool is_ok = bio;
    uint32_t count = 0;
    while (is_ok && (x = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL))) {
        is_ok = X509_STORE_add_cert(store, x);
        X509_free(x);
        count++;
    }
    is_ok = is_ok && pem_ended() && count > 0;
    BIO_free(bio);
    return is_ok;
}

// A ticket, or a session of TLS 1.2, has come.
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls *t = SSL_get_app_data(ssl);
    if (!t->resumes)
        return 0; // it stays OpenSSL's
    resume_keep(&t->context->resume, t->key, session);
    return 1;
}

struct tls_context *tls_context_new_client(const struct tls_client_options *o, const char **ret_why)
{
    struct tls_context *c = context_new(false);
    if (!c || !resume_init(&c->resume, o->session_count) || SSL_CTX_dane_enable(c->ssl_ctx) <= 0)
        return refused(c, ret_why, "out of memory");
    if (o->trusted_pem.len > 0 && !trust_pem(c->ssl_ctx, o->trusted_pem))
        return refused(c, ret_why, "these are not certificates in PEM");
    if (o->trusted_pem.len == 0 && !SSL_CTX_set_default_verify_paths(c->ssl_ctx))
        return refused(c, ret_why, "the system's certificates cannot be read");
    SSL_CTX_set_session_cache_mode(c->ssl_ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c->ssl_ctx, on_new_session);
    return c;
}

// --- server

static bool use_chain(SSL_CTX *ssl_ctx, struct slice pem)
{
    BIO *bio = pem_open(pem);
    X509 *x = bio ? PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL) : NULL;
    bool is_ok = x && SSL_CTX_use_certificate(ssl_ctx, x);
    X509_free(x);
    while (is_ok && (x = PEM_read_bio_X509(bio, NULL, no_password, NULL))) {
        is_ok = SSL_CTX_add0_chain_cert(ssl_ctx, x);
        if (!is_ok)
            X509_free(x);
    }
    is_ok = is_ok && pem_ended();
    BIO_free(bio);
    return is_ok;
}

static bool use_key(SSL_CTX *ssl_ctx, struct slice pem)
{
    BIO *bio = pem_open(pem);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    bool is_ok = key && SSL_CTX_use_PrivateKey(ssl_ctx, key);
    EVP_PKEY_free(key);
    BIO_free(bio);
    return is_ok;
}

static const char *use_certificate(SSL_CTX *ssl_ctx, const struct tls_certificate *at)
{
    if (!use_chain(ssl_ctx, at->chain_pem))
        return "these are not certificates in PEM, the server's own first, that may be used";
    if (!use_key(ssl_ctx, at->key_pem))
        return "this is not the certificate's private key in PEM, without a password";
    return NULL;
}

struct tls_context *tls_context_new_server(const struct tls_server_options *o, const char **ret_why)
{
    struct tls_context *c = context_new(true);
    const char *why = NULL;
    struct slice service = slice_take(o->service, SSL_MAX_SSL_SESSION_ID_LENGTH);
    CHECK(o->certificate_count >= 1 && o->certificate_count <= TLS_CERTIFICATES_MAX);
    if (!c || !SSL_CTX_set_cipher_list(c->ssl_ctx, SERVER_CIPHERS) ||
        !SSL_CTX_set_session_id_context(c->ssl_ctx, (const unsigned char *)service.data,
                                        (unsigned)service.len))
        return refused(c, ret_why, "out of memory");
    for (uint32_t i = 0; !why && i < o->certificate_count; i++)
        why = use_certificate(c->ssl_ctx, &o->certificates[i]);
    if (why)
        return refused(c, ret_why, why);
    SSL_CTX_set_options(c->ssl_ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(c->ssl_ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(c->ssl_ctx, TICKET_LIFE_S);
    SSL_CTX_set_num_tickets(c->ssl_ctx, 1);
    tickets_turn(&c->tickets);
    tickets_turn(&c->tickets); // none but ours is taken, not even one under a key of zeros
    tickets_use(c->ssl_ctx);
    return c;
}

void tls_context_turn_ticket_key(struct tls_context *c)
{
    CHECK(c->is_server);
    tickets_turn(&c->tickets);
}
