// Reports to senders: RFC 3464, 3461, 6522, 6533.
#include "engine/base/check.h"
#include "engine/message/dsn.h"
#include "engine/message/notify.h"
#include "tests/suite.h"

#include <stdio.h>
#include <stdlib.h>

#define ARRIVAL_US (UINT64_C(1767225600) * 1000000) // Thu, 01 Jan 2026 00:00:00 +0000
#define MINUTE_US (UINT64_C(60) * 1000000)

static struct dsn_rcpt failed(void)
{
    return (struct dsn_rcpt){
        .action = DSN_FAILED,
        .address = SLICE("joe@example.org"),
        .orcpt = SLICE("rfc822;joe+2Bold@example.org"),
        .code = 550,
        .enhanced = {5, 1, 1},
        .host = SLICE("mx.example.org"),
        .text = SLICE("no such user"),
        .attempt_wall_us = ARRIVAL_US + MINUTE_US,
        .retry_until_wall_us = ARRIVAL_US + 60 * MINUTE_US,
    };
}

static struct dsn_report about(struct slice content)
{
    return (struct dsn_report){
        .hostname = SLICE("mail.example.net"),
        .id = SLICE("0abcdefghijkl"),
        .wall_us = ARRIVAL_US + 2 * MINUTE_US,
        .to = SLICE("sender@example.com"),
        .message_id = SLICE("0000000000001"),
        .envid = SLICE("QQ314+2B159"),
        .arrival_wall_us = ARRIVAL_US,
        .content = content,
    };
}

static struct buffer out;
static struct dsn_form form;

static const char *written(const struct dsn_report *r, const struct dsn_rcpt *rcpts, uint32_t count)
{
    buffer_release(&out);
    buffer_init(&out, DSN_BYTES_MAX);
    CU_ASSERT(dsn_write(r, rcpts, count, &out, &form));
    CU_ASSERT(buffer_append_byte(&out, '\0'));
    return out.data;
}

static bool says(const char *text, const char *what)
{
    bool there = strstr(text, what) != NULL;
    if (!there)
        fprintf(stderr, "\n  not there: %s\n  in: %s\n", what, text);
    return there;
}

static const struct slice mail = SLICE("From: a\r\nSubject: x\r\n y\r\n\r\nthe body\r\n");

static void test_whole(void)
{
    struct dsn_report r = about(mail);
    struct dsn_rcpt d = failed();
    const char *got = written(&r, &d, 1);
    static const char want[] = "Date: Thu, 01 Jan 2026 00:02:00 +0000\r\n"
                               "From: Mail delivery <MAILER-DAEMON@mail.example.net>\r\n"
                               "To: <sender@example.com>\r\n"
                               "Subject: Your message could not be delivered\r\n"
                               "Message-ID: <0abcdefghijkl@mail.example.net>\r\n"
                               "Auto-Submitted: auto-replied\r\n"
                               "MIME-Version: 1.0\r\n"
                               "Content-Type: multipart/report; report-type=delivery-status;\r\n"
                               "\tboundary=\"=_0abcdefghijkl.0\"\r\n"
                               "\r\n"
                               "A report about a message, in MIME format.\r\n"
                               "\r\n"
                               "--=_0abcdefghijkl.0\r\n"
                               "Content-Type: text/plain; charset=us-ascii\r\n"
                               "\r\n"
                               "This is the mail server mail.example.net.\r\n"
                               "Your message of Thu, 01 Jan 2026 00:00:00 +0000\r\n"
                               "\r\n"
                               "to <joe@example.org>\r\n"
                               "could not be delivered:\r\n"
                               "    550 5.1.1 no such user\r\n"
                               "\r\n"
                               "--=_0abcdefghijkl.0\r\n"
                               "Content-Type: message/delivery-status\r\n"
                               "\r\n"
                               "Reporting-MTA: dns; mail.example.net\r\n"
                               "Original-Envelope-Id: QQ314+159\r\n"
                               "Arrival-Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
                               "X-Posthaste-Id: 0000000000001\r\n"
                               "\r\n"
                               "Original-Recipient: rfc822; joe+old@example.org\r\n"
                               "Final-Recipient: rfc822; joe@example.org\r\n"
                               "Action: failed\r\n"
                               "Status: 5.1.1\r\n"
                               "Remote-MTA: dns; mx.example.org\r\n"
                               "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
                               "Last-Attempt-Date: Thu, 01 Jan 2026 00:01:00 +0000\r\n"
                               "\r\n"
                               "--=_0abcdefghijkl.0\r\n"
                               "Content-Type: text/rfc822-headers\r\n"
                               "\r\n"
                               "From: a\r\nSubject: x\r\n y\r\n"
                               "\r\n"
                               "--=_0abcdefghijkl.0--\r\n";
    CU_ASSERT_STRING_EQUAL(got, want);
    CU_ASSERT(!form.is_8bit && !form.smtputf8 && !form.has_dot_lines);
}

