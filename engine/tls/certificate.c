#include "engine/tls/certificate.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#define NAME_BYTES_MAX 253
#define DAY_S (24 * 60 * 60)
#define LIFE_DAYS 3650
#define X509_VERSION_THREE 2

// Letters, digits, dots and hyphens: nothing that OpenSSL's configuration syntax would act upon.
static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '-' || c == '_';
        if (!fits)
            return false;
    }
    return name.len > 0 && name.len <= NAME_BYTES_MAX;
}

static bool set_serial(X509 *x)
{
    uint64_t serial;
    return RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1 | 1);
}

// A common name has 64 characters at most; what counts is the DNS name.
static bool set_names(X509 *x, const char *name)
{
    char alternative[NAME_BYTES_MAX + 8];
    X509_NAME *subject = X509_get_subject_name(x);
    snprintf(alternative, sizeof(alternative), "DNS:%s", name);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alternative);
    bool is_ok = e && X509_add_ext(x, e, -1) &&
                 X509_NAME_add_entry_by_txt(
                     subject, "CN", MBSTRING_ASC, (const unsigned char *)name,
                     (int)(slice_take(slice_of_text(name), 64).len), -1, 0) &&
                 X509_set_issuer_name(x, subject);
    X509_EXTENSION_free(e);
    return is_ok;
}

static bool fill_in(X509 *x, EVP_PKEY *key, const char *name)
{
    return X509_set_version(x, X509_VERSION_THREE) && set_serial(x) &&
           X509_gmtime_adj(X509_getm_notBefore(x), -DAY_S) &&
           X509_time_adj_ex(X509_getm_notAfter(x), LIFE_DAYS, 0, NULL) && set_names(x, name) &&
           X509_set_pubkey(x, key) && X509_sign(x, key, EVP_sha256()) > 0;
}

static bool copy_out(BIO *bio, struct buffer *ret)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    return len > 0 && buffer_append(ret, slice_make(data, (size_t)len));
}

bool certificate_make(struct slice name, struct buffer *ret_chain_pem, struct buffer *ret_key_pem)
{
    char text[NAME_BYTES_MAX + 1] = "";
    if (!is_name(name))
        return false;
    memcpy(text, name.data, name.len);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    BIO *chain = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_secmem());
    bool is_ok = key && x && chain && secret && fill_in(x, key, text) &&
                 PEM_write_bio_X509(chain, x) &&
                 PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) &&
                 copy_out(chain, ret_chain_pem) && copy_out(secret, ret_key_pem);
    BIO_free(chain);
    BIO_free(secret);
    X509_free(x);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return is_ok;
}
