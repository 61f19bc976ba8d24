// engine/control/order.h: what somebody asks of the running engine, on its way round the workers.
//
// Life:    the control socket reads a line and makes an order -> begin() on worker 0 -> in each
//          round it visits every worker, one after the other -> end() on worker 0 -> the client has
//          its last line. What it says meanwhile goes to the client in pages: a worker that has
//          filled one lets the order go, and has it back when the client has taken the page. So a
//          client that does not read stops its own order, and nothing else.
// Turns:   visit() does a small piece of work and returns; it is called once a turn. Whoever must
//          look at millions of jobs looks at some hundred each time.
// Threads: an order belongs to one worker at a time, as any letter does.
// Kinds:   one file each in engine/, and a line in the table of engine/order_kinds.c.
#ifndef POSTHASTE_CONTROL_ORDER_H
#define POSTHASTE_CONTROL_ORDER_H

#include "engine/base/json.h"
#include "engine/policy/selector.h"
#include "queue/post.h"

#define ORDER_LINE_BYTES_MAX 8192u        // a request
#define ORDER_PAGE_BYTES (64u * 1024)     // then it goes to the client
#define ORDER_OUT_BYTES_MAX (256u * 1024) // beyond a page: what one step may add
#define ORDER_WHY_BYTES 512u

// What kinds may do on a worker; the engine's own (engine/order_place.h).
struct order_place;

enum order_step {
    ORDER_AGAIN, // there is more to do, in the next turn, or when the page has been taken
    ORDER_WAITS, // for something that will wake this worker, or be seen in a later turn
    ORDER_OVER,
};

enum order_end {
    ORDER_DONE,
    ORDER_REFUSED, // the request is wrong, or cannot be carried out
    ORDER_LATER,   // not now
};

struct order {
    struct letter letter;   // LETTER_ORDER to a worker, LETTER_ORDER_BACK to worker 0
    struct order *next;     // in the list of where it is
    struct order *all_next; // worker 0's: all that there are
    const struct order_kind *kind;
    struct order_place *place; // of worker 0: for begin() and end()
    uint32_t client;
    uint16_t client_generation;
    uint32_t uid; // who asks
    bool begun;
    bool visited;           // this worker has nothing more to do for it
    bool rests;             // on worker 0, until its client has taken a page
    bool plain;             // what it says is no JSON, and the last line is not wanted
    _Atomic bool cancelled; // nobody listens any more: visit() and end() only clean up
    uint32_t worker;        // whom it visits
    uint32_t round;
    struct buffer out; // lines for the client
    enum order_end how;
    char why[ORDER_WHY_BYTES];

    // Read from the request:
    struct selector selector;
    bool dry_run;
    bool brief;
    uint64_t limit;
    char subject[SELECTOR_TEXT_BYTES]; // whatever else the kind is told

    void *work; // the kind's own; freed, if there still is any, when the order ends
};

struct order_kind {
    const char *name; // the first word of its requests
    bool changes;     // something: it is logged, and one at a time
    bool selects;     // it takes the words of a selector,
    bool must_select; // and at least one of them
    uint32_t rounds;  // of visits to all workers
    // Takes a word that is none of the usual ones. NULL: taken; else what is wrong with it.
    const char *(*word)(struct order *o, struct slice key, struct slice value);
    // NULL where there is nothing to do. begin(): false when it called order_refuse().
    bool (*begin)(struct order *o);
    enum order_step (*visit)(struct order_place *p, struct order *o);
    enum order_step (*end)(struct order *o);
    void (*release)(struct order *o); // what order.work has taken beside itself
};

// Says why it ends without having been carried out. Always false.
bool order_refuse(struct order *o, enum order_end how, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// A line of its output: an object that is open. order_line_end() closes it; a line that does not
// fit is left out.
void order_line(struct order *o, struct json *j);
void order_line_end(struct order *o, struct json *j);
// Enough has been said for now.
static inline bool order_page_full(const struct order *o)
{
    return o->out.len >= ORDER_PAGE_BYTES;
}

// --- the orders that visit one worker

struct orders {
    struct order *first, *last;
    bool busy; // one of them goes on in the next turn
};

void orders_take(struct orders *os, struct letter *l);
// Once a turn: each of them has a step. Who is through, or has filled a page, goes to worker 0.
void orders_turn(struct orders *os, struct order_place *place, struct post *post);

#endif
