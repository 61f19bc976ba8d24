#include "engine/smtp/address.h"

#include "engine/base/utf8.h"
#include "engine/smtp/octets.h"

#include <arpa/inet.h>
#include <idn2.h>

#define DOMAIN_NAME_BYTES_MAX 253 // what fits the wire form of DNS (RFC 1035 2.3.4)

// What a byte may be part of.
enum {
    ATEXT = 1 << 0, // Atom (RFC 5321 4.1.2, RFC 6531 3.3)
    LDH = 1 << 1,   // sub-domain: letter, digit, hyphen, or part of a U-label
    QTEXT = 1 << 2, // qtextSMTP
};

static const uint8_t byte_class[256] = {
    [' '] = QTEXT,
    ['!'] = ATEXT | QTEXT,
    ['#' ... '\''] = ATEXT | QTEXT,
    ['(' ... ')'] = QTEXT,
    ['*' ... '+'] = ATEXT | QTEXT,
    [','] = QTEXT,
    ['-'] = ATEXT | LDH | QTEXT,
    ['.'] = QTEXT,
    ['/'] = ATEXT | QTEXT,
    ['0' ... '9'] = ATEXT | LDH | QTEXT,
    [':' ... '<'] = QTEXT,
    ['='] = ATEXT | QTEXT,
    ['>'] = QTEXT,
    ['?'] = ATEXT | QTEXT,
    ['@'] = QTEXT,
    ['A' ... 'Z'] = ATEXT | LDH | QTEXT,
    ['['] = QTEXT,
    [']'] = QTEXT,
    ['^'] = ATEXT | QTEXT,
    ['_'] = ATEXT | LDH | QTEXT,
    ['`'] = ATEXT | QTEXT,
    ['a' ... 'z'] = ATEXT | LDH | QTEXT,
    ['{' ... '~'] = ATEXT | QTEXT,
    [0x80 ... 0xff] = ATEXT | LDH | QTEXT,
};

// How many bytes at the front are of this class.
static size_t run_of(struct slice s, uint8_t class)
{
    size_t i = 0;
    while (i < s.len && byte_class[(unsigned char)s.data[i]] & class)
        i++;
    return i;
}

static bool skip_byte(struct slice *rest, char byte)
{
    if (rest->len == 0 || rest->data[0] != byte)
        return false;
    *rest = slice_skip(*rest, 1);
    return true;
}

static bool is_ascii(struct slice s)
{
    return !(octets_kinds(s) & OCTETS_8BIT);
}

// Dot-string = Atom *("." Atom)
static bool skip_dot_string(struct slice *rest)
{
    do {
        size_t atom_bytes = run_of(*rest, ATEXT);
        if (atom_bytes == 0)
            return false;
        *rest = slice_skip(*rest, atom_bytes);
    } while (skip_byte(rest, '.'));
    return true;
}

// Quoted-string = DQUOTE *(qtextSMTP / "\" %d32-126) DQUOTE
static bool skip_quoted_string(struct slice *rest)
{
    if (!skip_byte(rest, '"'))
        return false;
    for (;;) {
        *rest = slice_skip(*rest, run_of(*rest, QTEXT));
        if (skip_byte(rest, '"'))
            return true;
        if (!skip_byte(rest, '\\') || rest->len == 0 || rest->data[0] < ' ' || rest->data[0] > '~')
            return false;
        *rest = slice_skip(*rest, 1);
    }
}

// A U-label may be longer than 63 bytes here; its A-label may not.
static bool label_fits(struct slice label)
{
    return label.len > 0 && label.data[0] != '-' && label.data[label.len - 1] != '-' &&
           (label.len <= ADDRESS_LABEL_BYTES_MAX || !is_ascii(label));
}

// Domain = sub-domain *("." sub-domain)
static bool skip_domain_name(struct slice *rest)
{
    do {
        struct slice label = slice_take(*rest, run_of(*rest, LDH));
        if (!label_fits(label))
            return false;
        *rest = slice_skip(*rest, label.len);
    } while (skip_byte(rest, '.'));
    return true;
}

static bool is_ip_address(struct slice text)
{
    char terminated[INET6_ADDRSTRLEN];
    unsigned char binary[sizeof(struct in6_addr)];
    bool is_v6 = slice_starts_nocase(text, SLICE("IPv6:"));
    struct slice digits = slice_skip(text, is_v6 ? 5 : 0);
    if (digits.len >= sizeof(terminated) || memchr(digits.data, '\0', digits.len))
        return false;
    memcpy(terminated, digits.data, digits.len);
    terminated[digits.len] = '\0';
    return inet_pton(is_v6 ? AF_INET6 : AF_INET, terminated, binary) == 1;
}

static bool skip_literal(struct slice *rest)
{
    size_t end = slice_find(*rest, ']');
    if (end == rest->len || !is_ip_address(slice_skip(slice_take(*rest, end), 1)))
        return false;
    *rest = slice_skip(*rest, end + 1);
    return true;
}

static bool skip_domain(struct slice *rest)
{
    return rest->len > 0 && rest->data[0] == '[' ? skip_literal(rest) : skip_domain_name(rest);
}

