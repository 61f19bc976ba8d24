// The pickup directory over the real ring and a real folder, with a journal that is none: it knows
// which keys it has made durable, tells verdicts when it likes, and is not always willing.
#include "engine/base/check.h"
#include "engine/submit/pickup_parts.h"
#include "tests/suite.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NOBODY 65534
#define PATIENCE_US 120000000u // a disk that others are busy with may take that long to sync
#define OWNER 3
#define TAKEN_MAX 40000
#define WAITING_MAX 4096
#define FRESH_US_MAX 3000000u
#define BLOCK_BYTES_MAX (64u * 1024 * 1024)

struct taken {
    uint8_t key[FORMAT_KEY_BYTES];
    char text[40]; // of the body
};

// What outlives a crash.
struct disk {
    char path[100];
    struct taken *taken; // TAKEN_MAX
    uint32_t taken_count;
    uint32_t duplicate_count;
};

struct waiting {
    struct message *m;
    bool durable;
};

struct world {
    struct disk *disk;
    struct io *io;
    struct wheel wheel;
    struct block_pool blocks;
    struct pickup_place place;
    struct pickup *pickup;
    uint64_t last_id;
    struct random dice;
    // how willing the journal is, in percent
    uint32_t full, later, verdict_now;
    bool holds; // tells no verdict
    struct waiting waiting[WAITING_MAX];
    uint32_t waiting_count, waiting_peak;
    uint64_t completions;
    struct buffer notices;
    char last[4096]; // the message taken last: envelope and content
};

// --- the files, and the clock

static struct {
    uint64_t asked;   // requests so far
    uint64_t fail_at; // the one of these that fails; 0: none does
    int32_t error;    // with this
    bool failed;      // it has been asked
    bool told;        // and has ended
    struct io_token token;
    uint64_t syncs;    // of files
    uint64_t later_us; // the clock's
    bool hurries;      // where nothing happens, a second passes
} files;

void __real_io_open(struct io *, int, const char *, int, uint32_t, struct io_token);
void __real_io_read(struct io *, int, void *, size_t, uint64_t, struct io_token);
void __real_io_write(struct io *, int, const struct iovec *, unsigned, uint64_t, struct io_token);
void __real_io_sync(struct io *, int, struct io_token);
void __real_io_sync_all(struct io *, int, struct io_token);
void __real_io_rename(struct io *, int, const char *, int, const char *, struct io_token);
void __real_io_unlink(struct io *, int, const char *, struct io_token);
uint64_t __real_io_now_us(const struct io *);
// By the linker, all requests come here first.
__typeof__(__real_io_open) __wrap_io_open;
__typeof__(__real_io_read) __wrap_io_read;
__typeof__(__real_io_write) __wrap_io_write;
__typeof__(__real_io_sync) __wrap_io_sync, __wrap_io_sync_all;
__typeof__(__real_io_rename) __wrap_io_rename;
__typeof__(__real_io_unlink) __wrap_io_unlink;
__typeof__(__real_io_now_us) __wrap_io_now_us;

// Instead of the request that is to fail, one that does nothing.
static bool fails(struct io *io, struct io_token token)
{
    if (++files.asked != files.fail_at)
        return false;
    files.failed = true;
    files.token = token;
    __real_io_open(io, -1, "none", O_RDONLY, 0, token);
    return true;
}

void __wrap_io_open(struct io *io, int dir_fd, const char *name, int flags, uint32_t mode,
                    struct io_token token)
{
    if (!fails(io, token))
        __real_io_open(io, dir_fd, name, flags, mode, token);
}

void __wrap_io_read(struct io *io, int fd, void *to, size_t bytes, uint64_t offset,
                    struct io_token token)
{
    if (!fails(io, token))
        __real_io_read(io, fd, to, bytes, offset, token);
}

void __wrap_io_write(struct io *io, int fd, const struct iovec *pieces, unsigned count,
                     uint64_t offset, struct io_token token)
{
    if (!fails(io, token))
        __real_io_write(io, fd, pieces, count, offset, token);
}

void __wrap_io_sync(struct io *io, int fd, struct io_token token)
{
    files.syncs++;
    if (!fails(io, token))
        __real_io_sync(io, fd, token);
}

void __wrap_io_sync_all(struct io *io, int fd, struct io_token token)
{
    if (!fails(io, token))
        __real_io_sync_all(io, fd, token);
}

void __wrap_io_rename(struct io *io, int from_fd, const char *from, int to_fd, const char *to,
                      struct io_token token)
{
    if (!fails(io, token))
        __real_io_rename(io, from_fd, from, to_fd, to, token);
}

void __wrap_io_unlink(struct io *io, int dir_fd, const char *name, struct io_token token)
{
    if (!fails(io, token))
        __real_io_unlink(io, dir_fd, name, token);
}

uint64_t __wrap_io_now_us(const struct io *io)
{
    return __real_io_now_us(io) + files.later_us;
}

static void fail_at(uint64_t at, int32_t error)
{
    files.asked = 0;
    files.failed = files.told = false;
    files.fail_at = at;
    files.error = error;
}

static void tell_failure(struct io_done *done)
{
    if (!files.failed || files.told || memcmp(&done->token, &files.token, sizeof(files.token)) != 0)
        return;
    done->result = files.error;
    files.told = true;
}

// --- the journal

static bool is_taken(const struct disk *d, const uint8_t *key)
{
    for (uint32_t i = 0; i < d->taken_count; i++)
        if (memcmp(d->taken[i].key, key, FORMAT_KEY_BYTES) == 0)
            return true;
    return false;
}

static struct slice body_of(const struct message *m)
{
    struct slice content = message_content(m);
    const char *at = memmem(content.data, content.len, "\r\n\r\n", 4);
    return at ? slice_skip(content, (size_t)(at + 4 - content.data)) : SLICE_EMPTY;
}

