// tests/sim_disk_test.c: what is left on the simulated disk after a kill, a power cut, or a sync
// that failed.
#include "tests/sim_disk_stage.h"

#include <stdlib.h>

// --- looking: a word for what there is

static const char *look_sectors(struct stage *s)
{
    return letters_of(s, "a/f", WORLD_CACHED);
}

static const char *look_size(struct stage *s)
{
    uint64_t bytes = 0;
    if (!world_disk_size(s->world, "a/f", WORLD_CACHED, &bytes))
        return "none";
    return bytes == SECTOR ? "old" : bytes == 3 * SECTOR ? "new" : "between";
}

static const char *look_names(struct stage *s)
{
    static char word[64];
    static const char *const paths[] = {"a/f", "a/g", "a/h", "b/g"};
    uint64_t bytes;
    word[0] = '\0';
    for (unsigned i = 0; i < COUNT_OF(paths); i++)
        if (world_disk_size(s->world, paths[i], WORLD_CACHED, &bytes))
            join(word, sizeof(word), *word ? "," : "", paths[i]);
    return *word ? word : "none";
}

// --- what may be seen after the end of a process: exactly these, and each with some seed

static void write_only(struct stage *s)
{
    write_at(s, durable_file(s, "f", "O"), 0, "N");
}

static void write_synced(struct stage *s)
{
    int fd = durable_file(s, "f", "O");
    write_at(s, fd, 0, "N");
    PROMISE(sync_of(s, fd) == 0);
}

static void write_synced_by_another(struct stage *s)
{
    int fd = durable_file(s, "f", "O"), other = open_file(s, "f", O_RDONLY);
    write_at(s, fd, 0, "N");
    io_close(s->io, fd);
    PROMISE(sync_of(s, other) == 0);
}

// The sync may have begun before the write was done, or after.
static void sync_then_write(struct stage *s)
{
    int fd = durable_file(s, "f", "O");
    io_sync(s->io, fd, next_token(s));
    uint32_t sync = s->asked;
    ask_write(s, 0, fd, 0, "N");
    last(s);
    PROMISE(await(s, sync).result == 0);
}

static void written_twice(struct stage *s)
{
    int fd = durable_file(s, "f", "O");
    write_at(s, fd, 0, "M");
    write_at(s, fd, 0, "N");
}

static void sync_between(struct stage *s)
{
    int fd = durable_file(s, "f", "O");
    write_at(s, fd, 0, "M");
    sync_of(s, fd);
    write_at(s, fd, 0, "N");
}

static void two_sectors(struct stage *s)
{
    write_at(s, durable_file(s, "f", "OO"), 0, "MN");
}

static void half_a_sector(struct stage *s)
{
    write_at(s, durable_file(s, "f", "OO"), SECTOR / 2, "N");
}

static void linked(struct stage *s)
{
    int fd = durable_file(s, "f", "OO");
    memset(s->bytes[0], 'N', 2 * SECTOR);
    s->pieces[0] = (struct iovec){s->bytes[0], SECTOR};
    s->pieces[1] = (struct iovec){s->bytes[0] + SECTOR, SECTOR};
    io_write_and_sync(s->io, fd, s->pieces, 2, 0, token(1000), token(1001));
    PROMISE(await(s, 1000).result == 2 * SECTOR && await(s, 1001).result == 0);
}

static void sync_failed(struct stage *s)
{
    int fd = durable_file(s, "f", "O");
    write_at(s, fd, 0, "N");
    world_fail_file_operation(s->world, world_file_operation_count(s->world) + 1, -EIO, false);
    PROMISE(sync_of(s, fd) == -EIO);
    PROMISE(sync_of(s, fd) == 0); // which says nothing
}

