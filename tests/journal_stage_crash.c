// What a start finds after a crash, and whether that is what was promised.
#include "engine/base/check.h"
#include "queue/message_record.h"
#include "tests/journal_stage.h"
#include "tests/suite.h"

#include <stdlib.h>

// --- what is left on the disk

static void lose(char *image, const struct stage_file *f, enum stage_loss loss, struct random *dice)
{
    for (uint64_t at = 0; at < f->bytes; at += STAGE_SECTOR_BYTES) {
        bool keep = loss == LOSE_NONE || (loss == LOSE_SOME && random_below(dice, 2));
        memcpy(image + at, (keep ? f->now : f->durable) + at, STAGE_SECTOR_BYTES);
    }
}

// The kernel may have begun with what is being written.
static void add_flight(char *image, const struct stage *s, enum stage_loss loss,
                       struct random *dice)
{
    for (uint64_t at = 0; at < s->flight_bytes; at += STAGE_SECTOR_BYTES) {
        uint64_t left = s->flight_bytes - at;
        if (loss == LOSE_NONE || (loss == LOSE_SOME && random_below(dice, 2)))
            memcpy(image + s->write.offset + at, s->flight + at,
                   left < STAGE_SECTOR_BYTES ? left : STAGE_SECTOR_BYTES);
    }
}

struct stage_images *stage_crash(struct stage *s, enum stage_loss loss, struct random *dice)
{
    struct stage_images *images = calloc(1, sizeof(*images));
    CHECK(images);
    images->count = STAGE_FILES_MAX;
    for (uint32_t i = 0; i < STAGE_FILES_MAX; i++) {
        const struct stage_file *f = &s->files[i];
        if (!f->now || f->gone)
            continue;
        images->len[i] = f->bytes;
        images->bytes[i] = malloc(f->bytes);
        CHECK(images->bytes[i]);
        lose(images->bytes[i], f, loss, dice);
        if (s->writing && s->write.fd == STAGE_FD_FIRST + (int)i)
            add_flight(images->bytes[i], s, loss, dice);
    }
    return images;
}

void stage_images_free(struct stage_images *images)
{
    for (uint32_t i = 0; i < images->count; i++)
        free(images->bytes[i]);
    free(images);
}

// --- a start

struct found_file {
    uint32_t image;
    struct scan_front front;
    uint64_t limit;
};

static int by_turn(const void *a, const void *b)
{
    const struct found_file *x = a, *y = b;
    return x->front.turn < y->front.turn ? -1 : x->front.turn > y->front.turn;
}

static uint32_t read_fronts(struct stage_found *found, const struct stage_images *images,
                            struct found_file *files)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < images->count; i++) {
        struct found_file f = {.image = i, .limit = UINT64_MAX};
        uint64_t len = images->len[i] < SCAN_FRONT_BYTES ? images->len[i] : SCAN_FRONT_BYTES;
        if (!images->bytes[i])
            continue;
        switch (scan_front(slice_make(images->bytes[i], len), &f.front)) {
        case SCAN_SEGMENT: files[count++] = f; break;
        case SCAN_UNKNOWN: found->unknown++; break;
        case SCAN_UNBEGUN: break;
        }
    }
    qsort(files, count, sizeof(*files), by_turn);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; files[i].front.opens && k < count; k++)
            if (files[k].front.header.epoch == files[i].front.opening.previous_epoch)
                files[k].limit = files[i].front.opening.previous_end;
    return count;
}

static void read_segment(struct stage_found *found, const struct stage_images *images,
                         const struct found_file *f)
{
    struct scan scan;
    struct scan_record r;
    scan_open(&scan, slice_make(images->bytes[f->image], images->len[f->image]),
              f->front.header.epoch, f->limit);
    segment_at(&found->table, f->image)->epoch = f->front.header.epoch;
    while (scan_next(&scan, &r))
        CU_ASSERT_TRUE_FATAL(recover_record(&found->recover, &r, f->image, 0));
    enum scan_ending ending = scan_end(&scan);
    found->torn += ending == SCAN_TORN;
    found->damaged += ending == SCAN_DAMAGED;
    found->segments++;
}

static uint32_t delay_in_doubt_s(const void *context, const struct domain *domain)
{
    (void)context;
    (void)domain;
    return 900;
}

struct stage_found *stage_recover(const struct stage_images *images)
{
    struct stage_found *found = calloc(1, sizeof(*found));
    struct found_file *files = calloc(STAGE_FILES_MAX, sizeof(*files));
    CHECK(found && files && segment_table_init(&found->table, UINT64_MAX));
    found->domains = domain_table_new(sizeof(struct domain), 1);
    slab_init(&found->jobs, sizeof(struct job), 1000000);
    CHECK(found->domains &&
          recover_init(&found->recover, found->domains, &found->table, &found->jobs));
    uint32_t count = read_fronts(found, images, files);
    for (uint32_t i = 0; i < count; i++)
        read_segment(found, images, &files[i]);
    recover_finish(&found->recover, 100, STAGE_WALL_US, delay_in_doubt_s, NULL);
    free(files);
    return found;
}

void stage_found_free(struct stage_found *found)
{
    for (uint32_t i = slab_next(&found->jobs, 0); i != SLAB_NONE;
         i = slab_next(&found->jobs, i + 1)) {
        struct job *j = slab_at(&found->jobs, i);
        if (j->entry == &j->own_entry)
            free(entry_spread(j->entry));
    }
    recover_release(&found->recover);
    slab_release(&found->jobs);
    domain_table_free(found->domains);
    segment_table_release(&found->table);
    free(found);
}

