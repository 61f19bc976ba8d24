// Where the engine is: what `posthaste serve` listens on, as far as its configuration can be found.

#include "engine/base/check.h"
#include "engine/command/send.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#define CONNECT_S_MAX 30

static int load(struct send_engine *e, const char *file, const struct config_place *place)
{
    struct refusal why;
    struct config *c = config_load(file, place, &why);
    if (!c)
        return send_failed(EX_CONFIG, "%s", why.text);
    CHECK(e->config_count < SEND_CONFIGS_MAX);
    e->configs[e->config_count++] = c;
    return EX_OK;
}

// With no file at all, it may be the caller's own engine, or that of the system.
static int load_defaults(struct send_engine *e, struct config_place place)
{
    struct refusal why;
    struct config *own = config_load(NULL, &place, &why);
    if (own)
        e->configs[e->config_count++] = own;
    if (own && place.is_root)
        return EX_OK;
    place.is_root = true;
    return load(e, NULL, &place);
}

int send_engine_find(const char *config_file, struct send_engine *ret)
{
    struct config_place place;
    *ret = (struct send_engine){.config_count = 0};
    config_place_now(&place);
    if (config_file)
        return load(ret, config_file, &place);
    if (access(CONFIG_FILE_USUAL, R_OK) == 0)
        return load(ret, CONFIG_FILE_USUAL, &place);
    return load_defaults(ret, place);
}

void send_engine_release(struct send_engine *e)
{
    for (uint32_t i = 0; i < e->config_count; i++)
        config_free(e->configs[i]);
    e->config_count = 0;
}

const char *send_engine_hostname(const struct send_engine *e)
{
    return e->configs[0]->hostname;
}

const struct config *send_engine_pickup(const struct send_engine *e)
{
    for (uint32_t i = 0; i < e->config_count; i++)
        if (e->configs[i]->pickup_count > 0)
            return e->configs[i];
    return NULL;
}

// The socket, or -errno.
static int connect_to(const struct io_address *a)
{
    const struct timeval patience = {.tv_sec = CONNECT_S_MAX};
    const int on = 1;
    int fd = socket(a->as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (!io_address_is_unix(a))
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, &a->as.any, a->len) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        int error = errno == EINPROGRESS || errno == EAGAIN ? ETIMEDOUT : errno;
        close(fd);
        return -error;
    }
    return fd;
}

// The reason of the first failure is told: it is the one of the place to be expected.
static int connect_any(const struct config *c, bool to_unix, struct refusal *why)
{
    char text[IO_ADDRESS_TEXT_BYTES];
    for (uint32_t i = 0; i < c->listener_count; i++) {
        const struct io_address *a = &c->listeners[i].address;
        if (io_address_is_unix(a) != to_unix || (!to_unix && io_address_port(a) == 0))
            continue;
        int fd = connect_to(a);
        if (fd >= 0)
            return fd;
        if (why->text[0] == '\0')
            refuse(why, "cannot connect to %s: %s", io_address_print(a, text), strerror(-fd));
    }
    return -1;
}

int send_engine_connect(const struct send_engine *e, struct refusal *why)
{
    int fd = -1;
    why->text[0] = '\0';
    for (uint32_t i = 0; i < e->config_count && fd < 0; i++)
        fd = connect_any(e->configs[i], true, why);
    for (uint32_t i = 0; i < e->config_count && fd < 0; i++)
        fd = connect_any(e->configs[i], false, why);
    if (fd < 0 && why->text[0] == '\0')
        refuse(why, "the configuration has no listener that can be found");
    return fd;
}
