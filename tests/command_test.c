// The command grammar: RFC 5321 4.1, with the parameters of SIZE, 8BITMIME, SMTPUTF8, DSN and
// MT-PRIORITY.
#include "engine/base/buffer.h"
#include "engine/smtp/command.h"
#include "tests/suite.h"

#include <stdlib.h>

static const struct command_rules all = {
    .eightbitmime = true,
    .smtputf8 = true,
    .dsn = true,
    .verp = true,
    .mt_priority = true,
    .in_utf8 = true,
};
static const struct command_rules none = {.dsn = false};

struct command_case {
    const char *line;
    const char *want; // what describe() says of it
};

static const char *const status_names[] = {
    [COMMAND_OK] = "",
    [COMMAND_UNKNOWN] = "unknown",
    [COMMAND_CONTROL_BYTES] = "control bytes",
    [COMMAND_BAD_ARGUMENT] = "bad argument",
    [COMMAND_BAD_PARAMETER] = "bad parameter",
    [COMMAND_UNKNOWN_PARAMETER] = "unknown parameter",
    [COMMAND_BAD_ADDRESS] = "bad address",
    [COMMAND_ADDRESS_TOO_LONG] = "address too long",
    [COMMAND_NEEDS_SMTPUTF8] = "needs smtputf8",
    [COMMAND_BAD_CHUNK] = "bad chunk",
};

static const char *const verb_names[VERB_COUNT] = {
    "none", "helo", "ehlo", "mail", "rcpt", "data", "bdat",     "rset",
    "noop", "help", "vrfy", "expn", "verb", "quit", "starttls", "auth",
};

static void describe_mail(const struct command *c, struct buffer *out)
{
    buffer_printf(out, " <%.*s>", SLICE_ARG(c->address.text));
    if (c->mail.size_bytes)
        buffer_printf(out, " size=%llu", (unsigned long long)c->mail.size_bytes);
    buffer_printf(out, "%s%s%s", c->mail.is_8bit ? " 8bit" : "", c->mail.smtputf8 ? " utf8" : "",
                  c->mail.verp ? " verp" : "");
    if (c->mail.has_priority)
        buffer_printf(out, " priority=%d", c->mail.priority);
    if (c->ret.len)
        buffer_printf(out, " {%.*s}", SLICE_ARG(c->ret));
    if (c->envid.len)
        buffer_printf(out, " {%.*s}", SLICE_ARG(c->envid));
}

static void describe(enum command_status status, const struct command *c, struct buffer *out)
{
    buffer_clear(out);
    buffer_printf(out, "%s", verb_names[c->verb]);
    if (status != COMMAND_OK)
        buffer_printf(out, ": %s", status_names[status]);
    else if (c->verb == VERB_MAIL)
        describe_mail(c, out);
    else if (c->verb == VERB_RCPT)
        buffer_printf(out, " <%.*s>%s%.*s", SLICE_ARG(c->address.text), c->dsn.len ? " " : "",
                      SLICE_ARG(c->dsn));
    else if (c->verb == VERB_BDAT)
        buffer_printf(out, " %llu%s", (unsigned long long)c->chunk_bytes,
                      c->chunk_last ? " last" : "");
    else if (c->text.len)
        buffer_printf(out, " '%.*s'", SLICE_ARG(c->text));
}

static enum command_status parse_and_describe(struct slice line, const struct command_rules *rules,
                                              struct buffer *out)
{
    // A heap copy of just the bytes there are, so that reading on is caught.
    char *copy = malloc(line.len ? line.len : 1);
    memcpy(copy, line.data, line.len);
    struct command c;
    enum command_status status = command_parse(slice_make(copy, line.len), rules, &c);
    describe(status, &c, out);
    free(copy);
    return status;
}

static void run_cases(const struct command_case *cases, size_t count,
                      const struct command_rules *rules)
{
    struct buffer got;
    buffer_init(&got, 4096);
    for (size_t i = 0; i < count; i++) {
        parse_and_describe(slice_of_text(cases[i].line), rules, &got);
        bool right = slice_equal(buffer_slice(&got), slice_of_text(cases[i].want));
        if (!right)
            printf("\n  %s\n   got '%.*s'\n  want '%s'\n", cases[i].line,
                   SLICE_ARG(buffer_slice(&got)), cases[i].want);
        CU_ASSERT(right);
    }
    buffer_release(&got);
}

