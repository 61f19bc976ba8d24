// tests/durability/cache_disk.c: a disk in memory with a volatile write cache, for power cuts. A
// plugin of nbdkit(1):
//
//   nbdkit -f -U disk.sock cache_disk.so size=BYTES control=PATH [flush-us=N]
//
// A flush takes N microseconds, as with real disks: a power cut during it finds work to undo.
//
// Owns:      the medium (what survives), the cache (what a reader sees), and which sectors differ.
// Promises:  what was written is seen at once, and survives only when a flush came after it.
// Knows not: files, file systems, mail.
//
// One client at a time may connect to the unix socket PATH and say, a line each:
//
//   cut              The power is gone: from now on every request fails, and nothing is kept any
//                    more. Answer: "cut N", the sectors that stand only in the cache.
//   on SEED KEEP     It is back. Each of these sectors, by dice, has reached the medium with a
//                    chance of KEEP in 1000, and else holds what it held before. Answer: "on N",
//                    those that were kept.
#define NBDKIT_API_VERSION 2
#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

#include <errno.h>
#include <nbdkit-plugin.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SECTOR_BYTES 512u // what a disk writes whole or not at all
#define WORD_SECTORS 64u

static struct disk {
    pthread_mutex_t mutex; // all below
    bool off;
    uint64_t bytes;
    uint8_t *medium;
    uint8_t *cache;
    uint64_t *pending;        // a bit for each sector in which the two differ
    const char *control_path; // from here on nothing changes once we serve
    unsigned flush_us;
    int listener;
} disk = {.mutex = PTHREAD_MUTEX_INITIALIZER, .listener = -1};

static uint64_t word_count(void)
{
    return (disk.bytes / SECTOR_BYTES + WORD_SECTORS - 1) / WORD_SECTORS;
}

// The whole cache goes to the medium, or by dice a part of it. How many sectors did.
static uint64_t settle(bool by_dice, uint64_t seed, unsigned keep_per_1000)
{
    uint64_t kept_count = 0;
    for (uint64_t word = 0; word < word_count(); word++) {
        for (uint64_t bits = disk.pending[word]; bits; bits &= bits - 1) {
            uint64_t at = (word * WORD_SECTORS + (unsigned)__builtin_ctzll(bits)) * SECTOR_BYTES;
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            if (!by_dice || (seed >> 33) % 1000 < keep_per_1000) {
                memcpy(disk.medium + at, disk.cache + at, SECTOR_BYTES);
                kept_count++;
            } else {
                memcpy(disk.cache + at, disk.medium + at, SECTOR_BYTES);
            }
        }
        disk.pending[word] = 0;
    }
    return kept_count;
}

static uint64_t pending_count(void)
{
    uint64_t count = 0;
    for (uint64_t word = 0; word < word_count(); word++)
        count += (unsigned)__builtin_popcountll(disk.pending[word]);
    return count;
}

// ---------------------------------------------------------------------------------- control

static void obey(FILE *client, int fd)
{
    char line[128];
    unsigned long long seed;
    unsigned keep_per_1000;
    while (fgets(line, sizeof(line), client)) {
        pthread_mutex_lock(&disk.mutex);
        if (strcmp(line, "cut\n") == 0) {
            disk.off = true;
            dprintf(fd, "cut %llu\n", (unsigned long long)pending_count());
        } else if (sscanf(line, "on %llu %u", &seed, &keep_per_1000) == 2) {
            uint64_t kept_count = settle(true, seed, keep_per_1000);
            disk.off = false;
            dprintf(fd, "on %llu\n", (unsigned long long)kept_count);
        } else {
            dprintf(fd, "what?\n");
        }
        pthread_mutex_unlock(&disk.mutex);
    }
}

static void *listen_to_orders(void *unused)
{
    (void)unused;
    for (;;) {
        int fd = accept(disk.listener, NULL, NULL);
        FILE *client = fd < 0 ? NULL : fdopen(fd, "r");
        if (!client)
            return NULL;
        obey(client, fd);
        fclose(client);
    }
}

