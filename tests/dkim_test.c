// DKIM signatures: RFC 8463's keys and message, what is signed of a header section, whose mail it
// is, and which keys are none. That other programs verify what comes out is
// tests/interop/dkim_test.py's.
#include "engine/base/check.h"
#include "engine/message/author.h"
#include "engine/message/dkim_table.h"
#include "tests/suite.h"

#include <stdlib.h>

// RFC 8463 A.1 and A.2.
static const char ed25519_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";
static const char rsa_pem[] = "-----BEGIN RSA PRIVATE KEY-----\n"
                              "MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi\n"
                              "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM\n"
                              "KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n"
                              "AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm\n"
                              "6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe\n"
                              "zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy\n"
                              "6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc\n"
                              "uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy\n"
                              "WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd\n"
                              "WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a\n"
                              "licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst\n"
                              "o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe\n"
                              "uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL\n"
                              "-----END RSA PRIVATE KEY-----\n";

// RFC 8463 A.3.
#define RFC_FIELDS                                                                                 \
    "From: Joe SixPack <joe@football.example.com>\r\n"                                             \
    "To: Suzie Q <suzie@shopping.example.net>\r\n"                                                 \
    "Subject: Is dinner ready?\r\n"                                                                \
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"                                              \
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
#define RFC_BODY "\r\nHi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
#define RFC_BODY_HASH "bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;"
#define EMPTY_BODY_HASH "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;"

static struct dkim_key *key(const char *pem)
{
    const char *why;
    struct dkim_key *k = dkim_key_read(slice_of_text(pem), &why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(k);
    return k;
}

// "from+ to subject+": "+" for oversigned.
static struct dkim_names names_of(const char *text)
{
    struct dkim_names names = {0};
    struct slice rest = slice_of_text(text);
    while (rest.len > 0) {
        struct slice name = slice_cut(&rest, ' ');
        bool over = name.data[name.len - 1] == '+';
        CU_ASSERT_TRUE(dkim_names_add(&names, slice_take(name, name.len - over), over));
    }
    return names;
}

struct signing {
    struct dkim_signer *signer;
    struct dkim_key *keys[2]; // RSA, Ed25519
    struct dkim_identity identities[2];
    struct dkim_names names;
    char text[32768];
};

static void signing_init(struct signing *s, const char *names)
{
    *s = (struct signing){.signer = dkim_signer_new(),
                          .keys = {key(rsa_pem), key(ed25519_pem)},
                          .names = names_of(names)};
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->signer);
    s->identities[0] = (struct dkim_identity){SLICE("football.example.com"), SLICE("test"),
                                              s->keys[0]};
    s->identities[1] = (struct dkim_identity){SLICE("football.example.com"), SLICE("brisbane"),
                                              s->keys[1]};
}

static void signing_release(struct signing *s)
{
    dkim_key_free(s->keys[0]);
    dkim_key_free(s->keys[1]);
    dkim_signer_free(s->signer);
}

// By `count` keys from the first one named on.
static struct slice sign(struct signing *s, unsigned first, unsigned count, struct slice content)
{
    struct dkim_request r = {.content = content,
                             .names = &s->names,
                             .identities = s->identities + first,
                             .identity_count = count,
                             .wall_s = 1528637909};
    size_t room = 0;
    for (unsigned i = first; i < first + count; i++)
        room += dkim_room(&s->names, &s->identities[i]);
    CU_ASSERT_FATAL(room + 1 < sizeof(s->text));
    s->text[room] = '#';
    size_t len = dkim_sign(s->signer, &r, s->text, room);
    CU_ASSERT_EQUAL(s->text[room], '#');
    s->text[len] = '\0';
    return slice_make(s->text, len);
}

static bool holds(struct slice text, const char *part)
{
    bool found = memmem(text.data, text.len, part, strlen(part));
    if (!found)
        printf("\nwant %s\ngot  %.*s\n", part, (int)text.len, text.data);
    return found;
}

