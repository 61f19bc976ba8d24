// tests/sim_test.c: the client machine against the server machine in a simulated world, many
// seeds: whatever the network does, each message comes whole, to the right verdict, and twice only
// when it was in doubt; and what is left in the end is nothing.
#include "engine/base/buffer.h"
#include "engine/base/check.h"
#include "engine/smtp/client.h"
#include "engine/smtp/server.h"
#include "tests/sim/world.h"
#include "tests/suite.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define SEEDS 1000
#define SEEDS_LONG 20000
#define SECOND 1000000u
#define LETTERS_MAX 40
#define RCPTS_MAX 4
#define LINES_MAX 4     // connections of the sender at a time
#define SESSIONS_MAX 64 // of the receiver, those that have not ended yet
#define VERDICTS_MAX SERVER_UNCOMMITTED_MAX
#define OUT_BYTES_MAX (64 * 1024)
#define IN_BYTES_MAX (1024 * 1024)
#define TIME_MAX_S 3600 // of the world's, for one scene

enum op { OP_ACCEPT, OP_CONNECT, OP_RECEIVE, OP_SEND };

// A message, and what became of it on either side.
struct letter {
    char sender[32];
    char addresses[RCPTS_MAX][40];
    struct smtp_recipient rcpts[RCPTS_MAX];
    struct smtp_transaction transaction;
    struct buffer content;
    bool delivered; // says the sender
    uint32_t doubts;
    uint32_t arrivals; // says the receiver
    bool waits;        // for a line of the sender
    uint32_t refused;  // recipients, in the transaction under way
};

// --- both sides: a connection

struct link {
    int fd; // -1: none, or closed
    uint16_t generation;
    uint32_t ops; // requests that have not ended
    bool receiving, sending;
    bool closing;
};

static struct io_token link_token(const struct link *k, uint32_t index, enum op op)
{
    return (struct io_token){
        .index = index, .generation = k->generation, .owner = 1, .op = (uint8_t)op};
}

static void link_receive(struct link *k, struct io *io, uint32_t index)
{
    if (k->receiving || k->closing)
        return;
    k->receiving = true;
    k->ops++;
    io_receive(io, k->fd, link_token(k, index, OP_RECEIVE));
}

static void link_send(struct link *k, struct io *io, uint32_t index, const struct iovec *pieces,
                      unsigned count)
{
    k->sending = true;
    k->ops++;
    io_send(io, k->fd, pieces, count, link_token(k, index, OP_SEND));
}

static void link_close(struct link *k, struct io *io)
{
    if (k->closing)
        return;
    k->closing = true;
    io_close(io, k->fd);
}

static void link_on_done(struct link *k, const struct io_done *done)
{
    CHECK(done->token.generation == k->generation);
    if (!done->ended)
        return;
    CHECK(k->ops > 0);
    k->ops--;
    if (done->token.op == OP_RECEIVE)
        k->receiving = false;
    if (done->token.op == OP_SEND)
        k->sending = false;
}

// The other side has gone, or the line is broken; a lack of buffers passes.
static bool is_end(const struct io_done *done)
{
    return done->token.op == OP_RECEIVE ? done->result <= 0 && done->result != -ENOBUFS
                                        : done->result < 0;
}

// --- the receiver

struct session {
    bool used;
    struct link link;
    struct smtp_server machine;
    struct buffer in; // not taken by the machine yet
    struct buffer out, sending;
    size_t sent_bytes;
    struct iovec piece;
    bool ended; // flush, then close
    struct buffer content;
    uint32_t letter; // of the transaction; LETTERS_MAX: none
    uint32_t rcpts;  // accepted ones, a bit each
    struct {
        uint64_t due_us;
        char text[48];
    } verdicts[VERDICTS_MAX]; // oldest first
    uint32_t verdict_count;
};

