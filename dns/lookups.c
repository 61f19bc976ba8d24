// dns/lookups.c: the questions under way.
#include "dns/lookups.h"

#include "engine/base/check.h"

#include <errno.h>

#define US_PER_S 1000000u

struct asker {
    uint64_t tag;
    struct dns_entry *entry; // the answer; NULL: no memory for one
    uint32_t next;
    enum dns_answer_kind kind;
};

struct lookup {
    uint64_t hash;
    struct dns_entry *first_half; // of an address lookup: A or AAAA, whichever came first
    enum dns_type first_type;
    uint32_t bucket_next;
    uint32_t line_next;
    uint32_t asker_first, asker_last;
    uint8_t kind;           // enum dns_answer_kind
    uint8_t sent_count;     // queries
    uint8_t answered_count; // of them
    uint8_t name_bytes;
    bool doubtful; // it failed the last time
    char name[DNS_NAME_BYTES_MAX + 1];
};

int dns_lookups_init(struct dns_lookups *l, const struct dns_lookups_options *options)
{
    *l = (struct dns_lookups){.options = *options};
    int error = dns_cache_init(&l->cache, options->cache_count_max, options->seed);
    if (error)
        return error;
    slab_init(&l->lookups, sizeof(struct lookup), DNS_ASKERS_MAX);
    slab_init(&l->askers, sizeof(struct asker), DNS_ASKERS_MAX);
    for (unsigned i = 0; i < DNS_LOOKUP_BUCKETS; i++)
        l->buckets[i] = SLAB_NONE;
    l->line = l->doubtful_line = (struct dns_line){SLAB_NONE, SLAB_NONE};
    l->ready_first = l->ready_last = SLAB_NONE;
    return 0;
}

void dns_lookups_release(struct dns_lookups *l)
{
    for (uint32_t i = 0; (i = slab_next(&l->askers, i)) != SLAB_NONE; i++)
        dns_entry_unref(((struct asker *)slab_at(&l->askers, i))->entry);
    for (uint32_t i = 0; (i = slab_next(&l->lookups, i)) != SLAB_NONE; i++)
        dns_entry_unref(((struct lookup *)slab_at(&l->lookups, i))->first_half);
    slab_release(&l->askers);
    slab_release(&l->lookups);
    dns_cache_release(&l->cache);
}

static struct asker *asker_at(const struct dns_lookups *l, uint32_t asker)
{
    return slab_at(&l->askers, asker);
}

static struct lookup *lookup_at(const struct dns_lookups *l, uint32_t lookup)
{
    return slab_at(&l->lookups, lookup);
}

static struct slice lookup_name(const struct lookup *k)
{
    return slice_make(k->name, k->name_bytes);
}

static uint8_t query_count_of(enum dns_answer_kind kind)
{
    return kind == DNS_ANSWER_ADDRESS ? 2 : 1;
}

// Puts `asker` behind the last of a list.
static void list_push(struct dns_lookups *l, uint32_t *first, uint32_t *last, uint32_t asker)
{
    asker_at(l, asker)->next = SLAB_NONE;
    if (*first == SLAB_NONE)
        *first = asker;
    else
        asker_at(l, *last)->next = asker;
    *last = asker;
}

// Takes the reference.
static void make_ready(struct dns_lookups *l, uint32_t asker, struct dns_entry *e)
{
    asker_at(l, asker)->entry = e;
    list_push(l, &l->ready_first, &l->ready_last, asker);
}

// --- asking

