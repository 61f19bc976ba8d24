// The client machine against servers that say what the tables say. Two transcripts a case: what
// we said, and what the owner saw.
#include "tests/client_cases.h"
#include "tests/client_session.h"
#include "tests/suite.h"

#include <stdarg.h>

#define SEEN_BYTES_MAX 4096
#define SEEDS 40

// -------------------------------------------------------------------------------- the script

struct script {
    const struct session_case *k;
    const char *next; // segment of the server's words
    char seen[SEEN_BYTES_MAX];
    size_t seen_len;
    bool decisions_only;
};

static void script_command(struct session *s, enum peer_command command)
{
    struct script *script = s->test->own;
    const char *end = strchr(script->next, '|');
    CU_ASSERT_NOT_EQUAL(command, PEER_BAD);
    size_t len = end ? (size_t)(end - script->next) : strlen(script->next);
    if (command == PEER_DATA) {
        if (*script->next == '3')
            smtp_peer_go_ahead(&s->peer);
        else
            smtp_peer_no_data(&s->peer);
    }
    if (!script->k->early)
        session_answer(s, slice_make(script->next, len));
    else if (command == PEER_NEEDS_MORE)
        for (const char *byte = script->next; *byte; byte++)
            if (*byte != '|')
                session_answer(s, slice_make(byte, 1));
    script->next += len + (end != NULL);
}

static const char *const phase_words[SMTP_PHASE_COUNT] = {
    "greeting", "ehlo", "helo", "mail",     "rcpt", "data",
    "content",  "rset", "quit", "starttls", "auth",
};

static void see(struct script *script, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void see(struct script *script, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(script->seen + script->seen_len, SEEN_BYTES_MAX - script->seen_len, format,
                        args);
    va_end(args);
    CU_ASSERT_FATAL(len >= 0 && script->seen_len + (size_t)len < SEEN_BYTES_MAX);
    script->seen_len += (size_t)len;
}

static void script_event(struct session *s, const struct smtp_event *e)
{
    struct script *script = s->test->own;
    char tag = (char)e->tag;
    switch (e->kind) {
    case SMTP_MORE:
    case SMTP_REPLIED: CU_ASSERT(e->reply != NULL && !script->decisions_only); break;
    case SMTP_TLS:
        see(script, "tls ");
        smtp_client_secured(&s->client);
        break;
    case SMTP_READY: see(script, "ready "); break;
    case SMTP_RCPT_REFUSED: see(script, "rcpt:%c:%u:%u ", tag, e->rcpt, e->reply->code); break;
    case SMTP_DONE:
        see(script, "done:%c:%s:%u ", tag, phase_words[e->phase], e->reply->code);
        break;
    case SMTP_CLOSED: see(script, "closed:%s ", e->why); break;
    }
}

// end_bytes is right behind what ends the mail's content: its last line, or DATA's lone dot.
static bool ends_there(const struct session *s, const struct smtp_unfinished *u)
{
    struct slice end = SLICE(".\r\n");
    struct slice said = slice_make(s->said, s->said_len);
    if (memmem(said.data, said.len, "BDAT ", 5))
        for (uint32_t i = 0; i < s->mail_count; i++)
            if (s->mails[i].tag == u->tag)
                end = s->mails[i].content.pieces[0];
    return u->end_bytes <= said.len && u->end_bytes > end.len &&
           slice_equal(slice_make(said.data + u->end_bytes - end.len, end.len), end);
}

static void see_unfinished(struct session *s, struct script *script)
{
    struct smtp_unfinished u;
    for (uint32_t i = 0; smtp_client_unfinished(&s->client, i, &u); i++) {
        see(script, "%s:%c ", u.written ? "doubt" : "left", (char)u.tag);
        CU_ASSERT(!u.written || ends_there(s, &u));
    }
}

static struct session session; // half a megabyte of transcripts

static bool run_case_once(const struct session_case *k, enum session_cut cut, size_t cut_at,
                          bool decisions_only)
{
    struct script script = {.k = k, .next = k->server, .decisions_only = decisions_only};
    const struct session_test test = {&script, script_command, script_event};
    struct smtp_transaction chosen[MAILS_MAX];
    struct smtp_client_options options = {.helo_name = SLICE("c"),
                                          .tls = k->tls,
                                          .user = k->user ? slice_of_text(k->user) : SLICE_EMPTY,
                                          .password = SLICE("secret"),
                                          .ignore = k->ignore,
                                          .window = k->window ? k->window : 1,
                                          .decisions_only = decisions_only};
    session.test = &test;
    session.mails = chosen;
    session.mail_count = mails_named(k->mails, chosen);
    session.quits = !k->stays;
    session.cut = cut;
    session.cut_at = cut_at;
    random_init(&session.dice, cut_at);
    session_run(&session, &options);
    see_unfinished(&session, &script);

    struct slice said = slice_make(session.said, session.said_len);
    bool any = (k->needs_room && cut == CUT_BY_SEED) || (k->uncut && cut != CUT_NOWHERE);
    bool said_ok = any || slice_equal(said, slice_of_text(k->want_said));
    bool seen_ok = any || strcmp(script.seen, k->want_seen) == 0;
    if (!said_ok)
        printf("\n%s (%d at %zu): said\n%.*s\n", k->name, cut, cut_at, SLICE_ARG(said));
    if (!seen_ok)
        printf("\n%s (%d at %zu): saw \"%s\"\n", k->name, cut, cut_at, script.seen);
    CU_ASSERT(said_ok);
    CU_ASSERT(seen_ok);
    return said_ok && seen_ok;
}

// What is decided is the same to who hears of all replies and to who does not.
static bool run_case(const struct session_case *k, enum session_cut cut, size_t cut_at)
{
    return run_case_once(k, cut, cut_at, false) && run_case_once(k, cut, cut_at, true);
}

static void every_case(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        run_case(&cases[i], CUT_NOWHERE, 0);
}

static void every_case_by_byte(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        run_case(&cases[i], CUT_BY_BYTE, 0);
}

static void every_case_cut_in_two(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t at = 1; at < strlen(cases[i].server); at++)
            if (!run_case(&cases[i], CUT_AT, at))
                break;
}

