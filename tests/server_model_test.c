// Random sessions against a reference automaton, which knows the rules and no bytes: what the
// client does next, what the owner answers, and what must come of it are drawn together. The
// server machine then gets the bytes, cut anywhere, with verdicts at once or late.
#include "engine/base/random.h"
#include "tests/server_owner.h"
#include "tests/suite.h"

#include <stdarg.h>

#define SESSIONS 100000
#define SESSIONS_LONG 3000000
#define STEPS_MAX 40
#define ANSWERS_MAX (2 * STEPS_MAX)
#define MESSAGE_BYTES_MAX 100
#define RCPTS_MAX 3

static const struct smtp_server_options options = {
    .hostname = SLICE("mx.example"),
    .banner = SLICE("ESMTP test"),
    .message_bytes_max = MESSAGE_BYTES_MAX,
    .rcpt_count_max = RCPTS_MAX,
    .pipelining = true,
    .chunking = true,
    .starttls = true,
    .auth = true,
};

struct play {
    struct random dice;
    // What is to be played, and what must come of it.
    struct buffer client, said, seen;
    const char *answers[ANSWERS_MAX], *verdicts[STEPS_MAX];
    unsigned answer_count, answer_next, verdict_count;
    // The reference automaton.
    bool hello, open, chunked, wake, ended;
    bool secured, authenticated;
    unsigned rcpts_accepted, rcpts_refused, errors, auths_refused;
    struct buffer content;
    enum content_fault fault;
};

static void say(struct play *p, const char *reply)
{
    if (!p->ended)
        buffer_printf(&p->said, "%s%.*s", p->said.len ? ", " : "",
                      strlen(reply) > 5 && reply[5] == '.' ? 9 : 3, reply);
}

__attribute__((format(printf, 2, 3))) static void see(struct play *p, const char *format, ...)
{
    char text[128];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    buffer_printf(&p->seen, "%s%s", p->seen.len ? " " : "", text);
}

static void client(struct play *p, const char *text)
{
    buffer_printf(&p->client, "%s", text);
}

static void end_transaction(struct play *p)
{
    p->open = p->chunked = false;
    p->fault = CONTENT_FINE;
    p->rcpts_accepted = p->rcpts_refused = 0;
    buffer_clear(&p->content);
}

static void drop(struct play *p, const char *why)
{
    if (p->open && p->fault)
        see(p, "drop(%s fault %d)", why, p->fault);
    else if (p->open)
        see(p, "drop(%s)", why);
    end_transaction(p);
}

static void end(struct play *p)
{
    p->fault = CONTENT_FINE;
    drop(p, "-");
    see(p, "close");
    p->ended = true;
}

// The owner's answer to the event just seen: whether it is one of acceptance.
static bool answered(struct play *p, const char *usual)
{
    static const char *const refusals[] = {"450 4.2.0 later", "550 5.7.1 never", "554 no code"};
    uint32_t roll = random_below(&p->dice, 40);
    const char *answer = roll < 7 ? refusals[roll % 3] : roll == 8 ? "421 4.3.2 closing" : NULL;
    p->answers[p->answer_count++] = answer;
    if (answer || usual)
        say(p, answer ? answer : usual);
    if (roll == 8)
        end(p);
    return !answer;
}

static bool one_error_too_many(struct play *p)
{
    if (++p->errors <= SERVER_ERRORS_MAX)
        return false;
    say(p, "421 4.7.0");
    end(p);
    return true;
}

static void out_of_order(struct play *p, const char *reply)
{
    if (p->wake || p->rcpts_refused > 0 || !one_error_too_many(p))
        say(p, reply);
}

static void do_hello(struct play *p)
{
    bool ehlo = random_below(&p->dice, 2);
    client(p, ehlo ? "EHLO c\r\n" : "helo c\r\n");
    see(p, ehlo ? "ehlo(c)" : "helo(c)");
    p->hello = answered(p, "250");
    if (p->ended)
        return;
    p->wake = false;
    drop(p, ehlo ? "ehlo" : "helo");
}

