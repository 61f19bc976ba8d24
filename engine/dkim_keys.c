#include "engine/dkim_keys.h"

#include "engine/base/log.h"
#include "engine/private_file.h"

#include <stdlib.h>

// False: refused. A file that cannot be read leaves *ret NULL.
static bool read_key(const char *path, uid_t uid, struct dkim_key **ret, struct refusal *why)
{
    static const struct private_kind kind = {"a private key", PRIVATE_FOR_OWNER, true};
    char pem[DKIM_KEY_FILE_BYTES_MAX + 1];
    const char *fault;
    size_t len = 0;
    *ret = NULL;
    switch (private_file_read(path, uid, &kind, pem, sizeof(pem), &len, why)) {
    case PRIVATE_FILE_READ: break;
    case PRIVATE_FILE_MISSING: log_line(LOG_LEVEL_WARNING, "DKIM key %s", why->text); return true;
    case PRIVATE_FILE_REFUSED: return false;
    }
    *ret = dkim_key_read(slice_make(pem, len), &fault);
    explicit_bzero(pem, sizeof(pem));
    if (!*ret)
        return refuse(why, "%s: %s", path, fault);
    if (dkim_key_is_rsa(*ret) && dkim_key_bits(*ret) < DKIM_RSA_BITS_ADVISED)
        log_line(LOG_LEVEL_WARNING, "DKIM key %s: RSA of %u bits; %d are advised", path,
                 dkim_key_bits(*ret), DKIM_RSA_BITS_ADVISED);
    return true;
}

// What is oversigned is signed, and From: is both in any case (RFC 6376 5.4). So are the fields
// that we add ourselves (RFC 8058 4).
static bool merge_names(const struct config_dkim *c, bool lists, struct dkim_names *names)
{
    bool fits = dkim_names_add(names, SLICE("from"), true);
    if (lists)
        fits &= dkim_names_add(names, SLICE("list-unsubscribe"), false) &&
                dkim_names_add(names, SLICE("list-unsubscribe-post"), false);
    for (uint32_t i = 0; i < c->fields.count; i++)
        fits &= dkim_names_add(names, slice_of_text(c->fields.items[i].text), false);
    for (uint32_t i = 0; i < c->oversign.count; i++)
        fits &= dkim_names_add(names, slice_of_text(c->oversign.items[i].text), true);
    return fits;
}

static bool read_domain(const struct config_dkim *c, bool lists, uid_t uid, struct dkim_domain *d,
                        struct refusal *why)
{
    memcpy(d->name, c->domain, strlen(c->domain) + 1); // a domain name is never longer
    d->subdomains = c->subdomains;
    d->may_go_unsigned = c->without_key == CONFIG_UNSIGNED_SEND;
    if (!merge_names(c, lists, &d->names))
        return refuse(why, "dkim \"%s\": more than %d fields to sign", c->domain, DKIM_NAMES_MAX);
    for (uint32_t i = 0; i < c->keys.count; i++) {
        struct dkim_key *key;
        if (!read_key(c->keys.items[i], uid, &key, why))
            return false;
        if (key)
            dkim_domain_add(d, c->selectors.items[i], key);
        d->incomplete |= !key;
    }
    if (d->incomplete)
        log_line(LOG_LEVEL_WARNING, "dkim \"%s\": a key is missing: mail from there %s", d->name,
                 d->may_go_unsigned ? "is sent without its signature"
                                    : "waits until the engine is started with it");
    return true;
}

bool dkim_keys_read(const struct config *c, uid_t uid, struct dkim_table **ret, struct refusal *why)
{
    *ret = NULL;
    if (c->dkim_count == 0)
        return true;
    struct dkim_table *t = dkim_table_new(c->dkim_count);
    if (!t)
        return refuse(why, "not enough memory");
    for (uint32_t i = 0; i < c->dkim_count; i++)
        if (!read_domain(&c->dkim[i], c->lists.count > 0, uid, &t->domains[i], why)) {
            dkim_table_free(t);
            return false;
        }
    dkim_table_sort(t);
    *ret = t;
    return true;
}
