// Messages are made ready for the wire between due and dispatch, off the loop: fields of their
// campaign are written, content that the site cannot take is encoded anew, and all is signed
// (DKIM). Their jobs wait for that before they go on, and take part of what their site may have
// under way meanwhile.
//
// What is put in front of a message stays with it for as long as that is in memory. Jobs of one
// message that come while it is made wait for it together; other workers may make one, too, and the
// first counts. Where it names the recipient it goes to a view of the message that is its job's
// alone. What was encoded is a copy for those jobs that asked for it, and goes with the last.

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/deliver/parts.h"
#include "engine/message/author.h"
#include "engine/message/recode.h"
#include "queue/message_form.h"

#include <stdio.h>
#include <stdlib.h>

#define DRESSINGS_MAX 20000u
#define VIEWS_MAX 100000u

// A view of a message in its slab.
struct view {
    struct message message; // first
    uint32_t index;
};

struct dressing {
    struct dressing *next;   // in its bucket
    struct message *message; // as its jobs have it
    struct message *form;    // what they get instead, or NULL
    char *room;              // in that one, for the content; NULL: it stays
    size_t room_bytes;
    struct job *first, *last; // by next
    const struct deliver *deliver;
    const struct dkim_domain *domain; // NULL: it is not signed
    const struct list_template *list; // NULL: it gets no fields
    bool is_personal;                 // these name the recipient
    uint32_t rcpt;                    // that is
    uint64_t wall_s;
    enum recode_status recoded;
    size_t content_bytes; // in the room
    bool has_dot_lines;   // there
    bool is_good;
    size_t bytes; // of text
    char text[];
};

bool dress_init(struct deliver *d)
{
    bool good = true;
    d->sign_room = d->o.dkim ? dkim_table_room(d->o.dkim) : 0;
    size_t front_room = d->sign_room + (d->o.lists->count > 0 ? LIST_FIELDS_BYTES_MAX : 0);
    slab_init(&d->dressings, (uint32_t)(sizeof(struct dressing) + front_room), DRESSINGS_MAX);
    slab_init(&d->views, sizeof(struct view), VIEWS_MAX);
    for (unsigned i = 0; d->o.dkim && i < IO_OFFLOAD_THREADS_MAX; i++) {
        d->signers[i] = dkim_signer_new();
        good &= d->signers[i] != NULL;
    }
    return good;
}

void dress_release(struct deliver *d)
{
    CHECK(d->dressings.item_count == 0 && d->views.item_count == 0);
    slab_release(&d->dressings);
    slab_release(&d->views);
    for (unsigned i = 0; i < IO_OFFLOAD_THREADS_MAX; i++)
        dkim_signer_free(d->signers[i]);
}

bool dress_has_room(const struct deliver *d)
{
    return d->dressings.item_count < DRESSINGS_MAX;
}

// --- views

static struct message *view_new(struct deliver *d, struct message *m)
{
    uint32_t index;
    struct view *v = slab_take(&d->views, &index);
    if (!v)
        return NULL;
    message_view_init(&v->message, m);
    v->index = index;
    return &v->message;
}

struct message *dress_view_over(struct deliver *d, struct message *view)
{
    struct message *shown = view->view_of;
    uint32_t index = ((struct view *)(void *)view)->index;
    message_view_release(view);
    slab_give(&d->views, index);
    return shown;
}

// --- what a message wants

// With whose keys? NULL: with nobody's.
static const struct dkim_domain *domain_of(const struct deliver *d, const struct message *m)
{
    char name[ADDRESS_DOMAIN_BYTES_MAX + 1];
    if (!d->o.dkim)
        return NULL;
    size_t len = author_domain(message_content(m), name);
    const struct dkim_domain *found = dkim_table_find(d->o.dkim, slice_make(name, len));
    bool goes_unsigned = found && found->identity_count == 0 && found->may_go_unsigned;
    return goes_unsigned ? NULL : found;
}

static const struct list_template *list_of(const struct deliver *d, const struct message *m)
{
    if (m->campaign_len == 0 || d->o.lists->count == 0)
        return NULL;
    return list_table_find(d->o.lists, message_campaign(m));
}

struct wants {
    const struct dkim_domain *domain;
    const struct list_template *list;
    bool encoding;
};

static bool wants_encoding(const struct message *m)
{
    return m->is_8bit && recode_wanted(message_content(m));
}

static struct wants wants_of(const struct deliver *d, const struct message *m, bool encoding)
{
    if (message_has_preface(m) && !encoding)
        return (struct wants){NULL, NULL, false};
    return (struct wants){domain_of(d, m), list_of(d, m), encoding};
}

bool dress_wanted(const struct deliver *d, const struct message *m)
{
    struct wants w = wants_of(d, m, false);
    return w.domain || w.list;
}

