// What replies mean: the rules that ship, on replies as receivers say them; and the rules file.

#include "engine/policy/rules.h"
#include "tests/suite.h"

#include <stdlib.h>

#define MINUTES(n) (UINT64_C(60000000) * (n))

static struct rules_reader shipped;

static void read_shipped(void)
{
    char why[RULES_WHY_BYTES] = "";
    uint32_t line = 0;
    struct rules *rules = rules_new(rules_shipped(), SLICE_EMPTY, why, &line);
    if (!rules) {
        printf("\n  reply.rules:%u: %s\n", line, why);
        exit(1);
    }
    if (!rules_reader_init(&shipped, rules))
        exit(1);
}

// --- by the codes alone

static const struct {
    enum smtp_phase phase;
    uint16_t code;
    struct enhanced_code enhanced;
    enum category want;
} code_cases[] = {
    {SMTP_PHASE_CONTENT, 250, {2, 0, 0}, CATEGORY_NONE},
    {SMTP_PHASE_RCPT, 550, {5, 1, 1}, CATEGORY_BAD_MAILBOX},
    {SMTP_PHASE_RCPT, 550, {5, 1, 2}, CATEGORY_BAD_DOMAIN},
    {SMTP_PHASE_RCPT, 556, {5, 1, 10}, CATEGORY_BAD_DOMAIN},
    {SMTP_PHASE_RCPT, 550, {5, 2, 1}, CATEGORY_INACTIVE},
    {SMTP_PHASE_RCPT, 452, {4, 2, 2}, CATEGORY_QUOTA},
    {SMTP_PHASE_CONTENT, 552, {5, 3, 4}, CATEGORY_TOO_LARGE},
    {SMTP_PHASE_CONTENT, 451, {4, 3, 0}, CATEGORY_SYSTEM},
    {SMTP_PHASE_RCPT, 451, {4, 4, 3}, CATEGORY_ROUTING},
    {SMTP_PHASE_RCPT, 550, {5, 4, 7}, CATEGORY_EXPIRED},
    {SMTP_PHASE_RCPT, 452, {4, 5, 3}, CATEGORY_RATE},
    {SMTP_PHASE_MAIL, 501, {5, 5, 4}, CATEGORY_PROTOCOL},
    {SMTP_PHASE_CONTENT, 554, {5, 6, 0}, CATEGORY_CONTENT},
    {SMTP_PHASE_CONTENT, 550, {5, 7, 26}, CATEGORY_AUTH}, // RFC 7372
    {SMTP_PHASE_RCPT, 550, {5, 7, 1}, CATEGORY_POLICY},
    {SMTP_PHASE_RCPT, 550, {5, 9, 9}, CATEGORY_BAD_MAILBOX}, // no such subject: the code counts
    {SMTP_PHASE_RCPT, 550, {0, 0, 0}, CATEGORY_BAD_MAILBOX},
    {SMTP_PHASE_MAIL, 550, {0, 0, 0}, CATEGORY_POLICY},
    {SMTP_PHASE_RCPT, 552, {0, 0, 0}, CATEGORY_QUOTA},
    {SMTP_PHASE_CONTENT, 552, {0, 0, 0}, CATEGORY_TOO_LARGE},
    {SMTP_PHASE_GREETING, 521, {0, 0, 0}, CATEGORY_BAD_DOMAIN}, // RFC 7504
    {SMTP_PHASE_RCPT, 450, {0, 0, 0}, CATEGORY_OTHER},
    {SMTP_PHASE_COUNT, 0, {4, 4, 1}, CATEGORY_CONNECTION},
    {SMTP_PHASE_COUNT, 0, {4, 5, 0}, CATEGORY_PROTOCOL},
};

static void test_codes(void)
{
    for (size_t i = 0; i < sizeof(code_cases) / sizeof(code_cases[0]); i++) {
        enum category got = category_of_codes(code_cases[i].phase, code_cases[i].code,
                                              code_cases[i].enhanced);
        CU_ASSERT_EQUAL(got, code_cases[i].want);
        if (got != code_cases[i].want)
            printf("\n  row %zu (%u): got %s\n", i, code_cases[i].code, category_word(got));
    }
}

