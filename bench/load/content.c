#include "bench/load/content.h"

#include "bench/fields.h"
#include "bench/load/normalise.h"
#include "engine/base/check.h"
#include "engine/smtp/content.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define POOL_SEED 2821 // always the same text: runs compare

// Words of a newsletter: text like mail, that compresses like mail, without a single dot.
static const char *const words[] = {
    "and",     "the",   "offer",   "weekend", "your",  "order",  "has",    "been",
    "shipped", "today", "account", "please",  "visit", "garden", "winter", "news",
    "from",    "our",   "readers", "about",   "a",     "of",     "letter", "subscription",
};

static void write_line(char line[LOAD_LINE_BYTES], struct random *dice)
{
    size_t at = 0;
    while (at < LOAD_LINE_BYTES - 2) {
        const char *word = words[random_below(dice, COUNT_OF(words))];
        while (*word && at < LOAD_LINE_BYTES - 2)
            line[at++] = *word++;
        if (at < LOAD_LINE_BYTES - 3)
            line[at++] = ' ';
    }
    line[LOAD_LINE_BYTES - 2] = '\r';
    line[LOAD_LINE_BYTES - 1] = '\n';
}

int load_content_generate(struct load_content **ret_content, uint64_t bytes_min, uint64_t bytes_max)
{
    CHECK(bytes_min <= bytes_max && bytes_max <= LOAD_SIZE_BYTES_MAX);
    struct load_content *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->bytes_min = bytes_min;
    c->bytes_max = bytes_max;
    c->pool_bytes = (bytes_max / LOAD_LINE_BYTES + 1) * LOAD_LINE_BYTES;
    c->pool = malloc(c->pool_bytes);
    if (!c->pool) {
        load_content_free(c);
        return -ENOMEM;
    }
    struct random dice;
    random_init(&dice, POOL_SEED);
    for (size_t at = 0; at < c->pool_bytes; at += LOAD_LINE_BYTES)
        write_line(c->pool + at, &dice);
    *ret_content = c;
    return 0;
}

void load_content_free(struct load_content *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; i < c->file_count; i++)
        free((char *)(uintptr_t)c->files[i].bytes.data);
    free(c->files);
    free(c->pool);
    free(c);
}

// Reads a whole file; *ret_bytes is the caller's to free.
static int read_whole(int dir_fd, const char *name, char **ret_bytes, size_t *ret_len)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    struct stat st;
    int error = fstat(fd, &st) < 0 ? -errno : 0;
    if (!error && !S_ISREG(st.st_mode))
        error = -EISDIR;
    if (!error && (uint64_t)st.st_size > LOAD_SIZE_BYTES_MAX)
        error = -EFBIG;
    size_t size = error ? 0 : (size_t)st.st_size, len = 0;
    char *bytes = error ? NULL : malloc(size + 1);
    if (!error && !bytes)
        error = -ENOMEM;
    while (!error && len < size) {
        ssize_t got = read(fd, bytes + len, size - len);
        if (got < 0)
            error = -errno;
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    close(fd);
    if (error) {
        free(bytes);
        return error;
    }
    *ret_bytes = bytes;
    *ret_len = len;
    return 0;
}

// Takes `bytes` out of *text.
static void cut_out(char *text, size_t *len, struct slice bytes)
{
    size_t at = (size_t)(bytes.data - text);
    memmove(text + at, text + at + bytes.len, *len - at - bytes.len);
    *len -= bytes.len;
}

static void describe_as_is(struct load_file *file, struct slice header, struct sha256 *hash)
{
    uint8_t digest[SHA256_BYTES];
    file->message_id = fields_message_id(header);
    sha256_start(hash);
    sha256_add(hash, slice_skip(file->bytes, fields_leading_trace(file->bytes)));
    sha256_end(hash, digest);
    sha256_hex(digest, file->hex);
}

// Fills `file` from the bytes of a file on disk.
static int file_make(struct load_file *file, struct slice raw, bool as_is, struct sha256 *hash)
{
    char *text = malloc(normalised_bytes_max(raw.len));
    if (!text)
        return -ENOMEM;
    size_t len = normalise_lines(raw, text), header_end = len;
    fields_header_end(slice_make(text, len), 0, &header_end);
    struct slice header = slice_make(text, header_end);
    file->has_date = fields_find(header, SLICE("Date")).len > 0;
    if (!as_is) {
        struct slice field = fields_find(header, SLICE("Message-ID"));
        if (field.len > 0)
            cut_out(text, &len, field);
    }
    file->bytes = slice_make(text, len);
    struct content_scan scan = {0};
    content_scan(&scan, file->bytes);
    file->has_dot_lines = scan.has_dot_lines;
    file->has_8bit = scan.has_8bit;
    if (as_is)
        describe_as_is(file, header, hash);
    return 0;
}

static int add_file(struct load_content *c, int dir_fd, const char *name, struct sha256 *hash)
{
    char *raw = NULL;
    size_t len = 0;
    int error = read_whole(dir_fd, name, &raw, &len);
    if (error)
        return error == -EISDIR ? 0 : error; // folders and devices are no messages
    error = file_make(&c->files[c->file_count], slice_make(raw, len), c->as_is, hash);
    if (!error)
        c->file_count++;
    free(raw);
    return error;
}

static int add_folder(struct load_content *c, const char *folder)
{
    struct dirent **names = NULL;
    int count = scandir(folder, &names, NULL, alphasort);
    if (count < 0)
        return -errno;
    int dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = dir_fd < 0 ? -errno : 0;
    struct sha256 *hash = sha256_new();
    c->files = calloc((size_t)count, sizeof(*c->files));
    if (!error && (!hash || !c->files))
        error = -ENOMEM;
    for (int i = 0; i < count; i++) {
        if (!error && names[i]->d_name[0] != '.' && c->file_count < LOAD_FILES_MAX)
            error = add_file(c, dir_fd, names[i]->d_name, hash);
        free(names[i]);
    }
    free(names);
    sha256_free(hash);
    if (dir_fd >= 0)
        close(dir_fd);
    return !error && c->file_count == 0 ? -ENOENT : error;
}

int load_content_read(struct load_content **ret_content, const char *folder, bool as_is)
{
    struct load_content *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->as_is = as_is;
    int error = add_folder(c, folder);
    if (error) {
        load_content_free(c);
        return error;
    }
    *ret_content = c;
    return 0;
}

uint64_t load_content_draw_bytes(const struct load_content *c, struct random *dice)
{
    uint64_t spread = c->bytes_max - c->bytes_min;
    return spread ? c->bytes_min + random_below(dice, (uint32_t)spread + 1) : c->bytes_min;
}

struct slice load_content_pool(const struct load_content *c, size_t bytes)
{
    CHECK(bytes <= c->pool_bytes);
    return slice_make(c->pool + c->pool_bytes - bytes, bytes);
}