// It never ran: the next one makes good what this one did not.
static void sync_cancelled(struct stage *s)
{
    int fd = durable_file(s, "f", "O");
    write_at(s, fd, 0, "N");
    world_fail_file_operation(s->world, world_file_operation_count(s->world) + 1, -ECANCELED,
                              false);
    PROMISE(sync_of(s, fd) == -ECANCELED);
    PROMISE(sync_of(s, fd) == 0);
}

static void written_again_after_failure(struct stage *s)
{
    sync_failed(s);
    int fd = open_file(s, "f", O_RDWR);
    write_at(s, fd, 0, "N");
    PROMISE(sync_of(s, fd) == 0);
}

static void grown(struct stage *s)
{
    write_at(s, durable_file(s, "f", "O"), SECTOR, "NN");
}

static void grown_synced(struct stage *s)
{
    int fd = durable_file(s, "f", "O");
    write_at(s, fd, SECTOR, "NN");
    sync_of(s, fd);
}

static void allocated(struct stage *s)
{
    int fd = durable_file(s, "f", "O");
    io_allocate(s->io, fd, 3 * SECTOR, next_token(s));
    PROMISE(last(s) == 0);
}

static void allocated_synced(struct stage *s)
{
    int fd = durable_file(s, "f", "O");
    io_allocate(s->io, fd, 3 * SECTOR, next_token(s));
    PROMISE(last(s) == 0 && sync_all(s, fd) == 0);
}

static void grown_sync_failed(struct stage *s)
{
    int fd = durable_file(s, "f", "O");
    write_at(s, fd, SECTOR, "NN");
    world_fail_file_operation(s->world, world_file_operation_count(s->world) + 1, -EIO, false);
    PROMISE(sync_of(s, fd) == -EIO && sync_of(s, fd) == 0);
}

// The size was lost with the first sync; the second has new bytes behind it, and is good.
static void grown_after_failure(struct stage *s)
{
    int fd = durable_file(s, "f", "O");
    write_at(s, fd, SECTOR, "NN");
    world_fail_file_operation(s->world, world_file_operation_count(s->world) + 1, -ENOSPC, false);
    PROMISE(sync_of(s, fd) == -ENOSPC);
    write_at(s, fd, SECTOR, "NN");
    PROMISE(sync_of(s, fd) == 0);
}

static void truncated(struct stage *s)
{
    durable_file(s, "f", "OOO");
    int fd = open_file(s, "f", O_RDWR | O_TRUNC);
    write_at(s, fd, 0, "N");
    PROMISE(sync_of(s, fd) == 0);
}

static void created(struct stage *s)
{
    open_file(s, "f", O_RDWR | O_CREAT);
}

static void created_file_synced(struct stage *s)
{
    int fd = open_file(s, "f", O_RDWR | O_CREAT);
    write_at(s, fd, 0, "N");
    PROMISE(sync_all(s, fd) == 0);
}

static void created_synced(struct stage *s)
{
    created(s);
    PROMISE(sync_all(s, s->dir) == 0);
}

static void created_sync_failed(struct stage *s)
{
    created(s);
    world_fail_file_operation(s->world, world_file_operation_count(s->world) + 1, -EIO, false);
    PROMISE(sync_all(s, s->dir) == -EIO && sync_all(s, s->dir) == 0);
}

static void created_renamed(struct stage *s)
{
    created(s);
    PROMISE(rename_to(s, "f", s->dir, "g") == 0);
}

static void renamed(struct stage *s)
{
    durable_file(s, "f", "O");
    PROMISE(rename_to(s, "f", s->dir, "g") == 0);
}

static void renamed_synced(struct stage *s)
{
    renamed(s);
    PROMISE(sync_all(s, s->dir) == 0);
}

static void renamed_twice(struct stage *s)
{
    renamed(s);
    PROMISE(rename_to(s, "g", s->dir, "h") == 0);
}

static void moved(struct stage *s)
{
    durable_file(s, "f", "O");
    PROMISE(rename_to(s, "f", s->other_dir, "g") == 0);
}