static void test_returned(void)
{
    static char large[DSN_RETURN_BYTES_MAX + 1], long_header[2 * DSN_HEADER_BYTES_MAX];
    struct dsn_rcpt d = failed();
    struct dsn_report r = about(mail);
    r.wants_full = true;
    CU_ASSERT(says(written(&r, &d, 1), "Content-Type: message/rfc822\r\n\r\nFrom: a\r\n"));
    CU_ASSERT(says(out.data, "\r\n\r\nthe body\r\n\r\n--=_"));

    memset(large, 'x', sizeof(large));
    memcpy(large, mail.data, mail.len);
    r.content = slice_make(large, sizeof(large));
    CU_ASSERT(
        says(written(&r, &d, 1), "text/rfc822-headers\r\n\r\nFrom: a\r\nSubject: x\r\n y\r\n"));
    CU_ASSERT_PTR_NULL(strstr(out.data, "xxxx"));

    for (size_t i = 0; i < sizeof(long_header); i += 16)
        memcpy(long_header + i, "X-Field: value\r\n", 16);
    r.wants_full = false;
    r.content = slice_make(long_header, sizeof(long_header));
    written(&r, &d, 1);
    CU_ASSERT(out.len < DSN_HEADER_BYTES_MAX + 4096);
    CU_ASSERT(says(out.data, "X-Field: value\r\n\r\n--=_"));

    r.content = SLICE("no header at all\r\n");
    CU_ASSERT(says(written(&r, &d, 1), "text/rfc822-headers\r\n\r\n\r\n--=_"));
}

// What is returned could end its part, and look like another recipient's.
static void test_boundary(void)
{
    struct dsn_rcpt d = failed();
    struct dsn_report r = about(SLICE("Subject: x\r\n\r\n--=_0abcdefghijkl.0\r\n.dot\r\n"));
    r.wants_full = true;
    CU_ASSERT(says(written(&r, &d, 1), "boundary=\"=_0abcdefghijkl.1\""));
    CU_ASSERT(form.has_dot_lines);
}

// A reply is another's text: it stays in its field.
static void test_hostile_words(void)
{
    struct dsn_report r = about(mail);
    struct dsn_rcpt d = failed();
    char text[DSN_TEXT_BYTES_MAX + 100];
    memset(text, 'w', sizeof(text));
    d.text = SLICE("no\r\nFinal-Recipient: rfc822; other@example.org\x1b\xff\0 end");
    d.host = SLICE("mx\r\nx");
    written(&r, &d, 1);
    CU_ASSERT_EQUAL(strlen(out.data) + 1, out.len);
    CU_ASSERT(says(out.data, "550 5.1.1 no??Final-Recipient: rfc822;"));
    CU_ASSERT(says(out.data, "dns; mx??x\r\n"));
    CU_ASSERT_PTR_NULL(strchr(out.data, '\x1b'));
    d = failed();
    d.text = slice_make(text, sizeof(text));
    written(&r, &d, 1);
    for (const char *line = out.data; *line; line += strcspn(line, "\n") + 1)
        CU_ASSERT(strcspn(line, "\n") < 998);
}

static void test_long_replies_are_folded(void)
{
    struct dsn_report r = about(mail);
    struct dsn_rcpt d = failed();
    d.text = SLICE("the mailbox that you have asked for is not here any more, please look for it "
                   "elsewhere, and do not come back");
    CU_ASSERT(says(written(&r, &d, 1),
                   "Diagnostic-Code: smtp; 550 5.1.1 the mailbox that you have asked for is not\r\n"
                   " here any more, please look for it elsewhere, and do not come back\r\n"));
}

struct status_case {
    enum dsn_action action;
    uint16_t code;
    struct enhanced_code enhanced;
    const char *want;
};