static void every_case_with_small_wires(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (uint64_t seed = 0; seed < SEEDS; seed++)
            if (!run_case(&cases[i], CUT_BY_SEED, seed))
                break;
}

// ----------------------------------------------------------------------- what no table shows

static struct smtp_client client;
static struct wire wire;

static struct smtp_event hear(const char *text)
{
    struct slice bytes = slice_of_text(text);
    struct smtp_event e = smtp_client_feed(&client, &bytes);
    CU_ASSERT_EQUAL(bytes.len, 0);
    smtp_client_fill(&client, &wire);
    return e;
}

static void drop_wire(void)
{
    unsigned count;
    if (wire_empty(&wire))
        return;
    wire_pieces(&wire, &count);
    wire_sent(&wire, wire.bytes);
}

static void open_session(const char *ehlo, uint16_t window)
{
    struct smtp_client_options options = {.helo_name = SLICE("c"), .window = window};
    wire_release(&wire);
    wire_init(&wire);
    smtp_client_init(&client, &options);
    hear("220 hi\r\n");
    CU_ASSERT_EQUAL(hear(ehlo).kind, SMTP_READY);
    drop_wire();
}

// RFC 9422: of known names and right numbers, in any case; all else says nothing.
static void limits_of_the_server(void)
{
    static const struct {
        const char *ehlo;
        struct smtp_limits want;
    } offers[] = {
        {"250 mx\r\n", {0, 0, 0}},
        {"250-mx\r\n250 LIMITS MAILMAX=5\r\n", {5, 0, 0}},
        {"250-mx\r\n250-LIMITS RCPTMAX=20 RCPTDOMAINMAX=1 MAILMAX=999999\r\n250 SIZE 0\r\n",
         {999999, 20, 1}},
        {"250-mx\r\n250 limits mailmax=3  OTHER=7 RCPTMAX\r\n", {3, 0, 0}},
        {"250-mx\r\n250 LIMITS MAILMAX=0 RCPTMAX=1000000 RCPTDOMAINMAX=-1\r\n", {0, 0, 0}},
        {"250-mx\r\n250 LIMITS MAILMAX= RCPTMAX=x =5\r\n", {0, 0, 0}},
        {"250-mx\r\n250 LIMITS\r\n", {0, 0, 0}},
        {"250 LIMITS MAILMAX=5\r\n", {0, 0, 0}}, // its name
    };
    for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
        open_session(offers[i].ehlo, 1);
        struct smtp_limits got = smtp_client_limits(&client);
        CU_ASSERT_EQUAL(got.mail_max, offers[i].want.mail_max);
        CU_ASSERT_EQUAL(got.rcpt_max, offers[i].want.rcpt_max);
        CU_ASSERT_EQUAL(got.rcpt_domain_max, offers[i].want.rcpt_domain_max);
    }
}

