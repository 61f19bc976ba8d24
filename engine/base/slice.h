// engine/base/slice.h: a run of bytes that somebody else owns.
//
// A slice is never terminated by NUL and may hold any byte. It is passed by value; whoever made
// the bytes says how long they live.
#ifndef POSTHASTE_BASE_SLICE_H
#define POSTHASTE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *data;
    size_t len;
};

#define SLICE(literal) ((struct slice){.data = ("" literal), .len = sizeof(literal) - 1})
#define SLICE_EMPTY ((struct slice){.data = "", .len = 0})
// For printf: "%.*s", SLICE_ARG(s). Never for bytes that may hold NUL or control characters.
#define SLICE_ARG(s) (int)(s).len, (s).data

static inline struct slice slice_make(const void *data, size_t len)
{
    return (struct slice){.data = data, .len = len};
}

static inline struct slice slice_of_text(const char *text)
{
    return (struct slice){.data = text, .len = strlen(text)};
}

// Drops the first `count` bytes (all of them when there are fewer).
static inline struct slice slice_skip(struct slice s, size_t count)
{
    if (count > s.len)
        count = s.len;
    if (count == 0)
        return s; // whose data may be NULL
    return (struct slice){.data = s.data + count, .len = s.len - count};
}

// Keeps at most the first `count` bytes.
static inline struct slice slice_take(struct slice s, size_t count)
{
    return (struct slice){.data = s.data, .len = count < s.len ? count : s.len};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_starts(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && slice_equal(slice_take(s, prefix.len), prefix);
}

static inline bool slice_ends(struct slice s, struct slice suffix)
{
    return s.len >= suffix.len && slice_equal(slice_skip(s, s.len - suffix.len), suffix);
}

// ASCII case only: what SMTP and DNS mean by "case-insensitive".
bool slice_equal_nocase(struct slice a, struct slice b);
bool slice_starts_nocase(struct slice s, struct slice prefix);

// Index of the first `byte`, or s.len when there is none.
static inline size_t slice_find(struct slice s, char byte)
{
    const char *at = s.len ? memchr(s.data, byte, s.len) : NULL;
    return at ? (size_t)(at - s.data) : s.len;
}

// Splits `*rest` at the first `byte`: returns what stands before it and moves *rest behind it.
// Without `byte`, returns all of *rest and leaves it empty.
struct slice slice_cut(struct slice *rest, char byte);

// Without blanks (space, tab) at both ends.
struct slice slice_trim(struct slice s);
// The same, and without line ends: what a header field says, wherever it was folded.
struct slice slice_trim_folds(struct slice s);

// Decimal digits only, the whole slice, at most `max`. False otherwise, *ret untouched.
bool slice_to_u64(struct slice s, uint64_t max, uint64_t *ret);

// A hash for tables inside this process (64-bit, seeded; not for signatures).
uint64_t slice_hash(struct slice s, uint64_t seed);

#endif
