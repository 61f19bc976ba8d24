#include "engine/command/journal_segments.h"

#include "engine/command/journal_record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int begin(struct journal_segments *s, uint32_t segment)
{
    uint64_t file_bytes;
    int fd = journal_folder_open_segment(&s->folder, s->list[segment].name, &file_bytes);
    if (fd < 0)
        return fd;
    s->fd = fd;
    s->reader->seal = s->list[segment].seal;
    s->reader->is_running = s->folder.lock != JOURNAL_STOPPED;
    journal_reader_open(s->reader, fd, file_bytes);
    return 0;
}

int journal_segments_begin(struct journal_segments *s, uint32_t segment)
{
    int error = begin(s, segment);
    if (error != 0 || !s->reader->is_running)
        return error;
    uint64_t epoch = s->reader->has_header ? s->reader->header.epoch : 0;
    if (epoch == s->list[segment].epoch)
        return 0;
    journal_segments_end(s);
    return -ESTALE;
}

void journal_segments_end(struct journal_segments *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

bool journal_segments_changed(const struct journal_segments *s)
{
    struct stat about;
    struct segment_header header;
    const struct journal_reader *r = s->reader;
    if (fstat(s->fd, &about) < 0 || about.st_nlink == 0 ||
        (uint64_t)about.st_size != r->headers.file_bytes)
        return true;
    if (pread(s->fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header))
        return false;
    return memcmp(&header, &r->header, sizeof(header)) != 0;
}

// Its epoch, its turn, and what its first record says of the segment before it.
static void look(struct journal_segments *s, uint32_t segment)
{
    struct record_opens opens;
    struct journal_reader *r = s->reader;
    struct journal_segment *about = &s->list[segment];
    if (begin(s, segment) != 0)
        return; // who reads it finds the same
    about->epoch = r->has_header ? r->header.epoch : 0;
    if (journal_opens_in_front(r, &opens)) {
        about->previous_epoch = opens.previous_epoch;
        about->previous_end = opens.previous_end;
    }
    about->has_turn = r->has_header && journal_reader_next(r) == JOURNAL_STEP_BATCH;
    about->turn = about->has_turn ? r->batch.turn : 0;
    journal_segments_end(s);
}

static int by_epoch(const void *a, const void *b)
{
    const struct journal_segment *one = a, *other = b;
    if (one->epoch != other->epoch)
        return one->epoch < other->epoch ? -1 : 1;
    return strcmp(one->name, other->name);
}

static int by_turn(const void *a, const void *b)
{
    const struct journal_segment *one = a, *other = b;
    if (one->has_turn != other->has_turn)
        return one->has_turn ? 1 : -1;
    if (one->turn != other->turn)
        return one->turn < other->turn ? -1 : 1;
    return by_epoch(a, b);
}

// The first of those with this epoch, in a list that is sorted by it.
static uint32_t find(const struct journal_segments *s, uint64_t epoch)
{
    uint32_t low = 0, high = s->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->list[middle].epoch < epoch)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Where two do not agree, the earlier end holds: nothing is read that one of them disowns.
static void seal(struct journal_segment *sealed, struct journal_segment *by)
{
    if (sealed->seal != 0 && sealed->seal != by->previous_end)
        sealed->fault = "two segments say otherwise where this one ends";
    if (sealed->has_turn && by->has_turn && sealed->turn >= by->turn)
        by->fault = "the segment before it has a later turn";
    if (sealed->seal == 0 || by->previous_end < sealed->seal) {
        sealed->seal = by->previous_end;
        sealed->sealed_by = by->epoch;
    }
}

static void compare(struct journal_segments *s)
{
    struct journal_segment *list = s->list;
    qsort(list, s->count, sizeof(*list), by_epoch);
    for (uint32_t i = 1; i < s->count; i++)
        if (list[i].epoch != 0 && list[i].epoch == list[i - 1].epoch)
            list[i].fault = "another segment has the same epoch";
    for (uint32_t i = 0; i < s->count; i++)
        for (uint32_t j = find(s, list[i].previous_epoch);
             list[i].previous_epoch != 0 && j < s->count && list[j].epoch == list[i].previous_epoch;
             j++)
            seal(&list[j], &list[i]);
    qsort(list, s->count, sizeof(*list), by_turn);
    for (uint32_t i = 1; i < s->count; i++)
        if (list[i].has_turn && list[i - 1].has_turn && list[i].turn == list[i - 1].turn &&
            !list[i].fault)
            list[i].fault = "another segment has the same turn";
}

int journal_segments_open(struct journal_segments *s, const char *path)
{
    *s = (struct journal_segments){.fd = -1};
    int error = journal_folder_open(&s->folder, path);
    if (error != 0)
        return error;
    s->count = s->folder.name_count;
    s->list = calloc(s->count, sizeof(*s->list));
    s->reader = journal_reader_new();
    if (!s->list || !s->reader) {
        journal_segments_release(s);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < s->count; i++) {
        s->list[i].name = s->folder.names[i];
        look(s, i);
    }
    compare(s);
    return 0;
}

void journal_segments_release(struct journal_segments *s)
{
    journal_segments_end(s);
    journal_reader_free(s->reader);
    free(s->list);
    journal_folder_release(&s->folder);
    *s = (struct journal_segments){.fd = -1, .folder.fd = -1};
}

const char *journal_segment_fault(const struct journal_segment *about,
                                  const struct journal_reader *r)
{
    if (r->has_header && r->header.bytes != r->headers.file_bytes)
        return "the file's size is not that in its header";
    if (r->has_header && r->header.bytes < FORMAT_SEGMENT_BYTES_MIN)
        return "it is smaller than a segment can be";
    return about->fault;
}

const char *journal_end_print(enum journal_end end)
{
    switch (end) {
    case JOURNAL_END_NOT_YET: break;
    case JOURNAL_END_CLEAN: return "clean";
    case JOURNAL_END_TORN: return "torn tail";
    case JOURNAL_END_SEALED: return "sealed";
    case JOURNAL_END_DAMAGED: return "damaged";
    case JOURNAL_END_NO_HEADER: return "no segment header";
    }
    return "not read";
}
