#include "queue/message_id.h"

#include "engine/base/check.h"

#define BITS_PER_CHARACTER 5

_Static_assert((MESSAGE_ID_TEXT_BYTES - 1) * BITS_PER_CHARACTER >= 64, "all bits are printed");

uint64_t message_id_make(uint64_t wall_us, uint32_t worker, uint64_t *last)
{
    CHECK(worker < 1u << MESSAGE_ID_WORKER_BITS);
    uint64_t id = wall_us << MESSAGE_ID_WORKER_BITS | worker;
    // A second message in this microsecond, or a clock that was set back: count on from the last.
    if (id <= *last)
        id = ((*last >> MESSAGE_ID_WORKER_BITS) + 1) << MESSAGE_ID_WORKER_BITS | worker;
    *last = id;
    return id;
}

// Digits and letters in the order of ASCII, without I, L, O and U (Crockford's base 32).
static const char characters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const char *message_id_print(uint64_t id, char text[MESSAGE_ID_TEXT_BYTES])
{
    for (int i = MESSAGE_ID_TEXT_BYTES - 2; i >= 0; i--) {
        text[i] = characters[id % 32];
        id /= 32;
    }
    text[MESSAGE_ID_TEXT_BYTES - 1] = '\0';
    return text;
}

bool message_id_parse(struct slice text, uint64_t *ret)
{
    uint64_t id = 0;
    if (text.len != MESSAGE_ID_TEXT_BYTES - 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        const char *at = c ? strchr(characters, c) : NULL;
        if (!at || (i == 0 && at - characters > 15)) // 65 bits: the first holds four
            return false;
        id = id * 32 + (uint64_t)(at - characters);
    }
    *ret = id;
    return true;
}
