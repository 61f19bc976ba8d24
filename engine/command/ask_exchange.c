// One request and its answer, over the control socket.
#include "engine/base/log.h"
#include "engine/command/ask.h"
#include "engine/config.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_LINE_BYTES_MAX (1024u * 1024)
#define READ_BYTES 65536u

// Where the engine listens. Says what is wrong, if anything.
static bool find_socket(const char *name, const struct ask_place *place,
                        struct io_address *ret_address)
{
    struct config_place here;
    struct refusal why;
    char text[SETTING_TEXT_BYTES + 8];
    if (place->socket_path) {
        snprintf(text, sizeof(text), "unix:%s", place->socket_path);
        if (io_address_parse(slice_of_text(text), 0, ret_address))
            return true;
        log_line(LOG_LEVEL_ERROR, "%s: --socket: '%s' is too long", name, place->socket_path);
        return false;
    }
    config_place_now(&here);
    struct config *c = config_load(config_file_meant(place->config_file), &here, &why);
    if (!c) {
        log_line(LOG_LEVEL_ERROR, "%s (--socket PATH asks the engine without its configuration)",
                 why.text);
        return false;
    }
    *ret_address = c->control_address;
    config_free(c);
    if (ret_address->len > 0)
        return true;
    log_line(LOG_LEVEL_ERROR, "%s: the configuration has no control socket", name);
    return false;
}

static enum command_exit connect_to(const char *name, const struct io_address *a, int *ret_fd)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const char *path = a->as.un.sun_path;
    if (fd >= 0 && connect(fd, &a->as.any, a->len) == 0) {
        *ret_fd = fd;
        return COMMAND_DONE;
    }
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (error == EACCES || error == EPERM) {
        log_line(LOG_LEVEL_ERROR, "%s: %s: only for root and the engine's user", name, path);
        return COMMAND_FAILED;
    }
    log_line(LOG_LEVEL_ERROR, "%s: no engine answers on %s: %s", name, path, strerror(error));
    return COMMAND_UNAVAILABLE;
}

static bool send_line(int fd, struct slice request)
{
    char line[16384];
    if (request.len + 1 > sizeof(line))
        return false;
    memcpy(line, request.data, request.len);
    line[request.len] = '\n';
    return send(fd, line, request.len + 1, MSG_NOSIGNAL) == (ssize_t)(request.len + 1);
}

static enum command_exit exit_of(const char *name, struct slice line)
{
    char end[16], why[1024];
    json_member_plain(line, "end", end, sizeof(end));
    if (strcmp(end, "done") == 0)
        return COMMAND_DONE;
    json_member_plain(line, "why", why, sizeof(why));
    size_t len = strlen(name);
    if (strncmp(why, name, len) == 0 && why[len] == ':') // the request has the same name
        log_line(LOG_LEVEL_ERROR, "%s", why);
    else
        log_line(LOG_LEVEL_ERROR, "%s: %s", name, why);
    return strcmp(end, "later") == 0 ? COMMAND_TRY_LATER : COMMAND_FAILED;
}

// Reads lines until the last one. False: it did not come.
static bool read_answer(const char *name, int fd, struct buffer *in,
                        void (*on_line)(void *context, struct slice line), void *context,
                        enum command_exit *ret_exit)
{
    for (;;) {
        char *to = buffer_reserve(in, READ_BYTES);
        ssize_t got = to ? read(fd, to, READ_BYTES) : -1;
        if (got <= 0)
            return false;
        buffer_advance(in, (size_t)got);
        struct slice rest = buffer_slice(in);
        for (size_t len; (len = slice_find(rest, '\n')) < rest.len;
             rest = slice_skip(rest, len + 1)) {
            struct slice line = slice_take(rest, len);
            if (slice_starts(line, SLICE("{\"end\":"))) {
                *ret_exit = exit_of(name, line);
                return true;
            }
            on_line(context, line);
        }
        buffer_drop_front(in, in->len - rest.len);
        fflush(stdout); // what follows the engine is read as it comes
    }
}

enum command_exit ask_exchange(const char *name, const struct ask_place *place,
                               struct slice request, void (*line)(void *context, struct slice line),
                               void *context)
{
    struct io_address address;
    struct buffer in;
    int fd;
    if (!find_socket(name, place, &address))
        return COMMAND_FAILED;
    enum command_exit code = connect_to(name, &address, &fd);
    if (code != COMMAND_DONE)
        return code;
    buffer_init(&in, ANSWER_LINE_BYTES_MAX + READ_BYTES);
    if (!send_line(fd, request) || !read_answer(name, fd, &in, line, context, &code)) {
        log_line(LOG_LEVEL_ERROR, "%s: the engine did not answer to the end", name);
        code = COMMAND_TRY_LATER;
    }
    buffer_release(&in);
    close(fd);
    return code;
}
