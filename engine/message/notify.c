#include "engine/message/notify.h"

// The value of "NAME=value" among words one space apart; empty where it is not.
static struct slice value_of(struct slice words, struct slice name)
{
    while (words.len > 0) {
        struct slice value = slice_cut(&words, ' ');
        if (slice_equal_nocase(slice_cut(&value, '='), name))
            return value;
    }
    return SLICE_EMPTY;
}

static uint32_t bit_of(struct slice word)
{
    if (slice_equal_nocase(word, SLICE("SUCCESS")))
        return NOTIFY_SUCCESS;
    if (slice_equal_nocase(word, SLICE("FAILURE")))
        return NOTIFY_FAILURE;
    return slice_equal_nocase(word, SLICE("DELAY")) ? NOTIFY_DELAY : 0;
}

uint32_t notify_of_rcpt(struct slice dsn)
{
    uint32_t bits = NOTIFY_ASKED;
    struct slice value = dsn.len > 0 ? value_of(dsn, SLICE("NOTIFY")) : SLICE_EMPTY;
    if (value.len == 0)
        return NOTIFY_FAILURE;
    while (value.len > 0)
        bits |= bit_of(slice_cut(&value, ','));
    return bits;
}

struct slice notify_orcpt(struct slice dsn)
{
    return value_of(dsn, SLICE("ORCPT"));
}

struct slice notify_envid(struct slice dsn)
{
    return value_of(dsn, SLICE("ENVID"));
}

bool notify_wants_full(struct slice dsn)
{
    return slice_equal_nocase(value_of(dsn, SLICE("RET")), SLICE("FULL"));
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

size_t notify_decode(struct slice xtext, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < xtext.len; i++) {
        int high = i + 2 < xtext.len ? hex_digit(xtext.data[i + 1]) : -1;
        int low = i + 2 < xtext.len ? hex_digit(xtext.data[i + 2]) : -1;
        bool coded = xtext.data[i] == '+' && high >= 0 && low >= 0;
        out[len++] = coded ? (char)(high * 16 + low) : xtext.data[i];
        i += coded ? 2 : 0;
    }
    return len;
}
