// What files in a pickup directory say. Each case is read whole, cut in two at every place, and
// byte by byte; where a read ends must not change what is understood.
#include "engine/base/random.h"
#include "engine/submit/pickup_format.h"
#include "tests/suite.h"

#include <stdlib.h>
#include <time.h>

#define TEXT_BYTES_MAX (1024 * 1024)
#define MARKS_MAX 8

struct reading {
    struct pickup_rules rules;
    struct pickup_format format;
    struct buffer seen;
    bool in_content;
    struct pickup_mark marks[MARKS_MAX]; // of the messages
    size_t seen_before[MARKS_MAX];       // what was seen before each
    unsigned mark_count;
    bool over;
};

static void see(struct reading *r, const char *word, struct slice text)
{
    CU_ASSERT(buffer_append(&r->seen, slice_of_text(word)) && buffer_append(&r->seen, text));
}

static void see_sender(struct reading *r, const struct pickup_event *e)
{
    if (r->mark_count < MARKS_MAX) {
        r->seen_before[r->mark_count] = r->seen.len;
        r->marks[r->mark_count++] = r->format.mark;
    }
    see(r, "from ", e->address.text);
    if (e->mail.is_8bit)
        see(r, " 8bit", SLICE_EMPTY);
    if (e->mail.smtputf8)
        see(r, " utf8", SLICE_EMPTY);
    if (e->mail.dsn.len > 0)
        see(r, " ", e->mail.dsn);
    see(r, "\n", SLICE_EMPTY);
}

static void see_event(struct reading *r, const struct pickup_event *e)
{
    char text[256];
    switch (e->kind) {
    case PICKUP_EVENT_MORE: break;
    case PICKUP_EVENT_SENDER: see_sender(r, e); break;
    case PICKUP_EVENT_RCPT:
        see(r, "to ", e->address.text);
        see(r, e->text.len ? " " : "", e->text);
        see(r, "\n", SLICE_EMPTY);
        break;
    case PICKUP_EVENT_DATA: see(r, "data\n", SLICE_EMPTY); break;
    case PICKUP_EVENT_CONTENT:
        CU_ASSERT(e->text.len > 0);
        see(r, "", e->text);
        break;
    case PICKUP_EVENT_MESSAGE:
        snprintf(text, sizeof(text), "message%s%s\n", e->has_8bit ? " 8bit" : "",
                 e->has_dot_lines ? " dots" : "");
        see(r, text, SLICE_EMPTY);
        break;
    case PICKUP_EVENT_DROPPED: see(r, "dropped\n", SLICE_EMPTY); break;
    case PICKUP_EVENT_FAULT:
        snprintf(text, sizeof(text), "fault %u%s: ", (unsigned)r->format.fault_line,
                 e->unfinished ? " unfinished" : "");
        see(r, text, e->text);
        see(r, "\n", SLICE_EMPTY);
        r->over = true;
        break;
    case PICKUP_EVENT_END:
        see(r, "end\n", SLICE_EMPTY);
        r->over = true;
        break;
    }
}

// The piece is in memory of its own, and gone afterwards: nothing may be kept of it.
static void read_piece(struct reading *r, struct slice piece, bool at_end)
{
    char *copy = malloc(piece.len + 1);
    CU_ASSERT_FATAL(copy != NULL);
    memcpy(copy, piece.data, piece.len);
    struct slice bytes = slice_make(copy, piece.len);
    while (!r->over) {
        struct pickup_event e = pickup_format_feed(&r->format, &bytes, at_end);
        CU_ASSERT_FATAL(!at_end || e.kind != PICKUP_EVENT_MORE);
        see_event(r, &e);
        if (e.kind == PICKUP_EVENT_MORE)
            break;
    }
    CU_ASSERT(r->over || bytes.len == 0);
    free(copy);
}

static void begin(struct reading *r, struct pickup_rules rules)
{
    *r = (struct reading){.rules = rules};
    if (r->rules.message_bytes_max == 0)
        r->rules.message_bytes_max = 100000;
    if (r->rules.rcpt_count_max == 0)
        r->rules.rcpt_count_max = 1000;
    buffer_init(&r->seen, TEXT_BYTES_MAX);
    pickup_format_init(&r->format);
    pickup_format_start(&r->format, &r->rules, NULL);
}

static void end(struct reading *r)
{
    pickup_format_release(&r->format);
    buffer_release(&r->seen);
}

struct format_case {
    const char *name;
    struct slice file;
    const char *want;
    struct pickup_rules rules;
    bool with_crlf; // the same file with CRLF for each LF is read as the same
};

static void expect(const struct format_case *c, const struct reading *r, const char *how, size_t at)
{
    struct slice want = slice_of_text(c->want);
    if (!slice_equal(buffer_slice(&r->seen), want))
        printf("\n%s (%s %zu)\nwant %s\ngot  %.*s\n", c->name, how, at, c->want,
               SLICE_ARG(buffer_slice(&r->seen)));
    CU_ASSERT(slice_equal(buffer_slice(&r->seen), want));
}