struct entry *stage_found_entry(struct stage_found *found, uint64_t id)
{
    for (uint32_t i = slab_next(&found->jobs, 0); i != SLAB_NONE;
         i = slab_next(&found->jobs, i + 1)) {
        struct job *j = slab_at(&found->jobs, i);
        if (j->entry == &j->own_entry && j->entry->id == id)
            return j->entry;
    }
    return NULL;
}

// --- what was promised

// The bytes are those that were given.
static bool content_is(struct stage *s, const struct stage_found *found,
                       const struct stage_images *images, const struct entry *e, uint32_t letter)
{
    const struct stage_letter *l = &s->letters[letter];
    uint32_t image = place_segment(e->place);
    char want[64];
    void *to;
    size_t bytes;
    struct message *m = message_read_new(&s->blocks, e->payload_bytes, &to, &bytes);
    CHECK(m && place_offset(e->place) + bytes <= images->len[image]);
    memcpy(to, images->bytes[image] + place_offset(e->place), bytes);
    bool same = message_read_done(m, e->payload_bytes, segment_at(&found->table, image)->epoch,
                                  place_offset(e->place), e->id);
    int len = snprintf(want, sizeof(want), "sender%u@posthaste.example", letter);
    if (same) {
        struct slice content = message_content(m);
        same = slice_equal(message_sender(m), slice_make(want, (size_t)len)) &&
               content.len == l->content_bytes && m->rcpt_count == l->rcpt_count;
        for (size_t i = 0; i < content.len; i++)
            same &= content.data[i] == (char)('a' + letter % 26);
        for (uint32_t i = 0; same && i < m->rcpt_count; i++) {
            len = snprintf(want, sizeof(want), "u%u.%u@d%u.example", letter, i,
                           (letter + i / 2) % 50);
            same &= slice_equal(message_rcpt_address(m, i), slice_make(want, (size_t)len)) &&
                    slice_equal(message_rcpt_dsn(m, i), SLICE("NOTIFY=NEVER"));
        }
    }
    message_free(&s->blocks, m);
    return same;
}

// A final result that was durable once still holds; one that nobody gave does not.
static void check_states(const struct stage_letter *l, struct entry *e)
{
    for (uint32_t i = 0; i < entry_job_count(e); i++) {
        struct job *j = entry_job(e, i);
        for (uint32_t rcpt = j->rcpt_first; rcpt < (uint32_t)j->rcpt_first + j->rcpt_count;
             rcpt++) {
            enum rcpt_state got = job_rcpt_state(j, rcpt);
            if (l->durable[rcpt] != RCPT_OPEN)
                CU_ASSERT_EQUAL_FATAL(got, l->durable[rcpt]);
            if (got != RCPT_OPEN)
                CU_ASSERT_EQUAL_FATAL(got, l->states[rcpt]);
        }
    }
}

static bool all_final(const uint8_t *states, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (states[i] == RCPT_OPEN)
            return false;
    return true;
}

void stage_check_found(struct stage *s, struct stage_found *found,
                       const struct stage_images *images)
{
    uint32_t taken = 0;
    CU_ASSERT_EQUAL(found->recover.counters.malformed, 0);
    CU_ASSERT_EQUAL(found->unknown, 0);
    CU_ASSERT_EQUAL(found->damaged, 0);
    // By id once: looking each up among all would take the time of all tests together.
    struct entry **entries = calloc(STAGE_LETTERS_MAX, sizeof(struct entry *));
    CHECK(entries);
    for (uint32_t i = slab_next(&found->jobs, 0); i != SLAB_NONE;
         i = slab_next(&found->jobs, i + 1)) {
        struct job *j = slab_at(&found->jobs, i);
        if (j->entry != &j->own_entry)
            continue;
        uint64_t letter = j->entry->id - STAGE_ID_FIRST;
        CU_ASSERT_TRUE_FATAL(letter < s->letter_count); // no message that nobody gave
        CU_ASSERT_PTR_NULL_FATAL(entries[letter]);      // and none twice
        entries[letter] = j->entry;
    }
    for (uint32_t i = 0; i < s->letter_count; i++) {
        const struct stage_letter *l = &s->letters[i];
        struct entry *e = entries[i];
        // Acknowledged, and not over: it is there.
        if (l->settled && l->committed && !all_final(l->states, l->rcpt_count))
            CU_ASSERT_PTR_NOT_NULL_FATAL(e);
        // Over for good: it does not come back.
        if (all_final(l->durable, l->rcpt_count))
            CU_ASSERT_PTR_NULL_FATAL(e);
        if (!e)
            continue;
        taken++;
        check_states(l, e);
        CU_ASSERT_TRUE_FATAL(content_is(s, found, images, e, i));
    }
    CU_ASSERT_EQUAL(taken, found->recover.counters.messages);
    free(entries);
}

void stage_check_crash(struct stage *s, enum stage_loss loss, struct random *dice)
{
    struct stage_images *images = stage_crash(s, loss, dice);
    struct stage_found *found = stage_recover(images);
    stage_check_found(s, found, images);
    stage_found_free(found);
    stage_images_free(images);
}