static void take(struct world *w, const struct message *m)
{
    CU_ASSERT_FATAL(w->disk->taken_count < TAKEN_MAX);
    struct taken *t = &w->disk->taken[w->disk->taken_count++];
    struct slice body = slice_take(body_of(m), sizeof(t->text) - 1);
    memcpy(t->key, m->key, sizeof(t->key));
    memcpy(t->text, body.data, body.len);
    t->text[slice_find(slice_make(t->text, body.len), '\r')] = '\0';
}

static void show(struct world *w, const struct message *m)
{
    struct buffer out;
    buffer_init(&out, sizeof(w->last) - 1);
    buffer_printf(&out, "from %.*s\n", SLICE_ARG(message_sender(m)));
    for (uint32_t i = 0; i < m->rcpt_count; i++)
        buffer_printf(&out, "to %.*s\n", SLICE_ARG(message_rcpt_address(m, i)));
    buffer_append(&out, slice_take(message_content(m), 2000));
    buffer_append_byte(&out, '\0');
    memcpy(w->last, out.data, out.len);
    buffer_release(&out);
}

static enum pickup_verdict verdict_on(struct world *w, struct waiting *x)
{
    if (is_taken(w->disk, x->m->key)) {
        w->disk->duplicate_count++;
        return PICKUP_DUPLICATE;
    }
    if (memmem(body_of(x->m).data, body_of(x->m).len, "REFUSE", 6))
        return PICKUP_NEVER;
    if (random_below(&w->dice, 100) < w->later)
        return PICKUP_LATER;
    take(w, x->m);
    return PICKUP_TAKEN;
}

static void tell_verdict(struct world *w, uint32_t at)
{
    struct waiting x = w->waiting[at];
    w->waiting[at] = w->waiting[--w->waiting_count];
    show(w, x.m);
    enum pickup_verdict v = verdict_on(w, &x);
    uint32_t session = x.m->session;
    uint16_t generation = x.m->session_generation;
    message_free(&w->blocks, x.m);
    pickup_verdict(w->pickup, session, generation, v);
}

static struct world *world_of(struct pickup *p)
{
    return (struct world *)(void *)p->o.room;
}

bool pickup_submit(struct pickup *p, struct message **m)
{
    struct world *w = world_of(p);
    CU_ASSERT((*m)->has_key && (*m)->session & PICKUP_SESSION && (*m)->id > 0);
    CU_ASSERT(slice_starts(message_content(*m), SLICE("Received: ")));
    CU_ASSERT(files.syncs > 0);
    if (random_below(&w->dice, 100) < w->full)
        return false;
    CU_ASSERT_FATAL(w->waiting_count < WAITING_MAX);
    w->waiting[w->waiting_count++] = (struct waiting){.m = *m};
    *m = NULL;
    if (w->waiting_count > w->waiting_peak)
        w->waiting_peak = w->waiting_count;
    if (random_below(&w->dice, 100) < w->verdict_now)
        tell_verdict(w, w->waiting_count - 1);
    return true;
}

// --- the world

static void disk_init(struct disk *d)
{
    *d = (struct disk){.path = "/tmp/posthaste-pickup-test-XXXXXX"};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(d->path));
    d->taken = calloc(TAKEN_MAX, sizeof(*d->taken));
    CU_ASSERT_PTR_NOT_NULL_FATAL(d->taken);
}

static void remove_all(const char *path)
{
    char inner[400];
    DIR *dir = opendir(path);
    const struct dirent *e;
    while (dir && (e = readdir(dir))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof(inner), "%s/%s", path, e->d_name);
        if (unlink(inner) < 0)
            remove_all(inner);
    }
    if (dir)
        closedir(dir);
    rmdir(path);
}

static void disk_release(struct disk *d)
{
    remove_all(d->path);
    free(d->taken);
}

static struct world *world_new_with(struct disk *d, uint64_t seed, const struct pickup_rules *rules)
{
    struct world *w = calloc(1, sizeof(*w));
    CU_ASSERT_PTR_NOT_NULL_FATAL(w);
    w->disk = d;
    CU_ASSERT_EQUAL_FATAL(io_new(&w->io, NULL), 0);
    wheel_init(&w->wheel, io_now_us(w->io));
    block_pool_init(&w->blocks, BLOCK_BYTES_MAX);
    CU_ASSERT_EQUAL_FATAL(pickup_open(&w->place, d->path), 0);
    w->place.rules = *rules;
    random_init(&w->dice, seed);
    buffer_init(&w->notices, 100000);
    struct pickup_options o = {.io = w->io,
                               .wheel = &w->wheel,
                               .blocks = &w->blocks,
                               .places = &w->place,
                               .place_count = 1,
                               .hostname = SLICE("mail.example.net"),
                               .last_id = &w->last_id,
                               .io_owner = OWNER,
                               .room = (struct session_room *)(void *)w};
    CU_ASSERT_EQUAL_FATAL(pickup_new(&w->pickup, &o), 0);
    return w;
}

static struct world *world_new(struct disk *d, uint64_t seed)
{
    static const struct pickup_rules rules = {.message_bytes_max = 1000000, .rcpt_count_max = 100};
    return world_new_with(d, seed, &rules);
}

static void take_notices(struct world *w)
{
    char text[PICKUP_NOTICE_BYTES];
    while (pickup_next_notice(w->pickup, text))
        buffer_printf(&w->notices, "%s\n", text);
}

