// What becomes of each kind of part for a server that takes no 8-bit content (RFC 2045, 2046, 2047,
// 6152). That Python's email package reads the same from it is tests/interop/encoding_test.py's.
#include "engine/message/mime.h"
#include "engine/message/recode.h"
#include "tests/suite.h"

#include <stdlib.h>

struct recode_case {
    const char *name;
    const char *content;
    const char *want; // NULL: the same
    enum recode_status status;
};

#define UE "\xc3\xbc"
#define MIXED "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
#define QP "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
#define B64 "Content-Transfer-Encoding: base64\r\n\r\n"
#define TEXT "Content-Type: text/plain; charset=iso-8859-1\r\n"
#define FILLER "plain plain plain plain plain plain"

static const struct recode_case cases[] = {
    {"ASCII", "Subject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\n= \r\n", NULL, RECODE_DONE},
    {"a body that says nothing of itself", "Subject: x\r\n\r\ngr" UE "n " FILLER "\r\n",
     "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" QP
     "gr=C3=BCn " FILLER "\r\n",
     RECODE_DONE},
    {"nor is UTF-8", "Subject: x\r\n\r\ngr\xfcn " FILLER "\r\n",
     "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n" QP
     "gr=FCn " FILLER "\r\n",
     RECODE_DONE},
    {"the charset is kept, what encodes goes behind the other fields",
     "MIME-Version: 1.0\r\ncontent-transfer-encoding: 8bit\r\n" TEXT "X: y\r\n\r\n\xfc " FILLER
     " = \t\r\n.\r\n",
     "MIME-Version: 1.0\r\n" TEXT "X: y\r\n" QP "=FC " FILLER " =3D =09\r\n.\r\n", RECODE_DONE},
    {"8bit that was not declared", "MIME-Version: 1.0\r\n" TEXT "\r\n\xfc " FILLER "\r\n",
     "MIME-Version: 1.0\r\n" TEXT QP "=FC " FILLER "\r\n", RECODE_DONE},
    {"much that is not plain is base64", "MIME-Version: 1.0\r\n" TEXT "\r\n\xfc\xfd\r\n",
     "MIME-Version: 1.0\r\n" TEXT B64 "/P0NCg==\r\n", RECODE_DONE},
    {"so is what is no text",
     "MIME-Version: 1.0\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: binary\r\n\r\n"
     "\xfc " FILLER "\r\n",
     "MIME-Version: 1.0\r\nContent-Type: image/x\r\n" B64
     "/CBwbGFpbiBwbGFpbiBwbGFpbiBwbGFpbiBwbGFpbiBwbGFpbg0K\r\n",
     RECODE_DONE},
    {"a multipart: parts by themselves, delimiters as they are",
     "Content-Transfer-Encoding: 8bit\r\n" MIXED "gr" UE "n\r\n--b \r\n" TEXT "\r\n\xfc " FILLER
     "\r\n--b\r\n\r\nplain\r\n--b\r\n\r\n--b--\r\nend" UE "\r\n",
     "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
     "Content-Transfer-Encoding: 7bit\r\n\r\ngr??n\r\n--b \r\n" TEXT QP "=FC " FILLER
     "\r\n--b\r\n\r\nplain\r\n--b\r\n\r\n--b--\r\nend??\r\n",
     RECODE_DONE},
    {"a part that says nothing of itself", MIXED "--b\r\n\r\n" UE " " FILLER "\r\n--b--\r\n",
     MIXED "--b\r\nContent-Type: text/plain; charset=utf-8\r\n" QP "=C3=BC " FILLER "\r\n--b--\r\n",
     RECODE_DONE},
    {"a part without an empty line in front of its body",
     MIXED "--b\r\n" UE " " FILLER "\r\n--b--\r\n",
     MIXED "--b\r\nContent-Type: text/plain; charset=utf-8\r\n" QP "=C3=BC " FILLER "\r\n--b--\r\n",
     RECODE_DONE},
    {"a blank at the end of a part", MIXED "--b\r\n" TEXT "\r\n\xfc " FILLER " \r\n--b--\r\n",
     MIXED "--b\r\n" TEXT QP "=FC " FILLER "=20\r\n--b--\r\n", RECODE_DONE},
    {"without its closing delimiter", MIXED "--b\r\n" TEXT "\r\n\xfc " FILLER "\r\n",
     MIXED "--b\r\n" TEXT QP "=FC " FILLER "\r\n", RECODE_DONE},
    {"in each other",
     MIXED "--b\r\nContent-Type: multipart/x; boundary=\"c \\\"d\"\r\n"
           "Content-Transfer-Encoding: 8bit\r\n\r\n--c \"d\r\n" TEXT "\r\n\xfc " FILLER
           "\r\n--c \"d--\r\n--b--\r\n",
     MIXED "--b\r\nContent-Type: multipart/x; boundary=\"c \\\"d\"\r\n"
           "Content-Transfer-Encoding: 7bit\r\n\r\n--c \"d\r\n" TEXT QP "=FC " FILLER
           "\r\n--c \"d--\r\n--b--\r\n",
     RECODE_DONE},
    {"a message in it",
     MIXED "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
           "Subject: " UE "\r\n\r\n\xfc " FILLER "\r\n--b--\r\n",
     MIXED "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
           "Subject: =?utf-8?Q?=C3=BC?=\r\nMIME-Version: 1.0\r\n"
           "Content-Type: text/plain; charset=unknown-8bit\r\n" QP "=FC " FILLER "\r\n--b--\r\n",
     RECODE_DONE},
    {"a digest",
     "MIME-Version: 1.0\r\nContent-Type: MULTIPART/Digest (x); a=\";\"; boundary = b (y) ; z=1\r\n"
     "\r\n--b\r\n\r\nMIME-Version: 1.0\r\n" TEXT "\r\n\xfc " FILLER "\r\n--b--\r\n",
     "MIME-Version: 1.0\r\nContent-Type: MULTIPART/Digest (x); a=\";\"; boundary = b (y) ; z=1\r\n"
     "\r\n--b\r\n\r\nMIME-Version: 1.0\r\n" TEXT QP "=FC " FILLER "\r\n--b--\r\n",
     RECODE_DONE},
    {"signed", "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n" UE "\r\n--b--\r\n",
     NULL, RECODE_SIGNED},
    {"signed, and ASCII, beside what is not",
     MIXED "--b\r\nContent-Type: multipart/signed; boundary=c\r\n\r\n--c\r\n"
           "Content-Transfer-Encoding: 8bit\r\n\r\n= \r\n--c--\r\n--b\r\n" TEXT "\r\n\xfc " FILLER
           "\r\n--b--\r\n",
     MIXED "--b\r\nContent-Type: multipart/signed; boundary=c\r\n\r\n--c\r\n"
           "Content-Transfer-Encoding: 8bit\r\n\r\n= \r\n--c--\r\n--b\r\n" TEXT QP "=FC " FILLER
           "\r\n--b--\r\n",
     RECODE_DONE},
    {"not what it claims", "Content-Transfer-Encoding: base64\r\n\r\n\xfc\r\n", NULL,
     RECODE_ENCODED},
    {"a multipart that claims to be base64",
     "Content-Transfer-Encoding: base64\r\n" MIXED "--b\r\n\r\n\xfc\r\n--b--\r\n", NULL,
     RECODE_ENCODED},
    {"a piece of a message", "Content-Type: message/partial\r\n\r\n\xfc\r\n", NULL, RECODE_ENCODED},
    {"a message in UTF-8 may be encoded (RFC 6532 3.7)",
     "MIME-Version: 1.0\r\nContent-Type: message/global\r\n\r\nA: " UE "\r\n",
     "MIME-Version: 1.0\r\nContent-Type: message/global\r\n" B64 "QTogw7wNCg==\r\n", RECODE_DONE},
    {"no boundary", "Content-Type: multipart/mixed\r\n\r\n--\r\n\xfc\r\n", NULL, RECODE_UNSOUND},
    {"a boundary that is nowhere",
     "Content-Type: multipart/mixed; boundary=c\r\n\r\n--b\r\n\r\n\xfc\r\n", NULL, RECODE_UNSOUND},
    {"a boundary that nobody could find behind an encoded word",
     "Content-Type: multipart/x;\"" UE "\" <; boundary=b\r\n\r\n--b\r\n\r\n\xfc\r\n--b--\r\n", NULL,
     RECODE_UNSOUND},
    {"a boundary that nobody can read",
     "Content-Type: multipart/mixed; boundary=b c\r\n\r\n--b\r\n\r\n\xfc\r\n", NULL,
     RECODE_UNSOUND},
    {"a type that is none is text",
     "MIME-Version: 1.0\r\nContent-Type: multipart\r\n\r\n\xfc " FILLER "\r\n",
     "MIME-Version: 1.0\r\nContent-Type: multipart\r\n" QP "=FC " FILLER "\r\n", RECODE_DONE},
    {"the first of two types counts",
     "MIME-Version: 1.0\r\n" TEXT "Content-Type: image/x\r\n\r\n\xfc " FILLER "\r\n",
     "MIME-Version: 1.0\r\n" TEXT "Content-Type: image/x\r\n" QP "=FC " FILLER "\r\n", RECODE_DONE},
    {"header fields: text", "Subject: a gr" UE "ner  W" UE "rfel, gr" UE "n\r\n\r\nplain\r\n",
     "Subject: a =?utf-8?Q?gr=C3=BCner__W=C3=BCrfel=2C_gr=C3=BCn?=\r\n\r\nplain\r\n", RECODE_DONE},
    {"header fields: a word that is no UTF-8", "X-Y: gr\xfcn x\r\n\r\n",
     "X-Y: =?unknown-8bit?Q?gr=FCn?= x\r\n\r\n", RECODE_DONE},
    {"header fields: addresses and parameters",
     "From: J" UE "rgen M" UE "ller <j@x.example>\r\n" MIXED
     "--b\r\nContent-Disposition: attachment; filename=\"" UE ".pdf\"\r\n\r\nplain\r\n--b--\r\n",
     "From: =?utf-8?Q?J=C3=BCrgen_M=C3=BCller?= <j@x.example>\r\n" MIXED
     "--b\r\nContent-Disposition: attachment; filename=\"=?utf-8?Q?=C3=BC=2Epdf?=\"\r\n\r\nplain\r\n"
     "--b--\r\n",
     RECODE_DONE},
    {"header fields: names in quotes",
     "From: \"J" UE "rgen \\\"J.\\\" M" UE "ller, Ltd\"<j@x.example>\r\n"
     "To: \"Joe, plain\" <a@b>, \"" UE "\" <c@d>, \"" UE " open <e@f>\r\n\r\n",
     "From: =?utf-8?Q?J=C3=BCrgen_=22J=2E=22_M=C3=BCller=2C_Ltd?= <j@x.example>\r\n"
     "To: \"Joe, plain\" <a@b>, =?utf-8?Q?=C3=BC?= <c@d>, \"=?utf-8?Q?=C3=BC?= open <e@f>\r\n\r\n",
     RECODE_DONE},
    {"header fields: folded", "Subject: gr" UE "n\r\n gr" UE "n\r\n x\r\n\r\n",
     "Subject: =?utf-8?Q?gr=C3=BCn_gr=C3=BCn?=\r\n x\r\n\r\n", RECODE_DONE},
};

