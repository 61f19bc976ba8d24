#include "engine/message/verp.h"

struct halves {
    struct slice local, domain;
};

static bool halve(struct slice address, struct halves *ret)
{
    const char *at = address.len > 0 ? memrchr(address.data, '@', address.len) : NULL;
    if (!at)
        return false;
    size_t local_len = (size_t)(at - address.data);
    *ret = (struct halves){slice_take(address, local_len), slice_skip(address, local_len + 1)};
    return ret->local.len > 0 && ret->domain.len > 0 && ret->local.data[0] != '"';
}

static char *put(char *to, struct slice s)
{
    return (char *)mempcpy(to, s.data, s.len);
}

size_t verp_write(struct slice sender, struct slice rcpt, char out[ADDRESS_BYTES_MAX])
{
    struct halves from, to;
    if (!halve(sender, &from) || !halve(rcpt, &to) || to.domain.data[0] == '[')
        return 0;
    size_t local_bytes = from.local.len + 1 + to.local.len + 1 + to.domain.len;
    if (local_bytes > ADDRESS_LOCAL_BYTES_MAX ||
        local_bytes + 1 + from.domain.len > ADDRESS_BYTES_MAX)
        return 0;
    char *at = put(put(out, from.local), SLICE("+"));
    at = put(put(put(at, to.local), SLICE("=")), to.domain);
    at = put(put(at, SLICE("@")), from.domain);
    return (size_t)(at - out);
}
