// bench/load/normalise.h: files hold lines that end in LF, CRLF or even CR; SMTP knows CRLF alone
// (RFC 5321 2.3.8).
#ifndef POSTHASTE_BENCH_LOAD_NORMALISE_H
#define POSTHASTE_BENCH_LOAD_NORMALISE_H

#include "engine/base/slice.h"

// Room that normalise_lines() needs for `len` bytes.
static inline size_t normalised_bytes_max(size_t len)
{
    return 2 * len + 2;
}

// Writes `raw` to `out` with every line end as CRLF, also behind the last line. Returns the length;
// of nothing it makes nothing.
size_t normalise_lines(struct slice raw, char *out);

#endif