static bool awaits(enum smtp_phase want)
{
    enum smtp_phase phase;
    return smtp_client_awaits(&client, &phase) && phase == want;
}

static void each_reply_is_told_with_its_phase(void)
{
    open_session("250-mx\r\n250 PIPELINING\r\n", 1);
    CU_ASSERT(smtp_client_idle(&client));
    CU_ASSERT_EQUAL(smtp_client_extensions(&client), SMTP_PIPELINING);
    CU_ASSERT(smtp_client_start(&client, &mails[0]));
    CU_ASSERT_FALSE(smtp_client_idle(&client));
    smtp_client_fill(&client, &wire);

    static const struct {
        const char *reply;
        enum smtp_phase phase;
    } steps[] = {{"250 a\r\n", SMTP_PHASE_MAIL},
                 {"250 b\r\n", SMTP_PHASE_RCPT},
                 {"354 c\r\n", SMTP_PHASE_DATA}};
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT(awaits(steps[i].phase));
        struct smtp_event e = hear(steps[i].reply);
        CU_ASSERT_EQUAL(e.kind, SMTP_REPLIED);
        CU_ASSERT_EQUAL(e.phase, steps[i].phase);
        CU_ASSERT_EQUAL(e.tag, 'a');
    }
    CU_ASSERT(awaits(SMTP_PHASE_CONTENT));
    struct smtp_event e = hear("250 2.6.0 d\r\n");
    CU_ASSERT(e.kind == SMTP_DONE && e.phase == SMTP_PHASE_CONTENT && e.tag == 'a');
    CU_ASSERT(slice_equal(e.reply->text, SLICE("d")));
    CU_ASSERT(smtp_client_idle(&client) && smtp_client_can_start(&client));
    smtp_client_quit(&client);
    CU_ASSERT_FALSE(smtp_client_can_start(&client));
}

// Who hears of decisions only can still ask what was answered.
static void what_was_answered_can_be_asked(void)
{
    struct smtp_unfinished u;
    open_session("250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n", 2);
    client.options.decisions_only = true;
    uint64_t before = smtp_client_replies(&client);
    for (int i = 0; i < 2; i++)
        smtp_client_start(&client, &mails[i]);
    smtp_client_fill(&client, &wire);
    CU_ASSERT(smtp_client_unfinished(&client, 0, &u) && !u.answered);
    CU_ASSERT_FALSE(smtp_client_has_answered(&client));
    CU_ASSERT_EQUAL(hear("250 mail\r\n250 rc").kind, SMTP_MORE);
    CU_ASSERT(smtp_client_unfinished(&client, 0, &u) && u.answered);
    CU_ASSERT(smtp_client_has_answered(&client));
    CU_ASSERT_EQUAL(smtp_client_replies(&client), before + 1);
    CU_ASSERT_EQUAL(hear("pt\r\n").kind, SMTP_MORE);
    CU_ASSERT_EQUAL(smtp_client_replies(&client), before + 2);
    CU_ASSERT_EQUAL(hear("250 taken\r\n").kind, SMTP_DONE);
    CU_ASSERT_EQUAL(hear("250 RSET, which says nothing of the message\r\n").kind, SMTP_MORE);
    CU_ASSERT(smtp_client_unfinished(&client, 0, &u) && u.tag == 'b' && !u.answered);
    CU_ASSERT_EQUAL(hear("250 mail\r\n").kind, SMTP_MORE);
    CU_ASSERT(smtp_client_unfinished(&client, 0, &u) && u.answered);
}

