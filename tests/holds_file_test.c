// tests/holds_file_test.c: what the file of holds and reroutes says at the next start, also where a
// change could not be written. Requests to the disk end as the test says (--wrap).
#include "engine/base/check.h"
#include "engine/holds_file.h"
#include "tests/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static size_t room_bytes;    // on the disk, from now on
static int32_t write_result; // of the last request
static int32_t sync_result;  // of those that come

void __wrap_io_append(struct io *io, int fd, struct slice bytes, struct io_token token);
void __wrap_io_append(struct io *io, int fd, struct slice bytes, struct io_token token)
{
    (void)io;
    (void)token;
    struct slice fits = slice_take(bytes, room_bytes);
    room_bytes -= fits.len;
    write_result = fits.len > 0 ? (int32_t)write(fd, fits.data, fits.len) : -ENOSPC;
}

void __wrap_io_sync(struct io *io, int fd, struct io_token token);
void __wrap_io_sync(struct io *io, int fd, struct io_token token)
{
    (void)io;
    (void)fd;
    (void)token;
}

int __wrap_io_file_of(struct io *io, int fd, struct io_file *ret);
int __wrap_io_file_of(struct io *io, int fd, struct io_file *ret)
{
    (void)io;
    *ret = (struct io_file){.is_regular = true, .bytes = (uint64_t)lseek(fd, 0, SEEK_END)};
    return 0;
}

struct place {
    char path[64];
    int dir_fd;
    struct holds *holds;
    struct reroutes reroutes;
    struct holds_file file;
};

static bool start(struct place *p)
{
    struct refusal why;
    int fd = holds_file_open(p->dir_fd, p->path, getuid(), getgid(), &p->holds, &p->reroutes, &why);
    if (fd >= 0)
        holds_file_init(&p->file, NULL, fd, 1);
    return fd >= 0;
}

static void stop(struct place *p)
{
    close(p->file.fd);
    holds_file_release(&p->file);
    free(p->holds);
    reroutes_release(&p->reroutes);
    p->holds = NULL;
}

static void begin(struct place *p)
{
    *p = (struct place){.path = "/tmp/holds_file_test.XXXXXX"};
    CHECK(mkdtemp(p->path));
    p->dir_fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(p->dir_fd >= 0);
    room_bytes = SIZE_MAX;
    CHECK(start(p));
}

static void end(struct place *p)
{
    stop(p);
    CHECK(unlinkat(p->dir_fd, "holds", 0) == 0);
    close(p->dir_fd);
    CHECK(rmdir(p->path) == 0);
}

// Until nothing is asked for any more.
static int finish(struct place *p)
{
    while (p->file.busy && p->file.written < p->file.line.len)
        holds_file_on_done(&p->file, &(struct io_done){.result = write_result});
    if (p->file.busy)
        holds_file_on_done(&p->file, &(struct io_done){.token = {.op = 1}, .result = sync_result});
    if (p->file.busy)
        holds_file_on_done(&p->file, &(struct io_done){.token = {.op = 2}, .result = write_result});
    CU_ASSERT_FALSE(p->file.busy);
    return p->file.error;
}

static int hold(struct place *p, const char *domain)
{
    struct selector s = {0};
    CHECK(!selector_set(&s, SLICE("domain"), slice_of_text(domain)));
    holds_file_append(&p->file, "hold", &s);
    return finish(p);
}

static void test_what_was_written(void)
{
    struct place p;
    begin(&p);
    CU_ASSERT_EQUAL(hold(&p, "one.example"), 0);
    holds_file_append_reroute(&p.file, "two.example", "relay");
    CU_ASSERT_EQUAL(finish(&p), 0);
    stop(&p);
    CU_ASSERT_TRUE_FATAL(start(&p));
    CU_ASSERT_TRUE(p.holds && p.holds->count == 1);
    CU_ASSERT_EQUAL(p.reroutes.count, 1);
    end(&p);
}

// Wherever the disk is full in a line: what the file says then is what was acknowledged.
static void test_a_full_disk(void)
{
    for (size_t cut = 0; cut < strlen("hold domain=one.example.org\n"); cut++) {
        struct place p;
        begin(&p);
        room_bytes = cut;
        CU_ASSERT_EQUAL(hold(&p, "one.example.org"), -ENOSPC);
        room_bytes = SIZE_MAX;
        CU_ASSERT_EQUAL(hold(&p, "two.example"), 0);
        stop(&p);
        CU_ASSERT_TRUE_FATAL(start(&p));
        CU_ASSERT_TRUE(p.holds && p.holds->count == 1);
        CU_ASSERT_STRING_EQUAL(p.holds->items[0].domain, "two.example");
        end(&p);
    }
}

// What could not be synced was refused, though the file has it.
static void test_a_sync_that_fails(void)
{
    struct place p;
    begin(&p);
    CU_ASSERT_EQUAL(hold(&p, "one.example"), 0);
    sync_result = -EIO;
    CU_ASSERT_EQUAL(hold(&p, "two.example"), -EIO);
    holds_file_append_reroute(&p.file, "three.example", "relay");
    CU_ASSERT_EQUAL(finish(&p), -EIO);
    sync_result = 0;
    CU_ASSERT_EQUAL(hold(&p, "four.example"), 0);
    stop(&p);
    CU_ASSERT_TRUE_FATAL(start(&p));
    CU_ASSERT_TRUE_FATAL(p.holds && p.holds->count == 2);
    CU_ASSERT_STRING_EQUAL(p.holds->items[0].domain, "one.example");
    CU_ASSERT_STRING_EQUAL(p.holds->items[1].domain, "four.example");
    CU_ASSERT_EQUAL(p.reroutes.count, 0);
    end(&p);
}

static void test_no_room_for_a_reroute(void)
{
    struct reroutes r = {0};
    char domain[32];
    for (uint32_t i = 0; i < REROUTES_MAX; i++) {
        snprintf(domain, sizeof(domain), "d%u.example", i);
        CU_ASSERT_TRUE(reroutes_have_room(&r, slice_of_text(domain)));
        CU_ASSERT_TRUE(reroutes_set(&r, slice_of_text(domain), SLICE("mx")));
    }
    CU_ASSERT_FALSE(reroutes_have_room(&r, SLICE("one.more.example")));
    CU_ASSERT_TRUE(reroutes_have_room(&r, SLICE("d7.example")));
    reroutes_release(&r);
}

static const struct suite_test tests[] = {
    {"what was written", test_what_was_written},
    {"a full disk", test_a_full_disk},
    {"a sync that fails", test_a_sync_that_fails},
    {"no room for a reroute", test_no_room_for_a_reroute},
};
SUITE_MAIN("holds_file", tests)
