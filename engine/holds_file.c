#include "engine/holds_file.h"

#include "engine/base/check.h"
#include "engine/base/words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "holds"
#define NEW_NAME "holds.new"
#define LINE_BYTES_MAX (SELECTOR_WORDS_BYTES_MAX + 64)
// Ends a line that could not be written whole: it may look like another one. Words never have two
// blanks between them.
#define UNFINISHED "  unfinished"
// Behind a line that may not be on the disk, and was refused because of that.
#define UNDONE "undone\n"

enum { OP_WRITE, OP_SYNC, OP_UNDO };

// --- at start

static bool read_line(struct slice line, bool *ret_holds, struct selector *ret)
{
    struct slice key, value;
    *ret = (struct selector){0};
    if (!words_next(&line, &key, &value))
        return false;
    *ret_holds = slice_equal(key, SLICE("hold"));
    if (!*ret_holds && !slice_equal(key, SLICE("release")))
        return false;
    while (words_next(&line, &key, &value))
        if (selector_set(ret, key, value))
            return false;
    return line.len == 0 && !selector_says_nothing(ret);
}

static bool apply_reroute(struct reroutes *reroutes, struct slice line)
{
    struct slice key, value, domain = SLICE_EMPTY, via = SLICE_EMPTY;
    while (words_next(&line, &key, &value)) {
        if (slice_equal(key, SLICE("domain")))
            domain = value;
        else if (slice_equal(key, SLICE("via")))
            via = value;
        else
            return false;
    }
    return line.len == 0 && domain.len > 0 && reroutes_set(reroutes, domain, via);
}

static bool apply_line(struct holds **holds, struct reroutes *reroutes, struct slice line)
{
    struct selector s;
    bool adds;
    if (line.len == 0 || slice_ends(line, SLICE(UNFINISHED)))
        return true;
    if (slice_starts(line, SLICE("reroute ")))
        return apply_reroute(reroutes, slice_skip(line, sizeof("reroute ") - 1));
    if (!read_line(line, &adds, &s))
        return false;
    if (adds && holds_find(*holds, &s) < HOLDS_MAX)
        return true; // said before
    if (adds && *holds && (*holds)->count == HOLDS_MAX)
        return false;
    struct holds *changed = adds ? holds_with(*holds, &s) : holds_released(*holds, &s);
    if (!changed)
        return false;
    free(*holds);
    *holds = changed;
    return true;
}

static bool read_all(int fd, struct buffer *text)
{
    for (;;) {
        char *to = buffer_reserve(text, 65536);
        ssize_t got = to ? read(fd, to, 65536) : -1;
        if (got <= 0)
            return got == 0;
        buffer_advance(text, (size_t)got);
    }
}

static bool apply_lines(struct holds **holds, struct reroutes *reroutes, struct slice rest,
                        const char *path, struct refusal *why)
{
    bool good = true;
    for (size_t len, number = 1; good && (len = slice_find(rest, '\n')) < rest.len; number++) {
        struct slice line = slice_take(rest, len);
        rest = slice_skip(rest, len + 1);
        if (slice_starts(rest, SLICE(UNDONE))) {
            rest = slice_skip(rest, strlen(UNDONE));
            number++;
            continue;
        }
        good = apply_line(holds, reroutes, line);
        if (!good) // mail that was to be held is not sent because of that
            refuse(why,
                   "%s/" NAME
                   ": line %zu is none that the engine writes: mend it, or move the file "
                   "away, and all holds and reroutes with it",
                   path, number);
    }
    return good;
}

