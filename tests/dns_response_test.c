// tests/dns_response_test.c: what DNS messages mean, and what broken ones cannot do.
#include "dns/packed.h"
#include "dns/response.h"
#include "engine/base/check.h"
#include "engine/base/random.h"
#include "tests/suite.h"

#include <stdlib.h>

// Records are written one a line, "SECTION OWNER TTL TYPE RDATA", where the section is an(swer),
// au(thority) or ad(ditional); "hex ..." are raw bytes of RDATA, "none" is none.
struct writer {
    uint8_t bytes[65536];
    size_t len;
};

static void put(struct writer *w, const void *bytes, size_t len)
{
    CHECK(w->len + len <= sizeof(w->bytes));
    memcpy(w->bytes + w->len, bytes, len);
    w->len += len;
}

static void put_u16(struct writer *w, unsigned n)
{
    put(w, (uint8_t[]){(uint8_t)(n >> 8), (uint8_t)n}, 2);
}

static void put_u32(struct writer *w, uint32_t n)
{
    put_u16(w, n >> 16);
    put_u16(w, n & 0xffff);
}

// "a.b" uncompressed, "." the root, "@" a pointer to the question's name, "a.@" one behind a label;
// "\1" in a label stands for a byte that no host has.
static void put_name(struct writer *w, const char *text)
{
    if (strcmp(text, ".") == 0)
        text = "";
    while (*text) {
        size_t len = strcspn(text, ".");
        if (*text == '@') {
            put_u16(w, 0xc000 | 12);
            return;
        }
        put(w, (uint8_t[]){(uint8_t)len}, 1);
        put(w, text, len);
        text += len + (text[len] == '.');
    }
    put(w, "", 1);
}

static unsigned type_of(const char *text)
{
    static const struct {
        const char *name;
        unsigned type;
    } types[] = {{"A", 1},     {"NS", 2},   {"CNAME", 5}, {"SOA", 6},  {"MX", 15},
                 {"AAAA", 28}, {"OPT", 41}, {"TXT", 16},  {"TLSA", 52}};
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (strcmp(types[i].name, text) == 0)
            return types[i].type;
    return (unsigned)atoi(text);
}

static void put_rdata(struct writer *w, const char *type, const char *rdata)
{
    unsigned n[8];
    char name[300];
    if (strcmp(rdata, "none") == 0)
        return;
    if (sscanf(rdata, "hex %299s", name) == 1) {
        for (const char *at = name; at[0] && at[1]; at += 2) {
            sscanf(at, "%2x", &n[0]);
            put(w, (uint8_t[]){(uint8_t)n[0]}, 1);
        }
    } else if (strcmp(type, "A") == 0) {
        sscanf(rdata, "%u.%u.%u.%u", &n[0], &n[1], &n[2], &n[3]);
        for (unsigned i = 0; i < 4; i++)
            put(w, (uint8_t[]){(uint8_t)n[i]}, 1);
    } else if (strcmp(type, "MX") == 0) {
        sscanf(rdata, "%u %299[^\n]", &n[0], name);
        put_u16(w, n[0]);
        put_name(w, name);
    } else if (strcmp(type, "SOA") == 0) {
        put_name(w, "ns.example");
        put_name(w, "admin.example");
        for (unsigned i = 0; i < 4; i++)
            put_u32(w, 3600);
        put_u32(w, (uint32_t)strtoul(rdata, NULL, 10));
    } else if (strcmp(type, "CNAME") == 0 || strcmp(type, "NS") == 0) {
        put_name(w, rdata);
    }
}

static void put_record(struct writer *w, const char *line)
{
    char section[8], owner[300], type[16], rdata[400] = "";
    unsigned long ttl;
    CHECK(sscanf(line, "%7s %299s %lu %15s %399[^\n]", section, owner, &ttl, type, rdata) >= 4);
    unsigned at = strcmp(section, "an") == 0 ? 6 : strcmp(section, "au") == 0 ? 8 : 10;
    unsigned count = (unsigned)w->bytes[at] << 8 | w->bytes[at + 1];
    w->bytes[at] = (uint8_t)((count + 1) >> 8);
    w->bytes[at + 1] = (uint8_t)(count + 1);

    put_name(w, owner);
    put_u16(w, type_of(type));
    put_u16(w, 1);
    put_u32(w, (uint32_t)ttl);
    size_t len_at = w->len;
    put_u16(w, 0);
    put_rdata(w, type, rdata);
    size_t len = w->len - len_at - 2;
    w->bytes[len_at] = (uint8_t)(len >> 8);
    w->bytes[len_at + 1] = (uint8_t)len;
}