// Literals, and what can be no name at all.
static struct dns_entry *entry_without_query(const struct dns_lookups *l, enum dns_answer_kind kind,
                                             struct slice name, uint64_t now_us)
{
    struct io_address address;
    char packed[PACKED_BYTES_MAX];
    size_t packed_bytes;
    uint64_t expires_us = now_us + l->options.ttl_us_max;
    bool may_be_literal = kind == DNS_ANSWER_MX || kind == DNS_ANSWER_ADDRESS;
    if (!may_be_literal || name.len > MX_HOST_BYTES_MAX || !dns_literal_parse(name, &address))
        return dns_entry_new(kind, SLICE_EMPTY, DNS_NO_DOMAIN, expires_us, SLICE_EMPTY);
    if (kind == DNS_ANSWER_MX) {
        struct mx_host host = {.len = (uint8_t)name.len};
        memcpy(host.name, name.data, name.len);
        packed_bytes = packed_write_mx(SLICE_EMPTY, &host, 1, packed);
    } else {
        bool is_v6 = address.as.any.sa_family == AF_INET6;
        struct dns_ip ip = {.len = is_v6 ? 16 : 4};
        memcpy(ip.bytes, is_v6 ? (void *)&address.as.in6.sin6_addr : &address.as.in.sin_addr,
               ip.len);
        packed_bytes = packed_write_ips(&ip, 1, packed);
    }
    return dns_entry_new(kind, name, DNS_FOUND, expires_us, slice_make(packed, packed_bytes));
}

static uint32_t *bucket_of(struct dns_lookups *l, uint64_t hash)
{
    return &l->buckets[hash % DNS_LOOKUP_BUCKETS];
}

static uint32_t find_lookup(struct dns_lookups *l, uint64_t hash, enum dns_answer_kind kind,
                            struct slice name)
{
    uint32_t i = *bucket_of(l, hash);
    while (i != SLAB_NONE) {
        struct lookup *k = lookup_at(l, i);
        if (k->hash == hash && k->kind == kind && slice_equal(lookup_name(k), name))
            break;
        i = k->bucket_next;
    }
    return i;
}

static struct dns_line *line_of(struct dns_lookups *l, const struct lookup *k)
{
    return k->doubtful ? &l->doubtful_line : &l->line;
}

static uint32_t new_lookup(struct dns_lookups *l, uint64_t hash, enum dns_answer_kind kind,
                           struct slice name, bool doubtful)
{
    uint32_t i;
    struct lookup *k = slab_take(&l->lookups, &i);
    if (!k)
        return SLAB_NONE;
    k->hash = hash;
    k->kind = (uint8_t)kind;
    k->doubtful = doubtful;
    k->name_bytes = (uint8_t)name.len;
    memcpy(k->name, name.data, name.len);
    k->asker_first = k->asker_last = SLAB_NONE;
    k->bucket_next = *bucket_of(l, hash);
    *bucket_of(l, hash) = i;

    struct dns_line *line = line_of(l, k);
    k->line_next = SLAB_NONE;
    if (line->first == SLAB_NONE)
        line->first = i;
    else
        lookup_at(l, line->last)->line_next = i;
    line->last = i;
    return i;
}

bool dns_lookups_ask(struct dns_lookups *l, enum dns_answer_kind kind, struct slice name,
                     uint64_t tag, uint64_t now_us)
{
    uint32_t asker;
    struct asker *a = slab_take(&l->askers, &asker);
    if (!a)
        return false;
    a->tag = tag;
    a->kind = kind;
    l->counters.asked++;

    if (dns_name_is_literal(name) || !dns_name_is_host(name)) {
        make_ready(l, asker, entry_without_query(l, kind, name, now_us));
        return true;
    }
    bool doubtful = dns_cache_has_failed(&l->cache, kind, name);
    struct dns_entry *known = dns_cache_find(&l->cache, kind, name, now_us);
    if (known) {
        l->counters.cache_hits++;
        make_ready(l, asker, dns_entry_ref(known));
        return true;
    }
    uint64_t hash = slice_hash(name, l->options.seed + kind);
    uint32_t lookup = find_lookup(l, hash, kind, name);
    if (lookup != SLAB_NONE)
        l->counters.shared++;
    else
        lookup = new_lookup(l, hash, kind, name, doubtful);
    if (lookup == SLAB_NONE) {
        slab_give(&l->askers, asker);
        return false;
    }
    struct lookup *k = lookup_at(l, lookup);
    list_push(l, &k->asker_first, &k->asker_last, asker);
    return true;
}

// --- queries and responses

