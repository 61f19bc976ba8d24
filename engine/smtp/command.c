#include "engine/smtp/command.h"

#include "engine/base/utf8.h"
#include "engine/smtp/octets.h"

#define FOUR_BYTES(a, b, c, d)                                                                     \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

// The one verb of eight letters, for who offers it.
static bool is_starttls(struct slice line)
{
    return slice_starts_nocase(line, SLICE("STARTTLS")) && (line.len == 8 || line.data[8] == ' ');
}

// All others have four letters. Setting bit 5 makes a letter lower-case, and nothing else a letter.
static enum smtp_verb verb_of(struct slice line, const struct command_rules *rules)
{
    const unsigned char *at = (const unsigned char *)line.data;
    if (line.len < 4 || (line.len > 4 && at[4] != ' '))
        return rules->starttls && is_starttls(line) ? VERB_STARTTLS : VERB_NONE;
    switch (FOUR_BYTES(at[0], at[1], at[2], at[3]) | FOUR_BYTES(' ', ' ', ' ', ' ')) {
    case FOUR_BYTES('h', 'e', 'l', 'o'): return VERB_HELO;
    case FOUR_BYTES('e', 'h', 'l', 'o'): return VERB_EHLO;
    case FOUR_BYTES('m', 'a', 'i', 'l'): return VERB_MAIL;
    case FOUR_BYTES('r', 'c', 'p', 't'): return VERB_RCPT;
    case FOUR_BYTES('d', 'a', 't', 'a'): return VERB_DATA;
    case FOUR_BYTES('b', 'd', 'a', 't'): return VERB_BDAT;
    case FOUR_BYTES('r', 's', 'e', 't'): return VERB_RSET;
    case FOUR_BYTES('n', 'o', 'o', 'p'): return VERB_NOOP;
    case FOUR_BYTES('h', 'e', 'l', 'p'): return VERB_HELP;
    case FOUR_BYTES('v', 'r', 'f', 'y'): return VERB_VRFY;
    case FOUR_BYTES('e', 'x', 'p', 'n'): return VERB_EXPN;
    case FOUR_BYTES('v', 'e', 'r', 'b'): return VERB_VERB;
    case FOUR_BYTES('q', 'u', 'i', 't'): return VERB_QUIT;
    case FOUR_BYTES('a', 'u', 't', 'h'): return rules->auth ? VERB_AUTH : VERB_NONE;
    default: return VERB_NONE;
    }
}

static struct slice skip_blanks(struct slice s)
{
    while (s.len > 0 && s.data[0] == ' ')
        s = slice_skip(s, 1);
    return s;
}

static struct slice without_trailing_blanks(struct slice s)
{
    while (s.len > 0 && s.data[s.len - 1] == ' ')
        s.len--;
    return s;
}

// --- parameters -------------------------------------------------------------------------------

enum parameter {
    PARAMETER_SIZE,
    PARAMETER_BODY,
    PARAMETER_SMTPUTF8,
    PARAMETER_RET,
    PARAMETER_ENVID,
    PARAMETER_NOTIFY,
    PARAMETER_ORCPT,
    PARAMETER_XVERP,
    PARAMETER_MT_PRIORITY,
    PARAMETER_AUTH,
    PARAMETER_UNKNOWN,
};

static enum parameter parameter_named(struct slice name, bool of_mail,
                                      const struct command_rules *rules)
{
    if (of_mail && slice_equal_nocase(name, SLICE("SIZE")))
        return PARAMETER_SIZE;
    if (of_mail && rules->eightbitmime && slice_equal_nocase(name, SLICE("BODY")))
        return PARAMETER_BODY;
    if (of_mail && rules->smtputf8 && slice_equal_nocase(name, SLICE("SMTPUTF8")))
        return PARAMETER_SMTPUTF8;
    if (of_mail && rules->dsn && slice_equal_nocase(name, SLICE("RET")))
        return PARAMETER_RET;
    if (of_mail && rules->dsn && slice_equal_nocase(name, SLICE("ENVID")))
        return PARAMETER_ENVID;
    if (of_mail && rules->mt_priority && slice_equal_nocase(name, SLICE("MT-PRIORITY")))
        return PARAMETER_MT_PRIORITY;
    if (!of_mail && rules->dsn && slice_equal_nocase(name, SLICE("NOTIFY")))
        return PARAMETER_NOTIFY;
    if (!of_mail && rules->dsn && slice_equal_nocase(name, SLICE("ORCPT")))
        return PARAMETER_ORCPT;
    if (of_mail && rules->verp && slice_equal_nocase(name, SLICE("XVERP")))
        return PARAMETER_XVERP;
    if (of_mail && rules->auth && slice_equal_nocase(name, SLICE("AUTH")))
        return PARAMETER_AUTH;
    return PARAMETER_UNKNOWN;
}

