#include "engine/policy/throttle.h"

#define SECOND UINT64_C(1000000)
#define RATE_1_PER_S 1000u // in messages in a thousand seconds
#define RATE_MIN RATE_1_PER_S
#define SLOT_US (SECOND / THROTTLE_SLOTS)
#define SLACK_US (SECOND / 50) // so much at once: fewer wake-ups
#define ANSWERED_MAX 1000000u
#define REST_US_FIRST SECOND
#define REST_US_SHORT (SECOND / 10) // until a receiver that counts by the second has room again
#define REST_US_MAX (60 * SECOND)
#define FORGOTTEN_US (600 * SECOND)
#define SOON_MESSAGES 20u
#define CONNECTIONS_US (60 * SECOND)
#define DOUBTFUL 4 // so few messages a second are no measurement

// What the n-th calm round adds, in parts of 20, and how long it is.
static const struct {
    uint8_t more, seconds, messages;
} rounds[] = {{1, 5, 40}, {1, 5, 40}, {2, 5, 40}, {4, 5, 40}, {8, 5, 40}, {20, 1, 8}};
#define ROUNDS (sizeof(rounds) / sizeof(rounds[0]))

void throttle_init(struct throttle *t)
{
    *t = (struct throttle){.connections = UINT32_MAX};
}

// --- which replies are complaints

static bool says_nocase(struct slice text, struct slice word)
{
    for (; text.len >= word.len; text = slice_skip(text, 1))
        if (slice_equal_nocase(slice_take(text, word.len), word))
            return true;
    return false;
}

bool throttle_is_complaint(enum smtp_phase phase, uint16_t code, struct enhanced_code enhanced,
                           struct slice text)
{
    if (code < 400 || code >= 500 || phase == SMTP_PHASE_QUIT)
        return false;
    if (code == 421) // 4.4.2: we, or it, had been silent for too long
        return !(enhanced.class == 4 && enhanced.subject == 4 && enhanced.detail == 2);
    if (enhanced.class != 4)
        return false;
    // Grey-listing speaks 4.7.1, too, and is about this message.
    if (enhanced.subject == 7)
        return !says_nocase(text, SLICE("greylist")) && !says_nocase(text, SLICE("graylist")) &&
               !says_nocase(text, SLICE("grey-list")) && !says_nocase(text, SLICE("grey list"));
    return (enhanced.subject == 3 && enhanced.detail == 2) || // takes no messages now
           (enhanced.subject == 4 && enhanced.detail == 5);   // congestion
}

// --- what it has taken in the last second

static void slots_move(struct throttle *t, uint64_t now_us)
{
    uint64_t slot = now_us / SLOT_US;
    if (slot - t->slot >= THROTTLE_SLOTS) {
        memset(t->taken, 0, sizeof(t->taken));
        t->slot = slot;
    }
    while (t->slot < slot)
        t->taken[++t->slot % THROTTLE_SLOTS] = 0;
}

// In messages in a thousand seconds.
static uint64_t measured(struct throttle *t, uint64_t now_us)
{
    uint64_t sum = 0;
    slots_move(t, now_us);
    for (uint32_t i = 0; i < THROTTLE_SLOTS; i++)
        sum += t->taken[i];
    return sum * RATE_1_PER_S;
}

// --- messages

static uint64_t interval_us(const struct throttle *t)
{
    return 1000 * SECOND / t->rate;
}

static uint32_t room_at_start(const struct throttle *t, uint32_t under_way)
{
    if (t->answered == ANSWERED_MAX)
        return UINT32_MAX;
    uint32_t most = THROTTLE_BEGIN + t->answered;
    return under_way < most ? most - under_way : 0;
}

uint32_t throttle_room(struct throttle *t, uint32_t under_way, uint64_t now_us)
{
    uint32_t at_start = room_at_start(t, under_way);
    if (now_us < t->held_until_us)
        return 0;
    if (t->rate == 0)
        return at_start;
    if (t->next_us > now_us + SLACK_US) {
        t->bound = true;
        return 0;
    }
    uint64_t from_us = t->next_us > now_us ? t->next_us : now_us;
    uint64_t room = (now_us + SLACK_US - from_us) / interval_us(t) + 1;
    return room < at_start ? (uint32_t)room : at_start;
}

uint64_t throttle_due_us(const struct throttle *t, uint64_t now_us)
{
    if (now_us < t->held_until_us)
        return t->held_until_us;
    return t->rate > 0 && t->next_us > now_us + SLACK_US ? t->next_us : now_us;
}

void throttle_begins(struct throttle *t, uint64_t now_us)
{
    if (t->rate > 0)
        t->next_us = (t->next_us > now_us ? t->next_us : now_us) + interval_us(t);
}

// --- answers

void throttle_answers(struct throttle *t)
{
    if (t->answered < ANSWERED_MAX)
        t->answered++;
}

