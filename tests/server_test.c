// The server side of SMTP, as tables: what the client sends, what the owner answers, what is said
// and what is told. Each case runs once for every place where the client's bytes can be cut in
// two, and once byte by byte; and all of that with verdicts given at once, and late.
#include "tests/server_owner.h"
#include "tests/suite.h"

static const struct smtp_server_options options = {
    .hostname = SLICE("mx.example"),
    .banner = SLICE("ESMTP test"),
    .message_bytes_max = 1000,
    .rcpt_count_max = 3,
    .pipelining = true,
    .chunking = true,
    .eightbitmime = true,
    .smtputf8 = true,
    .dsn = true,
    .enhanced_codes = true,
};

struct session_case {
    const char *name;
    struct slice client;
    const char *answers;   // "mail:550 5.7.1 no|rcpt/1:451 4.3.0 later": /n is the n-th, from 0
    const char *want_said; // behind the greeting
    const char *want_seen;
    bool is_private; // TLS or a unix socket from the start
};

// Of a listener that asks who one is.
static const struct smtp_server_options trusting = {
    .hostname = SLICE("mx.example"),
    .banner = SLICE("ESMTP test"),
    .pipelining = true,
    .chunking = true,
    .enhanced_codes = true,
    .starttls = true,
    .auth = true,
};

// Looks "name" or "name/count" up in a case's answers.
static const char *scripted_answer(void *context, const char *name, unsigned count)
{
    static char reply[128];
    char key[32];
    struct slice rest = slice_of_text(context);
    int key_len = snprintf(key, sizeof(key), "%s/%u", name, count);
    while (rest.len > 0) {
        struct slice answer = slice_cut(&rest, '|');
        struct slice answer_key = slice_cut(&answer, ':');
        if (!slice_equal(answer_key, slice_make(key, (size_t)key_len)) &&
            !slice_equal(answer_key, slice_of_text(name)))
            continue;
        snprintf(reply, sizeof(reply), "%.*s", SLICE_ARG(answer));
        return reply;
    }
    return NULL;
}

static void start(struct owner *o, const struct smtp_server_options *offers,
                  const struct session_case *c, bool late)
{
    char *answers;
    memcpy(&answers, &c->answers, sizeof(answers)); // context is not const
    owner_init(o, offers);
    o->answer = answers ? scripted_answer : NULL;
    o->context = answers;
    o->late = late;
    if (c->is_private)
        smtp_server_secured(&o->server);
    smtp_server_greet(&o->server, NULL, &o->out);
    buffer_clear(&o->out);
}

static bool run_in_steps(const struct smtp_server_options *offers, const struct session_case *c,
                         size_t cut, size_t step, bool late)
{
    struct owner o;
    struct buffer said;
    start(&o, offers, c, late);
    buffer_init(&said, OWNER_TEXT_BYTES_MAX);
    owner_feed(&o, slice_take(c->client, cut));
    for (struct slice rest = slice_skip(c->client, cut); rest.len > 0;
         rest = slice_skip(rest, step))
        owner_feed(&o, slice_take(rest, step));
    owner_finish(&o);
    owner_condense(buffer_slice(&o.out), &said);
    bool right = slice_equal(buffer_slice(&said), slice_of_text(c->want_said)) &&
                 slice_equal(buffer_slice(&o.seen), slice_of_text(c->want_seen));
    if (!right)
        printf("\n  %s (cut %zu, step %zu%s)\n   said '%.*s'\n   want '%s'\n"
               "   seen '%.*s'\n   want '%s'\n",
               c->name, cut, step, late ? ", late" : "", SLICE_ARG(buffer_slice(&said)),
               c->want_said, SLICE_ARG(buffer_slice(&o.seen)), c->want_seen);
    buffer_release(&said);
    owner_release(&o);
    return right;
}

static void run_cases(const struct smtp_server_options *offers, const struct session_case *cases,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct session_case *c = &cases[i];
        bool right = true;
        for (int late = 0; late < 2; late++) {
            for (size_t cut = 0; right && cut <= c->client.len; cut++)
                right = run_in_steps(offers, c, cut, SIZE_MAX, late);
            right = right && run_in_steps(offers, c, 0, 1, late) &&
                    run_in_steps(offers, c, 1, 2, late);
        }
        CU_ASSERT(right);
    }
}

#define EHLO "EHLO c\r\n"
#define MAIL "MAIL FROM:<a@b>\r\n"
#define RCPT "RCPT TO:<c@d>\r\n"
#define TO_RCPT EHLO MAIL RCPT
#define SAID_TO_RCPT "250, 250 2.1.0, 250 2.1.5"
#define SEEN_TO_RCPT "ehlo(c) mail(a@b) rcpt(c@d)"