// One turn; ends early, as a crash does, when `crash_at` completions have come.
static void turn_until(struct world *w, uint64_t crash_at)
{
    struct io_done done;
    struct wheel_timer *t;
    uint64_t due_us = wheel_next_us(&w->wheel);
    uint64_t completions = w->completions;
    uint64_t rest_us = files.hurries ? 2000 : 20000;
    if (due_us > io_now_us(w->io) + rest_us)
        due_us = io_now_us(w->io) + rest_us;
    if (pickup_busy(w->pickup) || (w->waiting_count > 0 && !w->holds))
        due_us = 0;
    io_wait(w->io, due_us < files.later_us ? 0 : due_us - files.later_us);
    while (w->completions < crash_at && io_next(w->io, &done)) {
        CU_ASSERT_EQUAL(done.token.owner, OWNER);
        tell_failure(&done);
        pickup_on_done(w->pickup, &done);
        w->completions++;
    }
    if (w->completions >= crash_at)
        return;
    if (files.hurries && w->completions == completions)
        files.later_us += 1000000;
    while ((t = wheel_expire(&w->wheel, io_now_us(w->io))))
        pickup_on_timer(w->pickup, t);
    for (uint32_t n = random_below(&w->dice, w->waiting_count + 1); n > 0 && !w->holds; n--)
        tell_verdict(w, random_below(&w->dice, w->waiting_count));
    pickup_turn(w->pickup);
    take_notices(w);
}

static void turn(struct world *w)
{
    turn_until(w, UINT64_MAX);
}

#define TURN_UNTIL(w, condition)                                                                   \
    do {                                                                                           \
        uint64_t until_us = __real_io_now_us((w)->io) + PATIENCE_US;                               \
        while (!(condition) && __real_io_now_us((w)->io) < until_us)                               \
            turn(w);                                                                               \
        CU_ASSERT_TRUE(condition);                                                                 \
        if (!(condition))                                                                          \
            printf("%.*s\n", SLICE_ARG(buffer_slice(&(w)->notices)));                              \
    } while (0)

static void drop_waiting(struct world *w)
{
    while (w->waiting_count > 0)
        message_free(&w->blocks, w->waiting[--w->waiting_count].m);
}

static void world_free(struct world *w)
{
    pickup_free(w->pickup);
    drop_waiting(w);
    io_free(w->io);
    pickup_close(&w->place);
    CU_ASSERT_EQUAL(w->blocks.bytes, 0);
    block_pool_release(&w->blocks);
    buffer_release(&w->notices);
    free(w);
}

static void world_stop(struct world *w)
{
    pickup_stop(w->pickup);
    w->holds = false;
    TURN_UNTIL(w, pickup_stopped(w->pickup));
    world_free(w);
}

// What the kernel has begun it ends; nothing else happens. Of the messages without a verdict, some
// were durable already.
static void world_crash(struct world *w)
{
    while (w->waiting_count > 0) {
        struct message *m = w->waiting[--w->waiting_count].m;
        if (random_below(&w->dice, 2) && !is_taken(w->disk, m->key))
            take(w, m);
        message_free(&w->blocks, m);
    }
    w->later = w->full = 0;
    pickup_abandon(w->pickup);
    TURN_UNTIL(w, pickup_stopped(w->pickup));
    world_free(w);
}

// --- files

static void path_of(const struct disk *d, const char *name, char path[400])
{
    snprintf(path, 400, "%s/%s", d->path, name);
}

// A file that nobody has touched for long, all at once.
static void put_bytes(const struct disk *d, const char *name, struct slice bytes)
{
    static const struct timespec long_ago[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    char hidden[400], path[400];
    path_of(d, ".being-written", hidden);
    path_of(d, name, path);
    int fd = open(hidden, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_FATAL(write(fd, bytes.data, bytes.len) == (ssize_t)bytes.len);
    CU_ASSERT_FATAL(futimens(fd, long_ago) == 0);
    close(fd);
    CU_ASSERT_FATAL(rename(hidden, path) == 0);
}

static void put(const struct disk *d, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void put(const struct disk *d, const char *name, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    CU_ASSERT_FATAL(len >= 0);
    put_bytes(d, name, slice_make(text, (size_t)len));
    free(text);
}

#define TOP "x-sender: a@b.example\nx-receiver: c@d.example\nSubject: x\n\n"

static unsigned names_in(const struct disk *d, const char *folder)
{
    char path[400];
    unsigned count = 0;
    const struct dirent *e;
    path_of(d, folder, path);
    DIR *dir = opendir(path);
    CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
    while ((e = readdir(dir)))
        count += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
    closedir(dir);
    return count;
}

static bool is_there(const struct disk *d, const char *name)
{
    char path[400];
    struct stat st;
    path_of(d, name, path);
    return lstat(path, &st) == 0;
}

static bool says(const struct disk *d, const char *name, const char *want)
{
    char path[400], text[4096] = "";
    path_of(d, name, path);
    int fd = open(path, O_RDONLY);
    ssize_t len = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (len < 0 || !strstr(text, want))
        printf("\n%s: want %s got %s\n", name, want, text);
    return len >= 0 && strstr(text, want);
}

static unsigned times_taken(const struct disk *d, const char *text)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < d->taken_count; i++)
        count += strcmp(d->taken[i].text, text) == 0;
    return count;
}

static void each_taken_once(const struct disk *d, const char *name, unsigned count)
{
    bool *seen = calloc(count, sizeof(*seen));
    unsigned wrong = 0;
    for (uint32_t i = 0; i < d->taken_count; i++) {
        size_t len = strlen(name);
        if (strncmp(d->taken[i].text, name, len) != 0 || d->taken[i].text[len] != ' ')
            continue;
        unsigned number = (unsigned)atoi(d->taken[i].text + len + 1);
        wrong += number >= count || seen[number];
        if (number < count)
            seen[number] = true;
    }
    for (unsigned i = 0; i < count; i++)
        wrong += !seen[i];
    CU_ASSERT_EQUAL(wrong, 0);
    free(seen);
}

static bool idle(const struct world *w)
{
    return names_in(w->disk, "taken") == 0 && names_in(w->disk, ".") == 2 &&
           w->pickup->folders[0].file_count == 0;
}

// --- what can be taken

static void test_takes_files(void)
{
    struct disk d;
    disk_init(&d);
    files.syncs = 0;
    put(&d, "before",
        "x-sender: a@b.example\nx-receiver: c@d.example\nX-Posthaste-Key: 1\nSubject: x\n"
        "x-posthaste-key: 2\n 3\nX-Posthaste-Key-Not: 4\n 5\nx-posthaste-key: 6\n\nbefore");
    struct world *w = world_new(&d, 1);
    TURN_UNTIL(w, idle(w));
    CU_ASSERT_EQUAL(times_taken(&d, "before"), 1);
    CU_ASSERT_EQUAL(files.syncs, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(w->last, "from a@b.example\nto c@d.example\nReceived: "));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(w->last, "\r\nSubject: x\r\nX-Posthaste-Key-Not: 4\r\n 5\r\n\r\nbefore\r\n"));

    uint64_t began_us = io_now_us(w->io);
    put(&d, "later",
        "MAIL FROM:<>\nRCPT TO:<a@b.example>\nRCPT TO:<postmaster>\nDATA\nA: "
        "b\n\none\n.\nMAIL FROM:<>\nRCPT TO:<a@b.example>\nDATA\nA: b\n\n..two\n.\n");
    TURN_UNTIL(w, d.taken_count == 3);
    CU_ASSERT(io_now_us(w->io) - began_us < 500000); // by the news
    CU_ASSERT_EQUAL(times_taken(&d, "one"), 1);
    CU_ASSERT_EQUAL(times_taken(&d, ".two"), 1);
    TURN_UNTIL(w, idle(w));
    struct pickup_counters c = pickup_counters(w->pickup);
    CU_ASSERT(c.files == 2 && c.messages == 3 && c.bad == 0);
    CU_ASSERT_EQUAL(w->notices.len, 0);
    world_stop(w);
    disk_release(&d);
}

