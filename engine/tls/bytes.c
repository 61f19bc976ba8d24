// OpenSSL's way to the bytes: it reads from the slice that was received, and appends to what is to
// be sent, without buffers in between.
#include "engine/tls/parts.h"

#include "engine/base/check.h"

#include <limits.h>
#include <openssl/bio.h>

// Not BIO_get_new_index(): there are only so many of these, and a context is made at each reload.
#define BYTES_TYPE (BIO_TYPE_SOURCE_SINK | 0x7f)

static int bytes_read(BIO *bio, char *to, int room)
{
    struct tls_bytes *b = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!b->in || b->in->len == 0 || room <= 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t count = b->in->len < (size_t)room ? b->in->len : (size_t)room;
    memcpy(to, b->in->data, count);
    *b->in = slice_skip(*b->in, count);
    return (int)count;
}

static int bytes_write(BIO *bio, const char *from, int count)
{
    struct tls_bytes *b = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (count <= 0)
        return 0;
    if (!b->out || !buffer_append(b->out, slice_make(from, (size_t)count))) {
        b->out_refused = true; // and no word of trying again: the session is over
        return -1;
    }
    return count;
}

static long bytes_control(BIO *bio, int what, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return what == BIO_CTRL_FLUSH;
}

static int bytes_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

BIO_METHOD *tls_bytes_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BYTES_TYPE, "bytes lent");
    if (!m)
        return NULL;
    if (BIO_meth_set_read(m, bytes_read) && BIO_meth_set_write(m, bytes_write) &&
        BIO_meth_set_ctrl(m, bytes_control) && BIO_meth_set_create(m, bytes_create))
        return m;
    BIO_meth_free(m);
    return NULL;
}
