// engine/base/base64.h: base64 (RFC 4648 4), a group of three bytes at a time.
#ifndef POSTHASTE_BASE_BASE64_H
#define POSTHASTE_BASE_BASE64_H

#include <stddef.h>

#define BASE64_GROUP_BYTES 3
#define BASE64_GROUP_CHARS 4

// The four characters of one to three bytes, with "=" in place of what is missing.
void base64_group(const void *bytes, size_t count, char out[BASE64_GROUP_CHARS]);

#endif
