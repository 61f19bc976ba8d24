// The command grammar: what it accepts, printed and read again, is the same; its fields lie within
// the line and hold nothing that could end one.
#include "engine/base/buffer.h"
#include "engine/base/check.h"
#include "engine/smtp/command.h"
#include "tests/fuzz/fuzz.h"

// The first byte says what the server offers.
#define SEED(literal)                                                                              \
    {                                                                                              \
        "\017" literal, sizeof(literal)                                                            \
    }
const struct slice fuzz_seeds[] = {
    SEED("EHLO client.example"),
    SEED("HELO [IPv6:2001:db8::1]"),
    SEED("MAIL FROM:<a@example.org> SIZE=1000 BODY=8BITMIME SMTPUTF8"),
    SEED("MAIL FROM:<> RET=HDRS ENVID=QQ+2B314159"),
    SEED("MAIL FROM:<@a.example,@b.example:\"quoted \\\" local\"@[127.0.0.1]>"),
    SEED("RCPT TO:<Postmaster> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;a+40b"),
    SEED("RCPT TO:<\xc3\xa9@\xe4\xbe\x8b.example> ORCPT=utf-8;\xc3\xa9@b NOTIFY=NEVER"),
    SEED("BDAT 86 LAST"),
    SEED("VRFY someone"),
    SEED("QUIT "),
    {"\037STARTTLS", 9},
    {"\037AUTH PLAIN AGEAYg==", 20},
    {"\037MAIL FROM:<a@b> AUTH=<>", 24},
};
const size_t fuzz_seed_count = COUNT_OF(fuzz_seeds);
const struct slice fuzz_words[] = {
    SLICE("EHLO "),  SLICE("MAIL FROM:<"), SLICE("RCPT TO:<"), SLICE("> "),
    SLICE("@"),      SLICE("\""),          SLICE("\\"),        SLICE("."),
    SLICE("["),      SLICE("]"),           SLICE("IPv6:"),     SLICE(" SIZE="),
    SLICE(" BODY="), SLICE("7BIT"),        SLICE(" SMTPUTF8"), SLICE(" RET="),
    SLICE("FULL"),   SLICE(" ENVID="),     SLICE("+0D+0A"),    SLICE("+2B"),
    SLICE("NEVER"),  SLICE(" ORCPT="),     SLICE(" NOTIFY="),  SLICE("SUCCESS"),
    SLICE(","),      SLICE("BDAT "),       SLICE(" LAST"),     SLICE("18446744073709551615"),
    SLICE("\r\n"),   SLICE("\0"),          SLICE("\xc3\xa9"),  SLICE("\xc3"),
    SLICE("xn--"),   SLICE("-"),           SLICE("AUTH "),     SLICE("STARTTLS"),
};
const size_t fuzz_word_count = COUNT_OF(fuzz_words);

#define LINE_BYTES_MAX 8192

static bool is_within(struct slice field, struct slice line)
{
    return field.len == 0 || (field.data >= line.data && field.len <= line.len &&
                              (size_t)(field.data - line.data) <= line.len - field.len);
}

static void check_field(struct slice field, struct slice line, bool may_be_8bit)
{
    CHECK(is_within(field, line));
    for (size_t i = 0; i < field.len; i++) {
        unsigned char c = (unsigned char)field.data[i];
        CHECK(c >= 0x20 && c != 0x7f && (c < 0x80 || may_be_8bit));
    }
}

static void check_address(const struct command *c, struct slice line, bool utf8)
{
    const struct address *a = &c->address;
    check_field(a->text, line, utf8);
    CHECK(a->text.len <= ADDRESS_BYTES_MAX);
    CHECK(is_within(a->local, a->text) && is_within(a->domain, a->text));
    CHECK(a->domain.len == 0 || a->local.len + 1 + a->domain.len == a->text.len);
    char domain[ADDRESS_DOMAIN_BYTES_MAX + 1];
    size_t domain_len = address_domain_ascii(a->domain, domain);
    CHECK(domain_len <= ADDRESS_DOMAIN_BYTES_MAX && domain[domain_len] == '\0');
    check_field(slice_make(domain, domain_len), slice_make(domain, domain_len), false);
}

