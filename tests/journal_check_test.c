// The checker of journals against journals that are broken in every way that one byte can break
// them. What each of its words means is tested by tests/interop/journal_check_test.py, with files
// of another hand.
#include "engine/base/check.h"
#include "engine/base/crc32c.h"
#include "engine/base/slice.h"
#include "engine/command/journal.h"
#include "tests/suite.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define SEGMENT_BYTES FORMAT_SEGMENT_BYTES_MIN
#define EPOCH 7u
#define ONE 1000u
#define TWO 2000u
#define CONTENT_BYTES 5000u // more than a block

// What a flip of a byte shall come to.
enum want { WANT_NOTHING, WANT_REMARK, WANT_TORN, WANT_DAMAGED };

struct spool {
    uint8_t file[SEGMENT_BYTES];
    uint8_t want[SEGMENT_BYTES]; // enum want, and
    uint32_t at[SEGMENT_BYTES];  // where the segment ends then
    uint32_t batches[8];
    uint32_t batch_bytes[8];
    uint32_t batch_count;
    uint32_t next;   // batch
    uint32_t record; // in the batch that is being written
    char folder[64];
    char path[96];
    int fd;
};

static void put_record(struct spool *s, uint8_t type, const void *payload, uint32_t bytes)
{
    struct record_header header = {.bytes = bytes, .type = type};
    memcpy(s->file + s->record, &header, sizeof(header));
    memcpy(s->file + s->record + sizeof(header), payload, bytes);
    s->record += (uint32_t)(sizeof(header) + format_record_padded(bytes));
    ((struct batch_header *)(s->file + s->next))->record_count++;
}

// Computes the checksums of a batch anew, as far as its lengths make sense.
static void sign_batch(struct spool *s, uint32_t offset)
{
    struct batch_header *batch = (struct batch_header *)(s->file + offset);
    uint32_t at = offset + (uint32_t)sizeof(*batch);
    batch->checksum = 0;
    uint32_t checksum = crc32c(0, batch, sizeof(*batch));
    for (uint32_t i = 0; i < batch->record_count && at < SEGMENT_BYTES - 16; i++) {
        struct record_header *header = (struct record_header *)(s->file + at);
        uint64_t place[2] = {batch->epoch, at};
        if (header->bytes > SEGMENT_BYTES - at - sizeof(*header))
            break;
        header->checksum = crc32c(crc32c(0, place, sizeof(place)), header + 1, header->bytes);
        checksum = crc32c(checksum, header, sizeof(*header));
        at += (uint32_t)(sizeof(*header) + format_record_padded(header->bytes));
    }
    batch->checksum = checksum;
}

static void begin_batch(struct spool *s, uint32_t durable)
{
    struct batch_header header = {.magic = FORMAT_BATCH_MAGIC,
                                  .epoch = EPOCH,
                                  .offset = s->next,
                                  .durable = durable,
                                  .wall_us = 1};
    memcpy(s->file + s->next, &header, sizeof(header));
    s->record = s->next + (uint32_t)sizeof(header);
}

// All of the batch means something, but for the padding of its records.
static void end_batch(struct spool *s, enum want want)
{
    struct batch_header *batch = (struct batch_header *)(s->file + s->next);
    batch->bytes = s->record - s->next;
    sign_batch(s, s->next);
    for (uint32_t i = s->next; i < s->record; i++) {
        s->want[i] = (uint8_t)want;
        s->at[i] = s->next;
    }
    uint32_t at = s->next + (uint32_t)sizeof(*batch);
    for (uint32_t i = 0; i < batch->record_count; i++) {
        const struct record_header *header = (const struct record_header *)(s->file + at);
        at += (uint32_t)sizeof(*header) + header->bytes;
        for (; at % FORMAT_RECORD_ALIGN != 0; at++)
            s->want[at] = WANT_REMARK;
    }
    s->batches[s->batch_count] = s->next;
    s->batch_bytes[s->batch_count++] = (uint32_t)batch->bytes;
    s->next = (uint32_t)format_block_padded(s->record);
}

