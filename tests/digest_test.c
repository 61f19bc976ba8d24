// SHA-256: NIST's vectors, each through every cut, by one reused context.
#include "engine/base/check.h"
#include "engine/tls/digest.h"
#include "tests/suite.h"

static const struct {
    const char *text;
    const char *want;
} rows[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void vectors_in_every_cut(void)
{
    struct sha256 *h = sha256_new();
    CU_ASSERT_PTR_NOT_NULL_FATAL(h);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct slice text = slice_of_text(rows[i].text);
        for (size_t cut = 0; cut <= text.len; cut++) {
            uint8_t digest[SHA256_BYTES];
            char hex[SHA256_HEX_BYTES];
            sha256_start(h);
            sha256_add(h, slice_take(text, cut));
            sha256_add(h, slice_skip(text, cut));
            sha256_end(h, digest);
            sha256_hex(digest, hex);
            CU_ASSERT_STRING_EQUAL(hex, rows[i].want);
        }
    }
    sha256_start(h); // a start forgets what was begun
    sha256_add(h, SLICE("begun"));
    uint8_t digest[SHA256_BYTES];
    sha256_start(h);
    sha256_end(h, digest);
    CU_ASSERT_EQUAL(digest[0], 0xe3);
    sha256_free(h);
    sha256_free(NULL);
}

static const struct suite_test tests[] = {{"vectors in every cut", vectors_in_every_cut}};
SUITE_MAIN("digest", tests)
