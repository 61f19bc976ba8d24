// The hash of a body that passes by, through every cut of the content: the same as of the body that
// lies there as a whole.
#include "engine/base/check.h"
#include "engine/submit/body_hash.h"
#include "tests/suite.h"

static const char pem[] = // RFC 8463 A.2
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";

static const struct {
    const char *header;
    const char *body;
    bool wanted;
} rows[] = {
    {"From: a@signed.example\r\n\r\n", "Hi.\r\n\r\n.\r\nWhat  now?\r\n\r\n", true},
    {"Subject: x\r\nFROM:\r\n a@signed.example\r\nTo: y@z\r\n\r\n", "x", true},
    {"From: a@signed.example\r\n\r\n", "", true},
    {"From: a@signed.example\r\n\r\n", "\r\n\r\n", true},
    {"From: a@signed.example\r\n\r\n", "\r\n\r\nFrom: x\r\n", true},
    {"From: a@other.example\r\n\r\n", "Hi.\r\n", false},
    {"To: a@signed.example\r\n\r\n", "From: a@signed.example\r\n", false},
    {"From: a@signed.example\r\n", "", false},             // no empty line
    {"From: a@signed.example\r\nno field\r\n", "", false}, // nor here
    {"", "just text\r\n", false},
};

struct stage {
    struct block_pool pool;
    struct dkim_table *table;
    struct body_hash hash;
    struct body_cache known;
    struct message *message;
    struct header_scan header;
};

static void stage_init(struct stage *s)
{
    const char *why;
    *s = (struct stage){.table = dkim_table_new(1)};
    CU_ASSERT_TRUE_FATAL(body_cache_init(&s->known, 1));
    block_pool_init(&s->pool, 64 * 1024 * 1024);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->table);
    strcpy(s->table->domains[0].name, "signed.example");
    dkim_domain_add(&s->table->domains[0], "s", dkim_key_read(slice_of_text(pem), &why));
    dkim_table_sort(s->table);
}

static void begin(struct stage *s)
{
    s->header = (struct header_scan){0};
    s->message = message_new(&s->pool, SLICE("s@x"), SLICE_EMPTY, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->message);
    CU_ASSERT_TRUE(message_add_rcpt(&s->pool, &s->message, SLICE("r@y"), SLICE_EMPTY, SLICE("y")));
    CU_ASSERT_TRUE(message_seal_envelope(&s->pool, &s->message));
    body_hash_restart(&s->hash);
}

static void take(struct stage *s, struct slice bytes, const struct dkim_table *table)
{
    struct slice rest = header_scan(&s->header, bytes);
    CU_ASSERT_TRUE(message_add_content(&s->pool, &s->message, bytes));
    body_hash_add(&s->hash, table, s->message, &s->header, rest);
}

static void hash_whole(const char *body, uint8_t hash[DKIM_HASH_BYTES])
{
    struct dkim_body *b = dkim_body_new();
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    dkim_body_start(b);
    dkim_body_add(b, slice_of_text(body));
    dkim_body_end(b, hash);
    dkim_body_free(b);
}

static void every_cut(void)
{
    struct stage s;
    stage_init(&s);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char content[256];
        uint8_t want[DKIM_HASH_BYTES];
        size_t len = (size_t)snprintf(content, sizeof(content), "%s%s", rows[i].header,
                                      rows[i].body);
        struct slice all = slice_make(content, len);
        hash_whole(rows[i].body, want);
        for (size_t cut = 0; cut <= len; cut++)
            for (size_t next = cut; next <= len; next += 1 + len / 8) {
                begin(&s);
                take(&s, slice_take(all, cut), s.table);
                take(&s, slice_take(slice_skip(all, cut), next - cut), s.table);
                take(&s, slice_skip(all, next), s.table);
                header_scan_end(&s.header);
                body_hash_end(&s.hash, &s.known, s.message);
                CU_ASSERT_EQUAL(s.message->has_body_hash, rows[i].wanted);
                CU_ASSERT_TRUE(!rows[i].wanted ||
                               memcmp(s.message->body_hash, want, sizeof(want)) == 0);
                message_free(&s.pool, s.message);
            }
    }
    body_hash_release(&s.hash);
    body_cache_release(&s.known);
    dkim_table_free(s.table);
    block_pool_release(&s.pool);
}

