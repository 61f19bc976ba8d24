// engine/command/journal_line.h: what the checker prints: one line for each thing found.
//
// For people it is `kind key=value key=value`, with --json an object {"kind":"...","key":value}.
// Foreign text is quoted in both as JSON has it, so that it cannot forge a line nor move a cursor.
#ifndef POSTHASTE_COMMAND_JOURNAL_LINE_H
#define POSTHASTE_COMMAND_JOURNAL_LINE_H

#include "engine/base/json.h"

#define JOURNAL_ID_TEXT_BYTES 14 // 13 characters and NUL

struct journal_line {
    bool as_json;
    bool failed;        // some line could not be written, or there was no memory for it
    struct buffer text; // of this line; long ones leave in parts
    struct json json;
};

void journal_line_init(struct journal_line *l, bool as_json);
void journal_line_release(struct journal_line *l);

void journal_line_begin(struct journal_line *l, const char *kind);
void journal_line_end(struct journal_line *l);

void journal_line_u64(struct journal_line *l, const char *key, uint64_t value);
void journal_line_word(struct journal_line *l, const char *key, const char *value); // our own words
void journal_line_text(struct journal_line *l, const char *key, struct slice value); // foreign
void journal_line_time(struct journal_line *l, const char *key, uint64_t wall_us);
void journal_line_id(struct journal_line *l, const char *key, uint64_t id);
void journal_line_bytes(struct journal_line *l, const char *key, const void *bytes, size_t len);
// Arrays of objects; for people their keys come again and again.
void journal_line_list(struct journal_line *l, const char *key);
void journal_line_item(struct journal_line *l);
void journal_line_close(struct journal_line *l); // a list or an item

// Ids as the engine prints them: 13 digits of base 32, without I, L, O and U.
const char *journal_id_print(uint64_t id, char text[JOURNAL_ID_TEXT_BYTES]);
bool journal_id_read(const char *text, uint64_t *ret);

#endif