static int hex_digit(char c) // upper case only, as RFC 3461 has it
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// xtext (RFC 3461 4), that decodes to no control character: "+0A" must not become a line break
// in the notification that quotes it.
static bool is_xtext(struct slice s, bool utf8)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c == '+') {
            int high = i + 2 < s.len ? hex_digit(s.data[i + 1]) : -1;
            int low = i + 2 < s.len ? hex_digit(s.data[i + 2]) : -1;
            if (high < 2 || low < 0 || (high == 7 && low == 15))
                return false;
            i += 2;
        } else if (c < '!' || c == '=' || c == 0x7f || (c >= 0x80 && !utf8)) {
            return false;
        }
    }
    return !utf8 || utf8_valid(s);
}

static bool is_envid(struct slice value)
{
    return value.len > 0 && value.len <= COMMAND_ENVID_BYTES_MAX && is_xtext(value, false);
}

// addr-type ";" xtext; raw UTF-8 where the transaction allows it (RFC 6533 3).
static bool is_orcpt(struct slice value, bool utf8)
{
    if (value.len > COMMAND_ORCPT_BYTES_MAX)
        return false;
    struct slice type = slice_cut(&value, ';');
    for (size_t i = 0; i < type.len; i++) {
        char c = type.data[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '-')
            return false;
    }
    return type.len > 0 && value.len > 0 && is_xtext(value, utf8);
}

// "NEVER" alone, or a list of the other three.
static bool is_notify(struct slice value)
{
    if (slice_equal_nocase(value, SLICE("NEVER")))
        return true;
    if (value.len == 0 || value.data[value.len - 1] == ',')
        return false;
    while (value.len > 0) {
        struct slice word = slice_cut(&value, ',');
        if (!slice_equal_nocase(word, SLICE("SUCCESS")) &&
            !slice_equal_nocase(word, SLICE("FAILURE")) &&
            !slice_equal_nocase(word, SLICE("DELAY")))
            return false;
    }
    return true;
}

// BINARYMIME (RFC 3030) is not offered: it could not be relayed to most of the world.
static bool take_body(struct slice value, bool *ret_is_8bit)
{
    *ret_is_8bit = slice_equal_nocase(value, SLICE("8BITMIME"));
    return *ret_is_8bit || slice_equal_nocase(value, SLICE("7BIT"));
}

// priority-value = (["-"] NZDIGIT) / "0" (RFC 6710 5)
static bool take_priority(struct slice value, struct smtp_mail_params *mail)
{
    bool is_negative = value.len == 2 && value.data[0] == '-';
    value = slice_skip(value, is_negative);
    if (value.len != 1 || value.data[0] < '0' + is_negative || value.data[0] > '9')
        return false;
    mail->has_priority = true;
    mail->priority = (int8_t)(is_negative ? '0' - value.data[0] : value.data[0] - '0');
    return true;
}

static bool take_parameter(enum parameter p, struct slice whole, struct slice value,
                           const struct command_rules *rules, struct command *c)
{
    switch (p) {
    case PARAMETER_SIZE: return slice_to_u64(value, UINT64_MAX, &c->mail.size_bytes);
    case PARAMETER_BODY: return take_body(value, &c->mail.is_8bit);
    case PARAMETER_SMTPUTF8: c->mail.smtputf8 = true; return value.data == NULL;
    case PARAMETER_RET:
        c->ret = whole;
        return slice_equal_nocase(value, SLICE("FULL")) || slice_equal_nocase(value, SLICE("HDRS"));
    case PARAMETER_ENVID: c->envid = whole; return is_envid(value);
    case PARAMETER_NOTIFY: return is_notify(value);
    case PARAMETER_ORCPT: return is_orcpt(value, rules->in_utf8);
    case PARAMETER_XVERP: // its value could name other characters than "+" and "="
        c->mail.verp = true;
        return value.data == NULL || slice_equal(value, SLICE("+="));
    case PARAMETER_MT_PRIORITY: return take_priority(value, &c->mail);
    case PARAMETER_AUTH: return value.len > 0 && is_xtext(value, false); // nobody here believes it
    case PARAMETER_UNKNOWN: return false;
    }
    return false;
}