static void test_modes(void)
{
    static const struct {
        const char *name;
        mode_t mode;
    } wants[] = {{"dir", 0770}, {"dir/taken", 0700}, {"dir/bad", 0750}};
    char path[400];
    struct disk d;
    struct stat st;
    struct pickup_place place;
    disk_init(&d);
    path_of(&d, "dir", path);
    mode_t before = umask(077);
    CU_ASSERT_EQUAL(pickup_open(&place, path), 0);
    umask(before);
    for (unsigned i = 0; i < COUNT_OF(wants); i++) {
        path_of(&d, wants[i].name, path);
        CU_ASSERT(stat(path, &st) == 0 && (st.st_mode & 0777) == wants[i].mode);
    }
    pickup_close(&place);
    disk_release(&d);
}

// As many as there is room for are left out in a time that grows with the bytes.
static void test_many_keys(void)
{
    static const struct pickup_rules rules = {.message_bytes_max = 4000000, .rcpt_count_max = 1};
    struct buffer text;
    struct disk d;
    disk_init(&d);
    buffer_init(&text, 4000000);
    CU_ASSERT_FATAL(buffer_append(&text, SLICE("x-sender: <>\nx-receiver: c@d.example\nA: b\n")));
    for (unsigned i = 0; i < 60000; i++)
        CU_ASSERT_FATAL(
            buffer_append(&text, i < 30000 ? SLICE("X: y\n") : SLICE("X-Posthaste-Key: 1\n")));
    CU_ASSERT_FATAL(buffer_append(&text, SLICE("\nmany keys\n")));
    put_bytes(&d, "many", buffer_slice(&text));
    struct world *w = world_new_with(&d, 1, &rules);
    TURN_UNTIL(w, idle(w)); // minutes, if it were not so
    CU_ASSERT_EQUAL(times_taken(&d, "many keys"), 1);
    world_stop(w);
    buffer_release(&text);
    disk_release(&d);
}

static void test_names(void)
{
    char longest[NAME_MAX + 1];
    struct disk d;
    memset(longest, 'n', NAME_MAX);
    longest[NAME_MAX] = '\0';
    disk_init(&d);
    put(&d, longest, TOP "longest");
    put(&d, "with blank\n", TOP "blank");
    put(&d, "0123456789abcdef-0123456789abcdef-x", TOP "looks unique");
    put(&d, ".hidden", TOP "hidden");
    struct world *w = world_new(&d, 1);
    TURN_UNTIL(w, d.taken_count == 3);
    put(&d, "taken/by hand", TOP "by hand"); // found at the next start
    world_stop(w);
    CU_ASSERT_EQUAL(times_taken(&d, "hidden"), 0);
    CU_ASSERT(is_there(&d, ".hidden"));
    w = world_new(&d, 1);
    TURN_UNTIL(w, times_taken(&d, "by hand") == 1 && names_in(&d, "taken") == 0);
    world_stop(w);
    disk_release(&d);
}

// Written a moment ago, and renamed in. Without the names of the news this takes PICKUP_QUIET_US.
static void test_fresh_file(void)
{
    char hidden[400], path[400];
    struct disk d;
    disk_init(&d);
    struct world *w = world_new(&d, 1);
    turn(w);
    path_of(&d, ".hidden", hidden);
    path_of(&d, "fresh", path);
    uint64_t began_us = io_now_us(w->io);
    int fd = open(hidden, O_WRONLY | O_CREAT, 0644);
    CU_ASSERT(write(fd, TOP "fresh", strlen(TOP "fresh")) > 0);
    close(fd);
    CU_ASSERT_EQUAL(rename(hidden, path), 0);
    TURN_UNTIL(w, d.taken_count == 1);
    uint64_t took_us = io_now_us(w->io) - began_us;
    printf("%u ms ", (unsigned)(took_us / 1000));
    CU_ASSERT(took_us < FRESH_US_MAX);
    world_stop(w);
    disk_release(&d);
}

// --- what cannot

static bool noticed(const struct world *w, const char *words)
{
    return w->notices.len > 0 &&
           memmem(w->notices.data, w->notices.len, words, strlen(words)) != NULL;
}