struct receiver {
    struct io *io;
    int listen_fd;
    bool accepting;
    uint16_t generation;
    uint32_t refuse_per_million; // at each command
    struct smtp_server_options options;
    struct session sessions[SESSIONS_MAX];
};

// --- the sender

struct line {
    bool used;
    struct link link;
    struct smtp_client machine;
    struct wire wire;
    uint64_t sent_bytes; // that io says it took
    uint64_t retry_us;
};

struct sender {
    struct io *io;
    uint16_t generation;
    struct smtp_client_options options;
    struct line lines[LINES_MAX];
    uint32_t line_count;
};

struct scene {
    struct world *world;
    struct io_address address;
    struct receiver receiver;
    struct sender sender;
    struct letter letters[LETTERS_MAX];
    uint32_t letter_count;
    uint32_t doubt_count, arrival_count;
};

static uint32_t below(struct scene *s, uint32_t bound)
{
    return random_below(world_dice(s->world), bound);
}

// --- receiving

static void session_open(struct scene *s, int fd)
{
    struct receiver *r = &s->receiver;
    uint32_t i = 0;
    while (r->sessions[i].used)
        CHECK(++i < SESSIONS_MAX);
    struct session *k = &r->sessions[i];
    *k = (struct session){.used = true, .letter = LETTERS_MAX};
    k->link = (struct link){.fd = fd, .generation = ++r->generation};
    buffer_init(&k->in, IN_BYTES_MAX);
    buffer_init(&k->out, OUT_BYTES_MAX);
    buffer_init(&k->sending, OUT_BYTES_MAX);
    buffer_init(&k->content, IN_BYTES_MAX);
    smtp_server_init(&k->machine, &r->options);
    smtp_server_greet(&k->machine, NULL, &k->out);
    link_receive(&k->link, r->io, i);
}

static void session_free(struct session *k)
{
    smtp_server_release(&k->machine);
    buffer_release(&k->in);
    buffer_release(&k->out);
    buffer_release(&k->sending);
    buffer_release(&k->content);
    k->used = false;
}

static const char *refusal(struct scene *s)
{
    static const char *const words[] = {"451 4.3.0 not now", "452 4.3.1 full",
                                        "421 4.3.2 going down"};
    if (s->receiver.refuse_per_million == 0 || below(s, 1000000) >= s->receiver.refuse_per_million)
        return NULL;
    return words[below(s, COUNT_OF(words))];
}

static const char *on_mail(struct scene *s, struct session *k, struct slice sender)
{
    char text[32] = "";
    unsigned letter = LETTERS_MAX;
    CHECK(sender.len < sizeof(text));
    memcpy(text, sender.data, sender.len);
    CHECK(sscanf(text, "l%u@", &letter) == 1 && letter < s->letter_count);
    CHECK(strcmp(text, s->letters[letter].sender) == 0);
    const char *no = refusal(s);
    k->letter = no ? LETTERS_MAX : letter;
    k->rcpts = 0;
    buffer_clear(&k->content);
    return no;
}

static const char *on_rcpt(struct scene *s, struct session *k, struct slice address)
{
    const struct letter *l = &s->letters[k->letter];
    uint32_t i = 0;
    while (!slice_equal(slice_of_text(l->addresses[i]), address))
        CHECK(++i < l->transaction.rcpt_count); // another letter's recipient
    const char *no = refusal(s);
    if (!no)
        k->rcpts |= 1u << i;
    return no;
}

