#include "engine/control/control_parts.h"

enum http_request http_parse(struct slice bytes)
{
    if (!memmem(bytes.data, bytes.len, "\r\n\r\n", 4) && !memmem(bytes.data, bytes.len, "\n\n", 2))
        return HTTP_MORE;
    struct slice line = slice_cut(&bytes, '\n');
    struct slice method = slice_cut(&line, ' ');
    struct slice target = slice_cut(&line, ' ');
    struct slice path = slice_cut(&target, '?');
    bool wanted = slice_equal(method, SLICE("GET")) && slice_equal(path, SLICE("/metrics"));
    return wanted ? HTTP_METRICS : HTTP_OTHER;
}

bool http_say_head(struct buffer *out)
{
    return buffer_append(out, SLICE("HTTP/1.1 200 OK\r\n"
                                    "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                                    "Connection: close\r\n\r\n"));
}

bool http_say_not_found(struct buffer *out)
{
    return buffer_append(out, SLICE("HTTP/1.1 404 Not Found\r\n"
                                    "Content-Type: text/plain\r\n"
                                    "Content-Length: 18\r\n"
                                    "Connection: close\r\n\r\n"
                                    "only GET /metrics\n"));
}