static void write_message(struct writer *w, unsigned flags, const char *name, unsigned type,
                          const char *records)
{
    w->len = 0;
    put_u16(w, 4711);
    put_u16(w, flags);
    put_u16(w, 1);
    put(w, "\0\0\0\0\0\0", 6);
    put_name(w, name);
    put_u16(w, type);
    put_u16(w, 1);
    while (*records) {
        put_record(w, records);
        const char *end = strchr(records, '\n');
        records = end ? end + 1 : "";
    }
}

static const char *print_response(const struct dns_response *r, char *out)
{
    static const char *const words[] = {"found", "no domain", "no records", "null mx", "later"};
    char *at = out + sprintf(out, "%s %u:", words[r->status], r->ttl_s);
    for (uint32_t i = 0; i < r->mx_count; i++)
        at += sprintf(at, " %u %.*s", r->mx[i].preference, r->mx[i].len, r->mx[i].name);
    for (uint32_t i = 0; i < r->ip_count; i++) {
        struct io_address a = io_address_from_bytes(r->ips[i].bytes, r->ips[i].len, 0);
        char text[IO_ADDRESS_TEXT_BYTES];
        at += sprintf(at, " %s", io_address_print_host(&a, text));
    }
    if (r->canonical_len > 0)
        at += sprintf(at, " at %.*s", r->canonical_len, r->canonical);
    struct slice records[DNS_RECORDS_KEPT_MAX];
    uint32_t count = packed_read_records(slice_make(r->records, r->record_bytes), records);
    CHECK(count == r->record_count);
    for (uint32_t i = 0; i < count; i++) {
        at += sprintf(at, " <");
        for (size_t k = 0; k < records[i].len; k++)
            at += sprintf(at, "%02x", (unsigned char)records[i].data[k]);
        at += sprintf(at, ">");
    }
    if (r->secure)
        sprintf(at, " secure");
    return out;
}

#define OK 0x8180
#define NXDOMAIN 0x8183
#define AD 0x0020
#define LABEL63 "a23456789012345678901234567890123456789012345678901234567890123"

struct response_case {
    const char *name;
    unsigned flags;
    const char *asked;
    unsigned type;
    const char *records;
    const char *want;
};