static void read_bytewise(const struct format_case *c)
{
    struct reading r;
    begin(&r, c->rules);
    for (size_t i = 0; i < c->file.len; i++)
        read_piece(&r, slice_take(slice_skip(c->file, i), 1), false);
    read_piece(&r, SLICE_EMPTY, true);
    expect(c, &r, "byte by byte", 0);
    end(&r);
}

static void read_every_way(const struct format_case *c)
{
    for (size_t cut = 0; cut <= c->file.len; cut++) {
        struct reading r;
        begin(&r, c->rules);
        read_piece(&r, slice_take(c->file, cut), false);
        read_piece(&r, slice_skip(c->file, cut), true);
        expect(c, &r, "cut at", cut);
        end(&r);
    }
    read_bytewise(c);
}

static struct slice with_crlf(struct slice text)
{
    char *to = malloc(text.len * 2 + 1);
    size_t len = 0;
    CU_ASSERT_FATAL(to != NULL);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\n')
            to[len++] = '\r';
        to[len++] = text.data[i];
    }
    return slice_make(to, len);
}

static void read_cases(const struct format_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        read_every_way(&cases[i]);
        if (!cases[i].with_crlf)
            continue;
        struct format_case other = cases[i];
        other.file = with_crlf(cases[i].file);
        read_every_way(&other);
        free((char *)(uintptr_t)other.file.data);
    }
}

#define LINE_99                                                                                     \
    "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123" \
    "456789"
#define TEN(x) x x x x x x x x x x

