#include "bench/load/message.h"

#include "bench/fields.h"
#include "bench/text.h"
#include "engine/base/check.h"

#include <errno.h>
#include <stdio.h>

_Static_assert(sizeof(((struct load_author *)0)->date) == FIELDS_DATE_BYTES, "one date");

int load_author_init(struct load_author *a, uint64_t seed, uint64_t wall_us)
{
    random_init(&a->dice, seed);
    snprintf(a->id_start, sizeof(a->id_start), "Message-ID: <%llx.%llx.",
             (unsigned long long)(wall_us / 1000), (unsigned long long)seed & 0xffffff);
    a->date_s = UINT64_MAX;
    a->hash = sha256_new();
    return a->hash ? 0 : -ENOMEM;
}

void load_author_release(struct load_author *a)
{
    sha256_free(a->hash);
}

static size_t address_bytes_max(const struct load_author *a)
{
    return LOAD_LOCAL_BYTES_MAX + load_domains_longest(a->domains);
}

size_t load_message_slot_bytes(const struct load_author *a)
{
    size_t bytes = sizeof(struct load_message) +
                   a->rcpt_count * (sizeof(struct smtp_recipient) + address_bytes_max(a));
    return (bytes + 63) & ~(size_t)63;
}

// "r123@d0001.example", or "r123.2@..." where a message has several.
static void write_recipients(struct load_message *m, struct load_author *a)
{
    struct smtp_recipient *rcpts = (struct smtp_recipient *)(void *)(m + 1);
    char *text = (char *)(rcpts + a->rcpt_count);
    for (uint32_t i = 0; i < a->rcpt_count; i++) {
        char *to = text;
        *to++ = 'r';
        to = text_put_number(to, m->number);
        if (a->rcpt_count > 1) {
            *to++ = '.';
            to = text_put_number(to, i + 1);
        }
        *to++ = '@';
        to = text_put(to, load_domains_draw(a->domains, &a->dice));
        rcpts[i] = (struct smtp_recipient){.address = slice_make(text, (size_t)(to - text))};
        text = to;
    }
    m->transaction.rcpts = rcpts;
    m->transaction.rcpt_count = a->rcpt_count;
}

// How posthaste is told when a message shall go (X-Posthaste-Priority:, X-Posthaste-Campaign:).
static char *put_wishes(char *to, struct load_message *m, const struct load_author *a)
{
    if (a->priority.len > 0) {
        to = text_put(to, SLICE("X-Posthaste-Priority: "));
        to = text_put(to, a->priority);
        to = text_put(to, SLICE("\r\n"));
    }
    if (a->campaign_count > 0) {
        to = text_put(to, SLICE("X-Posthaste-Campaign: campaign "));
        to = text_put_number(to, m->number % a->campaign_count + 1);
        to = text_put(to, SLICE("\r\n"));
    }
    m->wishes_bytes = (uint32_t)(to - m->head);
    return to;
}

static char *put_message_id(char *to, struct load_message *m, const struct load_author *a)
{
    const char *start = to;
    to = text_put(to, slice_of_text(a->id_start));
    to = text_put_number(to, m->number);
    *to++ = '@';
    to = text_put(to, a->helo);
    to = text_put(to, SLICE(">\r\n"));
    size_t name_bytes = sizeof("Message-ID: ") - 1;
    m->id = slice_make(start + name_bytes, (size_t)(to - start) - name_bytes - 2);
    return to;
}

static char *put_date(char *to, struct load_author *a, uint64_t wall_us)
{
    if (wall_us / 1000000 != a->date_s) {
        a->date_s = wall_us / 1000000;
        fields_print_date(a->date, wall_us);
    }
    to = text_put(to, SLICE("Date: "));
    to = text_put(to, slice_of_text(a->date));
    return text_put(to, SLICE("\r\n"));
}

static char *put_addresses(char *to, const struct load_message *m, const struct load_author *a)
{
    to = text_put(to, SLICE("From: <"));
    if (a->from.len > 0) {
        to = text_put(to, a->from);
    } else {
        to = text_put(to, SLICE("postmaster@"));
        to = text_put(to, a->helo);
    }
    to = text_put(to, SLICE(">\r\nTo: <"));
    to = text_put(to, m->transaction.rcpts[0].address);
    return text_put(to, SLICE(">\r\n"));
}

