#include "engine/keyring.h"

#include "engine/base/check.h"

#define KEY_BYTES (sizeof(struct record_header) + sizeof(struct record_key))

bool keyring_init(struct keyring *k, struct journal *journal, uint32_t count_max, uint64_t seed)
{
    *k = (struct keyring){.journal = journal};
    return keys_init(&k->keys, count_max, seed);
}

void keyring_release(struct keyring *k)
{
    keys_release(&k->keys);
}

bool keyring_restore(struct keyring *k, const struct recovered_key *keys, uint64_t count,
                     uint32_t worker, uint32_t worker_count, uint64_t now_us, uint64_t wall_us)
{
    for (uint64_t i = 0; i < count; i++) {
        const struct recovered_key *key = &keys[i];
        if (keys_owner(key->key, worker_count) != worker || key->until_wall_us <= wall_us)
            continue;
        uint32_t before = k->keys.items.item_count;
        if (before == k->keys.items.item_count_max)
            return true; // more than the table takes: fewer workers than before
        uint64_t left_us = key->until_wall_us - wall_us;
        if (left_us > KEYS_LIFE_US)
            left_us = KEYS_LIFE_US; // the clock was wrong then, or is now
        if (!keys_restore(&k->keys, key->key, key->content, key->id, now_us + left_us))
            return false;
        if (k->keys.items.item_count > before && k->journal->segments)
            atomic_fetch_add(&k->journal->segments->table->keys_left, 1);
    }
    return true;
}

static void add_live(struct keyring *k, uint32_t segment)
{
    if (segment < SEGMENTS_MAX)
        segments_add_live(k->journal->segments, place_make(segment, 0), KEY_BYTES);
}

static void drop_live(struct keyring *k, uint32_t segment)
{
    if (segment < SEGMENTS_MAX)
        segments_drop_live(k->journal->segments, place_make(segment, 0), KEY_BYTES, 0);
}

void keyring_decided(struct keyring *k, const struct message *m, bool durable)
{
    uint32_t segment = k->journal->segments ? place_segment(m->place) : KEYS_NO_SEGMENT;
    keys_decided(&k->keys, m, durable, durable ? segment : KEYS_NO_SEGMENT);
    if (durable)
        add_live(k, segment);
}

static void forget_old(struct keyring *k, uint64_t now_us)
{
    uint32_t segment;
    while (keys_expire(&k->keys, now_us, &segment)) {
        if (segment == KEYS_NO_SEGMENT && k->journal->segments)
            atomic_fetch_sub(&k->journal->segments->table->keys_left, 1);
        drop_live(k, segment);
    }
}

static void end_moves(struct keyring *k)
{
    struct key_item *item;
    const struct journal *j = k->journal;
    while ((item = keys_first_in(&k->keys, KEYS_MOVING))) {
        uint32_t from = item->moving_from;
        keys_move(&k->keys, item, j->keys_segment);
        add_live(k, j->keys_segment);
        if (from == KEYS_NO_SEGMENT)
            atomic_fetch_sub(&j->segments->table->keys_left, 1);
        drop_live(k, from);
    }
    k->moving = false;
}

// Where each of them stands is not known: back to where they came from, to be moved again.
static void take_back_moves(struct keyring *k)
{
    struct key_item *item;
    while ((item = keys_first_in(&k->keys, KEYS_MOVING)))
        keys_move(&k->keys, item, item->moving_from);
    k->moving = false;
    k->journal->keys_parted = false;
}

static void begin_moves(struct keyring *k, uint32_t segment, uint64_t now_us, uint64_t wall_us)
{
    struct key_item *item;
    for (uint32_t i = 0; i < KEYRING_MOVES_MAX; i++) {
        item = keys_first_in(&k->keys, segment);
        if (!item)
            return;
        uint64_t until_us = (uint64_t)item->until_s * 1000000;
        uint64_t left_us = until_us > now_us ? until_us - now_us : 0;
        struct record_key record = {
            .content = item->content, .id = item->id, .until_wall_us = wall_us + left_us};
        memcpy(record.key, item->key, sizeof(record.key));
        keys_move(&k->keys, item, KEYS_MOVING);
        journal_key(k->journal, &record);
        k->moving = true;
    }
}

void keyring_turn(struct keyring *k, uint64_t now_us, uint64_t wall_us)
{
    const struct journal *j = k->journal;
    forget_old(k, now_us);
    if (!j->segments || j->closing || journal_troubled(j))
        return;
    if (k->moving && j->keys_batch <= j->synced_batch) {
        if (j->keys_parted)
            take_back_moves(k);
        else
            end_moves(k);
    }
    if (k->moving)
        return;
    begin_moves(k, KEYS_NO_SEGMENT, now_us, wall_us);
    uint32_t emptied = segments_to_move(j->segments);
    if (!k->moving && emptied != SEGMENT_NONE)
        begin_moves(k, emptied, now_us, wall_us);
}
