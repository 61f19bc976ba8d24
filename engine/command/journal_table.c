#include "engine/command/journal_table.h"

#include <stdlib.h>
#include <string.h>

#define STEP_BYTES (64u * 1024)
#define SLOTS_FIRST 1024u

void journal_table_init(struct journal_table *t, uint64_t seed)
{
    *t = (struct journal_table){.seed = seed};
}

void journal_table_release(struct journal_table *t)
{
    for (uint32_t i = 0; i < t->message_count; i++)
        free(t->messages[i].rcpts);
    free(t->messages);
    free(t->keys);
    free(t->by_id.slots);
    free(t->by_key.slots);
    journal_table_init(t, t->seed);
}

static const void *id_of(const struct journal_table *t, uint32_t item)
{
    return &t->messages[item].id;
}

static const void *key_of(const struct journal_table *t, uint32_t item)
{
    return t->keys[item];
}

typedef const void *name_of_item(const struct journal_table *t, uint32_t item);

// The slot of the item with this name, or the free one where it belongs. The table is never full.
static uint32_t *find_slot(const struct journal_table *t, const struct journal_index *index,
                           name_of_item *name_of, const void *name, size_t name_bytes)
{
    uint32_t mask = index->slot_count - 1;
    uint32_t at = (uint32_t)slice_hash(slice_make(name, name_bytes), t->seed) & mask;
    while (index->slots[at] != 0 && memcmp(name_of(t, index->slots[at] - 1), name, name_bytes) != 0)
        at = (at + 1) & mask;
    return &index->slots[at];
}

// Room for one more item in an index of `count`: at most half of the slots are taken.
static bool index_grow(const struct journal_table *t, struct journal_index *index, uint32_t count,
                       name_of_item *name_of, size_t name_bytes)
{
    if (index->slot_count > 0 && count < index->slot_count / 2)
        return true;
    if (index->slot_count > UINT32_MAX / 2)
        return false;
    struct journal_index grown = {.slot_count = index->slot_count ? index->slot_count * 2
                                                                  : SLOTS_FIRST};
    grown.slots = calloc(grown.slot_count, sizeof(*grown.slots));
    if (!grown.slots)
        return false;
    for (uint32_t i = 0; i < count; i++)
        *find_slot(t, &grown, name_of, name_of(t, i), name_bytes) = i + 1;
    free(index->slots);
    *index = grown;
    return true;
}

// A larger array when `count` items fill this one. NULL: no memory; the array stays.
static void *room_for_one(void *items, uint32_t count, uint32_t *room, size_t item_bytes)
{
    if (count < *room)
        return items;
    uint32_t more = *room ? *room * 2 : SLOTS_FIRST;
    void *grown = more > *room ? reallocarray(items, more, item_bytes) : NULL;
    if (grown)
        *room = more;
    return grown;
}

static struct journal_message *find_message(const struct journal_table *t, uint64_t id)
{
    if (t->by_id.slot_count == 0)
        return NULL;
    uint32_t slot = *find_slot(t, &t->by_id, id_of, &id, sizeof(id));
    return slot ? &t->messages[slot - 1] : NULL;
}

static struct journal_message *add_message(struct journal_table *t, uint64_t id,
                                           struct journal_rcpt *rcpts)
{
    struct journal_message *messages = room_for_one(t->messages, t->message_count, &t->message_room,
                                                    sizeof(*messages));
    if (messages)
        t->messages = messages;
    if (!messages || !index_grow(t, &t->by_id, t->message_count, id_of, sizeof(id)))
        return NULL;
    struct journal_message *m = &t->messages[t->message_count];
    *m = (struct journal_message){.id = id, .rcpts = rcpts};
    *find_slot(t, &t->by_id, id_of, &id, sizeof(id)) = ++t->message_count;
    return m;
}

void journal_table_key(struct journal_table *t, const uint8_t key[FORMAT_KEY_BYTES])
{
    void *keys = room_for_one(t->keys, t->key_count, &t->key_room, sizeof(*t->keys));
    if (keys)
        t->keys = keys;
    if (!keys || !index_grow(t, &t->by_key, t->key_count, key_of, sizeof(*t->keys))) {
        t->out_of_memory = true;
        return;
    }
    uint32_t *slot = find_slot(t, &t->by_key, key_of, key, sizeof(*t->keys));
    if (*slot != 0)
        return;
    memcpy(t->keys[t->key_count], key, sizeof(*t->keys));
    *slot = ++t->key_count;
}

// Copies are told apart by a hash with a seed that who wrote the mail does not know.
static bool digest(struct journal_reader *r, uint64_t seed, uint64_t *ret)
{
    uint64_t hash = seed;
    for (uint64_t at = 0; at < r->record.bytes;) {
        uint64_t rest = r->record.bytes - at;
        size_t len = rest < STEP_BYTES ? (size_t)rest : STEP_BYTES;
        const void *bytes = journal_reader_payload(r, at, len);
        if (!bytes)
            return false;
        hash = slice_hash(slice_make(bytes, len), hash);
        at += len;
    }
    *ret = hash;
    return true;
}