static void put_message(struct spool *s, uint64_t id, uint32_t content_bytes)
{
    static const char texts[] = "s@x.orgNOTIFYa@one.exampleone.exampleb@two.exampletwo.example";
    struct message_rcpt rcpts[2] = {
        {.text_offset = 13, .address_bytes = 13, .domain_bytes = 11, .starts_group = 1},
        {.text_offset = 37, .address_bytes = 13, .domain_bytes = 11, .starts_group = 1},
    };
    struct record_message m = {
        .id = id,
        .content_bytes = content_bytes,
        .envelope_bytes = 61 + sizeof(rcpts),
        .rcpts_offset = 61,
        .rcpt_count = 2,
        .job_count = 2,
        .sender_bytes = 7,
        .dsn_bytes = 6,
        .flags = MESSAGE_FLAG_KEY,
        .key = "key",
    };
    char payload[sizeof(m) + 61 + sizeof(rcpts) + CONTENT_BYTES];
    memcpy(payload, &m, sizeof(m));
    memcpy(payload + sizeof(m), texts, 61);
    memcpy(payload + sizeof(m) + 61, rcpts, sizeof(rcpts));
    memset(payload + sizeof(m) + 61 + sizeof(rcpts), 'x', content_bytes);
    put_record(s, RECORD_MESSAGE, payload,
               (uint32_t)(sizeof(m) + m.envelope_bytes) + content_bytes);
}

static void put_result(struct spool *s, uint64_t id, uint32_t rcpt, uint8_t outcome)
{
    struct {
        struct record_result result;
        char texts[10];
    } payload = {
        {.id = id,
         .rcpt = rcpt,
         .attempt = 1,
         .code = 250,
         .outcome = outcome,
         .text_bytes = 5,
         .host_bytes = 2,
         .address_bytes = 3},
        "mx::1reply",
    };
    put_record(s, RECORD_RESULT, &payload, sizeof(payload.result) + sizeof(payload.texts));
}

// Four batches, the first two of which others claim to be durable.
static void build(struct spool *s)
{
    struct segment_header header = {.magic = FORMAT_SEGMENT_MAGIC,
                                    .version = FORMAT_VERSION,
                                    .epoch = EPOCH,
                                    .bytes = SEGMENT_BYTES,
                                    .block_bytes = FORMAT_BLOCK_BYTES};
    struct record_opens opens = {3, 8192};
    struct record_attempt attempt = {.id = ONE, .rcpt_count = 2, .attempt = 2};
    struct record_key key = {.key = "other", .id = ONE};
    struct {
        struct record_state state;
        struct state_job jobs[2];
        uint8_t rcpts[2];
    } __attribute__((packed))
    state = {{TWO, 2, 2}, {{1, 1, 0}, {2, 0, 0}}, {RCPT_OPEN, RCPT_FAILED}};
    header.checksum = crc32c(0, &header, sizeof(header));
    memcpy(s->file, &header, sizeof(header));
    memset(s->want, WANT_DAMAGED, sizeof(header));
    s->next = FORMAT_BLOCK_BYTES;
    begin_batch(s, 0);
    put_record(s, RECORD_OPENS, &opens, sizeof(opens));
    put_message(s, ONE, CONTENT_BYTES);
    put_record(s, RECORD_KEY, &key, sizeof(key));
    end_batch(s, WANT_DAMAGED);
    begin_batch(s, s->next);
    put_result(s, ONE, 0, RCPT_DELIVERED);
    put_record(s, RECORD_ATTEMPT, &attempt, sizeof(attempt));
    end_batch(s, WANT_DAMAGED);
    begin_batch(s, s->batches[1]);
    put_message(s, TWO, 9);
    put_record(s, RECORD_STATE, &state, sizeof(state));
    end_batch(s, WANT_TORN);
    begin_batch(s, s->batches[2]);
    put_result(s, TWO, 0, RCPT_DEFERRED);
    end_batch(s, WANT_TORN);
    // Where the next batch would stand, what is not zero may be a piece of one.
    for (uint32_t i = s->next; i < s->next + FORMAT_BLOCK_BYTES; i++) {
        s->want[i] = WANT_TORN;
        s->at[i] = s->next;
    }
}

static void store(const struct spool *s, size_t len)
{
    CHECK(pwrite(s->fd, s->file, len, 0) == (ssize_t)len && ftruncate(s->fd, (off_t)len) == 0);
}

