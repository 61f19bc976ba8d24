// engine/tls/parts.h: what the files of this room share.
#ifndef POSTHASTE_TLS_PARTS_H
#define POSTHASTE_TLS_PARTS_H

#include "engine/tls/digest.h"
#include "engine/tls/tls.h"

#include <openssl/ssl.h>

#define RESUME_KEY_BYTES SHA256_BYTES

// --- resume.c: sessions that may be resumed, each under all that it was negotiated for.

struct resume_slot {
    SSL_SESSION *session; // NULL: free
    uint8_t key[RESUME_KEY_BYTES];
};

// A place for each key, by its hash: who comes later takes it over.
struct resume_table {
    struct resume_slot *slots;
    uint32_t count;
    struct sha256 *sha256;
};

bool resume_init(struct resume_table *r, uint32_t count); // false without memory
void resume_release(struct resume_table *r);
void resume_key(struct resume_table *r, const struct tls_client_session *o,
                uint8_t ret[RESUME_KEY_BYTES]);
SSL_SESSION *resume_find(const struct resume_table *r, const uint8_t key[RESUME_KEY_BYTES]);
void resume_keep(struct resume_table *r, const uint8_t key[RESUME_KEY_BYTES], SSL_SESSION *taken);

// --- tickets.c: the keys that a server seals its tickets with.

struct ticket_key {
    uint8_t name[16];
    uint8_t cipher[32];
    uint8_t mac[32];
};

struct ticket_keys {
    struct ticket_key now, before;
};

void tickets_turn(struct ticket_keys *k);
// Makes the context use them. They stay where they are for its life.
void tickets_use(SSL_CTX *ssl_ctx);

// --- context.c

struct tls_context {
    SSL_CTX *ssl_ctx;
    BIO_METHOD *bio_method;
    uint32_t ref_count;
    bool is_server;
    struct resume_table resume;         // client
    struct ticket_keys tickets;         // server
    char scratch[TLS_RECORD_BYTES_MAX]; // a record's plain bytes are gathered here
};

// --- bytes.c: where OpenSSL reads and writes: what the owner has lent for the time of one call.

struct tls_bytes {
    struct slice *in;   // NULL: nothing is read
    struct buffer *out; // NULL: nothing is written
    bool out_refused;   // it had no room
};

BIO_METHOD *tls_bytes_method(void); // NULL without memory

// --- tls.c

struct tls {
    struct tls_context *context;
    SSL *ssl;
    struct tls_bytes bytes;
    bool ready;
    bool failed;
    bool closed;   // by us
    bool no_tlsa;  // none is usable
    bool resumes;  // key is set
    bool in_shake; // when it failed
    enum tls_trouble trouble;
    uint8_t key[RESUME_KEY_BYTES];
    char text[TLS_TEXT_BYTES_MAX];
};

#endif