static const struct session_case session_cases[] = {
    {"one message", SLICE(TO_RCPT "DATA\r\nSubject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n"), NULL,
     SAID_TO_RCPT ", 354, 250 2.0.0, 221 2.0.0",
     SEEN_TO_RCPT " data message(Subject: x\r\n\r\nhi\r\n) quit close"},
    {"two messages, pipelined (RFC 2920)",
     SLICE(TO_RCPT "DATA\r\n1\r\n.\r\n" MAIL RCPT "DATA\r\n2\r\n.\r\n"), NULL,
     SAID_TO_RCPT ", 354, 250 2.0.0, 250 2.1.0, 250 2.1.5, 354, 250 2.0.0",
     SEEN_TO_RCPT " data message(1\r\n) mail(a@b) rcpt(c@d) data message(2\r\n)"},
    {"HELO", SLICE("HELO c\r\n" MAIL RCPT "DATA\r\n.\r\n"), NULL, SAID_TO_RCPT ", 354, 250 2.0.0",
     "helo(c) mail(a@b) rcpt(c@d) data message()"},
    {"dots", SLICE(TO_RCPT "DATA\r\n..\r\n...a\r\n.b\r\n.\r\n"), NULL,
     SAID_TO_RCPT ", 354, 250 2.0.0", SEEN_TO_RCPT " data message.(.\r\n..a\r\nb\r\n)"},
    {"8-bit content is taken undeclared", SLICE(TO_RCPT "DATA\r\n\xc3\xa9\r\n.\r\n"), NULL,
     SAID_TO_RCPT ", 354, 250 2.0.0", SEEN_TO_RCPT " data message8(\xc3\xa9\r\n)"},
    {"parameters",
     SLICE(EHLO "MAIL FROM:<> SIZE=10 ENVID=x BODY=8BITMIME RET=HDRS\r\n"
                "RCPT TO:<c@d> NOTIFY=NEVER\r\n"),
     NULL, "250, 250 2.1.0, 250 2.1.5",
     "ehlo(c) mail( 10 8bit RET=HDRS ENVID=x) rcpt(c@d NOTIFY=NEVER)"},
    {"SMTPUTF8",
     SLICE(EHLO "MAIL FROM:<\xc3\xa9@b>\r\n"
                "MAIL FROM:<a@b> SMTPUTF8\r\nRCPT TO:<\xc3\xa9@d>\r\nRSET\r\n" MAIL
                "RCPT TO:<\xc3\xa9@d>\r\n"),
     NULL, "250, 553 5.6.7, 250 2.1.0, 250 2.1.5, 250 2.0.0, 250 2.1.0, 553 5.6.7",
     "ehlo(c) mail(a@b utf8) rcpt(\xc3\xa9@d) rset drop(rset) mail(a@b)"},

    {"the owner refuses the sender", SLICE(TO_RCPT "DATA\r\n" MAIL RCPT), "mail/0:550 5.7.1 no",
     "250, 550 5.7.1, 503 5.5.1, 503 5.5.1, 250 2.1.0, 250 2.1.5",
     "ehlo(c) mail(a@b) mail(a@b) rcpt(c@d)"},
    {"the owner refuses one recipient", SLICE(TO_RCPT RCPT "DATA\r\nx\r\n.\r\n"),
     "rcpt/0:451 4.3.0 later", "250, 250 2.1.0, 451 4.3.0, 250 2.1.5, 354, 250 2.0.0",
     SEEN_TO_RCPT " rcpt(c@d) data message(x\r\n)"},
    {"the owner refuses all recipients", SLICE(TO_RCPT "DATA\r\nRSET\r\n"), "rcpt:550 5.1.1 no",
     "250, 250 2.1.0, 550 5.1.1, 554 5.5.1, 250 2.0.0", SEEN_TO_RCPT " rset drop(rset)"},
    {"the owner refuses DATA", SLICE(TO_RCPT "DATA\r\nRSET\r\n"), "data:452 4.3.1 full",
     SAID_TO_RCPT ", 452 4.3.1, 250 2.0.0", SEEN_TO_RCPT " data rset drop(rset)"},
    {"the owner refuses the message", SLICE(TO_RCPT "DATA\r\nx\r\n.\r\nNOOP\r\n"),
     "message:451 4.3.0 no", SAID_TO_RCPT ", 354, 451 4.3.0, 250 2.0.0",
     SEEN_TO_RCPT " data message(x\r\n) noop"},
    {"the owner refuses EHLO", SLICE(EHLO MAIL "HELO c\r\n" MAIL), "ehlo:502 5.5.1 old server",
     "502 5.5.1, 503 5.5.1, 250, 250 2.1.0", "ehlo(c) helo(c) mail(a@b)"},
    {"other words", SLICE(EHLO MAIL RCPT), "ehlo:250 hello|rcpt:251 2.1.5 will forward",
     "250, 250 2.1.0, 251 2.1.5", SEEN_TO_RCPT},
    {"421 to a command", SLICE(TO_RCPT RCPT "DATA\r\n"), "rcpt/0:421 4.3.2 shutting down",
     "250, 250 2.1.0, 421 4.3.2", SEEN_TO_RCPT " drop(-) close"},

    {"RSET, EHLO and HELO drop the transaction",
     SLICE(EHLO MAIL "RSET\r\nRSET\r\n" MAIL EHLO MAIL "HELO d\r\n"), NULL,
     "250, 250 2.1.0, 250 2.0.0, 250 2.0.0, 250 2.1.0, 250, 250 2.1.0, 250",
     "ehlo(c) mail(a@b) rset drop(rset) rset mail(a@b) ehlo(c) drop(ehlo) mail(a@b) helo(d) "
     "drop(helo)"},
    {"QUIT within a transaction, and bytes behind it", SLICE(TO_RCPT "QUIT\r\nNOOP\r\n"), NULL,
     SAID_TO_RCPT ", 221 2.0.0", SEEN_TO_RCPT " quit drop(-) close"},
    {"commands of no consequence",
     SLICE("NOOP\r\nnoop x\r\nHELP\r\nVRFY a\r\nEXPN l\r\nVERB\r\nRSET\r\n"), NULL,
     "250 2.0.0, 250 2.0.0, 214 2.0.0, 252 2.0.0, 502 5.5.1, 250 2.0.0, 250 2.0.0",
     "noop noop help vrfy expn verb rset"},

    {"out of order before EHLO", SLICE(MAIL RCPT "DATA\r\nBDAT 4\r\nabcdNOOP\r\n"), NULL,
     "503 5.5.1, 503 5.5.1, 503 5.5.1, 503 5.5.1, 250 2.0.0", "noop"},
    {"out of order before MAIL", SLICE(EHLO RCPT "DATA\r\nBDAT 4 LAST\r\nabcdNOOP\r\n"), NULL,
     "250, 503 5.5.1, 503 5.5.1, 503 5.5.1, 250 2.0.0", "ehlo(c) noop"},
    {"DATA without RCPT", SLICE(EHLO MAIL "DATA\r\n" RCPT "DATA\r\n.\r\n"), NULL,
     "250, 250 2.1.0, 503 5.5.1, 250 2.1.5, 354, 250 2.0.0", SEEN_TO_RCPT " data message()"},
    {"MAIL within MAIL", SLICE(TO_RCPT MAIL "DATA\r\n.\r\n"), NULL,
     SAID_TO_RCPT ", 503 5.5.1, 354, 250 2.0.0", SEEN_TO_RCPT " data message()"},
    {"no state is left from one transaction to the next",
     SLICE(TO_RCPT "DATA\r\nx\r\n.\r\nDATA\r\n" RCPT MAIL "DATA\r\n"), NULL,
     SAID_TO_RCPT ", 354, 250 2.0.0, 503 5.5.1, 503 5.5.1, 250 2.1.0, 503 5.5.1",
     SEEN_TO_RCPT " data message(x\r\n) mail(a@b)"},
    {"bad addresses", SLICE(EHLO "MAIL FROM:<a>\r\n" MAIL "RCPT TO:<>\r\nRCPT TO:c@d\r\nDATA\r\n"),
     NULL, "250, 501 5.1.7, 250 2.1.0, 501 5.1.3, 501 5.1.3, 554 5.5.1", "ehlo(c) mail(a@b)"},
    {"bad parameters", SLICE(EHLO "MAIL FROM:<a@b> X=1\r\nMAIL FROM:<a@b> SIZE=x\r\nMAIL\r\n"),
     NULL, "250, 555 5.5.4, 501 5.5.4, 501 5.5.4", "ehlo(c)"},
    {"SIZE= over the limit",
     SLICE(EHLO "MAIL FROM:<a@b> SIZE=1001\r\n" RCPT "MAIL FROM:<a@b> SIZE=1000\r\n"), NULL,
     "250, 552 5.3.4, 503 5.5.1, 250 2.1.0", "ehlo(c) mail(a@b 1000)"},
    {"too many recipients", SLICE(TO_RCPT RCPT RCPT RCPT "DATA\r\n.\r\n"), NULL,
     SAID_TO_RCPT ", 250 2.1.5, 250 2.1.5, 452 4.5.3, 354, 250 2.0.0",
     SEEN_TO_RCPT " rcpt(c@d) rcpt(c@d) data message()"},
    {"unknown commands", SLICE("\r\nXYZZY\r\nSTARTTLS\r\nMAI\r\nDATAX\r\n"), NULL,
     "500 5.5.2, 500 5.5.2, 500 5.5.2, 500 5.5.2, 500 5.5.2", ""},
    {"bare CR, bare LF and NUL in commands end none",
     SLICE("NOOP\nNOOP\r\nNOOP\rNOOP\r\nNO\0OP\r\n\nNOOP\r\n\rNOOP\r\nNOOP\r\r\nNOOP\r\n"), NULL,
     "500 5.5.2, 500 5.5.2, 500 5.5.2, 500 5.5.2, 500 5.5.2, 500 5.5.2, 250 2.0.0", "noop"},

    {"BDAT", SLICE(TO_RCPT "BDAT 4\r\nab\r\nBDAT 3\r\n.\r\nBDAT 0\r\nBDAT 3 LAST\r\nc\r\nNOOP\r\n"),
     NULL, SAID_TO_RCPT ", 250 2.0.0, 250 2.0.0, 250 2.0.0, 250 2.0.0, 250 2.0.0",
     SEEN_TO_RCPT " bdat message.(ab\r\n.\r\nc\r\n) noop"},
    {"BDAT of nothing", SLICE(TO_RCPT "BDAT 0 LAST\r\nNOOP\r\n"), NULL,
     SAID_TO_RCPT ", 250 2.0.0, 250 2.0.0", SEEN_TO_RCPT " bdat message() noop"},
    {"BDAT without its last CRLF", SLICE(TO_RCPT "BDAT 4 LAST\r\n.\r\nxNOOP\r\n"), NULL,
     SAID_TO_RCPT ", 250 2.0.0, 250 2.0.0", SEEN_TO_RCPT " bdat message.(.\r\nx\r\n) noop"},
    {"BDAT cut within CRLF, and a last chunk of nothing",
     SLICE(TO_RCPT "BDAT 2\r\na\rBDAT 1\r\n\nBDAT 0 LAST\r\n"), NULL,
     SAID_TO_RCPT ", 250 2.0.0, 250 2.0.0, 250 2.0.0", SEEN_TO_RCPT " bdat message(a\r\n)"},
    {"BDAT groups back to back (RFC 3030)",
     SLICE(EHLO "RSET\r\n" MAIL RCPT "BDAT 3 LAST\r\n1\r\nRSET\r\n" MAIL RCPT
                "BDAT 3 LAST\r\n2\r\nRSET\r\n"),
     NULL,
     "250, 250 2.0.0, 250 2.1.0, 250 2.1.5, 250 2.0.0, 250 2.0.0, 250 2.1.0, 250 2.1.5, 250 2.0.0, "
     "250 2.0.0",
     "ehlo(c) rset mail(a@b) rcpt(c@d) bdat message(1\r\n) rset mail(a@b) rcpt(c@d) bdat "
     "message(2\r\n) rset"},
    {"chunks behind a refused MAIL are read and thrown away",
     SLICE(TO_RCPT "BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nRSET\r\n" MAIL RCPT
                   "BDAT 3 LAST\r\nx\r\n"),
     "mail/0:451 4.7.1 greylisted",
     "250, 451 4.7.1, 503 5.5.1, 503 5.5.1, 503 5.5.1, 250 2.0.0, 250 2.1.0, 250 2.1.5, 250 2.0.0",
     "ehlo(c) mail(a@b) rset mail(a@b) rcpt(c@d) bdat message(x\r\n)"},
    {"BDAT without recipients ends the transaction",
     SLICE(TO_RCPT "BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\n" MAIL), "rcpt:550 5.1.1 no",
     "250, 250 2.1.0, 550 5.1.1, 554 5.5.1, 503 5.5.1, 250 2.1.0",
     SEEN_TO_RCPT " drop(bdat) mail(a@b)"},
    {"the owner refuses BDAT", SLICE(TO_RCPT "BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
     "bdat:452 4.3.1 full", SAID_TO_RCPT ", 452 4.3.1, 503 5.5.1, 250 2.0.0",
     SEEN_TO_RCPT " bdat drop(bdat) noop"},
    {"421 to BDAT", SLICE(TO_RCPT "BDAT 6\r\nQUIT\r\n"), "bdat:421 4.3.2 going",
     SAID_TO_RCPT ", 421 4.3.2", SEEN_TO_RCPT " bdat drop(-) close"},
    {"DATA and RCPT behind BDAT",
     SLICE(TO_RCPT "BDAT 3\r\na\r\nDATA\r\n" RCPT MAIL "BDAT 0 LAST\r\n"), NULL,
     SAID_TO_RCPT ", 250 2.0.0, 503 5.5.1, 503 5.5.1, 503 5.5.1, 250 2.0.0",
     SEEN_TO_RCPT " bdat message(a\r\n)"},
    {"BDAT behind DATA's message", SLICE(TO_RCPT "DATA\r\na\r\n.\r\nBDAT 6 LAST\r\nQUIT\r\n"), NULL,
     SAID_TO_RCPT ", 354, 250 2.0.0, 503 5.5.1", SEEN_TO_RCPT " data message(a\r\n)"},
    {"RSET between chunks", SLICE(TO_RCPT "BDAT 3\r\na\r\nRSET\r\nBDAT 6 LAST\r\nQUIT\r\n"), NULL,
     SAID_TO_RCPT ", 250 2.0.0, 250 2.0.0, 503 5.5.1", SEEN_TO_RCPT " bdat rset drop(rset)"},
    {"BDAT with a bad last word is skipped", SLICE(TO_RCPT "BDAT 6 LOST\r\nQUIT\r\nNOOP\r\n"), NULL,
     SAID_TO_RCPT ", 501 5.5.4, 250 2.0.0", SEEN_TO_RCPT " drop(bdat) noop"},
    {"BDAT without a size", SLICE(TO_RCPT "BDAT six\r\nQUIT\r\n"), NULL, SAID_TO_RCPT ", 501 5.5.4",
     SEEN_TO_RCPT " drop(-) close"},
    {"BDAT of a size that no machine has", SLICE(TO_RCPT "BDAT 18446744073709551617\r\n"), NULL,
     SAID_TO_RCPT ", 501 5.5.4", SEEN_TO_RCPT " drop(-) close"},
    {"BDAT with a bare LF", SLICE(TO_RCPT "BDAT 6\n\r\n"), NULL, SAID_TO_RCPT ", 500 5.5.2",
     SEEN_TO_RCPT " drop(-) close"},
    {"BDAT that promises more than comes", SLICE(TO_RCPT "BDAT 9223372036854775807 LAST\r\nx\r\n"),
     NULL, SAID_TO_RCPT, SEEN_TO_RCPT " bdat"},

    {"bare LF by BDAT", SLICE(TO_RCPT "BDAT 2\r\na\nBDAT 3 LAST\r\nb\r\n" MAIL), NULL,
     SAID_TO_RCPT ", 550 5.6.0, 503 5.5.1, 250 2.1.0",
     SEEN_TO_RCPT " bdat drop(bdat fault 2) mail(a@b)"},
    {"bare CR at the end by BDAT", SLICE(TO_RCPT "BDAT 2 LAST\r\na\r" MAIL), NULL,
     SAID_TO_RCPT ", 550 5.6.0, 250 2.1.0", SEEN_TO_RCPT " bdat drop(bdat fault 1) mail(a@b)"},
    {"NUL by BDAT", SLICE(TO_RCPT "BDAT 3 LAST\r\n\0\r\n"), NULL, SAID_TO_RCPT ", 550 5.6.0",
     SEEN_TO_RCPT " bdat drop(bdat fault 3)"},
};

static void sessions(void)
{
    run_cases(&options, session_cases, COUNT_OF(session_cases));
}

// name "joe", password "secret": AGpvZQBzZWNyZXQ=, am9l, c2VjcmV0
#define PLAIN "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n"
#define TLS "\x16"
static const struct session_case trust_cases[] = {
    {"STARTTLS", SLICE(EHLO "STARTTLS\r\n" TLS EHLO MAIL "STARTTLS\r\n"), NULL,
     "250, 220 2.0.0, 250, 250 2.1.0, 503 5.5.1", "ehlo(c) starttls ehlo(c) mail(a@b)"},
    {"what was said in the clear is forgotten", SLICE(EHLO "STARTTLS\r\n" TLS MAIL PLAIN), NULL,
     "250, 220 2.0.0, 503 5.5.1, 503 5.5.1", "ehlo(c) starttls"},
    {"STARTTLS, then bytes in the clear behind it (CVE-2011-0411)",
     SLICE(EHLO "STARTTLS\r\n" EHLO MAIL), NULL, "250, 220 2.0.0", "ehlo(c) starttls close"},
    {"one byte is enough", SLICE(EHLO "STARTTLS\r\n\n"), NULL, "250, 220 2.0.0",
     "ehlo(c) starttls close"},
    {"STARTTLS behind a message", SLICE(TO_RCPT "DATA\r\nx\r\n.\r\nSTARTTLS\r\n" TLS EHLO), NULL,
     SAID_TO_RCPT ", 354, 250 2.0.0, 220 2.0.0, 250",
     SEEN_TO_RCPT " data message(x\r\n) starttls ehlo(c)"},
    {"STARTTLS at the wrong moment", SLICE("STARTTLS\r\n" EHLO MAIL "STARTTLS\r\nSTARTTLS x\r\n"),
     NULL, "503 5.5.1, 250, 250 2.1.0, 503 5.5.1, 501 5.5.4", "ehlo(c) mail(a@b)"},
    {"the owner has no certificate", SLICE(EHLO "STARTTLS\r\n" MAIL), "starttls:454 4.7.0 later",
     "250, 454 4.7.0, 250 2.1.0", "ehlo(c) starttls mail(a@b)"},
    {"no password in the clear", SLICE(EHLO PLAIN "AUTH LOGIN\r\nNOOP\r\n"), NULL,
     "250, 538 5.7.1, 538 5.7.1, 250 2.0.0", "ehlo(c) noop"},
    {"AUTH after STARTTLS", SLICE(EHLO "STARTTLS\r\n" TLS EHLO PLAIN MAIL), NULL,
     "250, 220 2.0.0, 250, 235 2.7.0, 250 2.1.0",
     "ehlo(c) starttls ehlo(c) auth(joe:secret) mail(a@b)"},

    {"AUTH PLAIN with its response", SLICE(EHLO PLAIN "NOOP\r\n"), NULL,
     "250, 235 2.7.0, 250 2.0.0", "ehlo(c) auth(joe:secret) noop", true},
    {"AUTH PLAIN without", SLICE(EHLO "auth plain\r\nAGpvZQBzZWNyZXQ=\r\nNOOP\r\n"), NULL,
     "250, 334, 235 2.7.0, 250 2.0.0", "ehlo(c) auth(joe:secret) noop", true},
    {"AUTH PLAIN as oneself", SLICE(EHLO "AUTH PLAIN am9lAGpvZQBzZWNyZXQ=\r\n"), NULL,
     "250, 235 2.7.0", "ehlo(c) auth(joe:secret)", true},
    {"AUTH PLAIN as another", SLICE(EHLO "AUTH PLAIN am9lLQBqb2UAc2VjcmV0\r\nNOOP\r\n"), NULL,
     "250, 501 5.5.2, 250 2.0.0", "ehlo(c) noop", true},
    {"AUTH LOGIN", SLICE(EHLO "AUTH LOGIN\r\nam9l\r\nc2VjcmV0\r\nNOOP\r\n"), NULL,
     "250, 334, 334, 235 2.7.0, 250 2.0.0", "ehlo(c) auth(joe:secret) noop", true},
    {"AUTH LOGIN with the name", SLICE(EHLO "AUTH LOGIN am9l\r\nc2VjcmV0\r\n"), NULL,
     "250, 334, 235 2.7.0", "ehlo(c) auth(joe:secret)", true},
    {"AUTH is cancelled", SLICE(EHLO "AUTH LOGIN\r\nam9l\r\n*\r\nAUTH PLAIN\r\n*\r\n" PLAIN), NULL,
     "250, 334, 334, 501 5.7.0, 334, 501 5.7.0, 235 2.7.0", "ehlo(c) auth(joe:secret)", true},
    {"AUTH of nobody, and of nothing",
     SLICE(EHLO
           "AUTH PLAIN =\r\nAUTH PLAIN AAB4\r\nAUTH PLAIN AGpvZQA=\r\nAUTH LOGIN =\r\nc2VjcmV0\r\n"
           "AUTH PLAIN AGpvZQ==\r\nAUTH PLAIN AGpvZQBzAHQ=\r\n"),
     NULL, "250, 501 5.5.2, 501 5.5.2, 501 5.5.2, 334, 501 5.5.2, 501 5.5.2, 501 5.5.2", "ehlo(c)",
     true},
    {"no base64",
     SLICE(EHLO "AUTH PLAIN AGpvZQBzZWNyZXQ\r\nAUTH PLAIN AGpv!QBz\r\nAUTH PLAIN AGpvZR==\r\n"
                "AUTH PLAIN A===\r\nAUTH PLAIN AG==ZQBz\r\nAUTH LOGIN\r\nam 9l\r\nNOOP\r\n"),
     NULL, "250, 501 5.5.2, 501 5.5.2, 501 5.5.2, 501 5.5.2, 501 5.5.2, 334, 501 5.5.2, 250 2.0.0",
     "ehlo(c) noop", true},
    {"mechanisms that we have not", SLICE(EHLO "AUTH CRAM-MD5\r\nAUTH\r\nAUTH PLAIN a b\r\n"), NULL,
     "250, 504 5.5.4, 501 5.5.4, 501 5.5.4", "ehlo(c)", true},
    {"AUTH at the wrong moment", SLICE(PLAIN EHLO MAIL PLAIN "RSET\r\n" PLAIN PLAIN), NULL,
     "503 5.5.1, 250, 250 2.1.0, 503 5.5.1, 250 2.0.0, 235 2.7.0, 503 5.5.1",
     "ehlo(c) mail(a@b) rset drop(rset) auth(joe:secret)", true},
    {"it lasts", SLICE(EHLO PLAIN EHLO PLAIN), NULL, "250, 235 2.7.0, 250, 503 5.5.1",
     "ehlo(c) auth(joe:secret) ehlo(c)", true},
    {"two wrong ones and a right one", SLICE(EHLO PLAIN PLAIN PLAIN),
     "auth/0:535 5.7.8 no|auth/1:535 5.7.8 no", "250, 535 5.7.8, 535 5.7.8, 235 2.7.0",
     "ehlo(c) auth(joe:secret) auth(joe:secret) auth(joe:secret)", true},
    {"three wrong ones", SLICE(EHLO PLAIN PLAIN PLAIN PLAIN), "auth:535 5.7.8 no",
     "250, 535 5.7.8, 535 5.7.8, 421 4.7.0",
     "ehlo(c) auth(joe:secret) auth(joe:secret) auth(joe:secret) close", true},
    {"who is not judged has not guessed", SLICE(EHLO PLAIN PLAIN PLAIN PLAIN),
     "auth:454 4.7.0 later", "250, 454 4.7.0, 454 4.7.0, 454 4.7.0, 454 4.7.0",
     "ehlo(c) auth(joe:secret) auth(joe:secret) auth(joe:secret) auth(joe:secret)", true},
    {"AUTH behind a message, and commands behind AUTH",
     SLICE(TO_RCPT "DATA\r\nx\r\n.\r\n" PLAIN MAIL RCPT "DATA\r\ny\r\n.\r\n"), NULL,
     SAID_TO_RCPT ", 354, 250 2.0.0, 235 2.7.0, 250 2.1.0, 250 2.1.5, 354, 250 2.0.0",
     SEEN_TO_RCPT " data message(x\r\n) auth(joe:secret) mail(a@b) rcpt(c@d) data message(y\r\n)",
     true},
    {"AUTH= behind MAIL",
     SLICE(EHLO "MAIL FROM:<a@b> AUTH=<>\r\nRSET\r\nMAIL FROM:<a@b> AUTH=\r\n"), NULL,
     "250, 250 2.1.0, 250 2.0.0, 501 5.5.4", "ehlo(c) mail(a@b) rset drop(rset)", true},
};

static void who_is_it(void)
{
    run_cases(&trusting, trust_cases, COUNT_OF(trust_cases));
}

static void no_password_stays(void)
{
    struct owner o;
    owner_init(&o, &trusting);
    smtp_server_secured(&o.server);
    smtp_server_greet(&o.server, NULL, &o.out);
    buffer_clear(&o.out);
    owner_feed(&o, SLICE(EHLO));
    CU_ASSERT_PTR_NOT_NULL(memmem(o.out.data, o.out.len, "AUTH PLAIN LOGIN\r\n", 18));
    CU_ASSERT_PTR_NULL(memmem(o.out.data, o.out.len, "STARTTLS", 8));
    owner_feed(&o, SLICE("AUTH LOGIN\r\nam9l\r\n"));
    CU_ASSERT(o.server.credentials.len == 3);
    owner_feed(&o, SLICE("c2VjcmV0\r\n"));
    CU_ASSERT(o.server.credentials.data == NULL && smtp_server_authenticated(&o.server));
    owner_release(&o);
}

// As long as a line of commands may be, and no longer than credentials may.
static void long_credentials(void)
{
    static char line[4096], text[4096];
    static const struct {
        size_t characters;
        const char *said;
    } rows[] = {{1024, "501 5.5.2"}, {1400, "501 5.5.2"}, {2046, "501 5.5.2"}, {2047, "500 5.5.6"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char said[64];
        memset(text, 'A', rows[i].characters);
        int len = snprintf(line, sizeof(line), EHLO "AUTH PLAIN\r\n%.*s\r\nNOOP\r\n",
                           (int)rows[i].characters, text);
        snprintf(said, sizeof(said), "250, 334, %s, 250 2.0.0", rows[i].said);
        const struct session_case c = {
            "long", slice_make(line, (size_t)len), NULL, said, "ehlo(c) noop", true};
        CU_ASSERT(run_in_steps(&trusting, &c, 0, SIZE_MAX, false));
        CU_ASSERT(run_in_steps(&trusting, &c, 0, 1, false));
    }
}

// The sequences of the SMTP smuggling reports: each stands within a message whose rest would be a
// second one, if it ended the first. It is content, and none that we take.
static void smuggling(void)
{
    static const struct {
        struct slice bytes;
        int fault;
    } sequences[] = {
        {SLICE("\n.\n"), CONTENT_BARE_LF},       {SLICE("\r.\r"), CONTENT_BARE_CR},
        {SLICE("\r.\n"), CONTENT_BARE_CR},       {SLICE("\n.\r"), CONTENT_BARE_LF},
        {SLICE("\n.\r\n"), CONTENT_BARE_LF},     {SLICE("\r\n.\n"), CONTENT_BARE_LF},
        {SLICE("\r.\r\n"), CONTENT_BARE_CR},     {SLICE("\r\n.\r"), CONTENT_BARE_CR},
        {SLICE("\r\n\0.\r\n"), CONTENT_NUL},     {SLICE("\r\n.\0\r\n"), CONTENT_NUL},
        {SLICE("\r\n.\r\r\n"), CONTENT_BARE_CR},
    };
    for (size_t i = 0; i < COUNT_OF(sequences); i++) {
        char client[512], seen[128];
        size_t len = 0;
        const struct slice parts[] = {
            SLICE(TO_RCPT "DATA\r\none"), sequences[i].bytes,
            SLICE("MAIL FROM:<evil@b>\r\n" RCPT "DATA\r\ntwo\r\n.\r\nNOOP\r\n")};
        for (size_t p = 0; p < COUNT_OF(parts); len += parts[p++].len)
            memcpy(client + len, parts[p].data, parts[p].len);
        snprintf(seen, sizeof(seen), SEEN_TO_RCPT " data drop(data fault %d) noop",
                 sequences[i].fault);
        const struct session_case c = {"smuggling", slice_make(client, len), NULL,
                                       SAID_TO_RCPT ", 354, 550 5.6.0, 250 2.0.0", seen};
        run_cases(&options, &c, 1);
    }
}

static bool run_once(const char *name, struct slice client, const char *said, const char *seen)
{
    const struct session_case c = {name, client, NULL, said, seen};
    return run_in_steps(&options, &c, 0, SIZE_MAX, false) &&
           run_in_steps(&options, &c, 0, 7, false) && run_in_steps(&options, &c, 0, 1, true);
}

// Fills `text` with `count` times `c` between the two.
static struct slice padded(char *text, const char *before, char c, size_t count, const char *after)
{
    size_t len = strlen(before);
    memcpy(text, before, len);
    memset(text + len, c, count);
    memcpy(text + len + count, after, strlen(after));
    return slice_make(text, len + count + strlen(after));
}

static void content_limits(void)
{
    static char text[4096];
    CU_ASSERT(run_once(
        "a line of 998", padded(text, TO_RCPT "DATA\r\n", 'x', 998, "\r\n.\r\nRSET\r\n"),
        SAID_TO_RCPT ", 354, 250 2.0.0, 250 2.0.0",
        padded(text + 2048, SEEN_TO_RCPT " data message(", 'x', 998, "\r\n) rset\0").data));
    CU_ASSERT(run_once(
        "a line of 999", padded(text, TO_RCPT "DATA\r\n", 'x', 999, "\r\n.\r\nRSET\r\n"),
        SAID_TO_RCPT ", 354, 552 5.3.4, 250 2.0.0", SEEN_TO_RCPT " data drop(data fault 4) rset"));
    CU_ASSERT(run_once("over the limit in short lines",
                       padded(text, TO_RCPT "DATA\r\nx\r\n", 'x', 996, "\r\n.\r\nRSET\r\n"),
                       SAID_TO_RCPT ", 354, 552 5.3.4, 250 2.0.0",
                       SEEN_TO_RCPT " data drop(data) rset"));
    CU_ASSERT(run_once("over the limit by the CRLF that BDAT left out",
                       padded(text, TO_RCPT "BDAT 999 LAST\r\nx\r\n", 'x', 996, "RSET\r\n"),
                       SAID_TO_RCPT ", 552 5.3.4, 250 2.0.0",
                       SEEN_TO_RCPT " bdat drop(bdat) rset"));
    CU_ASSERT(run_once(
        "over the limit by the second chunk",
        padded(text, TO_RCPT "BDAT 3\r\nx\r\nBDAT 998\r\n", 'x', 998, "BDAT 0 LAST\r\n" MAIL),
        SAID_TO_RCPT ", 250 2.0.0, 552 5.3.4, 503 5.5.1, 250 2.1.0",
        SEEN_TO_RCPT " bdat drop(bdat) mail(a@b)"));
}

static void command_line_limits(void)
{
    static char text[SERVER_LINE_BYTES_MAX + 64];
    CU_ASSERT(run_once("as long as can be",
                       padded(text, "NOOP ", 'x', SERVER_COMMAND_BYTES_MAX - 7, "\r\nRSET\r\n"),
                       "250 2.0.0, 250 2.0.0", "noop rset"));
    CU_ASSERT(run_once("too long by one",
                       padded(text, "NOOP ", 'x', SERVER_COMMAND_BYTES_MAX - 6, "\r\nRSET\r\n"),
                       "500 5.5.2, 250 2.0.0", "rset"));
    CU_ASSERT(run_once("too long, full of line feeds",
                       padded(text, "NOOP ", '\n', SERVER_LINE_BYTES_MAX - 7, "\r\nRSET\r\n"),
                       "500 5.5.2, 250 2.0.0", "rset"));
    // Nobody knows where the chunk of such a line ends.
    CU_ASSERT(
        run_once("BDAT too long by one",
                 padded(text, TO_RCPT "BDAT 6", ' ', SERVER_COMMAND_BYTES_MAX - 7, "\r\nNOOP\r\n"),
                 SAID_TO_RCPT ", 421 5.5.2", SEEN_TO_RCPT " drop(-) close"));
    CU_ASSERT(run_once("endless by one",
                       padded(text, "NOOP ", 'x', SERVER_LINE_BYTES_MAX - 6, "\r\nRSET\r\n"),
                       "421 4.7.0", "close"));
}

static void too_many_errors(void)
{
    struct owner o;
    owner_init(&o, &options);
    smtp_server_greet(&o.server, NULL, &o.out);
    for (int i = 0; i < SERVER_ERRORS_MAX; i++)
        owner_feed(&o, SLICE("XYZZY\r\nNOOP\r\n"));
    CU_ASSERT(!o.closed);
    buffer_clear(&o.out);
    owner_feed(&o, SLICE("XYZZY\r\nNOOP\r\n"));
    CU_ASSERT(o.closed);
    CU_ASSERT(slice_equal(buffer_slice(&o.out), SLICE("421 4.7.0 Too many errors\r\n")));
    owner_release(&o);
}

// A pipelining client cannot know that its MAIL is refused, nor is a bad address in its list a
// reason to end the session: none of that counts as an error.
static const char *refuse_mail(void *context, const char *name, unsigned count)
{
    (void)context, (void)count;
    return strcmp(name, "mail") == 0 ? "451 4.7.1 later" : NULL;
}

static void refusals_are_no_errors(void)
{
    struct owner o;
    owner_init(&o, &options);
    smtp_server_greet(&o.server, NULL, &o.out);
    o.answer = refuse_mail;
    owner_feed(&o, SLICE(EHLO));
    for (int i = 0; i < 100; i++)
        owner_feed(&o, SLICE(MAIL RCPT RCPT "BDAT 3 LAST\r\nx\r\nRSET\r\n"));
    o.answer = NULL;
    owner_feed(&o, SLICE(MAIL));
    for (int i = 0; i < 100; i++)
        owner_feed(&o, SLICE("RCPT TO:<not an address>\r\nDATA\r\n"));
    CU_ASSERT(!o.closed);
    CU_ASSERT(smtp_server_in_transaction(&o.server));
    owner_release(&o);
}

static void greetings(void)
{
    struct owner o;
    owner_init(&o, &options);
    smtp_server_greet(&o.server, NULL, &o.out);
    CU_ASSERT(slice_equal(buffer_slice(&o.out), SLICE("220 mx.example ESMTP test\r\n")));
    buffer_clear(&o.out);
    owner_feed(&o, SLICE("EHLO client.example\r\n"));
    CU_ASSERT(slice_equal(buffer_slice(&o.out),
                          SLICE("250-mx.example\r\n250-PIPELINING\r\n250-SIZE 1000\r\n"
                                "250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n"
                                "250-DSN\r\n250 CHUNKING\r\n")));
    CU_ASSERT(slice_equal(smtp_server_helo(&o.server), SLICE("client.example")));
    CU_ASSERT(smtp_server_esmtp(&o.server));
    owner_release(&o);

    const struct smtp_server_options bare = {.hostname = SLICE("h"), .banner = SLICE("b")};
    owner_init(&o, &bare);
    smtp_server_greet(&o.server, NULL, &o.out);
    buffer_clear(&o.out);
    owner_feed(&o, SLICE("EHLO c\r\nBDAT 4\r\nabcdHELO d\r\n"));
    CU_ASSERT(slice_equal(buffer_slice(&o.out),
                          SLICE("250-h\r\n250 SIZE\r\n502 5.5.1 CHUNKING is not offered\r\n"
                                "250 h\r\n")));
    CU_ASSERT(!smtp_server_esmtp(&o.server));
    owner_release(&o);
}

static void turned_away(void)
{
    struct owner o;
    struct buffer said;
    owner_init(&o, &options);
    buffer_init(&said, 1024);
    smtp_server_greet(&o.server, "554 5.3.2 not here", &o.out);
    owner_feed(&o, SLICE(EHLO MAIL "BDAT 6\r\nQUIT\r\nQUIT\r\n"));
    owner_condense(buffer_slice(&o.out), &said);
    CU_ASSERT(slice_equal(buffer_slice(&said),
                          SLICE("554 5.3.2, 503 5.5.1, 503 5.5.1, 503 5.5.1, 221 2.0.0")));
    CU_ASSERT(o.closed);
    owner_release(&o);

    owner_init(&o, &options);
    smtp_server_greet(&o.server, "421 4.3.2 too many connections", &o.out);
    owner_feed(&o, SLICE(EHLO));
    CU_ASSERT(o.closed);
    CU_ASSERT(slice_equal(buffer_slice(&o.out), SLICE("421 4.3.2 too many connections\r\n")));
    owner_release(&o);
    buffer_release(&said);
}

static void verbose(void)
{
    struct owner o;
    owner_init(&o, &options);
    smtp_server_greet(&o.server, NULL, &o.out);
    owner_feed(&o, SLICE(EHLO "VERB\r\n"));
    buffer_clear(&o.out);
    owner_feed(&o, SLICE(MAIL RCPT "VERB OFF\r\n" RCPT));
    CU_ASSERT(
        slice_equal(buffer_slice(&o.out), SLICE("250 2.1.0 Sender ok, for up to 1000 bytes\r\n"
                                                "250 2.1.5 Recipient ok, 1 of at most 3\r\n"
                                                "250 2.0.0 Ok\r\n250 2.1.5 Recipient ok\r\n")));
    owner_release(&o);
}

static struct slice said_now(struct owner *o)
{
    return buffer_slice(&o->out);
}

// Replies leave in order: what is said behind a message waits for its verdict.
static void late_verdicts(void)
{
    struct owner o;
    owner_init(&o, &options);
    smtp_server_greet(&o.server, NULL, &o.out);
    o.late = true;
    owner_feed(&o, SLICE(TO_RCPT "BDAT 3 LAST\r\n1\r\n"));
    buffer_clear(&o.out);
    owner_feed(&o, SLICE(MAIL RCPT "BDAT 3 LAST\r\n2\r\nNOOP\r\n"));
    CU_ASSERT(smtp_server_uncommitted(&o.server) == 2);
    CU_ASSERT(said_now(&o).len == 0);
    smtp_server_verdict(&o.server, "250 2.0.0 one", &o.out);
    CU_ASSERT(slice_equal(said_now(&o), SLICE("250 2.0.0 one\r\n250 2.1.0 Sender ok\r\n"
                                              "250 2.1.5 Recipient ok\r\n")));
    buffer_clear(&o.out);
    smtp_server_verdict(&o.server, "451 4.3.0 two", &o.out);
    CU_ASSERT(slice_equal(said_now(&o), SLICE("451 4.3.0 two\r\n250 2.0.0 Ok\r\n")));
    CU_ASSERT(smtp_server_uncommitted(&o.server) == 0);
    owner_release(&o);
}

// Positions of held replies are 32-bit counters that wrap, and their ring of verdicts wraps too.
static void the_queue_of_replies_wraps(void)
{
    struct reply_queue q;
    struct buffer out;
    reply_queue_init(&q, SERVER_REPLY_BYTES_MAX);
    buffer_init(&out, OWNER_TEXT_BYTES_MAX);
    q.held_start = q.next = UINT32_MAX - 100;
    reply_queue_await(&q);
    for (unsigned i = 0; i < 1000; i++) {
        char verdict[16], want[32];
        int verdict_len = snprintf(verdict, sizeof(verdict), "250 %u", i);
        snprintf(want, sizeof(want), "250 %u\r\n354 behind %u\r\n", i, i);
        char behind[32];
        int behind_len = snprintf(behind, sizeof(behind), "354 behind %u\r\n", i);
        CU_ASSERT(reply_queue_say(&q, slice_make(behind, (size_t)behind_len), &out));
        CU_ASSERT(out.len == 0);
        reply_queue_await(&q); // the next message, before the verdict of this
        CU_ASSERT(reply_queue_settle(&q, slice_make(verdict, (size_t)verdict_len), &out));
        CU_ASSERT(slice_equal(buffer_slice(&out), slice_of_text(want)));
        CU_ASSERT(q.held.len <= 2 * sizeof(behind));
        buffer_clear(&out);
    }
    reply_queue_release(&q);
    buffer_release(&out);
}

static void quit_waits_for_verdicts(void)
{
    struct owner o;
    struct slice none = SLICE_EMPTY;
    owner_init(&o, &options);
    smtp_server_greet(&o.server, NULL, &o.out);
    struct slice bytes = SLICE(TO_RCPT "BDAT 3 LAST\r\n1\r\nQUIT\r\n");
    struct smtp_server_event e;
    do {
        e = smtp_server_feed(&o.server, &bytes, &o.out);
        if (e.kind == SERVER_WAIT)
            break;
        if (e.kind != SERVER_CONTENT && e.kind != SERVER_MESSAGE)
            smtp_server_answer(&o.server, NULL, &o.out);
    } while (e.kind != SERVER_MORE);
    CU_ASSERT(e.kind == SERVER_WAIT);
    buffer_clear(&o.out);
    smtp_server_verdict(&o.server, "250 2.0.0 one", &o.out);
    CU_ASSERT(slice_equal(said_now(&o), SLICE("250 2.0.0 one\r\n221 2.0.0 Bye\r\n")));
    CU_ASSERT(smtp_server_feed(&o.server, &none, &o.out).kind == SERVER_CLOSE);
    owner_release(&o);
}

// The 65th message without verdict is not begun; memory for what is held back is bounded too.
static void input_waits(void)
{
    struct owner o;
    owner_init(&o, &options);
    smtp_server_greet(&o.server, NULL, &o.out);
    owner_feed(&o, SLICE(EHLO));
    unsigned messages = 0;
    struct slice bytes = SLICE_EMPTY;
    for (;;) {
        struct smtp_server_event e = smtp_server_feed(&o.server, &bytes, &o.out);
        if (e.kind == SERVER_WAIT)
            break;
        if (e.kind == SERVER_MORE)
            bytes = SLICE(MAIL RCPT "BDAT 3 LAST\r\n1\r\n");
        else if (e.kind == SERVER_MESSAGE)
            messages++;
        else if (e.kind != SERVER_CONTENT)
            smtp_server_answer(&o.server, NULL, &o.out);
    }
    CU_ASSERT(messages == SERVER_UNCOMMITTED_MAX);
    CU_ASSERT(bytes.len > 0 && bytes.data[0] == 'M');
    CU_ASSERT(smtp_server_feed(&o.server, &bytes, &o.out).kind == SERVER_WAIT);
    smtp_server_verdict(&o.server, "250 2.0.0 one", &o.out);
    CU_ASSERT(smtp_server_feed(&o.server, &bytes, &o.out).kind == SERVER_MAIL);
    smtp_server_answer(&o.server, NULL, &o.out);
    owner_release(&o);
}

static void replies_are_bounded(void)
{
    static char noops[SERVER_REPLY_BYTES_MAX];
    for (size_t i = 0; i < sizeof(noops); i++)
        noops[i] = "NOOP\r\n"[i % 6];
    for (int held = 0; held < 2; held++) {
        struct owner o;
        owner_init(&o, &options);
        buffer_release(&o.out);
        buffer_init(&o.out, SERVER_REPLY_BYTES_MAX);
        smtp_server_greet(&o.server, NULL, &o.out);
        o.late = true;
        if (held)
            owner_feed(&o, SLICE(TO_RCPT "BDAT 3 LAST\r\n1\r\n"));
        struct slice bytes = slice_make(noops, sizeof(noops));
        struct smtp_server_event e;
        while ((e = smtp_server_feed(&o.server, &bytes, &o.out)).kind == SERVER_OTHER)
            smtp_server_answer(&o.server, NULL, &o.out);
        CU_ASSERT(e.kind == SERVER_WAIT && bytes.len > 0);
        if (held)
            owner_give_verdict(&o);
        CU_ASSERT(o.out.len > SERVER_REPLY_BYTES_MAX / 2);
        CU_ASSERT(smtp_server_feed(&o.server, &bytes, &o.out).kind == SERVER_WAIT);
        buffer_clear(&o.out); // sent
        CU_ASSERT(smtp_server_feed(&o.server, &bytes, &o.out).kind == SERVER_OTHER);
        smtp_server_answer(&o.server, NULL, &o.out);
        owner_release(&o);
    }
}

// A reply that found no place must not be followed by others: the session ends.
static void a_full_reply_buffer_ends_the_session(void)
{
    struct owner o;
    owner_init(&o, &options);
    smtp_server_greet(&o.server, NULL, &o.out);
    owner_feed(&o, SLICE(EHLO MAIL));
    buffer_release(&o.out);
    buffer_init(&o.out, 10);
    owner_feed(&o, SLICE("NOOP\r\nNOOP\r\n"));
    CU_ASSERT(o.closed && o.out.len == 0);
    CU_ASSERT(slice_equal(buffer_slice(&o.seen), SLICE("ehlo(c) mail(a@b) noop drop(-) close")));
    owner_release(&o);
}

static void hanging_up(void)
{
    struct owner o;
    owner_init(&o, &options);
    smtp_server_greet(&o.server, NULL, &o.out);
    o.late = true;
    owner_feed(&o, SLICE(TO_RCPT "BDAT 3 LAST\r\n1\r\n" MAIL RCPT "DATA\r\nhalf a li"));
    buffer_clear(&o.out);
    smtp_server_hang_up(&o.server, "421 4.4.2 idle", &o.out);
    CU_ASSERT(slice_equal(said_now(&o), SLICE("421 4.4.2 idle\r\n")));
    CU_ASSERT(smtp_server_uncommitted(&o.server) == 0);
    CU_ASSERT(!smtp_server_in_transaction(&o.server));
    o.verdict_count = o.message_count;
    owner_end_transaction(&o);
    owner_feed(&o, SLICE("ne\r\n.\r\nNOOP\r\n"));
    CU_ASSERT(o.closed && slice_equal(said_now(&o), SLICE("421 4.4.2 idle\r\n")));
    owner_release(&o);

    owner_init(&o, &options);
    smtp_server_greet(&o.server, NULL, &o.out);
    o.late = true;
    owner_feed(&o, SLICE(TO_RCPT "BDAT 3 LAST\r\n1\r\nNOOP\r\n"));
    buffer_clear(&o.out);
    smtp_server_verdict(&o.server, "421 4.3.0 the disk is gone", &o.out);
    CU_ASSERT(slice_equal(said_now(&o), SLICE("421 4.3.0 the disk is gone\r\n")));
    CU_ASSERT(smtp_server_uncommitted(&o.server) == 0);
    owner_release(&o);
}

// The owner gets content in slices as large as what was received.
static void content_comes_in_large_slices(void)
{
    char text[8192];
    struct owner o;
    owner_init(&o, &options);
    smtp_server_greet(&o.server, NULL, &o.out);
    owner_feed(&o, SLICE(TO_RCPT "DATA\r\n"));
    for (size_t i = 0; i < 900; i++)
        text[i] = "eighteen and CRLF.\r\n"[i % 20];
    memcpy(text + 900, ".\r\nNOOP\r\n", 9);
    struct slice bytes = slice_make(text, 909);
    struct smtp_server_event e = smtp_server_feed(&o.server, &bytes, &o.out);
    CU_ASSERT(e.kind == SERVER_CONTENT && e.text.data == text && e.text.len == 900);
    CU_ASSERT(smtp_server_feed(&o.server, &bytes, &o.out).kind == SERVER_MESSAGE);
    owner_release(&o);
}

static bool holds_no_memory(const struct smtp_server *s)
{
    return s->line.data == NULL && s->replies.held.data == NULL;
}

static void an_idle_session_holds_no_memory(void)
{
    struct owner o;
    owner_init(&o, &options);
    smtp_server_greet(&o.server, NULL, &o.out);
    owner_feed(&o, SLICE("EHL"));
    CU_ASSERT(!holds_no_memory(&o.server));
    owner_feed(&o, SLICE("O c\r\n"));
    CU_ASSERT(holds_no_memory(&o.server));
    owner_feed(&o, SLICE("BDAT 1\r\nx")); // its refusal is kept until the chunk is read
    CU_ASSERT(holds_no_memory(&o.server));
    o.late = true;
    owner_feed(&o, SLICE(MAIL RCPT "DATA\r\n.\r\nNOOP\r\n"));
    CU_ASSERT(!holds_no_memory(&o.server));
    owner_finish(&o);
    CU_ASSERT(holds_no_memory(&o.server));
    CU_ASSERT(sizeof(struct smtp_server) <= 1024);
    owner_release(&o);
}

static const struct suite_test tests[] = {
    {"sessions", sessions},
    {"who is it", who_is_it},
    {"no password stays", no_password_stays},
    {"long credentials", long_credentials},
    {"smuggling", smuggling},
    {"content limits", content_limits},
    {"command line limits", command_line_limits},
    {"too many errors", too_many_errors},
    {"refusals are no errors", refusals_are_no_errors},
    {"greetings", greetings},
    {"turned away", turned_away},
    {"verbose", verbose},
    {"late verdicts", late_verdicts},
    {"the queue of replies wraps", the_queue_of_replies_wraps},
    {"QUIT waits for verdicts", quit_waits_for_verdicts},
    {"input waits", input_waits},
    {"replies are bounded", replies_are_bounded},
    {"a full reply buffer ends the session", a_full_reply_buffer_ends_the_session},
    {"hanging up", hanging_up},
    {"content comes in large slices", content_comes_in_large_slices},
    {"an idle session holds no memory", an_idle_session_holds_no_memory},
};

SUITE_MAIN("server", tests)