static void what_becomes_of_it(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct recode_case *c = &cases[i];
        struct slice content = slice_of_text(c->content);
        size_t room = recode_room(content), len;
        char *out = malloc(room);
        enum recode_status status = recode(content, out, room, &len);
        struct slice want = slice_of_text(c->want ? c->want : c->content);
        bool good = status == c->status &&
                    (status != RECODE_DONE || slice_equal(slice_make(out, len), want));
        if (!good)
            printf("\n%s: %s, got\n%.*s\n", c->name, recode_text(status), (int)len, out);
        CU_ASSERT_TRUE(good);
        free(out);
    }
}

// Whatever is escaped where: no line is longer than 76, none ends in a blank, and it reads back.
static void quoted_lines(void)
{
    static const char header[] = "MIME-Version: 1.0\r\n" TEXT "\r\n";
    for (size_t plain = 60; plain < 240; plain++) {
        char content[512], out[512 * 2 + 64 * 1024];
        size_t len = (size_t)sprintf(content, "%s", header), got;
        memset(content + len, 'x', plain);
        content[len + plain / 2] = '\xe4';
        content[len + plain - 1] = ' ';
        len += plain;
        len += (size_t)sprintf(content + len, "\r\n%s\r\n", FILLER FILLER);
        CU_ASSERT_EQUAL_FATAL(recode(slice_make(content, len), out, sizeof(out), &got),
                              RECODE_DONE);
        struct slice rest = slice_make(out, got);
        while (rest.len > 0) {
            struct slice line = slice_cut(&rest, '\n');
            CU_ASSERT(line.len <= 77 && line.data[line.len - 1] == '\r');
            CU_ASSERT(line.len < 2 || line.data[line.len - 2] != ' ');
        }
    }
}

