// tests/sim_disk_stage.c: one thing after the other, to the end of the process and on in the next.
#include "tests/sim_disk_stage.h"

struct io_token token(uint32_t index)
{
    return (struct io_token){.index = index, .owner = 3};
}

struct io_token next_token(struct stage *s)
{
    return token(++s->asked);
}

static bool take_seen(struct stage *s, uint32_t index, struct io_done *ret)
{
    for (unsigned i = 0; i < s->seen_count; i++) {
        if (s->seen[i].token.index != index)
            continue;
        *ret = s->seen[i];
        s->seen_count--;
        memmove(&s->seen[i], &s->seen[i + 1], (s->seen_count - i) * sizeof(s->seen[0]));
        return true;
    }
    return false;
}

struct io_done await(struct stage *s, uint32_t index)
{
    struct io_done found = {0};
    struct io *io;
    bool is_found;
    while (!(is_found = take_seen(s, index, &found)) && world_next(s->world, &io)) {
        while (s->seen_count < COUNT_OF(s->seen) && io_next(io, &s->seen[s->seen_count]))
            s->seen_count++;
        io_wait(io, UINT64_MAX);
    }
    PROMISE(is_found);
    return found;
}

int last(struct stage *s)
{
    return await(s, s->asked).result;
}

static void start_process(struct stage *s)
{
    PROMISE(io_new(&s->io, NULL) == 0);
    s->dir = world_folder(s->world, "a");
    s->other_dir = world_folder(s->world, "b");
}

void stage_start(struct stage *s, const struct world_options *options)
{
    memset(s, 0, sizeof(*s));
    s->world = world_new(options);
    start_process(s);
}

void stage_end(struct stage *s)
{
    io_free(s->io);
    world_free(s->world);
}

void stage_restart(struct stage *s, void (*death)(struct world *w))
{
    death(s->world);
    io_free(s->io);
    s->seen_count = 0;
    start_process(s);
}

int open_file(struct stage *s, const char *name, int flags)
{
    io_open(s->io, s->dir, name, flags, 0600, next_token(s));
    return last(s);
}

void ask_write(struct stage *s, unsigned slot, int fd, uint64_t offset, const char *letters)
{
    size_t count = strlen(letters);
    PROMISE(count * SECTOR <= sizeof(s->bytes[slot]));
    for (size_t i = 0; i < count; i++)
        memset(s->bytes[slot] + i * SECTOR, letters[i], SECTOR);
    s->pieces[slot] = (struct iovec){s->bytes[slot], count * SECTOR};
    io_write(s->io, fd, &s->pieces[slot], 1, offset, next_token(s));
}

int write_at(struct stage *s, int fd, uint64_t offset, const char *letters)
{
    ask_write(s, 0, fd, offset, letters);
    return last(s);
}

int sync_of(struct stage *s, int fd)
{
    io_sync(s->io, fd, next_token(s));
    return last(s);
}

int sync_all(struct stage *s, int fd)
{
    io_sync_all(s->io, fd, next_token(s));
    return last(s);
}

int rename_to(struct stage *s, const char *from, int to_dir, const char *to)
{
    io_rename(s->io, s->dir, from, to_dir, to, next_token(s));
    return last(s);
}

int unlink_of(struct stage *s, const char *name)
{
    io_unlink(s->io, s->dir, name, next_token(s));
    return last(s);
}

int durable_file(struct stage *s, const char *name, const char *letters)
{
    int fd = open_file(s, name, O_RDWR | O_CREAT);
    PROMISE(fd >= 0);
    PROMISE(write_at(s, fd, 0, letters) == (int)(strlen(letters) * SECTOR));
    PROMISE(sync_of(s, fd) == 0 && sync_all(s, s->dir) == 0);
    return fd;
}

const char *letters_of(struct stage *s, const char *path, enum world_view view)
{
    static char word[16];
    char sector[SECTOR];
    size_t len = 0, got;
    while ((got = world_disk_read(s->world, path, view, len * SECTOR, sector, SECTOR)) > 0) {
        PROMISE(len + 1 < sizeof(word));
        word[len] = sector[0] ? sector[0] : '0';
        for (size_t i = 1; i < got; i++)
            if (sector[i] != sector[0])
                word[len] = '?';
        len++;
    }
    word[len] = '\0';
    return word;
}

void add_word(struct words *w, const char *word)
{
    unsigned at = 0;
    while (at < w->count && strcmp(w->of[at], word) < 0)
        at++;
    if (at < w->count && strcmp(w->of[at], word) == 0)
        return;
    PROMISE(w->count < WORDS_MAX && strlen(word) < sizeof(w->of[0]));
    memmove(w->of[at + 1], w->of[at], (w->count - at) * sizeof(w->of[0]));
    memcpy(w->of[at], word, strlen(word) + 1);
    w->count++;
}

void join(char *line, size_t line_bytes, const char *separator, const char *word)
{
    size_t len = strlen(line);
    PROMISE(len + strlen(separator) + strlen(word) < line_bytes);
    snprintf(line + len, line_bytes - len, "%s%s", separator, word);
}