static void do_mail(struct play *p)
{
    uint32_t roll = random_below(&p->dice, 12);
    if (roll == 0) {
        client(p, "MAIL FROM:<a b>\r\n");
        p->wake |= !p->open;
        say(p, "501 5.1.7");
        return;
    }
    bool too_big = roll == 1;
    client(p, too_big ? "MAIL FROM:<a@b> SIZE=101\r\n" : "MAIL FROM:<a@b>\r\n");
    if (!p->hello || p->open) {
        out_of_order(p, "503 5.5.1");
        p->wake |= !p->open && !p->ended;
    } else if (too_big) {
        say(p, "552 5.3.4");
        p->wake = true;
    } else {
        see(p, "mail(a@b)");
        bool accepted = answered(p, "250 2.1.0");
        if (p->ended)
            return;
        p->open = accepted;
        p->wake = !accepted;
    }
}

static void do_rcpt(struct play *p)
{
    if (random_below(&p->dice, 8) == 0) {
        client(p, "RCPT TO:<c>\r\n");
        say(p, "501 5.1.3");
        p->rcpts_refused += p->open;
        return;
    }
    client(p, "RCPT TO:<c@d>\r\n");
    if (!p->hello || !p->open || p->chunked) {
        out_of_order(p, "503 5.5.1");
        p->rcpts_refused += p->open;
    } else if (p->rcpts_accepted == RCPTS_MAX) {
        say(p, "452 4.5.3");
        p->rcpts_refused++;
    } else {
        see(p, "rcpt(c@d)");
        if (answered(p, "250 2.1.5"))
            p->rcpts_accepted++;
        else if (!p->ended)
            p->rcpts_refused++;
    }
}

static bool begins_line_with_dot(const struct buffer *content)
{
    struct slice rest = buffer_slice(content);
    while (rest.len > 0) {
        if (rest.data[0] == '.')
            return true;
        slice_cut(&rest, '\n');
    }
    return false;
}

// The content has come to its end, or a chunk to its.
static bool content_is_refused(struct play *p, const char *verb)
{
    if (p->content.len <= MESSAGE_BYTES_MAX && !p->fault)
        return false;
    say(p, p->content.len > MESSAGE_BYTES_MAX ? "552 5.3.4" : "550 5.6.0");
    drop(p, verb);
    return true;
}

static void complete(struct play *p)
{
    static const char *const verdicts[] = {"250 2.6.0 fine", "451 4.3.0 no disk", "554 5.7.1 spam"};
    const char *verdict = verdicts[random_below(&p->dice, 3)];
    see(p, "message%s(%.*s)", begins_line_with_dot(&p->content) ? "." : "",
        SLICE_ARG(buffer_slice(&p->content)));
    p->verdicts[p->verdict_count++] = verdict;
    say(p, verdict);
    end_transaction(p);
}

static const char *order_of_content(const struct play *p)
{
    if (!p->hello || !p->open || p->rcpts_accepted + p->rcpts_refused == 0)
        return "503 5.5.1";
    return p->rcpts_accepted == 0 ? "554 5.5.1" : NULL;
}

#define FORTY "0123456789012345678901234567890123456789"