#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

static const struct command_case cases_of_all[] = {
    {"EHLO client.example", "ehlo 'client.example'"},
    {"helo x", "helo 'x'"},
    {"EHLO [127.0.0.1]", "ehlo '[127.0.0.1]'"},
    {"EHLO not_a_(domain)", "ehlo 'not_a_(domain)'"},
    {"EHLO", "ehlo: bad argument"},
    {"EHLO ", "ehlo: bad argument"},
    {"EHLO two words", "ehlo: bad argument"},
    {"EHLO caf\xc3\xa9", "ehlo: bad argument"},
    {"EHLO " X100 X100 X10 X10 X10 X10 X10 "12345",
     "ehlo '" X100 X100 X10 X10 X10 X10 X10 "12345'"},
    {"EHLO " X100 X100 X10 X10 X10 X10 X10 "123456", "ehlo: bad argument"},

    {"MAIL FROM:<a@b>", "mail <a@b>"},
    {"mail from:<a@b>", "mail <a@b>"},
    {"MAIL FROM: <a@b> ", "mail <a@b>"},
    {"MAIL FROM:<>", "mail <>"},
    {"MAIL FROM:<a@b> SIZE=1000", "mail <a@b> size=1000"},
    {"MAIL FROM:<a@b> BODY=8BITMIME", "mail <a@b> 8bit"},
    {"MAIL FROM:<a@b> body=7bit", "mail <a@b>"},
    {"MAIL FROM:<\xc3\xa9@b> SMTPUTF8", "mail <\xc3\xa9@b> utf8"},
    {"MAIL FROM:<a@b> SMTPUTF8 SIZE=1 BODY=8BITMIME", "mail <a@b> size=1 8bit utf8"},
    {"MAIL FROM:<a@b> XVERP", "mail <a@b> verp"},
    {"MAIL FROM:<a@b> xverp=+=", "mail <a@b> verp"},
    {"MAIL FROM:<a@b> XVERP=-=", "mail: bad parameter"},
    {"MAIL FROM:<a@b> XVERP=", "mail: bad parameter"},
    {"RCPT TO:<a@b> XVERP", "rcpt: unknown parameter"},
    {"MAIL FROM:<a@b> RET=HDRS ENVID=QQ314159", "mail <a@b> {RET=HDRS} {ENVID=QQ314159}"},
    {"MAIL FROM:<a@b> ENVID=a+2Bb SIZE=7 ret=full", "mail <a@b> size=7 {ret=full} {ENVID=a+2Bb}"},
    {"MAIL FROM:<a@b> ENVID=" X100, "mail <a@b> {ENVID=" X100 "}"},
    {"MAIL FROM:<a@b> MT-PRIORITY=0", "mail <a@b> priority=0"},
    {"MAIL FROM:<a@b> MT-PRIORITY=9", "mail <a@b> priority=9"},
    {"MAIL FROM:<a@b> SIZE=1 mt-priority=-9", "mail <a@b> size=1 priority=-9"},
    {"MAIL FROM:<a@b> MT-PRIORITY", "mail: bad parameter"},
    {"MAIL FROM:<a@b> MT-PRIORITY=", "mail: bad parameter"},
    {"MAIL FROM:<a@b> MT-PRIORITY=-", "mail: bad parameter"},
    {"MAIL FROM:<a@b> MT-PRIORITY=-0", "mail: bad parameter"}, // RFC 6710 5: NZDIGIT
    {"MAIL FROM:<a@b> MT-PRIORITY=10", "mail: bad parameter"},
    {"MAIL FROM:<a@b> MT-PRIORITY=+1", "mail: bad parameter"},
    {"MAIL FROM:<a@b> MT-PRIORITY=bulk", "mail: bad parameter"},
    {"MAIL FROM:<a@b> MT-PRIORITY=1 MT-PRIORITY=1", "mail: bad parameter"},
    {"RCPT TO:<a@b> MT-PRIORITY=1", "rcpt: unknown parameter"},
    {"MAIL FROM:<a@b> SIZE=18446744073709551615", "mail <a@b> size=18446744073709551615"},
    {"MAIL", "mail: bad argument"},
    {"MAIL ", "mail: bad argument"},
    {"MAIL <a@b>", "mail: bad argument"},
    {"MAIL TO:<a@b>", "mail: bad argument"},
    {"MAILFROM:<a@b>", "none: unknown"},
    {"MAIL FROM:", "mail: bad address"},
    {"MAIL FROM:a@b", "mail: bad address"},
    {"MAIL FROM:<a@b", "mail: bad address"},
    {"MAIL FROM:<a@b>SIZE=1", "mail: bad argument"},
    {"MAIL FROM:<a@b>  SIZE=1", "mail: bad argument"},
    {"MAIL FROM:<a@b> =1", "mail: bad argument"},
    {"MAIL FROM:<\xc3\xa9@b>", "mail: needs smtputf8"},
    {"MAIL FROM:<\xc3@b> SMTPUTF8", "mail: bad address"},
    {"MAIL FROM:<a@b> SIZE", "mail: bad parameter"},
    {"MAIL FROM:<a@b> SIZE=", "mail: bad parameter"},
    {"MAIL FROM:<a@b> SIZE=-1", "mail: bad parameter"},
    {"MAIL FROM:<a@b> SIZE=18446744073709551616", "mail: bad parameter"},
    {"MAIL FROM:<a@b> SIZE=1 SIZE=2", "mail: bad parameter"},
    {"MAIL FROM:<a@b> BODY=BINARYMIME", "mail: bad parameter"},
    {"MAIL FROM:<a@b> BODY", "mail: bad parameter"},
    {"MAIL FROM:<a@b> SMTPUTF8=yes", "mail: bad parameter"},
    {"MAIL FROM:<a@b> SMTPUTF8=", "mail: bad parameter"},
    {"MAIL FROM:<a@b> RET=BODY", "mail: bad parameter"},
    {"MAIL FROM:<a@b> ENVID=", "mail: bad parameter"},
    {"MAIL FROM:<a@b> ENVID=a=b", "mail: bad parameter"},
    {"MAIL FROM:<a@b> ENVID=+", "mail: bad parameter"},
    {"MAIL FROM:<a@b> ENVID=+4", "mail: bad parameter"},
    {"MAIL FROM:<a@b> ENVID=+2b", "mail: bad parameter"}, // hexchar is upper case
    {"MAIL FROM:<a@b> ENVID=x+00", "mail: bad parameter"},
    {"MAIL FROM:<a@b> ENVID=x+0D+0Ay", "mail: bad parameter"},
    {"MAIL FROM:<a@b> ENVID=x+7F", "mail: bad parameter"},
    {"MAIL FROM:<a@b> ENVID=\xc3\xa9", "mail: bad parameter"},
    {"MAIL FROM:<a@b> ENVID=" X100 "x", "mail: bad parameter"},
    {"MAIL FROM:<a@b> NOTIFY=NEVER", "mail: unknown parameter"},
    {"MAIL FROM:<a@b> AUTH=<>", "mail: unknown parameter"},
    {"MAIL FROM:<a@b> XYZZY", "mail: unknown parameter"},

    {"RCPT TO:<a@b>", "rcpt <a@b>"},
    {"RCPT to: <@x,@y:a@b>", "rcpt <a@b>"},
    {"RCPT TO:<Postmaster>", "rcpt <Postmaster>"},
    {"RCPT TO:<\xc3\xa9@b>", "rcpt <\xc3\xa9@b>"},
    {"RCPT TO:<a@b> NOTIFY=NEVER", "rcpt <a@b> NOTIFY=NEVER"},
    {"RCPT TO:<a@b> NOTIFY=success,FAILURE ORCPT=rfc822;Carol@Ivory.EDU ",
     "rcpt <a@b> NOTIFY=success,FAILURE ORCPT=rfc822;Carol@Ivory.EDU"},
    {"RCPT TO:<a@b> ORCPT=utf-8;\xc3\xa9@b", "rcpt <a@b> ORCPT=utf-8;\xc3\xa9@b"},
    {"RCPT TO:<>", "rcpt: bad address"},
    {"RCPT FROM:<a@b>", "rcpt: bad argument"},
    {"RCPT TO:<a@b> SIZE=1", "rcpt: unknown parameter"},
    {"RCPT TO:<a@b> NOTIFY=", "rcpt: bad parameter"},
    {"RCPT TO:<a@b> NOTIFY=NEVER,SUCCESS", "rcpt: bad parameter"},
    {"RCPT TO:<a@b> NOTIFY=SUCCESS,", "rcpt: bad parameter"},
    {"RCPT TO:<a@b> NOTIFY=,SUCCESS", "rcpt: bad parameter"},
    {"RCPT TO:<a@b> NOTIFY=SOMETIMES", "rcpt: bad parameter"},
    {"RCPT TO:<a@b> NOTIFY=DELAY NOTIFY=DELAY", "rcpt: bad parameter"},
    {"RCPT TO:<a@b> ORCPT=a@b", "rcpt: bad parameter"},
    {"RCPT TO:<a@b> ORCPT=;a@b", "rcpt: bad parameter"},
    {"RCPT TO:<a@b> ORCPT=rfc822;", "rcpt: bad parameter"},
    {"RCPT TO:<a@b> ORCPT=rfc_822;a", "rcpt: bad parameter"},
    {"RCPT TO:<a@b> ORCPT=rfc822;a+0Ab", "rcpt: bad parameter"},
    {"RCPT TO:<a@b> ORCPT=rfc822;" X100 X100 X100 X100 X100, "rcpt: bad parameter"},

    {"DATA", "data"},
    {"data  ", "data"},
    {"DATA x", "data: bad argument"},
    {"BDAT 0", "bdat 0"},
    {"BDAT 0 LAST", "bdat 0 last"},
    {"bdat 86 last", "bdat 86 last"},
    {"BDAT 9223372036854775807", "bdat 9223372036854775807"},
    {"BDAT 10 LOST", "bdat: bad argument"}, // the chunk can be skipped
    {"BDAT 10 LAST LAST", "bdat: bad argument"},
    {"BDAT", "bdat: bad chunk"},
    {"BDAT LAST", "bdat: bad chunk"},
    {"BDAT -1", "bdat: bad chunk"},
    {"BDAT +1", "bdat: bad chunk"},
    {"BDAT 0x10", "bdat: bad chunk"},
    {"BDAT  10", "bdat: bad chunk"},
    {"BDAT 9223372036854775808", "bdat: bad chunk"},
    {"BDAT 99999999999999999999999", "bdat: bad chunk"},

    {"RSET", "rset"},
    {"RSET now", "rset: bad argument"},
    {"QUIT", "quit"},
    {"QUIT now", "quit: bad argument"},
    {"NOOP", "noop"},
    {"NOOP anything at all", "noop 'anything at all'"},
    {"HELP", "help"},
    {"HELP MAIL", "help 'MAIL'"},
    {"VERB", "verb"},
    {"VERB ON", "verb 'ON'"},
    {"VRFY someone", "vrfy 'someone'"},
    {"VRFY", "vrfy: bad argument"},
    {"EXPN list", "expn 'list'"},
    {"EXPN", "expn: bad argument"},

    {"", "none: unknown"},
    {" ", "none: unknown"},
    {" NOOP", "none: unknown"},
    {"NOO", "none: unknown"},
    {"NOOPS", "none: unknown"},
    {"STARTTLS", "none: unknown"},
    {"GET / HTTP/1.1", "none: unknown"},
    {"NOOP\tx", "none: control bytes"},
    {"EHLO a\rb", "ehlo: control bytes"},
    {"EHLO a\nMAIL FROM:<a@b>", "ehlo: control bytes"},
    {"RCPT TO:<\"a\x01\"@b>", "rcpt: control bytes"},
    {"RCPT TO:<a@b>\x7f", "rcpt: control bytes"},
    {"\x16\x03\x01", "none: control bytes"}, // a TLS client on the wrong port
};

