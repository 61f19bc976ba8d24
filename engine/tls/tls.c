#include "engine/tls/parts.h"

#include "engine/base/check.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

// What is verified must hold against who can afford 80 bits, the rest be better than nothing
// (OpenSSL's security levels).
#define LEVEL_VERIFIED 2
#define LEVEL_ANY 1
_Static_assert(TLS_RECORD_OVERHEAD_BYTES >= SSL3_RT_HEADER_LENGTH + SSL3_RT_MAX_ENCRYPTED_OVERHEAD,
               "as it says");

// --- birth and death

static struct tls *tls_new(struct tls_context *c)
{
    struct tls *t = calloc(1, sizeof(*t));
    BIO *bio = BIO_new(c->bio_method);
    if (t)
        t->ssl = SSL_new(c->ssl_ctx);
    if (!t || !t->ssl || !bio) {
        BIO_free(bio);
        if (t)
            SSL_free(t->ssl);
        free(t);
        return NULL;
    }
    BIO_set_data(bio, &t->bytes);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_app_data(t->ssl, t);
    t->context = c;
    c->ref_count++;
    return t;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    // Whether both sides have said good-bye is the owner's to know. OpenSSL would forget the
    // session else.
    if (t->ready && !t->failed)
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(t->ssl);
    tls_context_unref(t->context);
    free(t);
}

struct tls *tls_new_server(struct tls_context *c)
{
    CHECK(c->is_server);
    struct tls *t = tls_new(c);
    if (t)
        SSL_set_accept_state(t->ssl);
    return t;
}

// OpenSSL wants names that end in NUL.
static bool name_text(struct slice name, char ret[TLS_NAME_BYTES_MAX + 1])
{
    if (name.len == 0 || name.len > TLS_NAME_BYTES_MAX || slice_find(name, '\0') < name.len)
        return false;
    memcpy(ret, name.data, name.len);
    ret[name.len] = '\0';
    return true;
}

static bool expect_names(SSL *ssl, const struct tls_client_session *o)
{
    char name[TLS_NAME_BYTES_MAX + 1];
    unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    if (o->check != TLS_CHECK_DANE) // a name is among the alternative ones (RFC 8461 4.2)
        flags |= X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
    SSL_set_hostflags(ssl, flags);
    for (uint32_t i = 0; i < o->name_count; i++)
        if (!name_text(o->names[i], name) || !SSL_add1_host(ssl, name))
            return false;
    return true;
}

static bool expect_tlsa(struct tls *t, const struct tls_client_session *o)
{
    char name[TLS_NAME_BYTES_MAX + 1];
    uint32_t usable_count = 0;
    if (!name_text(o->name_count > 0 ? o->names[0] : o->server_name, name) ||
        SSL_dane_enable(t->ssl, name) <= 0)
        return false;
    SSL_dane_set_flags(t->ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS); // RFC 7672 3.1.1
    for (uint32_t i = 0; i < o->tlsa_count && i < TLS_TLSA_MAX; i++) {
        const struct tls_tlsa *r = &o->tlsa[i];
        if (tls_tlsa_usable(r) &&
            SSL_dane_tlsa_add(t->ssl, r->usage, r->selector, r->matching,
                              (const unsigned char *)r->data.data, r->data.len) > 0)
            usable_count++;
    }
    t->no_tlsa = usable_count == 0;
    ERR_clear_error();
    return true;
}

static bool expect_peer(struct tls *t, const struct tls_client_session *o)
{
    char name[TLS_NAME_BYTES_MAX + 1];
    SSL *ssl = t->ssl;
    if (o->wall_s > 0)
        X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl), (time_t)o->wall_s);
    SSL_set_verify(ssl, o->check == TLS_CHECK_NONE ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    SSL_set_security_level(ssl, o->check == TLS_CHECK_NONE ? LEVEL_ANY : LEVEL_VERIFIED);
    if (o->check == TLS_CHECK_DANE && !expect_tlsa(t, o))
        return false;
    if (o->server_name.len > 0 &&
        (!name_text(o->server_name, name) || !SSL_set_tlsext_host_name(ssl, name)))
        return false;
    return expect_names(ssl, o);
}

struct tls *tls_new_client(struct tls_context *c, const struct tls_client_session *o)
{
    CHECK(!c->is_server && o->name_count <= TLS_NAMES_MAX);
    if (o->check != TLS_CHECK_NONE && o->name_count == 0)
        return NULL; // nothing to hold a certificate against
    struct tls *t = tls_new(c);
    if (!t)
        return NULL;
    SSL_set_connect_state(t->ssl);
    if (!expect_peer(t, o)) {
        ERR_clear_error();
        tls_free(t);
        return NULL;
    }
    t->resumes = o->peer.len > 0 && c->resume.count > 0;
    if (!t->resumes)
        return t;
    resume_key(&c->resume, o, t->key);
    SSL_SESSION *session = resume_find(&c->resume, t->key);
    if (session && !SSL_set_session(t->ssl, session))
        ERR_clear_error(); // a full handshake, then
    return t;
}