static void can_start_follows_the_window(void)
{
    open_session("250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n", 3);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT(smtp_client_can_start(&client));
        smtp_client_start(&client, &mails[i]);
        smtp_client_fill(&client, &wire);
    }
    CU_ASSERT_FALSE(smtp_client_can_start(&client));
    // Refused already at MAIL: there is room at once, though two replies are still to come.
    CU_ASSERT_EQUAL(hear("550 no\r\n").kind, SMTP_DONE);
    CU_ASSERT(smtp_client_can_start(&client));
    smtp_client_start(&client, &mails[3]);
    CU_ASSERT_FALSE(smtp_client_can_start(&client));
    CU_ASSERT_EQUAL(hear("503 a\r\n").kind, SMTP_REPLIED);
    CU_ASSERT_EQUAL(hear("503 b\r\n").kind, SMTP_REPLIED);
    CU_ASSERT_FALSE(smtp_client_can_start(&client));

    open_session("250-mx\r\n250 PIPELINING\r\n", 8);
    for (int i = 0; i < 2; i++) // without CHUNKING: one content and the next envelope
        smtp_client_start(&client, &mails[i]);
    CU_ASSERT_FALSE(smtp_client_can_start(&client));
}

// What is under way by DATA comes to its end before messages are streamed, and the other way round.
static void the_window_opens_and_closes(void)
{
    open_session("250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n", 1);
    smtp_client_start(&client, &mails[0]);
    smtp_client_fill(&client, &wire);
    drop_wire();
    smtp_client_set_window(&client, 3);
    CU_ASSERT_FALSE(smtp_client_can_start(&client));
    hear("250 a\r\n");
    hear("250 b\r\n");
    hear("354 c\r\n");
    smtp_client_fill(&client, &wire);
    drop_wire();
    CU_ASSERT_EQUAL(hear("250 d\r\n").kind, SMTP_DONE);
    smtp_client_set_window(&client, 3);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT(smtp_client_can_start(&client));
        smtp_client_start(&client, &mails[0]);
    }
    smtp_client_fill(&client, &wire);
    struct smtp_unfinished u;
    for (uint32_t i = 0; i < 3; i++)
        CU_ASSERT(smtp_client_unfinished(&client, i, &u) && u.written);
    drop_wire();
    smtp_client_set_window(&client, 1);
    static const char *const replies[] = {"250 m\r\n", "250 r\r\n", "250 c\r\n", "250 rset\r\n"};
    for (int i = 0; i < 11; i++) {
        CU_ASSERT_FALSE(smtp_client_can_start(&client));
        hear(replies[i % 4]);
    }
    CU_ASSERT(smtp_client_idle(&client));
    smtp_client_set_window(&client, 1);
    CU_ASSERT(smtp_client_can_start(&client));
    smtp_client_start(&client, &mails[0]);
    smtp_client_fill(&client, &wire);
    CU_ASSERT_FALSE(smtp_client_unfinished(&client, 0, &u) && u.written); // DATA waits for its 354
    drop_wire();
}

