// tests/sts_store_test.c: MTA-STS policies in memory and on disk: for how long, and how many.
#include "dns/sts_store.h"
#include "engine/base/check.h"
#include "tests/suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NOW 1764366000u
#define SEED 7

static struct sts_known known(const char *mx, const char *id, uint64_t fetched_s,
                              uint32_t max_age_s)
{
    struct sts_known k = {.fetched_s = fetched_s};
    char text[256];
    const char *why;
    snprintf(text, sizeof(text), "version: STSv1\nmode: enforce\nmx: %s\nmax_age: %u\n", mx,
             max_age_s);
    CHECK(sts_policy_parse(slice_of_text(text), &k.policy, &why) && strlen(id) < sizeof(k.id));
    strcpy(k.id, id);
    return k;
}

static struct sts_store *store(int dir_fd)
{
    struct sts_store *s;
    CHECK(sts_store_open(&s, dir_fd, SEED, NOW) == 0);
    return s;
}

static int new_folder(char path[64])
{
    strcpy(path, "/tmp/posthaste-sts-XXXXXX");
    CHECK(mkdtemp(path));
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static void remove_folder(const char *path, int fd)
{
    char command[96];
    close(fd);
    snprintf(command, sizeof(command), "rm -r '%s'", path);
    CU_ASSERT_EQUAL(system(command), 0);
}

static void write_file(int dir_fd, const char *name, const char *text)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static bool has(struct sts_store *s, const char *domain, uint64_t wall_s, const char *mx,
                const char *id)
{
    struct sts_known k;
    return sts_store_find(s, slice_of_text(domain), wall_s, &k) && strcmp(k.id, id) == 0 &&
           sts_policy_allows(&k.policy, slice_of_text(mx));
}

static void put(struct sts_store *s, const char *domain, const struct sts_known *k)
{
    CU_ASSERT_EQUAL(sts_store_put(s, slice_of_text(domain), k), 0);
}

// Known until it is as old as it may get; the next one takes its place.
static void ages(void)
{
    struct sts_store *s = store(-1);
    const struct sts_known one = known("mx.one", "1", NOW, 100),
                           two = known("mx.two", "2", NOW, 50);
    put(s, "a.example", &one);
    CU_ASSERT_TRUE(has(s, "a.example", NOW, "mx.one", "1"));
    CU_ASSERT_TRUE(has(s, "a.example", NOW + 99, "mx.one", "1"));
    CU_ASSERT_FALSE(has(s, "a.example", NOW + 100, "mx.one", "1"));
    CU_ASSERT_FALSE(has(s, "b.example", NOW, "mx.one", "1"));
    put(s, "a.example", &two);
    CU_ASSERT_TRUE(has(s, "a.example", NOW + 49, "mx.two", "2"));
    CU_ASSERT_FALSE(has(s, "a.example", NOW + 50, "mx.two", "2"));
    CU_ASSERT_EQUAL(sts_store_count(s), 1);
    sts_store_free(s);
}

// What is on disk is known again; what is none of ours, damaged or too old is not.
static void on_disk(void)
{
    char path[64];
    int fd = new_folder(path);
    struct sts_store *s = store(fd);
    const struct sts_known one = known("*.one", "a1", NOW, 100), old = known("mx", "2", NOW - 9, 9);
    put(s, "a.example", &one);
    put(s, "old.example", &old);
    sts_store_free(s);
    write_file(fd, "damaged.example",
               "version: STSv1\nmode: enforce\nid: 1\nfetched: 1764366000\n");
    write_file(fd, "no-id.example",
               "version: STSv1\nmode: none\nmax_age: 9\nfetched: 1764366000\n");
    write_file(fd, "not a domain", "");
    write_file(fd, "empty.example", "");
    CHECK(symlinkat("a.example", fd, "link.example") == 0);
    s = store(fd);
    CU_ASSERT_EQUAL(sts_store_count(s), 1);
    CU_ASSERT_TRUE(has(s, "a.example", NOW, "mx.one", "a1"));
    CU_ASSERT_NOT_EQUAL(faccessat(fd, "old.example", F_OK, 0), 0);
    sts_store_free(s);
    remove_folder(path, fd);
}

// One more than there is room for: the one that expires first goes, and so does its file.
static void full(void)
{
    char path[64], name[32], text[256];
    int fd = new_folder(path);
    for (uint32_t i = 0; i < STS_POLICIES_MAX; i++) {
        snprintf(name, sizeof(name), "d%u.example", i);
        snprintf(text, sizeof(text),
                 "version: STSv1\nmode: enforce\nmx: mx%u\nmax_age: %u\nid: 1\nfetched: %u\n", i,
                 i == 77 ? 1000 : 2000, NOW);
        write_file(fd, name, text);
    }
    struct sts_store *s = store(fd);
    CU_ASSERT_EQUAL(sts_store_count(s), STS_POLICIES_MAX);
    const struct sts_known more = known("mx.more", "1", NOW, 3000);
    put(s, "more.example", &more);
    CU_ASSERT_EQUAL(sts_store_count(s), STS_POLICIES_MAX);
    CU_ASSERT_TRUE(has(s, "more.example", NOW, "mx.more", "1"));
    CU_ASSERT_TRUE(has(s, "d76.example", NOW, "mx76", "1"));
    CU_ASSERT_FALSE(has(s, "d77.example", NOW, "mx77", "1"));
    CU_ASSERT_EQUAL(faccessat(fd, "d76.example", F_OK, 0), 0);
    CU_ASSERT_NOT_EQUAL(faccessat(fd, "d77.example", F_OK, 0), 0);
    CU_ASSERT_EQUAL(faccessat(fd, "more.example", F_OK, 0), 0);
    put(s, "more.example", &more); // in its own place
    CU_ASSERT_TRUE(has(s, "d76.example", NOW, "mx76", "1"));
    sts_store_free(s);
    remove_folder(path, fd);
}

static const struct suite_test tests[] = {{"ages", ages}, {"on disk", on_disk}, {"full", full}};

SUITE_MAIN("sts_store", tests)