static const struct response_case cases[] = {
    {"MX, sorted, the least TTL counts", OK, "example.org", DNS_TYPE_MX,
     "an @ 300 MX 20 b.@\nan @ 60 MX 10 A.Example.NET\n",
     "found 60: 10 a.example.net 20 b.example.org"},
    {"names of the answer in other case", OK, "example.org", DNS_TYPE_MX,
     "an eXample.ORG 300 MX 20 b\n", "found 300: 20 b"},
    {"doubles", OK, "example.org", DNS_TYPE_MX, "an @ 300 MX 20 b\nan @ 300 MX 10 b\n",
     "found 300: 10 b"},
    {"null MX (RFC 7505)", OK, "example.org", DNS_TYPE_MX, "an @ 300 MX 0 .\n", "null mx 300:"},
    {"null MX with another preference", OK, "example.org", DNS_TYPE_MX, "an @ 300 MX 10 .\n",
     "null mx 300:"},
    {"null MX among others is no host", OK, "example.org", DNS_TYPE_MX,
     "an @ 300 MX 0 .\nan @ 300 MX 10 a\n", "found 300: 10 a"},
    {"null MX behind others", OK, "example.org", DNS_TYPE_MX, "an @ 300 MX 10 a\nan @ 300 MX 0 .\n",
     "found 300: 10 a"},
    {"twice null", OK, "example.org", DNS_TYPE_MX, "an @ 300 MX 0 .\nan @ 300 MX 0 .\n",
     "found 300:"},
    {"names that are no host's are dropped", OK, "example.org", DNS_TYPE_MX,
     "an @ 300 MX 10 a b.@\nan @ 300 MX 10 a\1.@\nan @ 300 MX 10 \xff.@\nan @ 300 MX 20 ok.@\n",
     "found 300: 20 ok.example.org"},
    {"not one usable", OK, "example.org", DNS_TYPE_MX, "an @ 300 MX 10 a b.@\n", "found 300:"},
    {"NODATA: the lesser of the SOA's TTLs (RFC 2308 5)", OK, "example.org", DNS_TYPE_MX,
     "au example.org 500 SOA 90\n", "no records 90:"},
    {"NODATA: the other way round", OK, "example.org", DNS_TYPE_MX, "au example.org 50 SOA 90\n",
     "no records 50:"},
    {"NODATA: never for long", OK, "example.org", DNS_TYPE_MX, "au example.org 999999 SOA 999999\n",
     "no records 10800:"},
    {"NODATA with name servers", OK, "example.org", DNS_TYPE_MX,
     "au example.org 50 NS ns.@\nau example.org 50 SOA 90\n", "no records 50:"},
    {"NODATA, nothing else (RFC 2308 2.2, type 3)", OK, "example.org", DNS_TYPE_MX, "",
     "no records 0:"},
    {"a referral is no answer", OK, "example.org", DNS_TYPE_MX, "au example.org 50 NS ns.@\n",
     "later 0:"},
    {"NXDOMAIN", NXDOMAIN, "example.org", DNS_TYPE_MX, "au org 500 SOA 90\n", "no domain 90:"},
    {"NXDOMAIN without SOA", NXDOMAIN, "example.org", DNS_TYPE_MX, "", "no domain 0:"},
    {"NXDOMAIN at the end of a chain", NXDOMAIN, "example.org", DNS_TYPE_MX,
     "an @ 30 CNAME a.@\nau org 500 SOA 90\n", "no domain 30:"},
    {"SERVFAIL", 0x8182, "example.org", DNS_TYPE_MX, "an @ 300 MX 20 b\n", "later 0:"},
    {"REFUSED", 0x8185, "example.org", DNS_TYPE_MX, "", "later 0:"},
    {"truncated", 0x8380, "example.org", DNS_TYPE_MX, "an @ 300 MX 20 b\n", "later 0:"},
    {"a query is no answer", 0x0100, "example.org", DNS_TYPE_MX, "an @ 300 MX 20 b\n", "later 0:"},
    {"extended code in OPT (RFC 6891)", OK, "example.org", DNS_TYPE_MX, "ad . 16777216 OPT\n",
     "later 0:"},
    {"plain OPT", OK, "example.org", DNS_TYPE_MX, "an @ 300 MX 20 b\nad . 0 OPT\n",
     "found 300: 20 b"},
    {"other names' records", OK, "example.org", DNS_TYPE_MX, "an other.@ 300 MX 20 b\n",
     "no records 0:"},
    {"other types", OK, "example.org", DNS_TYPE_MX, "an @ 300 TXT hex 0161\n", "no records 0:"},
    {"CNAME, then MX, in either order", OK, "example.org", DNS_TYPE_MX,
     "an b.@ 100 MX 5 mx.@\nan a.@ 90 CNAME b.@\nan @ 300 CNAME a.@\n",
     "found 90: 5 mx.example.org at b.example.org"},
    {"CNAME to nowhere", OK, "example.org", DNS_TYPE_MX, "an @ 300 CNAME a.@\nau org 500 SOA 400\n",
     "no records 300:"},
    {"CNAME whose name goes beyond its end", OK, "example.org", DNS_TYPE_MX,
     "an @ 300 CNAME hex 0361\nan a 300 MX 10 a\n", "later 0:"},
    {"CNAME with something behind its name", OK, "example.org", DNS_TYPE_MX,
     "an @ 300 CNAME hex 016100ff\nan a 300 MX 10 a\n", "later 0:"},
    {"CNAME loop", OK, "example.org", DNS_TYPE_MX, "an @ 300 CNAME a.@\nan a.@ 300 CNAME @\n",
     "later 0:"},
    {"CNAME to itself", OK, "example.org", DNS_TYPE_MX, "an @ 300 CNAME @\n", "later 0:"},
    {"A", OK, "mx.example.org", DNS_TYPE_A, "an @ 300 A 192.0.2.1\nan @ 200 A 192.0.2.2\n",
     "found 200: 192.0.2.1 192.0.2.2"},
    {"A by CNAME", OK, "mx.example.org", DNS_TYPE_A, "an @ 300 CNAME h\nan h 200 A 192.0.2.2\n",
     "found 200: 192.0.2.2 at h"},
    {"AAAA", OK, "mx.example.org", DNS_TYPE_AAAA,
     "an @ 300 AAAA hex 20010db8000000000000000000000001\n", "found 300: 2001:db8::1"},
    {"A of three bytes", OK, "mx.example.org", DNS_TYPE_A, "an @ 300 A hex 7f0000\n", "later 0:"},
    {"A of five bytes", OK, "mx.example.org", DNS_TYPE_A, "an @ 300 A hex 7f00000101\n",
     "later 0:"},
    {"A of none", OK, "mx.example.org", DNS_TYPE_A, "an @ 300 A none\n", "later 0:"},
    {"AAAA of four bytes", OK, "mx.example.org", DNS_TYPE_AAAA, "an @ 300 AAAA hex 7f000001\n",
     "later 0:"},
    {"MX of one byte", OK, "example.org", DNS_TYPE_MX, "an @ 300 MX hex 00\n", "later 0:"},
    {"MX without name", OK, "example.org", DNS_TYPE_MX, "an @ 300 MX hex 000a\n", "later 0:"},
    {"MX whose name goes beyond its end", OK, "example.org", DNS_TYPE_MX,
     "an @ 300 MX hex 000a0361\nan @ 300 MX 10 a\n", "later 0:"},
    {"MX with something behind its name", OK, "example.org", DNS_TYPE_MX,
     "an @ 300 MX hex 000a016100ff\n", "later 0:"},
    {"MX that points to itself", OK, "example.org", DNS_TYPE_MX, "an @ 300 MX hex 000ac02b\n",
     "later 0:"},
    {"MX that points forward", OK, "example.org", DNS_TYPE_MX,
     "an @ 300 MX hex 000ac0ff\nan @ 300 MX 10 a\n", "later 0:"},
    {"label of a reserved kind", OK, "example.org", DNS_TYPE_MX, "an @ 300 MX hex 000a806100\n",
     "later 0:"},
    {"TTL with the top bit (RFC 2181 8)", OK, "example.org", DNS_TYPE_MX,
     "an @ 2147483648 MX 10 a\n", "found 0: 10 a"},
    {"short SOA", OK, "example.org", DNS_TYPE_MX, "au @ 300 SOA hex 0000\n", "later 0:"},
    {"the longest name", OK,
     LABEL63 "." LABEL63 "." LABEL63 "."
             "b123456789.b123456789."
             "b123456789.b123456789.b123456789.b12345",
     DNS_TYPE_A, "an @ 300 A 192.0.2.1\n", "found 300: 192.0.2.1"},
    {"AD: found", OK | AD, "example.org", DNS_TYPE_MX, "an @ 300 MX 10 a\n",
     "found 300: 10 a secure"},
    {"AD: none", OK | AD, "example.org", DNS_TYPE_MX, "au @ 300 SOA 90\n", "no records 90: secure"},
    {"AD: no domain", NXDOMAIN | AD, "example.org", DNS_TYPE_MX, "au @ 300 SOA 90\n",
     "no domain 90: secure"},
    {"AD with a failure is worth nothing", 0x8182 | AD, "example.org", DNS_TYPE_MX, "", "later 0:"},
    {"AD, by an alias that is no host's", OK | AD, "mx.example.org", DNS_TYPE_A,
     "an @ 300 CNAME a\1.@\nan a\1.@ 300 A 192.0.2.1\n", "found 300: 192.0.2.1"},
    {"TLSA", OK | AD, "_25._tcp.mx.example.org", DNS_TYPE_TLSA,
     "an @ 300 TLSA hex 030101aabb\nan @ 200 TLSA hex 020001cc\n",
     "found 200: <030101aabb> <020001cc> secure"},
    {"TLSA that is none counts", OK, "_25._tcp.mx.example.org", DNS_TYPE_TLSA,
     "an @ 300 TLSA hex 0301\nan @ 300 TLSA none\n", "found 300: <0301> <>"},
    {"TLSA by CNAME", OK, "_25._tcp.mx.example.org", DNS_TYPE_TLSA,
     "an @ 300 CNAME dane.@\nan dane.@ 300 TLSA hex 030101aa\n",
     "found 300: at dane._25._tcp.mx.example.org <030101aa>"},
    {"TXT", OK, "_mta-sts.example.org", DNS_TYPE_TXT, "an @ 300 TXT hex 0161\n",
     "found 300: <0161>"},
    {"CNAME", OK | AD, "mx.example.org", DNS_TYPE_CNAME, "an @ 300 CNAME h\n", "found 300: secure"},
    {"no CNAME", OK, "mx.example.org", DNS_TYPE_CNAME, "au @ 300 SOA 90\n", "no records 90:"},
    {"a name too long", OK, "example.org", DNS_TYPE_MX,
     "an @ 300 MX 10 " LABEL63 "." LABEL63 "." LABEL63 "." LABEL63 "\n", "later 0:"},
};