static const struct format_case message_cases[] = {
    {"envelope on top",
     SLICE("x-sender: a@b.example\nx-receiver: c@d.example\nSubject: hi\n\ntext\n"),
     "from a@b.example\nto c@d.example\ndata\nSubject: hi\r\n\r\ntext\r\nmessage\nend\n",
     .with_crlf = true},
    {"any case, several receivers, blanks, <>",
     SLICE("X-Sender:<a@b.example>\nX-RECEIVER:\tc@d.example \nx-Receiver:   <e@f.example>\n\nx\n"),
     "from a@b.example\nto c@d.example\nto e@f.example\ndata\n\r\nx\r\nmessage\nend\n",
     .with_crlf = true},
    {"from a mailbox",
     SLICE("From joe Sun Nov 22 05:24:15 2026\nx-sender: a@b.example\nx-receiver: c@d.example\n"
           ">From joe\nSubject: hi\n\nFrom x\n"),
     "from a@b.example\nto c@d.example\ndata\nSubject: hi\r\n\r\nFrom x\r\nmessage\nend\n",
     .with_crlf = true},
    {"from a mailbox, no envelope", SLICE("From joe\nFrom: a@b.example\nTo: c@d.example\n\nx\n"),
     "fault 2: no x-sender: and x-receiver: lines stand on top, and recipients-from-header is off\n",
     .with_crlf = true},
    {"null sender", SLICE("x-sender: <>\nx-receiver: c@d.example\nA: b\n"),
     "from \nto c@d.example\ndata\nA: b\r\nmessage\nend\n", .with_crlf = true},
    {"empty sender", SLICE("x-sender:\nx-receiver: c@d.example\nA: b\n"),
     "from \nto c@d.example\ndata\nA: b\r\nmessage\nend\n", .with_crlf = true},
    {"parameters",
     SLICE("x-sender: <a@b.example> RET=HDRS BODY=8BITMIME ENVID=77\n"
           "x-receiver: <c@d.example> NOTIFY=NEVER ORCPT=rfc822;c@d.example\nA: b\n"),
     "from a@b.example 8bit RET=HDRS ENVID=77\n"
     "to c@d.example NOTIFY=NEVER ORCPT=rfc822;c@d.example\ndata\nA: b\r\nmessage\nend\n"},
    {"quoted local part with a blank",
     SLICE("x-sender: \"a b\"@b.example\nx-receiver: \"c d\"@d.example\nA: b\n"),
     "from \"a b\"@b.example\nto \"c d\"@d.example\ndata\nA: b\r\nmessage\nend\n"},
    {"UTF-8", SLICE("x-sender: \xc3\xa4@b.example\nx-receiver: \xc3\xb6@d.example\nA: \xc3\xa4\n"),
     "from \xc3\xa4@b.example utf8\nto \xc3\xb6@d.example\ndata\nA: \xc3\xa4\r\nmessage 8bit\nend\n"},
    {"no last line end", SLICE("x-sender: a@b.example\nx-receiver: c@d.example\nA: b\n\ntext"),
     "from a@b.example\nto c@d.example\ndata\nA: b\r\n\r\ntext\r\nmessage\nend\n",
     .with_crlf = true},
    {"no last line end in the header",
     SLICE("x-sender: a@b.example\nx-receiver: c@d.example\nA: b"),
     "from a@b.example\nto c@d.example\ndata\nA: b\r\nmessage\nend\n", .with_crlf = true},
    {"nothing behind the envelope", SLICE("x-sender: a@b.example\nx-receiver: c@d.example"),
     "from a@b.example\nto c@d.example\ndata\nmessage\nend\n", .with_crlf = true},
    {"dots are what they are",
     SLICE("x-sender: a@b.example\nx-receiver: c@d.example\nA: b\n\n.\n..\n.x\nlast\n"),
     "from a@b.example\nto c@d.example\ndata\nA: b\r\n\r\n.\r\n..\r\n.x\r\nlast\r\nmessage dots\n"
     "end\n",
     .with_crlf = true},
    {"no header", SLICE("x-sender: a@b.example\nx-receiver: c@d.example\njust text\nBcc: x@y\n"),
     "from a@b.example\nto c@d.example\ndata\njust text\r\nBcc: x@y\r\nmessage\nend\n",
     .with_crlf = true},
    {"Bcc is left out, folded too",
     SLICE("x-sender: a@b.example\nx-receiver: c@d.example\nBCC: e@f.example,\n g@h.example\n"
           "To: c@d.example\nResent-Bcc : i@j.example\nX-Bcc: stays\nBcc-Not: stays\nbcc:\n\nBcc: "
           "body\n"),
     "from a@b.example\nto c@d.example\ndata\nTo: c@d.example\r\nX-Bcc: stays\r\nBcc-Not: "
     "stays\r\n\r\nBcc: body\r\nmessage\nend\n",
     .with_crlf = true},
    {"nothing but a Bcc",
     SLICE("x-sender: a@b.example\nx-receiver: c@d.example\nBcc: e@f.example\n"),
     "from a@b.example\nto c@d.example\ndata\nmessage\nend\n", .with_crlf = true},
    {"mixed line ends",
     SLICE("x-sender: a@b.example\nx-receiver: c@d.example\r\nA: b\r\n\nx\r\ny\n\nz\r\n"),
     "from a@b.example\nto c@d.example\ndata\nA: b\r\n\r\nx\r\ny\r\n\r\nz\r\nmessage\nend\n"},
    {"further x- fields are the message's",
     SLICE("x-sender: a@b.example\nx-receiver: c@d.example\nA: b\nx-receiver: no@no.example\n\n"),
     "from a@b.example\nto c@d.example\ndata\nA: b\r\nx-receiver: no@no.example\r\n\r\nmessage\n"
     "end\n",
     .with_crlf = true},
    {"longest line",
     SLICE("x-sender: a@b.example\nx-receiver: c@d.example\n\n" TEN(LINE_99) "12345678\n"),
     "from a@b.example\nto c@d.example\ndata\n\r\n" TEN(LINE_99) "12345678\r\nmessage\nend\n",
     .with_crlf = true},
    // What is wrong.
    {"empty", SLICE(""), "fault 1 unfinished: the file is empty\n"},
    {"receiver first", SLICE("x-receiver: c@d.example\nx-sender: a@b.example\n\n"),
     "fault 1: a recipient before the sender\n", .with_crlf = true},
    {"two senders", SLICE("x-sender: a@b.example\nx-sender: a@b.example\n\n"),
     "from a@b.example\nfault 2: a second sender for one message\n", .with_crlf = true},
    {"no receiver", SLICE("x-sender: a@b.example\nA: b\n\n"),
     "from a@b.example\nfault 2: no x-sender: and x-receiver: lines stand on top, and "
     "recipients-from-header is off\n",
     .with_crlf = true},
    {"no envelope", SLICE("From: a@b.example\nTo: c@d.example\n\nx\n"),
     "fault 1: no x-sender: and x-receiver: lines stand on top, and recipients-from-header is off\n",
     .with_crlf = true},
    {"bad sender", SLICE("x-sender: a b@c.example\nx-receiver: c@d.example\n\n"),
     "fault 1: Bad sender address syntax\n", .with_crlf = true},
    {"bad receiver", SLICE("x-sender: <>\nx-receiver: c@\n\n"),
     "from \nfault 2: Bad recipient address syntax\n", .with_crlf = true},
    {"no receiver's address", SLICE("x-sender: <>\nx-receiver:\n\n"),
     "from \nfault 2: Bad recipient address syntax\n", .with_crlf = true},
    {"unknown parameter", SLICE("x-sender: <> X=1\nx-receiver: c@d.example\n\n"),
     "fault 1: Unknown parameter\n", .with_crlf = true},
    {"continued", SLICE("x-sender: <>\nx-receiver: <c@d.example>\n NOTIFY=NEVER\n\n"),
     "from \nto c@d.example\nfault 3: an x-sender: or x-receiver: line is continued\n",
     .with_crlf = true},
    {"too many recipients",
     SLICE("x-sender: <>\nx-receiver: a@b.example\nx-receiver: c@d.example\n"),
     "from \nto a@b.example\nfault 3: more recipients than max-recipients\n",
     {.rcpt_count_max = 1},
     .with_crlf = true},
    {"just fits",
     SLICE("x-sender: <>\nx-receiver: a@b.example\nA: b\n\n1234567890\n"),
     "from \nto a@b.example\ndata\nA: b\r\n\r\n1234567890\r\nmessage\nend\n",
     {.message_bytes_max = 20},
     .with_crlf = true},
};