// A line that is cut must not have what looks like a delimiter at its new beginning.
static void no_new_delimiters(void)
{
    for (int pad = 40; pad < 180; pad++) {
        char content[1024], out[4096];
        struct mime_entity e;
        struct mime_piece p;
        size_t len, count = 0;
        int content_len = snprintf(content, sizeof(content),
                                   MIXED "--b\r\n\r\n\xfc%0*d--b\r\n" FILLER "\r\n--b--\r\n", pad,
                                   0);
        CU_ASSERT_EQUAL_FATAL(
            recode(slice_make(content, (size_t)content_len), out, sizeof(out), &len), RECODE_DONE);
        mime_read(slice_make(out, len), MIME_TEXT, &e);
        for (struct slice rest = e.body; mime_part_next(&e, &rest, &p);)
            count++;
        CU_ASSERT_EQUAL(count, 1);
    }
}

// Deep in each other, and many: a limit says no, and the room that is asked for is kept.
static void limits(void)
{
    static char content[1 << 20];
    for (int depth = 1; depth <= 40; depth++) {
        size_t len = 0, got;
        for (int i = 0; i < depth; i++)
            len += (size_t)sprintf(
                content + len, "Content-Type: multipart/x; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
        len += (size_t)sprintf(content + len, "\r\n" UE "\r\n");
        size_t room = recode_room(slice_make(content, len));
        char *out = malloc(room);
        enum recode_status status = recode(slice_make(content, len), out, room, &got);
        CU_ASSERT_EQUAL(status, depth <= 16 ? RECODE_DONE : RECODE_TOO_LARGE);
        free(out);
    }
    for (int parts = 1; parts <= 1000; parts += 37) {
        size_t len = (size_t)sprintf(content, MIXED), got;
        for (int i = 0; i < parts; i++)
            len += (size_t)sprintf(content + len, "--b\r\n\r\n\xfc\r\n");
        size_t room = recode_room(slice_make(content, len));
        char *out = malloc(room);
        enum recode_status status = recode(slice_make(content, len), out, room, &got);
        CU_ASSERT_EQUAL(status, parts < 256 ? RECODE_DONE : RECODE_TOO_LARGE);
        free(out);
    }
}

static const struct suite_test tests[] = {
    {"what becomes of it", what_becomes_of_it},
    {"quoted lines", quoted_lines},
    {"no new delimiters", no_new_delimiters},
    {"limits", limits},
};

SUITE_MAIN("recode", tests)