// A-d-l ":" = "@" Domain *("," "@" Domain) ":", which RFC 5321 has servers read and ignore.
static bool skip_source_route(struct slice *rest)
{
    do {
        if (!skip_byte(rest, '@') || !skip_domain(rest))
            return false;
    } while (skip_byte(rest, ','));
    return skip_byte(rest, ':');
}

static enum address_status check_sizes_and_charset(struct address *a, bool utf8)
{
    if (a->local.len > ADDRESS_LOCAL_BYTES_MAX || a->domain.len > ADDRESS_DOMAIN_BYTES_MAX ||
        a->text.len > ADDRESS_BYTES_MAX)
        return ADDRESS_TOO_LONG;
    a->needs_smtputf8 = !is_ascii(a->text);
    if (a->needs_smtputf8 && !(utf8 && utf8_valid(a->text)))
        return ADDRESS_NEEDS_SMTPUTF8;
    return ADDRESS_OK;
}

// Mailbox = Local-part "@" ( Domain / address-literal )
static enum address_status parse_mailbox(struct slice *rest, bool utf8, struct address *ret)
{
    struct slice at = *rest;
    bool quoted = at.len > 0 && at.data[0] == '"';
    if (!(quoted ? skip_quoted_string(&at) : skip_dot_string(&at)))
        return ADDRESS_BAD_SYNTAX;
    struct address a = {.local = slice_take(*rest, rest->len - at.len)};
    if (!skip_byte(&at, '@'))
        return ADDRESS_BAD_SYNTAX;
    a.domain = at;
    if (!skip_domain(&at))
        return ADDRESS_BAD_SYNTAX;
    a.domain.len -= at.len;
    a.text = slice_take(*rest, rest->len - at.len);
    enum address_status status = check_sizes_and_charset(&a, utf8);
    if (status == ADDRESS_OK) {
        *ret = a;
        *rest = at;
    }
    return status;
}

// RFC 5321 4.5.1: every server knows "<Postmaster>" without a domain.
static bool skip_postmaster(struct slice *rest, struct address *ret)
{
    const struct slice name = SLICE("postmaster");
    if (!slice_starts_nocase(*rest, name) || rest->len == name.len || rest->data[name.len] != '>')
        return false;
    *ret = (struct address){.domain = SLICE_EMPTY};
    ret->text = ret->local = slice_take(*rest, name.len);
    *rest = slice_skip(*rest, name.len);
    return true;
}

enum address_status address_parse_path(struct slice *rest, bool null_allowed, bool utf8,
                                       struct address *ret)
{
    struct slice at = *rest;
    struct address a = {.text = SLICE_EMPTY, .local = SLICE_EMPTY, .domain = SLICE_EMPTY};
    if (!skip_byte(&at, '<'))
        return ADDRESS_BAD_SYNTAX;
    bool is_null = null_allowed && at.len > 0 && at.data[0] == '>';
    bool is_postmaster = !null_allowed && skip_postmaster(&at, &a);
    if (!is_null && !is_postmaster) {
        if (at.len > 0 && at.data[0] == '@' && !skip_source_route(&at))
            return ADDRESS_BAD_SYNTAX;
        enum address_status status = parse_mailbox(&at, utf8, &a);
        if (status != ADDRESS_OK)
            return status;
    }
    if (!skip_byte(&at, '>'))
        return ADDRESS_BAD_SYNTAX;
    *ret = a;
    *rest = at;
    return ADDRESS_OK;
}

enum address_status address_parse(struct slice text, bool utf8, struct address *ret)
{
    struct address a;
    enum address_status status = parse_mailbox(&text, utf8, &a);
    if (status == ADDRESS_OK && text.len > 0)
        return ADDRESS_BAD_SYNTAX;
    if (status == ADDRESS_OK)
        *ret = a;
    return status;
}

static size_t copy_lower(struct slice from, char *out)
{
    for (size_t i = 0; i < from.len; i++) {
        char c = from.data[i];
        out[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    out[from.len] = '\0';
    return from.len;
}

static size_t ascii_domain(struct slice domain, char *out)
{
    struct slice rest = domain;
    bool is_literal = domain.len > 0 && domain.data[0] == '[';
    if (!skip_domain(&rest) || rest.len > 0)
        return 0;
    if (!is_literal && domain.len > DOMAIN_NAME_BYTES_MAX)
        return 0;
    return copy_lower(domain, out);
}

// Lookup as RFC 5891 5 and UTS 46 (nontransitional) have it, whatever normal form the user typed.
static size_t international_domain(struct slice domain, char *out)
{
    char terminated[ADDRESS_DOMAIN_BYTES_MAX + 1];
    char *ascii = NULL;
    size_t len = 0;
    memcpy(terminated, domain.data, domain.len);
    terminated[domain.len] = '\0';
    if (idn2_to_ascii_8z(terminated, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK &&
        strlen(ascii) <= DOMAIN_NAME_BYTES_MAX)
        len = ascii_domain(slice_of_text(ascii), out);
    idn2_free(ascii);
    return len;
}

size_t address_domain_ascii(struct slice domain, char out[ADDRESS_DOMAIN_BYTES_MAX + 1])
{
    out[0] = '\0';
    if (domain.len == 0 || domain.len > ADDRESS_DOMAIN_BYTES_MAX ||
        memchr(domain.data, '\0', domain.len))
        return 0;
    return is_ascii(domain) ? ascii_domain(domain, out) : international_domain(domain, out);
}
