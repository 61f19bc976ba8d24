#include "bench/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define BAR_COLUMNS 30
#define RATE_MEMORY 0.7 // of the smoothed rate that is kept from one picture to the next

void progress_init(struct progress *p, bool wanted, uint64_t now_us)
{
    *p = (struct progress){
        .shown = wanted && isatty(STDERR_FILENO),
        .start_us = now_us,
        .drawn_us = now_us,
    };
}

static void print_eta(uint64_t seconds)
{
    if (seconds >= 3600)
        fprintf(stderr, "  %" PRIu64 ":%02" PRIu64 ":%02" PRIu64 " left", seconds / 3600,
                seconds / 60 % 60, seconds % 60);
    else
        fprintf(stderr, "  %" PRIu64 ":%02" PRIu64 " left", seconds / 60, seconds % 60);
}

void progress_draw(struct progress *p, uint64_t now_us, uint64_t done, uint64_t total, double share)
{
    if (!p->shown || now_us - p->drawn_us < PROGRESS_INTERVAL_US)
        return;
    double seconds = (double)(now_us - p->drawn_us) / 1e6;
    double rate_now = (double)(done - p->drawn_done) / seconds;
    p->rate = p->rate > 0 ? p->rate * RATE_MEMORY + rate_now * (1 - RATE_MEMORY) : rate_now;
    p->drawn_us = now_us;
    p->drawn_done = done;
    if (share > 1)
        share = 1;

    char bar[BAR_COLUMNS + 1], figure[FIGURE_BYTES];
    for (int column = 0; column < BAR_COLUMNS; column++)
        bar[column] = (double)column < share * BAR_COLUMNS ? '#' : '.';
    bar[BAR_COLUMNS] = 0;
    fprintf(stderr, "\r[%s] %3.0f %%  %s", bar, share * 100, figure_print(figure, done));
    if (total > 0)
        fprintf(stderr, " of %s", figure_print(figure, total));
    fprintf(stderr, "  %s/s", figure_print(figure, (uint64_t)p->rate));
    if (share > 0 && share < 1)
        print_eta((uint64_t)((double)(now_us - p->start_us) / 1e6 / share * (1 - share) + 0.5));
    fputs("\033[K", stderr); // the rest of the last picture
    fflush(stderr);
}

void progress_clear(struct progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
}

const char *figure_print(char text[FIGURE_BYTES], uint64_t value)
{
    char digits[FIGURE_BYTES];
    int count = snprintf(digits, sizeof(digits), "%" PRIu64, value);
    char *to = text;
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = 0;
    return text;
}

const char *figure_print_us(char text[FIGURE_BYTES], uint64_t us)
{
    if (us < 1000)
        snprintf(text, FIGURE_BYTES, "%" PRIu64 " us", us);
    else if (us < 10000)
        snprintf(text, FIGURE_BYTES, "%.2f ms", (double)us / 1e3);
    else if (us < 1000000)
        snprintf(text, FIGURE_BYTES, "%.0f ms", (double)us / 1e3);
    else
        snprintf(text, FIGURE_BYTES, "%.2f s", (double)us / 1e6);
    return text;
}