// Both algorithms always give the same signature, and others have verified these.
static void the_rfc_message(void)
{
    static const char want[] =
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=football.example.com;\r\n"
        "\ts=test; t=1528637909;\r\n"
        "\th=from:from:to:to:subject:subject:date:date:message-id;\r\n"
        "\t" RFC_BODY_HASH "\r\n"
        "\tb=CzGVOhoGs5PKJQuxuU2uDSogltljcVVEfXw5IVqnA5Fqa8fyQaVCI5IwQdrMCu8S+vpWpw9ZWQ2\r\n"
        "\tC5IeGuoMB+e7/OMnH6dAngrFK+/lZ5S2PGRRH6/YbgOrTyYy2n9i7Nl5iPcv9FVw198izZmK/WQE2\r\n"
        "\tA/nRS7Aj5VZK0XasU/o=\r\n"
        "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
        "\td=football.example.com; s=brisbane; t=1528637909;\r\n"
        "\th=from:from:to:to:subject:subject:date:date:message-id;\r\n"
        "\t" RFC_BODY_HASH "\r\n"
        "\tb=ZgUmT8ca+/mZtGcwLmtX2Xh70HIRpIxtquizKdmRixEYdWb8GfuFD8Z1WXXeHXqbNR7iZJ5quf6\r\n"
        "\tJrWS0a/UiCg==\r\n";
    struct signing s;
    signing_init(&s, "from+ to+ subject+ date+ message-id");
    struct slice got = sign(&s, 0, 2, SLICE(RFC_FIELDS RFC_BODY));
    if (!slice_equal(got, slice_of_text(want)))
        printf("\nwant %s\ngot  %s\n", want, s.text);
    CU_ASSERT_TRUE(slice_equal(got, slice_of_text(want)));
    // Contexts are used again.
    CU_ASSERT_TRUE(slice_equal(sign(&s, 0, 2, SLICE(RFC_FIELDS RFC_BODY)), slice_of_text(want)));
    signing_release(&s);
}

static void bodies(void)
{
    static const struct {
        const char *content;
        const char *want;
    } rows[] = {
        {RFC_FIELDS RFC_BODY, RFC_BODY_HASH},
        {RFC_FIELDS "\r\nHi.  \r\n\r\nWe lost the\tgame. Are you hungry yet?\r\n\r\nJoe.\r\n\r\n",
         RFC_BODY_HASH},
        {RFC_FIELDS, EMPTY_BODY_HASH}, // fields alone
        {RFC_FIELDS "\r\n", EMPTY_BODY_HASH},
        {RFC_FIELDS "\r\n\r\n \r\n", EMPTY_BODY_HASH},
        {"", EMPTY_BODY_HASH},
        // RFC 6376 has no field in front of these: the body begins with the first such line.
        {RFC_FIELDS "Hi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n",
         RFC_BODY_HASH},
    };
    struct signing s;
    signing_init(&s, "from+ to");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CU_ASSERT_TRUE(holds(sign(&s, 1, 1, slice_of_text(rows[i].content)), rows[i].want));
    signing_release(&s);
}

// Fields that differ only in what relaxed forms leave out have one signature; else another.
static void fields(void)
{
    static const struct {
        const char *names;
        const char *content;
        const char *want_names; // NULL: those of the row before
        bool same;              // as the row before
    } rows[] = {
        {"from+ to", "From: a@b\r\nTo: x@y\r\n\r\n", "h=from:from:to;", false},
        {"from+ to", "FROM :  a@b \r\nTo:\r\n\tx@y\r\n\r\n", NULL, true},
        {"from+ to", "To: x@y\r\nX-Other: 1\r\nFrom: a@b\r\n\r\n", NULL, true},
        {"from+ to", "From: a@b\r\nTo: x@z\r\n\r\n", NULL, false},
        {"from+ to", "From: a @b\r\nTo: x@z\r\n\r\n", NULL, false},
        {"from+ to", "From: a@b\r\n\r\n", "h=from:from;", false},
        {"from+ to+", "From: a@b\r\n\r\n", "h=from:from:to;", false},
        {"from+ list-id", "From: a@b\r\nList-Id: 1\r\nList-Id: 2\r\n\r\n",
         "h=from:from:list-id:list-id;", false},
        {"from+ list-id", "From: a@b\r\nList-Id: 2\r\nList-Id: 1\r\n\r\n", NULL, false},
        // Of too many the upper ones are not signed.
        {"from+ x", "X:1\r\nX:2\r\nX:3\r\nX:4\r\nX:5\r\nX:6\r\nX:7\r\nX:8\r\nFrom: a@b\r\n\r\n",
         "h=from:from:x:x:x:x:x:x:x:x;", false},
        {"from+ x",
         "X:?\r\nX:1\r\nX:2\r\nX:3\r\nX:4\r\nX:5\r\nX:6\r\nX:7\r\nX:8\r\nFrom: a@b\r\n\r\n", NULL,
         true},
        {"from+ x",
         "X:?\r\nX:1\r\nX:2\r\nX:3\r\nX:4\r\nX:5\r\nX:6\r\nX:7\r\nX:9\r\nFrom: a@b\r\n\r\n", NULL,
         false},
        // One more than there are would be one of these.
        {"from+ x+",
         "X:?\r\nX:1\r\nX:2\r\nX:3\r\nX:4\r\nX:5\r\nX:6\r\nX:7\r\nX:8\r\nFrom: a@b\r\n\r\n",
         "h=from:from:x:x:x:x:x:x:x:x;", false},
        {"from+ x+", "X:1\r\nX:2\r\nX:3\r\nX:4\r\nX:5\r\nX:6\r\nX:7\r\nX:8\r\nFrom: a@b\r\n\r\n",
         "h=from:from:x:x:x:x:x:x:x:x:x;", false},
        // What looks like a field of the section, and stands in the body.
        {"from+ to", "From: a@b\r\n\r\nTo: x@y\r\n", "h=from:from;", false},
        {"from+ to", "From: a@b\r\nno field\r\nTo: x@y\r\n", "h=from:from;", false},
    };
    char before[4096] = "";
    const char *names = NULL;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct signing s;
        signing_init(&s, rows[i].names);
        names = rows[i].want_names ? rows[i].want_names : names;
        struct slice got = sign(&s, 1, 1, slice_of_text(rows[i].content));
        CU_ASSERT_TRUE(holds(got, names));
        CU_ASSERT_FATAL(got.len < sizeof(before));
        if ((strcmp(before, s.text) == 0) != rows[i].same)
            printf("\nrow %zu\n%s\n%s", i, before, s.text);
        CU_ASSERT_EQUAL(strcmp(before, s.text) == 0, rows[i].same);
        strcpy(before, s.text);
        signing_release(&s);
    }
}