static int disk_after_fork(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    pthread_t thread;
    if (strlen(disk.control_path) >= sizeof(name.sun_path)) {
        nbdkit_error("control: too long a path");
        return -1;
    }
    memcpy(name.sun_path, disk.control_path, strlen(disk.control_path) + 1);
    disk.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (disk.listener < 0 || bind(disk.listener, (struct sockaddr *)&name, sizeof(name)) < 0 ||
        listen(disk.listener, 1) < 0 ||
        pthread_create(&thread, NULL, listen_to_orders, NULL) != 0) {
        nbdkit_error("control=%s: %m", disk.control_path);
        return -1;
    }
    pthread_detach(thread);
    return 0;
}

// ---------------------------------------------------------------------------------- start

static int disk_config(const char *key, const char *value)
{
    if (strcmp(key, "size") == 0) {
        int64_t bytes = nbdkit_parse_size(value);
        disk.bytes = bytes < 0 ? 0 : (uint64_t)bytes;
    } else if (strcmp(key, "flush-us") == 0) {
        return nbdkit_parse_unsigned(key, value, &disk.flush_us);
    } else if (strcmp(key, "control") == 0) {
        disk.control_path = nbdkit_absolute_path(value);
    } else {
        nbdkit_error("unknown parameter: %s", key);
        return -1;
    }
    return 0;
}

static int disk_config_complete(void)
{
    if (disk.bytes > 0 && disk.bytes % SECTOR_BYTES == 0 && disk.control_path)
        return 0;
    nbdkit_error("size=BYTES, of whole sectors, and control=PATH are needed");
    return -1;
}

// Pages that nobody has written to cost nothing.
static void *zeros(uint64_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static int disk_get_ready(void)
{
    disk.medium = zeros(disk.bytes);
    disk.cache = zeros(disk.bytes);
    disk.pending = zeros(word_count() * sizeof(uint64_t));
    if (disk.medium && disk.cache && disk.pending)
        return 0;
    nbdkit_error("no memory for the disk");
    return -1;
}

// ---------------------------------------------------------------------------------- requests

static void *disk_open(int readonly)
{
    (void)readonly;
    return NBDKIT_HANDLE_NOT_NEEDED;
}

static int64_t disk_get_size(void *handle)
{
    (void)handle;
    return (int64_t)disk.bytes;
}

// nbdkit has checked that a request lies within the disk.
static bool enter(void)
{
    pthread_mutex_lock(&disk.mutex);
    if (!disk.off)
        return true;
    pthread_mutex_unlock(&disk.mutex);
    nbdkit_set_error(EIO);
    return false;
}

static int leave(void)
{
    pthread_mutex_unlock(&disk.mutex);
    return 0;
}

static int disk_pread(void *handle, void *to, uint32_t bytes, uint64_t offset, uint32_t flags)
{
    (void)handle, (void)flags;
    if (!enter())
        return -1;
    memcpy(to, disk.cache + offset, bytes);
    return leave();
}

static int disk_pwrite(void *handle, const void *from, uint32_t bytes, uint64_t offset,
                       uint32_t flags)
{
    (void)handle, (void)flags; // nbdkit follows up with a flush where a write must be durable
    if (!enter())
        return -1;
    memcpy(disk.cache + offset, from, bytes);
    for (uint64_t sector = offset / SECTOR_BYTES; sector * SECTOR_BYTES < offset + bytes; sector++)
        disk.pending[sector / WORD_SECTORS] |= UINT64_C(1) << sector % WORD_SECTORS;
    return leave();
}

static int disk_flush(void *handle, uint32_t flags)
{
    (void)handle, (void)flags;
    if (disk.flush_us > 0)
        usleep(disk.flush_us);
    if (!enter())
        return -1;
    settle(false, 0, 0);
    return leave();
}

static struct nbdkit_plugin plugin = {
    .name = "cache-disk",
    .longname = "a disk whose write cache can be lost",
    .config = disk_config,
    .config_complete = disk_config_complete,
    .get_ready = disk_get_ready,
    .after_fork = disk_after_fork,
    .open = disk_open,
    .get_size = disk_get_size,
    .pread = disk_pread,
    .pwrite = disk_pwrite,
    .flush = disk_flush,
    .errno_is_preserved = 0,
};

struct nbdkit_plugin *plugin_init(void); // what nbdkit looks for
NBDKIT_REGISTER_PLUGIN(plugin)
