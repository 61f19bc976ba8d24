// tests/fuzz/fuzz.h: what a fuzz target offers. Each is one file, NAME_target.c, built twice: with
// libFuzzer (clang, -Dfuzz=true), and with replay.c as a plain test that replays the target's seeds
// and mutates them by a fixed seed of its own.
#ifndef POSTHASTE_TESTS_FUZZ_FUZZ_H
#define POSTHASTE_TESTS_FUZZ_FUZZ_H

#include "engine/base/slice.h"

// libFuzzer's name. Any bytes; what must hold is CHECKed. The bytes stand alone in their block.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const struct slice fuzz_seeds[];
extern const size_t fuzz_seed_count;
// Pieces of the language that the target reads, for the mutator.
extern const struct slice fuzz_words[];
extern const size_t fuzz_word_count;

#endif