static void test_words(void)
{
    for (int i = 0; i < CATEGORY_COUNT; i++) {
        enum category back = CATEGORY_COUNT;
        CU_ASSERT(category_of_word(slice_of_text(category_word((enum category)i)), &back));
        CU_ASSERT_EQUAL((int)back, i);
    }
    enum category none;
    CU_ASSERT(!category_of_word(SLICE("bad"), &none));
    CU_ASSERT_STRING_EQUAL(category_word((enum category)200), "other"); // a newer journal's
}

// --- what receivers say

struct reply_case {
    enum smtp_phase phase;
    const char *reply; // as it comes, without line ends: lines are parted by '\n'
    enum category want;
    enum rules_turn turn;
    uint64_t back_off_us;
};

#define GREETING SMTP_PHASE_GREETING
#define MAIL SMTP_PHASE_MAIL
#define RCPT SMTP_PHASE_RCPT
#define CONTENT SMTP_PHASE_CONTENT

static const struct reply_case reply_cases[] = {
    // Google
    {RCPT,
     "550-5.1.1 The email account that you tried to reach does not exist. Please try\n"
     "550-5.1.1 double-checking the recipient's email address for typos or\n"
     "550-5.1.1 unnecessary spaces. For more information, go to\n"
     "550 5.1.1  https://support.google.com/mail/?p=NoSuchUser x1si7.42 - gsmtp",
     CATEGORY_BAD_MAILBOX},
    {RCPT,
     "550 5.2.1 The email account that you tried to reach is disabled. Learn more at "
     "https://support.google.com/mail/?p=DisabledUser - gsmtp",
     CATEGORY_INACTIVE},
    {RCPT,
     "452-4.2.2 The email account that you tried to reach is over quota. Please direct\n"
     "452-4.2.2 the recipient to\n"
     "452 4.2.2  https://support.google.com/mail/?p=OverQuotaTemp - gsmtp",
     CATEGORY_QUOTA},
    {RCPT,
     "552-5.2.2 The recipient's inbox is out of storage space and inactive. Please\n"
     "552 5.2.2 direct the recipient to https://support.google.com/mail/?p=OverQuotaPerm",
     CATEGORY_INACTIVE},
    {RCPT,
     "550-5.2.1 The user you are trying to contact is receiving mail at a rate that\n"
     "550-5.2.1 prevents additional messages from being delivered. For more information\n"
     "550 5.2.1 https://support.google.com/mail/?p=ReceivingRatePerm",
     CATEGORY_RATE, RULES_LATER},
    {RCPT,
     "450-4.2.1 The user you are trying to contact is receiving mail too quickly.\n"
     "450 4.2.1 Please resend your message at a later time.",
     CATEGORY_RATE, RULES_LATER},
    {CONTENT,
     "421-4.7.28 Gmail has detected an unusual rate of unsolicited mail originating\n"
     "421-4.7.28 from your DKIM domain [example.com      36]. To protect our users from\n"
     "421 4.7.28 spam, mail has been temporarily rate limited.",
     CATEGORY_RATE, RULES_AS_SAID, MINUTES(10)},
    {CONTENT,
     "550-5.7.26 This mail has been blocked because the sender is unauthenticated.\n"
     "550-5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM.\n"
     "550 5.7.26 - gsmtp",
     CATEGORY_AUTH},
    {CONTENT,
     "550-5.7.26 Unauthenticated email from example.com is not accepted due to domain's\n"
     "550 5.7.26 DMARC policy. Please contact the administrator of example.com domain",
     CATEGORY_AUTH},
    {CONTENT,
     "550-5.7.1 [192.0.2.1      12] Our system has detected that this message is\n"
     "550-5.7.1 likely unsolicited mail. To reduce the amount of spam sent to Gmail,\n"
     "550 5.7.1 this message has been blocked.",
     CATEGORY_SPAM},
    {CONTENT,
     "550-5.7.1 [192.0.2.1] Gmail has detected that this message is likely\n"
     "550-5.7.1 suspicious due to the very low reputation of the sending domain. To\n"
     "550 5.7.1 best protect our users from spam, the message has been blocked.",
     CATEGORY_BLOCKED},
    {CONTENT,
     "552-5.7.0 This message was blocked because its content presents a potential\n"
     "552 5.7.0 security issue. Please visit https://support.google.com/mail/?p=BlockedMessage",
     CATEGORY_CONTENT},
    {CONTENT, "552 5.3.4 Your message exceeded Google's message size limits. Please visit",
     CATEGORY_TOO_LARGE},
    {RCPT, "550 5.4.5 Daily SMTP relay limit exceeded for user. For more information",
     CATEGORY_RATE, RULES_LATER},
    // Microsoft
    {RCPT,
     "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302). "
     "[AM1EUR.mail.protection.outlook.com]",
     CATEGORY_BAD_MAILBOX},
    {MAIL,
     "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your "
     "Internet service provider since part of their network is on our block list (S3140). You can "
     "also refer your provider to http://mail.live.com/mail/troubleshooting.aspx#errors.",
     CATEGORY_BLOCKED},
    {MAIL,
     "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP "
     "reputation. For e-mail delivery information, see https://postmaster.live.com (S775)",
     CATEGORY_RATE, RULES_AS_SAID, MINUTES(15)},
    {GREETING,
     "421 RP-001 (BAY004) Unfortunately, some messages from 192.0.2.1 weren't sent. Please try "
     "again. We have limits for how many messages can be sent per hour and per day.",
     CATEGORY_RATE, RULES_AS_SAID, MINUTES(15)},
    {MAIL, "550 SC-001 (COL004) Unfortunately, messages from 192.0.2.1 weren't sent.",
     CATEGORY_POLICY},
    {RCPT,
     "550 5.4.1 Recipient address rejected: Access denied. AS(201806281) "
     "[DB5EUR03.eop-EUR03.prod.protection.outlook.com]",
     CATEGORY_BAD_MAILBOX},
    {RCPT, "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
     CATEGORY_BAD_MAILBOX},
    {CONTENT,
     "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionQuota",
     CATEGORY_QUOTA},
    {RCPT,
     "550 5.7.606 Access denied, banned sending IP [192.0.2.1]. To request removal from this list "
     "please visit https://sender.office.com/",
     CATEGORY_BLOCKED},
    {CONTENT,
     "550 5.7.509 Access denied, sending domain EXAMPLE.COM does not pass DMARC verification and "
     "has a DMARC policy of reject.",
     CATEGORY_AUTH},
    {CONTENT,
     "550 5.7.515 Access denied, sending domain EXAMPLE.COM doesn't meet the required "
     "authentication level.",
     CATEGORY_AUTH},
    {MAIL,
     "451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719) "
     "[DB5EUR03FT011.eop-EUR03.prod.protection.outlook.com]",
     CATEGORY_RATE, RULES_AS_SAID, MINUTES(10)},
    {CONTENT,
     "550 5.7.124 RESOLVER.RST.SenderNotAuthenticatedForGroup; Not allowed to send to distribution "
     "list",
     CATEGORY_POLICY},
    // Yahoo
    {GREETING,
     "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or "
     "user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes",
     CATEGORY_RATE, RULES_AS_SAID, MINUTES(15)},
    {MAIL,
     "421 4.7.1 [TS03] All messages from 192.0.2.1 will be permanently deferred; Retrying will NOT "
     "succeed. See https://postmaster.yahooinc.com/error-codes",
     CATEGORY_BLOCKED, RULES_NEVER},
    {MAIL,
     "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in "
     "Spamhaus's list; see http://postmaster.yahoo.com/550-bl23.html",
     CATEGORY_BLOCKED},
    {MAIL, "451 4.3.2 [GL01] Message from (192.0.2.1) temporarily deferred", CATEGORY_GREYLIST},
    {CONTENT, "554 5.7.9 Message not accepted for policy reasons. See https://postmaster.yahoo",
     CATEGORY_POLICY},
    {CONTENT,
     "554 delivery error: dd This user doesn't have a yahoo.com account (a@yahoo.com) [0] - "
     "mta4.mail.bf1.yahoo.com",
     CATEGORY_BAD_MAILBOX},
    {CONTENT,
     "554 delivery error: dd Sorry your message to a@aol.com cannot be delivered. This mailbox is "
     "disabled (554.30).",
     CATEGORY_INACTIVE},
    // Apple
    {RCPT, "550 5.1.1 <a@icloud.com>: user does not exist", CATEGORY_BAD_MAILBOX},
    {RCPT, "552 5.2.2 <a@me.com>: user is over quota", CATEGORY_QUOTA},
    {CONTENT,
     "554 5.7.1 [CS01] Message rejected due to local policy. Please visit "
     "https://support.apple.com/en-us/HT204137",
     CATEGORY_SPAM},
    // GMX and WEB.DE, T-Online, Orange, Free
    {GREETING,
     "554-gmx.net (mxgmx101) Nemesis ESMTP Service not available\n"
     "554-No SMTP service\n"
     "554-Bad DNS PTR resource record.\n"
     "554 For explanation visit https://postmaster.gmx.net/en/error-messages?ip=192.0.2.1&c=rdns",
     CATEGORY_AUTH},
    {GREETING,
     "554-web.de (mxweb012) Nemesis ESMTP Service not available\n"
     "554-No SMTP service\n"
     "554-IP address is black listed.\n"
     "554 For explanation visit https://postmaster.web.de/en/error-messages?ip=192.0.2.1&c=bl",
     CATEGORY_BLOCKED},
    {RCPT,
     "550-Requested action not taken: mailbox unavailable\n"
     "550 For explanation visit https://postmaster.gmx.net/en/case?c=r0601",
     CATEGORY_BAD_MAILBOX},
    {CONTENT,
     "554-Transaction failed\n554-Reject due to policy restrictions.\n554 For explanation visit "
     "https://postmaster.gmx.net/en/case?c=hi",
     CATEGORY_SPAM},
    {GREETING,
     "554 IP=192.0.2.1 - A problem occurred. (Ask your postmaster for help or to contact "
     "tosa@rx.t-online.de to clarify.)",
     CATEGORY_BLOCKED},
    {RCPT,
     "550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR204_416 [416]",
     CATEGORY_BAD_MAILBOX},
    {GREETING,
     "421 mwinf5c04 ME Trop de connexions, veuillez verifier votre configuration. Too many "
     "connections, slow down. OFR004_104 [104]",
     CATEGORY_RATE, RULES_AS_SAID, MINUTES(5)},
    {GREETING,
     "421 Too many errors from your ip (192.0.2.1), please visit http://postmaster.free.fr/",
     CATEGORY_RATE, RULES_AS_SAID, MINUTES(10)},
    // Mail.ru, Yandex, QQ, NetEase, Comcast
    {RCPT,
     "550 Message was not accepted -- invalid mailbox.  Local mailbox a@mail.ru is unavailable: "
     "user not found",
     CATEGORY_BAD_MAILBOX},
    {CONTENT, "550 spam message rejected. Please visit http://help.mail.ru/notspam-support/id?c=x",
     CATEGORY_SPAM},
    {RCPT, "550 5.7.1 No such user!", CATEGORY_BAD_MAILBOX},
    {RCPT, "451 4.7.1 Sorry, the service is currently unavailable. Please come back later.",
     CATEGORY_GREYLIST},
    {CONTENT, "554 5.7.1 [2] Message rejected under suspicion of SPAM; https://ya.cc/1IrBc",
     CATEGORY_SPAM},
    {CONTENT, "550 Domain frequency limited [MASK]. http://service.mail.qq.com/detail/122/167",
     CATEGORY_RATE, RULES_LATER, MINUTES(10)},
    {RCPT, "550 RP:QRC 163 mx27,ucCowA,1 1400000000 http://mail.163.com/help/help_spam_16.htm",
     CATEGORY_RATE, RULES_LATER, MINUTES(10)},
    {CONTENT, "554 DT:SPM 163 mx7,1 1400000000 http://mail.163.com/help/help_spam_16.htm",
     CATEGORY_SPAM},
    {GREETING,
     "554 resimta-po-12v.sys.comcast.net comcast 192.0.2.1 found on one or more DNSBLs, see "
     "http://postmaster.comcast.net/smtp-error-codes.php#BL000001",
     CATEGORY_BLOCKED},
    {RCPT, "550 5.1.1 Not our Customer", CATEGORY_BAD_MAILBOX},
    // Postfix
    {RCPT,
     "550 5.1.1 <a@example.com>: Recipient address rejected: User unknown in local recipient table",
     CATEGORY_BAD_MAILBOX},
    {RCPT,
     "550 5.1.1 <a@example.com>: Recipient address rejected: User unknown in virtual mailbox "
     "table",
     CATEGORY_BAD_MAILBOX},
    {RCPT, "454 4.7.1 <a@example.com>: Relay access denied", CATEGORY_ROUTING},
    {RCPT, "554 5.7.1 <a@example.com>: Relay access denied", CATEGORY_ROUTING},
    {RCPT,
     "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; "
     "https://www.spamhaus.org/query/ip/192.0.2.1",
     CATEGORY_BLOCKED},
    {RCPT, "450 4.2.0 <a@example.com>: Recipient address rejected: Greylisted, see http://postgrey",
     CATEGORY_GREYLIST},
    {RCPT, "450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]",
     CATEGORY_AUTH},
    {MAIL, "553 5.1.8 <x@bad.example>: Sender address rejected: Domain not found", CATEGORY_POLICY},
    {RCPT, "550 5.1.8 <x@bad.example>: Sender address rejected: Domain not found", CATEGORY_POLICY},
    {RCPT, "450 4.1.2 <a@x.example>: Recipient address rejected: Domain not found",
     CATEGORY_BAD_DOMAIN},
    {RCPT, "452 4.3.1 Insufficient system storage", CATEGORY_SYSTEM},
    {RCPT, "452 4.2.2 <a@example.com>: Recipient address rejected: Mailbox is full / Mailbox full",
     CATEGORY_QUOTA},
    {MAIL, "552 5.3.4 Message size exceeds fixed limit", CATEGORY_TOO_LARGE},
    {MAIL, "530 5.7.0 Must issue a STARTTLS command first", CATEGORY_AUTH},
    {GREETING, "421 4.7.0 mx.example.com Error: too many connections from 192.0.2.1", CATEGORY_RATE,
     RULES_LATER},
    {CONTENT, "554 5.4.6 Error: too many hops", CATEGORY_ROUTING},
    // Exim, qmail, Sendmail, Exchange
    {RCPT, "550 Unrouteable address", CATEGORY_BAD_DOMAIN},
    {RCPT, "550 relay not permitted", CATEGORY_ROUTING},
    {RCPT, "550 Sender verify failed", CATEGORY_POLICY},
    {CONTENT, "550 This message scored 12.3 spam points.", CATEGORY_SPAM},
    {RCPT, "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
     CATEGORY_ROUTING},
    {RCPT, "550 sorry, no mailbox here by that name. (#5.1.1)", CATEGORY_BAD_MAILBOX},
    {RCPT, "550 5.1.1 <a@example.com>... User unknown", CATEGORY_BAD_MAILBOX},
    {RCPT, "550 5.7.1 Unable to relay for a@example.com", CATEGORY_ROUTING},
    {RCPT, "550 mailbox not found", CATEGORY_BAD_MAILBOX},
    {RCPT, "550 No such recipient here", CATEGORY_BAD_MAILBOX},
    {RCPT, "550 5.1.1 a@example.com is not a valid mailbox", CATEGORY_BAD_MAILBOX},
    {RCPT, "550 Invalid Recipient - https://community.mimecast.com/docs/DOC-1369#550 [x]",
     CATEGORY_BAD_MAILBOX},
    {RCPT, "550 account is disabled", CATEGORY_INACTIVE},
    {RCPT, "550 5.2.1 The mailbox for a@example.com is no longer active", CATEGORY_INACTIVE},
    {RCPT, "552 5.2.2 Mailbox size limit exceeded: over quota", CATEGORY_QUOTA},
    {CONTENT, "552 Requested mail action aborted: exceeded storage allocation", CATEGORY_QUOTA},
    {GREETING,
     "554-mx1.example.com\n554 Your access to this mail system has been rejected due to the sending "
     "MTA's poor reputation. If you believe that this failure is in error",
     CATEGORY_BLOCKED},
    {CONTENT, "554 5.6.0 Message contains a virus (Eicar-Test-Signature)", CATEGORY_CONTENT},
    {CONTENT, "550 Messages should have one or no Subject headers, not 2: RFC 5322",
     CATEGORY_CONTENT},
    {RCPT, "451 Temporary local problem - please try later", CATEGORY_OTHER},
    {RCPT, "550 5.7.1 Recipient not authorized, your IP has been found on a block list",
     CATEGORY_BLOCKED},
    // Nothing fits
    {RCPT, "550 5.1.1 Nein", CATEGORY_BAD_MAILBOX},
    {RCPT, "450 4.2.0 Hm", CATEGORY_OTHER},
    // A success is never looked at.
    {CONTENT, "250 2.0.0 user unknown", CATEGORY_NONE},
    {RCPT, "250 2.1.5 spamhaus", CATEGORY_NONE},
};

