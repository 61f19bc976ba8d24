// The file of users: any text is taken or refused with a line and a reason; each user that was
// taken is found by his name, and has a hash that crypt(3) takes, or none and a uid.
#include "engine/base/check.h"
#include "engine/submit/users.h"
#include "tests/fuzz/fuzz.h"

#define HASH                                                                                       \
    "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN."

const struct slice fuzz_seeds[] = {
    SLICE("joe:" HASH ":senders=@a.example,b@c.example,<> rate=5/s,10000/h campaigns=x,y\n"),
    SLICE("# comment\r\n\r\nuid 1000::rate=100/h\nann:" HASH "\n"),
    SLICE("joe:" HASH "\njoe:" HASH "\n"),
    SLICE("joe:secret\n"),
    SLICE("a:" HASH ":campaigns="),
};
const size_t fuzz_seed_count = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);
const struct slice fuzz_words[] = {
    SLICE(HASH),          SLICE(":"),   SLICE("\n"),          SLICE("uid "), SLICE("senders="),
    SLICE(" rate="),      SLICE("1/h"), SLICE(" campaigns="), SLICE(","),    SLICE("@a.example"),
    SLICE("a@b.example"), SLICE("<>"),  SLICE("#"),           SLICE(" "),    SLICE("\0"),
    SLICE("\xc3\xbc"),    SLICE("\r"),  SLICE("joe"),         SLICE("\t"),   SLICE("$y$"),
};
const size_t fuzz_word_count = sizeof(fuzz_words) / sizeof(fuzz_words[0]);

static void check_user(struct users *u, struct slice name)
{
    struct address a;
    const struct user *user = users_find(u, name);
    if (!user)
        return;
    CHECK(slice_equal(user->name, name));
    CHECK(user->hash.data[user->hash.len] == '\0');
    CHECK(user->hash.len > 0 || slice_starts(name, SLICE("uid ")));
    CHECK(user->rates.count <= RATES_SET_MAX);
    CHECK(address_parse(SLICE("b@c.example"), true, &a) == ADDRESS_OK);
    CHECK(user_may_send_as(user, &a) || user->has_senders);
    CHECK(user_may_use_campaign(user, SLICE("x")) || user->has_campaigns);
    CHECK(users_count(u, user, 1000000));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t line = 0;
    const char *why = NULL;
    struct slice rest = slice_make(data, size);
    struct users *u = users_parse(rest, &line, &why);
    CHECK(u || why);
    if (!u)
        return 0;
    while (rest.len > 0) {
        struct slice text = slice_trim(slice_cut(&rest, '\n'));
        check_user(u, slice_cut(&text, ':'));
    }
    CHECK(users_decoy(u, size).len > 0);
    users_free(u);
    return 0;
}
