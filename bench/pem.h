// bench/pem.h: certificates and keys in files that options name.
#ifndef POSTHASTE_BENCH_PEM_H
#define POSTHASTE_BENCH_PEM_H

#include "bench/values.h"
#include "engine/base/buffer.h"

// Reads the whole file, of TLS_PEM_BYTES_MAX at most, into *ret_text, which pem_read() initialises.
// False when that cannot be: it says why on standard error.
bool pem_read(const struct value *v, struct buffer *ret_text);
// Writes what others may trust. False when that cannot be: it says why on standard error.
bool pem_write(const char *program, const char *path, struct slice text);

#endif