// The message is whole. It is decided now what becomes of it, and told later.
static void on_message(struct scene *s, struct session *k)
{
    struct letter *l = &s->letters[k->letter];
    CHECK(slice_equal(buffer_slice(&k->content), buffer_slice(&l->content)));
    CHECK(k->rcpts != 0 && k->verdict_count < VERDICTS_MAX);
    // No 421 here: messages behind this one may have been taken already.
    const char *no = refusal(s) ? "451 4.3.0 not now" : NULL;
    if (!no) {
        l->arrivals++;
        s->arrival_count++;
    }
    uint64_t due_us = io_now_us(s->receiver.io) + below(s, below(s, 4) ? 1000 : SECOND);
    if (k->verdict_count > 0 && k->verdicts[k->verdict_count - 1].due_us > due_us)
        due_us = k->verdicts[k->verdict_count - 1].due_us;
    k->verdicts[k->verdict_count].due_us = due_us;
    snprintf(k->verdicts[k->verdict_count].text, sizeof(k->verdicts[0].text), "%s",
             no ? no : "250 2.0.0 queued ");
    if (!no)
        snprintf(k->verdicts[k->verdict_count].text + strlen("250 2.0.0 queued "), 16, "%u",
                 k->letter);
    k->verdict_count++;
    k->letter = LETTERS_MAX;
}

// False: the machine waits for a verdict, or for nothing.
static bool session_take(struct scene *s, struct session *k, const struct smtp_server_event *e)
{
    switch (e->kind) {
    case SERVER_MORE:
    case SERVER_WAIT: return false;
    case SERVER_CONTENT: CHECK(buffer_append(&k->content, e->text)); return true;
    case SERVER_MESSAGE: on_message(s, k); return true;
    case SERVER_DROPPED:
        CHECK(e->fault == CONTENT_FINE);
        k->letter = LETTERS_MAX;
        return true;
    case SERVER_CLOSE: k->ended = true; return false;
    case SERVER_MAIL:
        smtp_server_answer(&k->machine, on_mail(s, k, e->address.text), &k->out);
        return true;
    case SERVER_RCPT:
        smtp_server_answer(&k->machine, on_rcpt(s, k, e->address.text), &k->out);
        return true;
    case SERVER_DATA:
    case SERVER_EHLO: smtp_server_answer(&k->machine, refusal(s), &k->out); return true;
    case SERVER_OTHER:
    case SERVER_STARTTLS:
    case SERVER_AUTH:
    case SERVER_QUIT: smtp_server_answer(&k->machine, NULL, &k->out); return true;
    }
    return false;
}

static void session_feed(struct scene *s, struct session *k)
{
    struct slice rest = buffer_slice(&k->in);
    struct smtp_server_event e;
    do
        e = smtp_server_feed(&k->machine, &rest, &k->out);
    while (session_take(s, k, &e));
    if (k->ended)
        rest = SLICE_EMPTY;
    buffer_drop_front(&k->in, k->in.len - rest.len);
}

static void give_verdicts(struct receiver *r, struct session *k)
{
    uint32_t given = 0;
    while (given < k->verdict_count && k->verdicts[given].due_us <= io_now_us(r->io) &&
           smtp_server_uncommitted(&k->machine) > 0)
        smtp_server_verdict(&k->machine, k->verdicts[given++].text, &k->out);
    k->verdict_count -= given;
    memmove(&k->verdicts[0], &k->verdicts[given], k->verdict_count * sizeof(k->verdicts[0]));
    if (smtp_server_uncommitted(&k->machine) == 0)
        k->verdict_count = 0; // hung up: they are for nobody
}

static void session_flush(struct receiver *r, struct session *k, uint32_t i)
{
    if (k->link.sending || k->link.closing)
        return;
    if (k->sending.len == 0) {
        struct buffer swapped = k->sending;
        k->sending = k->out;
        k->out = swapped;
        k->sent_bytes = 0;
    }
    if (k->sending.len > 0) {
        k->piece = (struct iovec){k->sending.data + k->sent_bytes, k->sending.len - k->sent_bytes};
        link_send(&k->link, r->io, i, &k->piece, 1);
    } else if (k->ended) {
        link_close(&k->link, r->io);
    }
}

