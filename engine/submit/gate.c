#include "engine/submit/gate.h"

#include "engine/base/check.h"
#include "engine/base/siphash.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#define NAME_BYTES_MAX 255 // that a client may give
#define DIGEST_BYTES_MAX (NAME_BYTES_MAX + GATE_PASSWORD_BYTES_MAX + CRYPT_OUTPUT_SIZE + 2)

struct gate_remembered {
    struct siphash digest;
    uint64_t until_us;
};

struct gate {
    struct io *io;
    struct gate_watch *watch;
    uint64_t key[2];
    uint32_t asked_count;
    // Of each thread of the io's: touched by none but that one.
    struct crypt_data *work[IO_OFFLOAD_THREADS_MAX];
    struct gate_remembered remembered[GATE_REMEMBERED];
};

struct gate_ask {
    struct gate *gate;
    uint64_t address, name_hash; // as guesses know them
    bool exists;
    bool matches; // the work's
    uint16_t name_len;
    struct siphash digest;
    char name[NAME_BYTES_MAX];
    char password[GATE_PASSWORD_BYTES_MAX + 1];
    char hash[CRYPT_OUTPUT_SIZE];
};

void gate_watch_init(struct gate_watch *w)
{
    pthread_mutex_init(&w->lock, NULL);
}

void gate_watch_release(struct gate_watch *w)
{
    pthread_mutex_destroy(&w->lock);
}

int gate_new(struct gate **ret, struct io *io, struct gate_watch *watch)
{
    struct gate *g = calloc(1, sizeof(*g));
    if (!g)
        return -ENOMEM;
    g->io = io;
    g->watch = watch;
    g->key[0] = io_seed(io);
    g->key[1] = io_seed(io);
    *ret = g;
    return 0;
}

static void free_zeroed(void *memory, size_t bytes)
{
    if (memory)
        explicit_bzero(memory, bytes);
    free(memory);
}

void gate_free(struct gate *g)
{
    if (!g)
        return;
    CHECK(g->asked_count == 0);
    for (uint32_t i = 0; i < IO_OFFLOAD_THREADS_MAX; i++)
        free_zeroed(g->work[i], sizeof(*g->work[i]));
    free_zeroed(g, sizeof(*g));
}

// --- what was verified lately

static struct siphash digest_of(const struct gate *g, struct slice name, struct slice password,
                                struct slice hash)
{
    char text[DIGEST_BYTES_MAX];
    char *end = (char *)mempcpy(text, name.data, name.len);
    *end++ = '\0';
    end = (char *)mempcpy(end, password.data, password.len);
    *end++ = '\0';
    end = (char *)mempcpy(end, hash.data, hash.len);
    struct siphash digest = siphash(g->key, slice_make(text, (size_t)(end - text)));
    explicit_bzero(text, sizeof(text));
    return digest;
}

static struct gate_remembered *place_of(struct gate *g, struct siphash digest)
{
    return &g->remembered[digest.low % GATE_REMEMBERED];
}

static bool is_remembered(struct gate *g, struct siphash digest)
{
    const struct gate_remembered *place = place_of(g, digest);
    const uint64_t differs = (place->digest.low ^ digest.low) | (place->digest.high ^ digest.high);
    return differs == 0 && place->until_us > io_now_us(g->io);
}

// --- guesses

// Two kinds of things under one key: the first byte parts them.
static uint64_t hash_of(const struct gate *g, char kind, struct slice what)
{
    char text[1 + NAME_BYTES_MAX];
    text[0] = kind;
    memcpy(text + 1, what.data, what.len);
    return siphash(g->watch->key, slice_make(text, 1 + what.len)).low;
}

static uint64_t address_hash(const struct gate *g, const struct io_peer *from)
{
    const struct io_address *peer = &from->address;
    if (peer->as.any.sa_family == AF_INET)
        return hash_of(g, '4', slice_make(&peer->as.in.sin_addr, 4));
    if (peer->as.any.sa_family == AF_INET6)
        return hash_of(g, '6', slice_make(&peer->as.in6.sin6_addr, 8)); // a customer's network
    return hash_of(g, 'u', slice_make(&from->uid, sizeof(from->uid)));
}

static bool is_paused(struct gate *g, const struct gate_ask *ask)
{
    const uint64_t now_us = io_now_us(g->io);
    pthread_mutex_lock(&g->watch->lock);
    bool paused = guesses_until_us(&g->watch->guesses, ask->address, now_us) > 0 ||
                  guesses_until_us(&g->watch->guesses, ask->name_hash, now_us) > 0;
    pthread_mutex_unlock(&g->watch->lock);
    return paused;
}

