// bench/fields.h: the few header fields by which a message that arrived is known to be the one
// that was sent.
//
// An engine between posthaste-load and posthaste-sink puts trace fields in front (RFC 5321 4.4)
// and must change nothing else. So both ledgers hold the hash of the content without its leading
// trace fields, and the Message-ID.
#ifndef POSTHASTE_BENCH_FIELDS_H
#define POSTHASTE_BENCH_FIELDS_H

#include "engine/base/slice.h"

// Where the header section ends, its empty line included. False when no empty line has come yet.
// `searched`: so many bytes at the front were looked at before, without finding it.
bool fields_header_end(struct slice content, size_t searched, size_t *ret_end);

// The length of the trace fields that `content` begins with: Received, Return-Path, DKIM-Signature,
// and those that a campaign asks for (List-Unsubscribe), each with its continuation lines.
size_t fields_leading_trace(struct slice content);

// The first field called `name` (any case), from its name to the end of its last line. Empty when
// there is none.
struct slice fields_find(struct slice header, struct slice name);

// What the first Message-ID field says, "<...>", without blanks around. Empty when there is none.
struct slice fields_message_id(struct slice header);

// "Sun, 22 Nov 2026 05:43:09 +0000" (RFC 5322 3.3), terminated by NUL.
#define FIELDS_DATE_BYTES 40
void fields_print_date(char text[FIELDS_DATE_BYTES], uint64_t wall_us);

#endif
