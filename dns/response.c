// dns/response.c: a DNS message that answers our question, from raw bytes.
#include "dns/response.h"

#include "engine/base/check.h"

#define HEADER_BYTES 12
#define FLAG_RESPONSE 0x8000
#define FLAG_TRUNCATED 0x0200
#define FLAG_AUTHENTIC 0x0020 // AD (RFC 4035 3.2.3)
#define RCODE(flags) ((flags)&0x000f)
#define RCODE_NO_ERROR 0
#define RCODE_NO_DOMAIN 3
#define OPT_RCODE(ttl_s) ((ttl_s) >> 24)
#define CLASS_IN 1

enum { TYPE_NS = 2, TYPE_SOA = 6, TYPE_OPT = 41 };

// Where reading has come to. After the first read beyond the end `broken` stays set, and what was
// read means nothing: who reads looks at it once, at the end.
struct reader {
    const uint8_t *data;
    size_t len;
    size_t at;
    bool broken;
};

// A name in lower case without the final dot; the root is empty. A dot inside of a label becomes
// NUL, so that it cannot pass for the end of one.
struct name {
    size_t len;
    char text[DNS_NAME_BYTES_MAX];
};

struct record {
    size_t owner_at; // its name is read only where it matters
    uint16_t type;
    uint16_t class;
    uint32_t ttl_s;
    struct reader rdata; // `at` stands at its first byte, `len` ends it
};

struct message {
    uint16_t flags;
    uint32_t answer_count, authority_count, additional_count;
    struct reader bytes;
};

static uint32_t read_number(struct reader *r, unsigned byte_count)
{
    uint32_t number = 0;
    if (r->len - r->at < byte_count) {
        r->broken = true;
        r->at = r->len;
        return 0;
    }
    while (byte_count-- > 0)
        number = number << 8 | r->data[r->at++];
    return number;
}

static uint16_t read_u16(struct reader *r)
{
    return (uint16_t)read_number(r, 2);
}

static char name_byte(uint8_t b)
{
    if (b >= 'A' && b <= 'Z')
        return (char)(b - 'A' + 'a');
    return b == '.' ? '\0' : (char)b;
}

static bool append_label(struct name *n, const uint8_t *label, size_t len)
{
    if (n->len + (n->len > 0) + len > sizeof(n->text))
        return false;
    if (n->len > 0)
        n->text[n->len++] = '.';
    for (size_t i = 0; i < len; i++)
        n->text[n->len++] = name_byte(label[i]);
    return true;
}

// Reads a name, following compression pointers (RFC 1035 4.1.4). A pointer must lead to before
// the place where this run of labels began: so each one leads further back, and there is an end.
static void read_name(struct reader *r, struct name *ret)
{
    size_t at = r->at, run_at = r->at, end_at = 0;
    ret->len = 0;
    while (at < r->len) {
        uint8_t len = r->data[at++];
        if (len == 0) {
            r->at = end_at ? end_at : at;
            return;
        }
        if (len <= DNS_LABEL_BYTES_MAX) {
            if (len > r->len - at || !append_label(ret, r->data + at, len))
                break;
            at += len;
            continue;
        }
        if ((len & 0xc0) != 0xc0 || at == r->len)
            break;
        size_t target = (size_t)(len & 0x3f) << 8 | r->data[at++];
        if (target >= run_at)
            break;
        if (end_at == 0)
            end_at = at;
        at = run_at = target;
    }
    r->broken = true;
    r->at = r->len;
}

static void skip_name(struct reader *r)
{
    while (r->at < r->len) {
        uint8_t len = r->data[r->at++];
        if (len == 0)
            return;
        if (len > DNS_LABEL_BYTES_MAX) {
            read_number(r, 1);
            return;
        }
        if (len > r->len - r->at)
            break;
        r->at += len;
    }
    r->broken = true;
    r->at = r->len;
}

static struct slice name_slice(const struct name *n)
{
    return slice_make(n->text, n->len);
}

static struct record read_record(struct reader *r)
{
    struct record record = {.owner_at = r->at};
    skip_name(r);
    record.type = read_u16(r);
    record.class = read_u16(r);
    record.ttl_s = read_number(r, 4);
    size_t rdata_bytes = read_u16(r);
    if (rdata_bytes > r->len - r->at)
        r->broken = true;
    if (r->broken)
        return record;
    record.rdata = *r;
    r->at += rdata_bytes;
    record.rdata.len = r->at;
    return record;
}

static bool is_of(const struct message *m, const struct record *record, uint16_t type,
                  const struct name *owner)
{
    struct reader r = m->bytes;
    struct name name;
    if (record->type != type || record->class != CLASS_IN)
        return false;
    r.at = record->owner_at;
    read_name(&r, &name);
    return !r.broken && slice_equal(name_slice(&name), name_slice(owner));
}

// --- what the records hold; false when it is not what their type promises

