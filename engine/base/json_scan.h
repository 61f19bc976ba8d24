// engine/base/json_scan.h: members of one JSON object, such as json.h writes: for programs that
// read the engine's lines.
//
// Knows objects, arrays, texts, numbers and words, as far as it takes to find where one ends.
// Pure; allocates nothing.
#ifndef POSTHASTE_BASE_JSON_SCAN_H
#define POSTHASTE_BASE_JSON_SCAN_H

#include "engine/base/slice.h"

// The value of the object's own member `key`, as it stands there. False: there is none, or the
// object is not well formed up to there.
bool json_member(struct slice object, const char *key, struct slice *ret_value);
// The next item of an array; *rest is the array at first, and what is left of it then.
bool json_item(struct slice *rest, struct slice *ret_value);
// A text's characters, cut at `room` with its NUL, for people: control characters come out as '?'.
// What is no text is copied as it is. Writes into `to` and returns it.
const char *json_plain(struct slice value, char *to, size_t room);
// The two together; "" where there is no such member.
const char *json_member_plain(struct slice object, const char *key, char *to, size_t room);
// 0 where there is none, or it is no whole number.
uint64_t json_member_u64(struct slice object, const char *key);

#endif