// As it would come from a server.
static struct reply parse(struct reply_parser *p, const char *text)
{
    char bytes[2048];
    size_t len = 0, used;
    for (const char *at = text; *at; at++) {
        if (*at == '\n')
            bytes[len++] = '\r';
        bytes[len++] = *at;
    }
    bytes[len++] = '\r';
    bytes[len++] = '\n';
    reply_parser_init(p);
    struct slice rest = slice_make(bytes, len);
    enum reply_status status = REPLY_LINE;
    while (status == REPLY_LINE) {
        status = reply_feed(p, rest, &used);
        rest = slice_skip(rest, used);
    }
    CU_ASSERT_EQUAL(status, REPLY_DONE);
    return p->reply;
}

static void test_replies(void)
{
    for (size_t i = 0; i < sizeof(reply_cases) / sizeof(reply_cases[0]); i++) {
        const struct reply_case *c = &reply_cases[i];
        struct reply_parser p;
        struct reply r = parse(&p, c->reply);
        struct reply_meaning m = rules_look_up(&shipped, c->phase, r.code, r.enhanced, r.text);
        bool good = m.category == c->want && m.turn == c->turn && m.back_off_us == c->back_off_us;
        CU_ASSERT(good);
        if (!good)
            printf("\n  %s\n    got %s, turn %d, back-off %llu s; want %s\n", c->reply,
                   category_word(m.category), m.turn, (unsigned long long)m.back_off_us / 1000000,
                   category_word(c->want));
    }
}