static bool take_mx(struct record *record, struct dns_response *ret, uint32_t *record_count)
{
    struct name name;
    struct mx_host host = {.preference = read_u16(&record->rdata)};
    read_name(&record->rdata, &name);
    if (record->rdata.broken || record->rdata.at != record->rdata.len)
        return false;
    // RFC 7505 3: a null MX is the only record. Among others the root is just no host.
    ret->status = ++*record_count == 1 && name.len == 0 ? DNS_NULL_MX : DNS_FOUND;
    if (!dns_name_is_host(name_slice(&name)))
        return true;
    host.len = (uint8_t)name.len;
    memcpy(host.name, name.text, name.len);
    mx_add(ret->mx, &ret->mx_count, &host);
    return true;
}

static bool take_ip(struct record *record, struct dns_response *ret)
{
    size_t len = record->rdata.len - record->rdata.at;
    if (len != (record->type == DNS_TYPE_A ? 4 : 16))
        return false;
    ret->status = DNS_FOUND;
    if (ret->ip_count == DNS_ADDRESSES_MAX)
        return true;
    struct dns_ip *ip = &ret->ips[ret->ip_count++];
    ip->len = (uint8_t)len;
    memcpy(ip->bytes, record->rdata.data + record->rdata.at, len);
    return true;
}

// As it stands: what it says is for others to read. One that is too long for us is kept as empty,
// so that it counts.
static void take_bytes(const struct record *record, struct dns_response *ret)
{
    size_t len = record->rdata.len - record->rdata.at;
    ret->status = DNS_FOUND;
    if (len > DNS_RECORD_BYTES_MAX)
        len = 0;
    if (ret->record_count == DNS_RECORDS_KEPT_MAX ||
        ret->record_bytes + 2 + len > sizeof(ret->records))
        return;
    char *to = ret->records + ret->record_bytes;
    to[0] = (char)(len >> 8);
    to[1] = (char)len;
    if (len > 0)
        memcpy(to + 2, record->rdata.data + record->rdata.at, len);
    ret->record_count++;
    ret->record_bytes = (uint16_t)(ret->record_bytes + 2 + len);
}

static bool take_record(struct record *record, struct dns_response *ret, uint32_t *mx_record_count)
{
    switch ((enum dns_type)record->type) {
    case DNS_TYPE_MX: return take_mx(record, ret, mx_record_count);
    case DNS_TYPE_A:
    case DNS_TYPE_AAAA: return take_ip(record, ret);
    case DNS_TYPE_CNAME: ret->status = DNS_FOUND; return true;
    case DNS_TYPE_TLSA:
    case DNS_TYPE_TXT: take_bytes(record, ret); return true;
    }
    return true;
}

// RFC 2181 8: a TTL with the top bit set counts as zero.
static void lower(uint32_t *ttl_s, uint32_t to)
{
    if (to > INT32_MAX)
        to = 0;
    if (to < *ttl_s)
        *ttl_s = to;
}

// Takes the records of `owner` from the answer section. ret->status stays DNS_NO_RECORDS when
// there are none. False: nonsense.
static bool take_records(const struct message *m, const struct name *owner, enum dns_type type,
                         struct dns_response *ret)
{
    struct reader r = m->bytes;
    uint32_t mx_record_count = 0;
    for (uint32_t i = 0; i < m->answer_count; i++) {
        struct record record = read_record(&r);
        if (!is_of(m, &record, (uint16_t)type, owner))
            continue;
        lower(&ret->ttl_s, record.ttl_s);
        if (!take_record(&record, ret, &mx_record_count))
            return false;
    }
    return true;
}

// The target of `owner`'s CNAME, if it has one. False: nonsense.
static bool take_cname(const struct message *m, const struct name *owner, struct name *ret_target,
                       bool *ret_found, struct dns_response *ret)
{
    struct reader r = m->bytes;
    *ret_found = false;
    for (uint32_t i = 0; i < m->answer_count && !*ret_found; i++) {
        struct record record = read_record(&r);
        if (!is_of(m, &record, DNS_TYPE_CNAME, owner))
            continue;
        read_name(&record.rdata, ret_target);
        if (record.rdata.broken || record.rdata.at != record.rdata.len)
            return false;
        lower(&ret->ttl_s, record.ttl_s);
        *ret_found = true;
    }
    return true;
}

// A name that can be no host is told to nobody, and nothing secure stands there.
static void note_canonical(const struct name *name, struct dns_response *ret)
{
    if (!dns_name_is_host(name_slice(name))) {
        ret->secure = false;
        return;
    }
    ret->canonical_len = (uint8_t)name->len;
    memcpy(ret->canonical, name->text, name->len);
}

