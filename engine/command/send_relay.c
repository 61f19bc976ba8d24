// -bs: what comes in goes to the engine, what it says goes out.

#include "engine/command/send.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAY_BYTES 4096 // a pipe that can be written to takes so much at once
// Standard input has ended: how long the engine may be silent before it is told so. It might take
// that for a client who has gone, and forget what it has not answered yet.
#define LAST_REPLY_MS 30000

struct way {
    int from, to;
    bool ended; // `from` has
    size_t at, len;
    char bytes[WAY_BYTES];
};

static bool holds(const struct way *w)
{
    return w->at < w->len;
}

static void read_some(struct way *w)
{
    ssize_t count = read(w->from, w->bytes, sizeof(w->bytes));
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    w->ended = count <= 0;
    w->at = 0;
    w->len = count > 0 ? (size_t)count : 0;
}

// False: nobody takes it.
static bool write_some(struct way *w)
{
    ssize_t count = write(w->to, w->bytes + w->at, w->len - w->at);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR;
    w->at += (size_t)count;
    return true;
}

// A way waits for bytes, or for room to put them.
static struct pollfd read_end(const struct way *w)
{
    return (struct pollfd){.fd = w->ended || holds(w) ? -1 : w->from, .events = POLLIN};
}

static struct pollfd write_end(const struct way *w)
{
    return (struct pollfd){.fd = w->to, .events = (short)(holds(w) ? POLLOUT : 0)};
}

int send_relay(int fd)
{
    struct way in = {.from = STDIN_FILENO, .to = fd};
    struct way out = {.from = fd, .to = STDOUT_FILENO};
    bool told = false;
    int code = EX_OK;
    while (code == EX_OK && (!out.ended || holds(&out))) {
        struct pollfd p[] = {read_end(&in), write_end(&in), read_end(&out), write_end(&out)};
        bool waits = in.ended && !holds(&in) && !told;
        int ready = poll(p, 4, waits ? LAST_REPLY_MS : -1);
        if (ready < 0 && errno != EINTR)
            code = send_failed(EX_OSERR, "cannot wait: %s", strerror(errno));
        if (ready == 0)
            told = shutdown(fd, SHUT_WR) == 0 || true;
        if (ready <= 0)
            continue;
        if (p[0].revents)
            read_some(&in);
        if (p[1].revents & (POLLOUT | POLLERR) && holds(&in) && !write_some(&in))
            in.at = in.len = 0, in.ended = true; // the engine has gone; it may have said why
        if (p[2].revents)
            read_some(&out);
        if (p[3].revents & POLLERR || (p[3].revents && holds(&out) && !write_some(&out)))
            code = EX_IOERR; // nobody listens any more
    }
    close(fd);
    return code;
}