// --- the file

struct file_case {
    const char *text;
    uint32_t line; // 0: it is good
    const char *why;
};

static const struct file_case file_cases[] = {
    {"", 0, NULL},
    {"# a comment\n\n  \r\n", 0, NULL},
    {"quota /full/", 0, NULL},
    {"quota /full/\r\nspam code=550 /x/\n", 0, NULL},
    {"spam phase=rcpt,content code=4xx,550 enhanced=5.7.x,x.1.1 later back-off=1h30m suspend=7d "
     "/a/b/",
     0, NULL},
    {"quota /full/\nfull /full/", 2, "'full' is no category"},
    {"none /x/", 1, "'none' is no category"},
    {"suppressed /x/", 1, "'suppressed' is no category"},
    {"quota", 1, "neither a condition nor a pattern"},
    {"quota later", 1, "neither a condition nor a pattern"},
    {"quota /full", 1, "the pattern does not end"},
    {"quota /", 1, "the pattern does not end"},
    {"quota //", 1, "the pattern does not end"},
    {"quota /full/ later", 1, "the pattern does not end"},
    {"quota /(full/", 1, "the pattern, at its byte"},
    {"quota /(a)\\1/", 1, "back reference"},
    {"quota code=250 /x/", 1, "no code of 400 to 599"},
    {"quota code=3xx", 1, "no code of 400 to 599"},
    {"quota code=", 1, "no code of 400 to 599"},
    {"quota code=401,402,403,404,405,406,407,408,409", 1, "more than 8 codes"},
    {"quota enhanced=5.1", 1, "no enhanced code"},
    {"quota enhanced=2.1.1", 1, "no enhanced code"},
    {"quota enhanced=5.1.1000", 1, "no enhanced code"},
    {"quota phase=quit", 1, "no phase"},
    {"quota code=550 back-off=8d", 1, "no time"},
    {"quota code=550 back-off=0", 1, "no time"},
    {"quota code=550 suspend=soon", 1, "no time"},
    {"quota code=550 later never", 1, "second time"},
    {"quota code=550 sometimes", 1, "neither condition nor action"},
};

