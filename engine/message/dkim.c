#include "engine/message/dkim.h"

#include "engine/base/check.h"
#include "engine/message/canonical.h"
#include "engine/message/fields.h"

#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>

#define HASH_BYTES DKIM_HASH_BYTES
#define SIGNATURE_BYTES_MAX (DKIM_RSA_BITS_MAX / 8)
#define BASE64_BYTES(bytes) (((bytes) + 2) / 3 * 4)
#define CANONICAL_BYTES 2048 // come out at a time
#define LINE_BYTES_MAX 78    // where lines are folded, as far as words allow
#define FOLD_BYTES 3         // CRLF and a tab
#define FIXED_BYTES_MAX 256  // of a field: all but domain, selector, names and signature
#define HASH_BASE64_BYTES BASE64_BYTES(HASH_BYTES)

struct dkim_key {
    EVP_PKEY *key;
    bool is_rsa;
    unsigned bits;
};

// Contexts are made once; the one for RSA stays with the key that was used last.
struct dkim_signer {
    EVP_MD *sha256;
    EVP_MD_CTX *fields, *hash, *ed25519;
    struct dkim_body *body;
    EVP_PKEY_CTX *rsa;
    const struct dkim_key *rsa_key;
};

// --- keys

// Nobody is there to be asked.
static int no_password(char *to, int room, int writing, void *user)
{
    (void)to, (void)room, (void)writing, (void)user;
    return -1;
}

static const char *fault_of(const struct dkim_key *k)
{
    if (!k->is_rsa)
        return EVP_PKEY_is_a(k->key, "ED25519") ? NULL : "neither an RSA nor an Ed25519 key";
    if (k->bits < DKIM_RSA_BITS_MIN)
        return "an RSA key of less than 1024 bits, which no receiver takes (RFC 8301)";
    if (k->bits > DKIM_RSA_BITS_MAX)
        return "an RSA key of more than 4096 bits, which receivers need not take (RFC 8301)";
    return NULL;
}

struct dkim_key *dkim_key_read(struct slice pem, const char **ret_why)
{
    CHECK(pem.len <= DKIM_KEY_FILE_BYTES_MAX);
    struct dkim_key *k = calloc(1, sizeof(*k));
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    *ret_why = "no memory";
    if (k && bio) {
        k->key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
        k->is_rsa = k->key && EVP_PKEY_is_a(k->key, "RSA");
        k->bits = k->key ? (unsigned)EVP_PKEY_get_bits(k->key) : 0;
        *ret_why = k->key ? fault_of(k) : "no private key in PEM without a password";
    }
    BIO_free(bio);
    ERR_clear_error();
    if (!*ret_why)
        return k;
    dkim_key_free(k);
    return NULL;
}

void dkim_key_free(struct dkim_key *k)
{
    if (k)
        EVP_PKEY_free(k->key);
    free(k);
}

bool dkim_key_is_rsa(const struct dkim_key *k)
{
    return k->is_rsa;
}

unsigned dkim_key_bits(const struct dkim_key *k)
{
    return k->bits;
}

// --- bodies

struct dkim_body {
    EVP_MD *sha256;
    EVP_MD_CTX *hash;
    struct canonical_body canonical;
};

struct dkim_body *dkim_body_new(void)
{
    struct dkim_body *b = calloc(1, sizeof(*b));
    if (!b)
        return NULL;
    b->sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    b->hash = EVP_MD_CTX_new();
    if (!b->sha256 || !b->hash || !EVP_DigestInit_ex2(b->hash, b->sha256, NULL)) {
        dkim_body_free(b);
        return NULL;
    }
    return b;
}

void dkim_body_free(struct dkim_body *b)
{
    if (!b)
        return;
    EVP_MD_CTX_free(b->hash);
    EVP_MD_free(b->sha256);
    free(b);
}

// With the algorithm of before, OpenSSL only resets the state: nothing here can fail.
void dkim_body_start(struct dkim_body *b)
{
    CHECK(EVP_DigestInit_ex2(b->hash, NULL, NULL));
    b->canonical = (struct canonical_body){0};
}

void dkim_body_add(struct dkim_body *b, struct slice bytes)
{
    char out[CANONICAL_BYTES];
    while (bytes.len > 0) {
        size_t len = canonical_body(&b->canonical, &bytes, out, sizeof(out));
        CHECK(EVP_DigestUpdate(b->hash, out, len));
    }
}

void dkim_body_end(struct dkim_body *b, uint8_t hash[DKIM_HASH_BYTES])
{
    char out[2];
    CHECK(EVP_DigestUpdate(b->hash, out, canonical_body_end(&b->canonical, out)));
    CHECK(EVP_DigestFinal_ex(b->hash, hash, NULL));
}

// --- signers

