#include "bench/fields.h"
#include "bench/load/message.h"
#include "bench/load/normalise.h"
#include "engine/base/check.h"
#include "tests/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WALL_US (1795326189ull * 1000000)

struct workshop {
    struct load_content *content;
    struct load_domains *domains;
    struct load_author author;
    struct load_message *message;
};

static void workshop_open(struct workshop *w, uint64_t bytes_min, uint64_t bytes_max,
                          uint32_t rcpts)
{
    *w = (struct workshop){.content = NULL};
    CHECK(load_content_generate(&w->content, bytes_min, bytes_max) == 0);
    CHECK(load_domains_number(&w->domains, 20) == 0);
    w->author = (struct load_author){.content = w->content,
                                     .domains = w->domains,
                                     .from = SLICE("load@load.example"),
                                     .helo = SLICE("load.example"),
                                     .rcpt_count = rcpts};
    CHECK(load_author_init(&w->author, 1, WALL_US) == 0);
    w->message = calloc(1, load_message_slot_bytes(&w->author));
    CHECK(w->message);
}

static void workshop_close(struct workshop *w)
{
    free(w->message);
    load_author_release(&w->author);
    load_domains_free(w->domains);
    load_content_free(w->content);
}

// The content in one piece.
static struct slice joined(const struct load_message *m, char *text)
{
    const struct content *c = &m->transaction.content;
    size_t len = 0;
    for (unsigned i = 0; i < c->piece_count; i++) {
        memcpy(text + len, c->pieces[i].data, c->pieces[i].len);
        len += c->pieces[i].len;
    }
    return slice_make(text, len);
}

// Sound content (RFC 5321 2.3.8), no line with a dot in front, and the fields that each must have.
static void check_generated(const struct load_message *m, struct slice text)
{
    struct content_scan scan = {0};
    content_scan(&scan, text);
    CU_ASSERT_EQUAL(scan.fault, CONTENT_FINE);
    CU_ASSERT_FALSE(scan.has_dot_lines);
    CU_ASSERT_FALSE(scan.in_line);
    static const char *const names[] = {"Message-ID", "Date", "From", "To", "Subject"};
    size_t header_end = 0;
    CU_ASSERT_TRUE(fields_header_end(text, 0, &header_end));
    for (unsigned i = 0; i < COUNT_OF(names); i++)
        CU_ASSERT(fields_find(slice_take(text, header_end), slice_of_text(names[i])).len > 0);
    CU_ASSERT_TRUE(slice_equal(fields_message_id(text), m->id));
}

static void test_sizes_are_exact(void)
{
    static char text[4096];
    struct workshop w;
    for (uint64_t bytes = 300; bytes < 700; bytes++) {
        workshop_open(&w, bytes, bytes, 1);
        for (uint64_t number = 1; number < 100000; number *= 7) {
            load_message_write(w.message, &w.author, number, 0, WALL_US);
            CU_ASSERT_EQUAL(w.message->size_bytes, bytes);
            struct slice content = joined(w.message, text);
            CU_ASSERT_EQUAL(content.len, bytes);
            check_generated(w.message, content);
        }
        workshop_close(&w);
    }
}

static void test_no_smaller_than_the_header(void)
{
    static char text[4096];
    struct workshop w;
    workshop_open(&w, 1, 1, 1);
    load_message_write(w.message, &w.author, 1, 0, WALL_US);
    struct slice content = joined(w.message, text);
    check_generated(w.message, content);
    CU_ASSERT(content.len < 300);
    workshop_close(&w);
}

static void test_sizes_in_a_range(void)
{
    struct workshop w;
    uint64_t least = UINT64_MAX, most = 0, sum = 0;
    workshop_open(&w, 1000, 3000, 1);
    for (uint64_t number = 1; number <= 20000; number++) {
        load_message_write(w.message, &w.author, number, 0, WALL_US);
        uint64_t bytes = w.message->size_bytes;
        least = bytes < least ? bytes : least;
        most = bytes > most ? bytes : most;
        sum += bytes;
    }
    CU_ASSERT(least >= 1000 && least < 1010 && most <= 3000 && most > 2990);
    CU_ASSERT(sum / 20000 > 1950 && sum / 20000 < 2050);
    workshop_close(&w);
}

static void test_each_is_another(void)
{
    struct workshop w;
    char first_hex[SHA256_HEX_BYTES], hex[SHA256_HEX_BYTES], id[LOAD_ID_BYTES_MAX];
    workshop_open(&w, 2048, 2048, 3);
    load_message_write(w.message, &w.author, 1, 0, WALL_US);
    load_message_hash(w.message, &w.author, first_hex);
    struct slice first = slice_make(memcpy(id, w.message->id.data, w.message->id.len),
                                    w.message->id.len);
    load_message_write(w.message, &w.author, 2, 0, WALL_US);
    load_message_hash(w.message, &w.author, hex);
    CU_ASSERT_STRING_NOT_EQUAL(first_hex, hex);
    CU_ASSERT_FALSE(slice_equal(first, w.message->id));
    CU_ASSERT_EQUAL(w.message->transaction.rcpt_count, 3);
    const struct smtp_recipient *rcpts = w.message->transaction.rcpts;
    CU_ASSERT_TRUE(slice_starts(rcpts[0].address, SLICE("r2.1@d00")));
    CU_ASSERT_TRUE(slice_starts(rcpts[2].address, SLICE("r2.3@d00")));
    CU_ASSERT_FALSE(load_message_refused(w.message, 1));
    load_message_refuse(w.message, 1);
    CU_ASSERT_TRUE(load_message_refused(w.message, 1));
    CU_ASSERT_FALSE(load_message_refused(w.message, 2));
    CU_ASSERT_EQUAL(w.message->refused_count, 1);
    workshop_close(&w);
}