static void test_files(void)
{
    for (size_t i = 0; i < sizeof(file_cases) / sizeof(file_cases[0]); i++) {
        const struct file_case *c = &file_cases[i];
        char why[RULES_WHY_BYTES] = "";
        uint32_t line = 0;
        struct rules *r = rules_new(slice_of_text(c->text), SLICE_EMPTY, why, &line);
        CU_ASSERT_EQUAL(r != NULL, c->line == 0);
        if (c->line > 0) {
            CU_ASSERT_EQUAL(line, c->line);
            CU_ASSERT_PTR_NOT_NULL(strstr(why, c->why));
            if (!strstr(why, c->why))
                printf("\n  %s\n    %s\n", c->text, why);
        }
        rules_free(r);
    }
}

static struct reply_meaning ask(const char *rules, enum smtp_phase phase, uint16_t code,
                                struct enhanced_code e, const char *text)
{
    char why[RULES_WHY_BYTES];
    uint32_t line;
    struct rules_reader reader;
    struct rules *r = rules_new(slice_of_text(rules), rules_shipped(), why, &line);
    CU_ASSERT_FATAL(r && rules_reader_init(&reader, r));
    struct reply_meaning m = rules_look_up(&reader, phase, code, e, slice_of_text(text));
    rules_reader_release(&reader);
    rules_free(r);
    return m;
}

