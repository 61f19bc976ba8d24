// engine/message/dkim.h: DKIM signatures (RFC 6376, 8301, 8463): relaxed/relaxed, by rsa-sha256 and
// ed25519-sha256.
//
// Owns:         private keys, what is hashed and in which order, the DKIM-Signature field. The one
//               file of this room that sees OpenSSL.
// Knows not of: files, and whose mail is signed with what (dkim_table.h).
// Read first:   dkim_sign().
// Threads:      a key is read-only, and any number of threads may sign with it. Each thread has a
//               signer of its own.
#ifndef POSTHASTE_MESSAGE_DKIM_H
#define POSTHASTE_MESSAGE_DKIM_H

#include "engine/message/dkim_fields.h"
#include "engine/smtp/address.h"

#define DKIM_KEY_FILE_BYTES_MAX (16 * 1024)
#define DKIM_RSA_BITS_MIN 1024 // RFC 8301 3.2: verifiers take nothing below
#define DKIM_RSA_BITS_ADVISED 2048
#define DKIM_RSA_BITS_MAX 4096 // nor need they take anything above
#define DKIM_KEYS_MAX 4        // that sign one message
#define DKIM_DOMAIN_BYTES_MAX ADDRESS_DOMAIN_BYTES_MAX
#define DKIM_SELECTOR_BYTES_MAX 63

struct dkim_key;

// A private key in PEM, without a password. NULL, with the reason in *ret_why.
struct dkim_key *dkim_key_read(struct slice pem, const char **ret_why);
void dkim_key_free(struct dkim_key *k); // NULL is fine
bool dkim_key_is_rsa(const struct dkim_key *k);
unsigned dkim_key_bits(const struct dkim_key *k);

// One thread's contexts. NULL without memory.
struct dkim_signer;
struct dkim_signer *dkim_signer_new(void);
void dkim_signer_free(struct dkim_signer *s); // NULL is fine

// The hash of a body that passes by, for dkim_request.body_hash.
#define DKIM_HASH_BYTES 32
struct dkim_body;
struct dkim_body *dkim_body_new(void);     // NULL without memory
void dkim_body_free(struct dkim_body *b);  // NULL is fine
void dkim_body_start(struct dkim_body *b); // forgets what was begun
void dkim_body_add(struct dkim_body *b, struct slice bytes);
void dkim_body_end(struct dkim_body *b, uint8_t hash[DKIM_HASH_BYTES]);

struct dkim_identity {
    struct slice domain;   // d=
    struct slice selector; // s=
    const struct dkim_key *key;
};

struct dkim_request {
    struct slice front;       // fields that come in front of it, and are signed with its own
    struct slice content;     // the stored form
    const uint8_t *body_hash; // of it; NULL: not known
    const struct dkim_names *names;
    const struct dkim_identity *identities; // one signature each
    uint32_t identity_count;
    uint64_t wall_s; // t=
};

// Writes the DKIM-Signature fields that belong in front of all that, and returns their length; 0
// when OpenSSL will not. `room`: dkim_room() of each identity.
size_t dkim_sign(struct dkim_signer *s, const struct dkim_request *r, char *out, size_t room);

// The most that the field of this identity takes.
size_t dkim_room(const struct dkim_names *names, const struct dkim_identity *i);

#endif
