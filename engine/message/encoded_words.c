#include "engine/message/encoded_words.h"

#include "engine/base/check.h"
#include "engine/base/utf8.h"

#define WORD_BYTES_MAX 75  // RFC 2047 2
#define COLUMN_TO_FOLD 500 // from here on a line ends at the next blank
#define COLUMN_MAX 900     // no word begins behind it
#define LINE_BYTES_MAX 999 // with the CR of its end (RFC 5322 2.1.1)

// Names of people stand in these: a quoted string is one word of a name (RFC 5322 3.2.5).
static const char *const addresses[] = {
    "from",
    "to",
    "cc",
    "bcc",
    "sender",
    "reply-to",
    "resent-from",
    "resent-to",
    "resent-cc",
    "resent-sender",
    "disposition-notification-to",
};

// What is listed neither there nor here is text.
static const char *const structured[] = {
    "content-type", "content-disposition",
    "received",     "message-id",
    "references",   "in-reply-to",
    "date",         "mime-version",
    "content-id",   "content-transfer-encoding",
    "return-path",  "resent-date",
};

static bool is_listed(const struct header_field *f, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (header_field_is(f, slice_of_text(names[i])))
            return true;
    return false;
}

static bool has_addresses(const struct header_field *f)
{
    return is_listed(f, addresses, COUNT_OF(addresses));
}

static bool is_text(const struct header_field *f)
{
    return !slice_starts_nocase(f->name, SLICE("List-")) && !has_addresses(f) &&
           !is_listed(f, structured, COUNT_OF(structured));
}

struct slice encoded_charset(struct slice bytes)
{
    return utf8_valid(bytes) ? SLICE("utf-8") : SLICE("unknown-8bit"); // RFC 1428
}

struct field_writer {
    struct transfer *t;
    bool text, addresses;
    size_t column;
};

static void put(struct field_writer *w, struct slice s)
{
    transfer_put(w->t, s);
    w->column = s.len > 0 && s.data[s.len - 1] == '\n' ? 0 : w->column + s.len;
    w->t->full |= w->column > LINE_BYTES_MAX; // thousands of words, and no blank to fold it at
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool parts_words(const struct field_writer *w, char c)
{
    return is_blank(c) || (!w->text && strchr("\"<>()[],;:@=/?\\", c) && c != '\0');
}

// The word at the front; empty where none stands.
static struct slice word_of(const struct field_writer *w, struct slice s, bool *ret_8bit)
{
    size_t len = 0;
    *ret_8bit = false;
    while (len < s.len && !parts_words(w, s.data[len]))
        *ret_8bit |= (unsigned char)s.data[len++] >= 0x80;
    return slice_take(s, len);
}

// Words with nothing but blanks in between that all have such bytes: the blanks between two encoded
// words do not count, and so go with them.
static struct slice run_of(const struct field_writer *w, struct slice s)
{
    bool is_8bit;
    size_t len = word_of(w, s, &is_8bit).len;
    for (size_t at = len; at < s.len;) {
        while (at < s.len && is_blank(s.data[at]))
            at++;
        struct slice word = word_of(w, slice_skip(s, at), &is_8bit);
        if (!is_8bit)
            break;
        len = at += word.len;
    }
    return slice_take(s, len);
}

static bool is_plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-';
}

// Bytes that belong together in one encoded word.
static size_t character_bytes(struct slice s)
{
    size_t bytes = utf8_char_bytes(s);
    return bytes > 0 ? bytes : 1;
}

// Each byte takes three at most.
static size_t encode(struct slice character, char out[12])
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = 0;
    for (size_t i = 0; i < character.len; i++) {
        const unsigned char c = (unsigned char)character.data[i];
        if (is_plain((char)c)) {
            out[len++] = (char)c;
        } else if (c == ' ') {
            out[len++] = '_';
        } else {
            out[len++] = '=';
            out[len++] = digits[c >> 4];
            out[len++] = digits[c & 15];
        }
    }
    return len;
}

static void word_begins(struct field_writer *w, struct slice charset)
{
    put(w, SLICE("=?"));
    put(w, charset);
    put(w, SLICE("?Q?"));
}

// `quoted`: a backslash stands for what is behind it.
static void put_run(struct field_writer *w, struct slice run, bool quoted)
{
    const struct slice charset = encoded_charset(run);
    size_t start = w->column;
    w->t->full |= w->column > COLUMN_MAX;
    word_begins(w, charset);
    while (run.len > 0) {
        char out[12];
        if (quoted && run.len > 1 && run.data[0] == '\\')
            run = slice_skip(run, 1);
        struct slice character = slice_take(run, character_bytes(run));
        run = slice_skip(run, character.len);
        if (character.data[0] == '\r' || character.data[0] == '\n')
            continue; // a fold
        size_t len = encode(character, out);
        if (w->column - start + len + 2 > WORD_BYTES_MAX) {
            put(w, SLICE("?=\r\n"));
            put(w, SLICE(" "));
            start = w->column;
            word_begins(w, charset);
        }
        put(w, slice_make(out, len));
    }
    put(w, SLICE("?="));
}

// In front of a single blank.
static bool may_fold(struct slice s)
{
    return (s.data[0] == ' ' || s.data[0] == '\t') && s.len > 1 && !is_blank(s.data[1]);
}

// A quoted string with bytes >= 0x80 at the front, quotes and all, that is of a name. Empty: none
// is there, or it has no end.
static struct slice quoted_name_of(struct slice s)
{
    bool is_8bit = false;
    size_t len = 1;
    if (s.len == 0 || s.data[0] != '"')
        return SLICE_EMPTY;
    for (; len < s.len && s.data[len] != '"'; len++) {
        len += s.data[len] == '\\';
        is_8bit |= len < s.len && (unsigned char)s.data[len] >= 0x80;
    }
    bool is_local_part = len + 1 < s.len && s.data[len + 1] == '@';
    return is_8bit && len < s.len && !is_local_part ? slice_take(s, len + 1) : SLICE_EMPTY;
}

// RFC 2047 5: no encoded word is within quotes; and blanks part it from what is beside it.
static void put_quoted_name(struct field_writer *w, struct slice quoted, struct slice behind)
{
    put_run(w, slice_make(quoted.data + 1, quoted.len - 2), true);
    if (behind.len > 0 && !is_blank(behind.data[0]))
        put(w, SLICE(" "));
}

void encoded_field(struct transfer *t, const struct header_field *f)
{
    struct field_writer w = {.t = t, .text = is_text(f), .addresses = has_addresses(f)};
    struct slice rest = f->body;
    put(&w, slice_take(f->whole, f->whole.len - rest.len));
    while (rest.len > 0 && !t->full) {
        bool is_8bit;
        struct slice next = word_of(&w, rest, &is_8bit);
        struct slice quoted = w.addresses ? quoted_name_of(rest) : SLICE_EMPTY;
        if (quoted.len > 0) {
            next = quoted;
            put_quoted_name(&w, quoted, slice_skip(rest, quoted.len));
        } else if (is_8bit) {
            next = run_of(&w, rest);
            put_run(&w, next, false);
        } else if (next.len > 0) {
            put(&w, next);
        } else {
            next = slice_take(rest, 1);
            if (w.column > COLUMN_TO_FOLD && may_fold(rest))
                put(&w, SLICE("\r\n"));
            put(&w, next);
        }
        rest = slice_skip(rest, next.len);
    }
}