#define FROM_HEADER                                                                                \
    {                                                                                              \
        .recipients_from_header = true                                                             \
    }

static const struct format_case header_cases[] = {
    {"From, To, Cc, Bcc",
     SLICE("From: A <a@b.example>, x@y.example\nTo: c@d.example,\n \"E, F\" <e@f.example>\n"
           "Bcc: g@h.example\nSubject: x\nCc: i@j.example (I), group: k@l.example, m@n.example;\n"
           "\ntext\n"),
     "from a@b.example\nto c@d.example\nto e@f.example\nto g@h.example\nto i@j.example\n"
     "to k@l.example\nto m@n.example\ndata\n"
     "From: A <a@b.example>, x@y.example\r\nTo: c@d.example,\r\n \"E, F\" <e@f.example>\r\n"
     "Subject: x\r\nCc: i@j.example (I), group: k@l.example, m@n.example;\r\n\r\ntext\r\n"
     "message\nend\n",
     FROM_HEADER, .with_crlf = true},
    {"Sender before From", SLICE("From: a@b.example\nTo: c@d.example\nSender: s@t.example\n\n"),
     "from s@t.example\nto c@d.example\ndata\nFrom: a@b.example\r\nTo: c@d.example\r\nSender: "
     "s@t.example\r\n\r\nmessage\nend\n",
     FROM_HEADER, .with_crlf = true},
    {"sent on",
     SLICE("Resent-From: r@s.example\nResent-To: t@u.example\nFrom: a@b.example\nTo: "
           "c@d.example\nResent-Bcc: v@w.example\n\n"),
     "from r@s.example\nto t@u.example\nto v@w.example\ndata\nResent-From: r@s.example\r\n"
     "Resent-To: t@u.example\r\nFrom: a@b.example\r\nTo: c@d.example\r\n\r\nmessage\nend\n",
     FROM_HEADER, .with_crlf = true},
    {"the lines on top decide",
     SLICE("x-sender: s@t.example\nx-receiver: r@t.example\nFrom: a@b.example\nTo: "
           "c@d.example\n\n"),
     "from s@t.example\nto r@t.example\ndata\nFrom: a@b.example\r\nTo: c@d.example\r\n\r\n"
     "message\nend\n",
     FROM_HEADER, .with_crlf = true},
    {"a sender on top", SLICE("x-sender: <>\nFrom: a@b.example\nTo: c@d.example\n\nx"),
     "from \nto c@d.example\ndata\nFrom: a@b.example\r\nTo: c@d.example\r\n\r\nx\r\n"
     "message\nend\n",
     FROM_HEADER, .with_crlf = true},
    {"from a mailbox",
     SLICE("From joe Sun Nov 22 05:24:15 2026\nFrom: a@b.example\nTo: c@d.example\n"),
     "from a@b.example\nto c@d.example\ndata\nFrom: a@b.example\r\nTo: c@d.example\r\nmessage\nend\n",
     FROM_HEADER, .with_crlf = true},
    {"no body", SLICE("Bcc: c@d.example\nFrom: a@b.example"),
     "from a@b.example\nto c@d.example\ndata\nFrom: a@b.example\r\nmessage\nend\n", FROM_HEADER,
     .with_crlf = true},
    {"no sender", SLICE("To: c@d.example\n\n"),
     "fault 1: neither Sender: nor From: says who sends it\n", FROM_HEADER, .with_crlf = true},
    {"nobody to send to", SLICE("From: a@b.example\nTo: nobody:;\n\n"),
     "from a@b.example\nfault 1: the message has no recipient\n", FROM_HEADER, .with_crlf = true},
    {"no address in a later field",
     SLICE("From: a@b.example\nTo: c@d.example\nX: y\n y\nCc: e@f.example,\n g@h.example\nX: y\n"
           "Bcc:\n John Doe\n\n"),
     "from a@b.example\nto c@d.example\nto e@f.example\nto g@h.example\n"
     "fault 8: the field holds something that is no address\n",
     FROM_HEADER, .with_crlf = true},
    {"no address", SLICE("From: a@b.example\nSubject: x\nTo: c@d.example,\n John Doe\n\n"),
     "from a@b.example\nto c@d.example\nfault 3: the field holds something that is no address\n",
     FROM_HEADER, .with_crlf = true},
    {"no domain", SLICE("From: a@b.example\nTo: root\n\n"),
     "from a@b.example\nfault 2: Bad recipient address syntax\n", FROM_HEADER, .with_crlf = true},
    {"body alone", SLICE("just text\n"), "fault 1: neither Sender: nor From: says who sends it\n",
     FROM_HEADER, .with_crlf = true},
    {"too many",
     SLICE("From: a@b.example\nTo: b@c.example, c@d.example\n"),
     "from a@b.example\nto b@c.example\nfault 2: more recipients than max-recipients\n",
     {.recipients_from_header = true, .rcpt_count_max = 1},
     .with_crlf = true},
    {"BSMTP as ever", SLICE("MAIL FROM:<>\nRCPT TO:<a@b.example>\nDATA\nTo: c@d.example\n.\n"),
     "from \nto a@b.example\ndata\nTo: c@d.example\r\nmessage\nend\n", FROM_HEADER,
     .with_crlf = true},
};

