#include "tests/sim/outcome.h"

#include "engine/base/check.h"
#include "tests/sim/stage.h"

#include <stdio.h>
#include <stdlib.h>

#define US_MAX (4 * 3600 * STAGE_SECOND)
#define QUIET_US (120 * STAGE_SECOND) // after the last event: nothing more may come in that time

static uint32_t messages_of(const struct outcome_case *c)
{
    return 1u + slice_equal(c->step, SLICE("RSET")) + (c->setup == OUTCOME_STREAMED);
}

// The last message counts. One comes after the other, with time in between for what becomes of
// each; the connection is kept for them.
static void set_up(struct stage *s, const struct outcome_case *c)
{
    uint32_t messages = messages_of(c);
    bool is_rset = slice_equal(c->step, SLICE("RSET"));
    stage_init(s);
    s->config.delivery.idle_us_max = 30 * STAGE_SECOND;
    s->config.limits.fallback.retry.delay_us_first = 3600 * STAGE_SECOND;
    s->script = (struct peer_script){
        .step = c->step,
        .say = c->say,
        .closes = c->closes,
        .is_silent = c->is_silent,
        .message_first = messages,
        .message_refused = is_rset ? messages - 1 : 0,
        .refuses_ehlo = slice_equal(c->step, SLICE("HELO")),
        .pipelining = c->setup != OUTCOME_LOCKSTEP,
        .chunking = c->setup == OUTCOME_STREAMED,
    };
    s->has_first = !c->refuses && !c->is_black_hole;
    s->first_is_lost = c->is_black_hole;
    s->has_other = s->knows_other = c->setup != OUTCOME_ALONE;
    s->load_plan.message_count = messages;
    s->load_plan.rate_per_s = 0.1;
    s->load_plan.rcpt_count = OUTCOME_RCPTS;
}

static const char *recipient(const struct stage *s, uint32_t rcpt, char name[32])
{
    snprintf(name, 32, "r%u.%u@", (unsigned)s->load_plan.message_count, rcpt + 1);
    return name;
}

static bool all_told(const struct stage *s)
{
    char name[32];
    for (uint32_t i = 0; i < OUTCOME_RCPTS; i++)
        if (stage_event(s, recipient(s, i, name), 0).len == 0)
            return false;
    return s->load_done;
}

static char told(struct slice line)
{
    if (stage_has(line, "\"event\":\"failed\""))
        return 'f';
    if (stage_has(line, "\"event\":\"deferred\""))
        return stage_has(line, "\"in-doubt\":true") ? '?' : 'd';
    if (!stage_has(line, "\"event\":\"delivered\""))
        return '!';
    return stage_has(line, "\"host\":\"mx1.example\"") ? '1' : '2';
}

static void judge(const struct stage *s, struct outcome *o, uint32_t rcpt)
{
    char name[32];
    struct slice line = stage_event(s, recipient(s, rcpt, name), 0);
    char letter = told(line);
    uint32_t at_first = stage_arrivals(s->first, name), at_other = stage_arrivals(s->other, name);
    bool fits = letter == '1'   ? at_first == 1 && at_other == 0
                : letter == '2' ? at_first == 0 && at_other == 1
                                : at_other == 0;
    bool is_only = stage_event(s, name, 1).len == 0;
    if (!fits || !is_only || stage_number(line, "attempt") != 1)
        letter = '!';
    o->letters[rcpt] = letter;
    if (letter == '!')
        snprintf(o->trouble, sizeof(o->trouble), "%u and %u arrived; %.*s", at_first, at_other,
                 SLICE_ARG(slice_take(line, sizeof(o->trouble) - 40)));
}

struct outcome outcome_play(const struct outcome_case *c)
{
    struct outcome o = {.letters = ""};
    struct stage *s = calloc(1, sizeof(*s));
    CHECK(s);
    set_up(s, c);
    stage_begin(s);
    stage_until_it(s, US_MAX, all_told);
    stage_until(s, stage_now_us(s) + QUIET_US);
    for (uint32_t i = 0; i < OUTCOME_RCPTS; i++)
        judge(s, &o, i);
    stage_end(s);
    free(s);
    return o;
}
