// list and count: what is queued.
//
// One line a job: a message's recipients in one domain. A listing has no order but that of memory.
#include "engine/base/check.h"
#include "engine/home.h"
#include "engine/order_tally.h"
#include "engine/walk.h"

#include <stdlib.h>

#define LIST_LIMIT 100u
#define LIST_RCPTS_MAX 10u // told by name, of one job
#define COUNT_LIMIT 50u

// --- list

struct list {
    struct walk *walk;
    uint64_t limit, told;
    bool more; // than the limit
};

static void say_times(struct json *j, const struct order_place *p, const struct walked *w)
{
    uint64_t now_us = io_now_us(p->io), due_us = (uint64_t)w->job->due_s * 1000000;
    json_u64(j, "age-s", w->facts.age_us / 1000000);
    json_u64(j, "attempts", w->job->attempt_count);
    if (w->facts.state == QUEUE_DEFERRED)
        json_u64(j, "due-in-s", due_us > now_us ? (due_us - now_us) / 1000000 : 0);
}

static void say_recipients(struct json *j, const struct order *o, const struct walked *w)
{
    const struct job *job = w->job;
    uint32_t told = 0;
    json_u64(j, "recipients-open", job_left_count(job));
    if (!w->message)
        return;
    json_text(j, "sender", message_sender(w->message));
    json_array(j, "recipients");
    for (uint32_t i = 0; i < job->rcpt_count && told < LIST_RCPTS_MAX; i++) {
        uint32_t rcpt = job->rcpt_first + i;
        if (!job_rcpt_is_left(job, rcpt) || !walk_fits_rcpt(&o->selector, w->message, rcpt))
            continue;
        json_text(j, NULL, message_rcpt_address(w->message, rcpt));
        told++;
    }
    json_end(j);
}

static void list_act(struct order_place *p, struct order *o, const struct walked *w)
{
    struct list *list = o->work;
    struct json j;
    char id[MESSAGE_ID_TEXT_BYTES], priority[PRIORITY_TEXT_BYTES];
    if (list->told == list->limit) {
        list->more = list->walk->enough = true;
        return;
    }
    list->told++;
    order_line(o, &j);
    json_text(&j, "id", slice_of_text(message_id_print(w->facts.id, id)));
    json_text(&j, "state", slice_of_text(queue_state_words[w->facts.state]));
    json_text(&j, "domain", w->facts.domain);
    if (w->facts.campaign.len > 0)
        json_text(&j, "campaign", w->facts.campaign);
    if (w->job->entry->priority != 0)
        json_text(&j, "priority", slice_of_text(priority_print(w->job->entry->priority, priority)));
    say_times(&j, p, w);
    json_u64(&j, "bytes", w->job->entry->payload_bytes);
    say_recipients(&j, o, w);
    order_line_end(o, &j);
}

static bool list_begin(struct order *o)
{
    struct list *list = calloc(1, sizeof(*list));
    o->work = list;
    if (list)
        list->walk = walk_new(o->place->post->worker_count);
    if (!list || !list->walk)
        return order_refuse(o, ORDER_LATER, "no memory");
    list->limit = o->limit ? o->limit : LIST_LIMIT;
    list->walk->act = list_act;
    list->walk->reads = !o->brief;
    if (selector_says_nothing(&o->selector))
        o->selector.all = true;
    return true;
}

static enum order_step list_visit(struct order_place *p, struct order *o)
{
    return walk_visit(p, o, ((struct list *)o->work)->walk);
}

static enum order_step list_end(struct order *o)
{
    const struct list *list = o->work;
    struct json j;
    order_line(o, &j);
    json_u64(&j, "listed", list->told);
    json_bool(&j, "more", list->more);
    order_line_end(o, &j);
    return ORDER_OVER;
}

static void list_release(struct order *o)
{
    struct list *list = o->work;
    if (list)
        free(list->walk);
}

const struct order_kind order_list = {
    .name = "list",
    .selects = true,
    .rounds = 1,
    .begin = list_begin,
    .visit = list_visit,
    .end = list_end,
    .release = list_release,
};

// --- count

struct count {
    struct walk *walk;
    struct tally tally;
    struct tally_row all;
    uint32_t at; // of the tally's order, while it is told
    bool sorted;
};

static void count_act(struct order_place *p, struct order *o, const struct walked *w)
{
    struct count *count = o->work;
    uint32_t open = job_left_count(w->job);
    (void)p;
    struct tally_row *row = tally_row(&count->tally, w->facts.domain);
    row->recipients += open;
    row->jobs[w->facts.state]++;
    count->all.recipients += open;
    count->all.jobs[w->facts.state]++;
    if (w->facts.age_us > row->age_us_max)
        row->age_us_max = w->facts.age_us;
    if (w->facts.age_us > count->all.age_us_max)
        count->all.age_us_max = w->facts.age_us;
}

static bool count_begin(struct order *o)
{
    struct count *count = calloc(1, sizeof(*count));
    o->work = count;
    if (count)
        count->walk = walk_new(o->place->post->worker_count);
    if (!count || !count->walk || !tally_init(&count->tally))
        return order_refuse(o, ORDER_LATER, "no memory");
    count->walk->act = count_act;
    if (selector_says_nothing(&o->selector))
        o->selector.all = true;
    return true;
}

static enum order_step count_visit(struct order_place *p, struct order *o)
{
    return walk_visit(p, o, ((struct count *)o->work)->walk);
}

static void say_row(struct order *o, const char *key, struct slice name,
                    const struct tally_row *row)
{
    struct json j;
    uint64_t jobs = 0;
    for (uint32_t state = 0; state < QUEUE_STATE_COUNT; state++)
        jobs += row->jobs[state];
    order_line(o, &j);
    json_text(&j, key, name);
    json_u64(&j, "jobs", jobs);
    json_u64(&j, "recipients", row->recipients);
    for (uint32_t state = 0; state < QUEUE_STATE_COUNT; state++)
        json_u64(&j, queue_state_words[state], row->jobs[state]);
    json_u64(&j, "oldest-s", row->age_us_max / 1000000);
    order_line_end(o, &j);
}

static enum order_step count_end(struct order *o)
{
    struct count *count = o->work;
    uint64_t limit = o->limit ? o->limit : COUNT_LIMIT;
    if (!count->sorted)
        tally_sort(&count->tally);
    count->sorted = true;
    for (; count->at < count->tally.count && count->at < limit; count->at++) {
        if (order_page_full(o))
            return ORDER_AGAIN;
        const struct tally_row *row = tally_at(&count->tally, count->at);
        say_row(o, "domain", tally_name(&count->tally, row), row);
    }
    if (count->tally.others.recipients > 0)
        say_row(o, "domain", SLICE("(others)"), &count->tally.others);
    say_row(o, "total", SLICE("all"), &count->all);
    return ORDER_OVER;
}

static void count_release(struct order *o)
{
    struct count *count = o->work;
    if (!count)
        return;
    tally_release(&count->tally);
    free(count->walk);
}

const struct order_kind order_count = {
    .name = "count",
    .selects = true,
    .rounds = 1,
    .begin = count_begin,
    .visit = count_visit,
    .end = count_end,
    .release = count_release,
};
