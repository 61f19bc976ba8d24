#include "engine/dkim_keys.h"

#include "engine/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

// Others could sign with it, or put another in its place.
static bool is_private(int fd, const char *path, uid_t uid, struct refusal *why)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return refuse(why, "%s: %s", path, strerror(errno));
    if (!S_ISREG(about.st_mode))
        return refuse(why, "%s: not a file", path);
    if (about.st_uid != 0 && about.st_uid != uid)
        return refuse(why, "%s: a private key must belong to root or to the engine's user", path);
    if (about.st_mode & 077)
        return refuse(why,
                      "%s: a private key must be for its owner alone, and this one has mode %04o: "
                      "chmod 0600 it",
                      path, (unsigned)about.st_mode & 07777);
    return true;
}

static ssize_t read_whole(int fd, char *to, size_t room)
{
    size_t len = 0;
    ssize_t got;
    while (len < room && (got = read(fd, to + len, room - len)) != 0) {
        if (got < 0)
            return -1;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

// False: refused. A file that cannot be read leaves *ret NULL.
static bool read_key(const char *path, uid_t uid, struct dkim_key **ret, struct refusal *why)
{
    char pem[DKIM_KEY_FILE_BYTES_MAX];
    const char *fault;
    *ret = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        log_line(LOG_LEVEL_WARNING, "DKIM key %s: %s", path, strerror(errno));
        return true;
    }
    bool is_good = is_private(fd, path, uid, why);
    ssize_t len = is_good ? read_whole(fd, pem, sizeof(pem)) : -1;
    if (is_good && len < 0)
        log_line(LOG_LEVEL_WARNING, "DKIM key %s: %s", path, strerror(errno));
    close(fd);
    if (len < 0)
        return is_good;
    *ret = dkim_key_read(slice_make(pem, (size_t)len), &fault);
    explicit_bzero(pem, sizeof(pem));
    if (!*ret)
        return refuse(why, "%s: %s", path, fault);
    if (dkim_key_is_rsa(*ret) && dkim_key_bits(*ret) < DKIM_RSA_BITS_ADVISED)
        log_line(LOG_LEVEL_WARNING, "DKIM key %s: RSA of %u bits; %d are advised", path,
                 dkim_key_bits(*ret), DKIM_RSA_BITS_ADVISED);
    return true;
}

// What is oversigned is signed, and From: is both in any case (RFC 6376 5.4).
static bool merge_names(const struct config_dkim *c, struct dkim_names *names)
{
    bool fits = dkim_names_add(names, SLICE("from"), true);
    for (uint32_t i = 0; i < c->fields.count; i++)
        fits &= dkim_names_add(names, slice_of_text(c->fields.items[i].text), false);
    for (uint32_t i = 0; i < c->oversign.count; i++)
        fits &= dkim_names_add(names, slice_of_text(c->oversign.items[i].text), true);
    return fits;
}

static bool read_domain(const struct config_dkim *c, uid_t uid, struct dkim_domain *d,
                        struct refusal *why)
{
    memcpy(d->name, c->domain, strlen(c->domain) + 1); // a domain name is never longer
    d->subdomains = c->subdomains;
    d->may_go_unsigned = c->without_key == CONFIG_UNSIGNED_SEND;
    if (!merge_names(c, &d->names))
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
        if (!read_domain(&c->dkim[i], uid, &t->domains[i], why)) {
            dkim_table_free(t);
            return false;
        }
    dkim_table_sort(t);
    *ret = t;
    return true;
}