struct dkim_signer *dkim_signer_new(void)
{
    struct dkim_signer *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    s->fields = EVP_MD_CTX_new();
    s->hash = EVP_MD_CTX_new();
    s->ed25519 = EVP_MD_CTX_new();
    s->body = dkim_body_new();
    if (!s->body || !s->sha256 || !s->fields || !s->hash || !s->ed25519) {
        dkim_signer_free(s);
        return NULL;
    }
    return s;
}

void dkim_signer_free(struct dkim_signer *s)
{
    if (!s)
        return;
    dkim_body_free(s->body);
    EVP_PKEY_CTX_free(s->rsa);
    EVP_MD_CTX_free(s->ed25519);
    EVP_MD_CTX_free(s->hash);
    EVP_MD_CTX_free(s->fields);
    EVP_MD_free(s->sha256);
    free(s);
}

static bool rsa_with(struct dkim_signer *s, const struct dkim_key *k)
{
    if (s->rsa && s->rsa_key == k)
        return true;
    EVP_PKEY_CTX_free(s->rsa);
    s->rsa_key = k;
    s->rsa = EVP_PKEY_CTX_new_from_pkey(NULL, k->key, NULL);
    if (s->rsa && EVP_PKEY_sign_init(s->rsa) > 0 &&
        EVP_PKEY_CTX_set_rsa_padding(s->rsa, RSA_PKCS1_PADDING) > 0 &&
        EVP_PKEY_CTX_set_signature_md(s->rsa, s->sha256) > 0)
        return true;
    EVP_PKEY_CTX_free(s->rsa);
    s->rsa = NULL;
    return false;
}

// Of the hash, with either algorithm (RFC 8463 3). Returns the length, or 0.
static size_t sign_hash(struct dkim_signer *s, const struct dkim_key *k,
                        const unsigned char hash[HASH_BYTES],
                        unsigned char out[SIGNATURE_BYTES_MAX])
{
    size_t len = SIGNATURE_BYTES_MAX;
    if (k->is_rsa)
        return rsa_with(s, k) && EVP_PKEY_sign(s->rsa, out, &len, hash, HASH_BYTES) > 0 ? len : 0;
    return EVP_DigestSignInit_ex(s->ed25519, NULL, NULL, NULL, NULL, k->key, NULL) > 0 &&
                   EVP_DigestSign(s->ed25519, out, &len, hash, HASH_BYTES) > 0
               ? len
               : 0;
}

// --- what is hashed

static bool hash_field(EVP_MD_CTX *hash, struct slice name, struct slice value)
{
    struct canonical_value c = {0};
    char out[CANONICAL_BYTES];
    bool good = EVP_DigestUpdate(hash, name.data, name.len) && EVP_DigestUpdate(hash, ":", 1);
    while (value.len > 0)
        good &= EVP_DigestUpdate(hash, out, canonical_value(&c, &value, out, sizeof(out)));
    return good;
}

// The signed fields, the last one of each name first: in the order of h=.
static bool hash_fields(struct dkim_signer *s, const struct dkim_names *names,
                        const struct dkim_fields *fields)
{
    bool good = EVP_DigestInit_ex2(s->fields, s->sha256, NULL);
    for (uint32_t i = 0; i < names->count; i++) {
        struct slice name = slice_make(names->items[i].text, names->items[i].len);
        for (uint8_t nth = 0; nth < fields->counts[i]; nth++)
            good &= hash_field(s->fields, name, fields->bodies[i][nth]) &&
                    EVP_DigestUpdate(s->fields, "\r\n", 2);
    }
    return good;
}

// The fields, and the signature's own without what is still missing in it (RFC 6376 3.7).
static bool hash_signature(struct dkim_signer *s, struct slice value,
                           unsigned char hash[HASH_BYTES])
{
    return EVP_MD_CTX_copy_ex(s->hash, s->fields) &&
           hash_field(s->hash, SLICE("dkim-signature"), value) &&
           EVP_DigestFinal_ex(s->hash, hash, NULL);
}

// --- the field

struct writer {
    char *out;
    size_t len;
    size_t room;
    size_t line_start;
};

static void put(struct writer *w, struct slice s)
{
    CHECK(s.len <= w->room - w->len);
    memcpy(w->out + w->len, s.data, s.len);
    w->len += s.len;
}

static void fold(struct writer *w)
{
    put(w, SLICE("\r\n"));
    w->line_start = w->len;
    put(w, SLICE("\t"));
}

static void fold_for(struct writer *w, size_t bytes)
{
    if (w->len - w->line_start + bytes > LINE_BYTES_MAX)
        fold(w);
}

// "name=value;" behind a space or a fold.
static void put_tag(struct writer *w, struct slice name, struct slice value)
{
    size_t bytes = name.len + value.len + 1;
    if (w->len - w->line_start + 1 + bytes > LINE_BYTES_MAX)
        fold(w);
    else
        put(w, SLICE(" "));
    put(w, name);
    put(w, value);
    put(w, SLICE(";"));
}

