// tests/sim/folder.c: names of files, as seen now and durable, and the changes between the two.
#include "tests/sim/disk.h"

#include <errno.h>
#include <stdlib.h>

// --- names

static struct sim_entry *find_entry(const struct sim_names *names, const char *name)
{
    for (uint32_t i = 0; i < names->count; i++)
        if (strcmp(names->entries[i].name, name) == 0)
            return &names->entries[i];
    return NULL;
}

struct sim_inode *sim_names_find(const struct sim_names *names, const char *name)
{
    const struct sim_entry *e = find_entry(names, name);
    return e ? e->inode : NULL;
}

static void names_remove(struct sim_disk *d, struct sim_names *names, const char *name)
{
    struct sim_entry *e = find_entry(names, name);
    if (!e)
        return;
    free(e->name);
    sim_inode_unref(d, e->inode);
    *e = names->entries[--names->count];
}

static char *copy_of(const char *text)
{
    char *copy = strdup(text);
    CHECK(copy);
    return copy;
}

// In place of what had the name.
static void names_set(struct sim_disk *d, struct sim_names *names, const char *name,
                      struct sim_inode *inode)
{
    sim_inode_ref(inode);
    names_remove(d, names, name);
    if (names->count == names->room) {
        names->room = names->room ? names->room * 2 : 16;
        names->entries = realloc(names->entries, names->room * sizeof(names->entries[0]));
        CHECK(names->entries);
    }
    names->entries[names->count++] = (struct sim_entry){copy_of(name), inode};
}

static void names_release(struct sim_disk *d, struct sim_names *names)
{
    while (names->count > 0)
        names_remove(d, names, names->entries[0].name);
    free(names->entries);
    *names = (struct sim_names){0};
}

// --- folders

struct sim_folder *sim_folder_named(const struct sim_disk *d, const char *name)
{
    struct sim_folder *f = d->folders;
    while (f && strcmp(f->name, name) != 0)
        f = f->next;
    return f;
}

struct sim_folder *sim_folder_make(struct sim_disk *d, const char *name)
{
    struct sim_folder *f = sim_folder_named(d, name);
    if (f)
        return f;
    f = calloc(1, sizeof(*f));
    CHECK(f);
    f->name = copy_of(name);
    f->next = d->folders;
    return d->folders = f;
}

static void see_name(struct sim_disk *d, struct sim_folder *f, const char *name,
                     struct sim_inode *inode)
{
    names_set(d, &f->now, name, inode);
    inode->link_count++;
}

static void lose_name(struct sim_disk *d, struct sim_folder *f, const char *name)
{
    struct sim_inode *inode = sim_names_find(&f->now, name);
    if (!inode)
        return;
    inode->link_count--;
    names_remove(d, &f->now, name);
}

// --- changes

static void change_release(struct sim_disk *d, struct sim_change *c)
{
    free(c->from_name);
    free(c->to_name);
    sim_inode_unref(d, c->inode);
    *c = (struct sim_change){0};
}

static void add_change(struct sim_disk *d, struct sim_inode *inode, struct sim_folder *from,
                       const char *from_name, struct sim_folder *to, const char *to_name)
{
    if (d->change_count == d->change_room) {
        d->change_room = d->change_room ? d->change_room * 2 : 16;
        d->changes = realloc(d->changes, d->change_room * sizeof(d->changes[0]));
        CHECK(d->changes);
    }
    d->changes[d->change_count++] = (struct sim_change){
        .serial = ++d->serial,
        .inode = sim_inode_ref(inode),
        .from = from,
        .to = to,
        .from_name = from ? copy_of(from_name) : NULL,
        .to_name = to ? copy_of(to_name) : NULL,
    };
}

// Takes out those that have no end left that is pending.
static void drop_done_changes(struct sim_disk *d)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < d->change_count; i++) {
        if (d->changes[i].from || d->changes[i].to)
            d->changes[kept++] = d->changes[i];
        else
            change_release(d, &d->changes[i]);
    }
    d->change_count = kept;
}

int sim_folder_create(struct sim_disk *d, struct sim_folder *f, const char *name,
                      struct sim_inode **ret)
{
    if (sim_names_find(&f->now, name))
        return -EEXIST;
    struct sim_inode *inode = sim_inode_new(d);
    see_name(d, f, name, inode);
    add_change(d, inode, NULL, NULL, f, name);
    sim_inode_unref(d, inode); // its name holds it
    *ret = inode;
    return 0;
}