static uint32_t first_open_rcpt(const struct job *j)
{
    uint32_t rcpt = j->rcpt_first;
    while (job_rcpt_state(j, rcpt) != RCPT_OPEN)
        rcpt++;
    CHECK(rcpt < (uint32_t)j->rcpt_first + j->rcpt_count);
    return rcpt;
}

// --- off the loop: nothing but this dressing, and what is read-only

static bool encode(struct dressing *p)
{
    struct content_scan scan = {.fault = CONTENT_FINE};
    const struct slice content = message_content(p->message);
    p->recoded = recode(content, p->room, p->room_bytes, &p->content_bytes);
    if (p->recoded != RECODE_DONE)
        return false;
    content_scan(&scan, slice_make(p->room, p->content_bytes));
    p->has_dot_lines = scan.has_dot_lines;
    if (scan.fault != CONTENT_FINE)
        p->recoded = RECODE_UNSOUND;
    return scan.fault == CONTENT_FINE;
}

static size_t write_list_fields(const struct dressing *p, char out[LIST_FIELDS_BYTES_MAX])
{
    const struct message *m = p->message;
    char id[MESSAGE_ID_TEXT_BYTES];
    struct list_values v = {
        .id = slice_of_text(message_id_print(m->id, id)),
        .campaign = message_campaign(m),
        .recipient = p->is_personal ? message_rcpt_address(m, p->rcpt) : SLICE_EMPTY,
    };
    return list_fields_write(p->list, message_content(m), &v, out);
}

static size_t sign(struct dressing *p, struct slice front, unsigned thread)
{
    const struct deliver *d = p->deliver;
    const struct message *m = p->message;
    struct dkim_request request = {
        .front = front,
        .content = p->room ? slice_make(p->room, p->content_bytes) : message_content(m),
        .body_hash = m->has_body_hash && !p->room ? m->body_hash : NULL,
        .names = &p->domain->names,
        .identities = p->domain->identities,
        .identity_count = p->domain->identity_count,
        .wall_s = p->wall_s,
    };
    return dkim_sign(d->signers[thread], &request, p->text, d->sign_room);
}

static void work(void *argument, unsigned thread)
{
    struct dressing *p = argument;
    char fields[LIST_FIELDS_BYTES_MAX];
    if (p->room && !encode(p))
        return;
    size_t fields_len = p->list ? write_list_fields(p, fields) : 0;
    if (p->domain) {
        p->bytes = sign(p, slice_make(fields, fields_len), thread);
        if (p->bytes == 0)
            return;
    }
    if (fields_len > 0)
        memcpy(p->text + p->bytes, fields, fields_len);
    p->bytes += fields_len;
    p->is_good = true;
}

// --- asking for it

static struct dressing **bucket_of(struct deliver *d, const struct message *m)
{
    return &d->dressing_buckets[((uintptr_t)m >> 6) % DRESSING_BUCKETS];
}

static struct dressing *find(struct deliver *d, const struct message *m, bool encoding)
{
    struct dressing *p = *bucket_of(d, m);
    while (p && (p->message != m || p->is_personal || (p->room != NULL) != encoding))
        p = p->next;
    return p;
}

static void add_job(struct dressing *p, struct job *j)
{
    j->next = NULL;
    if (p->last)
        p->last->next = j;
    else
        p->first = j;
    p->last = j;
}

// One at a time may go beyond the limit of our memory: else a message might never leave where that
// is small.
static void make_copy(struct deliver *d, struct dressing *p)
{
    p->room_bytes = recode_room(message_content(p->message));
    p->form = message_rewrite_new(d->o.blocks, false, p->message, p->room_bytes, &p->room);
    if (p->form || d->beyond)
        return;
    p->form = message_rewrite_new(d->o.blocks, true, p->message, p->room_bytes, &p->room);
    d->beyond = p->form;
}

void dress_copy_over(struct deliver *d, struct message *copy)
{
    if (copy == d->beyond)
        d->beyond = NULL;
    message_free(d->o.blocks, copy);
}

// The form that its jobs get, if any. False: no memory.
static bool make_form(struct deliver *d, struct dressing *p, bool encoding)
{
    if (encoding)
        make_copy(d, p);
    else if (p->is_personal)
        p->form = view_new(d, p->message);
    else
        return true;
    if (p->form && p->is_personal) {
        p->form->is_for_one = true;
        p->form->only_rcpt = p->rcpt;
    }
    return p->form != NULL;
}

static enum io_haste haste_of(const struct job *j, const struct wants *w)
{
    if (job_class(j) == PRIORITY_TRANSACTIONAL)
        return IO_URGENT;
    return w->encoding ? IO_PLAIN : IO_BRIEF; // encoding goes over all of its content
}

