// The list of suppressed addresses, as a home has to do with it: what bounced for good may go on
// it, and new mail for who is on it ends here.

#include "engine/base/check.h"
#include "engine/home_parts.h"
#include "engine/policy/category.h"

#include <stdlib.h>

#define DAY_US (UINT64_C(86400) * 1000000)

// --- onto the list

static struct suppression_page *page_of(struct home *h)
{
    if (h->suppress_page)
        return h->suppress_page;
    struct suppression_page *p = calloc(1, sizeof(*p));
    if (p) {
        p->letter.kind = LETTER_SUPPRESS;
        buffer_init(&p->lines, SUPPRESSION_PAGE_BYTES);
    }
    h->suppress_page = p;
    return p;
}

void home_suppress_flush(struct home *h)
{
    if (!h->suppress_page)
        return;
    post_leave(h->post, SUPPRESSION_KEEPER, &h->suppress_page->letter);
    h->suppress_page = NULL;
}

void home_suppress_free(struct home *h)
{
    if (h->suppress_page)
        buffer_release(&h->suppress_page->lines);
    free(h->suppress_page);
    h->suppress_page = NULL;
}

// What no page has room or memory for is left to the next bounce.
void home_suppress_failed(struct home *h, const struct result *r)
{
    char text[SUPPRESSION_ADDRESS_BYTES_MAX];
    const struct message *m = entry_message(r->job->entry);
    struct slice address = m ? message_rcpt_address(m, r->rcpt) : r->recipient;
    if (r->kind != RESULT_FAILED || !(h->suppress.add & UINT32_C(1) << r->category) ||
        address.len == 0) // the message could not be read back
        return;
    uint64_t until = (r->wall_us + h->suppress.for_us + DAY_US - 1) / DAY_US;
    struct suppression_line l = {
        .until = until < SUPPRESSION_FOR_EVER ? (uint16_t)until : SUPPRESSION_FOR_EVER,
        .category = slice_of_text(category_word((enum category)r->category)),
        .address = suppression_text(address, domain_name(r->job->domain), text),
    };
    if (page_of(h) && suppression_line_put(&h->suppress_page->lines, &l))
        return;
    home_suppress_flush(h); // it was full
    if (page_of(h))
        (void)suppression_line_put(&h->suppress_page->lines, &l);
}

// --- off the way in

static bool is_suppressed(const struct home *h, const struct message *m, uint32_t rcpt,
                          uint16_t today)
{
    char text[SUPPRESSION_ADDRESS_BYTES_MAX];
    struct slice address = suppression_text(message_rcpt_address(m, rcpt),
                                            message_rcpt_domain(m, rcpt), text);
    return suppression_holds(h->suppress.list, address, today);
}

// The same record and event as of any other failure, but that nobody was asked.
static void fail_rcpt(struct home *h, struct job *j, const struct message *m, uint32_t rcpt)
{
    struct result r = {
        .job = j,
        .rcpt = rcpt,
        .wall_us = io_wall_us(h->io),
        .attempt = 1,
        .code = 550,
        .enhanced = {5, 1, 1},
        .kind = RESULT_FAILED,
        .category = CATEGORY_SUPPRESSED,
        .text = SLICE("the recipient is on the suppression list"),
        .sender = message_sender(m),
        .recipient = message_rcpt_address(m, rcpt),
    };
    job_set_rcpt_state(j, rcpt, RCPT_FAILED);
    journal_result(&h->journal, &r);
    home_tell(h, &r);
    h->counters.suppressed++;
}

// True: nobody is left.
static bool job_drops(struct home *h, struct job *j, const struct message *m, uint16_t today)
{
    for (uint32_t i = 0; i < j->rcpt_count; i++)
        if (is_suppressed(h, m, j->rcpt_first + i, today))
            fail_rcpt(h, j, m, j->rcpt_first + i);
    return job_open_count(j) == 0;
}

bool home_drop_suppressed(struct home *h, struct entry *e, const struct message *m)
{
    uint16_t today = suppression_day(io_wall_us(h->io));
    if (!h->suppress.list ||
        atomic_load_explicit(&h->suppress.list->count, memory_order_relaxed) == 0)
        return false;
    for (uint32_t i = 0; i < entry_job_count(e); i++) {
        struct job *j = entry_job(e, i);
        if (!j->domain || !job_drops(h, j, m, today)) // without one it waits for room: not now
            continue;
        atomic_store_explicit(&j->place, JOB_HOME, memory_order_relaxed);
        domain_unref(j->domain);
        entry_set_out_count(e, entry_out_count(e) - 1);
        home_job_over(h, e);
    }
    return entry_open_count(e) == 0;
}