static void session_on_done(struct scene *s, struct session *k, const struct io_done *done)
{
    struct receiver *r = &s->receiver;
    link_on_done(&k->link, done);
    if (done->token.op == OP_SEND && done->result > 0) {
        k->sent_bytes += (size_t)done->result;
        if (k->sent_bytes == k->sending.len)
            buffer_clear(&k->sending);
    }
    if (done->lends) {
        if (!k->link.closing)
            CHECK(buffer_append(&k->in, done->bytes));
        io_return(r->io, done->lent);
    }
    if (is_end(done) && !k->link.closing)
        link_close(&k->link, r->io);
}

static uint64_t receiver_turn(struct scene *s)
{
    struct receiver *r = &s->receiver;
    struct io_done done;
    uint64_t due_us = UINT64_MAX;
    while (io_next(r->io, &done)) {
        if (done.token.op != OP_ACCEPT) {
            session_on_done(s, &r->sessions[done.token.index], &done);
            continue;
        }
        if (done.result >= 0)
            session_open(s, done.result);
        if (done.ended)
            io_accept(r->io, r->listen_fd, done.token);
    }
    for (uint32_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *k = &r->sessions[i];
        if (!k->used)
            continue;
        if (!k->link.closing) {
            give_verdicts(r, k);
            session_feed(s, k);
            session_flush(r, k, i);
            link_receive(&k->link, r->io, i);
            if (k->verdict_count > 0 && k->verdicts[0].due_us < due_us)
                due_us = k->verdicts[0].due_us;
        }
        if (k->link.closing && k->link.ops == 0)
            session_free(k);
    }
    return due_us;
}

// --- sending

static bool take_letter(struct scene *s, uint32_t *ret)
{
    for (uint32_t i = 0; i < s->letter_count; i++)
        if (s->letters[i].waits) {
            *ret = i;
            return true;
        }
    return false;
}

static void line_open(struct scene *s, struct line *n, uint32_t i)
{
    struct sender *d = &s->sender;
    struct link link = {.generation = ++d->generation};
    link.fd = io_connect(d->io, &s->address, NULL, link_token(&link, i, OP_CONNECT));
    CHECK(link.fd >= 0);
    link.ops = 1;
    n->used = true;
    n->link = link;
    n->sent_bytes = 0;
    smtp_client_init(&n->machine, &d->options);
    wire_init(&n->wire);
}

// The line has gone, and the kernel holds nothing of it any more: now it is clear what went out.
static void line_end(struct scene *s, struct line *n)
{
    struct smtp_unfinished u;
    for (uint32_t i = 0; smtp_client_unfinished(&n->machine, i, &u); i++) {
        struct letter *l = &s->letters[u.tag];
        CHECK(!l->delivered && !l->waits);
        l->waits = true;
        if (u.written && n->sent_bytes >= u.end_bytes) {
            l->doubts++;
            s->doubt_count++;
        }
    }
    smtp_client_release(&n->machine);
    wire_release(&n->wire);
    n->used = false;
    n->retry_us = io_now_us(s->sender.io) + 1 + below(s, SECOND);
}

static void on_verdict(struct scene *s, const struct smtp_event *e)
{
    struct letter *l = &s->letters[e->tag];
    char want[16];
    CHECK(!l->delivered && !l->waits && e->reply && l->refused <= l->transaction.rcpt_count);
    if (e->phase != SMTP_PHASE_CONTENT || !reply_is_success(e->reply)) {
        // The reply is for those recipients that were not refused before, if there are any.
        CHECK(e->reply->code / 100 != 5 || l->refused == l->transaction.rcpt_count);
        l->waits = true;
        return;
    }
    // The verdict names the message that it is about.
    int want_len = snprintf(want, sizeof(want), " %u", (unsigned)e->tag);
    struct slice text = e->reply->text;
    CHECK(text.len >= (size_t)want_len);
    CHECK(slice_equal(slice_skip(text, text.len - (size_t)want_len), slice_of_text(want)));
    l->delivered = true;
}

