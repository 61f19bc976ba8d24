// Defaults that depend on who starts the engine, and where. Root: the places of a system service.
// Everybody else: those of the XDG Base Directory Specification, with a private folder below the
// state directory where no runtime directory is given.
#include "engine/config_settings.h"

#include "engine/base/process.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ROOT_USER "posthaste"
#define ROOT_STATE_DIR "/var/lib/posthaste"
#define ROOT_RUNTIME_DIR "/run/posthaste"
#define LISTEN_TCP "127.0.0.1:2525"

static bool format_path(char path[SETTING_TEXT_BYTES], const char *folder, const char *name)
{
    int len = snprintf(path, SETTING_TEXT_BYTES, "%s%s", folder, name);
    return len >= 0 && len < SETTING_TEXT_BYTES;
}

// The specification says to ignore paths that are not absolute.
static void keep_absolute(char path[SETTING_TEXT_BYTES], const char *value)
{
    if (!value || value[0] != '/' || !format_path(path, value, ""))
        path[0] = '\0';
}

void config_place_now(struct config_place *ret)
{
    const char *home = getenv("HOME");
    const struct passwd *entry = home ? NULL : getpwuid(getuid());
    *ret = (struct config_place){.is_root = geteuid() == 0, .core_count = process_core_count()};
    gethostname(ret->hostname, sizeof(ret->hostname) - 1);
    keep_absolute(ret->home, entry ? entry->pw_dir : home);
    keep_absolute(ret->xdg_state_home, getenv("XDG_STATE_HOME"));
    keep_absolute(ret->xdg_runtime_dir, getenv("XDG_RUNTIME_DIR"));
}

// One that is there and cannot be read is meant, too: who starts an engine must not get another
// one than the file says.
const char *config_file_meant(const char *told)
{
    if (told || access(CONFIG_FILE_USUAL, F_OK) != 0)
        return told;
    return CONFIG_FILE_USUAL;
}

static bool default_state_dir(struct config *c, const struct config_place *place)
{
    if (place->is_root)
        return format_path(c->state_dir, ROOT_STATE_DIR, "");
    if (place->xdg_state_home[0])
        return format_path(c->state_dir, place->xdg_state_home, "/posthaste");
    return place->home[0] && format_path(c->state_dir, place->home, "/.local/state/posthaste");
}

static bool default_socket(const struct config *c, const struct config_place *place,
                           struct io_address *ret)
{
    char path[SETTING_TEXT_BYTES];
    char text[SETTING_TEXT_BYTES];
    bool fits;
    if (place->is_root)
        fits = format_path(path, ROOT_RUNTIME_DIR, "/submit.sock");
    else if (place->xdg_runtime_dir[0])
        fits = format_path(path, place->xdg_runtime_dir, "/posthaste/submit.sock");
    else
        fits = format_path(path, c->state_dir, "/run/submit.sock");
    return fits && format_path(text, "unix:", path) &&
           io_address_parse(slice_of_text(text), 0, ret);
}

static bool default_listeners(struct config *c, const struct config_place *place)
{
    for (uint32_t i = 0; i < 2; i++)
        config_section_defaults(CONFIG_LISTEN, &c->listeners[i]);
    c->listener_count = 2;
    return default_socket(c, place, &c->listeners[0].address) &&
           io_address_parse(SLICE(LISTEN_TCP), 0, &c->listeners[1].address);
}

// A machine may be called anything; in a greeting only a domain name will do (RFC 5321 4.1.3).
static void default_hostname(struct config *c, const struct config_place *place)
{
    static const struct setting hostname = {.name = "hostname", .kind = SETTING_HOST};
    struct refusal reason;
    if (!setting_parse(&hostname, slice_of_text(place->hostname), c->hostname, &reason))
        snprintf(c->hostname, sizeof(c->hostname), "localhost");
}

static bool control_address(struct config *c)
{
    char text[SETTING_TEXT_BYTES];
    return format_path(text, "unix:", c->control_socket) &&
           io_address_parse(slice_of_text(text), 0, &c->control_address);
}

// In the state directory, which is the engine's alone. Where its path is too long for a socket,
// there is none.
static bool default_control(struct config *c)
{
    if (c->control_socket[0])
        return control_address(c);
    if (!format_path(c->control_socket, c->state_dir, "/control.sock") || !control_address(c))
        c->control_socket[0] = '\0';
    return true;
}

// Whoever can connect can read them.
static bool metrics_address(struct config *c)
{
    if (c->metrics_listen.count == 0)
        return true;
    c->metrics_address = c->metrics_listen.items[0];
    return io_address_is_loopback(&c->metrics_address) && !io_address_is_unix(&c->metrics_address);
}

// Only what cannot be changed on its way to us may be trusted.
static bool resolver_is_here(const struct config_resolver *r)
{
    for (uint32_t i = 0; i < r->servers.count; i++)
        if (!io_address_is_loopback(&r->servers.items[i]))
            return false;
    return r->servers.count > 0;
}

bool config_place_defaults(struct config *c, const struct config_place *place, struct refusal *why)
{
    const char *missing = NULL;
    if (!c->hostname[0])
        default_hostname(c, place);
    if (!c->delivery.helo[0])
        memcpy(c->delivery.helo, c->hostname, sizeof(c->hostname));
    if (!c->user[0] && place->is_root)
        format_path(c->user, ROOT_USER, "");
    if (c->worker_count == 0)
        c->worker_count = place->core_count < CONFIG_WORKERS_MAX ? place->core_count
                                                                 : CONFIG_WORKERS_MAX;
    if (!c->state_dir[0] && !default_state_dir(c, place))
        missing = "neither HOME nor XDG_STATE_HOME gives a place: set state = \"/...\"";
    else if (!c->events_file[0] && !format_path(c->events_file, c->state_dir, "/events.jsonl"))
        missing = "the path of the state directory is too long: set events { file = ... }";
    else if (c->listener_count == 0 && !default_listeners(c, place))
        missing = "the path of the usual socket is too long: set listen \"unix:/...\" { }";
    else if (!default_control(c))
        missing = "control: socket: its path is too long";
    else if (!metrics_address(c))
        missing = "metrics: listen: only an address of this host, such as \"127.0.0.1:9025\"";
    else if (c->resolver.trusted && !resolver_is_here(&c->resolver))
        missing = "resolver: trusted: only with servers of this host, such as {\"127.0.0.1\"}";
    if (missing)
        refuse(why, "%s", missing);
    return !missing;
}