static void round_begins(struct throttle *t, uint64_t now_us)
{
    t->round_us = now_us;
    t->round_taken = 0;
    t->bound = false;
}

// A round is over: true, when the rate has changed.
static bool round_ends(struct throttle *t, uint64_t now_us)
{
    unsigned more = rounds[t->calm].more;
    bool bound = t->bound;
    round_begins(t, now_us);
    if (now_us - t->cut_us >= FORGOTTEN_US) {
        t->rate = 0;
        t->calm = 0;
        return true;
    }
    if (!bound)
        return false;
    t->rate_before = t->rate;
    t->rate += t->rate * more / 20;
    if (t->calm + 1u < ROUNDS)
        t->calm++;
    return true;
}

bool throttle_takes(struct throttle *t, uint64_t now_us)
{
    throttle_answers(t);
    slots_move(t, now_us);
    t->taken[t->slot % THROTTLE_SLOTS]++;
    t->complaints = 0;
    if (t->rate == 0 || ++t->round_taken < rounds[t->calm].messages ||
        now_us - t->round_us < rounds[t->calm].seconds * SECOND)
        return false;
    return round_ends(t, now_us);
}

// The first complaint: as much as it has just taken. Where that is next to nothing, nothing is
// known, and the right rate is soon looked for.
static void learn_rate(struct throttle *t, uint64_t now_us)
{
    uint64_t rate = measured(t, now_us);
    t->calm = rate < DOUBTFUL * RATE_1_PER_S ? ROUNDS - 1 : 0;
    t->rate = rate - rate / 16;
}

static void cut_rate(struct throttle *t, uint64_t now_us)
{
    uint64_t least = t->rate - t->rate / 16;
    if (t->complaints > 0)
        least = t->complaints == 1 ? t->rate - t->rate / 4 : t->rate / 2;
    else if (t->calm == 0 && t->round_taken < SOON_MESSAGES)
        least = t->rate - t->rate / 8;
    else if (t->calm > 2) { // a large step was too large: the truth is between
        uint64_t seen = measured(t, now_us);
        uint64_t good = seen > t->rate_before ? seen : t->rate_before;
        least = good < least ? good : least;
    } else if (t->calm > 0) // a small step: what was good before is good
        least = t->rate_before;
    t->rate = least;
    t->calm = 0;
}

static uint64_t rest_us(const struct throttle *t, bool first)
{
    if (t->complaints == 0)
        return first ? REST_US_FIRST : REST_US_SHORT;
    unsigned doubled = t->complaints - 1u;
    uint64_t us = doubled < 6 ? REST_US_FIRST << doubled : REST_US_MAX;
    return us < REST_US_MAX ? us : REST_US_MAX;
}

bool throttle_complains(struct throttle *t, uint64_t began_us, uint64_t now_us)
{
    bool first = t->rate == 0;
    throttle_answers(t);
    if (began_us < t->cut_us || (began_us == t->cut_us && !first))
        return false;
    if (first)
        learn_rate(t, now_us);
    else
        cut_rate(t, now_us);
    if (t->rate < RATE_MIN)
        t->rate = RATE_MIN;
    t->rate_before = t->rate;
    t->cut_us = now_us;
    (void)throttle_back_off(t, now_us, rest_us(t, first)); // a longer one holds
    if (t->complaints < UINT8_MAX)
        t->complaints++;
    round_begins(t, now_us);
    return true;
}

bool throttle_back_off(struct throttle *t, uint64_t now_us, uint64_t for_us)
{
    if (t->held_until_us >= now_us + for_us)
        return false;
    t->held_until_us = now_us + for_us;
    return true;
}

// --- connections

void throttle_refuses_connection(struct throttle *t, uint32_t open_count, uint64_t now_us)
{
    t->connections = open_count > 0 ? open_count : 1;
    t->connections_step = 1;
    t->connections_us = now_us + CONNECTIONS_US;
}

uint32_t throttle_connections(struct throttle *t, uint64_t now_us)
{
    while (t->connections != UINT32_MAX && now_us >= t->connections_us) {
        t->connections_us += CONNECTIONS_US;
        if (t->connections_step > UINT16_MAX) {
            t->connections = UINT32_MAX;
            break;
        }
        t->connections += t->connections_step;
        t->connections_step *= 2;
    }
    return t->connections;
}

// --- for people

bool throttle_is_active(const struct throttle *t, uint64_t now_us)
{
    return t->rate > 0 || now_us < t->held_until_us || t->connections != UINT32_MAX;
}

struct reason throttle_reason(const struct throttle *t, uint64_t now_us)
{
    if (now_us < t->held_until_us)
        return (struct reason){REASON_SITE_BACK_OFF, t->held_until_us};
    uint64_t due_us = throttle_due_us(t, now_us);
    if (due_us > now_us)
        return (struct reason){REASON_MESSAGE_RATE, due_us};
    return (struct reason){REASON_NONE, 0};
}
