// The reply parser: what it reads does not depend on how the bytes are cut, and its codes are those
// of the reference.
#include "engine/base/check.h"
#include "engine/smtp/reply.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/reply_reference.h"

// The first byte says how the rest is cut.
const struct slice fuzz_seeds[] = {
    {"\001220 mx.example.org ESMTP\r\n", 27},
    {"\002250-mx.example.org\r\n250-SIZE 10240000\r\n250 PIPELINING\r\n", 56},
    {"\003250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n", 66},
    {"\004550-5.7.1 first\r\n550-5.7.1 \r\n550 5.7.1 last\r\n421 4.3.2 bye\r\n", 60},
    {"\005250\r\n250 \r\n250-\r\n250\r\n", 23},
    {"\006250 2.100.200 x\r\n571 5.1.7 a\tb\033[31m\177\r\n", 38},
};
const size_t fuzz_seed_count = COUNT_OF(fuzz_seeds);
const struct slice fuzz_words[] = {REPLY_WORDS};
const size_t fuzz_word_count = COUNT_OF(fuzz_words);

struct reading {
    uint32_t count;
    bool broken;
    uint64_t hash; // of all that the replies said
};

static uint64_t mix(uint64_t hash, struct slice s)
{
    return slice_hash(s, hash * 31 + s.len);
}

static void check_reply(const struct reply *r)
{
    CHECK(r->code >= 200 && r->code <= 599);
    CHECK(r->text.len <= REPLY_TEXT_BYTES_MAX);
    for (size_t i = 0; i < r->text.len; i++)
        CHECK((unsigned char)r->text.data[i] >= 0x20 && r->text.data[i] != 0x7f);
    CHECK(r->enhanced.class == 0 || r->enhanced.class == r->code / 100);
    CHECK(r->enhanced.class != 3 && r->enhanced.subject <= 999 && r->enhanced.detail <= 999);
}

static struct reading read_cut(struct slice bytes, size_t cut, const struct reply_reference *want)
{
    struct reading reading = {0};
    struct reply_parser p;
    reply_parser_init(&p);
    for (size_t at = 0; at < bytes.len && !reading.broken;) {
        size_t used;
        struct slice chunk = slice_take(slice_skip(bytes, at), cut);
        enum reply_status status = reply_feed(&p, chunk, &used);
        CHECK(used <= chunk.len && (used > 0 || status == REPLY_BROKEN));
        at += used;
        reading.broken = status == REPLY_BROKEN;
        if (status == REPLY_MORE)
            CHECK(used == chunk.len);
        if (status == REPLY_LINE || status == REPLY_DONE)
            reading.hash = mix(reading.hash, p.line);
        if (status != REPLY_DONE)
            continue;
        check_reply(&p.reply);
        CHECK(reading.count >= want->count || p.reply.code == want->codes[reading.count]);
        reading.hash = mix(reading.hash, p.reply.text);
        reading.hash = mix(reading.hash, slice_make(&p.reply.code, sizeof(p.reply.code)));
        reading.hash += p.reply.enhanced.class * 1000000u + p.reply.enhanced.subject * 1000u +
                        p.reply.enhanced.detail;
        reading.count++;
    }
    return reading;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reply_reference want;
    if (size == 0)
        return 0;
    struct slice bytes = slice_make(data + 1, size - 1);
    reply_reference_read(bytes, &want);
    struct reading whole = read_cut(bytes, SIZE_MAX, &want);
    struct reading cut = read_cut(bytes, 1 + data[0] % 32u, &want);
    CHECK(whole.broken == cut.broken && whole.count == cut.count && whole.hash == cut.hash);
    if (want.count == REFERENCE_REPLIES_MAX)
        return 0;
    // The parser may see a fault before its line has ended.
    CHECK(whole.count == want.count && (whole.broken || !want.broken));
    return 0;
}
