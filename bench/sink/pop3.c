#include "bench/sink/pop3.h"

#include "engine/base/check.h"

#include <inttypes.h>
#include <stdlib.h>

struct pop3 {
    struct sink_mailbox *mailbox;
    char user[POP3_LINE_BYTES_MAX];
    bool user_said;
    bool logged_in;
    bool over;
    uint32_t error_count;
    // The maildrop as it was at PASS: numbers are indices + 1.
    struct sink_mail **mails;
    bool *deleted;
    uint32_t mail_count;
    uint32_t last; // the highest number that was retrieved
    size_t line_len;
    char line[POP3_LINE_BYTES_MAX];
};

struct pop3 *pop3_new(struct sink_mailbox *mailbox)
{
    struct pop3 *p = calloc(1, sizeof(*p));
    if (p)
        p->mailbox = mailbox;
    return p;
}

void pop3_free(struct pop3 *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->mail_count; i++)
        sink_mailbox_unref(p->mailbox, p->mails[i]);
    free(p->mails);
    free(p->deleted);
    free(p);
}

static void say(struct pop3 *p, struct buffer *out, struct slice text)
{
    if (!buffer_append(out, text))
        p->over = true;
}

static void say_error(struct pop3 *p, struct buffer *out, const char *why)
{
    p->over = p->over || ++p->error_count > POP3_ERRORS_MAX ||
              !buffer_printf(out, "-ERR %s\r\n", why);
}

void pop3_greet(struct pop3 *p, struct buffer *out)
{
    say(p, out, SLICE("+OK posthaste-sink\r\n"));
}

// ------------------------------------------------------------------------------------- arguments

// The mail that the argument names; NULL when there is none such, after saying so.
static struct sink_mail *named_mail(struct pop3 *p, struct slice number, struct buffer *out,
                                    uint32_t *ret_index)
{
    uint64_t n;
    if (!slice_to_u64(number, p->mail_count, &n) || n == 0 || p->deleted[n - 1]) {
        say_error(p, out, "no such message");
        return NULL;
    }
    *ret_index = (uint32_t)n - 1;
    return p->mails[n - 1];
}

// What is left of the maildrop.
static void count_left(const struct pop3 *p, uint32_t *ret_count, uint64_t *ret_bytes)
{
    *ret_count = 0;
    *ret_bytes = 0;
    for (uint32_t i = 0; i < p->mail_count; i++) {
        if (p->deleted[i])
            continue;
        ++*ret_count;
        *ret_bytes += p->mails[i]->bytes.len;
    }
}

// ------------------------------------------------------------------------------------- commands

static void on_user(struct pop3 *p, struct slice args, struct buffer *out)
{
    if (args.len == 0) {
        say_error(p, out, "say who");
        return;
    }
    memcpy(p->user, args.data, args.len); // a line is no longer than that
    p->user[args.len] = 0;
    p->user_said = true;
    say(p, out, SLICE("+OK\r\n"));
}

static void on_pass(struct pop3 *p, struct slice args, struct buffer *out)
{
    (void)args;
    if (!p->user_said) {
        say_error(p, out, "USER first");
        return;
    }
    struct slice user = slice_of_text(p->user);
    if (slice_find(user, '@') == user.len)
        user = SLICE_EMPTY; // no address: all mail
    if (sink_mailbox_list(p->mailbox, user, &p->mails, &p->mail_count) == 0)
        p->deleted = calloc((size_t)p->mail_count + 1, sizeof(*p->deleted));
    if (!p->deleted) {
        p->over = true;
        return;
    }
    p->logged_in = true;
    buffer_printf(out, "+OK %" PRIu32 " messages\r\n", p->mail_count);
}

static void on_stat(struct pop3 *p, struct slice args, struct buffer *out)
{
    uint32_t count;
    uint64_t bytes;
    (void)args;
    count_left(p, &count, &bytes);
    buffer_printf(out, "+OK %" PRIu32 " %" PRIu64 "\r\n", count, bytes);
}

static void list_one(const struct pop3 *p, uint32_t i, bool uidl, struct buffer *out)
{
    buffer_printf(out, "%" PRIu32 " %" PRIu64 "\r\n", i + 1,
                  uidl ? p->mails[i]->number : p->mails[i]->bytes.len);
}

static void list(struct pop3 *p, struct slice args, bool uidl, struct buffer *out)
{
    uint32_t index;
    if (args.len > 0) {
        if (!named_mail(p, args, out, &index))
            return;
        say(p, out, SLICE("+OK "));
        list_one(p, index, uidl, out);
        return;
    }
    say(p, out, SLICE("+OK\r\n"));
    for (uint32_t i = 0; i < p->mail_count; i++)
        if (!p->deleted[i])
            list_one(p, i, uidl, out);
    say(p, out, SLICE(".\r\n"));
}

static void on_list(struct pop3 *p, struct slice args, struct buffer *out)
{
    list(p, args, false, out);
}

static void on_uidl(struct pop3 *p, struct slice args, struct buffer *out)
{
    list(p, args, true, out);
}

