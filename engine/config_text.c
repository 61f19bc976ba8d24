#include "engine/config_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

char *config_text_file(const char *path, const char **ret_trouble)
{
    struct buffer text;
    const char *trouble = NULL;
    FILE *file = fopen(path, "re");
    buffer_init(&text, CONFIG_FILE_BYTES_MAX);
    if (!file)
        trouble = strerror(errno);
    for (size_t got = 1; !trouble && got > 0;) {
        char *room = buffer_reserve(&text, BUFSIZ);
        got = room ? fread(room, 1, BUFSIZ, file) : 0;
        if (!room)
            trouble = "too large";
        else if (ferror(file))
            trouble = strerror(errno);
        else
            buffer_advance(&text, got);
    }
    if (file)
        fclose(file);
    if (!trouble && slice_find(buffer_slice(&text), '\0') < text.len)
        trouble = "holds a NUL byte: this is not a text file";
    if (!trouble && !buffer_append(&text, slice_make("\n", 2))) // with its NUL
        trouble = "too large";
    if (!trouble)
        return text.data;
    *ret_trouble = trouble;
    buffer_release(&text);
    return NULL;
}

// Overwrites all but the ends of lines.
static void blank(char *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text[i] != '\n')
            text[i] = ' ';
}

// How many bytes the comment at `text` has; 0 when there is none. `word`: a word goes on here, in
// which // means nothing ("unix://x"). *ret_open: it has no end.
static size_t comment_len(const char *text, bool word, bool *ret_open)
{
    if (text[0] == '#' || (!word && text[0] == '/' && text[1] == '/'))
        return strcspn(text, "\n");
    if (text[0] != '/' || text[1] != '*')
        return 0;
    const char *end = strstr(text + 2, "*/");
    *ret_open = !end;
    return end ? (size_t)(end + 2 - text) : 0;
}

// How many bytes the quoted string at `text` has; 0 when there is none.
static size_t quoted_len(const char *text, bool *ret_open)
{
    size_t len = 1;
    if (text[0] != '"' && text[0] != '\'')
        return 0;
    while (text[len] && text[len] != text[0])
        len += text[len] == '\\' && text[len + 1] ? 2 : 1;
    *ret_open = !text[len];
    return len + 1;
}

// Blanks comments. Returns the place that never ends, and says what it is, or NULL.
static const char *clean(char *text, const char **ret_what)
{
    const char *brace = NULL; // the outermost that is open
    unsigned depth = 0;
    bool word = false;
    bool is_open = false;
    for (char *at = text; *at; at++) {
        size_t comment = comment_len(at, word, &is_open);
        size_t quoted = comment || is_open ? 0 : quoted_len(at, &is_open);
        if (is_open) {
            *ret_what = *at == '/' ? "a comment begins here" : "a quote begins here";
            return at;
        }
        word = !comment && !quoted && !strchr(" \t\r\n={}(),+", *at);
        if (comment)
            blank(at, comment);
        else if (*at == '{' && depth++ == 0)
            brace = at;
        else if (*at == '}' && depth > 0)
            depth--;
        if (comment || quoted)
            at += comment + quoted - 1;
    }
    *ret_what = "a brace is opened here";
    return depth ? brace : NULL;
}

static unsigned line_of(const char *text, const char *place)
{
    unsigned line = 1;
    for (; text < place; text++)
        line += *text == '\n';
    return line;
}

char *config_text_read(const char *path, struct refusal *why)
{
    const char *trouble = NULL;
    char *text = config_text_file(path, &trouble);
    if (!text) {
        refuse(why, "%s: %s", path, trouble);
        return NULL;
    }
    const char *place = clean(text, &trouble);
    if (place) {
        refuse(why, "%s:%u: %s that never ends", path, line_of(text, place), trouble);
        free(text);
        return NULL;
    }
    return text;
}
