// Sockets stay blocking: io_uring waits for them in any case, and on some kernels O_NONBLOCK makes
// it answer -EAGAIN instead.
#include "engine/io/socket.h"

#include "engine/io/io.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#define LISTEN_BACKLOG 4096 // the kernel lowers it to net.core.somaxconn
#define UNIX_MODE_DEFAULT 0660

static bool is_tcp(const struct io_address *a)
{
    return !io_address_is_unix(a);
}

static int set_option(int fd, int level, int option)
{
    int on = 1;
    return setsockopt(fd, level, option, &on, sizeof(on)) == 0 ? 0 : -errno;
}

// A descriptor or -errno.
static int open_socket(const struct io_address *a)
{
    int fd = socket(a->as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    // Accepted sockets inherit it.
    int error = is_tcp(a) ? set_option(fd, IPPROTO_TCP, TCP_NODELAY) : 0;
    if (error) {
        close(fd);
        return error;
    }
    return fd;
}

static int bind_to(int fd, const struct io_address *a)
{
    return bind(fd, &a->as.any, a->len) == 0 ? 0 : -errno;
}

// A socket file that refuses connections was left by a process that is gone. Anything else at
// that path is not ours to remove, and a plain file refuses connections, too.
static int remove_stale(const struct io_address *a)
{
    struct stat status;
    if (lstat(a->as.un.sun_path, &status) != 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(status.st_mode))
        return -ENOTSOCK;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    bool refused = connect(fd, &a->as.any, a->len) != 0 && errno == ECONNREFUSED;
    close(fd);
    if (!refused)
        return -EADDRINUSE;
    return unlink(a->as.un.sun_path) == 0 || errno == ENOENT ? 0 : -errno;
}

// Nobody can connect before listen(), so that the mode is right from the first connection on,
// whatever the umask.
static int bind_unix(int fd, const struct io_address *a, uint32_t mode)
{
    int error = bind_to(fd, a);
    if (error == -EADDRINUSE) {
        error = remove_stale(a);
        if (!error)
            error = bind_to(fd, a);
    }
    if (!error && chmod(a->as.un.sun_path, mode ? mode : UNIX_MODE_DEFAULT) != 0)
        error = -errno;
    return error;
}

static int bind_tcp(int fd, struct io_address *a, bool shared_port)
{
    int error = set_option(fd, SOL_SOCKET, SO_REUSEADDR); // in spite of TIME_WAIT
    if (!error && shared_port)
        error = set_option(fd, SOL_SOCKET, SO_REUSEPORT);
    if (!error && a->as.any.sa_family == AF_INET6) // "[::]" means IPv6; IPv4 has its own listener
        error = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    if (!error)
        error = bind_to(fd, a);
    return error;
}

int io_listen(struct io *io, struct io_address *address, const struct io_listen_options *options)
{
    (void)io;
    struct io_listen_options o = options ? *options : (struct io_listen_options){0};
    int fd = open_socket(address);
    if (fd < 0)
        return fd;
    int error = is_tcp(address) ? bind_tcp(fd, address, o.shared_port)
                                : bind_unix(fd, address, o.mode);
    if (!error && listen(fd, LISTEN_BACKLOG) != 0)
        error = -errno;
    if (!error && is_tcp(address) && getsockname(fd, &address->as.any, &address->len) != 0)
        error = -errno;
    if (error) {
        close(fd);
        return error;
    }
    return fd;
}

int socket_to_connect(const struct io_address *peer, const struct io_address *local)
{
    int error = 0;
    int fd = open_socket(peer);
    if (fd < 0 || !local)
        return fd;
    if (is_tcp(local)) // the port is chosen at connect(), so that it need only differ per peer
        error = set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    if (!error)
        error = bind_to(fd, local);
    if (error) {
        close(fd);
        return error;
    }
    return fd;
}

int io_peer_of(struct io *io, int fd, struct io_peer *ret_peer)
{
    (void)io;
    struct io_peer peer = {.address.len = sizeof(peer.address.as)};
    if (getpeername(fd, &peer.address.as.any, &peer.address.len) != 0)
        return -errno;
    if (io_address_is_unix(&peer.address)) {
        struct ucred credentials;
        socklen_t len = sizeof(credentials);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) != 0)
            return -errno;
        peer.uid_known = true;
        peer.uid = credentials.uid;
    }
    *ret_peer = peer;
    return 0;
}
