// queue/tls_tally.c: what became of TLS with each policy domain, day by day.
#include "queue/tls_tally.h"

#include "engine/base/check.h"
#include "engine/base/words.h"

#include <pthread.h>
#include <stdlib.h>

#define LINE_BYTES_MAX (3 * TLS_TALLY_POLICY_BYTES_MAX + 2048)
#define HOST_BYTES_MAX 255

struct tls_tally {
    uint64_t seed;
    pthread_mutex_t lock; // guards all below
    uint32_t row_count;
    uint64_t change_count, lost_count;
    struct tls_row *buckets[TLS_TALLY_BUCKETS];
};

static const char *const type_words[TLS_POLICY_TYPES] = {
    [TLS_POLICY_NONE] = "no-policy-found", [TLS_POLICY_TLSA] = "tlsa", [TLS_POLICY_STS] = "sts"};

static const char *const result_words[TLS_RESULTS] = {
    [TLS_SUCCESS] = "",
    [TLS_NOT_SUPPORTED] = "starttls-not-supported",
    [TLS_HOST_MISMATCH] = "certificate-host-mismatch",
    [TLS_CERTIFICATE_EXPIRED] = "certificate-expired",
    [TLS_CERTIFICATE_NOT_TRUSTED] = "certificate-not-trusted",
    [TLS_VALIDATION_FAILURE] = "validation-failure",
    [TLS_TLSA_INVALID] = "tlsa-invalid",
    [TLS_DNSSEC_INVALID] = "dnssec-invalid",
    [TLS_DANE_REQUIRED] = "dane-required",
    [TLS_STS_FETCH_ERROR] = "sts-policy-fetch-error",
    [TLS_STS_POLICY_INVALID] = "sts-policy-invalid",
    [TLS_STS_WEBPKI_INVALID] = "sts-webpki-invalid",
};

const char *tls_policy_type_word(enum tls_policy_type t)
{
    return type_words[t];
}

const char *tls_result_word(enum tls_result r)
{
    return result_words[r];
}

static bool find_word(const char *const *words, uint32_t count, struct slice word, uint32_t *ret)
{
    for (uint32_t i = 0; i < count; i++)
        if (slice_equal(slice_of_text(words[i]), word)) {
            *ret = i;
            return true;
        }
    return false;
}

// --- rows

static void failed_free(struct tls_failed *f)
{
    if (!f)
        return;
    free(f->host);
    free(f->address);
    free(f);
}

static void row_free(struct tls_row *r)
{
    if (!r)
        return;
    while (r->failures) {
        struct tls_failed *f = r->failures;
        r->failures = f->next;
        failed_free(f);
    }
    free(r->domain);
    free(r->policy);
    free(r);
}

static char *copy(struct slice s)
{
    return strndup(s.len ? s.data : "", s.len);
}

static struct tls_row **bucket_of(struct tls_tally *t, struct slice domain)
{
    return &t->buckets[slice_hash(domain, t->seed) % TLS_TALLY_BUCKETS];
}

// One of that domain, day and type; made when there is none. NULL: no room.
static struct tls_row *row_of(struct tls_tally *t, struct slice domain, uint32_t day,
                              enum tls_policy_type type)
{
    struct tls_row **bucket = bucket_of(t, domain);
    for (struct tls_row *r = *bucket; r; r = r->next)
        if (r->day == day && r->type == type && slice_equal(slice_of_text(r->domain), domain))
            return r;
    struct tls_row *r = t->row_count < TLS_TALLY_ROWS_MAX ? calloc(1, sizeof(*r)) : NULL;
    if (!r)
        return NULL;
    r->day = day;
    r->type = type;
    r->domain = copy(domain);
    r->policy = copy(SLICE_EMPTY);
    if (!r->domain || !r->policy) {
        row_free(r);
        return NULL;
    }
    r->next = *bucket;
    *bucket = r;
    t->row_count++;
    return r;
}

static void set_policy(struct tls_row *r, struct slice policy)
{
    policy = slice_take(policy, TLS_TALLY_POLICY_BYTES_MAX);
    if (policy.len == 0 || slice_equal(slice_of_text(r->policy), policy))
        return;
    char *text = copy(policy);
    if (!text)
        return;
    free(r->policy);
    r->policy = text;
}