static void test_bad_files(void)
{
    char path[400];
    struct disk d;
    disk_init(&d);
    path_of(&d, "link", path);
    CU_ASSERT_EQUAL(symlink("/etc/passwd", path), 0);
    path_of(&d, "fifo", path);
    CU_ASSERT_EQUAL(mkfifo(path, 0644), 0);
    path_of(&d, "folder", path);
    CU_ASSERT_EQUAL(mkdir(path, 0755), 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", d.path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    put(&d, "secret", TOP "secret");
    path_of(&d, "secret", path);
    CU_ASSERT_EQUAL(chmod(path, 0), 0);
    put(&d, "empty", "%s", "");
    put(&d, "text", "just text\n");
    put(&d, "half",
        "MAIL FROM:<>\nRCPT TO:<a@b.example>\nDATA\nA: b\n\nhalf 1\n.\nMAIL FROM:<>\n"
        "RCPT TO:<a@b.example>\nDATA\nA: b\n\nhalf 2\n");
    put(&d, "refused",
        "MAIL FROM:<>\nRCPT TO:<a@b.example>\nDATA\nA: b\n\nfirst\n.\nMAIL FROM:<>\n"
        "RCPT TO:<a@b.example>\nDATA\nA: b\n\nREFUSE\n.\n");
    put(&d, "good", TOP "good");
    struct world *w = world_new(&d, 1);
    TURN_UNTIL(w, names_in(&d, "bad") == 16 && names_in(&d, ".") == 3 &&
                      names_in(&d, "taken") == 0 && pickup_counters(w->pickup).bad == 8);
    CU_ASSERT(is_there(&d, "folder") && is_there(&d, "bad/link") && is_there(&d, "bad/fifo"));
    CU_ASSERT(says(&d, "bad/link.why", "reason: it is a symbolic link\nmessages taken: none\n"));
    CU_ASSERT(says(&d, "bad/fifo.why", "reason: it is no regular file\n"));
    CU_ASSERT(says(&d, "bad/socket.why", "reason: it is no regular file\n"));
    CU_ASSERT(says(&d, "bad/secret.why", "reason: the engine has no permission to read it\n"));
    CU_ASSERT(says(&d, "bad/empty.why", "reason: the file is empty\n"));
    CU_ASSERT(says(&d, "bad/text.why", "recipients-from-header is off\nline: 1\n"));
    CU_ASSERT(says(&d, "bad/half.why",
                   "reason: the file ends inside of a message\nline: 13\n"
                   "messages taken: 1\n"));
    CU_ASSERT(says(&d, "bad/refused.why",
                   "reason: its message 2 is refused for good\nline: 8\n"
                   "messages taken: 1\n"));
    CU_ASSERT(says(&d, "bad/text", "just text\n"));
    CU_ASSERT(d.taken_count == 3 && times_taken(&d, "good") == 1 && times_taken(&d, "half 1") == 1);

    put(&d, "text", "other text\n"); // what is in bad/ stays there
    TURN_UNTIL(w, names_in(&d, "bad") == 18 && names_in(&d, "taken") == 0);
    CU_ASSERT(says(&d, "bad/text", "just text\n") && says(&d, "bad/text.1", "other text\n") &&
              is_there(&d, "bad/text.1.why"));
    CU_ASSERT(noticed(w, "text is bad: line 1: no x-s"));
    close(fd);
    world_stop(w);
    disk_release(&d);
}

// A file that can be neither read nor moved is named once, and left.
static void test_left_alone(void)
{
    char path[400];
    struct disk d;
    disk_init(&d);
    struct world *w = world_new(&d, 1);
    turn(w);
    path_of(&d, "taken", path);
    CU_ASSERT_EQUAL(chmod(path, 0500), 0);
    put(&d, "stuck", TOP "stuck");
    TURN_UNTIL(w, w->notices.len > 0);
    size_t said = w->notices.len;
    for (int i = 0; i < 3; i++) {
        put(&d, "another", TOP "another");
        uint64_t until_us = io_now_us(w->io) + 100000;
        while (io_now_us(w->io) < until_us)
            turn(w);
    }
    CU_ASSERT(is_there(&d, "stuck"));
    CU_ASSERT_PTR_NULL(memmem(w->notices.data + said, w->notices.len - said, "stuck", 5));
    uint64_t completions = w->completions;
    for (int i = 0; i < 5; i++)
        turn(w);
    CU_ASSERT(w->completions <= completions + 1); // nothing is tried in a loop
    CU_ASSERT_EQUAL(chmod(path, 0700), 0);
    world_stop(w);
    w = world_new(&d, 1);
    TURN_UNTIL(w, d.taken_count == 2);
    world_stop(w);
    disk_release(&d);
}

// --- files that are still written

static void test_written_in_place(void)
{
    char path[400];
    struct disk d;
    disk_init(&d);
    struct world *w = world_new(&d, 1);
    turn(w);
    path_of(&d, "slow", path);
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    CU_ASSERT(write(fd, TOP, strlen(TOP)) > 0);
    uint64_t began_us = io_now_us(w->io);
    put(&d, "other", TOP "other"); // brings news
    TURN_UNTIL(w, d.taken_count == 1);
    for (int i = 0; i < 8; i++) {
        uint64_t until_us = io_now_us(w->io) + 200000;
        while (io_now_us(w->io) < until_us)
            turn(w);
        CU_ASSERT(is_there(&d, "slow"));
        CU_ASSERT(write(fd, "more ", 5) == 5);
    }
    close(fd);
    CU_ASSERT(io_now_us(w->io) - began_us > PICKUP_QUIET_US);
    TURN_UNTIL(w, d.taken_count == 2);
    CU_ASSERT_EQUAL(times_taken(&d, "more more more more more more more more"), 1);
    world_stop(w);
    disk_release(&d);
}

// It looked complete when it was taken; what comes behind comes into the same file.
static void test_unfinished(void)
{
    char path[400];
    const char *first = "MAIL FROM:<>\nRCPT TO:<a@b.example>\nDATA\nA: b\n\none\n.\nMAIL FROM:<>\n"
                        "RCPT TO:<a@b.example>\nDA";
    const char *then = "TA\nA: b\n\ntwo\n.\nQUIT\n";
    struct disk d;
    disk_init(&d);
    path_of(&d, "slow", path);
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    CU_ASSERT(write(fd, first, strlen(first)) > 0);
    struct world *w = world_new(&d, 1);
    TURN_UNTIL(w, d.taken_count == 1);
    CU_ASSERT_EQUAL(names_in(&d, "taken"), 1);
    CU_ASSERT(write(fd, then, strlen(then)) > 0);
    close(fd);
    TURN_UNTIL(w, idle(w));
    CU_ASSERT(d.taken_count == 2 && times_taken(&d, "one") == 1 && times_taken(&d, "two") == 1);
    CU_ASSERT_EQUAL(names_in(&d, "bad"), 0);
    world_stop(w);
    disk_release(&d);
}

#define UNFINISHED_COUNT (2 * PICKUP_FILES_MAX)

// Renamed in, so that it is taken at once; it stays open. `text` may be empty.
static int put_unfinished(const struct disk *d, const char *name, const char *text)
{
    char hidden[400], path[400];
    path_of(d, ".hidden", hidden);
    path_of(d, name, path);
    int fd = open(hidden, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CU_ASSERT_FATAL(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    CU_ASSERT_FATAL(rename(hidden, path) == 0);
    return fd;
}

// Files that wait for their end leave the way to others, whatever their number.
static void test_unfinished_block_nothing(void)
{
    char name[20], text[200];
    int fds[UNFINISHED_COUNT];
    struct disk d;
    disk_init(&d);
    struct world *w = world_new(&d, 1);
    turn(w);
    for (unsigned i = 0; i < UNFINISHED_COUNT; i++) {
        snprintf(name, sizeof(name), "e%u", i);
        close(put_unfinished(&d, name, ""));
        snprintf(name, sizeof(name), "u%u", i);
        snprintf(text, sizeof(text),
                 "MAIL FROM:<>\nRCPT TO:<a@b.example>\nDATA\nA: b\n\nfirst %u\n.\nMAIL FROM:<>\n",
                 i);
        fds[i] = put_unfinished(&d, name, text);
    }
    TURN_UNTIL(w, d.taken_count == UNFINISHED_COUNT);
    for (unsigned i = 0; i < 3; i++) { // over several looks at them
        uint64_t began_us = io_now_us(w->io);
        put(&d, "whole", TOP "whole %u", i);
        TURN_UNTIL(w, d.taken_count == UNFINISHED_COUNT + i + 1);
        CU_ASSERT(io_now_us(w->io) - began_us < 20000000); // it would be a minute
        while (io_now_us(w->io) - began_us < 1500000)
            turn(w);
    }
    CU_ASSERT_EQUAL(names_in(&d, "taken"), UNFINISHED_COUNT);
    CU_ASSERT_EQUAL(w->pickup->folders[0].file_count, 0);
    for (unsigned i = 0; i < UNFINISHED_COUNT; i++) {
        snprintf(text, sizeof(text), "RCPT TO:<a@b.example>\nDATA\nA: b\n\nsecond %u\n.\n", i);
        CU_ASSERT(write(fds[i], text, strlen(text)) == (ssize_t)strlen(text));
        close(fds[i]);
    }
    TURN_UNTIL(w, names_in(&d, "taken") == 0);
    each_taken_once(&d, "first", UNFINISHED_COUNT);
    each_taken_once(&d, "second", UNFINISHED_COUNT);
    each_taken_once(&d, "whole", 3);
    CU_ASSERT_EQUAL(d.duplicate_count, 0); // each was read on from where it ended
    CU_ASSERT(names_in(&d, "bad") == 0 && is_there(&d, "e0")); // where its writer can find it
    put(&d, "e0", TOP "no longer empty");
    TURN_UNTIL(w, times_taken(&d, "no longer empty") == 1);
    world_stop(w);
    disk_release(&d);
}

// A stop and a start in between: then it is read again from its beginning.
static void test_unfinished_over_a_stop(void)
{
    static const char then[] = "RCPT TO:<a@b.example>\nDATA\nA: b\n\ntwo\n.\n";
    struct disk d;
    disk_init(&d);
    struct world *w = world_new(&d, 1);
    turn(w);
    int fd = put_unfinished(
        &d, "file", "MAIL FROM:<>\nRCPT TO:<a@b.example>\nDATA\nA: b\n\none\n.\nMAIL FROM:<>\n");
    TURN_UNTIL(w, d.taken_count == 1 && w->pickup->folders[0].file_count == 0);
    world_stop(w);
    w = world_new(&d, 2);
    TURN_UNTIL(w, d.duplicate_count == 1);
    CU_ASSERT(write(fd, then, strlen(then)) == (ssize_t)strlen(then));
    close(fd);
    TURN_UNTIL(w, idle(w));
    CU_ASSERT(d.taken_count == 2 && times_taken(&d, "two") == 1 && d.duplicate_count == 1);
    world_stop(w);
    disk_release(&d);
}

// Not for good: it is read again.
static void test_read_again(void)
{
    static const int32_t errors[] = {-EINTR, -EAGAIN, -ENOMEM, -ENOBUFS};
    files.hurries = true;
    for (size_t i = 0; i < COUNT_OF(errors) * 8; i++) {
        struct disk d;
        disk_init(&d);
        put(&d, "one", TOP "one");
        fail_at(i / COUNT_OF(errors) + 1, errors[i % COUNT_OF(errors)]);
        struct world *w = world_new(&d, 1);
        TURN_UNTIL(w, idle(w));
        CU_ASSERT_EQUAL(times_taken(&d, "one"), 1);
        CU_ASSERT_EQUAL(names_in(&d, "bad"), 0);
        CU_ASSERT(files.told);
        world_stop(w);
        disk_release(&d);
    }
    files.hurries = false;
    fail_at(0, 0);
}

// --- many, and a journal that is not always willing

static void put_batch(const struct disk *d, const char *name, unsigned count, unsigned lines)
{
    struct buffer text;
    buffer_init(&text, 64u * 1024 * 1024);
    for (unsigned i = 0; i < count; i++) {
        bool fits = buffer_printf(&text,
                                  "MAIL FROM:<a@b.example>\nRCPT TO:<c%u@d.example>\nDATA\n"
                                  "A: b\n\n%s %u\n",
                                  i, name, i);
        for (unsigned line = 0; line < lines; line++)
            fits = fits && buffer_printf(&text, "%100u\n", line);
        CU_ASSERT_FATAL(fits && buffer_append(&text, SLICE(".\n")));
    }
    put_bytes(d, name, buffer_slice(&text));
    buffer_release(&text);
}

static void test_many_files(void)
{
    char name[20];
    struct disk d;
    disk_init(&d);
    struct world *w = world_new(&d, 1);
    turn(w);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "f%u", i);
        put(&d, name, TOP "file %u", i);
    }
    TURN_UNTIL(w, idle(w));
    each_taken_once(&d, "file", 1000);
    CU_ASSERT_EQUAL(d.taken_count, 1000);
    world_stop(w);
    disk_release(&d);
}

static void test_large_file(void)
{
    struct disk d;
    disk_init(&d);
    struct world *w = world_new(&d, 1);
    put_batch(&d, "large", 10000, 30);
    TURN_UNTIL(w, idle(w));
    each_taken_once(&d, "large", 10000);
    CU_ASSERT(w->waiting_peak <= PICKUP_IN_FLIGHT_MAX);
    CU_ASSERT(w->blocks.bytes_peak < 4 * 1024 * 1024);
    world_stop(w);
    disk_release(&d);
}

// The large file waits for its verdicts; the others do not wait for it.
static void test_none_blocks_the_rest(void)
{
    struct disk d;
    disk_init(&d);
    put_batch(&d, "large", 100, 1);
    struct world *w = world_new(&d, 1);
    w->holds = true;
    TURN_UNTIL(w, w->waiting_count == PICKUP_IN_FLIGHT_MAX);
    put(&d, "small", TOP "small");
    TURN_UNTIL(w, w->waiting_count == PICKUP_IN_FLIGHT_MAX + 1);
    CU_ASSERT_PTR_NOT_NULL(memmem(body_of(w->waiting[w->waiting_count - 1].m).data, 5, "small", 5));
    w->holds = false;
    TURN_UNTIL(w, idle(w));
    CU_ASSERT_EQUAL(d.taken_count, 101);
    world_stop(w);
    disk_release(&d);
}

static void test_unwilling_journal(void)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct disk d;
        disk_init(&d);
        put_batch(&d, "one", 300, 10);
        put_batch(&d, "two", 200, 10);
        put(&d, "wrong", "MAIL FROM:<>\nRCPT TO:<a@b.example>\nDATA\nA: b\n\nx\n.\nWHAT\n");
        struct world *w = world_new(&d, seed);
        w->full = seed % 2 ? 2 : 0;
        w->later = 2;
        w->verdict_now = (uint32_t)(seed % 3) * 50;
        TURN_UNTIL(w, idle(w));
        each_taken_once(&d, "one", 300);
        each_taken_once(&d, "two", 200);
        CU_ASSERT(times_taken(&d, "x") == 1 && d.duplicate_count == 0);
        CU_ASSERT(says(&d, "bad/wrong.why", "line: 8\nmessages taken: 1\n"));
        world_stop(w);
        disk_release(&d);
    }
}

