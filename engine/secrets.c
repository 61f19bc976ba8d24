#include "engine/secrets.h"

#include "engine/private_file.h"
#include "engine/tls/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

// Its first line, without the end of it.
static bool keep_password(struct route_login *l, struct slice text, struct refusal *why)
{
    struct slice line = slice_cut(&text, '\n');
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    if (line.len == 0 || slice_find(line, '\0') < line.len || line.len >= sizeof(l->password))
        return refuse(why, "%s: its first line must be the password, of 1 to %zu bytes",
                      l->password_file, sizeof(l->password) - 1);
    memcpy(l->password, line.data, line.len);
    l->password[line.len] = '\0';
    return true;
}

static bool read_password(struct route_login *l, uid_t uid, struct refusal *why)
{
    static const struct private_kind kind = {"a password", PRIVATE_FOR_OWNER};
    char text[2 * ROUTE_LOGIN_BYTES];
    size_t len;
    if (private_file_read(l->password_file, uid, &kind, text, sizeof(text), &len, why) !=
        PRIVATE_FILE_READ)
        return false;
    bool is_ok = keep_password(l, slice_make(text, len), why);
    explicit_bzero(text, sizeof(text));
    return is_ok;
}

// They are no secret, and everybody's to read.
static bool read_trusted(struct config_tls *t, struct refusal *why)
{
    FILE *f = fopen(t->trusted_file, "re");
    t->trusted_pem = malloc(TLS_PEM_BYTES_MAX + 1);
    if (!f || !t->trusted_pem) {
        refuse(why, "%s: %s", t->trusted_file, strerror(errno));
        if (f)
            fclose(f);
        return false;
    }
    t->trusted_bytes = fread(t->trusted_pem, 1, TLS_PEM_BYTES_MAX + 1, f);
    fclose(f);
    const char *fault = "longer than 256 KiB";
    struct tls_client_options o = {.trusted_pem = slice_make(t->trusted_pem, t->trusted_bytes)};
    struct tls_context *tried = t->trusted_bytes == 0 ? NULL : tls_context_new_client(&o, &fault);
    tls_context_unref(tried);
    return tried || refuse(why, "%s: %s", t->trusted_file, t->trusted_bytes ? fault : "empty");
}

bool secrets_read(struct config *c, uid_t uid, struct refusal *why)
{
    for (uint32_t i = 0; i < c->route_count; i++)
        if (route_has_login(&c->routes[i]) && !read_password(&c->routes[i].login, uid, why))
            return false;
    return c->tls.trusted_file[0] == '\0' || read_trusted(&c->tls, why);
}