// Header fields of its own and as much of the pool as makes the size exact. A body that would
// begin with the LF of a CRLF (load_content_pool) leaves one byte of its length to the subject.
static void write_generated(struct load_message *m, struct load_author *a, uint64_t wall_us)
{
    char *to = put_message_id(put_wishes(m->head, m, a), m, a);
    to = put_date(to, a, wall_us);
    to = put_addresses(to, m, a);
    to = text_put(to, SLICE("Subject: Message "));
    to = text_put_number(to, m->number);

    size_t head_bytes = (size_t)(to - m->head) + 4;
    uint64_t size = load_content_draw_bytes(a->content, &a->dice);
    size_t body_bytes = size > head_bytes ? (size_t)(size - head_bytes) : 0;
    if (body_bytes % LOAD_LINE_BYTES == 1) {
        body_bytes--;
        *to++ = '.';
    }
    to = text_put(to, SLICE("\r\n\r\n"));
    CHECK((size_t)(to - m->head) <= sizeof(m->head));
    m->transaction.content = (struct content){
        .pieces = {slice_make(m->head, (size_t)(to - m->head)),
                   load_content_pool(a->content, body_bytes)},
        .piece_count = body_bytes > 0 ? 2 : 1,
    };
}

// The file with a Message-ID in front, and a Date where it has none.
static void write_from_file(struct load_message *m, struct load_author *a, uint64_t wall_us)
{
    const struct load_file *file = m->file;
    m->transaction.is_8bit = file->has_8bit;
    m->transaction.content.has_dot_lines = file->has_dot_lines;
    if (a->content->as_is) {
        m->id = file->message_id;
        m->transaction.content.pieces[0] = file->bytes;
        m->transaction.content.piece_count = 1;
        return;
    }
    char *to = put_message_id(put_wishes(m->head, m, a), m, a);
    if (!file->has_date)
        to = put_date(to, a, wall_us);
    m->transaction.content.pieces[0] = slice_make(m->head, (size_t)(to - m->head));
    m->transaction.content.pieces[1] = file->bytes;
    m->transaction.content.piece_count = file->bytes.len > 0 ? 2 : 1;
}

void load_message_write(struct load_message *m, struct load_author *a, uint64_t number,
                        uint64_t tag, uint64_t wall_us)
{
    m->number = number;
    m->content_us = m->end_bytes = 0;
    m->refused_count = 0;
    m->wishes_bytes = 0;
    memset(m->refused, 0, (a->rcpt_count + 63) / 64 * sizeof(m->refused[0]));
    m->transaction = (struct smtp_transaction){.tag = tag, .sender = a->from};
    write_recipients(m, a);
    m->file = NULL;
    if (a->content->file_count > 0) {
        m->file = &a->content->files[number % a->content->file_count];
        write_from_file(m, a, wall_us);
    } else {
        write_generated(m, a, wall_us);
    }
    m->size_bytes = content_bytes(&m->transaction.content);
}

void load_message_refuse(struct load_message *m, uint32_t rcpt)
{
    CHECK(rcpt < m->transaction.rcpt_count && !load_message_refused(m, rcpt));
    m->refused[rcpt / 64] |= 1ull << (rcpt % 64);
    m->refused_count++;
}

void load_message_hash(const struct load_message *m, struct load_author *a,
                       char ret_hex[SHA256_HEX_BYTES])
{
    if (a->content->as_is) {
        memcpy(ret_hex, m->file->hex, SHA256_HEX_BYTES);
        return;
    }
    // The first field is our own Message-ID: no trace fields to leave out.
    uint8_t digest[SHA256_BYTES];
    const struct content *content = &m->transaction.content;
    sha256_start(a->hash);
    sha256_add(a->hash, slice_skip(content->pieces[0], m->wishes_bytes));
    for (unsigned i = 1; i < content->piece_count; i++)
        sha256_add(a->hash, content->pieces[i]);
    sha256_end(a->hash, digest);
    sha256_hex(digest, ret_hex);
}
