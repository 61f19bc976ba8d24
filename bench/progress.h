// bench/progress.h: figures for people: a progress bar on a terminal, numbers with separators.
#ifndef POSTHASTE_BENCH_PROGRESS_H
#define POSTHASTE_BENCH_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#define PROGRESS_INTERVAL_US 200000u // between two pictures of the bar

struct progress {
    bool shown;
    uint64_t start_us;
    uint64_t drawn_us;
    uint64_t drawn_done;
    double rate; // messages a second, smoothed
};

// `wanted` false, or standard error no terminal: nothing is ever drawn.
void progress_init(struct progress *p, bool wanted, uint64_t now_us);
// Draws when it is time: `done` of `total` messages (total 0: unknown), `share` in 0..1 of the
// whole run, by messages or by time.
void progress_draw(struct progress *p, uint64_t now_us, uint64_t done, uint64_t total,
                   double share);
void progress_clear(struct progress *p); // takes the bar off the screen

#define FIGURE_BYTES 32
// "1,234,567". Writes into `text` and returns it.
const char *figure_print(char text[FIGURE_BYTES], uint64_t value);
// "1.234 s", "12.3 ms", "850 us".
const char *figure_print_us(char text[FIGURE_BYTES], uint64_t us);

#endif