// Whose turn it is, or SLAB_NONE.
static uint32_t next_in_line(const struct dns_lookups *l)
{
    uint32_t max = l->options.query_count_max;
    bool doubtful_may = l->doubtful_line.first != SLAB_NONE && l->doubtful_count <= max / 4;
    if (l->query_count >= max)
        return SLAB_NONE;
    if (doubtful_may && l->passed_count + 1 >= DNS_DOUBTFUL_EVERY)
        return l->doubtful_line.first;
    if (l->line.first != SLAB_NONE)
        return l->line.first;
    return doubtful_may ? l->doubtful_line.first : SLAB_NONE;
}

static enum dns_type next_type(const struct lookup *k)
{
    switch ((enum dns_answer_kind)k->kind) {
    case DNS_ANSWER_MX: return DNS_TYPE_MX;
    case DNS_ANSWER_TLSA: return DNS_TYPE_TLSA;
    case DNS_ANSWER_TXT: return DNS_TYPE_TXT;
    case DNS_ANSWER_CNAME: return DNS_TYPE_CNAME;
    case DNS_ANSWER_ADDRESS: break;
    case DNS_ANSWER_NONE: CHECK(false);
    }
    return k->sent_count == 0 ? DNS_TYPE_A : DNS_TYPE_AAAA;
}

bool dns_lookups_next_query(struct dns_lookups *l, struct dns_query *ret)
{
    uint32_t lookup = next_in_line(l);
    if (lookup == SLAB_NONE)
        return false;
    struct lookup *k = lookup_at(l, lookup);
    *ret = (struct dns_query){
        .lookup = lookup,
        .generation = slab_generation(&l->lookups, lookup),
        .type = next_type(k),
        .name = lookup_name(k),
    };
    if (++k->sent_count == query_count_of((enum dns_answer_kind)k->kind))
        line_of(l, k)->first = k->line_next;
    l->doubtful_count += k->doubtful;
    bool passes = !k->doubtful && l->doubtful_line.first != SLAB_NONE;
    l->passed_count = passes ? l->passed_count + 1 : 0;
    l->query_count++;
    l->counters.queries++;
    return true;
}

static uint64_t expiry_us(const struct dns_lookups *l, const struct dns_response *response,
                          uint64_t now_us)
{
    if (response->status == DNS_TRY_LATER)
        return now_us + DNS_FAILURE_TTL_US;
    uint64_t ttl_us = (uint64_t)response->ttl_s * US_PER_S;
    if (ttl_us < l->options.ttl_us_min)
        ttl_us = l->options.ttl_us_min;
    if (ttl_us > l->options.ttl_us_max)
        ttl_us = l->options.ttl_us_max;
    return now_us + ttl_us;
}

static struct dns_entry *mx_entry(const struct lookup *k, const struct dns_response *response,
                                  uint64_t expires_us)
{
    char packed[PACKED_BYTES_MAX];
    size_t packed_bytes = 0;
    enum dns_status status = response->status;
    if (status == DNS_NO_RECORDS) {
        // "If an empty list of MXs is returned, the address is treated as if it was associated
        // with an implicit MX RR, with a preference of 0, pointing to that host" (RFC 5321 5.1).
        struct mx_host host = {.len = k->name_bytes};
        memcpy(host.name, k->name, k->name_bytes);
        packed_bytes = packed_write_mx(SLICE_EMPTY, &host, 1, packed);
        status = DNS_FOUND;
    } else if (status == DNS_FOUND) {
        struct slice canonical = slice_make(response->canonical, response->canonical_len);
        packed_bytes = packed_write_mx(canonical, response->mx, response->mx_count, packed);
        if (response->mx_count == 0)
            status = DNS_NO_RECORDS;
    }
    return dns_entry_new(DNS_ANSWER_MX, lookup_name(k), status, expires_us,
                         slice_make(packed, packed_bytes));
}

