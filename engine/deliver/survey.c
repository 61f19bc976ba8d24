#include "engine/deliver/survey.h"

#include "engine/deliver/parts.h"

#include <stdio.h>

static uint64_t mail_of(const struct survey_row *r)
{
    return r->ready + r->sending;
}

static struct survey_row *row_named(struct survey *s, const char *name)
{
    for (uint32_t i = 0; i < s->row_count; i++)
        if (strcmp(s->rows[i].name, name) == 0)
            return &s->rows[i];
    return NULL;
}

// In front of those with less.
static void move_up(struct survey *s, struct survey_row *r)
{
    for (; r > s->rows && mail_of(r) > mail_of(r - 1); r--) {
        struct survey_row less = r[-1];
        r[-1] = *r;
        *r = less;
    }
}

// Other workers may have sent some of its mail for it.
static void add_row(struct survey *s, const struct survey_row *new)
{
    struct survey_row *r = row_named(s, new->name);
    if (r) {
        r->ready += new->ready;
        r->sending += new->sending;
        r->connection_count += new->connection_count;
        if (new->connections_max > r->connections_max)
            r->connections_max = new->connections_max;
    } else if (s->row_count < SURVEY_ROWS) {
        r = &s->rows[s->row_count++];
        *r = *new;
    } else if (mail_of(new) > mail_of(&s->rows[SURVEY_ROWS - 1])) {
        r = &s->rows[SURVEY_ROWS - 1];
        *r = *new;
    }
    if (r)
        move_up(s, r);
}

static void look_at(struct deliver *d, struct survey *s, struct site *site)
{
    struct survey_row r = {
        .ready = (uint64_t)site->ready_count + site->fetched_count + site->fetch_count,
        .sending = site->transaction_count,
        .connection_count = site->open_count,
        .connections_max = site->group ? site->group->limits->connections
                                       : site->limits.connections,
    };
    if (mail_of(&r) == 0)
        return;
    if (r.ready > 0)
        r.reason = dispatch_reason(d, site);
    else
        r.reason.kind = REASON_SENDING;
    if (r.reason.kind == REASON_NONE)
        r.reason.kind = REASON_BEHIND_OTHERS;
    s->reasons[r.reason.kind].sites++;
    s->reasons[r.reason.kind].ready += r.ready;
    snprintf(r.name, sizeof(r.name), "%s", site_name(site));
    add_row(s, &r);
}

bool deliver_survey(struct deliver *d, struct survey *s)
{
    uint32_t i = slab_next(&d->sites, s->next);
    for (uint32_t looks = 0; i != SLAB_NONE && looks < SURVEY_LOOKS_MAX; looks++) {
        look_at(d, s, slab_at(&d->sites, i));
        i = slab_next(&d->sites, i + 1);
    }
    s->next = i;
    if (i != SLAB_NONE)
        return false;
    for (uint32_t reason = 0; reason < REASON_COUNT; reason++)
        s->reasons[reason].domains += d->setback_counts[reason];
    s->next = 0;
    return true;
}
