// There is no newer way to give all of OpenSSL other dice.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tests/sim/tls_dice.h"

#include "engine/base/check.h"
#include "engine/base/random.h"

#include <openssl/rand.h>
#include <string.h>
#include <time.h>

#define WALL_START_S 1767225600 // the clock of every world begins then

static struct random dice;
static const struct world *world;

// In place of the C library's: libssl calls it.
time_t time(time_t *ret)
{
    time_t now_s = WALL_START_S + (time_t)(world ? world_now_us(world) / 1000000 : 0);
    if (ret)
        *ret = now_s;
    return now_s;
}

static int some_bytes(unsigned char *to, int count)
{
    for (int done = 0; done < count; done += 8) {
        uint64_t some = random_u64(&dice);
        memcpy(to + done, &some, count - done < 8 ? (size_t)(count - done) : 8);
    }
    return 1;
}

static int is_ready(void)
{
    return 1;
}

void tls_dice_init(uint64_t seed, const struct world *w)
{
    static const RAND_METHOD method = {
        .bytes = some_bytes, .pseudorand = some_bytes, .status = is_ready};
    random_init(&dice, seed);
    world = w;
    CHECK(RAND_set_rand_method(&method) == 1);
}