// --- failing

static enum tls_trouble trouble_of(const struct tls *t, unsigned long error)
{
    int reason = ERR_GET_REASON(error);
    if (t->bytes.out_refused || ERR_GET_LIB(error) != ERR_LIB_SSL)
        return error && !t->bytes.out_refused ? TLS_TROUBLE_PROTOCOL : TLS_TROUBLE_OURS;
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return TLS_TROUBLE_VERDICT;
    if (reason == ERR_R_MALLOC_FAILURE)
        return TLS_TROUBLE_OURS;
    return reason >= SSL_AD_REASON_OFFSET ? TLS_TROUBLE_ALERT : TLS_TROUBLE_PROTOCOL;
}

static const char *text_of(const struct tls *t, unsigned long error)
{
    if (t->no_tlsa)
        return "no usable TLSA record";
    if (t->bytes.out_refused)
        return "the peer makes us say too much";
    if (t->trouble == TLS_TROUBLE_VERDICT)
        return X509_verify_cert_error_string(SSL_get_verify_result(t->ssl));
    const char *text = ERR_reason_error_string(error);
    return text ? text : "out of memory";
}

static enum tls_status fail(struct tls *t)
{
    // The first error is the cause; what follows it in the queue went wrong because of it.
    unsigned long error = ERR_peek_error();
    t->failed = true;
    t->in_shake = !t->ready;
    t->trouble = t->no_tlsa ? TLS_TROUBLE_VERDICT : trouble_of(t, error);
    snprintf(t->text, sizeof(t->text), "%s", text_of(t, error));
    ERR_clear_error();
    return TLS_FAILED;
}

// --- the handshake

static enum tls_status shake(struct tls *t)
{
    int done = SSL_do_handshake(t->ssl);
    if (done == 1) {
        t->ready = true;
        return TLS_READY;
    }
    return SSL_get_error(t->ssl, done) == SSL_ERROR_WANT_READ ? TLS_MORE : fail(t);
}

// The owner's bytes are ours for one call.
static void lend(struct tls *t, struct slice *in, struct buffer *out)
{
    t->bytes.in = in;
    t->bytes.out = out;
    ERR_clear_error(); // others of this thread may have left some
}

static void give_back(struct tls *t)
{
    t->bytes.in = NULL;
    t->bytes.out = NULL;
}

enum tls_status tls_start(struct tls *t, struct buffer *send)
{
    CHECK(!t->context->is_server && !t->ready);
    if (t->no_tlsa)
        return fail(t);
    lend(t, NULL, send);
    enum tls_status status = shake(t);
    give_back(t);
    return status;
}

// --- plain bytes out

static enum tls_status read_some(struct tls *t, struct buffer *plain, bool *ret_any)
{
    size_t count = 0, room = plain->bytes_max - plain->len;
    if (room > TLS_RECORD_BYTES_MAX)
        room = TLS_RECORD_BYTES_MAX;
    *ret_any = false;
    if (room == 0) // of a buffer without room nothing is asked
        return TLS_FULL;
    char *to = buffer_reserve(plain, room);
    if (!to) {
        t->bytes.out_refused = true; // as good as that: no memory
        return fail(t);
    }
    int done = SSL_read_ex(t->ssl, to, room, &count);
    if (done == 1) {
        buffer_advance(plain, count);
        *ret_any = true;
        return TLS_MORE;
    }
    switch (SSL_get_error(t->ssl, done)) {
    case SSL_ERROR_WANT_READ: return TLS_MORE;
    case SSL_ERROR_ZERO_RETURN: return TLS_CLOSED;
    default: return fail(t);
    }
}

// Can anything come out? Not of a record that is not whole: asked in vain, OpenSSL takes a buffer
// for it and gives it back.
static bool has_more(const struct tls *t)
{
    return t->bytes.in->len > 0 || SSL_pending(t->ssl) > 0;
}

enum tls_status tls_feed(struct tls *t, struct slice *sealed, struct buffer *plain,
                         struct buffer *send)
{
    if (t->failed) {
        *sealed = slice_skip(*sealed, sealed->len);
        return TLS_FAILED;
    }
    lend(t, sealed, send);
    enum tls_status status = TLS_MORE;
    if (!t->ready) {
        status = shake(t);
    } else {
        bool any = true;
        while (any && has_more(t))
            status = read_some(t, plain, &any);
    }
    give_back(t);
    if (status == TLS_CLOSED || status == TLS_FAILED) // what comes behind it is nobody's
        *sealed = slice_skip(*sealed, sealed->len);
    return status;
}