static void put_names(struct writer *w, const struct dkim_names *names,
                      const struct dkim_fields *fields)
{
    bool first = true;
    fold(w);
    put(w, SLICE("h="));
    for (uint32_t i = 0; i < names->count; i++) {
        const struct dkim_name *n = &names->items[i];
        const unsigned count = fields->counts[i] + (n->over && !fields->more[i]);
        for (unsigned nth = 0; nth < count; nth++) {
            if (!first)
                put(w, SLICE(":"));
            fold_for(w, n->len + 1u);
            put(w, slice_make(n->text, n->len));
            first = false;
        }
    }
    put(w, SLICE(";"));
}

static struct slice base64(const unsigned char *bytes, size_t len, unsigned char *out)
{
    int written = EVP_EncodeBlock(out, bytes, (int)len);
    return slice_make(out, (size_t)written);
}

static void put_folded(struct writer *w, struct slice text)
{
    while (text.len > 0) {
        size_t line_bytes = w->len - w->line_start;
        struct slice part = slice_take(text, LINE_BYTES_MAX - line_bytes);
        put(w, part);
        text = slice_skip(text, part.len);
        if (text.len > 0)
            fold(w);
    }
}

// Up to "b=".
static void put_tags(struct writer *w, const struct dkim_request *r, const struct dkim_identity *i,
                     const struct dkim_fields *fields, struct slice body_hash)
{
    char wall_s[24];
    int len = snprintf(wall_s, sizeof(wall_s), "%" PRIu64, r->wall_s);
    put(w, SLICE("DKIM-Signature:"));
    put_tag(w, SLICE("v="), SLICE("1"));
    put_tag(w, SLICE("a="), i->key->is_rsa ? SLICE("rsa-sha256") : SLICE("ed25519-sha256"));
    put_tag(w, SLICE("c="), SLICE("relaxed/relaxed"));
    put_tag(w, SLICE("d="), i->domain);
    put_tag(w, SLICE("s="), i->selector);
    put_tag(w, SLICE("t="), slice_make(wall_s, (size_t)len));
    put_names(w, r->names, fields);
    fold(w);
    put(w, SLICE("bh="));
    put(w, body_hash);
    put(w, SLICE(";"));
    fold(w);
    put(w, SLICE("b="));
}

static bool put_signature(struct dkim_signer *s, struct writer *w, const struct dkim_request *r,
                          const struct dkim_identity *i, const struct dkim_fields *fields,
                          struct slice body_hash)
{
    unsigned char hash[HASH_BYTES], signature[SIGNATURE_BYTES_MAX];
    unsigned char text[BASE64_BYTES(SIGNATURE_BYTES_MAX) + 1];
    const struct slice name = SLICE("DKIM-Signature:");
    size_t start = w->len;
    w->line_start = start;
    put_tags(w, r, i, fields, body_hash);
    struct slice value = slice_make(w->out + start + name.len, w->len - start - name.len);
    size_t len = hash_signature(s, value, hash) ? sign_hash(s, i->key, hash, signature) : 0;
    if (len == 0)
        return false;
    put_folded(w, base64(signature, len, text));
    put(w, SLICE("\r\n"));
    return true;
}

size_t dkim_room(const struct dkim_names *names, const struct dkim_identity *i)
{
    size_t signature_bytes = BASE64_BYTES(i->key->is_rsa ? (i->key->bits + 7) / 8 : 64);
    size_t bytes = FIXED_BYTES_MAX + i->domain.len + i->selector.len + HASH_BASE64_BYTES +
                   signature_bytes +
                   (signature_bytes / (LINE_BYTES_MAX - FOLD_BYTES) + 1) * FOLD_BYTES;
    for (uint32_t n = 0; n < names->count; n++)
        bytes += (DKIM_INSTANCES_MAX + 1) * (names->items[n].len + 1u + FOLD_BYTES);
    return bytes;
}

// The body begins behind the empty line, or with the first line that is no field.
static void hash_body(struct dkim_signer *s, struct slice content, uint8_t hash[HASH_BYTES])
{
    struct header_field f;
    while (fields_next(&content, &f))
        continue;
    dkim_body_start(s->body);
    dkim_body_add(s->body, slice_skip(content, slice_starts(content, SLICE("\r\n")) ? 2 : 0));
    dkim_body_end(s->body, hash);
}

size_t dkim_sign(struct dkim_signer *s, const struct dkim_request *r, char *out, size_t room)
{
    struct dkim_fields fields;
    struct writer w = {.out = out, .room = room};
    uint8_t hash[HASH_BYTES];
    unsigned char text[HASH_BASE64_BYTES + 1];
    if (!r->body_hash)
        hash_body(s, r->content, hash);
    struct slice body_hash = base64(r->body_hash ? r->body_hash : hash, sizeof(hash), text);
    dkim_fields_find(r->names, r->front, r->content, &fields);
    bool good = hash_fields(s, r->names, &fields);
    for (uint32_t i = 0; good && i < r->identity_count; i++)
        good = put_signature(s, &w, r, &r->identities[i], &fields, body_hash);
    ERR_clear_error();
    return good ? w.len : 0;
}