// *(SP esmtp-keyword ["=" esmtp-value]). A parameter without "=" has a value without data.
static enum command_status parse_parameters(struct slice rest, const struct command_rules *rules,
                                            struct command *c)
{
    unsigned seen = 0;
    if (c->verb == VERB_RCPT)
        c->dsn = slice_skip(rest, 1);
    while (rest.len > 0) {
        if (rest.data[0] != ' ')
            return COMMAND_BAD_ARGUMENT;
        rest = slice_skip(rest, 1);
        struct slice whole = slice_take(rest, slice_find(rest, ' '));
        rest = slice_skip(rest, whole.len);
        struct slice value = whole;
        struct slice name = slice_cut(&value, '=');
        if (name.len == whole.len)
            value = (struct slice){.data = NULL};
        enum parameter p = parameter_named(name, c->verb == VERB_MAIL, rules);
        if (p == PARAMETER_UNKNOWN)
            return name.len ? COMMAND_UNKNOWN_PARAMETER : COMMAND_BAD_ARGUMENT;
        if (seen & 1u << p || !take_parameter(p, whole, value, rules, c))
            return COMMAND_BAD_PARAMETER;
        seen |= 1u << p;
    }
    return COMMAND_OK;
}

// --- one command each -------------------------------------------------------------------------

static enum command_status parse_path(struct slice *rest, bool is_sender, bool utf8,
                                      struct address *ret)
{
    switch (address_parse_path(rest, is_sender, utf8, ret)) {
    case ADDRESS_OK: return COMMAND_OK;
    case ADDRESS_BAD_SYNTAX: return COMMAND_BAD_ADDRESS;
    case ADDRESS_TOO_LONG: return COMMAND_ADDRESS_TOO_LONG;
    // Who may say SMTPUTF8 and wrote bytes that are none has made another mistake.
    case ADDRESS_NEEDS_SMTPUTF8: return utf8 ? COMMAND_BAD_ADDRESS : COMMAND_NEEDS_SMTPUTF8;
    }
    return COMMAND_BAD_ADDRESS;
}

// "FROM:" Reverse-path, "TO:" Forward-path, and parameters.
static enum command_status parse_envelope(struct slice rest, struct slice label,
                                          const struct command_rules *rules, struct command *c)
{
    bool is_sender = c->verb == VERB_MAIL;
    if (!slice_starts_nocase(rest, label))
        return COMMAND_BAD_ARGUMENT;
    rest = skip_blanks(slice_skip(rest, label.len));
    // MAIL's SMTPUTF8 stands behind the address that needs it.
    enum command_status status = parse_path(
        &rest, is_sender, is_sender ? rules->smtputf8 : rules->in_utf8, &c->address);
    if (status == COMMAND_OK)
        status = parse_parameters(rest, rules, c);
    if (status == COMMAND_OK && is_sender && c->address.needs_smtputf8 && !c->mail.smtputf8)
        status = COMMAND_NEEDS_SMTPUTF8;
    return status;
}

// chunk-size [SP "LAST"] (RFC 3030 2)
static enum command_status parse_chunk(struct slice rest, struct command *c)
{
    struct slice digits = slice_cut(&rest, ' ');
    // A stream of more than 2^63 bytes is no chunk but an attack on somebody's arithmetic.
    if (!slice_to_u64(digits, INT64_MAX, &c->chunk_bytes))
        return COMMAND_BAD_CHUNK;
    c->chunk_last = slice_equal_nocase(rest, SLICE("LAST"));
    return rest.len == 0 || c->chunk_last ? COMMAND_OK : COMMAND_BAD_ARGUMENT;
}

// One word that can stand in a Received: field. What else a domain should be we don't ask: half
// the world's clients call themselves by names that no RFC knows.
static enum command_status parse_hello(struct slice name, struct command *c)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] <= ' ' || name.data[i] > '~')
            return COMMAND_BAD_ARGUMENT;
    c->text = name;
    return name.len > 0 && name.len <= ADDRESS_DOMAIN_BYTES_MAX ? COMMAND_OK : COMMAND_BAD_ARGUMENT;
}

