#include "engine/doors.h"

#include "engine/private_file.h"

static const struct private_kind chain_kind = {"a certificate", PRIVATE_FROM_CHANGES},
                                 key_kind = {"a private key", PRIVATE_FOR_OWNER},
                                 users_kind = {"a file of users", PRIVATE_FROM_OTHERS};

// Up to the buffer's limit.
static bool read_file(const char *path, uid_t uid, const struct private_kind *kind,
                      struct buffer *ret, struct refusal *why)
{
    size_t len;
    char *to = buffer_reserve(ret, ret->bytes_max);
    if (!to)
        return refuse(why, "%s: not enough memory", path);
    if (private_file_read(path, uid, kind, to, ret->bytes_max, &len, why) != PRIVATE_FILE_READ)
        return false;
    buffer_advance(ret, len);
    return true;
}

static void door_release(struct door *d)
{
    for (uint32_t i = 0; i < d->count; i++) {
        if (d->keys[i].data)
            explicit_bzero(d->keys[i].data, d->keys[i].room);
        buffer_release(&d->keys[i]);
        buffer_release(&d->chains[i]);
    }
    *d = (struct door){.count = 0};
}

struct tls_server_options door_options(const struct door *d)
{
    struct tls_server_options o = {.certificate_count = d->count,
                                   .service = slice_of_text(d->name)};
    for (uint32_t i = 0; i < d->count; i++)
        o.certificates[i] = (struct tls_certificate){buffer_slice(&d->chains[i]),
                                                     buffer_slice(&d->keys[i])};
    return o;
}

static bool read_files(const struct config_listener *l, uid_t uid, struct door *d,
                       struct refusal *why)
{
    for (uint32_t i = 0; i < l->certificates.count; i++) {
        d->count++;
        buffer_init(&d->chains[i], TLS_PEM_BYTES_MAX);
        buffer_init(&d->keys[i], TLS_PEM_BYTES_MAX);
        if (!read_file(l->certificates.items[i], uid, &chain_kind, &d->chains[i], why) ||
            !read_file(l->keys.items[i], uid, &key_kind, &d->keys[i], why))
            return false;
    }
    return true;
}

// Tried once here, so that no worker is surprised.
static bool fits_together(const struct config_listener *l, const struct door *d,
                          struct refusal *why)
{
    const struct tls_server_options options = door_options(d);
    const char *fault;
    struct tls_context *context = tls_context_new_server(&options, &fault);
    tls_context_unref(context);
    return context || refuse(why, "listen \"%s\": certificate %s: %s", d->name,
                             l->certificates.items[0], fault);
}

bool door_read(const struct config_listener *l, uid_t uid, struct door *ret, struct refusal *why)
{
    if (l->tls == CONFIG_TLS_NONE)
        return true;
    io_address_print(&l->address, ret->name);
    if (read_files(l, uid, ret, why) && fits_together(l, ret, why))
        return true;
    door_release(ret);
    return false;
}

bool doors_read(const struct config *c, uid_t uid, struct doors *ret, struct refusal *why)
{
    *ret = (struct doors){.count = c->listener_count};
    for (uint32_t i = 0; i < c->listener_count; i++)
        if (!door_read(&c->listeners[i], uid, &ret->items[i], why)) {
            doors_release(ret);
            return false;
        }
    return true;
}

bool doors_open(const struct doors *d, struct submit *submit)
{
    const char *fault; // none but memory: they have been tried
    for (uint32_t i = 0; i < d->count; i++) {
        const struct tls_server_options options = door_options(&d->items[i]);
        if (d->items[i].count > 0 && !submit_set_certificates(submit, i, &options, &fault))
            return false;
    }
    return true;
}

void doors_release(struct doors *d)
{
    for (uint32_t i = 0; i < d->count; i++)
        door_release(&d->items[i]);
    d->count = 0;
}

bool doors_read_users(const struct config *c, uid_t uid, struct users **ret, struct refusal *why)
{
    struct buffer text;
    uint32_t line;
    const char *fault;
    *ret = NULL;
    if (c->users_file[0] == '\0')
        return true;
    buffer_init(&text, USERS_BYTES_MAX);
    if (read_file(c->users_file, uid, &users_kind, &text, why)) {
        *ret = users_parse(buffer_slice(&text), &line, &fault);
        if (!*ret && line > 0)
            refuse(why, "%s:%u: %s", c->users_file, line, fault);
        else if (!*ret)
            refuse(why, "%s: %s", c->users_file, fault);
    }
    if (text.data)
        explicit_bzero(text.data, text.room);
    buffer_release(&text);
    return *ret != NULL;
}