static void everything_offered(void)
{
    run_cases(cases_of_all, sizeof(cases_of_all) / sizeof(*cases_of_all), &all);
}

static const struct command_case cases_of_none[] = {
    {"MAIL FROM:<a@b> SIZE=1", "mail <a@b> size=1"},
    {"MAIL FROM:<a@b> BODY=8BITMIME", "mail: unknown parameter"},
    {"MAIL FROM:<a@b> SMTPUTF8", "mail: unknown parameter"},
    {"MAIL FROM:<a@b> RET=FULL", "mail: unknown parameter"},
    {"MAIL FROM:<a@b> ENVID=x", "mail: unknown parameter"},
    {"MAIL FROM:<a@b> MT-PRIORITY=1", "mail: unknown parameter"},
    {"MAIL FROM:<\xc3\xa9@b>", "mail: needs smtputf8"},
    {"MAIL FROM:<\xc3\xa9@b> SMTPUTF8", "mail: needs smtputf8"},
    {"RCPT TO:<a@b> NOTIFY=NEVER", "rcpt: unknown parameter"},
    {"RCPT TO:<a@b> ORCPT=rfc822;a@b", "rcpt: unknown parameter"},
    {"RCPT TO:<\xc3\xa9@b>", "rcpt: needs smtputf8"},
};