// Every line but one that a long name fills is short; all begin as fields do.
static void the_longest(void)
{
    struct signing s;
    char content[64 * 1024] = "From: a@b\r\n";
    char text[64];
    size_t len = strlen(content);
    signing_init(&s, "from+");
    for (unsigned i = 1; i < DKIM_NAMES_MAX; i++) {
        snprintf(text, sizeof(text), "x-%036u", i);
        CU_ASSERT_TRUE(dkim_names_add(&s.names, slice_of_text(text), true));
        for (unsigned nth = 0; nth < DKIM_INSTANCES_MAX; nth++)
            len += (size_t)sprintf(content + len, "%s: %u\r\n", text, nth);
    }
    CU_ASSERT_FALSE(dkim_names_add(&s.names, SLICE("one-more"), false));
    for (unsigned i = 0; i < 2; i++) {
        struct slice got = sign(&s, i, 1, slice_make(content, len));
        CU_ASSERT_TRUE(got.len > 10000);
        while (got.len > 0) {
            size_t line_len = slice_find(got, '\n');
            CU_ASSERT_TRUE_FATAL(line_len < got.len && got.data[line_len - 1] == '\r');
            CU_ASSERT_TRUE(line_len <= 79);
            CU_ASSERT_TRUE(got.data[0] == 'D' || got.data[0] == '\t');
            got = slice_skip(got, line_len + 1);
        }
    }
    signing_release(&s);
}

static void names(void)
{
    struct dkim_names n = {0};
    CU_ASSERT_TRUE(dkim_names_add(&n, SLICE("Subject"), false));
    CU_ASSERT_TRUE(dkim_names_add(&n, SLICE("SUBJECT"), true));
    CU_ASSERT_TRUE(dkim_names_add(&n, SLICE("subject"), false));
    CU_ASSERT_EQUAL(n.count, 1);
    CU_ASSERT_STRING_EQUAL(n.items[0].text, "subject");
    CU_ASSERT_TRUE(n.items[0].over);
    CU_ASSERT_FALSE(dkim_names_add(&n, SLICE(""), false));
    CU_ASSERT_FALSE(dkim_names_add(&n, SLICE("a b"), false));
    CU_ASSERT_FALSE(dkim_names_add(&n, SLICE("a:"), false));
    CU_ASSERT_FALSE(dkim_names_add(&n, SLICE("a;b"), false));
    CU_ASSERT_FALSE(dkim_names_add(&n, SLICE("\xc3\xbc"), false));
    CU_ASSERT_FALSE(dkim_names_add(&n, SLICE("x-0123456789012345678901234567890123456789"), false));
    CU_ASSERT_EQUAL(n.count, 1);
}