// Memory for a part of the messages only: they wait, and none is lost.
static void test_little_memory(void)
{
    struct disk d;
    disk_init(&d);
    put_batch(&d, "large", 200, 1000);
    struct world *w = world_new(&d, 1);
    w->blocks.bytes_max = 1024 * 1024;
    TURN_UNTIL(w, idle(w));
    each_taken_once(&d, "large", 200);
    CU_ASSERT(w->blocks.bytes_peak <= 1024 * 1024);
    world_stop(w);
    disk_release(&d);
}

// --- stops and crashes

static void test_stop(void)
{
    struct disk d;
    disk_init(&d);
    put_batch(&d, "large", 1000, 1);
    struct world *w = world_new(&d, 1);
    TURN_UNTIL(w, d.taken_count > 100);
    world_stop(w);
    CU_ASSERT(d.taken_count < 1000 && names_in(&d, "taken") == 1);
    w = world_new(&d, 2);
    TURN_UNTIL(w, idle(w));
    each_taken_once(&d, "large", 1000);
    CU_ASSERT_EQUAL(d.duplicate_count, 0);
    world_stop(w);
    disk_release(&d);
}

// As time does, and other keys.
static void forget_keys(struct disk *d)
{
    for (uint32_t i = 0; i < d->taken_count; i++)
        memset(d->taken[i].key, 0, sizeof(d->taken[i].key));
}