// How much of a line was given before its fault was found depends on where the bytes were cut:
// these look at the fault alone.
static const struct format_case fault_cases[] = {
    {"line too long",
     SLICE("x-sender: a@b.example\nx-receiver: c@d.example\n\nok\n" TEN(LINE_99) "123456789\n"),
     "fault 5: the line has more than 998 bytes\n"},
    {"too large",
     SLICE("x-sender: <>\nx-receiver: a@b.example\nA: b\n\n1234567890\n"),
     "fault 5: the message is larger than max-message\n",
     {.message_bytes_max = 19}},
    {"bare CR", SLICE("x-sender: <>\nx-receiver: a@b.example\nA: b\n\n1\n2\n3\rx\n4\n"),
     "fault 7: a CR without LF stands in the line\n"},
    {"bare CR in CRLF",
     SLICE("x-sender: <>\r\nx-receiver: a@b.example\r\nA: b\r\n\r\n1\r\n2\rx\r\n"),
     "fault 6: a CR without LF stands in the line\n"},
    {"bare CR at a line's end", SLICE("x-sender: <>\nx-receiver: a@b.example\nA: b\n\n1\n2\r\r\n"),
     "fault 6: a CR without LF stands in the line\n"},
    {"bare CR at the end", SLICE("x-sender: <>\nx-receiver: a@b.example\nA: b\n\n1\n2\r"),
     "fault 6: a CR without LF stands in the line\n"},
    {"bare CR in the header", SLICE("x-sender: <>\nx-receiver: a@b.example\nA: b\nC: \rd\n\n1\n"),
     "fault 4: a CR without LF stands in the line\n"},
    {"behind a Bcc",
     SLICE("x-sender: <>\nx-receiver: a@b.example\nA: b\nBcc: x\n y\nC: \rd\n\n1\n"),
     "fault 6: a CR without LF stands in the line\n"},
    {"NUL", SLICE("x-sender: <>\nx-receiver: a@b.example\nA: b\n\n1\n\0\n3\n"),
     "fault 6: a NUL stands in the line\n"},
    {"bare CR in the envelope", SLICE("x-sender: <>\nx-receiver: a@b.example\rx\nA: b\n\n1\n"),
     "fault 2: Control character in command; lines end in CRLF\n"},
    {"BSMTP, bare CR", SLICE("MAIL FROM:<>\nRCPT TO:<a@b.example>\nDATA\nx\ry\n.\n"),
     "fault 4: a CR without LF stands in the line\n"},
    {"BSMTP, CR behind a dot", SLICE("MAIL FROM:<>\nRCPT TO:<a@b.example>\nDATA\nx\n.\ry\n.\n"),
     "fault 5: a CR without LF stands in the line\n"},
    {"BSMTP, bare LF", SLICE("MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\nx\r\ny\nz\r\n.\r\n"),
     "fault 5: a bare LF ends the line, in a file with CRLF\n"},
    {"BSMTP, dot and bare LF",
     SLICE(
         "MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\nx\r\n.\nMAIL FROM:<evil@x.example>\r\n"),
     "fault 5: a bare LF ends the line, in a file with CRLF\n"},
    {"BSMTP, a smuggled message",
     SLICE(
         "MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\nx\n.\r\nMAIL FROM:<evil@x.example>\r\n"),
     "fault 4: a bare LF ends the line, in a file with CRLF\n"},
    {"BSMTP, bare LF in a command",
     SLICE("MAIL FROM:<>\r\nRCPT TO:<a@b.example>\nDATA\r\nx\r\n.\r\n"),
     "fault 2: a bare LF ends the line, in a file with CRLF\n"},
};