// mechanism [SP initial-response] (RFC 4954 4). What is right in either, its owner knows.
static enum command_status parse_auth(struct slice rest, struct command *c)
{
    c->text = slice_cut(&rest, ' ');
    c->has_initial = rest.len > 0;
    c->initial = rest;
    return c->text.len > 0 && slice_find(rest, ' ') == rest.len ? COMMAND_OK : COMMAND_BAD_ARGUMENT;
}

static enum command_status parse_arguments(struct slice rest, const struct command_rules *rules,
                                           struct command *c)
{
    switch (c->verb) {
    case VERB_NONE: return COMMAND_UNKNOWN;
    case VERB_HELO:
    case VERB_EHLO: return parse_hello(rest, c);
    case VERB_MAIL: return parse_envelope(rest, SLICE("FROM:"), rules, c);
    case VERB_RCPT: return parse_envelope(rest, SLICE("TO:"), rules, c);
    case VERB_BDAT: return parse_chunk(rest, c);
    case VERB_DATA:
    case VERB_RSET:
    case VERB_STARTTLS:
    case VERB_QUIT: return rest.len == 0 ? COMMAND_OK : COMMAND_BAD_ARGUMENT;
    case VERB_VRFY:
    case VERB_EXPN: c->text = rest; return rest.len > 0 ? COMMAND_OK : COMMAND_BAD_ARGUMENT;
    case VERB_NOOP:
    case VERB_HELP:
    case VERB_VERB: c->text = rest; return COMMAND_OK;
    case VERB_AUTH: return parse_auth(rest, c);
    case VERB_COUNT: break;
    }
    return COMMAND_UNKNOWN;
}

enum command_status command_parse(struct slice line, const struct command_rules *rules,
                                  struct command *ret)
{
    line = without_trailing_blanks(line);
    *ret = (struct command){.verb = verb_of(line, rules)};
    if (octets_kinds(line) & OCTETS_CONTROL)
        return COMMAND_CONTROL_BYTES;
    return parse_arguments(slice_skip(line, ret->verb == VERB_STARTTLS ? 9 : 5), rules, ret);
}

// --- refusals ---------------------------------------------------------------------------------

static struct slice syntax_of(enum smtp_verb verb)
{
    switch (verb) {
    case VERB_HELO: return SLICE("501 5.5.4 Syntax: HELO hostname\r\n");
    case VERB_EHLO: return SLICE("501 5.5.4 Syntax: EHLO hostname\r\n");
    case VERB_MAIL: return SLICE("501 5.5.4 Syntax: MAIL FROM:<address> [parameters]\r\n");
    case VERB_RCPT: return SLICE("501 5.5.4 Syntax: RCPT TO:<address> [parameters]\r\n");
    case VERB_BDAT: return SLICE("501 5.5.4 Syntax: BDAT size [LAST]\r\n");
    case VERB_VRFY: return SLICE("501 5.5.4 Syntax: VRFY address\r\n");
    case VERB_EXPN: return SLICE("501 5.5.4 Syntax: EXPN list\r\n");
    case VERB_AUTH: return SLICE("501 5.5.4 Syntax: AUTH mechanism [initial-response]\r\n");
    default: return SLICE("501 5.5.4 No argument expected\r\n");
    }
}

struct slice command_refusal(enum command_status status, enum smtp_verb verb)
{
    bool is_sender = verb == VERB_MAIL;
    switch (status) {
    case COMMAND_OK:
    case COMMAND_UNKNOWN: break;
    case COMMAND_CONTROL_BYTES:
        return SLICE("500 5.5.2 Control character in command; lines end in CRLF\r\n");
    case COMMAND_BAD_ARGUMENT:
    case COMMAND_BAD_CHUNK: return syntax_of(verb);
    case COMMAND_BAD_PARAMETER: return SLICE("501 5.5.4 Bad parameter value\r\n");
    case COMMAND_UNKNOWN_PARAMETER: return SLICE("555 5.5.4 Unknown parameter\r\n");
    case COMMAND_BAD_ADDRESS:
        return is_sender ? SLICE("501 5.1.7 Bad sender address syntax\r\n")
                         : SLICE("501 5.1.3 Bad recipient address syntax\r\n");
    case COMMAND_ADDRESS_TOO_LONG:
        return is_sender ? SLICE("501 5.1.7 Sender address too long\r\n")
                         : SLICE("501 5.1.3 Recipient address too long\r\n");
    case COMMAND_NEEDS_SMTPUTF8: return SLICE("553 5.6.7 Address needs SMTPUTF8\r\n");
    }
    return SLICE("500 5.5.2 Unknown command\r\n");
}