static struct dns_entry *address_entry(const struct lookup *k, const struct dns_response *response,
                                       uint64_t expires_us)
{
    char packed[2 + DNS_NAME_BYTES_MAX + PACKED_BYTES_MAX];
    struct slice canonical = slice_make(response->canonical, response->canonical_len);
    size_t packed_bytes = canonical.len > 0 ? packed_write_canonical(canonical, packed) : 0;
    packed_bytes += packed_write_ips(response->ips, response->ip_count, packed + packed_bytes);
    return dns_entry_new(DNS_ANSWER_ADDRESS, lookup_name(k), response->status, expires_us,
                         slice_make(packed, packed_bytes));
}

static struct dns_entry *record_entry(const struct lookup *k, const struct dns_response *response,
                                      uint64_t expires_us)
{
    return dns_entry_new((enum dns_answer_kind)k->kind, lookup_name(k), response->status,
                         expires_us, slice_make(response->records, response->record_bytes));
}

// NULL: no memory.
static struct dns_entry *new_entry(const struct lookup *k, const struct dns_response *response,
                                   uint64_t expires_us)
{
    struct dns_entry *e = k->kind == DNS_ANSWER_MX        ? mx_entry(k, response, expires_us)
                          : k->kind == DNS_ANSWER_ADDRESS ? address_entry(k, response, expires_us)
                                                          : record_entry(k, response, expires_us);
    if (e)
        e->secure = response->secure;
    return e;
}

static bool either(const struct dns_entry *a, const struct dns_entry *b, enum dns_status status)
{
    return a->status == status || b->status == status;
}

// Of a host whose addresses are not all secure nothing is. A half that has failed says nothing of
// the zone.
static bool both_secure(const struct dns_entry *a, const struct dns_entry *aaaa)
{
    return (a->secure || a->status == DNS_TRY_LATER) &&
           (aaaa->secure || aaaa->status == DNS_TRY_LATER) && (a->secure || aaaa->secure);
}

// What A and AAAA say together. A half that failed counts only when the other found nothing: a
// server that never answers AAAA would else make every lookup a failure.
static struct dns_entry *join_halves(const struct dns_entry *a, const struct dns_entry *aaaa)
{
    enum dns_status status = DNS_NO_RECORDS;
    if (either(a, aaaa, DNS_FOUND))
        status = DNS_FOUND;
    else if (either(a, aaaa, DNS_TRY_LATER))
        status = DNS_TRY_LATER;
    else if (either(a, aaaa, DNS_NO_DOMAIN))
        status = DNS_NO_DOMAIN;

    const struct dns_entry *sooner = a->expires_us < aaaa->expires_us ? a : aaaa;
    if (status == DNS_FOUND && sooner->status == DNS_TRY_LATER)
        sooner = sooner == a ? aaaa : a;

    char packed[2 * (2 + DNS_NAME_BYTES_MAX + PACKED_BYTES_MAX)];
    memcpy(packed, dns_entry_packed(a).data, a->packed_bytes);
    memcpy(packed + a->packed_bytes, dns_entry_packed(aaaa).data, aaaa->packed_bytes);
    struct slice both = slice_make(packed, (size_t)a->packed_bytes + aaaa->packed_bytes);
    struct dns_entry *e = dns_entry_new(DNS_ANSWER_ADDRESS, dns_entry_name(a), status,
                                        sooner->expires_us, both);
    if (e)
        e->secure = both_secure(a, aaaa);
    return e;
}

// The lookup has come to its end with `e` (NULL: no memory), whose reference is taken.
static void finish(struct dns_lookups *l, uint32_t lookup, struct dns_entry *e)
{
    struct lookup *k = lookup_at(l, lookup);
    uint32_t *link = bucket_of(l, k->hash);
    while (*link != lookup)
        link = &lookup_at(l, *link)->bucket_next;
    *link = k->bucket_next;

    for (uint32_t asker = k->asker_first, next; asker != SLAB_NONE; asker = next) {
        next = asker_at(l, asker)->next;
        make_ready(l, asker, e ? dns_entry_ref(e) : NULL);
    }
    slab_give(&l->lookups, lookup);
    if (e) {
        dns_cache_put(&l->cache, e);
        dns_entry_unref(e);
    }
}

