// engine/base/words.h: lines of words, "retry domain=example.org all": how a command asks the
// engine for something.
//
// Shape: words with one blank between them; a word is a key, or a key, "=" and a value. In a value
//        blanks, "%" and bytes that are not printable ASCII stand as %XX.
#ifndef POSTHASTE_BASE_WORDS_H
#define POSTHASTE_BASE_WORDS_H

#include "engine/base/buffer.h"

// Takes the next word off the front of *rest, which is changed in place: values come out as they
// were meant. *ret_value is empty where the word has none. False at the end, or when the line is
// not of this form: then *rest is not empty.
bool words_next(struct slice *rest, struct slice *ret_key, struct slice *ret_value);
// Appends a word, with a blank in front of it when it is not the first of its line. False when
// `out` is full. An empty value: the key alone.
bool words_put(struct buffer *out, const char *key, struct slice value);

#endif