static void moved_new_synced(struct stage *s)
{
    moved(s);
    PROMISE(sync_all(s, s->other_dir) == 0);
}

static void moved_old_synced(struct stage *s)
{
    moved(s);
    PROMISE(sync_all(s, s->dir) == 0);
}

static void unlinked(struct stage *s)
{
    durable_file(s, "f", "O");
    PROMISE(unlink_of(s, "f") == 0);
}

static void unlinked_synced(struct stage *s)
{
    unlinked(s);
    PROMISE(sync_all(s, s->dir) == 0);
}

static void two_unlinked(struct stage *s)
{
    durable_file(s, "f", "O");
    durable_file(s, "g", "O");
    PROMISE(unlink_of(s, "f") == 0 && unlink_of(s, "g") == 0);
}

static void replaced(struct stage *s)
{
    unlinked(s);
    int fd = open_file(s, "f", O_RDWR | O_CREAT | O_EXCL);
    write_at(s, fd, 0, "N");
    PROMISE(sync_of(s, fd) == 0);
}

static void write_asked(struct stage *s)
{
    ask_write(s, 0, durable_file(s, "f", "OO"), 0, "NN");
}

static void two_writes_asked(struct stage *s)
{
    int fd = durable_file(s, "f", "OO");
    ask_write(s, 0, fd, 0, "N");
    ask_write(s, 1, fd, SECTOR, "N");
}

static void create_asked(struct stage *s)
{
    io_open(s->io, s->dir, "f", O_RDWR | O_CREAT, 0600, next_token(s));
}

static void rename_asked(struct stage *s)
{
    durable_file(s, "f", "O");
    io_rename(s->io, s->dir, "f", s->dir, "g", next_token(s));
}

static void unlink_asked(struct stage *s)
{
    durable_file(s, "f", "O");
    io_unlink(s->io, s->dir, "f", next_token(s));
}

static void allocate_asked(struct stage *s)
{
    int fd = durable_file(s, "f", "O");
    io_allocate(s->io, fd, 3 * SECTOR, next_token(s));
}

static void write_cancelled(struct stage *s)
{
    write_asked(s);
    io_cancel(s->io, token(s->asked));
    int result = last(s);
    PROMISE(result == -ECANCELED || result == 2 * SECTOR);
}

static void write_closed(struct stage *s)
{
    int fd = durable_file(s, "f", "OO");
    ask_write(s, 0, fd, 0, "NN");
    io_close(s->io, fd);
    int result = last(s);
    PROMISE(result == -ECANCELED || result == -EBADF || result == 2 * SECTOR);
}

typedef void death(struct world *w);

