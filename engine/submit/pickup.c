#include "engine/submit/pickup_parts.h"

#include "engine/base/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static struct pickup_file *file_at(const struct pickup *p, uint32_t index)
{
    CHECK(index < p->file_count_max);
    return &p->files[index];
}

static void init_files(struct pickup *p)
{
    for (uint32_t i = 0; i < p->file_count_max; i++) {
        struct pickup_file *f = &p->files[i];
        const struct io_token token = {i, 0, p->o.io_owner, PICKUP_OP_FILE};
        f->index = i;
        f->place = (uint8_t)(i / PICKUP_FILES_MAX);
        f->generation = 1;
        f->fd = f->why_fd = -1;
        memcpy(&f->timer.owner, &token, sizeof(token));
        pickup_format_init(&f->format);
    }
}

int pickup_new(struct pickup **ret, const struct pickup_options *options)
{
    CHECK(options->place_count <= PICKUP_FOLDERS_MAX);
    struct pickup *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->o = *options;
    p->file_count_max = options->place_count * PICKUP_FILES_MAX;
    p->files = calloc(p->file_count_max + 1, sizeof(*p->files));
    p->sha256 = sha256_new();
    bool has_bodies = body_cache_init(&p->bodies, io_seed(p->o.io));
    if (!p->files || !p->sha256 || !has_bodies) {
        p->file_count_max = 0;
        pickup_free(p);
        return -ENOMEM;
    }
    random_init(&p->random, io_seed(p->o.io));
    p->hash_seed = random_u64(&p->random);
    init_files(p);
    for (uint32_t i = 0; i < options->place_count; i++) {
        p->folders[i].place = &options->places[i];
        p->folders[i].index = (uint8_t)i;
        pickup_folder_init(p, &p->folders[i]);
    }
    *ret = p;
    return 0;
}

void pickup_free(struct pickup *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->file_count_max; i++) {
        CHECK(p->files[i].state == PICKUP_FILE_FREE);
        pickup_format_release(&p->files[i].format);
        free(p->files[i].chunk);
        body_hash_release(&p->files[i].body_hash);
    }
    sha256_free(p->sha256);
    body_cache_release(&p->bodies);
    free(p->files);
    free(p);
}

void pickup_on_done(struct pickup *p, const struct io_done *done)
{
    if ((enum pickup_op)done->token.op == PICKUP_OP_FILE) {
        struct pickup_file *f = file_at(p, done->token.index);
        CHECK(f->asked && f->generation == done->token.generation);
        f->asked = false;
        pickup_file_on_done(p, f, done);
    } else {
        CHECK(done->token.index < p->o.place_count);
        pickup_folder_on_done(p, &p->folders[done->token.index], done);
    }
}

void pickup_on_timer(struct pickup *p, struct wheel_timer *t)
{
    struct io_token token;
    memcpy(&token, &t->owner, sizeof(token));
    if ((enum pickup_op)token.op == PICKUP_OP_FILE)
        pickup_file_on_timer(p, file_at(p, token.index));
    else
        pickup_folder_on_timer(p, &p->folders[token.index]);
}

void pickup_turn(struct pickup *p)
{
    for (uint32_t i = 0; i < p->file_count_max; i++)
        if (p->files[i].news)
            pickup_file_turn(p, &p->files[i]);
    for (uint32_t i = 0; i < p->o.place_count; i++)
        pickup_folder_turn(p, &p->folders[i]);
}

bool pickup_busy(const struct pickup *p)
{
    for (uint32_t i = 0; i < p->file_count_max; i++)
        if (p->files[i].news)
            return true;
    for (uint32_t i = 0; i < p->o.place_count; i++)
        if (pickup_folder_busy(p, &p->folders[i]))
            return true;
    return false;
}

void pickup_stop(struct pickup *p)
{
    if (p->stopping)
        return;
    p->stopping = true;
    for (uint32_t i = 0; i < p->o.place_count; i++)
        pickup_folder_stop(p, &p->folders[i]);
    for (uint32_t i = 0; i < p->file_count_max; i++)
        p->files[i].news = p->files[i].state != PICKUP_FILE_FREE;
}

void pickup_abandon(struct pickup *p)
{
    pickup_stop(p);
    p->abandoned = true;
    for (uint32_t i = 0; i < p->file_count_max; i++)
        p->files[i].news = p->files[i].state != PICKUP_FILE_FREE;
}

bool pickup_stopped(const struct pickup *p)
{
    if (!p->stopping)
        return false;
    for (uint32_t i = 0; i < p->o.place_count; i++)
        if (!pickup_folder_stopped(&p->folders[i]))
            return false;
    return true;
}

void pickup_notice(struct pickup *p, const char *format, ...)
{
    va_list args;
    if (p->notice_count == PICKUP_NOTICES_MAX)
        return;
    va_start(args, format);
    vsnprintf(p->notices[(p->notice_first + p->notice_count++) % PICKUP_NOTICES_MAX],
              PICKUP_NOTICE_BYTES, format, args);
    va_end(args);
}

bool pickup_next_notice(struct pickup *p, char text[PICKUP_NOTICE_BYTES])
{
    if (p->notice_count == 0)
        return false;
    memcpy(text, p->notices[p->notice_first], PICKUP_NOTICE_BYTES);
    p->notice_first = (p->notice_first + 1) % PICKUP_NOTICES_MAX;
    p->notice_count--;
    return true;
}

struct pickup_counters pickup_counters(const struct pickup *p)
{
    return p->counters;
}
