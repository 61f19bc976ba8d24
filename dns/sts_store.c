// dns/sts_store.c: the MTA-STS policies that are known.
#include "dns/sts_store.h"

#include "dns/name.h"
#include "engine/base/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BUCKETS 4096u
#define FILE_BYTES_MAX (STS_MX_BYTES_MAX + STS_MX_COUNT_MAX * 8 + 512)
#define NEW_NAME ".new" // no domain begins with a dot

struct entry {
    struct entry *next;
    uint64_t expires_s;
    char *domain;
    struct sts_known known; // as far as it goes: see known_bytes()
};

struct sts_store {
    pthread_mutex_t lock; // guards the table
    pthread_mutex_t disk_lock;
    int dir_fd;
    uint64_t seed;
    uint32_t count;
    struct entry *buckets[BUCKETS];
};

// --- the table

static size_t known_bytes(const struct sts_known *k)
{
    return offsetof(struct sts_known, policy.mx) + k->policy.mx_bytes;
}

static struct entry **find_link(struct sts_store *s, struct slice domain)
{
    struct entry **link = &s->buckets[slice_hash(domain, s->seed) % BUCKETS];
    while (*link && !slice_equal(slice_of_text((*link)->domain), domain))
        link = &(*link)->next;
    return link;
}

static void entry_free(struct entry *e)
{
    if (e)
        free(e->domain);
    free(e);
}

static void drop(struct sts_store *s, struct entry **link)
{
    struct entry *e = *link;
    *link = e->next;
    s->count--;
    entry_free(e);
}

// Returns its domain, which is the caller's.
static char *drop_soonest(struct sts_store *s)
{
    struct entry **soonest = NULL;
    for (uint32_t i = 0; i < BUCKETS; i++)
        for (struct entry **link = &s->buckets[i]; *link; link = &(*link)->next)
            if (!soonest || (*link)->expires_s < (*soonest)->expires_s)
                soonest = link;
    CHECK(soonest);
    char *domain = (*soonest)->domain;
    (*soonest)->domain = NULL;
    drop(s, soonest);
    return domain;
}

static struct entry *entry_new(struct slice domain, const struct sts_known *known)
{
    struct entry *e = calloc(1, offsetof(struct entry, known) + known_bytes(known));
    if (e)
        e->domain = strndup(domain.data, domain.len);
    if (!e || !e->domain) {
        entry_free(e);
        return NULL;
    }
    memcpy(&e->known, known, known_bytes(known));
    e->expires_s = known->fetched_s + known->policy.max_age_s;
    return e;
}

// *ret_dropped: the domain that had to make room, for the caller to free; NULL: none.
static bool put(struct sts_store *s, struct slice domain, const struct sts_known *known,
                char **ret_dropped)
{
    struct entry *e = entry_new(domain, known);
    *ret_dropped = NULL;
    if (!e)
        return false;
    pthread_mutex_lock(&s->lock);
    struct entry **link = find_link(s, domain);
    if (*link)
        drop(s, link);
    else if (s->count == STS_POLICIES_MAX)
        *ret_dropped = drop_soonest(s);
    link = find_link(s, domain);
    e->next = *link;
    *link = e;
    s->count++;
    pthread_mutex_unlock(&s->lock);
    return true;
}

bool sts_store_find(struct sts_store *s, struct slice domain, uint64_t wall_s,
                    struct sts_known *ret)
{
    pthread_mutex_lock(&s->lock);
    const struct entry *e = *find_link(s, domain);
    bool found = e && e->expires_s > wall_s;
    if (found)
        memcpy(ret, &e->known, known_bytes(&e->known));
    pthread_mutex_unlock(&s->lock);
    return found;
}

uint32_t sts_store_count(struct sts_store *s)
{
    pthread_mutex_lock(&s->lock);
    uint32_t count = s->count;
    pthread_mutex_unlock(&s->lock);
    return count;
}

// --- files

// "fetched: 1764366000", wherever it stands.
static struct slice value_of(struct slice text, struct slice key)
{
    while (text.len > 0) {
        struct slice value = slice_cut(&text, '\n');
        if (slice_equal(slice_cut(&value, ':'), key))
            return slice_trim(value);
    }
    return SLICE_EMPTY;
}