static void do_data(struct play *p)
{
    static const struct {
        const char *sent, *stored;
        bool has_bare_lf;
    } contents[] = {
        {".\r\n", "", false},
        {"hi\r\n.\r\n", "hi\r\n", false},
        {"..\r\na.\r\n.\r\n", ".\r\na.\r\n", false},
        {"RSET\r\nQUIT\r\n.\r\n", "RSET\r\nQUIT\r\n", false},
        {FORTY "\r\n" FORTY "01234567890123\r\n.\r\n", FORTY "\r\n" FORTY "01234567890123\r\n",
         false},
        {FORTY "\r\n" FORTY "012345678901234\r\n.\r\n", FORTY "\r\n" FORTY "012345678901234\r\n",
         false},
        {"one\n.\nQUIT\n.\r\nRSET\r\n.\r\n", "one\n.\nQUIT\n.\r\nRSET\r\n", true},
        {FORTY FORTY FORTY "\n.\r\n\r\n.\r\n", FORTY FORTY FORTY "\n.\r\n\r\n", true},
    };
    client(p, "DATA\r\n");
    const char *refusal = order_of_content(p);
    if (!refusal && p->chunked)
        refusal = "503 5.5.1";
    if (refusal) {
        out_of_order(p, refusal);
        return;
    }
    see(p, "data");
    if (!answered(p, "354") || p->ended)
        return;
    uint32_t roll = random_below(&p->dice, COUNT_OF(contents));
    client(p, contents[roll].sent);
    buffer_printf(&p->content, "%s", contents[roll].stored);
    p->fault = contents[roll].has_bare_lf ? CONTENT_BARE_LF : CONTENT_FINE;
    if (!content_is_refused(p, "data"))
        complete(p);
}

static void refuse_chunk(struct play *p, const char *refusal)
{
    say(p, refusal);
    drop(p, "bdat");
    p->wake = true;
}

// Takes a chunk, and the CRLF that it left out at the end. Of these chunks only one has a fault in
// its midst; others come of how they meet.
static enum content_fault append_chunk(struct play *p, const char *chunk, bool last)
{
    struct buffer *content = &p->content;
    bool after_cr = content->len > 0 && content->data[content->len - 1] == '\r';
    buffer_printf(content, "%s", chunk);
    if (after_cr && chunk[0] != '\n' && chunk[0] != '\0')
        return CONTENT_BARE_CR;
    if ((!after_cr && chunk[0] == '\n') || strcmp(chunk, "a\nb") == 0)
        return CONTENT_BARE_LF;
    if (!last || content->len == 0 || content->data[content->len - 1] == '\n')
        return CONTENT_FINE;
    bool ends_in_cr = content->data[content->len - 1] == '\r';
    buffer_printf(content, "\r\n");
    return ends_in_cr ? CONTENT_BARE_CR : CONTENT_FINE;
}

static void do_bdat(struct play *p)
{
    static const char *const chunks[] = {"",       "hi\r\n", "x",    "\r\n",        ".",
                                         "QUIT\r", "\n",     "a\nb", (FORTY FORTY), "RSET\r\n"};
    const char *chunk = chunks[random_below(&p->dice, COUNT_OF(chunks))];
    bool last = random_below(&p->dice, 2);
    bool lost = random_below(&p->dice, 20) == 0;
    buffer_printf(&p->client, "BDAT %zu%s\r\n%s", strlen(chunk),
                  lost   ? " LOST"
                  : last ? " LAST"
                         : "",
                  chunk);
    if (lost) {
        if (!one_error_too_many(p))
            refuse_chunk(p, "501 5.5.4");
        return;
    }
    const char *refusal = order_of_content(p);
    if (refusal) {
        if (p->wake || p->rcpts_refused > 0 || !one_error_too_many(p))
            refuse_chunk(p, refusal);
        return;
    }
    if (!p->chunked) {
        see(p, "bdat");
        if (!answered(p, NULL)) {
            if (!p->ended) {
                drop(p, "bdat");
                p->wake = true;
            }
            return;
        }
        p->chunked = true;
    }
    p->fault = append_chunk(p, chunk, last);
    if (content_is_refused(p, "bdat"))
        p->wake = true;
    else if (last)
        complete(p);
    else
        say(p, "250 2.0.0");
}

static void do_rset(struct play *p)
{
    client(p, "RSET\r\n");
    see(p, "rset");
    answered(p, "250 2.0.0");
    if (p->ended)
        return;
    p->wake = false;
    drop(p, "rset");
}

