// engine/policy/rules.h: what the replies of receivers mean, by rules that are written down in a
// file: each has conditions and a pattern, and says a category, and maybe more.
//
// Owns:         the grammar of the file, its patterns (PCRE2), and which rule fits a reply.
// Knows not of: files (engine/config_rules.c reads them), sites, or what is done with a meaning.
// Bounds:       everything below; each match has a limit of steps, so that no reply and no pattern
//               can hold a worker up. What goes beyond it does not fit.
// Threads:      `struct rules` is read-only once made, for all; a reader belongs to one thread.
//
// A line of the file is a rule, empty, or a comment that begins with '#':
//
//   CATEGORY [phase=P,...] [code=C,...] [enhanced=E,...] [later|never] [back-off=D] [suspend=D]
//       [/PATTERN/]                                             (all on one line)
//
// P is greeting, ehlo, mail, rcpt, data or content; C is a code, 4xx or 5xx; E is an enhanced code
// whose numbers may be x: "5.7.x"; D is a duration. The pattern goes from the first slash to the
// last one, ignores case, and is looked for in the reply's text: its lines with one blank between
// them, without codes. The first rule whose conditions all hold counts; one at least must be there.
#ifndef POSTHASTE_POLICY_RULES_H
#define POSTHASTE_POLICY_RULES_H

#include "engine/policy/category.h"

#define RULES_MAX 4096
#define RULES_FILE_BYTES_MAX (1024u * 1024)
#define RULES_LINE_BYTES_MAX 1024u
#define RULES_CODES_MAX 8      // of each kind in one rule
#define RULES_STEPS_MAX 50000u // of one match
#define RULES_BACK_OFF_US_MAX (UINT64_C(7) * 86400 * 1000000)
#define RULES_WHY_BYTES 256

// What the file may say against the first digit of the code.
enum rules_turn { RULES_AS_SAID, RULES_LATER, RULES_NEVER };

struct reply_meaning {
    enum category category;
    enum rules_turn turn;
    uint64_t back_off_us; // the site wants to be left alone for so long; 0: it does not say so
    uint64_t suspend_us;  // the address that we came from; 0: not
};

struct rules;

// Reads the text of a file; `behind` (may be NULL, stays the caller's) is the text of another one,
// whose rules come after. Returns NULL with the reason in `why`, and in *ret_line the line of
// `text` that it concerns (0: none).
struct rules *rules_new(struct slice text, struct slice behind, char why[RULES_WHY_BYTES],
                        uint32_t *ret_line);
void rules_free(struct rules *r); // NULL is fine
uint32_t rules_count(const struct rules *r);

// What one thread needs to ask. Nothing is allocated after rules_reader_init().
struct rules_reader {
    const struct rules *rules; // NULL: there are none
    void *match_data;
    void *match_context;
};
bool rules_reader_init(struct rules_reader *r, const struct rules *rules); // false: no memory
void rules_reader_release(struct rules_reader *r);

// What a 4xx or 5xx to that command means. Of any other code, or where no rule fits, the meaning is
// what the codes say. `text`: as reply_parser gives it (or a part of it).
struct reply_meaning rules_look_up(const struct rules_reader *r, enum smtp_phase phase,
                                   uint16_t code, struct enhanced_code enhanced, struct slice text);

// The rules that ship with the engine: the text of engine/policy/reply.rules.
struct slice rules_shipped(void);

#endif