// The journal knows of nothing that was taken before the last start; verdicts come in any order.
static void test_stop_and_forget(void)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct disk d;
        unsigned stops = 0;
        disk_init(&d);
        put_batch(&d, "one", 300, 10);
        put_batch(&d, "two", 300, 1);
        for (bool ended = false; !ended; stops++) {
            struct world *w = world_new(&d, seed * 1000 + stops);
            w->later = 10;
            TURN_UNTIL(w, idle(w) || d.taken_count >= (stops + 1) * 40);
            ended = idle(w);
            world_stop(w);
            forget_keys(&d);
            CU_ASSERT_FATAL(stops < 100);
        }
        each_taken_once(&d, "one", 300);
        each_taken_once(&d, "two", 300);
        CU_ASSERT(d.taken_count == 600 && d.duplicate_count == 0 && stops > 2);
        disk_release(&d);
    }
}

// A file that can be neither removed nor renamed is not read again.
static void test_cannot_be_removed(void)
{
    char path[400];
    struct disk d;
    disk_init(&d);
    path_of(&d, "taken", path);
    put_batch(&d, "batch", 10, 1);
    put(&d, "half", "MAIL FROM:<>\nRCPT TO:<a@b.example>\nDATA\nA: b\n\nhalf 0\n.\nWHAT\n");
    struct world *w = world_new(&d, 1);
    w->holds = true;
    TURN_UNTIL(w, w->waiting_count == 11);
    CU_ASSERT_EQUAL(chmod(path, 0500), 0);
    w->holds = false;
    for (unsigned round = 0; round < 3; round++) {
        buffer_clear(&w->notices);
        TURN_UNTIL(w,
                   noticed(w, "batch cannot be removed") && noticed(w, "half cannot be moved to"));
        forget_keys(&d);
        for (uint32_t i = 0; i < PICKUP_FILES_MAX; i++)
            if (w->pickup->files[i].state != PICKUP_FILE_FREE)
                pickup_on_timer(w->pickup, &w->pickup->files[i].timer);
    }
    CU_ASSERT_EQUAL(chmod(path, 0700), 0);
    TURN_UNTIL(w, idle(w));
    each_taken_once(&d, "batch", 10);
    CU_ASSERT(d.taken_count == 11 && times_taken(&d, "half 0") == 1);
    CU_ASSERT(says(&d, "bad/half.why", "messages taken: 1\n"));
    world_stop(w);
    disk_release(&d);
}