static void keys(void)
{
    static const struct {
        const char *pem;
        const char *want;
    } rows[] = {
        {"", "no private key"},
        {"hello\n", "no private key"},
        {"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQ\n-----END PRIVATE KEY-----\n", "no private key"},
        {"-----BEGIN PRIVATE KEY-----\n"
         "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgKMDDdvW4fM8EyfaH\n"
         "SQjtuXXXXXXXXXXXXXXXXXXXXXXXXXXX\n"
         "-----END PRIVATE KEY-----\n",
         "no private key"},
        // A public one.
        {"-----BEGIN PUBLIC KEY-----\n"
         "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
         "-----END PUBLIC KEY-----\n",
         "no private key"},
        {"-----BEGIN PRIVATE KEY-----\n"
         "MC4CAQAwBQYDK2VuBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
         "-----END PRIVATE KEY-----\n",
         "neither an RSA nor an Ed25519 key"}, // X25519
        {"-----BEGIN RSA PRIVATE KEY-----\n"
         "MIGqAgEAAiEA\n"
         "-----END RSA PRIVATE KEY-----\n",
         "no private key"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *why = NULL;
        CU_ASSERT_PTR_NULL(dkim_key_read(slice_of_text(rows[i].pem), &why));
        CU_ASSERT_PTR_NOT_NULL_FATAL(why);
        CU_ASSERT_PTR_NOT_NULL(strstr(why, rows[i].want));
    }
    struct dkim_key *rsa = key(rsa_pem), *ed25519 = key(ed25519_pem);
    CU_ASSERT_TRUE(dkim_key_is_rsa(rsa) && dkim_key_bits(rsa) == 1024);
    CU_ASSERT_FALSE(dkim_key_is_rsa(ed25519));
    dkim_key_free(rsa);
    dkim_key_free(ed25519);
    dkim_key_free(NULL);
    dkim_signer_free(NULL);
}

static void authors(void)
{
    static const struct {
        const char *content;
        const char *want; // empty: nobody
    } rows[] = {
        {"From: a@Example.NET\r\n\r\n", "example.net"},
        {"from : \"x@y\" <\"a@b\"@example.net>\r\n\r\n", "example.net"},
        {"To: x@y\r\nFROM:\r\n\tJoe (who@where) <joe@\r\n example.net>\r\n\r\n", "example.net"},
        {"From: a@one.example, b@two.example\r\n\r\n", "one.example"},
        {"From: nobody, b@two.example\r\n\r\n", ""},
        {"From: broken < , b@two.example\r\n\r\n", ""},
        {"From: a@b\xc3\xbc"
         "cher.example\r\n\r\n",
         "xn--bcher-kva.example"},
        {"From: undisclosed:;\r\n\r\n", ""},
        {"From:\r\n\r\n", ""},
        {"From: <>\r\n\r\n", ""},
        {"From: a@\r\n\r\n", ""},
        {"To: x@y\r\n\r\nFrom: a@b\r\n", ""},
        {"X-From: a@b\r\n", ""},
        {"", ""},
    };
    char domain[ADDRESS_DOMAIN_BYTES_MAX + 1];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len = author_domain(slice_of_text(rows[i].content), domain);
        bool same = slice_equal(slice_make(domain, len), slice_of_text(rows[i].want));
        if (!same)
            printf("\n%s\nwant %s\ngot  %.*s\n", rows[i].content, rows[i].want, (int)len, domain);
        CU_ASSERT_TRUE(same);
    }
}