// Recipients that were refused for now go again with the whole letter, later; for this test a
// letter is delivered when one of its recipients is.
static bool line_feed(struct scene *s, struct line *n, struct slice bytes)
{
    for (;;) {
        struct smtp_event e = smtp_client_feed(&n->machine, &bytes);
        if (e.kind == SMTP_MORE)
            return true;
        if (e.kind == SMTP_CLOSED)
            return false;
        if (e.kind == SMTP_RCPT_REFUSED)
            s->letters[e.tag].refused++;
        if (e.kind == SMTP_DONE)
            on_verdict(s, &e);
    }
}

static void line_say(struct scene *s, struct line *n, uint32_t i)
{
    uint32_t letter;
    unsigned count;
    if (n->link.closing)
        return;
    while (smtp_client_can_start(&n->machine) && take_letter(s, &letter)) {
        s->letters[letter].waits = false;
        s->letters[letter].refused = 0;
        CHECK(smtp_client_start(&n->machine, &s->letters[letter].transaction));
    }
    if (smtp_client_can_start(&n->machine) && smtp_client_idle(&n->machine))
        smtp_client_quit(&n->machine);
    if (n->link.sending)
        return;
    smtp_client_fill(&n->machine, &n->wire);
    if (wire_empty(&n->wire))
        return;
    const struct iovec *pieces = wire_pieces(&n->wire, &count);
    link_send(&n->link, s->sender.io, i, pieces, count);
}

static void line_on_done(struct scene *s, struct line *n, const struct io_done *done)
{
    bool goes_on = true;
    link_on_done(&n->link, done);
    if (done->token.op == OP_SEND && done->result > 0) {
        n->sent_bytes += (uint64_t)done->result;
        wire_sent(&n->wire, (size_t)done->result);
    }
    if (done->lends) {
        if (!n->link.closing)
            goes_on = line_feed(s, n, done->bytes);
        io_return(s->sender.io, done->lent);
    }
    if (!n->link.closing && (is_end(done) || !goes_on))
        link_close(&n->link, s->sender.io);
}

static uint64_t sender_turn(struct scene *s)
{
    struct sender *d = &s->sender;
    struct io_done done;
    uint32_t letter;
    uint64_t due_us = UINT64_MAX;
    while (io_next(d->io, &done))
        line_on_done(s, &d->lines[done.token.index], &done);
    for (uint32_t i = 0; i < d->line_count; i++) {
        struct line *n = &d->lines[i];
        if (n->used && n->link.closing && n->link.ops == 0)
            line_end(s, n);
        if (!n->used && take_letter(s, &letter)) {
            if (n->retry_us <= io_now_us(d->io))
                line_open(s, n, i);
            else if (n->retry_us < due_us)
                due_us = n->retry_us;
        }
        bool connected = n->used && (n->link.receiving || n->link.ops == 0);
        if (n->used && !n->link.closing && connected) {
            link_receive(&n->link, d->io, i);
            line_say(s, n, i);
        }
    }
    return due_us;
}

// --- a scene

static void write_letter(struct scene *s, uint32_t i)
{
    struct letter *l = &s->letters[i];
    uint32_t line_count = 1 + below(s, below(s, 8) ? 8 : 600);
    snprintf(l->sender, sizeof(l->sender), "l%u@example.org", i);
    buffer_init(&l->content, IN_BYTES_MAX);
    for (uint32_t k = 0; k < line_count; k++) {
        bool has_dot = below(s, 4) == 0;
        l->transaction.content.has_dot_lines |= has_dot;
        CHECK(buffer_printf(&l->content, "%s%0*u\r\n", has_dot ? "." : "", (int)below(s, 200), k));
    }
    l->transaction.content.pieces[0] = buffer_slice(&l->content);
    l->transaction.content.piece_count = 1;
    l->transaction.tag = i;
    l->transaction.sender = slice_of_text(l->sender);
    l->transaction.rcpts = l->rcpts;
    l->transaction.rcpt_count = 1 + below(s, RCPTS_MAX);
    for (uint32_t k = 0; k < l->transaction.rcpt_count; k++) {
        snprintf(l->addresses[k], sizeof(l->addresses[k]), "r%u.%u@example.com", i, k);
        l->rcpts[k].address = slice_of_text(l->addresses[k]);
    }
    l->waits = true;
}

