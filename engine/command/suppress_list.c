#include "engine/command/suppress_list.h"

#include "engine/command/ask.h"
#include "engine/privileges.h"
#include "engine/smtp/address.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLDER "suppression"
#define FIRST_NAME "list.00000001"
#define HEAD "posthaste suppression 1\n"
#define LINES_BYTES_MAX (1024u * 1024)
#define REQUEST_BYTES_MAX 7168u // of the 8,192 that the engine takes
#define DAY_US (UINT64_C(86400) * 1000000)

struct slice suppress_address(struct slice text, char to[SUPPRESSION_ADDRESS_BYTES_MAX])
{
    struct address a;
    char domain[ADDRESS_DOMAIN_BYTES_MAX + 1];
    if (address_parse(text, true, &a) != ADDRESS_OK || a.domain.len == 0)
        return SLICE_EMPTY;
    size_t len = address_domain_ascii(a.domain, domain);
    return len > 0 ? suppression_text(a.text, slice_make(domain, len), to) : SLICE_EMPTY;
}

// The file with the highest number, as the engine has it.
static void find_name(int folder_fd, char name[NAME_MAX + 1])
{
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    memcpy(name, FIRST_NAME, sizeof(FIRST_NAME));
    while (folder && (entry = readdir(folder)))
        if (strlen(entry->d_name) == strlen(FIRST_NAME) &&
            strncmp(entry->d_name, "list.", 5) == 0 && strcmp(entry->d_name, name) > 0)
            memcpy(name, entry->d_name, sizeof(FIRST_NAME)); // of that length
    if (folder)
        closedir(folder);
    else if (fd >= 0)
        close(fd);
}

// --- reading

static bool map_file(struct suppress_list *l, int fd)
{
    struct stat about;
    if (fstat(fd, &about) < 0)
        return false;
    if (about.st_size == 0)
        return true;
    void *at = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
        return false;
    l->text = at;
    l->text_bytes = (size_t)about.st_size;
    return true;
}

