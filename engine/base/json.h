// engine/base/json.h: JSON written into a buffer, one value after another (RFC 8259).
//
// Knows where commas go. Text may be any bytes: control characters (also DEL and C1) are escaped,
// and what is not UTF-8 becomes U+FFFD, so that every line written is valid JSON. When the buffer
// is full, json_ok() turns false and the caller drops the whole value.
#ifndef POSTHASTE_BASE_JSON_H
#define POSTHASTE_BASE_JSON_H

#include "engine/base/buffer.h"

#define JSON_DEPTH_MAX 8 // the top level counts

struct json {
    struct buffer *out; // borrowed
    uint8_t depth;
    bool need_comma[JSON_DEPTH_MAX];
    char closing[JSON_DEPTH_MAX]; // the bracket that ends each level
    bool failed;
};

void json_init(struct json *j, struct buffer *out);
bool json_ok(const struct json *j);

void json_object(struct json *j, const char *key); // key: NULL at top level and inside arrays
void json_array(struct json *j, const char *key);
void json_end(struct json *j); // closes the innermost
void json_text(struct json *j, const char *key, struct slice value);
void json_u64(struct json *j, const char *key, uint64_t value);
void json_i64(struct json *j, const char *key, int64_t value);
void json_double(struct json *j, const char *key, double value); // 3 decimals; null when not finite
void json_bool(struct json *j, const char *key, bool value);
// "2026-01-31T12:34:56.789Z"
void json_time(struct json *j, const char *key, uint64_t wall_us);

#endif