static bool read_known(struct slice text, struct sts_known *ret)
{
    const char *why;
    struct slice id = value_of(text, SLICE("id"));
    if (id.len == 0 || id.len > STS_ID_BYTES_MAX ||
        !slice_to_u64(value_of(text, SLICE("fetched")), UINT32_MAX, &ret->fetched_s) ||
        !sts_policy_parse(text, &ret->policy, &why))
        return false;
    memcpy(ret->id, id.data, id.len);
    ret->id[id.len] = '\0';
    return true;
}

static void load_file(struct sts_store *s, const char *name, uint64_t wall_s)
{
    char text[FILE_BYTES_MAX];
    struct sts_known known;
    char *dropped;
    struct slice domain = slice_of_text(name);
    if (!dns_name_is_host(domain))
        return;
    int fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return;
    ssize_t len = read(fd, text, sizeof(text));
    close(fd);
    if (len <= 0 || !read_known(slice_make(text, (size_t)len), &known))
        return;
    if (known.fetched_s + known.policy.max_age_s <= wall_s)
        (void)unlinkat(s->dir_fd, name, 0);
    else if (put(s, domain, &known, &dropped))
        CHECK(!dropped); // no more are read than there is room for
}

static void load(struct sts_store *s, uint64_t wall_s)
{
    int fd = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *item;
    while (folder && s->count < STS_POLICIES_MAX && (item = readdir(folder)))
        load_file(s, item->d_name, wall_s);
    if (folder)
        closedir(folder);
    else if (fd >= 0)
        close(fd);
}

static bool print_known(const struct sts_known *known, struct buffer *out)
{
    return sts_policy_print(&known->policy, out) &&
           buffer_printf(out, "id: %s\nfetched: %llu\n", known->id,
                         (unsigned long long)known->fetched_s);
}

static int write_file(struct sts_store *s, const char *name, struct slice text)
{
    int error = 0;
    int fd = openat(s->dir_fd, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    0600);
    if (fd < 0)
        return -errno;
    errno = EIO; // of a short write
    if (write(fd, text.data, text.len) != (ssize_t)text.len || fsync(fd) < 0 ||
        renameat(s->dir_fd, NEW_NAME, s->dir_fd, name) < 0)
        error = -errno;
    close(fd);
    return error;
}

static bool is_there(struct sts_store *s, const char *domain)
{
    pthread_mutex_lock(&s->lock);
    bool is = *find_link(s, slice_of_text(domain));
    pthread_mutex_unlock(&s->lock);
    return is;
}

// With the disk's lock: so nobody writes it meanwhile who has put it there again.
static void forget_file(struct sts_store *s, const char *domain)
{
    if (domain && !is_there(s, domain))
        (void)unlinkat(s->dir_fd, domain, 0);
}

int sts_store_put(struct sts_store *s, struct slice domain, const struct sts_known *known)
{
    char name[DNS_NAME_BYTES_MAX + 1], *dropped;
    struct buffer text;
    CHECK(dns_name_is_host(domain));
    if (!put(s, domain, known, &dropped))
        return -ENOMEM;
    memcpy(name, domain.data, domain.len);
    name[domain.len] = '\0';
    buffer_init(&text, FILE_BYTES_MAX);
    int error = s->dir_fd < 0 || print_known(known, &text) ? 0 : -ENOMEM;
    if (s->dir_fd >= 0) {
        pthread_mutex_lock(&s->disk_lock);
        forget_file(s, dropped);
        if (error == 0)
            error = write_file(s, name, buffer_slice(&text));
        pthread_mutex_unlock(&s->disk_lock);
    }
    buffer_release(&text);
    free(dropped);
    return error;
}

// --- life

int sts_store_open(struct sts_store **ret, int dir_fd, uint64_t seed, uint64_t wall_s)
{
    struct sts_store *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->dir_fd = dir_fd;
    s->seed = seed;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->disk_lock, NULL);
    if (dir_fd >= 0)
        load(s, wall_s);
    *ret = s;
    return 0;
}

void sts_store_free(struct sts_store *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < BUCKETS; i++)
        while (s->buckets[i])
            drop(s, &s->buckets[i]);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->disk_lock);
    free(s);
}