// RFC 3463 and RFC 3464 2.3.4: the class agrees with the action.
static const struct status_case status_cases[] = {
    {DSN_FAILED, 550, {5, 7, 1}, "Action: failed\r\nStatus: 5.7.1\r\n"},
    {DSN_FAILED, 550, {0, 0, 0}, "Action: failed\r\nStatus: 5.0.0\r\n"},
    {DSN_FAILED, 0, {0, 0, 0}, "Action: failed\r\nStatus: 5.0.0\r\n"},
    {DSN_FAILED, 550, {2, 0, 0}, "Action: failed\r\nStatus: 5.0.0\r\n"},
    {DSN_FAILED, 451, {4, 7, 1}, "Action: failed\r\nStatus: 4.7.1\r\n"}, // its time is over
    {DSN_FAILED, 451, {0, 0, 0}, "Action: failed\r\nStatus: 4.4.7\r\n"},
    {DSN_FAILED, 0, {4, 4, 1}, "Action: failed\r\nStatus: 4.4.1\r\n"},
    {DSN_DELAYED, 451, {4, 7, 1}, "Action: delayed\r\nStatus: 4.7.1\r\n"},
    {DSN_DELAYED, 0, {0, 0, 0}, "Action: delayed\r\nStatus: 4.0.0\r\n"},
    {DSN_RELAYED, 250, {2, 1, 5}, "Action: relayed\r\nStatus: 2.1.5\r\n"},
    {DSN_RELAYED, 250, {0, 0, 0}, "Action: relayed\r\nStatus: 2.0.0\r\n"},
};

static void test_status(void)
{
    struct dsn_report r = about(mail);
    for (size_t i = 0; i < sizeof(status_cases) / sizeof(status_cases[0]); i++) {
        struct dsn_rcpt d = failed();
        d.action = status_cases[i].action;
        d.code = status_cases[i].code;
        d.enhanced = status_cases[i].enhanced;
        CU_ASSERT(says(written(&r, &d, 1), status_cases[i].want));
        CU_ASSERT_EQUAL(strstr(out.data, "Will-Retry-Until: ") != NULL, d.action == DSN_DELAYED);
    }
}

// A reply of ours, to nothing that was said.
static void test_nobody_was_reached(void)
{
    struct dsn_report r = about(mail);
    struct dsn_rcpt d = failed();
    r.envid = d.orcpt = d.host = SLICE_EMPTY;
    d.code = 0;
    d.text = SLICE("connection refused");
    CU_ASSERT(says(written(&r, &d, 1), "Diagnostic-Code: x-local; connection refused\r\n"));
    CU_ASSERT_PTR_NULL(strstr(out.data, "Remote-MTA"));
    CU_ASSERT_PTR_NULL(strstr(out.data, "Original-"));
}

static void test_utf8(void)
{
    struct dsn_report r = about(SLICE("Subject: gr\xc3\xbc\xc3\x9f\r\n\r\n"));
    struct dsn_rcpt d = failed();
    d.address = SLICE("j\xc3\xb6rg+1@k\xc3\xa4se.example");
    d.orcpt = SLICE("utf-8;j\xc3\xb6rg@k\xc3\xa4se.example");
    // An ASCII sender's server may not know of SMTPUTF8 (RFC 6533 3).
    written(&r, &d, 1);
    CU_ASSERT(form.is_8bit && !form.smtputf8);
    CU_ASSERT(says(out.data, "Final-Recipient: utf-8; j\\x{F6}rg\\x{2B}1@k\\x{E4}se.example\r\n"));
    CU_ASSERT(says(out.data, "Original-Recipient: utf-8; j\\x{F6}rg@k\\x{E4}se.example\r\n"));
    CU_ASSERT(says(out.data, "Content-Type: message/delivery-status\r\n"));
    CU_ASSERT(says(out.data, "Content-Type: message/global-headers\r\n"
                             "Content-Transfer-Encoding: 8bit\r\n"));
    CU_ASSERT(says(out.data, "charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"));
    r.to = SLICE("s\xc3\xa9nder@example.com");
    written(&r, &d, 1);
    CU_ASSERT(form.is_8bit && form.smtputf8);
    CU_ASSERT(says(out.data, "Final-Recipient: utf-8; j\xc3\xb6rg+1@k\xc3\xa4se.example\r\n"));
    CU_ASSERT(says(out.data, "Content-Type: message/global-delivery-status\r\n"));
}