// Every address that others may take for the author's; "?": nobody can say.
static void all_authors(void)
{
    static const struct {
        const char *content;
        const char *want;
    } rows[] = {
        {"From: a@b\r\n\r\n", "a@b "},
        {"From: a@b", "a@b "},
        {"From: a@b, (c) Joe <c@d>\r\n\r\nFrom: e@f\r\n", "a@b c@d "},
        {"from : a@b\r\nTo: x@y\r\nFROM: c@d\r\n\r\n", "a@b c@d "},
        {"From: a@b, people: c@d, <e@f>;\r\n\r\n", "a@b c@d e@f "},
        {"From: a@b, c d <\r\n\r\n", "a@b ?"},
        {"From: a@b, <>\r\n\r\n", "a@b ?"},
        {"From: a@b\r\nno field\r\nFrom: c@d\r\n\r\n", "a@b ?"},
        {"To: x@y\r\n\r\n", ""},
        {"", ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[ADDRESS_LIST_ADDRESS_BYTES_MAX], got[256] = "";
        struct author_walk w = author_walk(slice_of_text(rows[i].content));
        enum author_step step;
        struct slice a;
        while ((step = author_next(&w, text, &a)) == AUTHOR_ADDRESS) {
            strncat(got, a.data, a.len);
            strcat(got, " ");
        }
        strcat(got, step == AUTHOR_UNKNOWN ? "?" : "");
        if (strcmp(got, rows[i].want) != 0)
            printf("\n%s\nwant %s\ngot  %s\n", rows[i].content, rows[i].want, got);
        CU_ASSERT_STRING_EQUAL(got, rows[i].want);
    }
}

// A second From: at the end of what is looked at, and a field that is longer.
static void authors_far_down(void)
{
    const size_t room = AUTHOR_HEADER_BYTES_MAX + 1024;
    char *content = malloc(room), text[ADDRESS_LIST_ADDRESS_BYTES_MAX];
    CU_ASSERT_PTR_NOT_NULL_FATAL(content);
    for (int bytes = AUTHOR_HEADER_BYTES_MAX - 64; bytes < AUTHOR_HEADER_BYTES_MAX + 64; bytes++) {
        int len = snprintf(content, room, "From: a@b\r\nX: %0*d\r\nFrom: c@d\r\n\r\n", bytes, 0);
        struct author_walk w = author_walk(slice_make(content, (size_t)len));
        enum author_step step;
        struct slice a, last = SLICE_EMPTY;
        while ((step = author_next(&w, text, &a)) == AUTHOR_ADDRESS)
            last = a;
        CU_ASSERT_TRUE(step == AUTHOR_UNKNOWN || slice_equal(last, SLICE("c@d")));
    }
    int len = snprintf(content, room, "From: a@b,%*s c@d\r\n\r\n", AUTHOR_FIELD_BYTES_MAX, "");
    struct author_walk w = author_walk(slice_make(content, (size_t)len));
    struct slice a;
    CU_ASSERT_EQUAL(author_next(&w, text, &a), AUTHOR_UNKNOWN);
    free(content);
}

static void whose_keys(void)
{
    static const struct {
        const char *name;
        bool subdomains;
    } domains[] = {
        {"example.net", true},         {"b.example.net", false},  {"example.org", false},
        {"c.example.org", true},       {"example", false},        {"a.example.com", true},
        {"deep.b.example.net", false}, {"net.example.com", false}};
    static const struct {
        const char *name;
        const char *want; // NULL: nobody's
    } rows[] = {
        {"example.net", "example.net"},
        {"a.example.net", "example.net"},
        {"b.example.net", "b.example.net"},
        {"x.b.example.net", "example.net"}, // b has none for those below it
        {"deep.b.example.net", "deep.b.example.net"},
        {"notexample.net", NULL},
        {"example.org", "example.org"},
        {"a.example.org", NULL},
        {"a.c.example.org", "c.example.org"},
        {"example", "example"},
        {"other.example", NULL},
        {"net", NULL},
        {"", NULL},
        {"a.b.c.d.e.f.a.example.com", "a.example.com"},
        {"example.com", NULL},
        {"[127.0.0.1]", NULL},
        {".", NULL},
        {"....example.net", "example.net"},
    };
    struct dkim_table *t = dkim_table_new(COUNT_OF(domains));
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    for (size_t i = 0; i < COUNT_OF(domains); i++) {
        strcpy(t->domains[i].name, domains[i].name);
        t->domains[i].subdomains = domains[i].subdomains;
        dkim_names_add(&t->domains[i].names, SLICE("from"), true);
        dkim_domain_add(&t->domains[i], "s1", key(ed25519_pem));
    }
    dkim_domain_add(&t->domains[0], "s2", key(rsa_pem));
    dkim_table_sort(t);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct dkim_domain *d = dkim_table_find(t, slice_of_text(rows[i].name));
        CU_ASSERT_EQUAL(d != NULL, rows[i].want != NULL);
        CU_ASSERT_TRUE(!d || !rows[i].want || strcmp(d->name, rows[i].want) == 0);
    }
    const struct dkim_domain *both = dkim_table_find(t, SLICE("example.net"));
    CU_ASSERT_EQUAL_FATAL(both->identity_count, 2);
    CU_ASSERT_TRUE(slice_equal(both->identities[1].selector, SLICE("s2")));
    CU_ASSERT_EQUAL(dkim_table_room(t), dkim_room(&both->names, &both->identities[0]) +
                                            dkim_room(&both->names, &both->identities[1]));
    dkim_table_free(t);
    dkim_table_free(NULL);
}

static const struct suite_test tests[] = {
    {"the RFC's message", the_rfc_message},
    {"bodies", bodies},
    {"fields", fields},
    {"the longest", the_longest},
    {"names of fields", names},
    {"keys", keys},
    {"authors", authors},
    {"all authors", all_authors},
    {"authors far down", authors_far_down},
    {"whose keys", whose_keys},
};
SUITE_MAIN("dkim", tests)