static bool ask(struct deliver *d, struct job *j, const struct wants *w)
{
    uint32_t index;
    struct dressing *p = slab_take(&d->dressings, &index);
    if (!p)
        return false;
    *p = (struct dressing){
        .next = *bucket_of(d, j->message),
        .message = j->message,
        .deliver = d,
        .domain = w->domain,
        .list = w->list,
        .is_personal = w->list && list_template_is_personal(w->list),
        .rcpt = first_open_rcpt(j),
        .wall_s = io_wall_us(d->io) / 1000000,
        .recoded = RECODE_DONE,
    };
    if (!make_form(d, p, w->encoding)) {
        slab_give(&d->dressings, index);
        return false;
    }
    *bucket_of(d, j->message) = p;
    add_job(p, j);
    const struct io_token token = {index, slab_generation(&d->dressings, index), d->o.io_owner,
                                   DELIVER_OP_DRESS};
    io_offload(d->io, haste_of(j, w), work, p, token);
    return true;
}

enum dress_step dress_job(struct deliver *d, struct job *j, bool in_7bit, struct failure *ret_why)
{
    const struct enhanced_code security = {4, 7, 0};
    bool encoding = in_7bit && wants_encoding(j->message);
    if (encoding && j->message->view_of) {
        j->message->loan_count = 0; // it was this job's alone
        j->message = dress_view_over(d, j->message);
    }
    struct wants w = wants_of(d, j->message, encoding);
    if (!w.domain && !w.list && !w.encoding)
        return DRESS_READY;
    struct dressing *under_way = find(d, j->message, w.encoding);
    if (under_way) {
        add_job(under_way, j);
        return DRESS_ASKED;
    }
    if (w.domain && w.domain->incomplete && !w.domain->may_go_unsigned)
        failure_set(ret_why, 451, security, SLICE("a DKIM key of the sender's domain is missing"));
    else if (ask(d, j, &w))
        return DRESS_ASKED;
    else
        failure_set(ret_why, 451, (struct enhanced_code){4, 3, 0},
                    SLICE("no memory to make it ready"));
    return DRESS_FAILED;
}

// --- when it is done

// What was made goes with the message, or with the form of it.
static bool keep(struct deliver *d, const struct dressing *p)
{
    struct message *m = p->form ? p->form : p->message;
    struct message_preface *preface = p->is_good ? malloc(sizeof(*preface) + p->bytes) : NULL;
    if (!preface)
        return false;
    preface->bytes = p->bytes;
    memcpy(preface->text, p->text, p->bytes);
    message_add_preface(m, preface);
    if (p->room)
        message_rewrite_done(p->form, p->content_bytes, false, p->has_dot_lines);
    d->counters.signatures += p->domain != NULL;
    d->counters.encoded += p->room != NULL;
    return true;
}

// Why it could not be made, and what that means for its recipients.
static enum verdict fault_of(const struct dressing *p, struct failure *ret)
{
    char text[SITE_TEXT_BYTES_MAX];
    if (p->recoded == RECODE_DONE) {
        failure_set(ret, 451, (struct enhanced_code){4, 7, 0}, SLICE("it could not be signed"));
        return VERDICT_LATER;
    }
    snprintf(text, sizeof(text),
             "the receiving server takes no 8-bit content, and this cannot be encoded anew: %s",
             recode_text(p->recoded));
    failure_set(ret, 554, (struct enhanced_code){5, 6, 3}, slice_of_text(text));
    return VERDICT_NEVER;
}

static void tell_of_fault(struct deliver *d, const struct dressing *p)
{
    if (p->recoded != RECODE_DONE || !p->domain)
        return;
    d->counters.signatures_failed++;
    log_line(LOG_LEVEL_ERROR, "a message of %s could not be signed: it is deferred",
             p->domain->name);
}

// The job has the form in the message's place.
static void give_form(struct deliver *d, struct job *j, struct message *form)
{
    struct message *before = j->message;
    form->loan_count++;
    j->message = form;
    if (!form->view_of) // a view keeps what it shows
        outbox_let_go(d, before, j);
}

static void discard_form(struct deliver *d, struct message *form)
{
    if (form && form->view_of)
        (void)dress_view_over(d, form);
    else if (form)
        dress_copy_over(d, form);
}

void dress_on_done(struct deliver *d, const struct io_done *done)
{
    struct dressing *p = slab_find(&d->dressings, done->token.index, done->token.generation);
    CHECK(p);
    struct dressing **at = bucket_of(d, p->message);
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    bool good = done->result == 0 && keep(d, p);
    struct failure why;
    enum verdict verdict = good ? VERDICT_DELIVERED : fault_of(p, &why);
    if (!good) {
        tell_of_fault(d, p);
        discard_form(d, p->form);
    }
    for (struct job *j = p->first, *next; j; j = next) {
        next = j->next;
        if (good && p->form)
            give_form(d, j, p->form);
        if (good)
            prepare_done(d, job_target(j)->site, j);
        else
            prepare_failed(d, job_target(j)->site, j, verdict, &why);
    }
    slab_give(&d->dressings, done->token.index);
    starved_wake(d, 1); // there is room for another
}