// --- plain bytes in

struct gather {
    const struct iovec *pieces;
    unsigned count;
    size_t used; // of the first of them
};

static void gather_skip(struct gather *g, size_t bytes)
{
    g->used += bytes;
    while (g->count > 0 && g->used >= g->pieces->iov_len) {
        g->used -= g->pieces->iov_len;
        g->pieces++;
        g->count--;
    }
}

// The next record's plain bytes: where they stand if they stand together, else copied.
static struct slice gather_record(struct gather g, char scratch[TLS_RECORD_BYTES_MAX])
{
    size_t len = 0;
    struct slice first = slice_make((char *)g.pieces->iov_base + g.used,
                                    g.pieces->iov_len - g.used);
    if (first.len >= TLS_RECORD_BYTES_MAX || g.count == 1)
        return slice_take(first, TLS_RECORD_BYTES_MAX);
    while (g.count > 0 && len < TLS_RECORD_BYTES_MAX) {
        size_t here = g.pieces->iov_len - g.used, room = TLS_RECORD_BYTES_MAX - len;
        size_t bytes = here < room ? here : room;
        memcpy(scratch + len, (char *)g.pieces->iov_base + g.used, bytes);
        len += bytes;
        gather_skip(&g, bytes);
    }
    return slice_make(scratch, len);
}

static bool send_has_room(struct buffer *send, size_t plain_bytes)
{
    size_t needed = plain_bytes + TLS_RECORD_OVERHEAD_BYTES;
    return send->bytes_max - send->len >= needed + TLS_SEND_SPARE_BYTES &&
           buffer_reserve(send, needed);
}

size_t tls_seal(struct tls *t, const struct iovec *pieces, unsigned count, struct buffer *send)
{
    struct gather g = {.pieces = pieces, .count = count};
    size_t sealed = 0, written;
    CHECK(t->ready);
    gather_skip(&g, 0); // empty pieces in front
    lend(t, NULL, send);
    while (g.count > 0 && !t->failed && !t->closed) {
        struct slice record = gather_record(g, t->context->scratch);
        if (!send_has_room(send, record.len))
            break;
        if (!SSL_write_ex(t->ssl, record.data, record.len, &written)) {
            fail(t);
            break;
        }
        CHECK(written == record.len);
        sealed += written;
        gather_skip(&g, written);
    }
    give_back(t);
    return sealed;
}

void tls_close(struct tls *t, struct buffer *send)
{
    if (!t->ready || t->failed || t->closed)
        return;
    t->closed = true;
    lend(t, NULL, send);
    SSL_shutdown(t->ssl); // 0 or -1: the peer's is not awaited
    ERR_clear_error();
    give_back(t);
}

// --- what came of it

static enum tls_verdict verdict_of(long result)
{
    switch (result) {
    case X509_V_OK: return TLS_PEER_VERIFIED;
    case X509_V_ERR_HOSTNAME_MISMATCH: return TLS_PEER_WRONG_NAME;
    case X509_V_ERR_DANE_NO_MATCH: return TLS_PEER_NO_TLSA;
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
    case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD: return TLS_PEER_EXPIRED;
    default: return TLS_PEER_UNTRUSTED;
    }
}

static void look_at_peer(const struct tls *t, struct tls_info *info)
{
    long result = SSL_get_verify_result(t->ssl);
    bool was_seen = t->ready || t->trouble == TLS_TROUBLE_VERDICT;
    if (t->no_tlsa) {
        info->verdict = TLS_PEER_NO_TLSA;
        info->verdict_text = "no usable TLSA record";
        return;
    }
    if (t->context->is_server || !was_seen || (t->ready && !SSL_get0_peer_certificate(t->ssl)))
        return;
    info->verdict = verdict_of(result);
    info->verdict_text = X509_verify_cert_error_string(result);
}

struct tls_info tls_info(const struct tls *t)
{
    struct tls_info info = {
        .ready = t->ready, .version = "", .cipher = "", .verdict_text = "", .server_name = {"", 0}};
    const char *name = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
    if (t->context->is_server && name)
        info.server_name = slice_of_text(name);
    look_at_peer(t, &info);
    if (!t->ready)
        return info;
    info.resumed = SSL_session_reused(t->ssl);
    info.version = SSL_get_version(t->ssl);
    info.numbers.version = (uint16_t)SSL_version(t->ssl);
    info.numbers.cipher = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(t->ssl));
    info.cipher = SSL_get_cipher_name(t->ssl);
    return info;
}

struct tls_failure tls_failure(const struct tls *t)
{
    return (struct tls_failure){t->trouble, t->in_shake, t->text};
}
