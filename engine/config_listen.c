// What the settings of a listener must say together: what TLS needs, and that no stranger may send
// mail by it.
#include "engine/config_parts.h"

static bool has_users(const struct config *c, const struct config_listener *l)
{
    return c->users_file[0] != '\0' && l->auth != CONFIG_AUTH_NONE &&
           (l->tls != CONFIG_TLS_NONE || io_address_is_unix(&l->address));
}

bool config_listener_asks(const struct config *c, const struct config_listener *l)
{
    return has_users(c, l);
}

static const char *tls_fault(const struct config_listener *l)
{
    if (l->certificates.count != l->keys.count)
        return "it takes a key for each certificate";
    if (l->tls == CONFIG_TLS_NONE)
        return l->keys.count > 0 ? "tls says what its certificate is for" : NULL;
    if (io_address_is_unix(&l->address))
        return "nobody else hears what is said on a unix socket: it takes no tls";
    return l->keys.count == 0 ? "tls wants a certificate and its key" : NULL;
}

static bool takes_all(const struct setting_networks *networks)
{
    for (uint32_t i = 0; i < networks->count; i++)
        if (networks->items[i].prefix_bits == 0)
            return true;
    return false;
}

static const char *listener_fault(const struct config *c, const struct config_listener *l)
{
    const char *fault = tls_fault(l);
    if (fault)
        return fault;
    if (l->auth == CONFIG_AUTH_REQUIRE && !has_users(c, l))
        return "auth wants users, and tls where it is no unix socket";
    if (takes_all(&l->relay_from) && l->auth != CONFIG_AUTH_REQUIRE)
        return "relay-from would let everybody send mail: it takes auth = \"require\"";
    if (!io_address_is_loopback(&l->address) && !has_users(c, l) && l->relay_from.count == 0)
        return "others reach this address, and none of them may send mail: set tls and users, or "
               "relay-from";
    return NULL;
}

bool config_check_listeners(const struct config *c, struct cfg_t *file)
{
    for (uint32_t i = 0; i < c->listener_count; i++) {
        const char *fault = listener_fault(c, &c->listeners[i]);
        struct cfg_t *section = config_file_section(file, "listen", i);
        if (fault)
            return config_file_complain(section, "listen \"%s\": %s", config_file_title(section),
                                        fault);
    }
    return true;
}
