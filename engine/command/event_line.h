// engine/command/event_line.h: one line of the events: what stands in it, whether it is wanted, and
// how people read it.
//
// Lines are those that the engine writes: an object without blanks, its strings escaped. So the
// text "name": stands in them unescaped only where a member begins.
#ifndef POSTHASTE_COMMAND_EVENT_LINE_H
#define POSTHASTE_COMMAND_EVENT_LINE_H

#include "engine/base/buffer.h"

// Which lines are wanted. NULL: any.
struct event_filter {
    const char *id; // the message's
    const char *domain;
    const char *recipient;
    const char *campaign;
    const char *event;
};

// A member's value as it is written, without quotes; empty where there is none.
struct slice event_member(struct slice line, const char *name);
bool event_is(struct slice line, const char *name, const char *value);
bool event_fits(struct slice line, const struct event_filter *f);
// One line for people, with its end.
void event_print(struct slice line);

#endif