static void test_message(void)
{
    read_cases(message_cases, sizeof(message_cases) / sizeof(message_cases[0]));
}

static void test_header(void)
{
    read_cases(header_cases, sizeof(header_cases) / sizeof(header_cases[0]));
}

static struct slice fault_of(const struct reading *r)
{
    struct slice seen = buffer_slice(&r->seen);
    const char *at = memmem(seen.data, seen.len, "fault ", 6);
    return at ? slice_skip(seen, (size_t)(at - seen.data)) : SLICE_EMPTY;
}

static void test_faults(void)
{
    for (size_t i = 0; i < sizeof(fault_cases) / sizeof(fault_cases[0]); i++) {
        const struct format_case *c = &fault_cases[i];
        for (size_t cut = 0; cut <= c->file.len; cut++) {
            struct reading r;
            begin(&r, c->rules);
            read_piece(&r, slice_take(c->file, cut), false);
            read_piece(&r, slice_skip(c->file, cut), true);
            if (!slice_equal(fault_of(&r), slice_of_text(c->want)))
                printf("\n%s cut at %zu\nwant %s got %.*s\n", c->name, cut, c->want,
                       SLICE_ARG(buffer_slice(&r.seen)));
            CU_ASSERT(slice_equal(fault_of(&r), slice_of_text(c->want)));
            CU_ASSERT_PTR_NULL(memmem(r.seen.data, r.seen.len, "evil", 4));
            end(&r);
        }
    }
}

#define TWO                                                                                        \
    "HELO there\nMAIL FROM:<a@b.example> SIZE=100\nRCPT TO:<c@d.example>\nRCPT "                   \
    "TO:<e@f.example>\nDATA\nSubject: 1\n\n..\n..x\ntext\n.\nMAIL FROM:<>\nRCPT "                  \
    "TO:<c@d.example>\nDATA\n.\nQUIT\n"
#define TWO_SEEN                                                                                   \
    "from a@b.example\nto c@d.example\nto e@f.example\ndata\nSubject: "                            \
    "1\r\n\r\n.\r\n.x\r\ntext\r\nmessage dots\nfrom \nto c@d.example\ndata\nmessage\n"

