// There is no newer way to give all of OpenSSL other dice.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tests/sim/tls_dice.h"

#include "engine/base/check.h"
#include "engine/base/random.h"

#include <openssl/rand.h>
#include <string.h>

static struct random dice;

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

void tls_dice_init(uint64_t seed)
{
    static const RAND_METHOD method = {
        .bytes = some_bytes, .pseudorand = some_bytes, .status = is_ready};
    random_init(&dice, seed);
    CHECK(RAND_set_rand_method(&method) == 1);
}
