#include "bench/pem.h"

#include "engine/tls/tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define READ_BYTES 4096

static bool say_error(const char *program, const char *path, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", program, path, why);
    return false;
}

// 0 or an errno.
static int read_all(FILE *file, struct buffer *text)
{
    for (;;) {
        char *to = buffer_reserve(text, READ_BYTES);
        if (!to)
            return EFBIG;
        size_t count = fread(to, 1, READ_BYTES, file);
        buffer_advance(text, count);
        if (count < READ_BYTES)
            return ferror(file) ? errno : 0;
    }
}

bool pem_read(const struct value *v, struct buffer *ret_text)
{
    buffer_init(ret_text, TLS_PEM_BYTES_MAX);
    FILE *file = fopen(v->text, "re");
    if (!file)
        return say_error(v->program, v->text, strerror(errno));
    int error = read_all(file, ret_text);
    fclose(file);
    return !error || say_error(v->program, v->text, strerror(error));
}

bool pem_write(const char *program, const char *path, struct slice text)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return say_error(program, path, strerror(errno));
    bool written = fwrite(text.data, 1, text.len, file) == text.len;
    if (fclose(file) != 0 || !written)
        return say_error(program, path, strerror(errno));
    return true;
}