static void nothing_offered(void)
{
    run_cases(cases_of_none, sizeof(cases_of_none) / sizeof(*cases_of_none), &none);
}

static void orcpt_is_ascii_outside_of_smtputf8(void)
{
    const struct command_rules rules = {.smtputf8 = true, .dsn = true, .in_utf8 = false};
    struct buffer got;
    buffer_init(&got, 4096);
    CU_ASSERT(parse_and_describe(SLICE("RCPT TO:<a@b> ORCPT=utf-8;\xc3\xa9"), &rules, &got) ==
              COMMAND_BAD_PARAMETER);
    buffer_release(&got);
}

// Put any byte anywhere into good commands: no control character passes, whatever the verdict.
static void every_byte_everywhere(void)
{
    static const char *const lines[] = {
        "EHLO ab",
        "MAIL FROM:<ab@cd> SIZE=1 RET=FULL ENVID=ab",
        "RCPT TO:<ab@cd> ORCPT=rfc822;ab",
        "BDAT 12 LAST",
        "VRFY ab",
        "NOOP ab",
        "RSET",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        for (size_t at = 0; at <= strlen(lines[i]); at++)
            for (unsigned byte = 0; byte < 256; byte++) {
                char line[128];
                size_t len = strlen(lines[i]);
                memcpy(line, lines[i], at);
                line[at] = (char)byte;
                memcpy(line + at + 1, lines[i] + at, len - at);
                struct command c;
                enum command_status got = command_parse(slice_make(line, len + 1), &all, &c);
                if (byte < 0x20 || byte == 0x7f)
                    CU_ASSERT(got == COMMAND_CONTROL_BYTES);
            }
}

// A refusal is one whole line of the right class, with an enhanced code.
static void refusals_are_replies(void)
{
    for (int status = COMMAND_UNKNOWN; status <= COMMAND_BAD_CHUNK; status++)
        for (int verb = 0; verb < VERB_COUNT; verb++) {
            struct slice r = command_refusal((enum command_status)status, (enum smtp_verb)verb);
            CU_ASSERT(r.len > 12 && r.data[0] == '5' && r.data[3] == ' ' && r.data[4] == '5');
            CU_ASSERT(slice_find(r, '\r') == r.len - 2 && slice_find(r, '\n') == r.len - 1);
        }
}

static const struct suite_test tests[] = {
    {"everything offered", everything_offered},
    {"nothing offered", nothing_offered},
    {"ORCPT is ASCII outside of SMTPUTF8", orcpt_is_ascii_outside_of_smtputf8},
    {"every byte everywhere", every_byte_everywhere},
    {"refusals are replies", refusals_are_replies},
};

SUITE_MAIN("command", tests)
