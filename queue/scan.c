#include "queue/scan.h"

#include "engine/base/check.h"
#include "engine/base/crc32c.h"
#include "queue/message_record.h"

bool scan_all_zeros(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] != 0)
            return false;
    return true;
}

static bool header_good(const struct segment_header *h)
{
    struct segment_header copy = *h;
    copy.checksum = 0;
    return h->magic == FORMAT_SEGMENT_MAGIC && h->checksum == crc32c(0, &copy, sizeof(copy)) &&
           h->version == FORMAT_VERSION && h->epoch != 0 && h->block_bytes == FORMAT_BLOCK_BYTES;
}

static void front_opens(struct slice batch, uint64_t epoch, struct scan_front *ret)
{
    struct record_header r;
    const uint64_t offset = FORMAT_BLOCK_BYTES + sizeof(struct batch_header);
    const char *at = batch.data + sizeof(struct batch_header);
    memcpy(&r, at, sizeof(r));
    memcpy(&ret->opening, at + sizeof(r), sizeof(ret->opening));
    ret->opens = r.type == RECORD_OPENS && r.bytes == sizeof(ret->opening) &&
                 r.checksum == crc32c(record_checksum_seed(epoch, offset), at + sizeof(r),
                                      sizeof(ret->opening));
}

enum scan_kind scan_front(struct slice front, struct scan_front *ret)
{
    struct batch_header b;
    *ret = (struct scan_front){0};
    if (front.len < SCAN_FRONT_BYTES)
        return scan_all_zeros(front) ? SCAN_UNBEGUN : SCAN_UNKNOWN; // all of it is there at once
    memcpy(&ret->header, front.data, sizeof(ret->header));
    if (!header_good(&ret->header))
        return scan_all_zeros(front) ? SCAN_UNBEGUN : SCAN_UNKNOWN;
    struct slice batch = slice_skip(front, FORMAT_BLOCK_BYTES);
    memcpy(&b, batch.data, sizeof(b));
    if (b.magic == FORMAT_BATCH_MAGIC && b.epoch == ret->header.epoch &&
        b.offset == FORMAT_BLOCK_BYTES) {
        ret->written = true;
        ret->turn = b.turn;
        front_opens(batch, b.epoch, ret);
    }
    return SCAN_SEGMENT;
}

void scan_open(struct scan *s, struct slice bytes, uint64_t epoch, uint64_t limit)
{
    *s = (struct scan){.bytes = bytes, .epoch = epoch, .limit = limit, .at = FORMAT_BLOCK_BYTES};
}

// --- one batch

static bool header_at(const struct scan *s, uint64_t offset, struct batch_header *ret)
{
    if (s->bytes.len < sizeof(*ret) || offset > s->bytes.len - sizeof(*ret))
        return false;
    memcpy(ret, s->bytes.data + offset, sizeof(*ret));
    return ret->magic == FORMAT_BATCH_MAGIC && ret->epoch == s->epoch && ret->offset == offset &&
           ret->bytes >= sizeof(*ret) && ret->bytes <= s->bytes.len - offset &&
           ret->record_count <= FORMAT_RECORDS_MAX;
}

// Are the headers in it those that were written? Then all lengths are what they were.
static bool headers_good(const struct scan *s, const struct batch_header *b)
{
    struct batch_header copy = *b;
    copy.checksum = 0;
    uint32_t checksum = crc32c(0, &copy, sizeof(copy));
    uint64_t at = b->offset + sizeof(*b), end = b->offset + b->bytes;
    for (uint32_t i = 0; i < b->record_count; i++) {
        struct record_header r;
        if (end - at < sizeof(r))
            return false;
        memcpy(&r, s->bytes.data + at, sizeof(r));
        at += sizeof(r);
        if (end - at < format_record_padded(r.bytes))
            return false;
        at += format_record_padded(r.bytes);
        checksum = crc32c(checksum, &r, sizeof(r));
    }
    return at == end && checksum == b->checksum;
}

// headers_good() has said true.
static bool payloads_good(const struct scan *s, const struct batch_header *b)
{
    uint64_t at = b->offset + sizeof(*b);
    for (uint32_t i = 0; i < b->record_count; i++) {
        struct record_header r;
        memcpy(&r, s->bytes.data + at, sizeof(r));
        if (crc32c(record_checksum_seed(s->epoch, at), s->bytes.data + at + sizeof(r), r.bytes) !=
            r.checksum)
            return false;
        at += sizeof(r) + format_record_padded(r.bytes);
    }
    return true;
}

static bool next_batch(struct scan *s)
{
    struct batch_header b;
    if (s->at >= s->limit || !header_at(s, s->at, &b) || b.bytes > s->limit - s->at ||
        !headers_good(s, &b) || !payloads_good(s, &b))
        return false;
    s->record = s->at + sizeof(b);
    s->records_left = b.record_count;
    s->at += format_block_padded(b.bytes);
    return true;
}

bool scan_next(struct scan *s, struct scan_record *ret)
{
    struct record_header r;
    while (s->records_left == 0)
        if (!next_batch(s))
            return false;
    memcpy(&r, s->bytes.data + s->record, sizeof(r));
    *ret = (struct scan_record){
        .type = (enum record_type)r.type,
        .offset = s->record,
        .payload = slice_make(s->bytes.data + s->record + sizeof(r), r.bytes),
    };
    s->record += sizeof(r) + format_record_padded(r.bytes);
    s->records_left--;
    return true;
}

// --- the end

// Is the file shorter than it was made?
static bool cut_off(const struct scan *s)
{
    struct segment_header h;
    if (s->bytes.len < sizeof(h))
        return true;
    memcpy(&h, s->bytes.data, sizeof(h));
    return header_good(&h) && h.bytes > s->bytes.len;
}

enum scan_ending scan_end(const struct scan *s)
{
    struct batch_header b;
    CHECK(s->records_left == 0);
    if (s->at >= s->limit)
        return SCAN_CLEAN;
    if (s->limit != UINT64_MAX || cut_off(s))
        return SCAN_DAMAGED; // there was more
    bool torn = header_at(s, s->at, &b);
    for (uint64_t at = s->at + FORMAT_BLOCK_BYTES; at < s->bytes.len; at += FORMAT_BLOCK_BYTES) {
        if (!header_at(s, at, &b) || !headers_good(s, &b))
            continue;
        if (b.durable > s->at)
            return SCAN_DAMAGED;
        torn = true;
    }
    return torn ? SCAN_TORN : SCAN_CLEAN;
}