static void test_line_ends(void)
{
    static const struct {
        const char *raw, *want;
    } cases[] = {
        {"", ""},
        {"a", "a\r\n"},
        {"a\nb", "a\r\nb\r\n"},
        {"\n", "\r\n"},
        {"a\r\nb\r\n", "a\r\nb\r\n"},
        {"a\rb", "a\r\nb\r\n"},
        {"a\r", "a\r\n"},
        {"\r\r\n", "\r\n\r\n"},
        {"a\n\r\nb\n", "a\r\n\r\nb\r\n"},
        {"\n\r", "\r\n\r\n"},
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        char out[64];
        struct slice raw = slice_of_text(cases[i].raw);
        CHECK(normalised_bytes_max(raw.len) <= sizeof(out));
        struct slice got = slice_make(out, normalise_lines(raw, out));
        CU_ASSERT_TRUE(slice_equal(got, slice_of_text(cases[i].want)));
    }
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void remove_folder(const char *folder, const char *const *names, size_t count)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY);
    for (size_t i = 0; i < count; i++)
        unlinkat(fd, names[i], 0);
    close(fd);
    rmdir(folder);
}

static void test_content_from_a_folder(void)
{
    static const char *const names[] = {"1", "2", ".hidden"};
    static char text[4096];
    char folder[] = "/tmp/bench-message-XXXXXX";
    struct workshop w;
    workshop_open(&w, 1, 1, 1);
    CHECK(mkdtemp(folder));
    struct load_content *none;
    CU_ASSERT_EQUAL(load_content_read(&none, folder, false), -ENOENT);
    write_file(folder, "1", "Date: x\nMessage-ID:\n <old@x>\nSubject: s\n\n.\n");
    write_file(folder, "2", "Subject: \xc3\xbc\n\nbody");
    write_file(folder, ".hidden", "not read");
    load_content_free(w.content);
    CHECK(load_content_read(&w.content, folder, false) == 0);
    w.author.content = w.content;
    CU_ASSERT_EQUAL(w.content->file_count, 2);

    load_message_write(w.message, &w.author, 2, 0, WALL_US); // number % 2: the first file
    struct slice got = joined(w.message, text);
    CU_ASSERT_TRUE(slice_starts(got, SLICE("Message-ID: <")));
    CU_ASSERT_TRUE(slice_equal(slice_skip(got, slice_find(got, '\n') + 1),
                               SLICE("Date: x\r\nSubject: s\r\n\r\n.\r\n")));
    CU_ASSERT_TRUE(w.message->transaction.content.has_dot_lines);
    CU_ASSERT_FALSE(w.message->transaction.is_8bit);

    load_message_write(w.message, &w.author, 3, 0, WALL_US);
    got = joined(w.message, text);
    struct slice rest = slice_skip(got, slice_find(got, '\n') + 1);
    CU_ASSERT_TRUE(slice_starts(rest, SLICE("Date: Sun, 22 Nov 2026 05:43:09 +0000\r\nSubj")));
    CU_ASSERT_TRUE(w.message->transaction.is_8bit);
    remove_folder(folder, names, COUNT_OF(names));
    workshop_close(&w);
}

static void test_domains_by_weight(void)
{
    char folder[] = "/tmp/bench-domains-XXXXXX", path[64];
    static const char *const names[] = {"d"};
    struct load_domains *d = NULL;
    unsigned line = 0, counts[3] = {0};
    struct random dice;
    CHECK(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/d", folder);
    write_file(folder, "d",
               "# weights\na.example 60\n\nb.example\t30 # less\nc.example 10\nd.example 0\n");
    CU_ASSERT_EQUAL(load_domains_read(&d, path, &line), 0);
    CU_ASSERT_EQUAL(load_domains_count(d), 3);
    CU_ASSERT_EQUAL(load_domains_longest(d), 9);
    random_init(&dice, 3);
    for (unsigned i = 0; i < 100000; i++) {
        struct slice name = load_domains_draw(d, &dice);
        CU_ASSERT_EQUAL(name.len, 9);
        counts[name.data[0] - 'a']++;
    }
    CU_ASSERT(counts[0] > 59000 && counts[0] < 61000);
    CU_ASSERT(counts[1] > 29000 && counts[1] < 31000);
    CU_ASSERT(counts[2] > 9500 && counts[2] < 10500);
    load_domains_free(d);

    static const char *const wrong[] = {"a.example x\n", "a.example 1 2\n", "a@b 1\n", "", "<a>\n"};
    for (unsigned i = 0; i < COUNT_OF(wrong); i++) {
        write_file(folder, "d", wrong[i]);
        CU_ASSERT_EQUAL(load_domains_read(&d, path, &line), -EINVAL);
    }
    remove_folder(folder, names, 1);
}

static const struct suite_test tests[] = {
    {"sizes are exact", test_sizes_are_exact},
    {"no smaller than the header", test_no_smaller_than_the_header},
    {"sizes in a range", test_sizes_in_a_range},
    {"each is another", test_each_is_another},
    {"line ends", test_line_ends},
    {"content from a folder", test_content_from_a_folder},
    {"domains by weight", test_domains_by_weight},
};

SUITE_MAIN("bench_message", tests)
