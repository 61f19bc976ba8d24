// A fuzz target without a fuzzer: replays its seeds, then mutations of them, the same in each run.
//
//   NAME_replay [RUNS]         so many mutations (default 60,000), but no longer than REPLAY_S_MAX
//   NAME_replay --write DIR    the seeds as files, for libFuzzer's corpus
//   NAME_replay --file FILE    one input, as libFuzzer has found it
#include "engine/base/check.h"
#include "engine/base/random.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define REPLAY_RUNS 60000
#define REPLAY_S_MAX 10
#define INPUT_BYTES_MAX (256 * 1024)

struct input {
    size_t len;
    char bytes[INPUT_BYTES_MAX];
};

static void replace(struct input *in, size_t at, size_t old_len, struct slice new)
{
    size_t tail = in->len - at - old_len;
    if (in->len - old_len + new.len > INPUT_BYTES_MAX)
        return;
    memmove(in->bytes + at + new.len, in->bytes + at + old_len, tail);
    if (new.len > 0)
        memcpy(in->bytes + at, new.data, new.len);
    in->len = in->len - old_len + new.len;
}

static void mutate(struct input *in, struct random *dice)
{
    size_t at = random_below(dice, (uint32_t)in->len + 1);
    size_t left = in->len - at;
    size_t some = random_below(dice, (uint32_t)(left < 64 ? left : 64) + 1);
    struct slice word = fuzz_words[random_below(dice, (uint32_t)fuzz_word_count)];
    char byte = (char)random_below(dice, 256);
    char copy[64];
    switch (random_below(dice, 6)) {
    case 0: replace(in, at, 0, word); break;
    case 1: replace(in, at, word.len < left ? word.len : left, word); break;
    case 2: replace(in, at, left > 0, slice_make(&byte, 1)); break;
    case 3: replace(in, at, 0, slice_make(&byte, 1)); break;
    case 4: replace(in, at, some, SLICE_EMPTY); break;
    case 5:
        memcpy(copy, in->bytes + at, some);
        replace(in, random_below(dice, (uint32_t)in->len + 1), 0, slice_make(copy, some));
        break;
    }
}

// In a block of its exact size, so that a sanitizer sees any overrun.
static void run(struct slice bytes)
{
    uint8_t *exact = malloc(bytes.len + 1);
    CHECK(exact != NULL);
    memcpy(exact + 1, bytes.data, bytes.len);
    LLVMFuzzerTestOneInput(exact + 1, bytes.len);
    free(exact);
}

static int write_seeds(const char *dir)
{
    for (size_t i = 0; i < fuzz_seed_count; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/seed-%zu", dir, i);
        FILE *f = fopen(path, "wb");
        if (!f || fwrite(fuzz_seeds[i].data, 1, fuzz_seeds[i].len, f) != fuzz_seeds[i].len ||
            fclose(f) != 0) {
            perror(path);
            return 1;
        }
    }
    return 0;
}

static int run_file(const char *path)
{
    static struct input in;
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return 1;
    }
    in.len = fread(in.bytes, 1, sizeof(in.bytes), f);
    fclose(f);
    run(slice_make(in.bytes, in.len));
    return 0;
}

int main(int argc, char **argv)
{
    static struct input in;
    struct random dice;
    time_t until = time(NULL) + REPLAY_S_MAX;
    if (argc == 3 && strcmp(argv[1], "--write") == 0)
        return write_seeds(argv[2]);
    if (argc == 3 && strcmp(argv[1], "--file") == 0)
        return run_file(argv[2]);
    unsigned long runs = argc > 1 ? strtoul(argv[1], NULL, 10) : REPLAY_RUNS;
    unsigned long done = 0;
    random_init(&dice, 1);
    for (size_t i = 0; i < fuzz_seed_count; i++)
        run(fuzz_seeds[i]);
    for (; done < runs && (done % 1024 != 0 || time(NULL) < until); done++) {
        struct slice seed = fuzz_seeds[random_below(&dice, (uint32_t)fuzz_seed_count)];
        in.len = seed.len;
        memcpy(in.bytes, seed.data, seed.len);
        for (uint32_t steps = 1 + random_below(&dice, 8); steps > 0; steps--)
            mutate(&in, &dice);
        run(slice_make(in.bytes, in.len));
    }
    printf("%zu seeds, %lu mutations\n", fuzz_seed_count, done);
    return 0;
}