static void on_half(struct dns_lookups *l, uint32_t lookup, enum dns_type type,
                    struct dns_entry *half)
{
    struct lookup *k = lookup_at(l, lookup);
    if (k->answered_count == 1) {
        k->first_half = half;
        k->first_type = type;
        return;
    }
    struct dns_entry *a = k->first_type == DNS_TYPE_A ? k->first_half : half;
    struct dns_entry *aaaa = k->first_type == DNS_TYPE_A ? half : k->first_half;
    struct dns_entry *whole = a && aaaa ? join_halves(a, aaaa) : NULL;
    dns_entry_unref(a);
    dns_entry_unref(aaaa);
    k->first_half = NULL;
    finish(l, lookup, whole);
}

void dns_lookups_on_response(struct dns_lookups *l, const struct dns_query *query,
                             const struct dns_response *response, uint64_t now_us)
{
    struct lookup *k = slab_find(&l->lookups, query->lookup, query->generation);
    CHECK(k && k->answered_count < k->sent_count && l->query_count > 0);
    k->answered_count++;
    l->query_count--;
    l->doubtful_count -= k->doubtful;
    if (response->status == DNS_TRY_LATER)
        l->counters.failures++;
    uint64_t expires_us = expiry_us(l, response, now_us);
    struct dns_entry *e = new_entry(k, response, expires_us);
    if (k->kind == DNS_ANSWER_ADDRESS)
        on_half(l, query->lookup, query->type, e);
    else
        finish(l, query->lookup, e);
}

// --- answers

static struct dns_answer unpack_records(struct dns_lookups *l, const struct asker *a,
                                        enum dns_status status, uint64_t expires_us)
{
    struct slice packed = a->entry ? dns_entry_packed(a->entry) : SLICE_EMPTY;
    CHECK(packed.len <= sizeof(l->lent_bytes));
    memcpy(l->lent_bytes, packed.data, packed.len);
    uint32_t count = packed_read_records(slice_make(l->lent_bytes, packed.len), l->lent_records);
    return (struct dns_answer){
        .kind = a->kind,
        .record = {a->tag, status, expires_us, a->entry && a->entry->secure, count,
                   l->lent_records},
    };
}

// A name out of an entry, which the answer may outlive.
static struct slice lend_name(struct dns_lookups *l, struct slice name)
{
    memcpy(l->lent_bytes, name.data, name.len);
    return slice_make(l->lent_bytes, name.len);
}

static struct dns_answer unpack(struct dns_lookups *l, const struct asker *a)
{
    struct slice canonical;
    enum dns_status status = a->entry ? (enum dns_status)a->entry->status : DNS_TRY_LATER;
    uint64_t expires_us = a->entry ? a->entry->expires_us : 0;
    struct slice packed = a->entry ? dns_entry_packed(a->entry) : SLICE_EMPTY;
    bool secure = a->entry && a->entry->secure;
    if (a->kind != DNS_ANSWER_MX && a->kind != DNS_ANSWER_ADDRESS)
        return unpack_records(l, a, status, expires_us);
    if (a->kind == DNS_ANSWER_MX) {
        struct mx_set *set = (struct mx_set *)l->lent_mx;
        set->count = packed_read_mx(packed, &canonical, set->hosts);
        return (struct dns_answer){
            .kind = DNS_ANSWER_MX,
            .mx = {a->tag, status, expires_us, set, secure, lend_name(l, canonical)},
        };
    }
    uint32_t count = packed_read_addresses(packed, l->lent_addresses);
    canonical = packed_read_canonical(packed);
    return (struct dns_answer){
        .kind = DNS_ANSWER_ADDRESS,
        .address = {a->tag, status, expires_us, l->lent_addresses, count, secure,
                    lend_name(l, canonical)},
    };
}

struct dns_answer dns_lookups_next_answer(struct dns_lookups *l)
{
    uint32_t asker = l->ready_first;
    if (asker == SLAB_NONE)
        return (struct dns_answer){.kind = DNS_ANSWER_NONE};
    struct asker *a = asker_at(l, asker);
    struct dns_answer answer = unpack(l, a);
    l->ready_first = a->next;
    dns_entry_unref(a->entry);
    slab_give(&l->askers, asker);
    return answer;
}
