// Standard input becomes a header and a body that SMTP can carry.

#include "engine/command/send.h"
#include "engine/message/fields.h"

#include <errno.h>
#include <unistd.h>

#define READ_BYTES (64 * 1024)

struct reading {
    struct send_mail *m;
    struct send_lines lines;
    enum { AT_START, IN_HEADER, IN_BODY } part;
    bool ended; // by a lone dot
};

static bool is_dot(const struct reading *r, struct slice line)
{
    return !r->m->options->dot_is_text && slice_equal(line, SLICE("."));
}

static bool continues(const struct reading *r, struct slice line)
{
    return r->m->header.len > 0 && line.len > 0 && (line.data[0] == ' ' || line.data[0] == '\t');
}

static int take_body_line(struct send_mail *m, struct slice line)
{
    content_scan(&m->scan, line);
    content_scan(&m->scan, SLICE("\r\n"));
    int error = send_spool_append(&m->body_spool, line);
    if (error == 0)
        error = send_spool_append(&m->body_spool, SLICE("\r\n"));
    if (error == -EFBIG)
        return send_failed(EX_DATAERR, "the message is too large");
    if (error < 0)
        return send_failed(EX_TEMPFAIL, "cannot keep the message: %s", strerror(-error));
    return EX_OK;
}

static int take_line(struct reading *r, struct slice line)
{
    struct send_mail *m = r->m;
    if (is_dot(r, line)) {
        r->ended = true;
        return EX_OK;
    }
    if (r->part == AT_START && fields_is_postmark(line))
        return EX_OK;
    if (r->part == AT_START)
        r->part = IN_HEADER;
    if (r->part == IN_BODY)
        return take_body_line(m, line);
    if (fields_is_first_line(line) || continues(r, line)) {
        if (m->header.len + line.len + 2 > SEND_HEADER_BYTES_MAX)
            return send_failed(EX_DATAERR, "the header section is too large");
        if (!buffer_append(&m->header, line) || !buffer_append(&m->header, SLICE("\r\n")))
            return send_failed(EX_TEMPFAIL, "no memory");
        return EX_OK;
    }
    r->part = IN_BODY;
    r->lines.in_header = false;
    return line.len > 0 ? take_body_line(m, line) : EX_OK; // without an empty line between
}

static int take_bytes(struct reading *r, struct slice bytes, bool at_end)
{
    struct slice line;
    int code = EX_OK;
    while (code == EX_OK && !r->ended && send_lines_take(&r->lines, &bytes, at_end, &line))
        code = take_line(r, line);
    if (code == EX_OK && r->lines.has_nul)
        return send_failed(EX_DATAERR, "the message holds a NUL: it must be encoded");
    return code;
}

int send_read(struct send_mail *m, int fd)
{
    struct reading r = {.m = m, .lines = {.in_header = true}};
    char bytes[READ_BYTES];
    for (bool at_end = false; !at_end && !r.ended;) {
        ssize_t count = read(fd, bytes, sizeof(bytes));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return send_failed(EX_IOERR, "cannot read the message: %s", strerror(errno));
        at_end = count == 0;
        int code = take_bytes(&r, slice_make(bytes, (size_t)count), at_end);
        if (code != EX_OK)
            return code;
    }
    int error = send_spool_seal(&m->body_spool, &m->body);
    if (error < 0)
        return send_failed(EX_TEMPFAIL, "cannot keep the message: %s", strerror(-error));
    return EX_OK;
}