static const struct case_of_death {
    const char *name;
    void (*act)(struct stage *s);
    const char *(*look)(struct stage *s);
    death *death;
    uint32_t torn_sector;
    const char *want; // sorted words
} cases[] = {
    {"write", write_only, look_sectors, world_power_cut, 0, "N O"},
    {"write, torn", write_only, look_sectors, world_power_cut, 300000, "? N O"},
    {"write, synced", write_synced, look_sectors, world_power_cut, 300000, "N"},
    {"write, synced by another descriptor", write_synced_by_another, look_sectors, world_power_cut,
     0, "N"},
    {"sync asked, then a write", sync_then_write, look_sectors, world_power_cut, 0, "N O"},
    {"sector written twice", written_twice, look_sectors, world_power_cut, 0, "M N O"},
    {"sync between", sync_between, look_sectors, world_power_cut, 0, "M N"},
    {"two sectors", two_sectors, look_sectors, world_power_cut, 0, "MN MO ON OO"},
    {"half a sector, and half the next", half_a_sector, look_sectors, world_power_cut, 0,
     "?? ?O O? OO"},
    {"write and sync", linked, look_sectors, world_power_cut, 0, "NN"},
    {"sync failed", sync_failed, look_sectors, world_power_cut, 0, "N O"},
    {"sync cancelled, then good", sync_cancelled, look_sectors, world_power_cut, 0, "N"},
    {"sync failed, written again", written_again_after_failure, look_sectors, world_power_cut, 0,
     "N"},
    {"grown, size", grown, look_size, world_power_cut, 0, "between new old"},
    {"grown and synced", grown_synced, look_sectors, world_power_cut, 0, "ONN"},
    {"grown, sync failed", grown_sync_failed, look_size, world_power_cut, 0, "new old"},
    {"grown again after a failed sync", grown_after_failure, look_sectors, world_power_cut, 0,
     "ONN"},
    {"truncated, written, synced", truncated, look_sectors, world_power_cut, 0, "N"},
    {"allocated", allocated, look_size, world_power_cut, 0, "between new old"},
    {"allocated and synced", allocated_synced, look_sectors, world_power_cut, 0, "O00"},
    {"created", created, look_names, world_power_cut, 0, "a/f none"},
    {"created, file synced", created_file_synced, look_names, world_power_cut, 0, "a/f none"},
    {"created, folder synced", created_synced, look_names, world_power_cut, 0, "a/f"},
    {"created, sync of folder failed", created_sync_failed, look_names, world_power_cut, 0,
     "a/f none"},
    {"created and renamed", created_renamed, look_names, world_power_cut, 0, "a/f a/g none"},
    {"renamed", renamed, look_names, world_power_cut, 0, "a/f a/g"},
    {"renamed and synced", renamed_synced, look_names, world_power_cut, 0, "a/g"},
    {"renamed twice", renamed_twice, look_names, world_power_cut, 0, "a/f a/g a/h"},
    {"moved", moved, look_names, world_power_cut, 0, "a/f a/f,b/g b/g"},
    {"moved, new folder synced", moved_new_synced, look_names, world_power_cut, 0, "a/f,b/g b/g"},
    {"moved, old folder synced", moved_old_synced, look_names, world_power_cut, 0, "b/g"},
    {"unlinked", unlinked, look_names, world_power_cut, 0, "a/f none"},
    {"unlinked and synced", unlinked_synced, look_names, world_power_cut, 0, "none"},
    {"two unlinked", two_unlinked, look_names, world_power_cut, 0, "a/f a/f,a/g a/g none"},
    {"unlinked, created anew", replaced, look_names, world_power_cut, 0, "a/f none"},
    {"unlinked, created anew: bytes", replaced, look_sectors, world_power_cut, 0, " N O"},
    {"write asked for", write_asked, look_sectors, world_power_cut, 0, "?O N? NN NO O? ON OO"},

    {"kill: write", write_only, look_sectors, world_process_killed, 0, "N"},
    {"kill: created", created, look_names, world_process_killed, 0, "a/f"},
    {"kill: renamed", created_renamed, look_names, world_process_killed, 0, "a/g"},
    {"kill: unlinked", unlinked, look_names, world_process_killed, 0, "none"},
    {"kill: sync failed", sync_failed, look_sectors, world_process_killed, 0, "N"},
    {"kill: write asked for", write_asked, look_sectors, world_process_killed, 0, "?O N? NN OO"},
    {"kill: two writes asked for", two_writes_asked, look_sectors, world_process_killed, 0,
     "?? ?N ?O N? NN NO O? ON OO"},
    {"kill: creating", create_asked, look_names, world_process_killed, 0, "a/f none"},
    {"kill: renaming", rename_asked, look_names, world_process_killed, 0, "a/f a/g"},
    {"kill: unlinking", unlink_asked, look_names, world_process_killed, 0, "a/f none"},
    {"kill: allocating", allocate_asked, look_size, world_process_killed, 0, "new old"},
    {"kill: write cancelled", write_cancelled, look_sectors, world_process_killed, 0, "NN OO"},
    {"kill: write, closed", write_closed, look_sectors, world_process_killed, 0, "NN OO"},
};

