// The header section: who shall get the message, what they shall not see, and who it is from.

#include "engine/base/utf8.h"
#include "engine/command/send.h"
#include "engine/message/fields.h"
#include "engine/smtp/octets.h"

#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WORD_BYTES_MAX 56 // of the text in an encoded word: a line with one has 76 at most
#define LINE_BYTES 72     // the From: field is folded beyond that

// --- recipients

static bool is_recipients(const struct header_field *f, bool resent)
{
    static const struct slice names[] = {{"To", 2}, {"Cc", 2}, {"Bcc", 3}};
    struct slice name = f->name;
    if (resent && !slice_starts_nocase(name, SLICE("Resent-")))
        return false;
    name = slice_skip(name, resent ? 7 : 0);
    return slice_equal_nocase(name, names[0]) || slice_equal_nocase(name, names[1]) ||
           slice_equal_nocase(name, names[2]);
}

// Of a message that is passed on, those of the Resent- fields, and nobody else (RFC 5322 3.6.6).
static int take_rcpts(struct send_mail *m)
{
    struct slice rest = buffer_slice(&m->header);
    struct header_field f;
    bool resent = false;
    char where[16];
    while (fields_next(&rest, &f))
        resent |= is_recipients(&f, true);
    rest = buffer_slice(&m->header);
    while (fields_next(&rest, &f)) {
        if (!is_recipients(&f, resent))
            continue;
        snprintf(where, sizeof(where), "%.*s", SLICE_ARG(f.name));
        int code = send_rcpts_add(m, f.body, where);
        if (code != EX_OK)
            return code;
    }
    return EX_OK;
}

static void drop_hidden(struct buffer *header)
{
    struct slice rest = buffer_slice(header);
    struct header_field f;
    size_t kept = 0;
    while (fields_next(&rest, &f)) {
        if (header_field_is(&f, SLICE("Bcc")) || header_field_is(&f, SLICE("Resent-Bcc")))
            continue;
        memmove(header->data + kept, f.whole.data, f.whole.len);
        kept += f.whole.len;
    }
    header->len = kept;
}

// --- From:

// What the user database has behind the name: "Joe Doe,room,phone"; "&" is the login name.
static void name_of_user(char name[SEND_NAME_BYTES_MAX])
{
    const struct passwd *user = getpwuid(getuid());
    size_t len = 0;
    for (const char *c = user ? user->pw_gecos : ""; *c && *c != ','; c++) {
        const char *part = *c == '&' ? user->pw_name : c;
        size_t part_len = *c == '&' ? strlen(user->pw_name) : 1;
        if (len + part_len >= SEND_NAME_BYTES_MAX)
            break;
        memcpy(name + len, part, part_len);
        if (*c == '&' && part_len > 0)
            name[len] = (char)toupper((unsigned char)name[len]);
        len += part_len;
    }
    name[len] = '\0';
}

static const char *find_name(const struct send_options *o, char name[SEND_NAME_BYTES_MAX])
{
    const char *found = o->full_name ? o->full_name : getenv("NAME");
    if (found && strlen(found) < SEND_NAME_BYTES_MAX)
        return found;
    name[0] = '\0';
    if (!found && !o->sender) // who calls need not be who the sender is
        name_of_user(name);
    return name;
}

// A name of plain ASCII: as it is, or quoted where it is more than words (RFC 5322 3.2.5).
static size_t write_phrase(struct slice name, char *out)
{
    bool quoted = false;
    char *at = out;
    for (size_t i = 0; i < name.len; i++)
        quoted |= !isalnum((unsigned char)name.data[i]) &&
                  !strchr(" !#$%&'*+-/=?^_`{|}~", name.data[i]);
    if (quoted)
        *at++ = '"';
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '"' || name.data[i] == '\\')
            *at++ = '\\';
        *at++ = name.data[i];
    }
    if (quoted)
        *at++ = '"';
    return (size_t)(at - out);
}

// Any other: encoded words, each of whole characters and 75 bytes at most (RFC 2047 2, 5).
static size_t write_encoded(struct slice name, char *out)
{
    char *at = out;
    size_t word_bytes = 0;
    while (name.len > 0) {
        size_t bytes = utf8_char_bytes(name);
        if (word_bytes + 3 * bytes > WORD_BYTES_MAX) {
            at = (char *)mempcpy(at, "?=\r\n ", 5);
            word_bytes = 0;
        }
        if (word_bytes == 0)
            at = (char *)mempcpy(at, "=?utf-8?q?", 10);
        for (size_t i = 0; i < bytes; i++)
            at += sprintf(at, isalnum((unsigned char)name.data[i]) ? "%c" : "=%02X",
                          (unsigned char)name.data[i]);
        word_bytes += 3 * bytes;
        name = slice_skip(name, bytes);
    }
    return (size_t)((char *)mempcpy(at, "?=", 2) - out);
}

static int add_from(struct send_mail *m)
{
    char name_text[SEND_NAME_BYTES_MAX];
    char phrase[6 * SEND_NAME_BYTES_MAX];
    struct slice name = slice_trim(slice_of_text(find_name(m->options, name_text)));
    unsigned kinds = octets_kinds(name);
    size_t len = 0;
    bool fits;
    if (name.len > 0 && kinds == 0)
        len = write_phrase(name, phrase);
    else if (kinds == OCTETS_8BIT && utf8_valid(name))
        len = write_encoded(name, phrase);
    if (m->sender[0] == '\0')
        fits = buffer_printf(&m->header, "From: MAILER-DAEMON@%s\r\n", m->hostname);
    else if (len > 0)
        fits = buffer_printf(&m->header, "From: %.*s%s <%s>\r\n", (int)len, phrase,
                             len + strlen(m->sender) > LINE_BYTES ? "\r\n" : "", m->sender);
    else
        fits = buffer_printf(&m->header, "From: %s\r\n", m->sender);
    return fits ? EX_OK : send_failed(EX_TEMPFAIL, "no memory");
}

int send_header_finish(struct send_mail *m)
{
    int code = m->options->rcpts_from_header ? take_rcpts(m) : EX_OK;
    bool has_from = false;
    struct header_field f;
    if (code != EX_OK)
        return code;
    drop_hidden(&m->header);
    for (struct slice rest = buffer_slice(&m->header); fields_next(&rest, &f);)
        has_from |= header_field_is(&f, SLICE("From"));
    if (!has_from && (code = add_from(m)) != EX_OK)
        return code;
    if (!buffer_append(&m->header, SLICE("\r\n")))
        return send_failed(EX_TEMPFAIL, "no memory");
    struct content_scan header_scan = {0};
    content_scan(&header_scan, buffer_slice(&m->header));
    m->scan.has_8bit |= header_scan.has_8bit;
    m->scan.has_dot_lines |= header_scan.has_dot_lines;
    return EX_OK;
}
