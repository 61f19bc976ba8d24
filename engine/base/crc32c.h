// engine/base/crc32c.h: CRC-32C, the checksum of everything that is kept on disk (Castagnoli's
// polynomial, as in RFC 3720 B.4; the bits are reflected).
//
// By the processor's own instruction where it has one, else by tables. Both give the same.
#ifndef POSTHASTE_BASE_CRC32C_H
#define POSTHASTE_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

// Goes on from `crc`: 0 at first, and crc32c(crc32c(0, a), b) is that of a and b together.
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);
// By tables alone: for machines without the instruction, and for tests.
uint32_t crc32c_by_tables(uint32_t crc, const void *bytes, size_t len);

#endif