static void test_own_rules_come_first(void)
{
    const struct enhanced_code none = {0, 0, 0}, mailbox = {5, 1, 1};
    const char *own = "policy code=550 later back-off=1m suspend=2m /user unknown/\n"
                      "spam enhanced=5.1.x\n"
                      "content phase=content\n";
    struct reply_meaning m = ask(own, RCPT, 550, none, "User / unknown");
    CU_ASSERT_EQUAL(m.category, CATEGORY_POLICY);
    CU_ASSERT_EQUAL(m.turn, RULES_LATER);
    CU_ASSERT_EQUAL(m.back_off_us, MINUTES(1));
    CU_ASSERT_EQUAL(m.suspend_us, MINUTES(2));
    CU_ASSERT_EQUAL(ask(own, RCPT, 551, none, "user unknown").category, CATEGORY_BAD_MAILBOX);
    CU_ASSERT_EQUAL(ask(own, RCPT, 551, mailbox, "user unknown").category, CATEGORY_SPAM);
    CU_ASSERT_EQUAL(ask(own, CONTENT, 551, none, "user unknown").category, CATEGORY_CONTENT);
    CU_ASSERT_EQUAL(ask(own, CONTENT, 251, none, "user unknown").category, CATEGORY_NONE);
}

// A pattern that would take for ever, and a text that makes it try: it does not fit, and that soon.
static void test_steps_are_bounded(void)
{
    const struct enhanced_code none = {0, 0, 0};
    char text[REPLY_TEXT_BYTES_MAX + 1];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct reply_meaning m = ask("spam /(a+)+(a+)+b$/\n", RCPT, 450, none, text);
    CU_ASSERT_EQUAL(m.category, CATEGORY_OTHER);
    for (size_t i = 0; i + 1 < sizeof(text); i += 7) // the shipped ones, on what is like them
        memcpy(text + i, "user is", i + 8 < sizeof(text) ? 7 : 1);
    m = ask("", RCPT, 450, none, text);
    CU_ASSERT_EQUAL(m.category, CATEGORY_OTHER);
}

static void test_without_rules(void)
{
    struct rules_reader none;
    CU_ASSERT_FATAL(rules_reader_init(&none, NULL));
    struct enhanced_code e = {5, 1, 1};
    CU_ASSERT_EQUAL(rules_look_up(&none, RCPT, 550, e, SLICE("x")).category, CATEGORY_BAD_MAILBOX);
    CU_ASSERT_EQUAL(rules_look_up(&none, RCPT, 550, e, SLICE_EMPTY).turn, RULES_AS_SAID);
    rules_reader_release(&none);
}

static const struct suite_test tests[] = {
    {"codes", test_codes},
    {"words", test_words},
    {"replies of receivers", test_replies},
    {"files", test_files},
    {"own rules come first", test_own_rules_come_first},
    {"steps are bounded", test_steps_are_bounded},
    {"without rules", test_without_rules},
};

int main(int argc, char **argv)
{
    read_shipped();
    return suite_main("rules", tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