static const struct format_case bsmtp_cases[] = {
    {"two messages", SLICE(TWO), TWO_SEEN "end\n", .with_crlf = true},
    {"files put together", SLICE(TWO "\n" TWO), TWO_SEEN TWO_SEEN "end\n", .with_crlf = true},
    {"no hello, no QUIT, any case",
     SLICE("mail from:<a@b.example>\nrcpt to:<c@d.example>\ndata\nx\n.\n"),
     "from a@b.example\nto c@d.example\ndata\nx\r\nmessage\nend\n", .with_crlf = true},
    {"parameters",
     SLICE("EHLO there\nMAIL FROM:<\xc3\xa4@b.example> ENVID=7 BODY=8BITMIME SMTPUTF8 RET=FULL\n"
           "RCPT TO:<\xc3\xa4@d.example> NOTIFY=SUCCESS,DELAY ORCPT=utf-8;\xc3\xa4@d.example\n"
           "DATA\n\xc3\xa4\n.\n"),
     "from \xc3\xa4@b.example 8bit utf8 RET=FULL ENVID=7\n"
     "to \xc3\xa4@d.example NOTIFY=SUCCESS,DELAY ORCPT=utf-8;\xc3\xa4@d.example\n"
     "data\n\xc3\xa4\r\nmessage 8bit\nend\n",
     .with_crlf = true},
    {"what clients say besides",
     SLICE("NOOP\nEHLO\nHELP me\nVRFY x\nEXPN y\nVERB ON\n\nMAIL FROM:<>\nNOOP\nRCPT "
           "TO:<c@d.example>\n\nDATA\nx\n.\nRSET\nQUIT\n"),
     "from \nto c@d.example\ndata\nx\r\nmessage\nend\n", .with_crlf = true},
    {"dropped",
     SLICE("MAIL FROM:<a@b.example>\nRSET\nMAIL FROM:<c@d.example>\nRCPT TO:<e@f.example>\nHELO "
           "x\nMAIL FROM:<g@h.example>\nRCPT TO:<i@j.example>\nDATA\nx\n.\nMAIL FROM:<>\nQUIT\n"),
     "from a@b.example\ndropped\nfrom c@d.example\nto e@f.example\ndropped\nfrom g@h.example\nto "
     "i@j.example\ndata\nx\r\nmessage\nfrom \ndropped\nend\n",
     .with_crlf = true},
    {"Bcc stays: who writes commands has said who gets what",
     SLICE("MAIL FROM:<>\nRCPT TO:<c@d.example>\nDATA\nBcc: x@y.example\n\n.\n"),
     "from \nto c@d.example\ndata\nBcc: x@y.example\r\n\r\nmessage\nend\n", .with_crlf = true},
    {"a command without an end", SLICE("MAIL FROM:<>\nRCPT TO:<c@d.example>\nDATA\nx\n.\nQUIT"),
     "from \nto c@d.example\ndata\nx\r\nmessage\nend\n", .with_crlf = true},
    {"text with commands in it",
     SLICE("MAIL FROM:<>\nRCPT TO:<c@d.example>\nDATA\nQUIT\nRSET\n..\nMAIL FROM:<no@no.example>\n"
           ".\n"),
     "from \nto c@d.example\ndata\nQUIT\r\nRSET\r\n.\r\nMAIL FROM:<no@no.example>\r\nmessage "
     "dots\nend\n",
     .with_crlf = true},
    // What is wrong.
    {"no final dot", SLICE("MAIL FROM:<>\nRCPT TO:<c@d.example>\nDATA\nx\n"),
     "from \nto c@d.example\ndata\nx\r\nfault 4 unfinished: the file ends inside of a message\n",
     .with_crlf = true},
    {"a dot without an end", SLICE("MAIL FROM:<>\nRCPT TO:<c@d.example>\nDATA\nx\n."),
     "from \nto c@d.example\ndata\nx\r\nfault 5 unfinished: the file ends inside of a message\n",
     .with_crlf = true},
    {"no DATA", SLICE("MAIL FROM:<>\nRCPT TO:<c@d.example>\n"),
     "from \nto c@d.example\nfault 2 unfinished: the file ends before its last message\n",
     .with_crlf = true},
    {"half a command", SLICE("MAIL FROM:<>\nRCPT TO:<c@d.example>\nDA"),
     "from \nto c@d.example\nfault 3 unfinished: no such command\n", .with_crlf = true},
    {"half an address", SLICE("MAIL FROM:<>\nRCPT TO:<c@d.exa"),
     "from \nfault 2 unfinished: Bad recipient address syntax\n", .with_crlf = true},
    {"nothing sent", SLICE("HELO x\nQUIT\n"),
     "fault 2 unfinished: there is no message in the file\n", .with_crlf = true},
    {"the second is wrong",
     SLICE("MAIL FROM:<>\nRCPT TO:<c@d.example>\nDATA\nx\n.\nMAIL FROM:<>\nRCPT TO:<c@>\nDATA\n"),
     "from \nto c@d.example\ndata\nx\r\nmessage\nfrom \nfault 7: Bad recipient address syntax\n",
     .with_crlf = true},
    {"no recipient", SLICE("MAIL FROM:<>\nDATA\nx\n.\n"),
     "from \nfault 2: the message has no recipient\n", .with_crlf = true},
    {"RCPT first", SLICE("HELO x\nRCPT TO:<c@d.example>\n"),
     "fault 2: a recipient before the sender\n", .with_crlf = true},
    {"DATA first", SLICE("HELO x\nDATA\n"), "fault 2: DATA before MAIL\n", .with_crlf = true},
    {"DATA with more", SLICE("MAIL FROM:<>\nRCPT TO:<c@d.example>\nDATA x\n"),
     "from \nto c@d.example\nfault 3: DATA stands alone in its line\n", .with_crlf = true},
    {"MAIL twice", SLICE("MAIL FROM:<>\nMAIL FROM:<>\n"),
     "from \nfault 2: a second sender for one message\n", .with_crlf = true},
    {"BDAT", SLICE("MAIL FROM:<>\nRCPT TO:<c@d.example>\nBDAT 3 LAST\nabc"),
     "from \nto c@d.example\nfault 3: BDAT has no place in a file: say DATA\n", .with_crlf = true},
    {"no command", SLICE("HELO x\nSubject: x\n"), "fault 2: no such command\n", .with_crlf = true},
    {"SIZE",
     SLICE("MAIL FROM:<> SIZE=101\n"),
     "fault 1: SIZE is more than max-message\n",
     {.message_bytes_max = 100},
     .with_crlf = true},
    {"UTF-8 undeclared", SLICE("MAIL FROM:<\xc3\xa4@b.example>\n"),
     "fault 1: Address needs SMTPUTF8\n", .with_crlf = true},
};

static void test_bsmtp(void)
{
    read_cases(bsmtp_cases, sizeof(bsmtp_cases) / sizeof(bsmtp_cases[0]));
}