static void test_deaths(void)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct case_of_death *c = &cases[i];
        CHECK(c->name && c->want);
        struct words words = {0};
        char got[WORDS_MAX * 16] = "";
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct stage s;
            stage_start(
                &s, &(struct world_options){.seed = seed, .faults.torn_sector = c->torn_sector});
            c->act(&s);
            stage_restart(&s, c->death);
            add_word(&words, c->look(&s));
            if (c->death == world_power_cut) { // what is left is durable, and stays
                stage_restart(&s, c->death);
                add_word(&words, c->look(&s));
            }
            stage_end(&s);
        }
        for (unsigned k = 0; k < words.count; k++)
            join(got, sizeof(got), k ? " " : "", words.of[k]);
        if (strcmp(got, c->want) != 0)
            printf("\n  %s: got \"%s\", want \"%s\"\n", c->name, got, c->want);
        CU_ASSERT_STRING_EQUAL(got, c->want);
    }
}

// --- many writes and syncs at once: each sector shows what a sync made sure of, or what came later

#define SECTORS 64
#define ROUNDS 12

struct book {
    uint32_t versions[SECTORS]; // of the last completed write
    uint32_t sure[SECTORS];     // that were completed when the last good sync was asked
    uint32_t pending[4];        // sector of the write in each slot
    uint32_t next_version;
};

// Sector k of version v begins with both; the rest follows from them.
static void stamp(char *sector, uint32_t k, uint32_t version)
{
    for (uint32_t i = 0; i < SECTOR / 8; i++) {
        uint32_t words[2] = {k, version + i};
        memcpy(sector + i * sizeof(words), words, sizeof(words));
    }
}

static uint32_t version_at(struct stage *s, uint32_t k)
{
    char got[SECTOR], want[SECTOR];
    uint32_t version;
    PROMISE(world_disk_read(s->world, "a/f", WORLD_CACHED, (uint64_t)k * SECTOR, got, SECTOR) ==
            SECTOR);
    memcpy(&version, got + 4, sizeof(version));
    memset(want, 0, SECTOR);
    if (version > 0)
        stamp(want, k, version);
    PROMISE(memcmp(got, want, SECTOR) == 0);
    return version;
}

static void write_round(struct stage *s, struct book *b, int fd)
{
    struct random *dice = world_dice(s->world);
    uint32_t before[SECTORS], sync = 0;
    memcpy(before, b->versions, sizeof(before));
    for (unsigned slot = 0; slot < 4; slot++) {
        if (slot == 2 && random_below(dice, 2)) {
            io_sync(s->io, fd, next_token(s));
            sync = s->asked;
        }
        b->pending[slot] = slot + 4 * random_below(dice, SECTORS / 4);
        stamp(s->bytes[slot], b->pending[slot], b->next_version);
        s->pieces[slot] = (struct iovec){s->bytes[slot], SECTOR};
        io_write(s->io, fd, &s->pieces[slot], 1, (uint64_t)b->pending[slot] * SECTOR,
                 token(10000 + slot));
        b->versions[b->pending[slot]] = b->next_version;
        b->next_version += SECTOR; // no two stamps have words in common
    }
    for (unsigned slot = 0; slot < 4; slot++)
        PROMISE(await(s, 10000 + slot).result == SECTOR);
    if (sync > 0 && await(s, sync).result == 0)
        memcpy(b->sure, before, sizeof(before));
}