// The header, the empty line, and as many lines more as asked (RFC 1939 section 7), dot-stuffed.
static void say_mail(struct pop3 *p, const struct sink_mail *mail, uint64_t body_lines_max,
                     struct buffer *out)
{
    struct slice rest = mail->bytes;
    bool in_body = false;
    uint64_t body_lines = 0;
    while (rest.len > 0 && body_lines < body_lines_max + !in_body && !p->over) {
        size_t newline = slice_find(rest, '\n');
        struct slice line = slice_take(rest, newline + 1);
        rest = slice_skip(rest, newline + 1);
        if (line.data[0] == '.')
            say(p, out, SLICE("."));
        say(p, out, line);
        if (in_body)
            body_lines++;
        in_body = in_body || slice_equal(line, SLICE("\r\n"));
    }
    say(p, out, SLICE(".\r\n"));
}

static void on_retr(struct pop3 *p, struct slice args, struct buffer *out)
{
    uint32_t index;
    const struct sink_mail *mail = named_mail(p, args, out, &index);
    if (!mail)
        return;
    if (index + 1 > p->last)
        p->last = index + 1;
    buffer_printf(out, "+OK %zu octets\r\n", mail->bytes.len);
    say_mail(p, mail, UINT64_MAX - 1, out);
}

static void on_top(struct pop3 *p, struct slice args, struct buffer *out)
{
    uint32_t index;
    uint64_t lines;
    struct slice number = slice_cut(&args, ' ');
    const struct sink_mail *mail = named_mail(p, number, out, &index);
    if (!mail)
        return;
    if (!slice_to_u64(slice_trim(args), UINT32_MAX, &lines)) {
        say_error(p, out, "say how many lines");
        return;
    }
    say(p, out, SLICE("+OK\r\n"));
    say_mail(p, mail, lines, out);
}

static void on_dele(struct pop3 *p, struct slice args, struct buffer *out)
{
    uint32_t index;
    if (!named_mail(p, args, out, &index))
        return;
    p->deleted[index] = true;
    say(p, out, SLICE("+OK\r\n"));
}

static void on_rset(struct pop3 *p, struct slice args, struct buffer *out)
{
    (void)args;
    memset(p->deleted, 0, p->mail_count * sizeof(*p->deleted));
    p->last = 0;
    say(p, out, SLICE("+OK\r\n"));
}

static void on_last(struct pop3 *p, struct slice args, struct buffer *out)
{
    (void)args;
    buffer_printf(out, "+OK %" PRIu32 "\r\n", p->last);
}

static void on_noop(struct pop3 *p, struct slice args, struct buffer *out)
{
    (void)args;
    say(p, out, SLICE("+OK\r\n"));
}

static void on_capa(struct pop3 *p, struct slice args, struct buffer *out)
{
    (void)args;
    say(p, out, SLICE("+OK\r\nUSER\r\nTOP\r\nUIDL\r\nPIPELINING\r\n.\r\n"));
}

static void on_quit(struct pop3 *p, struct slice args, struct buffer *out)
{
    (void)args;
    for (uint32_t i = 0; i < p->mail_count; i++)
        if (p->deleted[i])
            sink_mailbox_remove(p->mailbox, p->mails[i]);
    say(p, out, SLICE("+OK bye\r\n"));
    p->over = true;
}

static const struct pop3_command {
    const char *name;
    bool before_login, after_login;
    void (*run)(struct pop3 *p, struct slice args, struct buffer *out);
} commands[] = {
    {"USER", true, false, on_user}, {"PASS", true, false, on_pass}, {"CAPA", true, true, on_capa},
    {"QUIT", true, true, on_quit},  {"STAT", false, true, on_stat}, {"LIST", false, true, on_list},
    {"UIDL", false, true, on_uidl}, {"RETR", false, true, on_retr}, {"TOP", false, true, on_top},
    {"DELE", false, true, on_dele}, {"RSET", false, true, on_rset}, {"LAST", false, true, on_last},
    {"NOOP", false, true, on_noop},
};

static void on_line(struct pop3 *p, struct slice line, struct buffer *out)
{
    struct slice args = line;
    struct slice name = slice_cut(&args, ' ');
    for (unsigned i = 0; i < COUNT_OF(commands); i++) {
        const struct pop3_command *c = &commands[i];
        if (!slice_equal_nocase(name, slice_of_text(c->name)))
            continue;
        if (p->logged_in ? c->after_login : c->before_login)
            c->run(p, slice_trim(args), out);
        else
            say_error(p, out, p->logged_in ? "already logged in" : "log in first");
        return;
    }
    say_error(p, out, "no such command");
}

bool pop3_feed(struct pop3 *p, struct slice bytes, struct buffer *out)
{
    while (bytes.len > 0 && !p->over) {
        size_t newline = slice_find(bytes, '\n');
        struct slice part = slice_take(bytes, newline);
        if (p->line_len + part.len >= sizeof(p->line)) {
            p->over = true; // no POP3 client says so much
            break;
        }
        memcpy(p->line + p->line_len, part.data, part.len);
        p->line_len += part.len;
        if (newline == bytes.len)
            break;
        bytes = slice_skip(bytes, newline + 1);
        struct slice line = slice_make(p->line, p->line_len);
        if (line.len > 0 && line.data[line.len - 1] == '\r')
            line.len--;
        p->line_len = 0;
        on_line(p, line, out);
        p->over = p->over || out->len > POP3_BACKLOG_BYTES_MAX;
    }
    return !p->over;
}
