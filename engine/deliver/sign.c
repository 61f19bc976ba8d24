// Messages are signed (DKIM) between due and dispatch, off the loop: their jobs wait for that
// before they go on, and take part of what their site may have under way meanwhile.
//
// A signature stays with the message for as long as that is in memory. Jobs of one message that
// come while it is made wait for it together; other workers may make one, too, and the first
// counts.

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/deliver/parts.h"
#include "engine/message/author.h"

#include <stdlib.h>

#define SIGNINGS_MAX 20000u

struct signing {
    struct signing *next; // in its bucket
    struct message *message;
    struct job *first, *last; // by next
    const struct deliver *deliver;
    const struct dkim_domain *domain;
    struct dkim_request request;
    size_t bytes; // of text; 0: it could not be signed
    char text[];
};

bool sign_init(struct deliver *d)
{
    if (!d->o.dkim)
        return true;
    d->sign_room = dkim_table_room(d->o.dkim);
    slab_init(&d->signings, (uint32_t)(sizeof(struct signing) + d->sign_room), SIGNINGS_MAX);
    for (unsigned i = 0; i < IO_OFFLOAD_THREADS_MAX; i++) {
        d->signers[i] = dkim_signer_new();
        if (!d->signers[i])
            return false;
    }
    return true;
}

void sign_release(struct deliver *d)
{
    CHECK(d->signings.item_count == 0);
    slab_release(&d->signings);
    for (unsigned i = 0; i < IO_OFFLOAD_THREADS_MAX; i++)
        dkim_signer_free(d->signers[i]);
}

bool sign_has_room(const struct deliver *d)
{
    return !d->o.dkim || d->signings.item_count < SIGNINGS_MAX;
}

// With whose keys is it still to be signed? NULL: with nobody's.
static const struct dkim_domain *domain_of(const struct deliver *d, const struct message *m)
{
    char name[ADDRESS_DOMAIN_BYTES_MAX + 1];
    if (!d->o.dkim || message_preface(m).len > 0)
        return NULL;
    size_t len = author_domain(message_content(m), name);
    const struct dkim_domain *found = dkim_table_find(d->o.dkim, slice_make(name, len));
    bool goes_unsigned = found && found->identity_count == 0 && found->may_go_unsigned;
    return goes_unsigned ? NULL : found;
}

bool sign_wanted(const struct deliver *d, const struct message *m)
{
    return domain_of(d, m) != NULL;
}

static struct signing **bucket_of(struct deliver *d, const struct message *m)
{
    return &d->signing_buckets[((uintptr_t)m >> 6) % SIGNING_BUCKETS];
}

static struct signing *find(struct deliver *d, const struct message *m)
{
    struct signing *s = *bucket_of(d, m);
    while (s && s->message != m)
        s = s->next;
    return s;
}

static void add_job(struct signing *s, struct job *j)
{
    j->next = NULL;
    if (s->last)
        s->last->next = j;
    else
        s->first = j;
    s->last = j;
}

// Off the loop: nothing but this signing, and what is read-only.
static void work(void *argument, unsigned thread)
{
    struct signing *s = argument;
    const struct deliver *d = s->deliver;
    s->bytes = dkim_sign(d->signers[thread], &s->request, s->text, d->sign_room);
}

static bool ask(struct deliver *d, struct job *j, const struct dkim_domain *domain)
{
    uint32_t index;
    struct signing *s = slab_take(&d->signings, &index);
    if (!s)
        return false;
    *s = (struct signing){
        .next = *bucket_of(d, j->message),
        .message = j->message,
        .deliver = d,
        .domain = domain,
        .request = {.content = message_content(j->message),
                    .body_hash = j->message->has_body_hash ? j->message->body_hash : NULL,
                    .names = &domain->names,
                    .identities = domain->identities,
                    .identity_count = domain->identity_count,
                    .wall_s = io_wall_us(d->io) / 1000000},
    };
    *bucket_of(d, j->message) = s;
    add_job(s, j);
    io_offload(d->io, work, s,
               (struct io_token){index, slab_generation(&d->signings, index), d->o.io_owner,
                                 DELIVER_OP_SIGN});
    return true;
}

enum sign_step sign_job(struct deliver *d, struct job *j, struct failure *ret_why)
{
    const struct dkim_domain *domain = domain_of(d, j->message);
    const struct enhanced_code security = {4, 7, 0};
    struct signing *under_way = domain ? find(d, j->message) : NULL;
    if (!domain)
        return SIGN_NOT_WANTED;
    if (under_way) {
        add_job(under_way, j);
        return SIGN_ASKED;
    }
    if (domain->incomplete && !domain->may_go_unsigned)
        failure_set(ret_why, 451, security, SLICE("a DKIM key of the sender's domain is missing"));
    else if (ask(d, j, domain))
        return SIGN_ASKED;
    else
        failure_set(ret_why, 451, (struct enhanced_code){4, 3, 0}, SLICE("no memory to sign it"));
    return SIGN_FAILED;
}

// What was made goes with the message.
static bool keep(struct deliver *d, const struct signing *s)
{
    struct message_preface *p = s->bytes > 0 ? malloc(sizeof(*p) + s->bytes) : NULL;
    if (!p)
        return false;
    p->bytes = s->bytes;
    memcpy(p->text, s->text, s->bytes);
    message_add_preface(s->message, p);
    d->counters.signatures++;
    return true;
}

void sign_on_done(struct deliver *d, const struct io_done *done)
{
    struct signing *s = slab_find(&d->signings, done->token.index, done->token.generation);
    CHECK(s);
    struct signing **at = bucket_of(d, s->message);
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    bool good = done->result == 0 && keep(d, s);
    if (!good) {
        d->counters.signatures_failed++;
        log_line(LOG_LEVEL_ERROR, "a message of %s could not be signed: it is deferred",
                 s->domain->name);
    }
    for (struct job *j = s->first, *next; j; j = next) {
        next = j->next;
        struct failure why;
        failure_set(&why, 451, (struct enhanced_code){4, 7, 0}, SLICE("it could not be signed"));
        if (good)
            prepare_done(d, job_target(j)->site, j);
        else
            prepare_failed(d, job_target(j)->site, j, &why);
    }
    slab_give(&d->signings, done->token.index);
    starved_wake(d, 1); // there is room for another
}
