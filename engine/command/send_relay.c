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
    bool ended;        // `from` has
    struct slice read; // of `bytes`, not carried over yet
    struct buffer out; // to be written
    size_t written;    // of it
    char bytes[WAY_BYTES];
};

struct relay {
    struct send_dialogue dialogue;
    struct way in, out;
    bool told; // the engine, that no more is said
};

static bool holds(const struct way *w)
{
    return w->written < w->out.len;
}

static void drop(struct way *w)
{
    buffer_clear(&w->out);
    w->written = 0;
}

static void read_some(struct way *w)
{
    ssize_t count = read(w->from, w->bytes, sizeof(w->bytes));
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    w->ended = count <= 0;
    w->read = slice_make(w->bytes, count > 0 ? (size_t)count : 0);
}

// False: nobody takes it.
static bool write_some(struct way *w)
{
    ssize_t count = write(w->to, w->out.data + w->written, w->out.len - w->written);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR;
    w->written += (size_t)count;
    if (!holds(w))
        drop(w);
    return true;
}

// A way waits for bytes, or for room to put them.
static struct pollfd read_end(const struct way *w)
{
    bool waits = !w->ended && !holds(w) && w->read.len == 0;
    return (struct pollfd){.fd = waits ? w->from : -1, .events = POLLIN};
}

static struct pollfd write_end(const struct way *w)
{
    return (struct pollfd){.fd = w->to, .events = (short)(holds(w) ? POLLOUT : 0)};
}

// What has been read, as far as it is its turn.
static bool carry_in(struct relay *r)
{
    bool good = true;
    if (holds(&r->in))
        return true;
    if (r->in.read.len > 0)
        good = send_dialogue_say(&r->dialogue, &r->in.read, &r->in.out);
    if (r->in.ended && r->in.read.len == 0)
        good = good && send_dialogue_end(&r->dialogue, &r->in.out);
    return good;
}

static int carry_out(struct relay *r)
{
    if (!send_dialogue_hear(&r->dialogue, r->out.read))
        return send_failed(EX_TEMPFAIL, "what the engine says is no SMTP");
    if (!buffer_append(&r->out.out, r->out.read))
        return send_failed(EX_OSERR, "not enough memory");
    r->out.read = SLICE_EMPTY;
    return EX_OK;
}

// The engine has gone; it may have said why.
static void nobody_hears(struct way *in)
{
    drop(in);
    in->read = SLICE_EMPTY;
    in->ended = true;
}

static int turn(struct relay *r)
{
    struct way *in = &r->in, *out = &r->out;
    if (!carry_in(r))
        return send_failed(EX_OSERR, "not enough memory");
    struct pollfd p[] = {read_end(in), write_end(in), read_end(out), write_end(out)};
    if (!holds(in))
        p[1].fd = -1;
    int ready = poll(p, 4, in->ended && !holds(in) && !r->told ? LAST_REPLY_MS : -1);
    if (ready < 0 && errno != EINTR)
        return send_failed(EX_OSERR, "cannot wait: %s", strerror(errno));
    if (ready == 0)
        r->told = shutdown(in->to, SHUT_WR) == 0 || true;
    if (ready <= 0)
        return EX_OK;
    if (p[0].revents)
        read_some(in);
    if (p[1].revents && !write_some(in))
        nobody_hears(in);
    if (p[2].revents)
        read_some(out);
    if (p[3].revents & POLLERR || (p[3].revents && holds(out) && !write_some(out)))
        return EX_IOERR; // nobody listens any more
    return carry_out(r);
}

static bool is_cut(const struct relay *r)
{
    return r->in.ended && r->in.read.len == 0 && !holds(&r->in) &&
           send_dialogue_is_cut(&r->dialogue);
}

// Whether the caller may believe that all it said was heard.
static int result(const struct relay *r)
{
    if (is_cut(r))
        return send_failed(EX_DATAERR, "standard input ends inside of a message: it is not sent");
    if (!send_dialogue_is_whole(&r->dialogue))
        return send_failed(EX_TEMPFAIL, "the engine has ended the session without an answer");
    return EX_OK;
}

int send_relay(int fd)
{
    struct relay r = {.in = {.from = STDIN_FILENO, .to = fd},
                      .out = {.from = fd, .to = STDOUT_FILENO}};
    int code = EX_OK;
    send_dialogue_init(&r.dialogue);
    buffer_init(&r.in.out, 2 * WAY_BYTES + 64);
    buffer_init(&r.out.out, WAY_BYTES);
    while (code == EX_OK && (holds(&r.out) || (!r.out.ended && !is_cut(&r))))
        code = turn(&r);
    if (code == EX_OK)
        code = result(&r);
    buffer_release(&r.in.out);
    buffer_release(&r.out.out);
    close(fd);
    return code;
}