static void test_many_writes(void)
{
    uint32_t kept = 0, lost = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct stage s;
        struct book b = {.next_version = 1};
        stage_start(&s, &(struct world_options){.seed = seed});
        int fd = open_file(&s, "f", O_RDWR | O_CREAT);
        io_allocate(s.io, fd, SECTORS * SECTOR, next_token(&s));
        PROMISE(last(&s) == 0 && sync_all(&s, fd) == 0 && sync_all(&s, s.dir) == 0);
        for (unsigned round = 0; round < ROUNDS; round++)
            write_round(&s, &b, fd);
        for (uint32_t k = 0; k < SECTORS; k++)
            PROMISE(version_at(&s, k) == b.versions[k]);
        stage_restart(&s, world_power_cut);
        for (uint32_t k = 0; k < SECTORS; k++) {
            uint32_t version = version_at(&s, k);
            PROMISE(version >= b.sure[k] && version <= b.versions[k]);
            if (b.versions[k] > b.sure[k]) {
                kept += version == b.versions[k];
                lost += version == b.sure[k];
            }
        }
        stage_end(&s);
    }
    CU_ASSERT(kept > SEEDS && lost > SEEDS);
}

// Nothing comes back from behind the end of a file that a cut has made shorter.
static void test_zeros_behind_end(void)
{
    unsigned shorter = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct stage s;
        char got[3 * SECTOR];
        uint64_t bytes;
        stage_start(&s, &(struct world_options){.seed = seed});
        grown(&s);
        stage_restart(&s, world_power_cut);
        PROMISE(world_disk_size(s.world, "a/f", WORLD_CACHED, &bytes));
        int fd = open_file(&s, "f", O_RDWR);
        io_allocate(s.io, fd, sizeof(got), next_token(&s));
        PROMISE(last(&s) == 0);
        PROMISE(world_disk_read(s.world, "a/f", WORLD_CACHED, 0, got, sizeof(got)) == sizeof(got));
        for (uint64_t i = bytes; i < sizeof(got); i++)
            PROMISE(got[i] == 0);
        shorter += bytes < sizeof(got);
        stage_end(&s);
    }
    CU_ASSERT(shorter > SEEDS / 4);
}

// --- a sync that fails (the table of what ext4 and XFS do)

static void test_failed_sync(void)
{
    unsigned olds = 0, news = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct stage s;
        stage_start(&s, &(struct world_options){.seed = seed});
        int fd = durable_file(&s, "f", "O");
        write_at(&s, fd, 0, "N");
        world_set_faults(s.world, &(struct world_faults){.sync_failure = 1000000});
        PROMISE(sync_of(&s, fd) == -EIO);
        world_heal(s.world);
        PROMISE(sync_of(&s, fd) == 0);
        int fresh = open_file(&s, "f", O_RDWR);
        PROMISE(sync_of(&s, fresh) == 0);
        PROMISE(strcmp(letters_of(&s, "a/f", WORLD_CACHED), "N") == 0);
        io_forget_cached(s.io, fd);
        const char *after = letters_of(&s, "a/f", WORLD_CACHED);
        PROMISE(strcmp(after, "O") == 0 || strcmp(after, "N") == 0);
        olds += *after == 'O';
        news += *after == 'N';
        PROMISE(strcmp(letters_of(&s, "a/f", WORLD_DURABLE), *after == 'O' ? "O" : "N") == 0);
        // What is dirty is not forgotten.
        write_at(&s, fd, 0, "P");
        io_forget_cached(s.io, fd);
        PROMISE(strcmp(letters_of(&s, "a/f", WORLD_CACHED), "P") == 0);
        stage_end(&s);
    }
    CU_ASSERT(olds > SEEDS / 10 && news > SEEDS / 10);
}

// --- the dead, and those that live elsewhere

