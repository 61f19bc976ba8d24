// A whole submission session: any client, any owner. What is said and told does not depend on how
// the bytes are cut, nor on when verdicts come; no content comes without sender and recipient, and
// none that may not be stored (see tests/server_owner.h).
#include "tests/fuzz/fuzz.h"
#include "tests/server_owner.h"

// The first two bytes draw the owner's answers and the cuts.
#define HELLO "EHLO c\r\n"
#define ENVELOPE "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
#define SEED(literal)                                                                              \
    {                                                                                              \
        "\0\1" literal, sizeof(literal) + 1                                                        \
    }
const struct slice fuzz_seeds[] = {
    SEED(HELLO ENVELOPE "DATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n"),
    SEED(HELLO ENVELOPE "BDAT 3\r\na\r\nBDAT 4 LAST\r\nb\r\n.RSET\r\n" ENVELOPE "BDAT 0 LAST\r\n"),
    SEED(HELLO ENVELOPE "DATA\r\none\n.\nMAIL FROM:<x@y>\r\n.\r\nNOOP\r\n"),
    SEED("HELO c\r\nRSET\r\nDATA\r\nBDAT 2\r\nab" HELLO "VRFY x\r\nEXPN x\r\nHELP\r\nVERB\r\n"),
    SEED(HELLO "MAIL FROM:<\xc3\xa9@b> SMTPUTF8 ENVID=x SIZE=9 RET=FULL\r\n"
               "RCPT TO:<c@d> NOTIFY=NEVER\r\nRCPT TO:<x>\r\nDATA\r\n.\r\n"),
    SEED(HELLO ENVELOPE "BDAT 99999999999\r\nx"),
    SEED(HELLO "AUTH PLAIN AGEAYg==\r\nSTARTTLS\r\n\x16" HELLO
               "AUTH LOGIN\r\nYQ==\r\nYg==\r\n" ENVELOPE "AUTH LOGIN YQ==\r\n*\r\n"),
    SEED(HELLO "STARTTLS\r\n\x16" HELLO "AUTH PLAIN\r\nAGEAYg==\r\nAUTH PLAIN =\r\n"),
    SEED(HELLO "STARTTLS\r\nRSET\r\n"),
};
const size_t fuzz_seed_count = COUNT_OF(fuzz_seeds);
const struct slice fuzz_words[] = {
    SLICE(HELLO),
    SLICE(ENVELOPE),
    SLICE("DATA\r\n"),
    SLICE("\r\n.\r\n"),
    SLICE("\r\n"),
    SLICE("BDAT 5\r\n"),
    SLICE("BDAT 3 LAST\r\n"),
    SLICE("RSET\r\n"),
    SLICE("QUIT\r\n"),
    SLICE("\r"),
    SLICE("\n"),
    SLICE("\0"),
    SLICE("."),
    SLICE(" LAST"),
    SLICE("0"),
    SLICE("\n.\n"),
    SLICE("\r\n.\n"),
    SLICE("\n.\r\n"),
    SLICE("BDAT x\r\n"),
    SLICE("STARTTLS\r\n\x16"),
    SLICE("AUTH PLAIN AGEAYg==\r\n"),
    SLICE("AUTH LOGIN\r\n"),
    SLICE("YQ==\r\n"),
    SLICE("*\r\n"),
    SLICE("\x16"),
    SLICE("0123456789012345678901234567890123456789012345678901234567890123456789"),
};
const size_t fuzz_word_count = COUNT_OF(fuzz_words);

static const struct smtp_server_options options = {
    .hostname = SLICE("mx.example"),
    .banner = SLICE("ESMTP"),
    .message_bytes_max = 200,
    .rcpt_count_max = 3,
    .pipelining = true,
    .chunking = true,
    .eightbitmime = true,
    .smtputf8 = true,
    .dsn = true,
    .enhanced_codes = true,
    .starttls = true,
    .auth = true,
};

// The same for the same event, however the bytes were cut. No 421 to a message: that drops the
// verdicts behind it, and how many those are is a matter of time.
static const char *drawn_answer(void *context, const char *name, unsigned count)
{
    const uint64_t *seed = context;
    uint64_t roll = slice_hash(slice_of_text(name), *seed + count) % 24;
    if (roll == 0)
        return "450 4.2.0 later";
    if (roll == 1)
        return "550 5.7.1 never";
    return roll == 2 && strcmp(name, "message") != 0 ? "421 4.3.2 closing" : NULL;
}

static void play(struct owner *o, struct slice client, uint64_t seed, size_t step, bool late)
{
    owner_init(o, &options);
    o->answer = drawn_answer;
    o->context = &seed;
    o->late = late;
    smtp_server_greet(&o->server, NULL, &o->out);
    for (; client.len > 0; client = slice_skip(client, step))
        owner_feed(o, slice_take(client, step));
    owner_finish(o);
    o->context = NULL;
    o->answer = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct owner whole, cut;
    struct buffer said;
    if (size < 2)
        return 0;
    const struct slice client = slice_make(data + 2, size - 2);
    play(&whole, client, data[0], SIZE_MAX, false);
    play(&cut, client, data[0], 1 + data[1] % 64u, data[1] & 64);
    buffer_init(&said, OWNER_TEXT_BYTES_MAX);
    owner_condense(buffer_slice(&whole.out), &said); // CHECKs that all are whole lines
    CHECK(slice_equal(buffer_slice(&whole.out), buffer_slice(&cut.out)));
    CHECK(slice_equal(buffer_slice(&whole.seen), buffer_slice(&cut.seen)));
    buffer_release(&said);
    owner_release(&whole);
    owner_release(&cut);
    return 0;
}