static struct spool *spool_new(void)
{
    struct spool *s = calloc(1, sizeof(*s));
    CHECK(s != NULL);
    build(s);
    const char *temporary = getenv("TMPDIR");
    snprintf(s->folder, sizeof(s->folder), "%s/journal_check.XXXXXX",
             temporary && strlen(temporary) < 32 ? temporary : "/tmp");
    CHECK(mkdtemp(s->folder) != NULL);
    snprintf(s->path, sizeof(s->path), "%s/00000001.segment", s->folder);
    s->fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(s->fd >= 0);
    store(s, SEGMENT_BYTES);
    return s;
}

static void spool_free(struct spool *s)
{
    close(s->fd);
    unlink(s->path);
    rmdir(s->folder);
    free(s);
}

typedef enum command_exit verb(struct journal_segments *s, const struct journal_options *o);

// What a subcommand prints, to be freed, and its exit code.
static char *say(const struct spool *s, verb *run, uint64_t id, enum command_exit *ret_exit)
{
    struct journal_options options = {.path = "x", .as_json = true, .has_id = id != 0, .id = id};
    struct journal_segments segments;
    char *text = NULL;
    size_t len;
    FILE *terminal = stdout;
    stdout = open_memstream(&text, &len);
    CHECK(stdout != NULL && journal_segments_open(&segments, s->folder) == 0);
    *ret_exit = run(&segments, &options);
    journal_segments_release(&segments);
    fclose(stdout);
    stdout = terminal;
    return text;
}

static bool ends(const char *text, const char *how, uint32_t offset)
{
    char want[64];
    snprintf(want, sizeof(want), "\"end\":\"%s\",\"end_offset\":%u%c", how, offset, '}');
    if (strstr(text, want))
        return true;
    want[strlen(want) - 1] = ',';
    return strstr(text, want) != NULL;
}

static bool is_as_wanted(enum want want, uint32_t at, const char *text, const char *sound,
                         enum command_exit code)
{
    switch (want) {
    case WANT_NOTHING: return code == COMMAND_DONE && strcmp(text, sound) == 0;
    case WANT_REMARK: return code == COMMAND_DONE && strstr(text, "\"kind\":\"remark\"");
    case WANT_TORN: return code == COMMAND_DONE && ends(text, "torn tail", at);
    case WANT_DAMAGED:
        return code == COMMAND_FAILED && ends(text, "damaged", at) &&
               strstr(text, "\"kind\":\"damage\"");
    }
    return false;
}

static void test_sound(void)
{
    struct spool *s = spool_new();
    enum command_exit code;
    char *text = say(s, journal_check, 0, &code);
    CU_ASSERT_EQUAL(code, COMMAND_DONE);
    CU_ASSERT_TRUE(ends(text, "clean", s->next));
    CU_ASSERT_PTR_NOT_NULL(strstr(
        text, "\"messages\":2,\"open_messages\":2,\"rcpts_open\":1,\"rcpts_deferred\":1,"
              "\"rcpts_delivered\":1,\"rcpts_failed\":1,\"in_doubt\":1,\"keys\":2,\"duplicates\":0,"
              "\"of_messages_gone\":0,"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"remarks\":0,\"damage\":0}"));
    free(text);
    spool_free(s);
}

// Silent: zeros behind the segment's header up to its block's end, zeros behind a batch up to its
// block's end, and all beyond the block where the next batch would begin.
static void test_every_byte(void)
{
    struct spool *s = spool_new();
    enum command_exit code;
    unsigned wrong = 0;
    char *sound = say(s, journal_check, 0, &code);
    for (uint32_t i = 0; i < SEGMENT_BYTES; i++)
        for (unsigned turn = 0; turn < (s->want[i] == WANT_NOTHING ? 1 : 2); turn++) {
            uint8_t byte = s->file[i] ^ (turn ? 0xff : (uint8_t)(1 << i % 8));
            CHECK(pwrite(s->fd, &byte, 1, i) == 1);
            char *text = say(s, journal_check, 0, &code);
            if (!is_as_wanted(s->want[i], s->at[i], text, sound, code) && wrong++ < 5)
                printf("\nbyte %u as %u: wanted %u at %u, got %d: %s", i, byte, s->want[i],
                       s->at[i], code, text);
            free(text);
            CHECK(pwrite(s->fd, &s->file[i], 1, i) == 1);
        }
    CU_ASSERT_EQUAL(wrong, 0);
    free(sound);
    spool_free(s);
}

