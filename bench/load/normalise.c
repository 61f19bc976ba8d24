#include "bench/load/normalise.h"

size_t normalise_lines(struct slice raw, char *out)
{
    char *to = out;
    bool in_line = false;
    for (size_t i = 0; i < raw.len; i++) {
        char byte = raw.data[i];
        if (byte == '\n' && i > 0 && raw.data[i - 1] == '\r')
            continue; // its CR has ended the line
        in_line = byte != '\n' && byte != '\r';
        if (in_line) {
            *to++ = byte;
        } else {
            *to++ = '\r';
            *to++ = '\n';
        }
    }
    if (in_line) {
        *to++ = '\r';
        *to++ = '\n';
    }
    return (size_t)(to - out);
}