static void do_other(struct play *p)
{
    client(p, "NOOP\r\n");
    see(p, "noop");
    answered(p, "250 2.0.0");
}

static void do_error(struct play *p)
{
    static const char *const lines[] = {"XYZZY\r\n", "NOOP\nRSET\r\n", "\r\n", "DATA\rx\r\n"};
    client(p, lines[random_below(&p->dice, COUNT_OF(lines))]);
    if (!one_error_too_many(p))
        say(p, "500 5.5.2");
}

static void do_starttls(struct play *p)
{
    client(p, "STARTTLS\r\n");
    if (!p->hello || p->open || p->secured) {
        out_of_order(p, "503 5.5.1");
        return;
    }
    see(p, "starttls");
    if (!answered(p, "220 2.0.0") || p->ended)
        return;
    if (random_below(&p->dice, 6) == 0) {
        client(p, "NOOP\r\n"); // in the clear
        end(p);
        return;
    }
    client(p, "\x16");
    p->secured = true;
    p->hello = p->wake = false;
}

static void judge_auth(struct play *p)
{
    static const char *const refusals[] = {"454 4.7.0 later", "535 5.7.8 no", "554 5.7.1 never"};
    uint32_t roll = random_below(&p->dice, 8);
    const char *answer = roll < 3 ? refusals[roll] : roll == 3 ? "421 4.3.2 closing" : NULL;
    see(p, "auth(joe:secret)");
    p->answers[p->answer_count++] = answer;
    p->authenticated = !answer;
    bool too_many = answer && answer[0] == '5' && ++p->auths_refused == SERVER_AUTH_TRIES_MAX;
    say(p, too_many ? "421 4.7.0" : answer ? answer : "235 2.7.0");
    if (too_many || roll == 3)
        end(p);
}

static void do_auth(struct play *p)
{
    static const char *const begins[] = {"AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", "auth login\r\n",
                                         "AUTH PLAIN\r\n"};
    uint32_t roll = random_below(&p->dice, COUNT_OF(begins));
    client(p, begins[roll]);
    if (!p->hello || p->open || !p->secured || p->authenticated) {
        out_of_order(p, p->hello && !p->open && !p->secured ? "538 5.7.11" : "503 5.5.1");
        return;
    }
    if (roll > 0)
        say(p, "334");
    if (roll == 1) {
        client(p, "am9l\r\nc2VjcmV0\r\n");
        say(p, "334");
    }
    if (roll < 2) {
        judge_auth(p);
        return;
    }
    client(p, "*\r\n");
    if (!one_error_too_many(p))
        say(p, "501 5.7.0");
}

static void do_quit(struct play *p)
{
    client(p, "QUIT\r\n");
    see(p, "quit");
    answered(p, "221 2.0.0");
    if (!p->ended)
        end(p);
}

static void do_likely(struct play *p)
{
    if (!p->hello)
        do_hello(p);
    else if (!p->open)
        do_mail(p);
    else if (p->rcpts_accepted == 0 || random_below(&p->dice, 4) == 0)
        do_rcpt(p);
    else if (p->chunked || random_below(&p->dice, 2))
        do_bdat(p);
    else
        do_data(p);
}

static void do_unlikely(struct play *p)
{
    static void (*const moves[])(struct play *) = {do_hello,    do_mail, do_rcpt,  do_data,
                                                   do_bdat,     do_rset, do_other, do_error,
                                                   do_starttls, do_auth};
    if (random_below(&p->dice, 60) == 0)
        do_quit(p);
    else
        moves[random_below(&p->dice, COUNT_OF(moves))](p);
}

