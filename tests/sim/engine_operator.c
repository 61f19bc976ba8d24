#include "tests/sim/engine_operator.h"

#include "engine/base/check.h"

#include <stdio.h>

static void to_some_mail(struct scene *s, const char *word)
{
    char request[64];
    const struct plan *p = s->plan;
    uint32_t domain = random_below(&s->operator_dice, p->domain_count);
    if (random_below(&s->operator_dice, 4) > 0)
        snprintf(request, sizeof(request), "%s domain=%s", word, p->domains[domain].name);
    else
        snprintf(request, sizeof(request), "%s sender=sender@example.org", word);
    life_ask(&s->life, request);
}

static void ask_something(struct scene *s)
{
    switch (random_below(&s->operator_dice, 9)) {
    case 0:
    case 1:
        to_some_mail(s, "hold");
        s->books.holds++;
        break;
    case 2: life_ask(&s->life, "release all"); break;
    case 3:
        if (s->plan->retries)
            life_ask(&s->life, "retry all");
        break;
    case 4: life_ask(&s->life, "list all limit=1000"); break;
    case 5: life_ask(&s->life, "count"); break;
    case 6:
        life_ask(&s->life, "hold all");
        s->books.holds++;
        break;
    case 7:
        if (s->plan->bounces)
            to_some_mail(s, "bounce");
        break;
    default:
        if (s->plan->purges)
            to_some_mail(s, "purge");
        break;
    }
}

void operator_look(struct scene *s)
{
    uint64_t now_us = world_now_us(s->world);
    if (!s->plan->operates || s->phase > PHASE_DRAINING || now_us < s->operate_us)
        return;
    s->operate_us = now_us + 1 + random_below(&s->operator_dice, 3000000);
    if (s->phase == PHASE_DRAINING)
        life_ask(&s->life, "release all");
    else
        ask_something(s);
}

void operator_lets_go(struct scene *s)
{
    s->operate_us = 0;
}
