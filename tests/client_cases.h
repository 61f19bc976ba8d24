// tests/client_cases.h: dialogues with a server, for client_test.c: what the server says, what the
// client must say, and what its owner must see.
#ifndef POSTHASTE_TESTS_CLIENT_CASES_H
#define POSTHASTE_TESTS_CLIENT_CASES_H

#include "engine/smtp/client.h"

// --------------------------------------------------------------------------------- the mails

static const struct smtp_recipient one_rcpt[] = {{.address = {"1@y", 3}}};
static const struct smtp_recipient three_rcpts[] = {
    {.address = {"1@y", 3}}, {.address = {"2@y", 3}}, {.address = {"3@y", 3}}};
static const struct smtp_recipient utf8_rcpt[] = {{.address = {"\xc3\xbc@y", 4}}};
static const struct smtp_recipient dsn_rcpt[] = {
    {.address = {"1@y", 3}, .dsn = {"NOTIFY=NEVER", 12}}};

#define TEXT(literal)                                                                              \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }
#define ENVELOPE(letter, from, to)                                                                 \
    .tag = letter, .sender = TEXT(from), .rcpts = to, .rcpt_count = sizeof(to) / sizeof(to[0])
#define CONTENT(literal) .content = {.pieces = {TEXT(literal)}, .piece_count = 1}

// Known by their tag, a letter.
static const struct smtp_transaction mails[] = {
    {ENVELOPE('a', "a@x", one_rcpt), CONTENT("A\r\n")},
    {ENVELOPE('b', "b@x", one_rcpt), CONTENT("B\r\n")},
    {ENVELOPE('c', "c@x", one_rcpt), CONTENT("C\r\n")},
    {ENVELOPE('m', "m@x", three_rcpts), CONTENT("M\r\n")},
    {ENVELOPE('n', "", one_rcpt), CONTENT("N\r\n")},
    {ENVELOPE('e', "e@x", one_rcpt)},
    {ENVELOPE('d', "d@x", one_rcpt),
     .content = {.pieces = {TEXT("a: b\r\n\r\n"), TEXT(".\r\n.x\r\n")},
                 .piece_count = 2,
                 .has_dot_lines = true}},
    {ENVELOPE('8', "8@x", one_rcpt), CONTENT("\xc3\xbc\r\n"), .is_8bit = true},
    {ENVELOPE('u', "u@x", utf8_rcpt), CONTENT("U\r\n"), .smtputf8 = true},
    {ENVELOPE('p', "p@x", dsn_rcpt), CONTENT("P\r\n"), .dsn = TEXT("RET=HDRS ENVID=7")},
};

#define MAILS_MAX 8

static uint32_t mails_named(const char *tags, struct smtp_transaction ret[MAILS_MAX])
{
    uint32_t count = 0;
    for (; *tags; tags++)
        for (size_t i = 0; i < sizeof(mails) / sizeof(mails[0]); i++)
            if (mails[i].tag == (uint64_t)*tags)
                ret[count++] = mails[i];
    return count;
}

// --------------------------------------------------------------------------------- the cases

struct session_case {
    const char *name;
    uint16_t window;    // 0: 1
    uint32_t ignore;    // extensions
    const char *mails;  // their tags
    bool stays;         // no QUIT behind the last mail
    bool early;         // the server does not wait for our commands
    bool uncut;         // holds only for who reads all that is there
    bool needs_room;    // with small wires replies come before all is said, and change the rest
    const char *server; // the greeting | the answer to each command or content | ...
    const char *want_said;
    const char *want_seen;
};

#define GREETING "220 mx ready\r\n|"
#define LOCKSTEP GREETING "250 mx\r\n|"
#define PIPELINED GREETING "250-mx\r\n250 PIPELINING\r\n|"
#define STREAMED GREETING "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n|"
#define BYE "221 bye\r\n|"
#define OK "250 ok\r\n|"
#define GO "354 go\r\n|"
#define E "EHLO c\r\n"
#define MAIL_A "MAIL FROM:<a@x>\r\nRCPT TO:<1@y>\r\n"
#define MAIL_B "MAIL FROM:<b@x>\r\nRCPT TO:<1@y>\r\n"
#define MAIL_C "MAIL FROM:<c@x>\r\nRCPT TO:<1@y>\r\n"
#define MAIL_M "MAIL FROM:<m@x>\r\nRCPT TO:<1@y>\r\nRCPT TO:<2@y>\r\nRCPT TO:<3@y>\r\n"
#define DATA "DATA\r\n"
#define QUIT "QUIT\r\n"