static void draw_session(struct play *p, uint64_t seed)
{
    struct buffer *const buffers[] = {&p->client, &p->said, &p->seen, &p->content};
    random_init(&p->dice, seed);
    for (size_t i = 0; i < COUNT_OF(buffers); i++)
        buffer_clear(buffers[i]);
    p->answer_count = p->answer_next = p->verdict_count = 0;
    p->hello = p->wake = p->ended = p->secured = p->authenticated = false;
    p->errors = p->auths_refused = 0;
    end_transaction(p);
    uint32_t steps = 1 + random_below(&p->dice, STEPS_MAX);
    uint32_t mischief = 1 + random_below(&p->dice, 10); // of ten
    for (uint32_t i = 0; i < steps && !p->ended; i++) {
        if (random_below(&p->dice, 10) < mischief)
            do_unlikely(p);
        else
            do_likely(p);
    }
}

static const char *drawn_answer(void *context, const char *name, unsigned count)
{
    struct play *p = context;
    if (strcmp(name, "message") == 0)
        return p->verdicts[count];
    CHECK(p->answer_next < p->answer_count);
    return p->answers[p->answer_next++];
}

static bool play(struct play *p)
{
    struct owner o;
    struct buffer said;
    owner_init(&o, &options);
    buffer_init(&said, OWNER_TEXT_BYTES_MAX);
    o.answer = drawn_answer;
    o.context = p;
    smtp_server_greet(&o.server, NULL, &o.out);
    buffer_clear(&o.out);
    o.late = random_below(&p->dice, 2);
    uint32_t step = 1 + random_below(&p->dice, 300);
    for (struct slice rest = buffer_slice(&p->client); rest.len > 0;) {
        struct slice piece = slice_take(rest, 1 + random_below(&p->dice, step));
        owner_feed(&o, piece);
        rest = slice_skip(rest, piece.len);
        if (o.late && smtp_server_uncommitted(&o.server) > 0 && random_below(&p->dice, 4) == 0)
            owner_give_verdict(&o);
    }
    owner_finish(&o);
    owner_condense(buffer_slice(&o.out), &said);
    bool right = slice_equal(buffer_slice(&said), buffer_slice(&p->said)) &&
                 slice_equal(buffer_slice(&o.seen), buffer_slice(&p->seen));
    if (!right)
        printf("\n  said '%.*s'\n  want '%.*s'\n  seen '%.*s'\n  want '%.*s'\n  client:\n%.*s\n",
               SLICE_ARG(buffer_slice(&said)), SLICE_ARG(buffer_slice(&p->said)),
               SLICE_ARG(buffer_slice(&o.seen)), SLICE_ARG(buffer_slice(&p->seen)),
               SLICE_ARG(buffer_slice(&p->client)));
    buffer_release(&said);
    owner_release(&o);
    return right;
}

// With POSTHASTE_LONG set, many more; with POSTHASTE_SEED, that one session.
static void random_sessions(void)
{
    static struct play p;
    const char *seed = getenv("POSTHASTE_SEED");
    uint64_t first = seed ? strtoull(seed, NULL, 10) : 0;
    uint64_t count = seed ? 1 : getenv("POSTHASTE_LONG") ? SESSIONS_LONG : SESSIONS;
    buffer_init(&p.client, OWNER_TEXT_BYTES_MAX);
    buffer_init(&p.said, OWNER_TEXT_BYTES_MAX);
    buffer_init(&p.seen, OWNER_TEXT_BYTES_MAX);
    buffer_init(&p.content, OWNER_TEXT_BYTES_MAX);
    bool right = true;
    for (uint64_t i = first; right && i < first + count; i++) {
        draw_session(&p, i);
        right = play(&p);
        if (!right)
            printf("  POSTHASTE_SEED=%llu\n", (unsigned long long)i);
    }
    CU_ASSERT(right);
    buffer_release(&p.client);
    buffer_release(&p.said);
    buffer_release(&p.seen);
    buffer_release(&p.content);
}

static const struct suite_test tests[] = {
    {"random sessions", random_sessions},
};

SUITE_MAIN("server_model", tests)