static void start_scene(struct scene *s, const struct world_options *options,
                        uint32_t refuse_per_million)
{
    s->world = world_new(options);
    const struct io_options io_options = {.receive_buffer_count = 16, .receive_buffer_bytes = 2048};
    CHECK(io_new(&s->receiver.io, &io_options) == 0 && io_new(&s->sender.io, &io_options) == 0);
    CHECK(io_address_parse(SLICE("127.0.0.1:0"), 0, &s->address));
    s->receiver.refuse_per_million = refuse_per_million;
    s->receiver.options = (struct smtp_server_options){
        .hostname = SLICE("mx.example.com"),
        .banner = SLICE("ESMTP"),
        .rcpt_count_max = RCPTS_MAX,
        .pipelining = below(s, 4) > 0,
        .chunking = below(s, 2) > 0,
        .enhanced_codes = below(s, 2) > 0,
    };
    s->receiver.listen_fd = io_listen(s->receiver.io, &s->address, NULL);
    CHECK(s->receiver.listen_fd >= 0);
    io_accept(s->receiver.io, s->receiver.listen_fd,
              (struct io_token){.owner = 1, .op = OP_ACCEPT, .index = 1});
    s->sender.options = (struct smtp_client_options){
        .helo_name = SLICE("out.example.org"),
        .window = (uint16_t)(1 + below(s, 8)),
    };
    s->sender.line_count = 1 + below(s, LINES_MAX);
    s->letter_count = 1 + below(s, LETTERS_MAX);
    for (uint32_t i = 0; i < s->letter_count; i++)
        write_letter(s, i);
}

static void end_scene(struct scene *s)
{
    io_close(s->receiver.io, s->receiver.listen_fd);
    for (uint32_t i = 0; i < LETTERS_MAX; i++)
        buffer_release(&s->letters[i].content);
    io_free(s->receiver.io);
    io_free(s->sender.io);
    world_free(s->world);
}

static void check_scene(const struct scene *s)
{
    for (uint32_t i = 0; i < s->letter_count; i++) {
        const struct letter *l = &s->letters[i];
        CU_ASSERT_TRUE(l->delivered);
        CU_ASSERT_TRUE(l->arrivals >= 1);
        CU_ASSERT_TRUE(l->arrivals <= 1 + l->doubts);
    }
    CU_ASSERT_EQUAL(world_descriptors_open(s->world), 1);
    CU_ASSERT_EQUAL(world_requests_in_flight(s->world), 1);
    CU_ASSERT_EQUAL(world_buffers_lent(s->world), 0);
}

struct totals {
    uint64_t trace;
    uint64_t letters, arrivals, doubts, us;
};

// `heal_us`: from then on nothing goes wrong any more.
static struct totals play(const struct world_options *options, uint32_t refuse_per_million,
                          uint64_t heal_us)
{
    struct scene *s = calloc(1, sizeof(*s));
    struct io *io;
    start_scene(s, options, refuse_per_million);
    uint64_t start_us = world_now_us(s->world), end_us = start_us + (uint64_t)TIME_MAX_S * SECOND;
    while (world_next(s->world, &io) && world_now_us(s->world) < end_us) {
        io_wait(io, io == s->sender.io ? sender_turn(s) : receiver_turn(s));
        if (world_now_us(s->world) - start_us >= heal_us) {
            world_heal(s->world);
            s->receiver.refuse_per_million = 0;
        }
    }
    struct totals t = {world_trace(s->world), s->letter_count, s->arrival_count, s->doubt_count,
                       world_now_us(s->world) - start_us};
    check_scene(s);
    end_scene(s);
    free(s);
    return t;
}

// --- tests