static struct writer *writer;

static void expect(const char *name, const char *got, const char *want)
{
    CHECK(want);
    if (strcmp(got, want) != 0)
        printf("\n  %s: got \"%s\", want \"%s\"\n", name, got, want);
    CU_ASSERT_STRING_EQUAL(got, want);
}

static const char *parse(const struct writer *w, const char *asked, unsigned type, char *out)
{
    struct dns_response *r = malloc(sizeof(*r));
    // A block of its own and of the very size, so that the address sanitizer sees each byte.
    char *copy = malloc(w->len ? w->len : 1);
    memcpy(copy, w->bytes, w->len);
    dns_response_parse(slice_make(copy, w->len), slice_of_text(asked), (enum dns_type)type, r);
    free(copy);
    print_response(r, out);
    free(r);
    return out;
}

static void test_meanings(void)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct response_case *c = &cases[i];
        char got[32768];
        write_message(writer, c->flags, c->asked, c->type, c->records);
        parse(writer, c->asked, c->type, got);
        expect(c->name, got, c->want);
    }
}

// Another's answer: whatever it holds, it is not ours.
static void test_question(void)
{
    char got[1024];
    write_message(writer, OK, "example.com", DNS_TYPE_MX, "an @ 300 MX 10 a\n");
    CU_ASSERT_STRING_EQUAL(parse(writer, "example.org", DNS_TYPE_MX, got), "later 0:");
    CU_ASSERT_STRING_EQUAL(parse(writer, "example.com", DNS_TYPE_A, got), "later 0:");
    CU_ASSERT_STRING_EQUAL(parse(writer, "example.com", DNS_TYPE_MX, got), "found 300: 10 a");
    writer->bytes[5] = 0; // no question at all
    CU_ASSERT_STRING_EQUAL(parse(writer, "example.com", DNS_TYPE_MX, got), "later 0:");
}