static bool open_list(struct suppress_list *l, const char *state_dir, struct refusal *why)
{
    char path[SETTING_TEXT_BYTES + sizeof("/" FOLDER)], name[NAME_MAX + 1];
    snprintf(path, sizeof(path), "%s/" FOLDER, state_dir);
    int folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
    for (int tries = 0; folder_fd >= 0 && fd < 0 && tries < 3;
         tries++) { // another may take its place
        find_name(folder_fd, name);
        fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    }
    bool is_ok = fd >= 0 ? map_file(l, fd) : errno == ENOENT;
    if (!is_ok)
        refuse(why, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    if (folder_fd >= 0)
        close(folder_fd);
    return is_ok;
}

static bool apply_all(struct suppress_list *l, struct refusal *why)
{
    struct slice rest = slice_make(l->text, l->text_bytes);
    struct suppression_line line;
    enum suppression_read got;
    if (slice_starts(rest, SLICE(HEAD)))
        rest = slice_skip(rest, strlen(HEAD));
    while ((got = suppression_line_next(&rest, &line)) != SUPPRESSION_MORE) {
        l->line_count++;
        l->bad_count += got == SUPPRESSION_BAD;
        if (got == SUPPRESSION_BAD)
            continue;
        if (line.removes)
            (void)suppression_remove(&l->held, line.address);
        else if (!suppression_add(&l->held, line.address, line.until, l->today))
            return refuse(why, "not enough memory for all addresses");
        suppression_reclaim(&l->held, NULL);
    }
    return true;
}

bool suppress_list_read(struct suppress_list *l, const struct config *c, struct refusal *why)
{
    uint64_t seed[2];
    *l = (struct suppress_list){.today = suppression_day((uint64_t)time(NULL) * 1000000)};
    if (getrandom(seed, sizeof(seed), 0) != sizeof(seed) || !suppression_init(&l->held, seed))
        return refuse(why, "not enough memory");
    if (open_list(l, c->state_dir, why) && apply_all(l, why))
        return true;
    suppress_list_release(l);
    return false;
}

void suppress_list_release(struct suppress_list *l)
{
    suppression_release(&l->held);
    if (l->text)
        munmap((void *)(uintptr_t)l->text, l->text_bytes);
    l->text = NULL;
}

bool suppress_list_next(struct suppress_list *l, struct slice *rest, struct suppression_line *ret)
{
    enum suppression_read got;
    while ((got = suppression_line_next(rest, ret)) != SUPPRESSION_MORE) {
        if (got == SUPPRESSION_BAD || ret->removes || ret->until <= l->today ||
            suppression_until(&l->held, ret->address) != ret->until)
            continue;
        (void)suppression_remove(&l->held, ret->address); // told of
        return true;
    }
    return false;
}

// --- changing

static int open_for_change(int folder_fd, const struct privileges *user)
{
    char name[NAME_MAX + 1];
    struct stat about;
    find_name(folder_fd, name);
    int fd = openat(folder_fd, name, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    bool is_ok = fstat(fd, &about) == 0;
    if (is_ok && about.st_size == 0)
        is_ok = (geteuid() != 0 || fchown(fd, user->uid, user->gid) == 0) &&
                write(fd, HEAD, strlen(HEAD)) == (ssize_t)strlen(HEAD);
    if (is_ok && fsync(fd) == 0 && fsync(folder_fd) == 0)
        return fd;
    close(fd);
    return -1;
}

// Asked before the lock is taken, whose refusal does not say why it is one.
static bool is_locked(const char *state_dir)
{
    char path[SETTING_TEXT_BYTES + sizeof("/lock")];
    snprintf(path, sizeof(path), "%s/lock", state_dir);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    bool is = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    if (fd >= 0)
        close(fd);
    return is;
}

// --- by the engine that runs

static void no_line(void *context, struct slice line)
{
    (void)context, (void)line;
}

static bool ask(struct suppress_change *s, struct refusal *why)
{
    const struct ask_place place = {.config_file = s->config_file};
    bool is_ok = s->request.len == 0 || ask_exchange("suppress", &place, buffer_slice(&s->request),
                                                     no_line, NULL) == COMMAND_DONE;
    buffer_clear(&s->request);
    return is_ok || refuse(why, "the engine has not done all of it");
}

// False: the request is full, and as it was.
static bool add_words(struct suppress_change *s, const struct suppression_line *l)
{
    char date[SUPPRESSION_DATE_BYTES];
    size_t before = s->request.len;
    bool is_ok = before > 0 || words_put(&s->request, "suppress", SLICE_EMPTY);
    if (before == 0 || s->until != l->until || !slice_equal(s->category, l->category))
        is_ok = is_ok &&
                words_put(&s->request, "until", slice_of_text(suppression_date(l->until, date))) &&
                words_put(&s->request, "category", l->category);
    is_ok = is_ok && words_put(&s->request, l->removes ? "remove" : "add", l->address);
    if (!is_ok)
        s->request.len = before;
    s->until = l->until;
    s->category = l->category;
    return is_ok;
}

static bool ask_for(struct suppress_change *s, const struct suppression_line *l,
                    struct refusal *why)
{
    return add_words(s, l) ||
           (ask(s, why) && (add_words(s, l) || refuse(why, "not enough memory")));
}

// --- both

bool suppress_change_open(struct suppress_change *s, const struct config *c,
                          const char *config_file, struct refusal *why)
{
    struct privileges user;
    *s = (struct suppress_change){.fd = -1, .config_file = config_file};
    buffer_init(&s->request, REQUEST_BYTES_MAX);
    s->asks = is_locked(c->state_dir);
    if (s->asks)
        return true;
    if (!privileges_find(c->user, &user, why) ||
        !state_dir_open(&s->state, c->state_dir, user.uid, user.gid, why))
        return false;
    int folder_fd = state_dir_folder(&s->state, c->state_dir, FOLDER, user.uid, user.gid, why);
    if (folder_fd >= 0) {
        s->fd = open_for_change(folder_fd, &user);
        if (s->fd < 0)
            refuse(why, "%s/" FOLDER ": %s", c->state_dir, strerror(errno));
        close(folder_fd);
    }
    if (s->fd < 0)
        state_dir_close(&s->state);
    buffer_init(&s->lines, LINES_BYTES_MAX);
    return s->fd >= 0;
}

static bool append_lines(struct suppress_change *s, struct refusal *why)
{
    struct slice rest = buffer_slice(&s->lines);
    bool is_ok = true;
    while (is_ok && rest.len > 0) {
        ssize_t written = write(s->fd, rest.data, rest.len);
        is_ok = written > 0;
        rest = slice_skip(rest, written > 0 ? (size_t)written : 0);
    }
    buffer_clear(&s->lines);
    return is_ok || refuse(why, "the list cannot be written: %s", strerror(errno));
}

// The empty line in front ends what a crash may have torn.
bool suppress_change_put(struct suppress_change *s, const struct suppression_line *l,
                         struct refusal *why)
{
    if (s->asks)
        return ask_for(s, l, why);
    if ((s->lines.len > 0 || buffer_append_byte(&s->lines, '\n')) &&
        suppression_line_put(&s->lines, l))
        return true;
    return append_lines(s, why) && buffer_append_byte(&s->lines, '\n') &&
           (suppression_line_put(&s->lines, l) || refuse(why, "not enough memory"));
}

bool suppress_change_end(struct suppress_change *s, struct refusal *why)
{
    if (s->asks) {
        bool is_done = ask(s, why);
        buffer_release(&s->request);
        return is_done;
    }
    bool is_ok = append_lines(s, why);
    if (is_ok && fdatasync(s->fd) < 0)
        is_ok = refuse(why, "the list cannot be written: %s", strerror(errno));
    buffer_release(&s->lines);
    close(s->fd);
    state_dir_close(&s->state);
    return is_ok;
}

uint16_t suppress_until(uint64_t for_us)
{
    uint64_t day = ((uint64_t)time(NULL) * 1000000 + for_us + DAY_US - 1) / DAY_US;
    return day < SUPPRESSION_FOR_EVER ? (uint16_t)day : SUPPRESSION_FOR_EVER;
}
