// engine/control/control_parts.h: how requests are read, for control.c alone. Pure.
#ifndef POSTHASTE_CONTROL_CONTROL_PARTS_H
#define POSTHASTE_CONTROL_CONTROL_PARTS_H

#include "engine/control/order.h"

// The line of a request, without its end; it is changed. False when it is wrong: the order is
// refused then, and may have no kind.
bool request_parse(struct order *o, const struct order_kind *const *kinds, struct slice line);

enum http_request { HTTP_MORE, HTTP_METRICS, HTTP_OTHER };
// What has come so far of a request (RFC 9112). HTTP_MORE: its header section has not ended.
enum http_request http_parse(struct slice bytes);
// What stands in front of the metrics, whose end is that of the connection. False when out is full.
bool http_say_head(struct buffer *out);
bool http_say_not_found(struct buffer *out);

#endif
