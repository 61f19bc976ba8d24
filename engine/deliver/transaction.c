#include "engine/deliver/transaction.h"

#include "engine/base/check.h"
#include "engine/message/fields.h"
#include "engine/smtp/octets.h"

#include <stdlib.h>

#define HEADER_BYTES_SEEN_MAX (256u * 1024)

static bool transaction_room(struct transaction *t, uint32_t count)
{
    if (t->rcpt_room >= count)
        return true;
    if (count == 1) {
        t->rcpts = &t->one_rcpt;
        t->smtp_rcpts = &t->one_smtp_rcpt;
        t->rcpt_room = 1;
        return true;
    }
    struct transaction_rcpt *rcpts = calloc(count, sizeof(*rcpts));
    struct smtp_recipient *smtp_rcpts = calloc(count, sizeof(*smtp_rcpts));
    if (!rcpts || !smtp_rcpts) {
        free(rcpts);
        free(smtp_rcpts);
        return false;
    }
    t->rcpts = rcpts;
    t->smtp_rcpts = smtp_rcpts;
    t->rcpt_room = count;
    return true;
}

// All that is said of it, but for recipients.
static bool needs_utf8(const struct message *m)
{
    const struct slice front = slice_take(message_content(m), HEADER_BYTES_SEEN_MAX);
    struct slice rest = front;
    struct header_field f;
    if (octets_kinds(message_sender(m)) & OCTETS_8BIT)
        return true;
    while (fields_next(&rest, &f))
        continue;
    return octets_kinds(slice_take(front, front.len - rest.len)) & OCTETS_8BIT;
}

void transaction_start(struct transaction *t, const struct job *j, uint32_t rcpt_count_max,
                       bool utf8)
{
    const struct message *m = j->message;
    CHECK(t->rcpt_count == 0 && rcpt_count_max > 0);
    uint32_t count = m->rcpt_count < rcpt_count_max ? m->rcpt_count : rcpt_count_max;
    if (!transaction_room(t, count))
        transaction_room(t, 1); // without memory for many, one at a time still works
    t->sorts_rcpts = m->smtputf8 && !utf8 && !needs_utf8(m);
    t->smtp = (struct smtp_transaction){
        .sender = message_sender(m),
        .dsn = message_dsn(m),
        .is_8bit = m->is_8bit,
        .smtputf8 = m->smtputf8 && !t->sorts_rcpts,
        .priority = m->priority,
        .content = {.has_dot_lines = m->has_dot_lines},
    };
    if (message_preface(m).len > 0)
        t->smtp.content.pieces[t->smtp.content.piece_count++] = message_preface(m);
    t->smtp.content.pieces[t->smtp.content.piece_count++] = message_content(m);
}

// The first one decides what kind of recipients a sorted transaction has.
static bool takes_rcpt(struct transaction *t, struct slice address)
{
    bool needs = t->sorts_rcpts && octets_kinds(address) & OCTETS_8BIT;
    if (t->rcpt_count == 0)
        t->smtp.smtputf8 |= needs;
    return !t->sorts_rcpts || needs == t->smtp.smtputf8;
}

uint32_t transaction_add(struct transaction *t, struct job *j, uint32_t rcpt_count_max)
{
    const struct message *m = j->message;
    uint32_t added = 0;
    if (rcpt_count_max > t->rcpt_room)
        rcpt_count_max = t->rcpt_room;
    for (uint32_t i = 0; i < j->rcpt_count && t->rcpt_count < rcpt_count_max; i++) {
        uint32_t rcpt = j->rcpt_first + i;
        if (job_rcpt_state(j, rcpt) != RCPT_OPEN || !takes_rcpt(t, message_rcpt_address(m, rcpt)))
            continue;
        t->rcpts[t->rcpt_count] = (struct transaction_rcpt){.job = j, .rcpt = rcpt};
        t->smtp_rcpts[t->rcpt_count++] = (struct smtp_recipient){
            .address = message_rcpt_address(m, rcpt), .dsn = message_rcpt_dsn(m, rcpt)};
        added++;
    }
    return added;
}

void transaction_seal(struct transaction *t)
{
    const struct message *m = t->rcpt_count > 0 ? t->rcpts[0].job->message : NULL;
    CHECK(m && (!m->is_for_one || t->rcpts[0].rcpt == m->only_rcpt));
    t->smtp.rcpts = t->smtp_rcpts;
    t->smtp.rcpt_count = t->rcpt_count;
    if (!m->verp)
        return;
    size_t len = verp_write(t->smtp.sender, t->smtp_rcpts[0].address, t->sender);
    if (len > 0)
        t->smtp.sender = slice_make(t->sender, len);
}

void transaction_release(struct transaction *t)
{
    if (t->rcpt_room > 1) {
        free(t->rcpts);
        free(t->smtp_rcpts);
    }
    t->rcpts = NULL;
    t->smtp_rcpts = NULL;
    t->rcpt_room = 0;
}
