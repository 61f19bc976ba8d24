// dns/mx.c: sets of mail exchangers.
#include "dns/mx.h"

#include "engine/base/check.h"

_Static_assert(MX_HOSTS_MAX <= UINT8_MAX, "mx_order() answers in bytes");

static struct slice host_name(const struct mx_host *h)
{
    return slice_make(h->name, h->len);
}

static int compare_names(const struct mx_host *a, const struct mx_host *b)
{
    size_t shorter = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->name, b->name, shorter);
    return order ? order : (int)a->len - (int)b->len;
}

static int compare(const struct mx_host *a, const struct mx_host *b)
{
    if (a->preference != b->preference)
        return a->preference < b->preference ? -1 : 1;
    if (a->port != b->port)
        return a->port < b->port ? -1 : 1;
    if (a->configured != b->configured)
        return a->configured ? 1 : -1;
    return compare_names(a, b);
}

static void remove_at(struct mx_host *hosts, uint32_t *count, uint32_t at)
{
    (*count)--;
    memmove(&hosts[at], &hosts[at + 1], (*count - at) * sizeof(hosts[0]));
}

void mx_add(struct mx_host *hosts, uint32_t *count, const struct mx_host *new_host)
{
    struct mx_host host = {.preference = new_host->preference, .len = new_host->len};
    memcpy(host.name, new_host->name, new_host->len);

    for (uint32_t i = 0; i < *count; i++) {
        if (!slice_equal(host_name(&hosts[i]), host_name(&host)))
            continue;
        if (hosts[i].preference <= host.preference)
            return;
        remove_at(hosts, count, i);
        break;
    }
    uint32_t at = 0;
    while (at < *count && compare(&hosts[at], &host) < 0)
        at++;
    if (at == MX_HOSTS_MAX)
        return;
    if (*count == MX_HOSTS_MAX)
        (*count)--; // the least preferred makes room
    memmove(&hosts[at + 1], &hosts[at], (*count - at) * sizeof(hosts[0]));
    hosts[at] = host;
    (*count)++;
}

void mx_sort(struct mx_host *hosts, uint32_t *count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i++) {
        struct mx_host host = hosts[i]; // its place may be overwritten
        mx_add(hosts, &kept, &host);
    }
    *count = kept;
}

void mx_order(const struct mx_set *set, struct random *dice, uint8_t ret_order[MX_HOSTS_MAX])
{
    CHECK(set->count <= MX_HOSTS_MAX);
    for (uint32_t i = 0; i < set->count; i++)
        ret_order[i] = (uint8_t)i;
    // "the sender-SMTP MUST randomize" among equals (RFC 5321 5.1): Fisher-Yates in each run.
    for (uint32_t start = 0, end; start < set->count; start = end) {
        for (end = start; end < set->count; end++)
            if (set->hosts[end].preference != set->hosts[start].preference)
                break;
        for (uint32_t i = end - 1; i > start; i--) {
            uint32_t other = start + random_below(dice, i - start + 1);
            uint8_t swapped = ret_order[i];
            ret_order[i] = ret_order[other];
            ret_order[other] = swapped;
        }
    }
}

uint64_t mx_set_hash(const struct mx_set *set, uint64_t seed)
{
    uint64_t hash = seed;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct mx_host *h = &set->hosts[i];
        const uint16_t numbers[] = {h->preference, h->port, h->configured};
        hash = slice_hash(slice_make(numbers, sizeof(numbers)), hash);
        hash = slice_hash(host_name(h), hash);
    }
    return hash;
}

bool mx_set_equal(const struct mx_set *a, const struct mx_set *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (compare(&a->hosts[i], &b->hosts[i]) != 0)
            return false;
    return true;
}