// A message cut anywhere is never believed.
static void test_every_cut(void)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct response_case *c = &cases[i];
        char got[32768];
        write_message(writer, c->flags, c->asked, c->type, c->records);
        for (size_t whole = writer->len; writer->len-- > 0;) {
            parse(writer, c->asked, c->type, got);
            if (strcmp(got, "later 0:") != 0)
                printf("\n  %s, %zu of %zu bytes: %s\n", c->name, writer->len, whole, got);
            CU_ASSERT_STRING_EQUAL(got, "later 0:");
        }
    }
}

// Any byte may be anything: what comes out stays within its bounds, and it comes out.
static void test_every_byte(void)
{
    struct random dice;
    random_init(&dice, 3);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct response_case *c = &cases[i];
        struct dns_response *r = malloc(sizeof(*r));
        write_message(writer, c->flags, c->asked, c->type, c->records);
        for (size_t at = 0; at < writer->len; at++)
            for (unsigned round = 0; round < 16; round++) {
                uint8_t kept = writer->bytes[at];
                writer->bytes[at] = (uint8_t)random_u64(&dice);
                dns_response_parse(slice_make(writer->bytes, writer->len), slice_of_text(c->asked),
                                   (enum dns_type)c->type, r);
                CU_ASSERT_FATAL(r->mx_count <= MX_HOSTS_MAX && r->ip_count <= DNS_ADDRESSES_MAX);
                struct slice records[DNS_RECORDS_KEPT_MAX];
                CU_ASSERT_FATAL(packed_read_records(slice_make(r->records, r->record_bytes),
                                                    records) == r->record_count);
                for (uint32_t k = 0; k < r->mx_count; k++)
                    CU_ASSERT_FATAL(dns_name_is_host(slice_make(r->mx[k].name, r->mx[k].len)));
                writer->bytes[at] = kept;
            }
        free(r);
    }
}

static void parse_many(unsigned count, enum dns_type type, struct dns_response *r)
{
    char *text = malloc(count * 64), *at = text;
    for (unsigned i = 0; i < count; i++)
        at += type == DNS_TYPE_MX     ? sprintf(at, "an @ 300 MX %u mx%u.@\n", i, i)
              : type == DNS_TYPE_TLSA ? sprintf(at, "an @ 300 TLSA hex 030101%04x\n", i)
                                      : sprintf(at, "an @ 300 A 10.0.%u.%u\n", i / 256, i % 256);
    write_message(writer, OK, "example.org", type, text);
    free(text);
    dns_response_parse(slice_make(writer->bytes, writer->len), SLICE("example.org"), type, r);
}

