// dns/packed.c: exchangers and addresses in few bytes.
#include "dns/packed.h"

#include "engine/base/check.h"

_Static_assert(PACKED_BYTES_MAX >= DNS_ADDRESSES_MAX * 17, "a full set of addresses fits");

size_t packed_write_mx(struct slice canonical, const struct mx_host *hosts, uint32_t count,
                       char out[PACKED_BYTES_MAX])
{
    size_t at = 1 + canonical.len;
    CHECK(count <= MX_HOSTS_MAX && canonical.len <= DNS_NAME_BYTES_MAX);
    out[0] = (char)canonical.len;
    memcpy(out + 1, canonical.data, canonical.len);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(hosts[i].len <= DNS_NAME_BYTES_MAX);
        out[at++] = (char)(hosts[i].preference >> 8);
        out[at++] = (char)hosts[i].preference;
        out[at++] = (char)hosts[i].len;
        memcpy(out + at, hosts[i].name, hosts[i].len);
        at += hosts[i].len;
    }
    return at;
}

size_t packed_write_ips(const struct dns_ip *ips, uint32_t count, char out[PACKED_BYTES_MAX])
{
    size_t at = 0;
    CHECK(count <= DNS_ADDRESSES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        out[at++] = (char)ips[i].len;
        memcpy(out + at, ips[i].bytes, ips[i].len);
        at += ips[i].len;
    }
    return at;
}

size_t packed_write_canonical(struct slice name, char out[2 + DNS_NAME_BYTES_MAX])
{
    CHECK(name.len > 0 && name.len <= DNS_NAME_BYTES_MAX);
    out[0] = 0;
    out[1] = (char)name.len;
    memcpy(out + 2, name.data, name.len);
    return 2 + name.len;
}

uint32_t packed_read_mx(struct slice packed, struct slice *ret_canonical, struct mx_host *ret)
{
    uint32_t count = 0;
    size_t canonical_len = packed.len > 0 ? (unsigned char)packed.data[0] : 0;
    packed = slice_skip(packed, 1);
    *ret_canonical = slice_take(packed, canonical_len);
    packed = slice_skip(packed, canonical_len);
    while (packed.len > 0 && count < MX_HOSTS_MAX) {
        const unsigned char *p = (const unsigned char *)packed.data;
        struct mx_host *host = &ret[count++];
        *host = (struct mx_host){.preference = (uint16_t)(p[0] << 8 | p[1]), .len = p[2]};
        memcpy(host->name, p + 3, host->len);
        packed = slice_skip(packed, 3u + host->len);
    }
    return count;
}

uint32_t packed_read_addresses(struct slice packed, struct io_address *ret)
{
    uint32_t count = 0;
    while (packed.len > 0 && count < DNS_ADDRESSES_MAX) {
        size_t len = (unsigned char)packed.data[0];
        if (len == 0) {
            packed = slice_skip(packed, 2u + (unsigned char)packed.data[1]);
            continue;
        }
        ret[count++] = io_address_from_bytes(packed.data + 1, len, 0);
        packed = slice_skip(packed, 1 + len);
    }
    return count;
}

struct slice packed_read_canonical(struct slice packed)
{
    while (packed.len > 0) {
        size_t len = (unsigned char)packed.data[0];
        if (len == 0)
            return slice_take(slice_skip(packed, 2), (unsigned char)packed.data[1]);
        packed = slice_skip(packed, 1 + len);
    }
    return SLICE_EMPTY;
}

uint32_t packed_read_records(struct slice packed, struct slice ret[DNS_RECORDS_KEPT_MAX])
{
    uint32_t count = 0;
    while (packed.len > 0 && count < DNS_RECORDS_KEPT_MAX) {
        const unsigned char *p = (const unsigned char *)packed.data;
        size_t len = (size_t)p[0] << 8 | p[1];
        ret[count++] = slice_take(slice_skip(packed, 2), len);
        packed = slice_skip(packed, 2 + len);
    }
    return count;
}
