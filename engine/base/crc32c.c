#include "engine/base/crc32c.h"

#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#define HARDWARE __attribute__((target("sse4.2")))
#define STEP_BYTE(crc, byte) _mm_crc32_u8(crc, byte)
#define STEP_WORD(crc, word) (uint32_t) _mm_crc32_u64(crc, word)
#define HAVE_HARDWARE() __builtin_cpu_supports("sse4.2")
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define HARDWARE
#define STEP_BYTE(crc, byte) __crc32cb(crc, byte)
#define STEP_WORD(crc, word) __crc32cd(crc, word)
#define HAVE_HARDWARE() true
#endif

// Half a byte a step: small enough to be read, and the machines that we know never come here.
uint32_t crc32c_by_tables(uint32_t crc, const void *bytes, size_t len)
{
    static const uint32_t step[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    const uint8_t *at = bytes;
    crc = ~crc;
    while (len-- > 0) {
        crc ^= *at++;
        crc = crc >> 4 ^ step[crc & 15];
        crc = crc >> 4 ^ step[crc & 15];
    }
    return ~crc;
}

#ifdef HAVE_HARDWARE
HARDWARE static uint32_t by_hardware(uint32_t crc, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    crc = ~crc;
    for (; len >= sizeof(uint64_t); at += sizeof(uint64_t), len -= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        crc = STEP_WORD(crc, word);
    }
    while (len-- > 0)
        crc = STEP_BYTE(crc, *at++);
    return ~crc;
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t len)
{
    return HAVE_HARDWARE() ? by_hardware(crc, bytes, len) : crc32c_by_tables(crc, bytes, len);
}
#else
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len)
{
    return crc32c_by_tables(crc, bytes, len);
}
#endif
