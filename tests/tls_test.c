// A client against a server, in memory: handshakes through cuts of the byte stream, what
// certificates are held against, resumption, sealing, and hostile bytes.
#include "engine/base/check.h"
#include "engine/base/random.h"
#include "engine/tls/certificate.h"
#include "engine/tls/digest.h"
#include "engine/tls/tls.h"
#include "tests/suite.h"

#include <stdlib.h>
#include <time.h>

#define NAME "mx.example.net"
#define FLIGHT_BYTES 1500 // more than either side says in a handshake
#define IN_TWENTY_YEARS_S (UINT64_C(20) * 365 * 86400)

// One end: what it has to send, and what it has read.
struct end {
    struct tls *tls;
    struct buffer send, plain, heard;
    enum tls_status status;
    bool ready;
};

struct pair {
    struct end client, server;
};

struct identity {
    struct buffer chain, key;
};

static struct identity identity_made(const char *name)
{
    struct identity i;
    buffer_init(&i.chain, 8192);
    buffer_init(&i.key, 8192);
    CU_ASSERT_TRUE_FATAL(certificate_make(slice_of_text(name), &i.chain, &i.key));
    return i;
}

static void identity_release(struct identity *i)
{
    buffer_release(&i->chain);
    buffer_release(&i->key);
}

