#include "engine/base/base64.h"

#include "engine/base/check.h"

#include <string.h>

void base64_group(const void *bytes, size_t count, char out[BASE64_GROUP_CHARS])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char in[BASE64_GROUP_BYTES] = {0};
    CHECK(count >= 1 && count <= BASE64_GROUP_BYTES);
    memcpy(in, bytes, count);
    out[0] = digits[in[0] >> 2];
    out[1] = digits[(in[0] & 3) << 4 | in[1] >> 4];
    out[2] = count > 1 ? digits[(in[1] & 15) << 2 | in[2] >> 6] : '=';
    out[3] = count > 2 ? digits[in[2] & 63] : '=';
}
