// engine/policy/rules_line.h: one line of a rules file, read. For rules.c alone.
#ifndef POSTHASTE_POLICY_RULES_LINE_H
#define POSTHASTE_POLICY_RULES_LINE_H

#include "engine/policy/rules.h"

#define RULES_ANY UINT16_MAX // a number that is not looked at

struct rules_line {
    struct reply_meaning meaning;
    uint16_t phases;                    // a bit for each phase; 0: any
    uint8_t code_count, enhanced_count; // 0: any
    uint16_t codes[RULES_CODES_MAX];    // 4 and 5: the whole class
    struct enhanced_code enhanced[RULES_CODES_MAX];
    struct slice pattern; // in the line; empty: there is none
};

enum rules_line_kind { RULES_LINE_EMPTY, RULES_LINE_RULE, RULES_LINE_BAD };

// Bad: `why` says what is.
enum rules_line_kind rules_line_read(struct slice line, struct rules_line *ret,
                                     char why[RULES_WHY_BYTES]);

#endif