static void test_many(void)
{
    struct dns_response *r = malloc(sizeof(*r));
    parse_many(1000, DNS_TYPE_MX, r);
    CU_ASSERT_EQUAL(r->status, DNS_FOUND);
    CU_ASSERT_EQUAL(r->mx_count, MX_HOSTS_MAX);
    CU_ASSERT_EQUAL(r->mx[MX_HOSTS_MAX - 1].preference, MX_HOSTS_MAX - 1);

    parse_many(100, DNS_TYPE_TLSA, r);
    CU_ASSERT_EQUAL(r->status, DNS_FOUND);
    CU_ASSERT_EQUAL(r->record_count, DNS_RECORDS_KEPT_MAX);

    parse_many(500, DNS_TYPE_A, r);
    CU_ASSERT_EQUAL(r->status, DNS_FOUND);
    CU_ASSERT_EQUAL(r->ip_count, DNS_ADDRESSES_MAX);

    parse_many(DNS_RECORDS_MAX, DNS_TYPE_A, r);
    CU_ASSERT_EQUAL(r->status, DNS_FOUND);
    parse_many(DNS_RECORDS_MAX + 1, DNS_TYPE_A, r);
    CU_ASSERT_EQUAL(r->status, DNS_TRY_LATER);
    free(r);
}

// A chain of exactly the limit ends well, one more does not.
static void test_chain_limit(void)
{
    for (unsigned length = DNS_CHAIN_MAX; length <= DNS_CHAIN_MAX + 1; length++) {
        char text[4096], got[256];
        char *at = text + sprintf(text, "an @ 300 CNAME n1.@\n");
        for (unsigned i = 1; i < length; i++)
            at += sprintf(at, "an n%u.@ 300 CNAME n%u.@\n", i, i + 1);
        sprintf(at, "an n%u.@ 300 A 192.0.2.1\n", length);
        write_message(writer, OK, "example.org", DNS_TYPE_A, text);
        CU_ASSERT_STRING_EQUAL(parse(writer, "example.org", DNS_TYPE_A, got),
                               length == DNS_CHAIN_MAX ? "found 300: 192.0.2.1 at n16.example.org"
                                                       : "later 0:");
    }
}

static const struct {
    const char *name;
    bool want;
} name_cases[] = {
    {"a", true},     {"example.org", true}, {"_dmarc.a-b.c0", true},
    {"", false},     {".", false},          {"a..b", false},
    {".a", false},   {"a.", false},         {"a b", false},
    {"a\nb", false}, {"a\\046b", false},    {"\xc3\xa4.org", false},
    {LABEL63, true}, {LABEL63 "x", false},  {"*.org", false},
    {"a/b", false},  {"[1.2.3.4]", false},  {LABEL63 "." LABEL63 "." LABEL63 "." LABEL63, false},
};

static const struct {
    const char *literal, *want;
} literal_cases[] = {
    {"[127.0.0.1]", "127.0.0.1"},
    {"[IPv6:::1]", "::1"},
    {"[ipv6:2001:db8::1]", "2001:db8::1"},
    {"[127.0.0.1", NULL},
    {"[]", NULL},
    {"[", NULL},
    {"[::1]", NULL},
    {"[IPv6:127.0.0.1]", NULL},
    {"[127.1]", NULL},
    {"127.0.0.1", NULL},
    {"[tag:x]", NULL},
};

static void test_names(void)
{
    for (size_t i = 0; i < COUNT_OF(name_cases); i++)
        CU_ASSERT_EQUAL(dns_name_is_host(slice_of_text(name_cases[i].name)), name_cases[i].want);
    for (size_t i = 0; i < COUNT_OF(literal_cases); i++) {
        struct io_address a;
        char text[IO_ADDRESS_TEXT_BYTES];
        bool is_literal = dns_literal_parse(slice_of_text(literal_cases[i].literal), &a);
        CU_ASSERT_EQUAL(is_literal, literal_cases[i].want != NULL);
        if (is_literal)
            CU_ASSERT_STRING_EQUAL(io_address_print_host(&a, text), literal_cases[i].want);
    }
}

static const struct suite_test tests[] = {
    {"meanings", test_meanings},     {"question", test_question}, {"every cut", test_every_cut},
    {"every byte", test_every_byte}, {"many", test_many},         {"chain limit", test_chain_limit},
    {"names", test_names},
};

int main(int argc, char **argv)
{
    writer = malloc(sizeof(*writer));
    int status = suite_main("dns_response", tests, COUNT_OF(tests), argc, argv);
    free(writer);
    return status;
}