static const struct session_case cases[] = {
    // --- opening the session
    {.name = "nothing to send: no EHLO either",
     .mails = "",
     .server = GREETING BYE,
     .want_said = QUIT,
     .want_seen = "closed:QUIT "},
    {.name = "greeting of many lines",
     .mails = "",
     .stays = true,
     .server = "220-a\r\n220-b\r\n220 c\r\n|" OK,
     .want_said = E,
     .want_seen = "ready "},
    {.name = "greeting refused for now",
     .mails = "a",
     .server = "450 later\r\n|",
     .want_said = "",
     .want_seen = "closed:greeting refused "},
    {.name = "greeting refused",
     .mails = "a",
     .server = "554 no\r\n|",
     .want_said = "",
     .want_seen = "closed:greeting refused "},
    {.name = "greeting is no greeting",
     .mails = "a",
     .server = "354 go\r\n|",
     .want_said = "",
     .want_seen = "closed:reply out of step with its command "},
    {.name = "EHLO unknown, HELO instead",
     .mails = "a",
     .server = GREETING "502 what\r\n|" OK OK OK GO OK BYE,
     .want_said = E "HELO c\r\n" MAIL_A DATA "A\r\n.\r\n" QUIT,
     .want_seen = "ready done:a:content:250 closed:QUIT "},
    {.name = "what a refused EHLO offers does not count",
     .mails = "u",
     .server = GREETING "500-no\r\n500-SMTPUTF8\r\n500 PIPELINING\r\n|" OK BYE,
     .want_said = E "HELO c\r\n" QUIT,
     .want_seen = "ready done:u:mail:553 closed:QUIT "},
    {.name = "EHLO refused for now",
     .mails = "a",
     .server = GREETING "451 later\r\n|",
     .want_said = E,
     .want_seen = "closed:EHLO refused "},
    {.name = "HELO refused, too",
     .mails = "a",
     .server = GREETING "500 a\r\n|550 b\r\n|",
     .want_said = E "HELO c\r\n",
     .want_seen = "closed:HELO refused "},
    {.name = "silence", .mails = "a", .server = "|", .want_said = "", .want_seen = ""},
    {.name = "the host name is no keyword",
     .mails = "8",
     .server = GREETING "250 8BITMIME\r\n|",
     .want_said = E "MAIL FROM:<8@x>\r\n",
     .want_seen = "ready left:8 "},

    // --- lockstep
    {.name = "one mail",
     .mails = "a",
     .server = LOCKSTEP OK OK GO OK BYE,
     .want_said = E MAIL_A DATA "A\r\n.\r\n" QUIT,
     .want_seen = "ready done:a:content:250 closed:QUIT "},
    {.name = "reuse without RSET",
     .mails = "ab",
     .server = LOCKSTEP OK OK GO OK OK OK GO OK BYE,
     .want_said = E MAIL_A DATA "A\r\n.\r\n" MAIL_B DATA "B\r\n.\r\n" QUIT,
     .want_seen = "ready done:a:content:250 done:b:content:250 closed:QUIT "},
    {.name = "null sender",
     .mails = "n",
     .server = LOCKSTEP OK OK GO OK BYE,
     .want_said = E "MAIL FROM:<>\r\nRCPT TO:<1@y>\r\n" DATA "N\r\n.\r\n" QUIT,
     .want_seen = "ready done:n:content:250 closed:QUIT "},
    {.name = "empty content",
     .mails = "e",
     .server = LOCKSTEP OK OK GO OK BYE,
     .want_said = E "MAIL FROM:<e@x>\r\nRCPT TO:<1@y>\r\n" DATA ".\r\n" QUIT,
     .want_seen = "ready done:e:content:250 closed:QUIT "},
    {.name = "dots",
     .mails = "d",
     .server = LOCKSTEP OK OK GO OK BYE,
     .want_said = E "MAIL FROM:<d@x>\r\nRCPT TO:<1@y>\r\n" DATA
                    "a: b\r\n\r\n..\r\n..x\r\n.\r\n" QUIT,
     .want_seen = "ready done:d:content:250 closed:QUIT "},
    {.name = "MAIL refused: no RCPT, no RSET",
     .mails = "ab",
     .server = LOCKSTEP "550 no\r\n|" OK OK GO OK BYE,
     .want_said = E "MAIL FROM:<a@x>\r\n" MAIL_B DATA "B\r\n.\r\n" QUIT,
     .want_seen = "ready done:a:mail:550 done:b:content:250 closed:QUIT "},
    {.name = "one recipient refused",
     .mails = "m",
     .server = LOCKSTEP OK OK "450 later\r\n|"
                              "251 will forward\r\n|" GO OK BYE,
     .want_said = E MAIL_M DATA "M\r\n.\r\n" QUIT,
     .want_seen = "ready rcpt:m:1:450 done:m:content:250 closed:QUIT "},
    {.name = "all recipients refused: RSET before the next MAIL",
     .mails = "ma",
     .server = LOCKSTEP OK "550 a\r\n|"
                           "551 b\r\n|"
                           "552 c\r\n|" OK OK OK GO OK BYE,
     .want_said = E MAIL_M "RSET\r\n" MAIL_A DATA "A\r\n.\r\n" QUIT,
     .want_seen = "ready rcpt:m:0:550 rcpt:m:1:551 rcpt:m:2:552 done:m:rcpt:552 "
                  "done:a:content:250 closed:QUIT "},
    {.name = "DATA refused: RSET before the next MAIL",
     .mails = "ab",
     .server = LOCKSTEP OK OK "451 no\r\n|" OK OK OK GO OK BYE,
     .want_said = E MAIL_A DATA "RSET\r\n" MAIL_B DATA "B\r\n.\r\n" QUIT,
     .want_seen = "ready done:a:data:451 done:b:content:250 closed:QUIT "},
    {.name = "RSET refused",
     .mails = "ab",
     .server = LOCKSTEP OK OK "451 no\r\n|"
                              "500 what\r\n|",
     .want_said = E MAIL_A DATA "RSET\r\n",
     .want_seen = "ready done:a:data:451 closed:RSET refused left:b "},
    {.name = "content refused for now, then for good",
     .mails = "ab",
     .server = LOCKSTEP OK OK GO "452 full\r\n|" OK OK GO "554 spam\r\n|" BYE,
     .want_said = E MAIL_A DATA "A\r\n.\r\n" MAIL_B DATA "B\r\n.\r\n" QUIT,
     .want_seen = "ready done:a:content:452 done:b:content:554 closed:QUIT "},
    {.name = "any 2xx is acceptance",
     .mails = "a",
     .server = LOCKSTEP "299 a\r\n|"
                        "252 b\r\n|"
                        "399 c\r\n|"
                        "201 d\r\n|"
                        "200 e\r\n|",
     .want_said = E MAIL_A DATA "A\r\n.\r\n" QUIT,
     .want_seen = "ready done:a:content:201 closed:QUIT "},
    {.name = "connection lost before the content",
     .mails = "a",
     .server = LOCKSTEP OK OK "|",
     .want_said = E MAIL_A DATA,
     .want_seen = "ready left:a "},
    {.name = "connection lost behind the content",
     .mails = "a",
     .server = LOCKSTEP OK OK GO "|",
     .want_said = E MAIL_A DATA "A\r\n.\r\n",
     .want_seen = "ready doubt:a "},

    // --- what the server offers
    {.name = "SIZE",
     .mails = "am",
     .server = GREETING "250-mx\r\n250 SIZE 3\r\n|" OK OK GO OK OK,
     .want_said = E "MAIL FROM:<a@x> SIZE=3\r\nRCPT TO:<1@y>\r\n" DATA
                    "A\r\n.\r\nMAIL FROM:<m@x> SIZE=3\r\nRCPT TO:<1@y>\r\n",
     .want_seen = "ready done:a:content:250 left:m "},
    {.name = "SIZE too small: refused by ourselves, others go on",
     .mails = "dadd",
     .server = GREETING "250-mx\r\n250 SIZE 4\r\n|" OK OK GO OK BYE,
     .want_said = E "MAIL FROM:<a@x> SIZE=3\r\nRCPT TO:<1@y>\r\n" DATA "A\r\n.\r\n" QUIT,
     .want_seen = "ready done:d:mail:552 done:a:content:250 done:d:mail:552 done:d:mail:552 "
                  "closed:QUIT "},
    {.name = "SIZE without a limit",
     .mails = "d",
     .server = GREETING "250-mx\r\n250 size\r\n|" OK,
     .want_said = E "MAIL FROM:<d@x> SIZE=15\r\nRCPT TO:<1@y>\r\n",
     .want_seen = "ready left:d "},
    {.name = "SIZE 0 is no limit",
     .mails = "d",
     .server = GREETING "250-mx\r\n250 SIZE 0\r\n|" OK,
     .want_said = E "MAIL FROM:<d@x> SIZE=15\r\nRCPT TO:<1@y>\r\n",
     .want_seen = "ready left:d "},
    {.name = "SIZE of nonsense",
     .mails = "d",
     .server = GREETING "250-mx\r\n250-SIZE 99999999999999999999999\r\n250 SIZE x\r\n|" OK,
     .want_said = E "MAIL FROM:<d@x> SIZE=15\r\nRCPT TO:<1@y>\r\n",
     .want_seen = "ready left:d "},
    {.name = "keywords in any case, blanks around",
     .mails = "8",
     .server = GREETING "250-mx\r\n250-size 1000 \r\n250-X y z\r\n250 8bitMime \r\n|" OK,
     .want_said = E "MAIL FROM:<8@x> SIZE=4 BODY=8BITMIME\r\nRCPT TO:<1@y>\r\n",
     .want_seen = "ready left:8 "},
    {.name = "8-bit is sent as it is where not offered",
     .mails = "8",
     .server = LOCKSTEP OK OK GO OK BYE,
     .want_said = E "MAIL FROM:<8@x>\r\nRCPT TO:<1@y>\r\n" DATA "\xc3\xbc\r\n.\r\n" QUIT,
     .want_seen = "ready done:8:content:250 closed:QUIT "},
    {.name = "SMTPUTF8",
     .mails = "u",
     .server = GREETING "250-mx\r\n250 SMTPUTF8\r\n|" OK,
     .want_said = E "MAIL FROM:<u@x> SMTPUTF8\r\nRCPT TO:<\xc3\xbc@y>\r\n",
     .want_seen = "ready left:u "},
    {.name = "SMTPUTF8 not offered",
     .mails = "ua",
     .server = LOCKSTEP OK,
     .want_said = E MAIL_A,
     .want_seen = "ready done:u:mail:553 left:a "},
    {.name = "SMTPUTF8 ignored",
     .mails = "u",
     .ignore = SMTP_SMTPUTF8,
     .stays = true,
     .server = GREETING "250-mx\r\n250 SMTPUTF8\r\n|",
     .want_said = E,
     .want_seen = "ready done:u:mail:553 "},
    {.name = "DSN",
     .mails = "p",
     .server = GREETING "250-mx\r\n250 DSN\r\n|" OK,
     .want_said = E "MAIL FROM:<p@x> RET=HDRS ENVID=7\r\nRCPT TO:<1@y> NOTIFY=NEVER\r\n",
     .want_seen = "ready left:p "},
    {.name = "DSN not offered",
     .mails = "p",
     .server = LOCKSTEP OK,
     .want_said = E "MAIL FROM:<p@x>\r\nRCPT TO:<1@y>\r\n",
     .want_seen = "ready left:p "},
    {.name = "all of them",
     .mails = "p",
     .server = GREETING "250-mx\r\n250-DSN\r\n250-SIZE 9\r\n250-8BITMIME\r\n250-STARTTLS\r\n"
                        "250-ENHANCEDSTATUSCODES\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n|" OK,
     .want_said = E "MAIL FROM:<p@x> SIZE=3 RET=HDRS ENVID=7\r\nRCPT TO:<1@y> NOTIFY=NEVER\r\n",
     .want_seen = "ready left:p "},

    // --- pipelined inside a transaction (RFC 2920)
    {.name = "MAIL, RCPT and DATA in one go",
     .mails = "m",
     .server = PIPELINED,
     .want_said = E MAIL_M DATA,
     .want_seen = "ready left:m "},
    {.name = "PIPELINING ignored",
     .mails = "m",
     .ignore = SMTP_PIPELINING,
     .server = PIPELINED,
     .want_said = E "MAIL FROM:<m@x>\r\n",
     .want_seen = "ready left:m "},
    {.name = "one at a time with window 1, whatever is offered",
     .mails = "ab",
     .server = STREAMED OK OK GO OK OK OK GO OK BYE,
     .want_said = E MAIL_A DATA "A\r\n.\r\n" MAIL_B DATA "B\r\n.\r\n" QUIT,
     .want_seen = "ready done:a:content:250 done:b:content:250 closed:QUIT "},
    {.name = "MAIL refused: its reply is the verdict",
     .needs_room = true,
     .mails = "mb",
     .server = PIPELINED "553 no\r\n|"
                         "503 a\r\n|"
                         "503 b\r\n|"
                         "503 c\r\n|"
                         "503 d\r\n|" OK OK GO OK BYE,
     .want_said = E MAIL_M DATA MAIL_B DATA "B\r\n.\r\n" QUIT,
     .want_seen = "ready done:m:mail:553 done:b:content:250 closed:QUIT "},
    {.name = "MAIL refused, DATA goes ahead all the same: a lone dot",
     .needs_room = true,
     .mails = "ab",
     .server = PIPELINED "450 later\r\n|"
                         "503 a\r\n|" GO "554 nobody\r\n|" OK OK GO OK BYE,
     .want_said = E MAIL_A DATA ".\r\n" MAIL_B DATA "B\r\n.\r\n" QUIT,
     .want_seen = "ready done:a:mail:450 done:b:content:250 closed:QUIT "},
    {.name = "recipients refused in part",
     .mails = "m",
     .server = PIPELINED OK "550 a\r\n|" OK "452 c\r\n|" GO OK BYE,
     .want_said = E MAIL_M DATA "M\r\n.\r\n" QUIT,
     .want_seen = "ready rcpt:m:0:550 rcpt:m:2:452 done:m:content:250 closed:QUIT "},
    {.name = "all recipients and DATA refused",
     .mails = "ab",
     .server = PIPELINED OK "550 no\r\n|"
                            "554 nobody\r\n|" OK OK OK GO OK BYE,
     .want_said = E MAIL_A DATA "RSET\r\n" MAIL_B DATA "B\r\n.\r\n" QUIT,
     .want_seen = "ready rcpt:a:0:550 done:a:data:554 done:b:content:250 closed:QUIT "},
    {.name = "all recipients refused, 354: a lone dot, its reply forgotten",
     .mails = "ab",
     .server = PIPELINED OK "550 no\r\n|" GO "250 took it\r\n|" OK OK GO OK BYE,
     .want_said = E MAIL_A DATA ".\r\n" MAIL_B DATA "B\r\n.\r\n" QUIT,
     .want_seen = "ready rcpt:a:0:550 done:a:data:354 done:b:content:250 closed:QUIT "},
    {.name = "DATA refused though recipients were accepted",
     .mails = "ab",
     .server = PIPELINED OK OK "451 no\r\n|" OK OK OK GO OK BYE,
     .want_said = E MAIL_A DATA "RSET\r\n" MAIL_B DATA "B\r\n.\r\n" QUIT,
     .want_seen = "ready done:a:data:451 done:b:content:250 closed:QUIT "},
    {.name = "recipient accepted under a refused MAIL",
     .needs_room = true,
     .mails = "ab",
     .server = PIPELINED "550 no\r\n|" OK,
     .want_said = E MAIL_A DATA,
     .want_seen = "ready done:a:mail:550 closed:recipient accepted after MAIL was refused left:b "},

    // --- DATA pipelined across transactions
    {.name = "the next envelope behind the content",
     .window = 2,
     .mails = "ab",
     .server = PIPELINED OK OK GO "|",
     .want_said = E MAIL_A DATA "A\r\n.\r\n" MAIL_B DATA,
     .want_seen = "ready doubt:a left:b "},
    {.name = "one content unanswered at most",
     .window = 8,
     .mails = "abc",
     .server = PIPELINED OK OK GO OK OK OK GO OK OK OK GO OK BYE,
     .want_said = E MAIL_A DATA "A\r\n.\r\n" MAIL_B DATA "B\r\n.\r\n" MAIL_C DATA "C\r\n.\r\n" QUIT,
     .want_seen = "ready done:a:content:250 done:b:content:250 done:c:content:250 closed:QUIT "},
    {.name = "no content before its 354",
     .window = 8,
     .mails = "abc",
     .server = PIPELINED OK OK GO OK OK OK "|",
     .want_said = E MAIL_A DATA "A\r\n.\r\n" MAIL_B DATA,
     .want_seen = "ready done:a:content:250 left:b left:c "},
    {.name = "content refused, the envelope behind it stands",
     .window = 2,
     .mails = "ab",
     .server = PIPELINED OK OK GO "554 spam\r\n|" OK OK GO OK BYE,
     .want_said = E MAIL_A DATA "A\r\n.\r\n" MAIL_B DATA "B\r\n.\r\n" QUIT,
     .want_seen = "ready done:a:content:554 done:b:content:250 closed:QUIT "},
    {.name = "DATA refused: RSET goes before what waits",
     .window = 2,
     .mails = "abc",
     .server = PIPELINED OK OK GO OK OK "550 no\r\n|"
                                        "554 nobody\r\n|" OK OK OK GO OK BYE,
     .want_said = E MAIL_A DATA "A\r\n.\r\n" MAIL_B DATA "RSET\r\n" MAIL_C DATA "C\r\n.\r\n" QUIT,
     .want_seen = "ready done:a:content:250 rcpt:b:0:550 done:b:data:554 done:c:content:250 "
                  "closed:QUIT "},
    {.name = "a lone dot, and what waits behind it",
     .window = 2,
     .mails = "ab",
     .server = PIPELINED OK "550 no\r\n|" GO "554 nobody\r\n|" OK OK GO OK BYE,
     .want_said = E MAIL_A DATA ".\r\n" MAIL_B DATA "B\r\n.\r\n" QUIT,
     .want_seen = "ready rcpt:a:0:550 done:a:data:354 done:b:content:250 closed:QUIT "},
    {.name = "421 instead of a verdict: nothing is in doubt",
     .needs_room = true,
     .window = 2,
     .mails = "ab",
     .server = PIPELINED OK OK GO "421 going down\r\n|",
     .want_said = E MAIL_A DATA "A\r\n.\r\n" MAIL_B DATA,
     .want_seen = "ready closed:421 left:a left:b "},

    // --- streamed (RFC 3030)
    {.name = "groups back to back, RSET between them",
     .window = 3,
     .mails = "abc",
     .server = STREAMED "|",
     .want_said = E MAIL_A "BDAT 3 LAST\r\nA\r\nRSET\r\n" MAIL_B
                           "BDAT 3 LAST\r\nB\r\nRSET\r\n" MAIL_C "BDAT 3 LAST\r\nC\r\n",
     .want_seen = "ready doubt:a doubt:b doubt:c "},
    {.name = "window of 2",
     .window = 2,
     .mails = "abc",
     .server = STREAMED "|",
     .want_said = E MAIL_A "BDAT 3 LAST\r\nA\r\nRSET\r\n" MAIL_B "BDAT 3 LAST\r\nB\r\n",
     .want_seen = "ready doubt:a doubt:b "},
    {.name = "all is well",
     .window = 2,
     .mails = "ab",
     .server = STREAMED OK OK OK OK OK OK OK BYE,
     .want_said = E MAIL_A "BDAT 3 LAST\r\nA\r\nRSET\r\n" MAIL_B "BDAT 3 LAST\r\nB\r\n" QUIT,
     .want_seen = "ready done:a:content:250 done:b:content:250 closed:QUIT "},
    {.name = "dots are not stuffed",
     .window = 2,
     .mails = "d",
     .server = STREAMED OK OK OK BYE,
     .want_said = E "MAIL FROM:<d@x>\r\nRCPT TO:<1@y>\r\nBDAT 15 LAST\r\n"
                    "a: b\r\n\r\n.\r\n.x\r\n" QUIT,
     .want_seen = "ready done:d:content:250 closed:QUIT "},
    {.name = "empty content streamed",
     .window = 2,
     .mails = "e",
     .server = STREAMED OK OK OK BYE,
     .want_said = E "MAIL FROM:<e@x>\r\nRCPT TO:<1@y>\r\nBDAT 0 LAST\r\n" QUIT,
     .want_seen = "ready done:e:content:250 closed:QUIT "},
    {.name = "MAIL refused in the middle",
     .needs_room = true,
     .window = 3,
     .mails = "abc",
     .server = STREAMED OK OK OK OK "550 no\r\n|"
                                    "503 a\r\n|"
                                    "503 b\r\n|" OK OK OK OK BYE,
     .want_said = E MAIL_A "BDAT 3 LAST\r\nA\r\nRSET\r\n" MAIL_B
                           "BDAT 3 LAST\r\nB\r\nRSET\r\n" MAIL_C "BDAT 3 LAST\r\nC\r\n" QUIT,
     .want_seen = "ready done:a:content:250 done:b:mail:550 done:c:content:250 closed:QUIT "},
    {.name = "all recipients refused: BDAT's reply ends it",
     .window = 3,
     .mails = "mb",
     .server = STREAMED OK "550 a\r\n|"
                           "551 b\r\n|"
                           "550 c\r\n|"
                           "503 nobody\r\n|" OK OK OK OK BYE,
     .want_said = E MAIL_M "BDAT 3 LAST\r\nM\r\nRSET\r\n" MAIL_B "BDAT 3 LAST\r\nB\r\n" QUIT,
     .want_seen = "ready rcpt:m:0:550 rcpt:m:1:551 rcpt:m:2:550 done:m:content:503 "
                  "done:b:content:250 closed:QUIT "},
    {.name = "all answered, the last one accepted: no RSET",
     .window = 2,
     .uncut = true,
     .mails = "abc",
     .server = STREAMED OK OK "452 full\r\n|" OK OK OK OK OK OK OK BYE,
     .want_said = E MAIL_A "BDAT 3 LAST\r\nA\r\nRSET\r\n" MAIL_B "BDAT 3 LAST\r\nB\r\n" MAIL_C
                           "BDAT 3 LAST\r\nC\r\n" QUIT,
     .want_seen = "ready done:a:content:452 done:b:content:250 done:c:content:250 closed:QUIT "},
    {.name = "all answered, the last one refused: RSET",
     .window = 2,
     .uncut = true,
     .mails = "abc",
     .server = STREAMED OK OK OK OK OK OK "452 full\r\n|" OK OK OK OK BYE,
     .want_said = E MAIL_A "BDAT 3 LAST\r\nA\r\nRSET\r\n" MAIL_B
                           "BDAT 3 LAST\r\nB\r\nRSET\r\n" MAIL_C "BDAT 3 LAST\r\nC\r\n" QUIT,
     .want_seen = "ready done:a:content:250 done:b:content:452 done:c:content:250 closed:QUIT "},
    {.name = "recipient accepted behind a refused MAIL, streamed",
     .needs_room = true,
     .window = 2,
     .mails = "ab",
     .server = STREAMED "550 no\r\n|" OK OK,
     .want_said = E MAIL_A "BDAT 3 LAST\r\nA\r\nRSET\r\n" MAIL_B "BDAT 3 LAST\r\nB\r\n",
     .want_seen = "ready done:a:mail:550 closed:recipient accepted after MAIL was refused "
                  "doubt:b "},
    {.name = "content accepted for nobody",
     .needs_room = true,
     .window = 2,
     .mails = "ab",
     .server = STREAMED OK "550 no\r\n|" OK,
     .want_said = E MAIL_A "BDAT 3 LAST\r\nA\r\nRSET\r\n" MAIL_B "BDAT 3 LAST\r\nB\r\n",
     .want_seen = "ready rcpt:a:0:550 closed:content accepted for nobody doubt:a doubt:b "},
    {.name = "content accepted behind a refused MAIL",
     .needs_room = true,
     .window = 2,
     .mails = "a",
     .server = STREAMED "550 no\r\n|"
                        "503 a\r\n|" OK,
     .want_said = E MAIL_A "BDAT 3 LAST\r\nA\r\n",
     .want_seen = "ready done:a:mail:550 closed:content accepted for nobody "},
    {.name = "RSET refused in the stream",
     .window = 2,
     .mails = "ab",
     .server = STREAMED OK OK OK "500 what\r\n|",
     .want_said = E MAIL_A "BDAT 3 LAST\r\nA\r\nRSET\r\n" MAIL_B "BDAT 3 LAST\r\nB\r\n",
     .want_seen = "ready done:a:content:250 closed:RSET refused doubt:b "},
    {.name = "421 to MAIL: what stood behind was not processed",
     .needs_room = true,
     .window = 3,
     .mails = "abc",
     .server = STREAMED OK OK OK OK "421 enough\r\n|",
     .want_said = E MAIL_A "BDAT 3 LAST\r\nA\r\nRSET\r\n" MAIL_B
                           "BDAT 3 LAST\r\nB\r\nRSET\r\n" MAIL_C "BDAT 3 LAST\r\nC\r\n",
     .want_seen = "ready done:a:content:250 closed:421 left:b left:c "},
    {.name = "a stream that ends in silence",
     .window = 3,
     .mails = "abc",
     .server = STREAMED OK OK OK OK "|",
     .want_said = E MAIL_A "BDAT 3 LAST\r\nA\r\nRSET\r\n" MAIL_B
                           "BDAT 3 LAST\r\nB\r\nRSET\r\n" MAIL_C "BDAT 3 LAST\r\nC\r\n",
     .want_seen = "ready done:a:content:250 doubt:b doubt:c "},
    {.name = "CHUNKING ignored",
     .window = 3,
     .ignore = SMTP_CHUNKING,
     .mails = "ab",
     .server = STREAMED,
     .want_said = E MAIL_A DATA,
     .want_seen = "ready left:a left:b "},
    {.name = "CHUNKING without PIPELINING is of no use",
     .window = 3,
     .mails = "ab",
     .server = GREETING "250-mx\r\n250 CHUNKING\r\n|",
     .want_said = E "MAIL FROM:<a@x>\r\n",
     .want_seen = "ready left:a "},

    // --- servers that are out of step
    {.name = "354 to MAIL",
     .mails = "a",
     .server = LOCKSTEP GO,
     .want_said = E "MAIL FROM:<a@x>\r\n",
     .want_seen = "ready closed:reply out of step with its command left:a "},
    {.name = "354 to RCPT",
     .mails = "a",
     .server = LOCKSTEP OK GO,
     .want_said = E MAIL_A,
     .want_seen = "ready closed:reply out of step with its command left:a "},
    {.name = "250 to DATA",
     .mails = "a",
     .server = LOCKSTEP OK OK OK,
     .want_said = E MAIL_A DATA,
     .want_seen = "ready closed:reply out of step with its command left:a "},
    {.name = "354 to content",
     .mails = "a",
     .server = LOCKSTEP OK OK GO GO,
     .want_said = E MAIL_A DATA "A\r\n.\r\n",
     .want_seen = "ready closed:reply out of step with its command doubt:a "},
    {.name = "354 to EHLO",
     .mails = "a",
     .server = GREETING GO,
     .want_said = E,
     .want_seen = "closed:reply out of step with its command "},
    {.name = "354 to HELO",
     .mails = "a",
     .server = GREETING "500 a\r\n|" GO,
     .want_said = E "HELO c\r\n",
     .want_seen = "closed:reply out of step with its command "},
    {.name = "354 to RSET",
     .mails = "ab",
     .server = LOCKSTEP OK OK "451 no\r\n|" GO,
     .want_said = E MAIL_A DATA "RSET\r\n",
     .want_seen = "ready done:a:data:451 closed:reply out of step with its command left:b "},
    {.name = "a reply to no command",
     .stays = true,
     .mails = "",
     .server = GREETING "250 mx\r\n250 and more\r\n|",
     .want_said = E,
     .want_seen = "ready closed:reply to no command "},
    {.name = "421 to no command",
     .stays = true,
     .mails = "a",
     .server = LOCKSTEP OK OK GO "250 ok\r\n421 idle for too long\r\n|",
     .want_said = E MAIL_A DATA "A\r\n.\r\n",
     .want_seen = "ready done:a:content:250 closed:421 "},
    {.name = "one reply too many in the stream",
     .window = 2,
     .mails = "a",
     .stays = true,
     .server = STREAMED OK OK "250 ok\r\n250 ok\r\n|",
     .want_said = E MAIL_A "BDAT 3 LAST\r\nA\r\n",
     .want_seen = "ready done:a:content:250 closed:reply to no command "},
    {.name = "a server that talks without listening",
     .early = true,
     .uncut = true,
     .mails = "a",
     .server = LOCKSTEP OK OK GO OK,
     .want_said = "",
     .want_seen = "closed:reply to no command "},
    {.name = "not SMTP",
     .mails = "a",
     .server = "SSH-2.0-OpenSSH\r\n|",
     .want_said = "",
     .want_seen = "closed:not an SMTP reply "},
    {.name = "not SMTP any more",
     .mails = "a",
     .server = LOCKSTEP OK "oops\r\n|",
     .want_said = E MAIL_A,
     .want_seen = "ready closed:not an SMTP reply left:a "},
};

#endif