static void test_every_length(void)
{
    struct spool *s = spool_new();
    enum command_exit code;
    unsigned wrong = 0;
    for (uint32_t len = SEGMENT_BYTES; len-- > 0;) {
        CHECK(ftruncate(s->fd, len) == 0);
        char *text = say(s, journal_check, 0, &code);
        uint32_t at = s->next;
        for (uint32_t i = s->batch_count; i-- > 0;)
            if (s->batches[i] + s->batch_bytes[i] > len)
                at = s->batches[i];
        bool good = len < sizeof(struct segment_header)
                        ? code == COMMAND_DONE && ends(text, "no segment header", 0)
                        : code == COMMAND_FAILED && strstr(text, "size is not that") &&
                              ends(text, "damaged", at) && strstr(text, "\"damaged_segments\":1");
        if (!good && wrong++ < 5)
            printf("\nlength %u: wanted an end at %u, got %d: %s", len, at, code, text);
        free(text);
        if (len % 64 != 0)
            continue;
        enum command_exit dump_code; // the same verdict
        char *dump = say(s, journal_dump, 0, &dump_code);
        CU_ASSERT(dump_code == code && (code == COMMAND_DONE || ends(dump, "damaged", at)));
        free(dump);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    spool_free(s);
}

// Lengths, counts and offsets that lie, under checksums that are right: nothing is asked but that
// all verbs come to an end, within the bounds of all that they read.
static void test_lies(void)
{
    struct spool *s = spool_new();
    static const uint8_t lies[] = {0, 1, 0x7f, 0x80, 0xff};
    uint64_t damaged = 0, told = 0;
    for (uint32_t i = 0; i < s->batch_count; i++)
        for (uint32_t at = s->batches[i]; at < s->batches[i] + s->batch_bytes[i]; at++) {
            if (s->file[at] == 'x')
                continue; // content may be anything
            for (size_t lie = 0; lie < COUNT_OF(lies); lie++) {
                struct spool changed = *s;
                enum command_exit code;
                changed.file[at] = lies[lie];
                sign_batch(&changed, s->batches[i]);
                store(&changed, SEGMENT_BYTES);
                free(say(s, journal_check, 0, &code));
                damaged += code == COMMAND_FAILED;
                free(say(s, journal_dump, 0, &code));
                free(say(s, journal_content, TWO, &code));
                told += code == COMMAND_DONE;
            }
        }
    CU_ASSERT_TRUE(damaged > 500);
    CU_ASSERT_TRUE(told > 500);
    spool_free(s);
}

// What is not good under a running engine may have been half written when it was read: it is read
// again before anything is said. Here the engine writes between the look at the header, which
// brings the bytes around it along, and the first batch.
static void test_written_meanwhile(void)
{
    struct spool *s = spool_new();
    struct journal_reader *r = journal_reader_new();
    CHECK(r != NULL);
    for (int is_running = 0; is_running < 2; is_running++) {
        uint8_t byte = 0;
        CHECK(pwrite(s->fd, &byte, 1, s->batches[0]) == 1);
        r->is_running = is_running == 1;
        journal_reader_open(r, s->fd, SEGMENT_BYTES);
        store(s, SEGMENT_BYTES);
        enum journal_step step = journal_reader_next(r);
        CU_ASSERT_EQUAL(step, is_running ? JOURNAL_STEP_BATCH : JOURNAL_STEP_END);
        CU_ASSERT_EQUAL(r->end, is_running ? JOURNAL_END_NOT_YET : JOURNAL_END_DAMAGED);
    }
    journal_reader_free(r);
    spool_free(s);
}

static const struct suite_test tests[] = {
    {"a sound journal", test_sound},
    {"every byte flipped", test_every_byte},
    {"a batch that is written meanwhile", test_written_meanwhile},
    {"every length", test_every_length},
    {"lies under good checksums", test_lies},
};

int main(int argc, char **argv)
{
    // What dump complains of, thousands of times, is not for people here.
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    CHECK(nowhere >= 0 && dup2(nowhere, STDERR_FILENO) >= 0);
    close(nowhere);
    return suite_main("journal_check", tests, COUNT_OF(tests), argc, argv);
}