static bool load(int state_fd, const char *path, struct holds **holds, struct reroutes *reroutes,
                 struct refusal *why)
{
    struct buffer text;
    int fd = openat(state_fd, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT || refuse(why, "%s/" NAME ": %s", path, strerror(errno));
    buffer_init(&text, HOLDS_FILE_BYTES_MAX);
    bool good = read_all(fd, &text);
    close(fd);
    if (!good)
        refuse(why, "%s/" NAME ": it cannot be read, or is too long", path);
    if (good)
        good = apply_lines(holds, reroutes, buffer_slice(&text), path, why);
    buffer_release(&text);
    return good;
}

static bool put_line(struct buffer *out, const char *word, const struct selector *s)
{
    return words_put(out, word, SLICE_EMPTY) && selector_print(s, out) &&
           buffer_append_byte(out, '\n');
}

static bool put_reroute(struct buffer *out, const char *domain, const char *via)
{
    return words_put(out, "reroute", SLICE_EMPTY) &&
           words_put(out, "domain", slice_of_text(domain)) &&
           (!via[0] || words_put(out, "via", slice_of_text(via))) && buffer_append_byte(out, '\n');
}

// What is in force, in a file that takes the place of the old one once it is safe.
static int write_anew(int state_fd, uid_t uid, gid_t gid, const struct holds *holds,
                      const struct reroutes *reroutes)
{
    struct buffer text;
    buffer_init(&text, HOLDS_FILE_BYTES_MAX);
    bool good = true;
    for (uint32_t i = 0; good && holds && i < holds->count; i++)
        good = put_line(&text, "hold", &holds->items[i]);
    for (uint32_t i = 0; good && i < reroutes->count; i++)
        good = put_reroute(&text, reroutes->items[i].domain, reroutes->items[i].via);
    int fd = openat(state_fd, NEW_NAME,
                    O_WRONLY | O_APPEND | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    good = good && fd >= 0 && write(fd, text.data, text.len) == (ssize_t)text.len &&
           (geteuid() != 0 || fchown(fd, uid, gid) == 0) && fsync(fd) == 0 &&
           renameat(state_fd, NEW_NAME, state_fd, NAME) == 0 && fsync(state_fd) == 0;
    buffer_release(&text);
    if (good)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

int holds_file_open(int state_fd, const char *path, uid_t uid, gid_t gid, struct holds **ret_holds,
                    struct reroutes *reroutes, struct refusal *why)
{
    struct holds *holds = NULL;
    int fd = -1;
    if (load(state_fd, path, &holds, reroutes, why)) {
        fd = write_anew(state_fd, uid, gid, holds, reroutes);
        if (fd < 0)
            refuse(why, "%s/" NAME ": %s", path, strerror(errno));
    }
    if (fd < 0) {
        free(holds);
        holds = NULL;
    }
    *ret_holds = holds;
    return fd;
}

// --- while the engine runs

void holds_file_init(struct holds_file *f, struct io *io, int fd, uint8_t io_owner)
{
    struct io_file about;
    *f = (struct holds_file){.io = io, .fd = fd, .io_owner = io_owner};
    if (fd >= 0 && io_file_of(io, fd, &about) == 0)
        f->bytes = about.bytes;
    buffer_init(&f->line, LINE_BYTES_MAX);
}

void holds_file_release(struct holds_file *f)
{
    CHECK(!f->busy);
    buffer_release(&f->line);
}

static struct io_token token_of(const struct holds_file *f, uint8_t op)
{
    return (struct io_token){0, 0, f->io_owner, op};
}

static void begin_line(struct holds_file *f)
{
    CHECK(!f->busy);
    f->error = 0;
    f->written = 0;
    buffer_clear(&f->line);
    if (f->torn)
        CHECK(buffer_append(&f->line, SLICE(UNFINISHED "\n"))); // an empty buffer takes it
}

static void write_line(struct holds_file *f, bool fits)
{
    if (f->fd < 0)
        return;
    // The next start writes it anew; it must be able to read it.
    if (!fits || f->bytes + f->line.len + strlen(UNDONE) > HOLDS_FILE_BYTES_MAX) {
        f->error = fits ? -EFBIG : -E2BIG;
        return;
    }
    f->busy = true;
    io_append(f->io, f->fd, buffer_slice(&f->line), token_of(f, OP_WRITE));
}

void holds_file_append(struct holds_file *f, const char *word, const struct selector *s)
{
    begin_line(f);
    write_line(f, put_line(&f->line, word, s));
}

void holds_file_append_reroute(struct holds_file *f, const char *domain, const char *via)
{
    begin_line(f);
    write_line(f, put_reroute(&f->line, domain, via));
}

static void on_write(struct holds_file *f, int32_t result)
{
    if (result <= 0) {
        f->error = result < 0 ? result : -EIO;
        f->torn = true;
        f->busy = false;
        return;
    }
    f->written += (size_t)result;
    f->bytes += (size_t)result;
    if (f->written < f->line.len)
        io_append(f->io, f->fd, slice_skip(buffer_slice(&f->line), f->written),
                  token_of(f, OP_WRITE));
    else
        io_sync(f->io, f->fd, token_of(f, OP_SYNC));
}

// The disk may have the line, or not: the next start shall not go by it. Whether the disk has that
// it will not tell; after a crash of the engine alone the file says it.
static void on_sync(struct holds_file *f, int32_t result)
{
    f->torn = false;
    f->error = result < 0 ? result : 0;
    f->busy = result < 0;
    if (f->busy)
        io_append(f->io, f->fd, SLICE(UNDONE), token_of(f, OP_UNDO));
}

static void on_undo(struct holds_file *f, int32_t result)
{
    f->bytes += result > 0 ? (uint64_t)result : 0;
    f->torn = result > 0 && (size_t)result < strlen(UNDONE);
    f->busy = false;
}

void holds_file_on_done(struct holds_file *f, const struct io_done *done)
{
    CHECK(f->busy);
    switch (done->token.op) {
    case OP_WRITE: on_write(f, done->result); break;
    case OP_SYNC: on_sync(f, done->result); break;
    case OP_UNDO: on_undo(f, done->result); break;
    default: CHECK(false);
    }
}