static const struct world_faults faults = {
    .reset = 3000,
    .connect_failure = 50000,
    .accept_failure = 20000,
    .early_end = 20000,
    .stall = 10000,
};

// POSTHASTE_SIM_SEED=N runs that seed alone; with POSTHASTE_SIM_TRACE, a line for each completion.
static uint64_t first_seed(void)
{
    const char *text = getenv("POSTHASTE_SIM_SEED");
    return text ? strtoull(text, NULL, 10) : 1;
}

static uint64_t seed_count(void)
{
    if (getenv("POSTHASTE_SIM_SEED"))
        return 1;
    return getenv("POSTHASTE_LONG") ? SEEDS_LONG : SEEDS;
}

// A seed that fails is told, so that it can be run alone.
static struct totals play_seed(const struct world_options *o, uint32_t refuse_per_million,
                               uint64_t heal_us)
{
    unsigned failures = CU_get_number_of_failures();
    struct world_options options = *o;
    options.trace = getenv("POSTHASTE_SIM_TRACE") ? stdout : NULL;
    struct totals t = play(&options, refuse_per_million, heal_us);
    if (CU_get_number_of_failures() != failures)
        printf("\n  POSTHASTE_SIM_SEED=%" PRIu64 " failed\n", o->seed);
    return t;
}

// In order, without faults but with every cut: each message once.
static void test_fair_weather(void)
{
    uint64_t first = first_seed(), end = first + (seed_count() + 3) / 4;
    for (uint64_t seed = first; seed < end; seed++) {
        struct totals t = play_seed(&(struct world_options){.seed = seed}, 0, UINT64_MAX);
        CU_ASSERT_EQUAL(t.arrivals, t.letters);
        CU_ASSERT_EQUAL(t.doubts, 0);
    }
}

static void test_storm(void)
{
    uint64_t first = first_seed(), end = first + seed_count();
    uint64_t letters = 0, arrivals = 0, doubts = 0;
    for (uint64_t seed = first; seed < end; seed++) {
        const struct world_options o = {
            .seed = seed, .faults = faults, .receive_buffers_max = seed % 3 ? 0 : 2};
        struct totals t = play_seed(&o, 20000, UINT64_MAX);
        letters += t.letters;
        arrivals += t.arrivals;
        doubts += t.doubts;
    }
    // The storm was one: messages were in doubt, and some of them had arrived.
    CU_ASSERT(end - first < SEEDS || (doubts > 0 && arrivals > letters));
}

// So bad that hardly anything gets through, then fine: all is delivered.
static void test_break_then_heal(void)
{
    uint64_t first = first_seed(), end = first + (seed_count() + 9) / 10;
    for (uint64_t seed = first; seed < end; seed++) {
        const struct world_options o = {
            .seed = seed,
            .faults = {.reset = 100000,
                       .connect_failure = 500000,
                       .early_end = 500000,
                       .stall = 100000},
        };
        struct totals t = play_seed(&o, 300000, 60ull * SECOND);
        CU_ASSERT(t.us < 200ull * SECOND);
    }
}

static void test_one_seed_one_trace(void)
{
    uint64_t first = first_seed(), end = first + (seed_count() + 19) / 20;
    for (uint64_t seed = first; seed < end; seed++) {
        const struct world_options o = {.seed = seed, .faults = faults};
        struct totals a = play_seed(&o, 20000, UINT64_MAX), b = play_seed(&o, 20000, UINT64_MAX);
        CU_ASSERT_EQUAL(a.trace, b.trace);
        CU_ASSERT_EQUAL(a.arrivals, b.arrivals);
        CU_ASSERT_EQUAL(a.us, b.us);
    }
}

static const struct suite_test tests[] = {
    {"fair weather", test_fair_weather},
    {"storm", test_storm},
    {"break, then heal", test_break_then_heal},
    {"one seed, one trace", test_one_seed_one_trace},
};
SUITE_MAIN("sim", tests)
