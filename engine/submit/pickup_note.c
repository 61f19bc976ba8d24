// How far a file in DIR/taken has come, in its name: for when it is left there. What was taken is
// known by keys, but these are forgotten after three days, or sooner when there are too many; the
// file may stay for longer.
#include "engine/submit/pickup_parts.h"

#include "engine/base/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// "TIME-RANDOM" is followed by "-NAME", or by ".FIRST.SETTLED-NAME": of struct pickup_window, in 8
// and 16 hexadecimal digits.
#define STEM_LEN (PICKUP_UNIQUE_LEN - 1)
#define FIRST_AT (STEM_LEN + 1)
#define SETTLED_AT (FIRST_AT + 9)
_Static_assert(PICKUP_NOTED_LEN == SETTLED_AT + 17, "and a dash");

static bool is_hex(const char *text, size_t count)
{
    return strspn(text, "0123456789abcdef") == count;
}

static bool has_stem(const char *name)
{
    return strlen(name) > PICKUP_UNIQUE_LEN && is_hex(name, 16) && name[16] == '-' &&
           is_hex(name + 17, 16);
}

static bool is_noted(const char *name)
{
    return strlen(name) > PICKUP_NOTED_LEN && has_stem(name) && name[STEM_LEN] == '.' &&
           is_hex(name + FIRST_AT, 8) && name[FIRST_AT + 8] == '.' &&
           is_hex(name + SETTLED_AT, 16) && name[SETTLED_AT + 16] == '-';
}

bool pickup_name_is_unique(const char *name)
{
    return (has_stem(name) && name[STEM_LEN] == '-') || is_noted(name);
}

const char *pickup_name_own(const char *name)
{
    CHECK(pickup_name_is_unique(name));
    return name + (is_noted(name) ? PICKUP_NOTED_LEN : PICKUP_UNIQUE_LEN);
}

void pickup_note_recall(struct pickup_file *f)
{
    if (!is_noted(f->name))
        return;
    uint32_t first = (uint32_t)strtoul(f->name + FIRST_AT, NULL, 16);
    uint64_t settled = strtoull(f->name + SETTLED_AT, NULL, 16);
    // Not one of ours: somebody has named it so. Its keys have the last word.
    if (first == 0 || settled >> first % PICKUP_IN_FLIGHT_MAX & 1)
        return;
    f->window.first = first;
    f->window.settled = settled;
}

bool pickup_note_begin(struct pickup *p, struct pickup_file *f)
{
    const struct pickup_window *w = &f->window;
    const int taken_fd = pickup_folder_of(p, f)->place->taken_fd;
    if (!f->in_taken || (w->first == 1 && w->settled == 0))
        return false;
    int len = snprintf(f->to, sizeof(f->to), "%.*s.%08" PRIx32 ".%016" PRIx64 "-%s", STEM_LEN,
                       f->name, w->first, w->settled, pickup_name_own(f->name));
    // One too long is that of an older engine's file.
    if (len > NAME_MAX || strcmp(f->name, f->to) == 0)
        return false;
    io_rename(p->o.io, taken_fd, f->name, taken_fd, f->to, pickup_file_ask(p, f, PICKUP_FILE_NOTE));
    return true;
}

bool pickup_note_on_done(struct pickup *p, struct pickup_file *f, int32_t result)
{
    if (f->state == PICKUP_FILE_NOTE_SYNC)
        return true; // even if it has failed: until a power cut the name is what it is
    if (result < 0) {
        f->note_error = result;
        return true;
    }
    memcpy(f->name, f->to, sizeof(f->name));
    io_sync_all(p->o.io, pickup_folder_of(p, f)->place->taken_fd,
                pickup_file_ask(p, f, PICKUP_FILE_NOTE_SYNC));
    return false;
}
