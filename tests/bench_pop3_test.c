#include "bench/sink/pop3.h"
#include "engine/base/check.h"
#include "tests/suite.h"

#include <stdlib.h>

static void add_mail(struct sink_mailbox *m, const char *rcpt, const char *content)
{
    struct arrival *a = arrival_new(true);
    CHECK(a && arrival_start(a, SLICE("s@x")) && arrival_add_rcpt(a, slice_of_text(rcpt)) &&
          arrival_add_content(a, slice_of_text(content)));
    arrival_end(a);
    CU_ASSERT_TRUE(sink_mailbox_add(m, a));
    arrival_free(a);
}

static struct sink_mailbox *mailbox_of_three(void)
{
    struct sink_mailbox *m = NULL;
    CHECK(sink_mailbox_new(&m, 1 << 20) == 0);
    add_mail(m, "a@x", "Subject: 1\r\n\r\none\r\n.two\r\nthree\r\n");
    add_mail(m, "b@x", "Subject: 2\r\n\r\n");
    add_mail(m, "A@X", "Subject: 3\r\n\r\n..\r\n");
    return m;
}

#define HEAD(rcpt) "Return-Path: <s@x>\r\nDelivered-To: " rcpt "\r\n"
#define HELLO "+OK posthaste-sink\r\n"
#define BYE "+OK bye\r\n"
#define LOGIN "USER all\r\nPASS p\r\n"
#define LOGGED_IN HELLO "+OK\r\n+OK 3 messages\r\n"

struct pop3_case {
    const char *name;
    const char *said;
    const char *want;
    bool goes_on; // the session is not over at the end
};

static const struct pop3_case pop3_cases[] = {
    {"quit", "QUIT\r\n", HELLO BYE},
    {"all mail", LOGIN "STAT\r\nQUIT\r\n", LOGGED_IN "+OK 3 181\r\n" BYE},
    {"mail for one", "USER a@x\r\nPASS x\r\nSTAT\r\nLIST 2\r\nQUIT\r\n",
     HELLO "+OK\r\n+OK 2 messages\r\n+OK 2 128\r\n+OK 2 57\r\n" BYE},
    {"list", LOGIN "LIST\r\nQUIT\r\n", LOGGED_IN "+OK\r\n1 71\r\n2 53\r\n3 57\r\n.\r\n" BYE},
    {"unique ids", LOGIN "DELE 2\r\nUIDL\r\nUIDL 3\r\nRSET\r\nQUIT\r\n",
     LOGGED_IN "+OK\r\n+OK\r\n1 1\r\n3 3\r\n.\r\n+OK 3 3\r\n+OK\r\n" BYE},
    {"retrieve, stuffed", LOGIN "RETR 3\r\nQUIT\r\n",
     LOGGED_IN "+OK 57 octets\r\n" HEAD("A@X") "Subject: 3\r\n\r\n...\r\n.\r\n" BYE},
    {"top 0", LOGIN "TOP 1 0\r\nQUIT\r\n",
     LOGGED_IN "+OK\r\n" HEAD("a@x") "Subject: 1\r\n\r\n.\r\n" BYE},
    {"top 2", LOGIN "TOP 1 2\r\nQUIT\r\n",
     LOGGED_IN "+OK\r\n" HEAD("a@x") "Subject: 1\r\n\r\none\r\n..two\r\n.\r\n" BYE},
    {"last", LOGIN "LAST\r\nRETR 2\r\nTOP 3 0\r\nLAST\r\nRSET\r\nLAST\r\nQUIT\r\n",
     LOGGED_IN "+OK 0\r\n+OK 53 octets\r\n" HEAD("b@x") "Subject: 2\r\n\r\n.\r\n+OK\r\n" HEAD(
         "A@X") "Subject: 3\r\n\r\n.\r\n+OK 2\r\n+OK\r\n+OK 0\r\n" BYE},
    {"deleted is gone",
     LOGIN "DELE 1\r\nRETR 1\r\nLIST 1\r\nDELE 1\r\nSTAT\r\nRSET\r\nSTAT\r\nQUIT\r\n",
     LOGGED_IN "+OK\r\n-ERR no such message\r\n-ERR no such message\r\n-ERR no such message\r\n"
               "+OK 2 110\r\n+OK\r\n+OK 3 181\r\n" BYE},
    {"wrong order", "PASS x\r\nSTAT\r\nUSER\r\n" LOGIN "USER x\r\nQUIT\r\n",
     HELLO "-ERR USER first\r\n-ERR log in first\r\n-ERR say who\r\n+OK\r\n+OK 3 messages\r\n"
           "-ERR already logged in\r\n" BYE},
    {"wrong numbers", LOGIN "RETR 0\r\nRETR 4\r\nRETR x\r\nRETR\r\nTOP 1\r\nTOP 1 x\r\nQUIT\r\n",
     LOGGED_IN
     "-ERR no such message\r\n-ERR no such message\r\n-ERR no such message\r\n"
     "-ERR no such message\r\n-ERR say how many lines\r\n-ERR say how many lines\r\n" BYE},
    {"case, blanks, LF alone", "noop\r\nuser  all \nPass x\r\nnoop\r\nquit\r\n",
     HELLO "-ERR log in first\r\n+OK\r\n+OK 3 messages\r\n+OK\r\n" BYE},
    {"nonsense", "\r\n\x01\x02\r\nFOO\r\n",
     HELLO "-ERR no such command\r\n-ERR no such command\r\n-ERR no such command\r\n", true},
    {"nothing behind QUIT", "QUIT\r\nSTAT\r\n", HELLO BYE},
};

