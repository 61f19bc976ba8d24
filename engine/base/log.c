#include "engine/base/log.h"

#include "engine/base/utf8.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

// Set once, before the threads start. The only mutable statics of the engine: a log line must be
// possible where nothing else is at hand.
static const char *log_program = "posthaste";
static enum log_level log_level_max = LOG_LEVEL_INFO;

void log_setup(const char *program, enum log_level level)
{
    log_program = program;
    log_level_max = level;
}

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_ERROR: return "error: ";
    case LOG_LEVEL_WARNING: return "warning: ";
    case LOG_LEVEL_INFO: return "";
    case LOG_LEVEL_DEBUG: return "debug: ";
    }
    return "";
}

static void clean(char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        struct slice rest = slice_make(text + at, len - at);
        size_t bytes = utf8_char_bytes(rest);
        if (bytes > 0 && !utf8_is_control(rest)) {
            at += bytes;
            continue;
        }
        memset(text + at, '?', bytes ? bytes : 1);
        at += bytes ? bytes : 1;
    }
}

// What snprintf() left in `room` bytes when it wanted to write `wanted`.
static size_t written(int wanted, size_t room)
{
    size_t count = wanted > 0 ? (size_t)wanted : 0;
    return count < room ? count : room - 1;
}

void log_line(enum log_level level, const char *format, ...)
{
    char line[LOG_LINE_BYTES_MAX];
    va_list args;
    if (level > log_level_max)
        return;
    int saved_errno = errno;
    size_t len = written(snprintf(line, sizeof(line), "%s: %s", log_program, level_name(level)),
                         sizeof(line));
    va_start(args, format);
    len += written(vsnprintf(line + len, sizeof(line) - len, format, args), sizeof(line) - len);
    va_end(args);
    clean(line, len);
    line[len++] = '\n'; // where the NUL stood
    // A log that nobody takes must not stop the mail: what does not get through is lost.
    struct pollfd log = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&log, 1, 0) == 1)
        while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
            ;
    errno = saved_errno;
}
