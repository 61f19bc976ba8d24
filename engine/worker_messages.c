#include "engine/base/check.h"
#include "engine/worker_parts.h"

#include <stdlib.h>

// A message under way to the worker that owns its submission key, and the answer.
struct handed {
    struct letter letter;
    struct message *message; // the sender's
    uint32_t from;
    uint8_t fate; // enum journal_fate
    uint64_t id;
};

static enum pickup_verdict pickup_verdict_of(enum journal_fate fate)
{
    switch (fate) {
    case JOURNAL_COMMITTED: return PICKUP_TAKEN;
    case JOURNAL_KEY_SAME: return PICKUP_DUPLICATE;
    case JOURNAL_NO_ROOM:
    case JOURNAL_NO_MEMORY:
    case JOURNAL_FAILED: return PICKUP_LATER;
    case JOURNAL_KEY_OTHER: return PICKUP_NEVER;
    }
    CHECK(false);
}

// Who waits for a message of ours learns what became of it.
static void tell_fate(struct worker *w, const struct message *m, enum journal_fate fate)
{
    if (m->session & PICKUP_SESSION)
        pickup_verdict(w->pickup, m->session, m->session_generation, pickup_verdict_of(fate));
    else
        submit_verdict(w->submit, m, fate);
}

static void hand_over(struct worker *w, struct message *m, uint32_t owner)
{
    struct handed *handed = calloc(1, sizeof(*handed));
    if (!handed) {
        tell_fate(w, m, JOURNAL_NO_MEMORY);
        message_free(&w->home.blocks, m);
        return;
    }
    handed->letter.kind = LETTER_KEYED;
    handed->message = m;
    handed->from = w->number;
    w->handed_count++;
    post_leave(&w->post, owner, &handed->letter);
}

static void answer_handed(struct worker *w, struct handed *handed, enum journal_fate fate,
                          uint64_t id)
{
    handed->fate = (uint8_t)fate;
    handed->id = id;
    handed->letter.kind = LETTER_KEYED_BACK;
    post_leave(&w->post, handed->from, &handed->letter);
}

void worker_take_handed(struct worker *w, struct letter *l)
{
    struct handed *handed = CONTAINER_OF(l, struct handed, letter);
    struct message *m = message_copy(&w->home.blocks, handed->message);
    if (!m) {
        answer_handed(w, handed, JOURNAL_NO_MEMORY, 0);
        return;
    }
    m->handed = handed;
    home_accept(&w->home, m);
}

void worker_take_answer(struct worker *w, struct letter *l)
{
    struct handed *handed = CONTAINER_OF(l, struct handed, letter);
    struct message *m = handed->message;
    m->id = handed->id;
    tell_fate(w, m, (enum journal_fate)handed->fate);
    message_free(&w->home.blocks, m);
    free(handed);
    w->handed_count--;
}

// A message with a submission key gets the home that owns the key, so that key and message are in
// one batch of one journal.
void worker_take_messages(struct worker *w)
{
    struct message *m;
    while ((m = submit_next_message(w->submit))) {
        uint32_t owner = m->has_key ? keys_owner(m->key, w->shared->worker_count) : w->number;
        if (owner == w->number)
            home_accept(&w->home, m);
        else
            hand_over(w, m, owner);
    }
}

void worker_tell_fates(struct worker *w)
{
    struct message *m;
    enum journal_fate fate;
    while ((m = home_next_settled(&w->home, &fate))) {
        if (m->handed)
            answer_handed(w, m->handed, fate, m->id);
        else
            tell_fate(w, m, fate);
        home_take_settled(&w->home, m, fate);
    }
}