static void put_for_crashes(struct disk *d)
{
    char path[400];
    put_batch(d, "batch", 70, 20);
    put(d, "one", TOP "one");
    put(d, "half", "MAIL FROM:<>\nRCPT TO:<a@b.example>\nDATA\nA: b\n\nhalf 0\n.\nMAIL FROM:<>\n");
    path_of(d, "link", path);
    CU_ASSERT_EQUAL(symlink("/nowhere", path), 0);
}

// Of a crash before the move a reason alone is left, and the next one has a number.
static bool stands_beside_its_reason(const struct disk *d, const char *name)
{
    char file[100], why[110];
    snprintf(file, sizeof(file), "bad/%s", name);
    for (unsigned number = 1; !is_there(d, file) && number < 100; number++)
        snprintf(file, sizeof(file), "bad/%s.%u", name, number);
    snprintf(why, sizeof(why), "%s.why", file);
    return is_there(d, file) && is_there(d, why);
}

static void check_after_crashes(const struct disk *d)
{
    each_taken_once(d, "batch", 70);
    CU_ASSERT_EQUAL(times_taken(d, "one"), 1);
    CU_ASSERT_EQUAL(times_taken(d, "half 0"), 1);
    CU_ASSERT_EQUAL(d->taken_count, 72);
    CU_ASSERT(stands_beside_its_reason(d, "half"));
    CU_ASSERT(stands_beside_its_reason(d, "link"));
}

// A crash behind each completion there is, and then a run to the end.
static void test_every_crash(void)
{
    bool ended = false;
    for (uint64_t crash_at = 1; !ended; crash_at++) {
        struct disk d;
        disk_init(&d);
        put_for_crashes(&d);
        struct world *w = world_new(&d, crash_at);
        w->later = 2; // percent
        while (w->completions < crash_at && !idle(w))
            turn_until(w, crash_at);
        ended = w->completions < crash_at;
        world_crash(w);
        w = world_new(&d, crash_at + 1);
        TURN_UNTIL(w, idle(w));
        check_after_crashes(&d);
        world_stop(w);
        disk_release(&d);
        CU_ASSERT_FATAL(crash_at < 1000);
        if (ended)
            printf("%u crash points ", (unsigned)crash_at);
    }
}

// One crash after the other, each a few completions after the last.
static void test_crash_upon_crash(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct disk d;
        struct random dice;
        bool ended = false;
        disk_init(&d);
        put_for_crashes(&d);
        random_init(&dice, seed);
        while (!ended) {
            struct world *w = world_new(&d, random_u64(&dice));
            uint64_t crash_at = 1 + random_below(&dice, 60);
            w->later = 1;
            while (w->completions < crash_at && !idle(w))
                turn_until(w, crash_at);
            ended = idle(w);
            world_crash(w);
        }
        check_after_crashes(&d);
        disk_release(&d);
    }
}

static const struct suite_test tests[] = {
    {"takes files", test_takes_files},
    {"many keys", test_many_keys},
    {"fresh file", test_fresh_file},
    {"names", test_names},
    {"modes", test_modes},
    {"bad files", test_bad_files},
    {"left alone", test_left_alone},
    {"written in place", test_written_in_place},
    {"unfinished", test_unfinished},
    {"unfinished block nothing", test_unfinished_block_nothing},
    {"unfinished over a stop", test_unfinished_over_a_stop},
    {"read again", test_read_again},
    {"many files", test_many_files},
    {"large file", test_large_file},
    {"none blocks the rest", test_none_blocks_the_rest},
    {"unwilling journal", test_unwilling_journal},
    {"little memory", test_little_memory},
    {"stop", test_stop},
    {"stop and forget", test_stop_and_forget},
    {"cannot be removed", test_cannot_be_removed},
    {"every crash", test_every_crash},
    {"crash upon crash", test_crash_upon_crash},
};

// Permissions mean nothing to root.
int main(int argc, char **argv)
{
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
                           setresuid(NOBODY, NOBODY, NOBODY) < 0))
        return 2;
    return suite_main("pickup", tests, COUNT_OF(tests), argc, argv);
}
