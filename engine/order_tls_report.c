// tls-report: what became of TLS with each domain on one day, as RFC 8460's reports: a line of JSON
// for each domain. The counts are everybody's: worker 0 reads them, some buckets a step.
#include "engine/order_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TIME_TEXT_BYTES 32

struct reporting {
    uint32_t day;
    bool has_day;
    uint32_t bucket;
};

static bool read_day(struct slice text, uint32_t *ret)
{
    struct tm at = {0};
    char copy[16];
    if (text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    const char *end = strptime(copy, "%Y-%m-%d", &at);
    time_t seconds = end && *end == '\0' ? timegm(&at) : -1;
    if (seconds < 0)
        return false;
    *ret = (uint32_t)(seconds / SECONDS_A_DAY);
    return true;
}

static const char *report_word(struct order *o, struct slice key, struct slice value)
{
    if (!slice_equal(key, SLICE("day")))
        return SELECTOR_NOT_MINE;
    if (value.len >= sizeof(o->subject))
        return "that is no day";
    memcpy(o->subject, value.data, value.len);
    o->subject[value.len] = '\0';
    return NULL;
}

static bool report_begin(struct order *o)
{
    struct reporting *r = calloc(1, sizeof(*r));
    struct slice day = slice_of_text(o->subject);
    o->work = r;
    if (!r)
        return order_refuse(o, ORDER_LATER, "no memory");
    if (!o->place->shared->tls.tally)
        return order_refuse(o, ORDER_REFUSED, "nothing is counted");
    uint32_t today = (uint32_t)(io_wall_us(o->place->io) / 1000000 / SECONDS_A_DAY);
    r->day = slice_equal(day, SLICE("today")) ? today : today - 1;
    if (day.len > 0 && !slice_equal(day, SLICE("today")) && !read_day(day, &r->day))
        return order_refuse(o, ORDER_REFUSED, "day: such as 2027-01-31, or today");
    return true;
}

// --- one report

static const char *time_text(uint32_t day, bool is_end, char out[TIME_TEXT_BYTES])
{
    time_t seconds = (time_t)day * SECONDS_A_DAY + (is_end ? SECONDS_A_DAY - 1 : 0);
    struct tm at;
    gmtime_r(&seconds, &at);
    strftime(out, TIME_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &at);
    return out;
}

// What stands behind `start` on the lines of the policy that begin so. Nothing where none does.
static void put_policy_lines(const struct tls_row *r, const char *key, struct slice start,
                             struct json *j)
{
    bool any = false;
    for (struct slice rest = slice_of_text(r->policy); rest.len > 0;) {
        struct slice line = slice_cut(&rest, '\n');
        if (!slice_starts(line, start))
            continue;
        if (!any)
            json_array(j, key);
        any = true;
        json_text(j, NULL, slice_skip(line, start.len));
    }
    if (any)
        json_end(j);
}

static void put_failures(const struct tls_row *r, struct json *j)
{
    if (!r->failures)
        return;
    json_array(j, "failure-details");
    for (const struct tls_failed *f = r->failures; f; f = f->next) {
        json_object(j, NULL);
        json_text(j, "result-type", slice_of_text(tls_result_word(f->result)));
        if (f->host[0])
            json_text(j, "receiving-mx-hostname", slice_of_text(f->host));
        if (f->address[0])
            json_text(j, "receiving-ip", slice_of_text(f->address));
        json_u64(j, "failed-session-count", f->count);
        json_end(j);
    }
    json_end(j);
}

static void put_row(const struct tls_row *r, struct json *j)
{
    json_object(j, NULL);
    json_object(j, "policy");
    json_text(j, "policy-type", slice_of_text(tls_policy_type_word(r->type)));
    put_policy_lines(r, "policy-string", SLICE_EMPTY, j);
    json_text(j, "policy-domain", slice_of_text(r->domain));
    if (r->type == TLS_POLICY_STS)
        put_policy_lines(r, "mx-host", SLICE("mx: "), j);
    json_end(j);
    json_object(j, "summary");
    json_u64(j, "total-successful-session-count", r->good_count);
    json_u64(j, "total-failure-session-count", r->failed_count);
    json_end(j);
    put_failures(r, j);
    json_end(j);
}

// All rows of this one's domain and day.
static void put_report(struct order *o, const struct tls_row *first, uint32_t day)
{
    const char *hostname = o->place->shared->config->hostname;
    char start[TIME_TEXT_BYTES], end[TIME_TEXT_BYTES], text[1024];
    struct json j;
    order_line(o, &j);
    json_text(&j, "organization-name", slice_of_text(hostname));
    json_object(&j, "date-range");
    json_text(&j, "start-datetime", slice_of_text(time_text(day, false, start)));
    json_text(&j, "end-datetime", slice_of_text(time_text(day, true, end)));
    json_end(&j);
    snprintf(text, sizeof(text), "postmaster@%s", hostname);
    json_text(&j, "contact-info", slice_of_text(text));
    snprintf(text, sizeof(text), "%.10s.%s@%s", start, first->domain, hostname);
    json_text(&j, "report-id", slice_of_text(text));
    json_array(&j, "policies");
    for (const struct tls_row *r = first; r; r = r->next)
        if (r->day == day && strcmp(r->domain, first->domain) == 0)
            put_row(r, &j);
    json_end(&j);
    order_line_end(o, &j);
}

static bool is_first_of_domain(const struct tls_row *bucket, const struct tls_row *row,
                               uint32_t day)
{
    for (const struct tls_row *r = bucket; r != row; r = r->next)
        if (r->day == day && strcmp(r->domain, row->domain) == 0)
            return false;
    return row->day == day;
}

static enum order_step report_visit(struct order_place *p, struct order *o)
{
    struct reporting *report = o->work;
    struct tls_tally *t = p->shared->tls.tally;
    if (p->number != 0 || o->cancelled)
        return ORDER_OVER;
    tls_tally_lock(t);
    for (; report->bucket < TLS_TALLY_BUCKETS && !order_page_full(o); report->bucket++) {
        const struct tls_row *bucket = tls_tally_bucket(t, report->bucket);
        for (const struct tls_row *r = bucket; r; r = r->next)
            if (is_first_of_domain(bucket, r, report->day))
                put_report(o, r, report->day);
    }
    tls_tally_unlock(t);
    return report->bucket < TLS_TALLY_BUCKETS ? ORDER_AGAIN : ORDER_OVER;
}

const struct order_kind order_tls_report = {
    .name = "tls-report",
    .rounds = 1,
    .word = report_word,
    .begin = report_begin,
    .visit = report_visit,
};