static void print_mail(const struct command *c, struct buffer *out)
{
    buffer_append(out, SLICE("MAIL FROM:<"));
    buffer_append(out, c->address.text);
    buffer_append(out, SLICE(">"));
    if (c->mail.size_bytes > 0)
        buffer_printf(out, " SIZE=%llu", (unsigned long long)c->mail.size_bytes);
    buffer_printf(out, "%s%s", c->mail.is_8bit ? " BODY=8BITMIME" : "",
                  c->mail.smtputf8 ? " SMTPUTF8" : "");
    buffer_append(out, c->ret.len ? SLICE(" ") : SLICE_EMPTY);
    buffer_append(out, c->ret);
    buffer_append(out, c->envid.len ? SLICE(" ") : SLICE_EMPTY);
    buffer_append(out, c->envid);
}

static void print(const struct command *c, struct buffer *out)
{
    static const char *const verbs[VERB_COUNT] = {
        "",     "HELO", "EHLO", "MAIL", "RCPT", "DATA", "BDAT",     "RSET",
        "NOOP", "HELP", "VRFY", "EXPN", "VERB", "QUIT", "STARTTLS", "AUTH"};
    buffer_clear(out);
    if (c->verb == VERB_MAIL) {
        print_mail(c, out);
    } else if (c->verb == VERB_RCPT) {
        buffer_append(out, SLICE("RCPT TO:<"));
        buffer_append(out, c->address.text);
        buffer_append(out, c->dsn.len ? SLICE("> ") : SLICE(">"));
        buffer_append(out, c->dsn);
    } else if (c->verb == VERB_BDAT) {
        buffer_printf(out, "BDAT %llu%s", (unsigned long long)c->chunk_bytes,
                      c->chunk_last ? " LAST" : "");
    } else {
        buffer_printf(out, "%s%s", verbs[c->verb], c->text.len ? " " : "");
        buffer_append(out, c->text);
        buffer_append(out, c->has_initial ? SLICE(" ") : SLICE_EMPTY);
        buffer_append(out, c->initial);
    }
}

static bool is_same(const struct command *a, const struct command *b)
{
    return a->verb == b->verb && slice_equal(a->text, b->text) &&
           slice_equal(a->address.text, b->address.text) &&
           slice_equal(a->address.local, b->address.local) &&
           slice_equal(a->address.domain, b->address.domain) &&
           a->mail.size_bytes == b->mail.size_bytes && a->mail.is_8bit == b->mail.is_8bit &&
           a->mail.smtputf8 == b->mail.smtputf8 && slice_equal(a->ret, b->ret) &&
           slice_equal(a->envid, b->envid) && slice_equal(a->dsn, b->dsn) &&
           a->has_initial == b->has_initial && slice_equal(a->initial, b->initial) &&
           a->chunk_bytes == b->chunk_bytes && a->chunk_last == b->chunk_last;
}

static void check_print_and_parse(const struct command *c, const struct command_rules *rules)
{
    static char text[LINE_BYTES_MAX];
    struct buffer printed = {.data = text, .room = sizeof(text), .bytes_max = sizeof(text)};
    struct command again;
    print(c, &printed);
    CHECK(command_parse(buffer_slice(&printed), rules, &again) == COMMAND_OK);
    CHECK(is_same(c, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > LINE_BYTES_MAX / 2)
        return 0;
    const struct slice line = slice_make(data + 1, size - 1);
    const struct command_rules rules = {
        .eightbitmime = data[0] & 1,
        .smtputf8 = data[0] & 2,
        .dsn = data[0] & 4,
        .in_utf8 = data[0] & 8,
        .starttls = data[0] & 16,
        .auth = data[0] & 16,
    };
    struct command c;
    enum command_status status = command_parse(line, &rules, &c);
    if (status != COMMAND_OK) {
        struct slice refusal = command_refusal(status, c.verb);
        CHECK(refusal.len > 2 && refusal.data[0] == '5');
        return 0;
    }
    bool is_mail = c.verb == VERB_MAIL, is_rcpt = c.verb == VERB_RCPT;
    check_field(c.text, line, c.verb != VERB_EHLO && c.verb != VERB_HELO);
    check_field(c.ret, line, false);
    check_field(c.envid, line, false);
    check_field(c.dsn, line, rules.in_utf8);
    check_field(c.initial, line, true);
    CHECK(c.verb == VERB_AUTH || !c.has_initial);
    if (is_mail || is_rcpt)
        check_address(&c, line, is_mail ? c.mail.smtputf8 : rules.in_utf8);
    CHECK(is_mail || !(c.ret.len || c.envid.len || c.mail.size_bytes));
    CHECK(is_rcpt || c.dsn.len == 0);
    check_print_and_parse(&c, &rules);
    return 0;
}