int sim_folder_rename(struct sim_disk *d, struct sim_folder *from, const char *from_name,
                      struct sim_folder *to, const char *to_name)
{
    struct sim_inode *inode = sim_names_find(&from->now, from_name);
    if (!inode)
        return -ENOENT;
    if (sim_names_find(&to->now, to_name))
        return -EEXIST;
    add_change(d, inode, from, from_name, to, to_name);
    see_name(d, to, to_name, inode);
    lose_name(d, from, from_name);
    return 0;
}

int sim_folder_unlink(struct sim_disk *d, struct sim_folder *f, const char *name)
{
    struct sim_inode *inode = sim_names_find(&f->now, name);
    if (!inode)
        return -ENOENT;
    add_change(d, inode, f, name, NULL, NULL);
    lose_name(d, f, name);
    return 0;
}

// What was pending for this name is over; the other end of a renaming stays as it is.
void sim_folder_put(struct sim_disk *d, struct sim_folder *f, const char *name,
                    struct sim_inode *inode)
{
    for (uint32_t i = 0; i < d->change_count; i++) {
        struct sim_change *c = &d->changes[i];
        if (c->from == f && strcmp(c->from_name, name) == 0)
            c->from = NULL;
        if (c->to == f && strcmp(c->to_name, name) == 0)
            c->to = NULL;
    }
    drop_done_changes(d);
    lose_name(d, f, name);
    see_name(d, f, name, inode);
    names_set(d, &f->durable, name, inode);
}

// --- reaching the disk

static void make_to_durable(struct sim_disk *d, struct sim_change *c)
{
    if (c->to)
        names_set(d, &c->to->durable, c->to_name, c->inode);
    c->to = NULL;
}

// The new name first: no file system loses both.
static void make_durable(struct sim_disk *d, struct sim_change *c)
{
    make_to_durable(d, c);
    if (c->from && sim_names_find(&c->from->durable, c->from_name) == c->inode)
        names_remove(d, &c->from->durable, c->from_name);
    c->from = NULL;
}

void sim_folder_sync(struct world *w, struct sim_folder *f, uint64_t covered, bool fails)
{
    struct sim_disk *d = w->disk;
    for (uint32_t i = 0; i < d->change_count; i++) {
        struct sim_change *c = &d->changes[i];
        if (c->serial > covered || (c->from != f && c->to != f))
            continue;
        if (fails && random_below(&w->dice, 2))
            c->from = c->to = NULL; // lost for good: seen until the power is gone
        else if (c->from == f)
            make_durable(d, c);
        else
            make_to_durable(d, c);
    }
    drop_done_changes(d);
}

// Nothing can come of an operation when one on the same name, on which it builds, is lost.
static bool makes_sense(const struct sim_change *c)
{
    if (c->from && sim_names_find(&c->from->durable, c->from_name) != c->inode)
        return false;
    return !c->to || !sim_names_find(&c->to->durable, c->to_name);
}

static void cut_changes(struct world *w)
{
    struct sim_disk *d = w->disk;
    for (uint32_t i = 0; i < d->change_count; i++) {
        struct sim_change *c = &d->changes[i];
        if (random_below(&w->dice, 2) && makes_sense(c)) {
            // In two folders the name that goes may stay longer than the other takes to come.
            if (c->from != c->to && c->from && c->to && random_below(&w->dice, 2))
                c->from = NULL;
            make_durable(d, c);
        }
        change_release(d, c);
    }
    d->change_count = 0;
}

void sim_folders_cut(struct world *w)
{
    struct sim_disk *d = w->disk;
    cut_changes(w);
    for (struct sim_folder *f = d->folders; f; f = f->next) {
        while (f->now.count > 0)
            lose_name(d, f, f->now.entries[0].name);
        for (uint32_t i = 0; i < f->durable.count; i++)
            see_name(d, f, f->durable.entries[i].name, f->durable.entries[i].inode);
    }
}

void sim_folders_free(struct sim_disk *d)
{
    for (uint32_t i = 0; i < d->change_count; i++)
        change_release(d, &d->changes[i]);
    free(d->changes);
    for (struct sim_folder *f = d->folders, *next; f; f = next) {
        next = f->next;
        names_release(d, &f->now);
        names_release(d, &f->durable);
        free(f->name);
        free(f);
    }
}
