// engine/base/utf8.h: UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, up to U+10FFFF.
#ifndef POSTHASTE_BASE_UTF8_H
#define POSTHASTE_BASE_UTF8_H

#include "engine/base/slice.h"

// Length of the character at the front of s: 1 to 4, or 0 when no well-formed one stands there.
size_t utf8_char_bytes(struct slice s);
// True for C0, DEL and C1 (U+0080 to U+009F), which terminals act upon. s starts with a
// well-formed character.
bool utf8_is_control(struct slice s);
bool utf8_valid(struct slice s);

#endif