static void run_case(const struct pop3_case *c, size_t cut)
{
    struct sink_mailbox *m = mailbox_of_three();
    struct pop3 *p = pop3_new(m);
    struct buffer out;
    struct slice said = slice_of_text(c->said);
    CHECK(p);
    buffer_init(&out, 1 << 20);
    pop3_greet(p, &out);
    bool goes_on = pop3_feed(p, slice_take(said, cut), &out);
    if (goes_on)
        goes_on = pop3_feed(p, slice_skip(said, cut), &out);
    bool fine = goes_on == c->goes_on && slice_equal(buffer_slice(&out), slice_of_text(c->want));
    if (!fine)
        printf("\n%s, cut at %zu: got\n%.*swant\n%s", c->name, cut, SLICE_ARG(buffer_slice(&out)),
               c->want);
    CU_ASSERT_TRUE(fine);
    buffer_release(&out);
    pop3_free(p);
    sink_mailbox_free(m);
}

static void test_sessions_at_every_cut(void)
{
    for (size_t i = 0; i < COUNT_OF(pop3_cases); i++)
        for (size_t cut = 0; cut <= strlen(pop3_cases[i].said); cut++)
            run_case(&pop3_cases[i], cut);
}

static uint32_t count_of(struct sink_mailbox *m)
{
    struct sink_mail **mails = NULL;
    uint32_t count = 0;
    CHECK(sink_mailbox_list(m, SLICE_EMPTY, &mails, &count) == 0);
    for (uint32_t i = 0; i < count; i++)
        sink_mailbox_unref(m, mails[i]);
    free(mails);
    return count;
}

static void feed(struct pop3 *p, const char *said)
{
    struct buffer out;
    buffer_init(&out, 1 << 20);
    pop3_feed(p, slice_of_text(said), &out);
    buffer_release(&out);
}

// RFC 1939 6: only QUIT removes; a session that breaks off leaves all where it was.
static void test_only_quit_removes(void)
{
    struct sink_mailbox *m = mailbox_of_three();
    struct pop3 *broken = pop3_new(m), *first = pop3_new(m), *second = pop3_new(m);
    feed(broken, LOGIN "DELE 1\r\n");
    pop3_free(broken);
    CU_ASSERT_EQUAL(count_of(m), 3);
    feed(first, LOGIN "DELE 2\r\n");
    feed(second, LOGIN "DELE 2\r\nDELE 3\r\n");
    feed(first, "QUIT\r\n");
    CU_ASSERT_EQUAL(count_of(m), 2);
    feed(second, "RETR 2\r\nQUIT\r\n"); // its view holds what is gone for others
    CU_ASSERT_EQUAL(count_of(m), 1);
    pop3_free(first);
    pop3_free(second);
    sink_mailbox_free(m);
}

static void test_the_oldest_goes(void)
{
    struct sink_mailbox *m = NULL;
    CHECK(sink_mailbox_new(&m, 1000) == 0);
    for (unsigned i = 0; i < 50; i++)
        add_mail(m, "a@x", "Subject: x\r\n\r\n");
    uint32_t count;
    struct sink_mail **mails;
    CHECK(sink_mailbox_list(m, SLICE_EMPTY, &mails, &count) == 0);
    CU_ASSERT(count > 2 && count < 15);
    for (uint32_t i = 0; i < count; i++) {
        CU_ASSERT_EQUAL(mails[i]->number, 50 - count + i + 1);
        sink_mailbox_unref(m, mails[i]);
    }
    free(mails);
    struct arrival *a = arrival_new(true);
    char big[1200];
    memset(big, 'x', sizeof(big));
    CHECK(a && arrival_start(a, SLICE_EMPTY) && arrival_add_content(a, slice_make(big, 1200)));
    CU_ASSERT_FALSE(sink_mailbox_add(m, a)); // it alone is over the limit: the others stay
    CU_ASSERT_EQUAL(count_of(m), count);
    arrival_free(a);
    sink_mailbox_free(m);
}

static void test_limits(void)
{
    struct sink_mailbox *m = mailbox_of_three();
    struct pop3 *p = pop3_new(m);
    struct buffer out;
    char line[POP3_LINE_BYTES_MAX + 1];
    buffer_init(&out, 1 << 20);
    memset(line, 'x', sizeof(line));
    CU_ASSERT_FALSE(pop3_feed(p, slice_make(line, sizeof(line)), &out));
    pop3_free(p);
    p = pop3_new(m);
    for (unsigned i = 0; i < POP3_ERRORS_MAX; i++)
        CU_ASSERT_TRUE(pop3_feed(p, SLICE("FOO\r\n"), &out));
    CU_ASSERT_FALSE(pop3_feed(p, SLICE("FOO\r\n"), &out));
    pop3_free(p);
    buffer_release(&out);
    sink_mailbox_free(m);
}

static const struct suite_test tests[] = {
    {"sessions at every cut", test_sessions_at_every_cut},
    {"only QUIT removes", test_only_quit_removes},
    {"the oldest goes", test_the_oldest_goes},
    {"limits", test_limits},
};

SUITE_MAIN("bench_pop3", tests)