// A success forgives the name, not the address: else who has one password could guess at others.
static void note(struct gate *g, const struct gate_ask *ask, bool good)
{
    struct guesses *guesses = &g->watch->guesses;
    const uint64_t now_us = io_now_us(g->io);
    pthread_mutex_lock(&g->watch->lock);
    if (good) {
        guesses_forget(guesses, ask->name_hash);
    } else {
        guesses_failed(guesses, ask->address, GATE_PAUSE_US_MAX_ADDRESS, now_us);
        guesses_failed(guesses, ask->name_hash, GATE_PAUSE_US_MAX_NAME, now_us);
    }
    pthread_mutex_unlock(&g->watch->lock);
}

// --- crypt(3), on a thread of its own

static bool is_same(const char *a, const char *b)
{
    const size_t len = strlen(a);
    unsigned char differs = 0;
    if (strlen(b) != len)
        return false;
    for (size_t i = 0; i < len; i++)
        differs |= (unsigned char)(a[i] ^ b[i]);
    return differs == 0;
}

static void verify(void *argument, unsigned thread)
{
    struct gate_ask *ask = argument;
    struct crypt_data **data = &ask->gate->work[thread];
    if (!*data)
        *data = calloc(1, sizeof(**data));
    if (!*data)
        return;
    const char *got = crypt_r(ask->password, ask->hash, *data);
    ask->matches = got && got[0] != '*' && is_same(got, ask->hash); // "*0" is a failure
    explicit_bzero(ask->password, sizeof(ask->password));
}

static struct gate_ask *ask_new(struct gate *g, struct slice name, struct slice password,
                                struct slice hash)
{
    struct gate_ask *ask = calloc(1, sizeof(*ask));
    if (!ask)
        return NULL;
    ask->gate = g;
    ask->name_len = (uint16_t)name.len;
    memcpy(ask->name, name.data, name.len);
    memcpy(ask->password, password.data, password.len);
    memcpy(ask->hash, hash.data, hash.len);
    return ask;
}

enum gate_answer gate_ask(struct gate *g, const struct users *users, const struct io_peer *peer,
                          struct slice name, struct slice password, struct io_token token,
                          struct gate_ask **ret)
{
    CHECK(name.len <= NAME_BYTES_MAX && password.len <= GATE_PASSWORD_BYTES_MAX);
    const uint64_t name_hash = hash_of(g, 'n', name);
    const struct user *user = users ? users_find(users, name) : NULL;
    const bool exists = user && user->hash.len > 0;
    const struct slice hash = exists  ? user->hash
                              : users ? users_decoy(users, name_hash)
                                      : SLICE("$6$nobody$");
    if (hash.len >= CRYPT_OUTPUT_SIZE)
        return GATE_NO;
    const struct siphash digest = digest_of(g, name, password, hash);
    if (exists && is_remembered(g, digest))
        return GATE_YES;
    struct gate_ask *ask = g->asked_count < GATE_ASKED_MAX ? ask_new(g, name, password, hash)
                                                           : NULL;
    if (!ask)
        return GATE_LATER;
    ask->name_hash = name_hash;
    ask->address = address_hash(g, peer);
    ask->exists = exists;
    ask->digest = digest;
    if (is_paused(g, ask)) {
        free_zeroed(ask, sizeof(*ask));
        return GATE_LATER;
    }
    g->asked_count++;
    io_offload(g->io, IO_PLAIN, verify, ask, token);
    *ret = ask;
    return GATE_ASKED;
}

// The users may have been read anew meanwhile.
static bool still_has(const struct users *users, const struct gate_ask *ask)
{
    const struct user *user = users ? users_find(users, slice_make(ask->name, ask->name_len))
                                    : NULL;
    return user && slice_equal(user->hash, slice_of_text(ask->hash));
}

enum gate_answer gate_on_done(struct gate *g, const struct users *users, struct gate_ask *ask,
                              int32_t result)
{
    enum gate_answer answer = GATE_LATER;
    CHECK(g->asked_count > 0);
    g->asked_count--;
    // Others have guessed from there while this one waited: what it would have been is not told.
    if (result == 0 && !is_paused(g, ask)) {
        answer = ask->exists && ask->matches && still_has(users, ask) ? GATE_YES : GATE_NO;
        note(g, ask, answer == GATE_YES);
    }
    if (answer == GATE_YES)
        *place_of(g, ask->digest) = (struct gate_remembered){ask->digest,
                                                             io_now_us(g->io) + GATE_REMEMBER_US};
    free_zeroed(ask, sizeof(*ask));
    return answer;
}