static void test_several(void)
{
    struct dsn_rcpt rcpts[DSN_RCPTS_MAX];
    struct dsn_report r = about(mail);
    for (uint32_t i = 0; i < DSN_RCPTS_MAX; i++)
        rcpts[i] = failed();
    rcpts[0].action = DSN_RELAYED;
    rcpts[1].action = DSN_DELAYED;
    uint32_t count = 0;
    for (const char *at = written(&r, rcpts, DSN_RCPTS_MAX);
         (at = strstr(at, "\r\n\r\nOriginal-Recipient: ")); at++)
        count++;
    CU_ASSERT_EQUAL(count, DSN_RCPTS_MAX);
    CU_ASSERT(says(out.data, "Subject: Your message could not be delivered\r\n"));
    CU_ASSERT(says(written(&r, rcpts, 2), "Subject: Your message is delayed\r\n"));
    CU_ASSERT(says(written(&r, rcpts, 1), "Subject: Your message was passed on\r\n"));
}

// Wherever the room ends, it says so.
static void test_no_room(void)
{
    struct dsn_report r = about(mail);
    struct dsn_rcpt d = failed();
    written(&r, &d, 1);
    size_t whole = out.len - 1;
    for (size_t room = 0; room <= whole; room++) {
        buffer_release(&out);
        buffer_init(&out, room);
        CU_ASSERT_EQUAL(dsn_write(&r, &d, 1, &out, &form), room == whole);
    }
    buffer_release(&out);
}

// --- what senders ask for

struct notify_case {
    struct slice dsn;
    uint32_t bits;
    struct slice orcpt;
};

static const struct notify_case notify_cases[] = {
    {SLICE_EMPTY, NOTIFY_FAILURE, SLICE_EMPTY},
    {SLICE("NOTIFY=NEVER"), NOTIFY_ASKED, SLICE_EMPTY},
    {SLICE("notify=never"), NOTIFY_ASKED, SLICE_EMPTY},
    {SLICE("NOTIFY=SUCCESS"), NOTIFY_ASKED | NOTIFY_SUCCESS, SLICE_EMPTY},
    {SLICE("NOTIFY=FAILURE,DELAY"), NOTIFY_ASKED | NOTIFY_FAILURE | NOTIFY_DELAY, SLICE_EMPTY},
    {SLICE("ORCPT=rfc822;a@b NOTIFY=success,FAILURE"),
     NOTIFY_ASKED | NOTIFY_SUCCESS | NOTIFY_FAILURE, SLICE("rfc822;a@b")},
    {SLICE("ORCPT=rfc822;NOTIFY+3DNEVER@b"), NOTIFY_FAILURE, SLICE("rfc822;NOTIFY+3DNEVER@b")},
};

static void test_notify(void)
{
    for (size_t i = 0; i < sizeof(notify_cases) / sizeof(notify_cases[0]); i++) {
        const struct notify_case *c = &notify_cases[i];
        CU_ASSERT_EQUAL(notify_of_rcpt(c->dsn), c->bits);
        CU_ASSERT(slice_equal(notify_orcpt(c->dsn), c->orcpt));
    }
    CU_ASSERT(notify_wants_full(SLICE("RET=FULL ENVID=x")));
    CU_ASSERT(notify_wants_full(SLICE("ENVID=RET=HDRS ret=full")));
    CU_ASSERT(!notify_wants_full(SLICE("RET=HDRS")));
    CU_ASSERT(!notify_wants_full(SLICE("ENVID=x")));
    CU_ASSERT(slice_equal(notify_envid(SLICE("RET=HDRS ENVID=a+2Bb")), SLICE("a+2Bb")));
}

static void test_decode(void)
{
    char text[64];
    struct slice cases[][2] = {
        {SLICE("a+2Bb+3D"), SLICE("a+b=")}, {SLICE("plain"), SLICE("plain")},
        {SLICE("+"), SLICE("+")},           {SLICE("+4"), SLICE("+4")},
        {SLICE("+4g+41"), SLICE("+4gA")},   {SLICE_EMPTY, SLICE_EMPTY},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CU_ASSERT(slice_equal(slice_make(text, notify_decode(cases[i][0], text)), cases[i][1]));
}

static const struct suite_test tests[] = {
    {"a report, whole", test_whole},
    {"what is returned of the message", test_returned},
    {"the boundary stands nowhere else", test_boundary},
    {"others' words stay in their fields", test_hostile_words},
    {"long replies are folded", test_long_replies_are_folded},
    {"status and action", test_status},
    {"nobody was reached", test_nobody_was_reached},
    {"addresses that are not ASCII", test_utf8},
    {"several recipients", test_several},
    {"no room", test_no_room},
    {"what senders ask for", test_notify},
    {"xtext", test_decode},
};

SUITE_MAIN("dsn", tests)