// From the mark of any message on, the rest is read as it was the first time.
static void test_marks(void)
{
    static const char *const files[] = {TWO TWO,
                                        "x-sender: <>\nx-receiver: a@b.example\nA: b\n\nx\n"};
    for (size_t i = 0; i < 2; i++) {
        for (int crlf = 0; crlf < 2; crlf++) {
            struct slice file = slice_of_text(files[i]);
            struct reading all, rest;
            if (crlf)
                file = with_crlf(file);
            begin(&all, (struct pickup_rules){.rcpt_count_max = 0});
            read_piece(&all, file, true);
            CU_ASSERT_EQUAL(all.mark_count, i == 0 ? 4 : 1);
            for (unsigned m = 0; m < all.mark_count; m++) {
                begin(&rest, all.rules);
                pickup_format_start(&rest.format, &rest.rules, &all.marks[m]);
                read_piece(&rest, slice_skip(file, all.marks[m].offset), true);
                CU_ASSERT(slice_equal(buffer_slice(&rest.seen),
                                      slice_skip(buffer_slice(&all.seen), all.seen_before[m])));
                CU_ASSERT_EQUAL(rest.marks[0].line, all.marks[m].line);
                end(&rest);
            }
            end(&all);
            if (crlf)
                free((char *)(uintptr_t)file.data);
        }
    }
}

// Texts of pieces that mean something, in any order, cut anywhere: what is seen is the same, ends
// with one END or FAULT, and content holds CRLF lines and nothing else (see_event() and the scan).
static void test_any_text(void)
{
    static const char *const pieces[] = {"x-sender: <>\n",
                                         "x-receiver: a@b.example\n",
                                         "MAIL FROM:<>\n",
                                         "RCPT TO:<a@b.example>\n",
                                         "DATA\n",
                                         ".\n",
                                         ".\r\n",
                                         "\r\n",
                                         "\n",
                                         "\r",
                                         ".",
                                         "..",
                                         "Bcc: x\n",
                                         " folded\n",
                                         "A: b\n",
                                         "QUIT\n",
                                         "RSET\r\n",
                                         "\n.\n",
                                         "x"};
    struct random dice;
    random_init(&dice, 1);
    for (int round = 0; round < 20000; round++) {
        char text[512];
        size_t len = 0;
        if (random_below(&dice, 2)) {
            const char *top = random_below(&dice, 2)
                                  ? "MAIL FROM:<>\nRCPT TO:<a@b.example>\nDATA\n"
                                  : "x-sender: <>\r\nx-receiver: a@b.example\r\n";
            len = strlen(top);
            memcpy(text, top, len);
        }
        for (uint32_t count = random_below(&dice, 12); count > 0; count--) {
            const char *piece = pieces[random_below(&dice, sizeof(pieces) / sizeof(pieces[0]))];
            memcpy(text + len, piece, strlen(piece));
            len += strlen(piece);
        }
        struct reading whole, cut;
        begin(&whole, (struct pickup_rules){.rcpt_count_max = 0});
        begin(&cut, whole.rules);
        read_piece(&whole, slice_make(text, len), true);
        for (size_t at = 0; at < len;) {
            size_t take = 1 + random_below(&dice, 5);
            if (take > len - at)
                take = len - at;
            read_piece(&cut, slice_make(text + at, take), false);
            at += take;
        }
        read_piece(&cut, SLICE_EMPTY, true);
        bool is_fault = memmem(whole.seen.data, whole.seen.len, "fault", 5) != NULL;
        bool same = is_fault ? slice_equal(fault_of(&whole), fault_of(&cut))
                             : slice_equal(buffer_slice(&whole.seen), buffer_slice(&cut.seen));
        if (!same)
            printf("\n%.*s\nwhole %.*s\ncut %.*s\n", (int)len, text,
                   SLICE_ARG(buffer_slice(&whole.seen)), SLICE_ARG(buffer_slice(&cut.seen)));
        CU_ASSERT(same);
        end(&whole);
        end(&cut);
    }
}

// A header with as many fields as fit is read in a time that grows with its bytes.
static void test_many_fields(void)
{
    struct buffer text;
    buffer_init(&text, TEXT_BYTES_MAX);
    CU_ASSERT_FATAL(buffer_append(&text, SLICE("From: a@b.example\n")));
    for (unsigned i = 0; i < 100000; i++)
        CU_ASSERT_FATAL(buffer_append(&text, SLICE("To:\n")));
    CU_ASSERT_FATAL(buffer_append(&text, SLICE("Bcc: c@d.example,\n John Doe\n\n")));
    struct reading r;
    begin(&r, (struct pickup_rules){.recipients_from_header = true});
    read_piece(&r, buffer_slice(&text), true); // seconds, if it were not so
    CU_ASSERT(slice_equal(fault_of(&r),
                          SLICE("fault 100002: the field holds something that is no address\n")));
    end(&r);
    buffer_release(&text);
}

static const struct suite_test tests[] = {
    {"message", test_message},
    {"faults", test_faults},
    {"header", test_header},
    {"BSMTP", test_bsmtp},
    {"marks", test_marks},
    {"any text", test_any_text},
    {"many fields", test_many_fields},
};

SUITE_MAIN("pickup_format", tests)