// NULL: no memory. Where there is no room for another host, it is counted without one.
static struct tls_failed *failed_of(struct tls_row *r, enum tls_result result, struct slice host,
                                    struct slice address)
{
    if (r->failure_count >= TLS_TALLY_FAILURES_MAX)
        host = address = SLICE_EMPTY;
    for (struct tls_failed *f = r->failures; f; f = f->next)
        if (f->result == result && slice_equal(slice_of_text(f->host), host) &&
            slice_equal(slice_of_text(f->address), address))
            return f;
    struct tls_failed *f = calloc(1, sizeof(*f));
    if (!f)
        return NULL;
    f->result = result;
    f->host = copy(slice_take(host, HOST_BYTES_MAX));
    f->address = copy(slice_take(address, HOST_BYTES_MAX));
    if (!f->host || !f->address) {
        failed_free(f);
        return NULL;
    }
    f->next = r->failures;
    r->failures = f;
    r->failure_count++;
    return f;
}

static bool add(struct tls_tally *t, uint32_t day, const struct tls_session_end *e, uint64_t count)
{
    struct tls_row *r = row_of(t, e->domain, day, e->type);
    if (!r)
        return false;
    set_policy(r, e->policy);
    if (e->result == TLS_SUCCESS) {
        r->good_count += count;
        return true;
    }
    r->failed_count += count;
    struct tls_failed *f = failed_of(r, e->result, e->host, e->address);
    if (f)
        f->count += count;
    return f;
}

void tls_tally_count(struct tls_tally *t, const struct tls_session_end *e)
{
    pthread_mutex_lock(&t->lock);
    if (add(t, (uint32_t)(e->wall_s / SECONDS_A_DAY), e, 1))
        t->change_count++;
    else
        t->lost_count++;
    pthread_mutex_unlock(&t->lock);
}

// --- life and looking