static bool follow_chain(const struct message *m, struct slice name, enum dns_type type,
                         struct dns_response *ret)
{
    struct name owner = {.len = name.len};
    memcpy(owner.text, name.data, name.len);
    for (unsigned i = 0; i <= DNS_CHAIN_MAX; i++) {
        struct name target;
        bool found;
        if (!take_records(m, &owner, type, ret))
            return false;
        if (ret->status != DNS_NO_RECORDS) {
            if (i > 0)
                note_canonical(&owner, ret);
            return true;
        }
        if (!take_cname(m, &owner, &target, &found, ret))
            return false;
        if (!found)
            return true;
        owner = target;
    }
    return false; // a loop, or as good as one
}

// How long "there is none" may be believed: the lesser of the SOA's TTL and its last field
// (RFC 2308 3, 5). False: the authority section is a referral (RFC 2308 2.2), so that the server
// has not answered at all, or it is nonsense.
static bool take_authority(const struct message *m, struct dns_response *ret)
{
    struct reader r = m->bytes;
    bool saw_ns = false;
    for (uint32_t i = 0; i < m->answer_count + m->authority_count; i++) {
        struct record record = read_record(&r);
        if (i < m->answer_count || record.class != CLASS_IN)
            continue;
        saw_ns |= record.type == TYPE_NS;
        if (record.type != TYPE_SOA)
            continue;
        skip_name(&record.rdata);
        skip_name(&record.rdata);
        read_number(&record.rdata, 4); // serial
        read_number(&record.rdata, 4); // refresh
        read_number(&record.rdata, 4); // retry
        read_number(&record.rdata, 4); // expire
        uint32_t minimum_s = read_number(&record.rdata, 4);
        if (record.rdata.broken)
            return false;
        lower(&ret->ttl_s, record.ttl_s);
        lower(&ret->ttl_s, minimum_s);
        lower(&ret->ttl_s, DNS_NEGATIVE_TTL_S_MAX);
        return true;
    }
    ret->ttl_s = 0;
    return !saw_ns;
}

// Is it a whole response to this question, without an error of the server's?
static bool read_head(struct slice bytes, struct slice name, enum dns_type type,
                      struct message *ret)
{
    struct reader r = {.data = (const uint8_t *)bytes.data, .len = bytes.len};
    struct name question;
    read_u16(&r); // the id is the transport's to check
    ret->flags = read_u16(&r);
    uint16_t question_count = read_u16(&r);
    ret->answer_count = read_u16(&r);
    ret->authority_count = read_u16(&r);
    ret->additional_count = read_u16(&r);
    read_name(&r, &question);
    uint16_t question_type = read_u16(&r);
    uint16_t question_class = read_u16(&r);
    ret->bytes = r; // stands at the first record
    return !r.broken && (ret->flags & FLAG_RESPONSE) && !(ret->flags & FLAG_TRUNCATED) &&
           question_count == 1 && question_type == type && question_class == CLASS_IN &&
           slice_equal(name_slice(&question), name) &&
           ret->answer_count + ret->authority_count + ret->additional_count <= DNS_RECORDS_MAX;
}

// Reads each record once, so that nobody after us meets a broken one, and finds the upper bits of
// the response code (RFC 6891 6.1.3).
static bool read_records(const struct message *m)
{
    struct reader r = m->bytes;
    uint32_t count = m->answer_count + m->authority_count + m->additional_count;
    for (uint32_t i = 0; i < count; i++) {
        struct reader owner = r;
        struct name name;
        struct record record = read_record(&r);
        read_name(&owner, &name);
        if (r.broken || owner.broken)
            return false;
        if (record.type == TYPE_OPT && OPT_RCODE(record.ttl_s) != RCODE_NO_ERROR)
            return false;
    }
    return true;
}

void dns_response_clear(struct dns_response *ret, enum dns_status status)
{
    ret->status = status;
    ret->secure = false;
    ret->ttl_s = 0;
    ret->mx_count = ret->ip_count = 0;
    ret->canonical_len = 0;
    ret->record_count = ret->record_bytes = 0;
}

void dns_response_parse(struct slice message, struct slice name, enum dns_type type,
                        struct dns_response *ret)
{
    struct message m;
    CHECK(name.len <= DNS_NAME_BYTES_MAX);
    dns_response_clear(ret, DNS_NO_RECORDS);
    ret->ttl_s = UINT32_MAX;

    if (!read_head(message, name, type, &m) || !read_records(&m))
        goto try_later;
    ret->secure = m.flags & FLAG_AUTHENTIC;
    if (RCODE(m.flags) != RCODE_NO_ERROR && RCODE(m.flags) != RCODE_NO_DOMAIN)
        goto try_later;
    if (!follow_chain(&m, name, type, ret))
        goto try_later;
    if (RCODE(m.flags) == RCODE_NO_DOMAIN) {
        // With a CNAME before it, the code is about the end of the chain (RFC 6604 3).
        ret->status = DNS_NO_DOMAIN;
        if (!take_authority(&m, ret))
            ret->ttl_s = 0;
    } else if (ret->status == DNS_NO_RECORDS && !take_authority(&m, ret)) {
        goto try_later;
    }
    return;
try_later:
    dns_response_clear(ret, DNS_TRY_LATER);
}
