// CRC-32C against the examples of RFC 3720 B.4, and both ways against each other.
#include "engine/base/check.h"
#include "engine/base/crc32c.h"
#include "engine/base/random.h"
#include "tests/suite.h"

#include <string.h>

struct example {
    const char *name;
    uint8_t first, step; // 32 bytes: first, first + step, ...
    uint32_t want;
};

static const struct example examples[] = {
    {"32 bytes of zeros", 0, 0, 0x8a9136aa},
    {"32 bytes of ones", 0xff, 0, 0x62a8ab43},
    {"32 increasing bytes", 0, 1, 0x46dd794e},
    {"32 decreasing bytes", 31, 0xff, 0x113fdb5c},
};

static void test_examples(void)
{
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        const struct example *e = &examples[i];
        uint8_t bytes[32];
        for (size_t at = 0; at < sizeof(bytes); at++)
            bytes[at] = (uint8_t)(e->first + at * e->step);
        CU_ASSERT_EQUAL(crc32c(0, bytes, sizeof(bytes)), e->want);
        CU_ASSERT_EQUAL(crc32c_by_tables(0, bytes, sizeof(bytes)), e->want);
    }
    CU_ASSERT_EQUAL(crc32c(0, "123456789", 9), 0xe3069283);
    CU_ASSERT_EQUAL(crc32c(0, "", 0), 0);
}

static void test_any_cut(void)
{
    uint8_t bytes[257];
    struct random r;
    random_init(&r, 1);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)random_u64(&r);
    for (size_t start = 0; start < 9; start++)
        for (size_t len = 0; start + len <= sizeof(bytes); len++) {
            uint32_t want = crc32c_by_tables(0, bytes + start, len);
            size_t cut = len / 3;
            uint32_t got = crc32c(crc32c(0, bytes + start, cut), bytes + start + cut, len - cut);
            CU_ASSERT_EQUAL(got, want);
        }
}

static const struct suite_test tests[] = {
    {"examples of RFC 3720", test_examples},
    {"cut anywhere, both ways", test_any_cut},
};

int main(int argc, char **argv)
{
    return suite_main("crc32c", tests, COUNT_OF(tests), argc, argv);
}