static void test_dead_and_elsewhere(void)
{
    static death *const deaths[] = {world_power_cut, world_process_killed};
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct stage s;
        struct io *peer;
        struct io_address address;
        stage_start(&s, &(struct world_options){.seed = seed});
        PROMISE(io_new(&peer, NULL) == 0);
        world_is_elsewhere(peer);
        CHECK(io_address_parse(SLICE("127.0.0.1:0"), 0, &address));
        int listen_fd = io_listen(NULL, &address, NULL);
        io_accept(s.io, listen_fd, token(700));
        int peer_fd = io_connect(peer, &address, NULL, token(701));
        int fd = await(&s, 700).result;
        PROMISE(fd >= 0 && await(&s, 701).result == 0);
        io_receive(peer, peer_fd, token(702));
        io_receive(s.io, fd, token(703));
        int ledger = world_open_file(s.world, "ledger");
        int file = durable_file(&s, "f", "O");
        ask_write(&s, 0, file, 0, "N");
        deaths[seed % 2](s.world);
        // The dead ask for what they like.
        io_close(s.io, fd);
        io_close(s.io, file);
        io_append(s.io, ledger, SLICE("x"), token(704));
        io_sync(s.io, file, token(705));
        io_wait(s.io, 0);
        PROMISE(!io_next(s.io, &(struct io_done){0}));
        PROMISE(world_requests_in_flight(s.world) == 1);
        PROMISE(world_descriptors_open(s.world) == 2); // the peer's, and the ledger
        struct io_done done = await(&s, 702);
        PROMISE(done.ended && done.result == (seed % 2 ? 0 : -ECONNRESET));
        io_append(peer, ledger, SLICE("y"), token(706));
        PROMISE(await(&s, 706).result == 1);
        io_close(peer, peer_fd);
        io_free(peer);
        stage_end(&s);
    }
    CU_PASS("as promised");
}

// --- one seed, one story

#define LIVES 4

static uint64_t story(uint64_t seed)
{
    const struct world_faults faults = {
        .write_failure = 30000,
        .sync_failure = 100000,
        .short_transfer = 100000,
        .torn_sector = 100000,
    };
    struct stage s;
    char got[BLOCK];
    int results[LIVES];
    stage_start(&s, &(struct world_options){.seed = seed, .faults = faults});
    for (unsigned life = 0; life < LIVES; life++) {
        int fd = open_file(&s, "story", O_RDWR | O_CREAT);
        write_at(&s, fd, life * SECTOR, "ABC");
        sync_of(&s, fd);
        sync_all(&s, s.dir);
        ask_write(&s, 1, fd, 0, "XYZ");
        stage_restart(&s, life % 2 ? world_power_cut : world_process_killed);
        fd = open_file(&s, "story", O_RDWR | O_CREAT);
        io_read(s.io, fd, got, sizeof(got), 0, next_token(&s));
        results[life] = last(&s);
    }
    uint64_t trace = world_trace(s.world);
    for (unsigned life = 0; life < LIVES; life++)
        trace = trace * 31 + (uint64_t)results[life];
    stage_end(&s);
    return trace;
}

static void test_one_seed_one_trace(void)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        CU_ASSERT_EQUAL(story(seed), story(seed));
        CU_ASSERT_NOT_EQUAL(story(seed), story(seed + 1000));
    }
}

// What is read is part of the trace.
static void test_bytes_in_trace(void)
{
    uint64_t traces[2];
    for (unsigned i = 0; i < 2; i++) {
        struct stage s;
        char got[8];
        stage_start(&s, &(struct world_options){.seed = 1});
        world_disk_put(s.world, "a/f", i ? SLICE("one") : SLICE("two"));
        int fd = open_file(&s, "f", O_RDONLY);
        io_read(s.io, fd, got, sizeof(got), 0, next_token(&s));
        CU_ASSERT_EQUAL(last(&s), 3);
        traces[i] = world_trace(s.world);
        stage_end(&s);
    }
    CU_ASSERT_NOT_EQUAL(traces[0], traces[1]);
}

static const struct suite_test tests[] = {
    {"deaths", test_deaths},
    {"many writes", test_many_writes},
    {"zeros behind the end", test_zeros_behind_end},
    {"failed sync", test_failed_sync},
    {"dead and elsewhere", test_dead_and_elsewhere},
    {"one seed, one trace", test_one_seed_one_trace},
    {"bytes in trace", test_bytes_in_trace},
};
SUITE_MAIN("sim_disk", tests)
