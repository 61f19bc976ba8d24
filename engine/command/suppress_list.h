// engine/command/suppress_list.h: the list of suppressed addresses as a command sees it: read from
// its file, whether an engine runs or not, and changed there, or by asking the engine that runs.
//
// Owns:         the folder suppression/ of a state directory while no engine has it.
// Knows not of: command lines.
#ifndef POSTHASTE_COMMAND_SUPPRESS_LIST_H
#define POSTHASTE_COMMAND_SUPPRESS_LIST_H

#include "engine/config.h"
#include "engine/refusal.h"
#include "engine/state_dir.h"
#include "queue/suppression_line.h"

struct suppress_list {
    struct suppression held;
    uint16_t today;
    const char *text; // of the file, mapped
    size_t text_bytes;
    uint64_t line_count, bad_count;
};

// A list that is not there is an empty one.
bool suppress_list_read(struct suppress_list *l, const struct config *c, struct refusal *why);
void suppress_list_release(struct suppress_list *l);
// The next address that is held, each once; `rest` begins as the whole text.
bool suppress_list_next(struct suppress_list *l, struct slice *rest, struct suppression_line *ret);

// Changes of the list: of its file, or, where an engine has it, asked of that one.
struct suppress_change {
    bool asks; // the engine
    // Of the file:
    struct state_dir state;
    int fd;
    struct buffer lines; // to be appended
    // Of the engine:
    const char *config_file;
    struct buffer request;
    uint16_t until; // as the request has said so far
    struct slice category;
};
bool suppress_change_open(struct suppress_change *s, const struct config *c,
                          const char *config_file, struct refusal *why);
// Many to one write and one sync: they are safe when suppress_change_end() has said true.
bool suppress_change_put(struct suppress_change *s, const struct suppression_line *l,
                         struct refusal *why);
bool suppress_change_end(struct suppress_change *s, struct refusal *why); // closes it in any case
// The day until which an address is held that is held from now on.
uint16_t suppress_until(uint64_t for_us);

// An address as people write it, in the form of the list. Empty when it is none.
struct slice suppress_address(struct slice text, char to[SUPPRESSION_ADDRESS_BYTES_MAX]);

#endif