// Contents of many pieces fill a wire's pieces before its text; a BDAT goes out whole or not yet.
static void contents_of_many_pieces(void)
{
    static char lines[WIRE_COPY_BYTES_MAX + 3];
    struct smtp_transaction t = mails[0];
    memset(lines, 'x', sizeof(lines));
    memcpy(lines + sizeof(lines) - 2, "\r\n", 2);
    for (t.content.piece_count = 0; t.content.piece_count < CONTENT_PIECES_MAX;)
        t.content.pieces[t.content.piece_count++] = slice_make(lines, sizeof(lines));
    open_session("250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n", SMTP_WINDOW_MAX);
    for (int i = 0; i < SMTP_WINDOW_MAX; i++)
        CU_ASSERT(smtp_client_start(&client, &t));
    size_t said_bytes = 0;
    for (smtp_client_fill(&client, &wire); !wire_empty(&wire); smtp_client_fill(&client, &wire)) {
        said_bytes += wire.bytes;
        drop_wire();
    }
    size_t group_bytes = sizeof("RSET\r\n" MAIL_A "BDAT 1036 LAST\r\n") - 1 +
                         CONTENT_PIECES_MAX * sizeof(lines);
    CU_ASSERT_EQUAL(said_bytes, SMTP_WINDOW_MAX * group_bytes - 6); // no RSET before the first
}

// Content that a reply ends before it is wholly on the wire.
static void refused_before_its_end(const char *reply, enum smtp_event_kind want)
{
    static char dots[3 * 4000];
    for (size_t i = 0; i < sizeof(dots); i += 3)
        memcpy(dots + i, ".\r\n", 3);
    struct smtp_transaction t = mails[0];
    t.content = (struct content){
        .pieces = {{dots, sizeof(dots)}}, .piece_count = 1, .has_dot_lines = true};
    open_session("250 mx\r\n", 1);
    wire.text.bytes_max = WIRE_TEXT_ROOM_MIN * 2;
    smtp_client_start(&client, &t);
    smtp_client_fill(&client, &wire);
    drop_wire();
    hear("250 ok\r\n");
    drop_wire();
    hear("250 ok\r\n");
    drop_wire();
    hear("354 go\r\n");
    struct smtp_unfinished u;
    CU_ASSERT(smtp_client_unfinished(&client, 0, &u) && !u.written);
    drop_wire();
    CU_ASSERT_EQUAL(hear(reply).kind, want);
    if (want == SMTP_DONE)
        CU_ASSERT_EQUAL(hear("").kind, SMTP_CLOSED);
    drop_wire();
    smtp_client_fill(&client, &wire);
    CU_ASSERT(wire_empty(&wire));
    CU_ASSERT_EQUAL(hear("250 ok\r\n").kind, SMTP_MORE); // closed is told once
}

static void a_verdict_before_the_end_of_the_content(void)
{
    refused_before_its_end("552 too much\r\n", SMTP_DONE);
    refused_before_its_end("452 too much\r\n", SMTP_DONE);
    refused_before_its_end("250 thanks\r\n", SMTP_CLOSED);
    refused_before_its_end("354 more\r\n", SMTP_CLOSED);
    refused_before_its_end("421 bye\r\n", SMTP_CLOSED);
}

static const struct suite_test tests[] = {
    {"every case", every_case},
    {"every case, byte by byte", every_case_by_byte},
    {"every case, cut in two", every_case_cut_in_two},
    {"every case, with small wires", every_case_with_small_wires},
    {"limits of the server", limits_of_the_server},
    {"each reply is told with its phase", each_reply_is_told_with_its_phase},
    {"what was answered can be asked", what_was_answered_can_be_asked},
    {"can_start follows the window", can_start_follows_the_window},
    {"the window opens and closes", the_window_opens_and_closes},
    {"contents of many pieces", contents_of_many_pieces},
    {"a verdict before the end of the content", a_verdict_before_the_end_of_the_content},
};

SUITE_MAIN("client", tests)