static struct journal_rcpt *read_rcpts(struct journal_reader *r, const struct record_message *m)
{
    struct message_rcpt rcpt;
    struct journal_rcpt *rcpts = calloc(m->rcpt_count, sizeof(*rcpts));
    for (uint32_t i = 0; rcpts && i < m->rcpt_count; i++)
        if (journal_message_rcpt(r, m, i, &rcpt))
            rcpts[i].starts_group = rcpt.starts_group;
    return rcpts;
}

const char *journal_table_message(struct journal_table *t, struct journal_reader *r,
                                  const struct record_message *m, uint32_t segment)
{
    uint64_t hash;
    struct journal_message *known = find_message(t, m->id);
    if (!digest(r, t->seed, &hash))
        return "it changes while it is read";
    if (known && known->digest != hash)
        return "another message has the same id";
    if (known) {
        t->duplicate_count++;
    } else {
        struct journal_rcpt *rcpts = read_rcpts(r, m);
        known = rcpts ? add_message(t, m->id, rcpts) : NULL;
        if (!known) {
            free(rcpts);
            t->out_of_memory = true;
            return NULL;
        }
        known->digest = hash;
        known->record_bytes = sizeof(r->record) + format_record_padded(r->record.bytes);
        known->rcpt_count = m->rcpt_count;
        known->job_count = m->job_count;
    }
    known->copy_count++;
    known->segment = segment;
    known->batch_offset = r->batch_offset;
    if (m->flags & MESSAGE_FLAG_KEY)
        journal_table_key(t, m->key);
    return NULL;
}

static bool is_final(uint8_t state)
{
    return state == RCPT_DELIVERED || state == RCPT_FAILED;
}

static const char *settle(struct journal_rcpt *rcpt, uint8_t state)
{
    if (is_final(rcpt->state) && rcpt->state != state)
        return "a recipient was both delivered and failed";
    rcpt->state = state;
    return NULL;
}

static void heard(struct journal_rcpt *rcpt, uint16_t attempt)
{
    if (rcpt->result_attempt < attempt)
        rcpt->result_attempt = attempt;
}

const char *journal_table_state(struct journal_table *t, struct journal_reader *r,
                                const struct record_state *s, uint32_t segment)
{
    struct journal_message *m = find_message(t, s->id);
    if (!m || m->segment != segment || m->batch_offset != r->batch_offset)
        return "its message is not before it in its batch";
    if (m->job_count != s->job_count || m->rcpt_count != s->rcpt_count)
        return "it has other jobs or recipients than its message";
    struct state_job job = {0};
    uint32_t job_next = 0;
    const char *fault = NULL;
    for (uint32_t i = 0; i < m->rcpt_count; i++) {
        enum rcpt_state state;
        if ((m->rcpts[i].starts_group && !journal_state_job(r, job_next++, &job)) ||
            !journal_state_rcpt(r, s, i, &state))
            return "it changes while it is read";
        const char *clash = is_final((uint8_t)state) ? settle(&m->rcpts[i], (uint8_t)state) : NULL;
        if (clash)
            fault = clash;
        heard(&m->rcpts[i], job.attempt_count);
    }
    return fault;
}

const char *journal_table_result(struct journal_table *t, const struct record_result *result)
{
    struct journal_message *m = find_message(t, result->id);
    if (!m) {
        t->gone_count++;
        return NULL;
    }
    if (result->rcpt >= m->rcpt_count)
        return "its message has no such recipient";
    heard(&m->rcpts[result->rcpt], result->attempt);
    return is_final(result->outcome) ? settle(&m->rcpts[result->rcpt], result->outcome) : NULL;
}

const char *journal_table_attempt(struct journal_table *t, const struct record_attempt *attempt)
{
    struct journal_message *m = find_message(t, attempt->id);
    if (!m) {
        t->gone_count++;
        return NULL;
    }
    uint64_t end = (uint64_t)attempt->rcpt_first + attempt->rcpt_count;
    if (end > m->rcpt_count)
        return "its message has no such recipients";
    for (uint64_t i = attempt->rcpt_first; i < end; i++)
        if (m->rcpts[i].attempt < attempt->attempt)
            m->rcpts[i].attempt = attempt->attempt;
    return NULL;
}

bool journal_table_forgot(const struct journal_table *t, const struct record_result *result)
{
    const struct journal_message *m = find_message(t, result->id);
    return m && is_final(result->outcome) && result->rcpt < m->rcpt_count &&
           !is_final(m->rcpts[result->rcpt].state);
}

void journal_table_sum(const struct journal_table *t, struct journal_sums *ret)
{
    struct journal_sums sums = {0};
    for (uint32_t i = 0; i < t->message_count; i++) {
        const struct journal_message *m = &t->messages[i];
        uint64_t open_before = sums.open + sums.deferred;
        for (uint32_t j = 0; j < m->rcpt_count; j++) {
            const struct journal_rcpt *rcpt = &m->rcpts[j];
            if (is_final(rcpt->state)) {
                *(rcpt->state == RCPT_DELIVERED ? &sums.delivered : &sums.failed) += 1;
                continue;
            }
            *(rcpt->result_attempt > 0 ? &sums.deferred : &sums.open) += 1;
            sums.in_doubt += rcpt->attempt > rcpt->result_attempt;
        }
        if (sums.open + sums.deferred > open_before) {
            sums.open_messages++;
            sums.live_bytes += m->record_bytes;
        }
    }
    *ret = sums;
}
