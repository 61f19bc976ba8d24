// MTA-STS policies: what comes out stays within its bounds, and reads back as the same when it is
// printed.
#include "dns/sts_policy.h"
#include "engine/base/check.h"
#include "tests/fuzz/fuzz.h"

#define SEED(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

const struct slice fuzz_seeds[] = {
    SEED("version: STSv1\nmode: enforce\nmx: mx.example.org\nmx: *.example.net\nmax_age: 604800\n"),
    SEED("version: STSv1\r\nmode: testing\r\nmx: a\r\nmax_age: 1\r\n"),
    SEED("version: STSv1\nmode: none\nmax_age: 86400"),
};
const size_t fuzz_seed_count = COUNT_OF(fuzz_seeds);
const struct slice fuzz_words[] = {SEED("version"), SEED("mode"),     SEED("mx: *.a"),
                                   SEED("max_age"), SEED(": "),       SEED("\r\n"),
                                   SEED("enforce"), SEED("99999999"), SEED("STSv1")};
const size_t fuzz_word_count = COUNT_OF(fuzz_words);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sts_policy p, again;
    const char *why;
    struct buffer text;
    if (!sts_policy_parse(slice_make(data, size), &p, &why)) {
        CHECK(why);
        return 0;
    }
    CHECK(p.mx_count <= STS_MX_COUNT_MAX && p.mx_bytes <= STS_MX_BYTES_MAX);
    CHECK(p.max_age_s <= STS_MAX_AGE_S_MAX && (p.mx_count > 0 || p.mode == STS_NONE));
    buffer_init(&text, STS_TEXT_BYTES_MAX);
    CHECK(sts_policy_print(&p, &text));
    CHECK(sts_policy_parse(buffer_slice(&text), &again, &why));
    CHECK(again.mode == p.mode && again.max_age_s == p.max_age_s && again.mx_bytes == p.mx_bytes);
    CHECK(memcmp(again.mx, p.mx, p.mx_bytes) == 0);
    buffer_release(&text);
    return 0;
}