struct tls_tally *tls_tally_new(uint64_t seed)
{
    struct tls_tally *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->seed = seed;
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

static void drop_before(struct tls_tally *t, uint32_t bucket, uint32_t day)
{
    for (struct tls_row **link = &t->buckets[bucket]; *link;) {
        struct tls_row *r = *link;
        if (r->day >= day) {
            link = &r->next;
            continue;
        }
        *link = r->next;
        t->row_count--;
        row_free(r);
    }
}

void tls_tally_free(struct tls_tally *t)
{
    if (!t)
        return;
    for (uint32_t i = 0; i < TLS_TALLY_BUCKETS; i++)
        drop_before(t, i, UINT32_MAX);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

void tls_tally_lock(struct tls_tally *t)
{
    pthread_mutex_lock(&t->lock);
}

void tls_tally_unlock(struct tls_tally *t)
{
    pthread_mutex_unlock(&t->lock);
}

const struct tls_row *tls_tally_bucket(const struct tls_tally *t, uint32_t bucket)
{
    CHECK(bucket < TLS_TALLY_BUCKETS);
    return t->buckets[bucket];
}

uint64_t tls_tally_changes(struct tls_tally *t)
{
    pthread_mutex_lock(&t->lock);
    uint64_t count = t->change_count;
    pthread_mutex_unlock(&t->lock);
    return count;
}

uint64_t tls_tally_lost(struct tls_tally *t)
{
    pthread_mutex_lock(&t->lock);
    uint64_t count = t->lost_count;
    pthread_mutex_unlock(&t->lock);
    return count;
}

// --- lines: "good domain=d day=20785 type=sts count=7 policy=...", "failed ... result=...
// host=..."

static bool put_number(struct buffer *out, const char *key, uint64_t value)
{
    return buffer_printf(out, " %s=%llu", key, (unsigned long long)value);
}

static bool put_row(const struct tls_row *r, struct buffer *out)
{
    bool good = words_put(out, "good", SLICE_EMPTY) &&
                words_put(out, "domain", slice_of_text(r->domain)) &&
                put_number(out, "day", r->day) &&
                words_put(out, "type", slice_of_text(type_words[r->type])) &&
                put_number(out, "count", r->good_count) &&
                (!r->policy[0] || words_put(out, "policy", slice_of_text(r->policy))) &&
                buffer_append_byte(out, '\n');
    for (const struct tls_failed *f = r->failures; f && good; f = f->next)
        good = words_put(out, "failed", SLICE_EMPTY) &&
               words_put(out, "domain", slice_of_text(r->domain)) &&
               put_number(out, "day", r->day) &&
               words_put(out, "type", slice_of_text(type_words[r->type])) &&
               put_number(out, "count", f->count) &&
               words_put(out, "result", slice_of_text(result_words[f->result])) &&
               (!f->host[0] || words_put(out, "host", slice_of_text(f->host))) &&
               (!f->address[0] || words_put(out, "address", slice_of_text(f->address))) &&
               buffer_append_byte(out, '\n');
    return good;
}

bool tls_tally_print(struct tls_tally *t, uint64_t wall_s, struct buffer *out)
{
    uint32_t today = (uint32_t)(wall_s / SECONDS_A_DAY);
    bool good = true;
    for (uint32_t i = 0; i < TLS_TALLY_BUCKETS && good; i++) {
        pthread_mutex_lock(&t->lock); // a bucket at a time: who ends a session waits for no more
        drop_before(t, i, today > TLS_TALLY_DAYS ? today - TLS_TALLY_DAYS : 0);
        for (const struct tls_row *r = t->buckets[i]; r && good; r = r->next)
            good = put_row(r, out);
        pthread_mutex_unlock(&t->lock);
    }
    return good;
}

struct line {
    struct tls_session_end end;
    uint64_t day, count;
    uint32_t type, result;
};

static bool take_word(struct line *l, struct slice key, struct slice value)
{
    if (slice_equal(key, SLICE("domain")))
        l->end.domain = slice_take(value, HOST_BYTES_MAX);
    else if (slice_equal(key, SLICE("policy")))
        l->end.policy = value;
    else if (slice_equal(key, SLICE("host")))
        l->end.host = value;
    else if (slice_equal(key, SLICE("address")))
        l->end.address = value;
    else if (slice_equal(key, SLICE("day")))
        return slice_to_u64(value, UINT32_MAX - 1, &l->day);
    else if (slice_equal(key, SLICE("count")))
        return slice_to_u64(value, UINT64_MAX, &l->count);
    else if (slice_equal(key, SLICE("type")))
        return find_word(type_words, TLS_POLICY_TYPES, value, &l->type);
    else if (slice_equal(key, SLICE("result")))
        return value.len > 0 && find_word(result_words, TLS_RESULTS, value, &l->result);
    else
        return false;
    return true;
}

static bool read_line(struct tls_tally *t, struct slice line)
{
    char text[LINE_BYTES_MAX]; // words_next() changes it
    struct line l = {.type = TLS_POLICY_NONE, .result = TLS_SUCCESS};
    struct slice key, value;
    if (line.len > sizeof(text))
        return false;
    memcpy(text, line.data, line.len);
    struct slice rest = slice_make(text, line.len);
    if (!words_next(&rest, &key, &value))
        return false;
    bool is_failed = slice_equal(key, SLICE("failed"));
    if (!is_failed && !slice_equal(key, SLICE("good")))
        return false;
    while (words_next(&rest, &key, &value))
        if (!take_word(&l, key, value))
            return false;
    if (rest.len > 0 || l.end.domain.len == 0 || is_failed != (l.result != TLS_SUCCESS))
        return false;
    l.end.type = (enum tls_policy_type)l.type;
    l.end.result = (enum tls_result)l.result;
    return add(t, (uint32_t)l.day, &l.end, l.count);
}

bool tls_tally_read(struct tls_tally *t, struct slice text)
{
    bool good = true;
    pthread_mutex_lock(&t->lock);
    while (text.len > 0) {
        struct slice line = slice_cut(&text, '\n');
        good &= read_line(t, line);
    }
    pthread_mutex_unlock(&t->lock);
    return good;
}
