#include "queue/cursor.h"

#include "engine/base/crc32c.h"

#define CURSOR_MAGIC UINT64_C(0x72737275636a7370) // "psjcursr"
#define CURSOR_VERSION 1u

static uint32_t checksum_of(struct cursor_slot s)
{
    s.checksum = 0;
    return crc32c(0, &s, sizeof(s));
}

struct cursor_slot cursor_slot_of(uint64_t base_turn, struct journal_place told)
{
    struct cursor_slot s = {.magic = CURSOR_MAGIC,
                            .version = CURSOR_VERSION,
                            .base_turn = base_turn,
                            .turn = told.turn,
                            .offset = told.offset};
    s.checksum = checksum_of(s);
    return s;
}

void cursor_begin(char *file, uint64_t base_turn)
{
    struct cursor_slot first = cursor_slot_of(base_turn, (struct journal_place){0});
    memset(file, 0, CURSOR_FILE_BYTES);
    memcpy(file, &first, sizeof(first));
}

static bool slot_read(struct cursor_slot *ret, struct slice file, uint32_t nth)
{
    struct slice rest = slice_skip(file, (size_t)nth * CURSOR_SLOT_BYTES);
    if (rest.len < sizeof(*ret))
        return false;
    memcpy(ret, rest.data, sizeof(*ret));
    return ret->magic == CURSOR_MAGIC && ret->version == CURSOR_VERSION &&
           ret->checksum == checksum_of(*ret);
}

void cursor_read(struct cursor *ret, struct slice file)
{
    struct cursor_slot s;
    *ret = (struct cursor){0};
    if (!slot_read(&s, file, 0))
        return;
    ret->base_turn = s.base_turn;
    for (uint32_t i = 0; i < CURSOR_WORKERS_MAX; i++)
        if (slot_read(&s, file, 1 + i) && s.base_turn == ret->base_turn) // not of an earlier life
            ret->told[i] = (struct journal_place){s.turn, s.offset};
}

bool cursor_covers(const struct cursor *c, uint32_t worker, struct journal_place at)
{
    if (at.turn <= c->base_turn)
        return true;
    return worker < CURSOR_WORKERS_MAX && place_is_before(at, c->told[worker]);
}