static struct tls_context *server_of(const struct identity *i, const char *service)
{
    const char *why = "";
    struct tls_server_options o = {
        .certificates = {{buffer_slice(&i->chain), buffer_slice(&i->key)}},
        .certificate_count = 1,
        .service = slice_of_text(service),
    };
    struct tls_context *c = tls_context_new_server(&o, &why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    return c;
}

static struct tls_context *client_that_trusts(const struct identity *i)
{
    const char *why = "";
    struct tls_client_options o = {.trusted_pem = buffer_slice(&i->chain), .session_count = 16};
    struct tls_context *c = tls_context_new_client(&o, &why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    return c;
}

static struct tls_client_session by_name(const char *name)
{
    return (struct tls_client_session){.check = TLS_CHECK_NAME,
                                       .server_name = slice_of_text(name),
                                       .names = {slice_of_text(name)},
                                       .name_count = 1};
}

static void end_init(struct end *e, struct tls *t)
{
    *e = (struct end){.tls = t};
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    buffer_init(&e->send, TLS_SEND_BYTES_MIN + 4 * TLS_RECORD_BYTES_MAX);
    buffer_init(&e->plain, TLS_RECORD_BYTES_MAX);
    buffer_init(&e->heard, 1 << 20);
}

static void pair_open(struct pair *p, struct tls_context *client, struct tls_context *server,
                      const struct tls_client_session *o)
{
    end_init(&p->client, tls_new_client(client, o));
    end_init(&p->server, tls_new_server(server));
    p->client.status = tls_start(p->client.tls, &p->client.send);
}

static void end_release(struct end *e)
{
    tls_free(e->tls);
    buffer_release(&e->send);
    buffer_release(&e->plain);
    buffer_release(&e->heard);
}

static void pair_release(struct pair *p)
{
    end_release(&p->client);
    end_release(&p->server);
}

// All of it, and no more than it may take.
static void end_reads(struct end *e, struct slice sealed)
{
    do {
        e->status = tls_feed(e->tls, &sealed, &e->plain, &e->send);
        e->ready |= e->status == TLS_READY;
        CU_ASSERT_TRUE_FATAL(buffer_append(&e->heard, buffer_slice(&e->plain)));
        buffer_clear(&e->plain);
    } while (e->status == TLS_READY || e->status == TLS_FULL);
    CU_ASSERT_EQUAL(sealed.len, 0);
}

// Carries what one has to say to the other, at most `bytes` at a time. False: there is nothing.
static bool carry(struct end *from, struct end *to, size_t bytes)
{
    struct slice all = buffer_slice(&from->send);
    if (all.len == 0)
        return false;
    while (all.len > 0) {
        struct slice part = slice_take(all, bytes);
        all = slice_skip(all, part.len);
        end_reads(to, part);
    }
    buffer_clear(&from->send);
    return true;
}

static void talk(struct pair *p, size_t bytes)
{
    bool any = true;
    while (any) {
        any = carry(&p->client, &p->server, bytes);
        any |= carry(&p->server, &p->client, bytes);
    }
}

static void say(struct end *e, struct slice text)
{
    struct iovec piece = {(void *)(uintptr_t)text.data, text.len};
    CU_ASSERT_EQUAL(tls_seal(e->tls, &piece, 1, &e->send), text.len);
}

static bool has_heard(const struct end *e, struct slice text)
{
    return slice_equal(buffer_slice(&e->heard), text);
}

// The handshake, a word each way, good-bye each way.
static void check_session(struct pair *p, size_t bytes)
{
    talk(p, bytes);
    CU_ASSERT_TRUE_FATAL(p->client.ready && p->server.ready);
    say(&p->client, SLICE("EHLO client\r\n"));
    talk(p, bytes);
    CU_ASSERT_TRUE(has_heard(&p->server, SLICE("EHLO client\r\n")));
    say(&p->server, SLICE("250 server\r\n"));
    tls_close(p->server.tls, &p->server.send);
    talk(p, bytes);
    CU_ASSERT_TRUE(has_heard(&p->client, SLICE("250 server\r\n")));
    CU_ASSERT_EQUAL(p->client.status, TLS_CLOSED);
}

static void in_pieces_of_every_size(void)
{
    struct identity i = identity_made(NAME);
    struct tls_context *client = client_that_trusts(&i), *server = server_of(&i, "in");
    struct tls_client_session o = by_name(NAME);
    for (size_t bytes = 1; bytes <= 64; bytes++) {
        struct pair p;
        pair_open(&p, client, server, &o);
        check_session(&p, bytes);
        CU_ASSERT_STRING_EQUAL(tls_info(p.client.tls).version, "TLSv1.3");
        CU_ASSERT_EQUAL(tls_info(p.client.tls).verdict, TLS_PEER_VERIFIED);
        CU_ASSERT_TRUE(slice_equal(tls_info(p.server.tls).server_name, SLICE(NAME)));
        pair_release(&p);
    }
    tls_context_unref(client);
    tls_context_unref(server);
    identity_release(&i);
}

// Cuts each side's bytes in two at every place.
static void cut_at(struct pair *p, size_t at)
{
    struct end *ends[2] = {&p->client, &p->server};
    size_t gone[2] = {0, 0};
    for (bool any = true; any;) {
        any = false;
        for (int i = 0; i < 2; i++) {
            struct slice all = buffer_slice(&ends[i]->send);
            if (all.len == 0)
                continue;
            size_t first = at > gone[i] && at - gone[i] < all.len ? at - gone[i] : all.len;
            end_reads(ends[1 - i], slice_take(all, first));
            end_reads(ends[1 - i], slice_skip(all, first));
            gone[i] += all.len;
            buffer_clear(&ends[i]->send);
            any = true;
        }
    }
}

static void in_every_cut(void)
{
    struct identity i = identity_made(NAME);
    struct tls_context *client = client_that_trusts(&i), *server = server_of(&i, "in");
    struct tls_client_session o = by_name(NAME);
    for (size_t at = 1; at <= FLIGHT_BYTES; at++) {
        struct pair p;
        pair_open(&p, client, server, &o);
        cut_at(&p, at);
        CU_ASSERT_TRUE_FATAL(p.client.ready && p.server.ready);
        say(&p.client, SLICE("word"));
        talk(&p, SIZE_MAX);
        CU_ASSERT_TRUE(has_heard(&p.server, SLICE("word")));
        pair_release(&p);
    }
    tls_context_unref(client);
    tls_context_unref(server);
    identity_release(&i);
}

// ----------------------------------------------------------------------------------- verdicts

static const struct verdict_case {
    const char *what;
    enum tls_check check;
    const char *name; // expected
    bool trusted;
    uint64_t later_s;
    bool want_ready;
    enum tls_verdict want;
} verdict_cases[] = {
    {"all is well", TLS_CHECK_NAME, NAME, true, 0, true, TLS_PEER_VERIFIED},
    {"wrong name", TLS_CHECK_NAME, "mx.example.org", true, 0, false, TLS_PEER_WRONG_NAME},
    {"untrusted", TLS_CHECK_NAME, NAME, false, 0, false, TLS_PEER_UNTRUSTED},
    {"expired", TLS_CHECK_NAME, NAME, true, IN_TWENTY_YEARS_S, false, TLS_PEER_EXPIRED},
    {"any will do: well", TLS_CHECK_NONE, NAME, true, 0, true, TLS_PEER_VERIFIED},
    {"any will do: name", TLS_CHECK_NONE, "mx.example.org", true, 0, true, TLS_PEER_WRONG_NAME},
    {"any will do: trust", TLS_CHECK_NONE, NAME, false, 0, true, TLS_PEER_UNTRUSTED},
    {"any will do: date", TLS_CHECK_NONE, NAME, true, IN_TWENTY_YEARS_S, true, TLS_PEER_EXPIRED},
};

static void verdicts(void)
{
    struct identity ours = identity_made(NAME), other = identity_made(NAME);
    struct tls_context *server = server_of(&ours, "in");
    for (size_t i = 0; i < COUNT_OF(verdict_cases); i++) {
        const struct verdict_case *v = &verdict_cases[i];
        struct tls_context *client = client_that_trusts(v->trusted ? &ours : &other);
        struct tls_client_session o = by_name(v->name);
        struct pair p;
        o.check = v->check;
        o.wall_s = v->later_s ? (uint64_t)time(NULL) + v->later_s : 0;
        pair_open(&p, client, server, &o);
        talk(&p, SIZE_MAX);
        struct tls_info info = tls_info(p.client.tls);
        if (p.client.ready != v->want_ready || info.verdict != v->want)
            printf("    %s: %d, %s\n", v->what, info.verdict, info.verdict_text);
        CU_ASSERT_EQUAL(p.client.ready, v->want_ready);
        CU_ASSERT_EQUAL(info.verdict, v->want);
        if (!v->want_ready) {
            struct tls_failure f = tls_failure(p.client.tls);
            CU_ASSERT_EQUAL(p.client.status, TLS_FAILED);
            CU_ASSERT_EQUAL(f.trouble, TLS_TROUBLE_VERDICT);
            CU_ASSERT_TRUE(f.in_handshake && strlen(f.text) > 0);
            // The server is told why, and knows that it was the other who refused.
            CU_ASSERT_EQUAL(p.server.status, TLS_FAILED);
            CU_ASSERT_EQUAL(tls_failure(p.server.tls).trouble, TLS_TROUBLE_ALERT);
        }
        pair_release(&p);
        tls_context_unref(client);
    }
    tls_context_unref(server);
    identity_release(&ours);
    identity_release(&other);
}

// The bytes of the first certificate in PEM.
static size_t der_of(struct slice pem, uint8_t ret[4096])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = 0;
    uint32_t bits = 0, count = 0;
    slice_cut(&pem, '\n');
    for (size_t i = 0; i < pem.len && pem.data[i] != '-'; i++) {
        const char *at = pem.data[i] == '=' ? NULL : strchr(digits, pem.data[i]);
        if (!at || pem.data[i] == '\n')
            continue;
        bits = bits << 6 | (uint32_t)(at - digits);
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        CU_ASSERT_TRUE_FATAL(len < 4096);
        ret[len++] = (uint8_t)(bits >> count);
    }
    return len;
}

static void sha256_of(struct slice bytes, uint8_t ret[SHA256_BYTES])
{
    struct sha256 *h = sha256_new();
    sha256_start(h);
    sha256_add(h, bytes);
    sha256_end(h, ret);
    sha256_free(h);
}

static void dane(void)
{
    struct identity i = identity_made(NAME);
    struct tls_context *client = client_that_trusts(&i), *server = server_of(&i, "in");
    uint8_t der[4096], digest[SHA256_BYTES], wrong[SHA256_BYTES] = {1};
    struct slice whole = slice_make(der, der_of(buffer_slice(&i.chain), der));
    sha256_of(whole, digest);
    struct slice good = slice_make(digest, sizeof(digest)), bad = slice_make(wrong, sizeof(wrong));
    const struct {
        const char *what, *name;
        struct tls_tlsa tlsa[2];
        uint32_t count;
        bool want_ready;
    } cases[] = {
        {"3 0 1", NAME, {{3, 0, 1, good}}, 1, true},
        {"3 0 1, whatever the name", "mx.example.org", {{3, 0, 1, good}}, 1, true},
        {"3 0 0", NAME, {{3, 0, 0, whole}}, 1, true},
        {"3 0 1 of another", NAME, {{3, 0, 1, bad}}, 1, false},
        {"one of two", NAME, {{3, 0, 1, bad}, {3, 0, 1, good}}, 2, true},
        {"2 0 1 of the host itself, who signs nobody", NAME, {{2, 0, 1, good}}, 1, false},
        {"none", NAME, {{0}}, 0, false},
        {"none that is usable", NAME, {{1, 0, 1, good}}, 1, false},
        {"an unusable one beside it", NAME, {{1, 0, 1, good}, {3, 0, 1, bad}}, 2, false},
    };
    for (size_t at = 0; at < COUNT_OF(cases); at++) {
        struct tls_client_session o = by_name(cases[at].name);
        struct pair p;
        o.check = TLS_CHECK_DANE;
        o.tlsa = cases[at].tlsa;
        o.tlsa_count = cases[at].count;
        pair_open(&p, client, server, &o);
        talk(&p, SIZE_MAX);
        if (p.client.ready != cases[at].want_ready)
            printf("    %s: %s\n", cases[at].what, tls_failure(p.client.tls).text);
        CU_ASSERT_EQUAL(p.client.ready, cases[at].want_ready);
        if (!p.client.ready)
            CU_ASSERT_EQUAL(tls_failure(p.client.tls).trouble, TLS_TROUBLE_VERDICT);
        pair_release(&p);
    }
    tls_context_unref(client);
    tls_context_unref(server);
    identity_release(&i);
}

static void tlsa_records(void)
{
    static const uint8_t zeros[65];
    struct identity i = identity_made(NAME);
    uint8_t der[4096];
    size_t der_len = der_of(buffer_slice(&i.chain), der);
    for (unsigned usage = 0; usage < 256; usage++)
        for (unsigned selector = 0; selector < 4; selector++)
            for (unsigned matching = 0; matching < 4; matching++)
                for (size_t len = 0; len <= sizeof(zeros); len++) {
                    struct tls_tlsa r = {(uint8_t)usage, (uint8_t)selector, (uint8_t)matching,
                                         slice_make(zeros, len)};
                    bool want = (usage == 2 || usage == 3) && selector < 2 &&
                                ((matching == 1 && len == 32) || (matching == 2 && len == 64));
                    CU_ASSERT_EQUAL(tls_tlsa_usable(&r), want);
                }
    for (size_t len = 0; len <= der_len; len++) // a whole certificate is one only when it is whole
        CU_ASSERT_EQUAL(tls_tlsa_usable(&(struct tls_tlsa){3, 0, 0, slice_make(der, len)}),
                        len == der_len);
    der[der_len] = 0;
    CU_ASSERT_FALSE(tls_tlsa_usable(&(struct tls_tlsa){3, 0, 0, slice_make(der, der_len + 1)}));
    identity_release(&i);
}

// --------------------------------------------------------------------------------- resumption

static bool resumes(struct tls_context *client, struct tls_context *server,
                    const struct tls_client_session *o)
{
    struct pair p;
    pair_open(&p, client, server, o);
    check_session(&p, SIZE_MAX);
    bool resumed = tls_info(p.client.tls).resumed;
    CU_ASSERT_EQUAL(resumed, tls_info(p.server.tls).resumed);
    pair_release(&p);
    return resumed;
}

static void resumption(void)
{
    struct identity i = identity_made(NAME);
    struct tls_context *client = client_that_trusts(&i), *server = server_of(&i, "in");
    struct tls_context *elsewhere = server_of(&i, "other");
    struct tls_client_session o = by_name(NAME), any = o, other_peer = o, nobody = o;
    o.peer = SLICE("192.0.2.1:25 " NAME);
    any.peer = o.peer;
    any.check = TLS_CHECK_NONE;
    other_peer.peer = SLICE("192.0.2.2:25 " NAME);
    CU_ASSERT_FALSE(resumes(client, server, &o));
    CU_ASSERT_TRUE(resumes(client, server, &o));
    CU_ASSERT_TRUE(resumes(client, server, &o));
    CU_ASSERT_FALSE(resumes(client, server, &any)); // under another policy
    CU_ASSERT_TRUE(resumes(client, server, &any));
    CU_ASSERT_FALSE(resumes(client, server, &other_peer));
    CU_ASSERT_FALSE(resumes(client, server, &nobody)); // and nothing is kept of it
    CU_ASSERT_FALSE(resumes(client, server, &nobody));
    CU_ASSERT_FALSE(resumes(client, elsewhere, &o)); // another service's ticket
    CU_ASSERT_TRUE(resumes(client, elsewhere, &o));
    tls_context_turn_ticket_key(elsewhere);
    CU_ASSERT_TRUE(resumes(client, elsewhere, &o)); // by the key before
    tls_context_turn_ticket_key(elsewhere);
    tls_context_turn_ticket_key(elsewhere);
    CU_ASSERT_FALSE(resumes(client, elsewhere, &o));
    tls_context_unref(client);
    tls_context_unref(server);
    tls_context_unref(elsewhere);
    identity_release(&i);
}

// A session outlives its context's last owner.
static void reload(void)
{
    struct identity i = identity_made(NAME);
    struct tls_context *client = client_that_trusts(&i), *server = server_of(&i, "in");
    struct tls_client_session o = by_name(NAME);
    struct pair p;
    pair_open(&p, client, server, &o);
    tls_context_unref(client);
    tls_context_unref(server);
    check_session(&p, SIZE_MAX);
    pair_release(&p);
    identity_release(&i);
}

// ------------------------------------------------------------------------------------ sealing

#define MANY 700

static void many_pieces_few_records(void)
{
    struct identity i = identity_made(NAME);
    struct tls_context *client = client_that_trusts(&i), *server = server_of(&i, "in");
    struct tls_client_session o = by_name(NAME);
    static char text[MANY * 50];
    struct iovec pieces[MANY + 1];
    struct pair p;
    pair_open(&p, client, server, &o);
    talk(&p, SIZE_MAX);
    for (size_t at = 0; at < sizeof(text); at++)
        text[at] = (char)('a' + at % 26);
    for (unsigned at = 0; at < MANY; at++) // every third one is empty
        pieces[at] = (struct iovec){text + at / 3 * 100 + (at % 3) * 50, at % 3 == 2 ? 0 : 50};
    size_t all = (MANY / 3 * 2 + (MANY % 3)) * 50;
    CU_ASSERT_EQUAL(tls_seal(p.client.tls, pieces, MANY, &p.client.send), all);
    size_t records = (all + TLS_RECORD_BYTES_MAX - 1) / TLS_RECORD_BYTES_MAX;
    CU_ASSERT_TRUE(p.client.send.len <= all + records * TLS_RECORD_OVERHEAD_BYTES);
    CU_ASSERT_TRUE(p.client.send.len < all + records * 40); // what TLS 1.3 adds to each is 22
    talk(&p, SIZE_MAX);
    CU_ASSERT_TRUE(has_heard(&p.server, slice_make(text, all)));
    CU_ASSERT_EQUAL(tls_seal(p.client.tls, pieces, 0, &p.client.send), 0);
    pair_release(&p);
    tls_context_unref(client);
    tls_context_unref(server);
    identity_release(&i);
}

// What does not fit stays with the caller, who goes on when there is room.
static void full_buffers(void)
{
    struct identity i = identity_made(NAME);
    struct tls_context *client = client_that_trusts(&i), *server = server_of(&i, "in");
    struct tls_client_session o = by_name(NAME);
    size_t room = 200000;
    char *text = malloc(room);
    struct pair p;
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memset(text, 'x', room);
    pair_open(&p, client, server, &o);
    talk(&p, SIZE_MAX);
    p.server.plain.bytes_max = 1000;
    unsigned rounds = 0;
    for (size_t gone = 0; gone < room; rounds++) {
        struct iovec piece = {text + gone, room - gone};
        size_t used = tls_seal(p.client.tls, &piece, 1, &p.client.send);
        CU_ASSERT_TRUE_FATAL(used > 0);
        CU_ASSERT_TRUE(p.client.send.bytes_max - p.client.send.len >= TLS_SEND_SPARE_BYTES);
        gone += used;
        talk(&p, SIZE_MAX);
    }
    CU_ASSERT_TRUE(rounds > 1);
    CU_ASSERT_TRUE(has_heard(&p.server, slice_make(text, room)));
    tls_close(p.client.tls, &p.client.send);
    struct iovec piece = {text, 1};
    CU_ASSERT_EQUAL(tls_seal(p.client.tls, &piece, 1, &p.client.send), 0);
    pair_release(&p);
    free(text);
    tls_context_unref(client);
    tls_context_unref(server);
    identity_release(&i);
}

// ------------------------------------------------------------------------------ hostile bytes

static void clear_text(void)
{
    static const char *const words[] = {"220 mx.example.net ESMTP\r\n", "GET / HTTP/1.1\r\n\r\n",
                                        "\x16\x03\x01\xff\xff", "EHLO me\r\nMAIL FROM:<>\r\n"};
    struct identity i = identity_made(NAME);
    struct tls_context *client = client_that_trusts(&i), *server = server_of(&i, "in");
    struct tls_client_session o = by_name(NAME);
    for (size_t at = 0; at < 2 * COUNT_OF(words); at++) {
        struct pair p;
        pair_open(&p, client, server, &o);
        struct end *e = at % 2 ? &p.client : &p.server;
        end_reads(e, slice_of_text(words[at / 2]));
        CU_ASSERT_EQUAL(e->status, TLS_FAILED);
        CU_ASSERT_EQUAL(tls_failure(e->tls).trouble, TLS_TROUBLE_PROTOCOL);
        CU_ASSERT_TRUE(tls_failure(e->tls).in_handshake);
        end_reads(e, SLICE("more"));
        CU_ASSERT_EQUAL(e->status, TLS_FAILED);
        CU_ASSERT_EQUAL(e->heard.len, 0);
        pair_release(&p);
    }
    tls_context_unref(client);
    tls_context_unref(server);
    identity_release(&i);
}

// A byte of the server's flight is changed: no handshake succeeds by it.
static void changed_bytes(void)
{
    struct identity i = identity_made(NAME);
    struct tls_context *client = client_that_trusts(&i), *server = server_of(&i, "in");
    struct tls_client_session o = by_name(NAME);
    size_t flight = 1;
    for (size_t at = 0; at < flight; at++) {
        struct pair p;
        pair_open(&p, client, server, &o);
        carry(&p.client, &p.server, SIZE_MAX);
        flight = p.server.send.len;
        if (at >= flight)
            at = flight - 1; // signatures differ in length
        p.server.send.data[at] ^= 0x20;
        carry(&p.server, &p.client, SIZE_MAX);
        bool is_version = at == 1 || at == 2; // of a record, which says nothing
        CU_ASSERT_TRUE(!p.client.ready || is_version);
        CU_ASSERT_EQUAL(p.client.heard.len, 0);
        pair_release(&p);
    }
    CU_ASSERT_TRUE(flight > 500);
    tls_context_unref(client);
    tls_context_unref(server);
    identity_release(&i);
}

// Under TLS: what was not sealed by the peer ends the session, and none of it is heard.
static void noise_under_tls(void)
{
    struct identity i = identity_made(NAME);
    struct tls_context *client = client_that_trusts(&i), *server = server_of(&i, "in");
    struct tls_client_session o = by_name(NAME);
    struct random dice;
    random_init(&dice, 7);
    for (unsigned round = 0; round < 300; round++) {
        struct pair p;
        pair_open(&p, client, server, &o);
        talk(&p, SIZE_MAX);
        say(&p.client, SLICE("MAIL FROM:<a@example.net>\r\n"));
        size_t at = random_u64(&dice) % p.client.send.len;
        p.client.send.data[at] = (char)(p.client.send.data[at] ^ (1 + random_u64(&dice) % 255));
        carry(&p.client, &p.server, 1 + random_u64(&dice) % 64);
        CU_ASSERT_TRUE(p.server.status == TLS_FAILED || p.server.heard.len == 0 || at < 3);
        CU_ASSERT_FALSE(p.server.status == TLS_FAILED && tls_failure(p.server.tls).in_handshake);
        pair_release(&p);
    }
    tls_context_unref(client);
    tls_context_unref(server);
    identity_release(&i);
}

static void bad_files(void)
{
    struct identity i = identity_made(NAME), other = identity_made(NAME);
    struct slice chain = buffer_slice(&i.chain), key = buffer_slice(&i.key);
    const struct tls_certificate bad[] = {
        {SLICE_EMPTY, key},
        {chain, SLICE_EMPTY},
        {key, key},
        {chain, chain},
        {chain, buffer_slice(&other.key)},
        {slice_take(chain, chain.len / 2), key},
        {chain, slice_take(key, key.len / 2)},
    };
    for (size_t at = 0; at < COUNT_OF(bad); at++) {
        const char *why = NULL;
        struct tls_server_options o = {.certificates = {bad[at]}, .certificate_count = 1};
        CU_ASSERT_PTR_NULL(tls_context_new_server(&o, &why));
        CU_ASSERT_PTR_NOT_NULL(why);
    }
    const char *why = NULL;
    struct tls_client_options o = {.trusted_pem = key};
    CU_ASSERT_PTR_NULL(tls_context_new_client(&o, &why));
    CU_ASSERT_PTR_NOT_NULL(why);
    identity_release(&i);
    identity_release(&other);
}

// Its name is its subject's common name alone: with a name to be checked that is none (RFC
// 8461 4.2).
static const char common_name_chain[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBLDCB0wIUbSmL/z0sq57g73/x0GPttrk4O7AwCgYIKoZIzj0EAwIwGTEXMBUG\n"
    "A1UEAwwObXguZXhhbXBsZS5uZXQwHhcNMjYxMTI5MDExNjQzWhcNNDYxMTI0MDEx\n"
    "NjQzWjAZMRcwFQYDVQQDDA5teC5leGFtcGxlLm5ldDBZMBMGByqGSM49AgEGCCqG\n"
    "SM49AwEHA0IABDYiFSIvfxst87Z3ivUcrxD0R3PMLotMN9lPDoenaSDtiABK3hzT\n"
    "YAYFC5q9Bo8VNt3MDU3JvtQhKv4dHY7KutwwCgYIKoZIzj0EAwIDSAAwRQIgCoGr\n"
    "f7NHPQkTv9kqzIGV5B45hSFQGPFycU8KaiVeHiACIQCqMtcXsoYkmQiaWk2Jmckk\n"
    "z/nLcckdtJ7EZ4RzHeXtlA==\n"
    "-----END CERTIFICATE-----\n";
static const char common_name_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghU9xgUmKnOErT9BW\n"
    "A1PiT2lyD5ksXrYhCWYlIeLBOjChRANCAAQ2IhUiL38bLfO2d4r1HK8Q9EdzzC6L\n"
    "TDfZTw6Hp2kg7YgASt4c02AGBQuavQaPFTbdzA1Nyb7UISr+HR2Oyrrc\n"
    "-----END PRIVATE KEY-----\n";
#define WHEN_IT_IS_GOOD_S UINT64_C(1800000000)

static void common_names(void)
{
    struct identity i;
    buffer_init(&i.chain, 8192);
    buffer_init(&i.key, 8192);
    CU_ASSERT_TRUE_FATAL(buffer_append(&i.chain, slice_of_text(common_name_chain)) &&
                         buffer_append(&i.key, slice_of_text(common_name_key)));
    struct tls_context *client = client_that_trusts(&i), *server = server_of(&i, "in");
    for (int check = TLS_CHECK_NONE; check <= TLS_CHECK_NAME; check++) {
        struct tls_client_session o = by_name(NAME);
        struct pair p;
        o.check = (enum tls_check)check;
        o.wall_s = WHEN_IT_IS_GOOD_S;
        pair_open(&p, client, server, &o);
        talk(&p, SIZE_MAX);
        CU_ASSERT_EQUAL(p.client.ready, check == TLS_CHECK_NONE);
        CU_ASSERT_EQUAL(tls_info(p.client.tls).verdict, TLS_PEER_WRONG_NAME);
        pair_release(&p);
    }
    tls_context_unref(client);
    tls_context_unref(server);
    identity_release(&i);
}

// Names that cannot be one, and a check without a name to check.
static void bad_names(void)
{
    struct identity i = identity_made(NAME);
    struct tls_context *client = client_that_trusts(&i);
    char text[300];
    memset(text, 'a', sizeof(text));
    struct tls_client_session o = by_name(NAME);
    o.names[0] = slice_make(text, sizeof(text));
    CU_ASSERT_PTR_NULL(tls_new_client(client, &o));
    o.names[0] = SLICE("mx.example.net\0.example.org");
    CU_ASSERT_PTR_NULL(tls_new_client(client, &o));
    o.name_count = 0;
    CU_ASSERT_PTR_NULL(tls_new_client(client, &o));
    struct buffer chain, key;
    buffer_init(&chain, 8192);
    buffer_init(&key, 8192);
    CU_ASSERT_FALSE(certificate_make(SLICE("a,DNS:b"), &chain, &key));
    CU_ASSERT_FALSE(certificate_make(SLICE_EMPTY, &chain, &key));
    tls_context_unref(client);
    identity_release(&i);
}

static const struct suite_test tests[] = {
    {"in pieces of every size", in_pieces_of_every_size},
    {"in every cut", in_every_cut},
    {"verdicts", verdicts},
    {"dane", dane},
    {"tlsa records", tlsa_records},
    {"resumption", resumption},
    {"reload", reload},
    {"many pieces, few records", many_pieces_few_records},
    {"full buffers", full_buffers},
    {"clear text", clear_text},
    {"changed bytes", changed_bytes},
    {"noise under TLS", noise_under_tls},
    {"bad files", bad_files},
    {"bad names", bad_names},
    {"common names", common_names},
};
SUITE_MAIN("tls", tests)