// One that is dropped in its middle leaves nothing behind; without keys nobody asks.
static void what_was_begun_is_forgotten(void)
{
    struct stage s;
    uint8_t want[DKIM_HASH_BYTES];
    stage_init(&s);
    begin(&s);
    take(&s, SLICE("From: a@signed.example\r\n\r\nbegun"), s.table);
    message_free(&s.pool, s.message);
    begin(&s);
    take(&s, SLICE("From: a@signed.example\r\n\r\nHi.\r\n"), s.table);
    body_hash_end(&s.hash, &s.known, s.message);
    hash_whole("Hi.\r\n", want);
    CU_ASSERT_TRUE(s.message->has_body_hash);
    CU_ASSERT_EQUAL(memcmp(s.message->body_hash, want, sizeof(want)), 0);
    struct message *copy = message_copy(&s.pool, s.message);
    CU_ASSERT_TRUE(copy->has_body_hash);
    message_free(&s.pool, copy);
    message_free(&s.pool, s.message);
    begin(&s);
    take(&s, SLICE("From: a@signed.example\r\n\r\nHi.\r\n"), NULL);
    body_hash_end(&s.hash, &s.known, s.message);
    CU_ASSERT_FALSE(s.message->has_body_hash);
    message_free(&s.pool, s.message);
    body_hash_release(&s.hash);
    body_cache_release(&s.known);
    dkim_table_free(s.table);
    block_pool_release(&s.pool);
}

static void check_one(struct stage *s, const char *header, const char *body)
{
    uint8_t want[DKIM_HASH_BYTES];
    size_t key_len = strlen("X-Posthaste-Key: 1\r\n");
    begin(s);
    take(s, SLICE("X-Posthaste-Key: 1\r\n"), s->table);
    take(s, slice_of_text(header), s->table);
    for (struct slice rest = slice_of_text(body); rest.len > 0; rest = slice_skip(rest, 4000))
        take(s, slice_take(rest, 4000), s->table);
    message_cut(s->message, 0, key_len); // as with a submission key
    body_hash_end(&s->hash, &s->known, s->message);
    hash_whole(body, want);
    CU_ASSERT_TRUE(s->message->has_body_hash);
    CU_ASSERT_EQUAL(memcmp(s->message->body_hash, want, sizeof(want)), 0);
    message_free(&s->pool, s->message);
}

// The third time a body is not hashed any more; and what only looks alike is.
static void known_bodies(void)
{
    static char large[BODY_CACHE_BYTES_MAX + 5000];
    struct stage s;
    stage_init(&s);
    for (unsigned i = 0; i < 5; i++)
        check_one(&s, "From: a@signed.example\r\nSubject: x\r\n\r\n", "The same to all.\r\n");
    CU_ASSERT_EQUAL(s.known.hits, 3);
    check_one(&s, "From: a@signed.example\r\n\r\n", "The same to all!\r\n");
    CU_ASSERT_EQUAL(s.known.misses, 3);
    for (unsigned i = 0; i < 200; i++) {
        char body[64];
        snprintf(body, sizeof(body), "Number %u \r\n", i % 70);
        check_one(&s, "From: a@signed.example\r\n\r\n", body);
    }
    uint64_t before = s.known.misses;
    for (size_t bytes = BODY_CACHE_BYTES_MAX - 3; bytes < sizeof(large) - 1; bytes += 1000) {
        memset(large, 'x', bytes);
        large[bytes] = '\0';
        check_one(&s, "From: a@signed.example\r\n\r\n", large);
    }
    CU_ASSERT_EQUAL(s.known.misses, before + 1); // the others are too large to be kept
    body_hash_release(&s.hash);
    body_cache_release(&s.known);
    dkim_table_free(s.table);
    block_pool_release(&s.pool);
}

static const struct suite_test tests[] = {
    {"known bodies", known_bodies},
    {"every cut", every_cut},
    {"what was begun is forgotten", what_was_begun_is_forgotten},
};
SUITE_MAIN("body_hash", tests)
