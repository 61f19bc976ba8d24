// posthaste journal dump --content: the content of one message, to save it from a spool that may be
// damaged. Also looks behind the place where a segment's reading ends.
#include "engine/base/crc32c.h"
#include "engine/base/log.h"
#include "engine/command/journal.h"
#include "engine/command/journal_line.h"
#include "engine/command/journal_record.h"

#include <stdio.h>
#include <string.h>

#define STEP_BYTES (64u * 1024)

// Where a copy stands that is not whole. The best that there is, until a whole one is found.
struct copy {
    uint32_t segment;
    uint64_t epoch;
    uint64_t offset; // 0: none was found
    struct record_header record;
};

static bool is_of_message(struct journal_reader *r, uint64_t id)
{
    const void *front = journal_reader_payload(r, 0, sizeof(uint64_t));
    return r->record.type == RECORD_MESSAGE && front && memcmp(front, &id, sizeof(id)) == 0;
}

// Writes what there is of the content. True: all of it, and it is what was accepted.
static bool write_content(struct journal_reader *r)
{
    struct record_message m = {0};
    uint64_t place[2] = {r->batch.epoch, r->record_offset};
    const void *front = journal_reader_payload(r, 0, sizeof(m));
    if (!front)
        return false;
    memcpy(&m, front, sizeof(m));
    uint64_t begin = sizeof(m) + (uint64_t)m.envelope_bytes + m.campaign_bytes;
    uint32_t checksum = crc32c(0, place, sizeof(place));
    for (uint64_t at = 0; at < r->record.bytes;) {
        uint64_t rest = r->record.bytes - at;
        size_t len = rest < STEP_BYTES ? (size_t)rest : STEP_BYTES;
        const char *bytes = journal_reader_payload(r, at, len);
        if (!bytes)
            return false;
        checksum = crc32c(checksum, bytes, len);
        uint64_t before = begin > at ? begin - at : 0; // of these bytes, in front of the content
        struct slice content = slice_skip(slice_make(bytes, len),
                                          before < len ? (size_t)before : len);
        if (fwrite(content.data, 1, content.len, stdout) != content.len)
            return false;
        at += len;
    }
    return checksum == r->record.checksum && begin <= r->record.bytes &&
           m.content_bytes == r->record.bytes - begin;
}

// Looks through one segment. True: a whole copy was found, and written as *ret_whole says.
static bool search(struct journal_segments *s, uint32_t segment, uint64_t id, struct copy *copy,
                   bool *ret_whole)
{
    struct journal_reader *r = s->reader;
    struct record_message m;
    if (journal_segments_begin(s, segment) != 0)
        return false;
    bool found = false;
    for (enum journal_step step; !found && (step = journal_reader_next(r)) != JOURNAL_STEP_END;) {
        if (step != JOURNAL_STEP_RECORD || !is_of_message(r, id))
            continue;
        found = r->record_is_whole && !journal_message_fault(r, &m);
        if (found)
            *ret_whole = write_content(r);
        else
            *copy = (struct copy){segment, r->batch.epoch, r->record_offset, r->record};
    }
    journal_segments_end(s);
    return found;
}

static void write_damaged(struct journal_segments *s, const struct copy *copy)
{
    struct journal_reader *r = s->reader;
    if (journal_segments_begin(s, copy->segment) != 0)
        return;
    r->batch.epoch = copy->epoch;
    r->record_offset = copy->offset;
    r->record = copy->record;
    (void)write_content(r);
    journal_segments_end(s);
}

enum command_exit journal_content(struct journal_segments *s, const struct journal_options *o)
{
    struct copy copy = {0};
    bool is_whole = false;
    char text[JOURNAL_ID_TEXT_BYTES];
    (void)journal_id_print(o->id, text);
    s->reader->goes_on_behind = true;
    for (uint32_t i = 0; i < s->count; i++)
        if (search(s, i, o->id, &copy, &is_whole)) {
            if (is_whole)
                return COMMAND_DONE;
            log_line(LOG_LEVEL_ERROR, "message %s: it changed, or went, while it was written",
                     text);
            return COMMAND_FAILED;
        }
    if (copy.offset == 0) {
        log_line(LOG_LEVEL_ERROR, "%s: no message %s", o->path, text);
        return COMMAND_FAILED;
    }
    write_damaged(s, &copy);
    log_line(LOG_LEVEL_ERROR, "message %s: not whole; %s at %lu is damaged", text,
             s->list[copy.segment].name, (unsigned long)copy.offset);
    return COMMAND_FAILED;
}
