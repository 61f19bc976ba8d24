// The file of users: what it may say, what is wrong with one, and what each user may do.
#include "engine/base/units.h"
#include "engine/submit/users.h"
#include "tests/suite.h"

#include <stdlib.h>

#define HASH                                                                                       \
    "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN."       \
    "Pq.H91p5hVO1"
#define SECOND UINT64_C(1000000)

static struct users *parse(const char *text)
{
    uint32_t line;
    const char *why;
    // A copy of just the bytes there are, so that reading on is caught.
    size_t len = strlen(text);
    char *copy = malloc(len + 1);
    memcpy(copy, text, len);
    struct users *u = users_parse(slice_make(copy, len), &line, &why);
    if (!u)
        printf("%s\n%u: %s\n", text, line, why);
    free(copy);
    CU_ASSERT_PTR_NOT_NULL_FATAL(u);
    return u;
}

static void faults(void)
{
    static const struct {
        const char *text;
        uint32_t line;
        const char *why;
    } rows[] = {
        {"joe", 1, "a line is name:hash:rights"},
        {"# fine\n\njoe:secret", 3, "this is no hash"},
        {"joe:", 1, "this is no hash"},
        {"joe:$1$saltsalt$9xy1btjgzLYfb7hivXtC//", 1, "this is no hash, or a weak one"},
        {"joe:*:", 1, "this is no hash"},
        {":" HASH, 1, "this is no name"},
        {"a b:" HASH, 1, "this is no name"},
        {"uid:" HASH "\nuid x:" HASH, 2, "this is no name"},
        {"uid 01:", 1, "this is no name"},
        {"uid 4294967296:", 1, "this is no name"},
        {"uid 5:" HASH, 1, "a uid has no password"},
        {"joe\t:" HASH, 1, "there is a control character"},
        {"0123456789012345678901234567890123456789012345678901234567890123x:" HASH, 1,
         "this is no name"},
        {"joe:" HASH ":sender=a@b", 1, "a right is senders=, rate= or campaigns="},
        {"joe:" HASH ":senders=a@b senders=c@d", 1, "a right is"},
        {"joe:" HASH ":senders=", 1, "senders= wants"},
        {"joe:" HASH ":senders=a@b,", 1, "senders= wants"},
        {"joe:" HASH ":senders=b", 1, "senders= wants"},
        {"joe:" HASH ":senders=@", 1, "senders= wants"},
        {"joe:" HASH ":rate=5", 1, "rate= wants"},
        {"joe:" HASH ":rate=0/h", 1, "rate= wants"},
        {"joe:" HASH ":rate=", 1, "rate= wants"},
        {"joe:" HASH ":rate=1/s,1/m,1/h,1/d,1/7d", 1, "rate= takes four"},
        {"joe:" HASH "\nann:" HASH "\njoe:" HASH, 0, "a name stands there twice"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t line = 99;
        const char *why = NULL;
        struct users *u = users_parse(slice_of_text(rows[i].text), &line, &why);
        if (u || line != rows[i].line || !strstr(why, rows[i].why))
            printf("\n%s\n got %u: %s\nwant %u: %s\n", rows[i].text, line, why, rows[i].line,
                   rows[i].why);
        CU_ASSERT(!u && line == rows[i].line && strstr(why, rows[i].why));
        users_free(u);
    }
}

static void found_by_name(void)
{
    struct users *u = parse("# users\r\n  zoe:" HASH "  \n\njoe:" HASH ":\n#joe2:\nuid 1000:\n"
                            "uid 0::senders=@a.example\njo:" HASH);
    static const char *const names[] = {"zoe", "joe", "jo", "uid 1000", "uid 0"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct user *user = users_find(u, slice_of_text(names[i]));
        CU_ASSERT_PTR_NOT_NULL_FATAL(user);
        CU_ASSERT(slice_equal(user->name, slice_of_text(names[i])));
        CU_ASSERT(strcmp(user->hash.data, i < 3 ? HASH : "") == 0);
    }
    CU_ASSERT_PTR_NULL(users_find(u, SLICE("joe2")));
    CU_ASSERT_PTR_NULL(users_find(u, SLICE("Joe")));
    CU_ASSERT_PTR_NULL(users_find(u, SLICE("")));
    CU_ASSERT_PTR_EQUAL(users_find_uid(u, 1000), users_find(u, SLICE("uid 1000")));
    CU_ASSERT_PTR_NULL(users_find_uid(u, 1001));
    for (uint64_t dice = 0; dice < 20; dice++) // never a uid's
        CU_ASSERT(strcmp(users_decoy(u, dice).data, HASH) == 0);
    users_free(u);
    u = parse("");
    CU_ASSERT_PTR_NULL(users_find(u, SLICE("joe")));
    CU_ASSERT(users_decoy(u, 7).len > 0);
    users_free(u);
}

static bool may_send(const struct user *user, const char *text)
{
    struct slice rest = slice_of_text(text);
    struct address a;
    CU_ASSERT_FATAL(address_parse_path(&rest, true, true, &a) == ADDRESS_OK);
    return user_may_send_as(user, &a);
}

static void senders(void)
{
    struct users *u = parse("a:" HASH ":senders=@News.example,editor@b\xc3\xbc"
                            "cher.example\nb:" HASH "\nc:" HASH ":senders=<>,x@c.example\n");
    const struct user *a = users_find(u, SLICE("a")), *b = users_find(u, SLICE("b")),
                      *c = users_find(u, SLICE("c"));
    static const struct {
        const char *path;
        bool a, c;
    } rows[] = {
        {"<joe@news.example>", true, false},
        {"<JOE@NEWS.EXAMPLE>", true, false},
        {"<joe@sub.news.example>", false, false},
        {"<joe@xnews.example>", false, false},
        {"<editor@xn--bcher-kva.example>", true, false},
        {"<editor@b\xc3\xbc"
         "cher.example>",
         true, false},
        {"<Editor@xn--bcher-kva.example>", false, false}, // a local part is its owner's
        {"<other@xn--bcher-kva.example>", false, false},
        {"<>", false, true},
        {"<x@C.example>", false, true},
        {"<\"joe@news.example\"@c.example>", false, false},
        {"<news.example@c.example>", false, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CU_ASSERT_EQUAL(may_send(a, rows[i].path), rows[i].a);
        CU_ASSERT_EQUAL(may_send(c, rows[i].path), rows[i].c);
        CU_ASSERT(may_send(b, rows[i].path));
    }
    users_free(u);
}

static void campaigns(void)
{
    struct users *u = parse("a:" HASH ":campaigns=weekly,news-7\nb:" HASH "\nc:" HASH
                            ":campaigns=");
    const struct user *a = users_find(u, SLICE("a"));
    CU_ASSERT(user_may_use_campaign(a, SLICE("weekly")));
    CU_ASSERT(user_may_use_campaign(a, SLICE("news-7")));
    CU_ASSERT(!user_may_use_campaign(a, SLICE("news")));
    CU_ASSERT(!user_may_use_campaign(a, SLICE("weekly,news-7")));
    CU_ASSERT(user_may_use_campaign(users_find(u, SLICE("b")), SLICE("news")));
    CU_ASSERT(!user_may_use_campaign(users_find(u, SLICE("c")), SLICE("news")));
    users_free(u);
}

static unsigned count_all(struct users *u, const char *name, uint64_t now_us)
{
    unsigned count = 0;
    while (count < 100 && users_count(u, users_find(u, slice_of_text(name)), now_us))
        count++;
    return count;
}

static void rates(void)
{
    static const char text[] = "a:" HASH ":rate=3/s,5/h senders=@x.example\nb:" HASH ":rate=2/h\n"
                               "c:" HASH "\n";
    struct users *u = parse(text);
    uint64_t now_us = 10 * SECOND;
    CU_ASSERT_EQUAL(count_all(u, "a", now_us), 3);
    CU_ASSERT_EQUAL(users_due_us(u, users_find(u, SLICE("a")), now_us), now_us + SECOND);
    CU_ASSERT_EQUAL(count_all(u, "b", now_us), 2);
    CU_ASSERT_EQUAL(count_all(u, "c", now_us), 100);
    CU_ASSERT_EQUAL(users_due_us(u, users_find(u, SLICE("c")), now_us), now_us);
    now_us += SECOND;
    CU_ASSERT_EQUAL(count_all(u, "a", now_us), 2);
    // A file that is read anew is no new hour, but for whom the rate has changed.
    struct users *next = parse("a:" HASH ":rate=3/s,5/h\nb:" HASH ":rate=7/h\n");
    users_carry_over(next, u);
    users_free(u);
    CU_ASSERT_EQUAL(count_all(next, "a", now_us + SECOND), 0);
    CU_ASSERT_EQUAL(count_all(next, "b", now_us + SECOND), 7);
    CU_ASSERT_EQUAL(count_all(next, "a", now_us + 3601 * SECOND), 3);
    users_free(next);
}

static const struct suite_test tests[] = {
    {"faults", faults},   {"found by name", found_by_name},
    {"senders", senders}, {"campaigns", campaigns},
    {"rates", rates},
};

SUITE_MAIN("users", tests)
