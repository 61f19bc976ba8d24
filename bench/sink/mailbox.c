#include "bench/sink/mailbox.h"

#include "engine/base/check.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define MAILS_MAX 10000000u

struct sink_mailbox {
    pthread_mutex_t lock;
    struct sink_mail *oldest, *newest;
    uint32_t count;
    uint64_t number; // of the last that came
    uint64_t bytes;
    uint64_t bytes_max;
};

int sink_mailbox_new(struct sink_mailbox **ret_mailbox, uint64_t bytes_max)
{
    struct sink_mailbox *m = calloc(1, sizeof(*m));
    if (!m)
        return -ENOMEM;
    pthread_mutex_init(&m->lock, NULL);
    m->bytes_max = bytes_max;
    *ret_mailbox = m;
    return 0;
}

static uint64_t mail_bytes(const struct sink_mail *mail)
{
    return sizeof(*mail) + mail->rcpts.len + mail->bytes.len;
}

static void unref(struct sink_mail *mail)
{
    CHECK(mail->references > 0);
    if (--mail->references == 0)
        free(mail);
}

static void unlist(struct sink_mailbox *m, struct sink_mail *mail)
{
    if (!mail->listed)
        return;
    if (mail == m->oldest)
        m->oldest = mail->newer;
    else
        mail->older->newer = mail->newer;
    if (mail == m->newest)
        m->newest = mail->older;
    else
        mail->newer->older = mail->older;
    mail->listed = false;
    m->bytes -= mail_bytes(mail);
    m->count--;
    unref(mail);
}

void sink_mailbox_free(struct sink_mailbox *m)
{
    if (!m)
        return;
    while (m->oldest)
        unlist(m, m->oldest);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

// The whole mail is one piece of memory: the struct, the recipients, then what POP3 shows.
static struct sink_mail *mail_new(const struct arrival *a)
{
    static const char path[] = "Return-Path: <>\r\n", to[] = "Delivered-To: \r\n";
    size_t head_bytes = sizeof(path) - 1 + a->sender.len + a->rcpts.len +
                        a->rcpt_count * (sizeof(to) - 2);
    size_t room = sizeof(struct sink_mail) + a->rcpts.len + head_bytes + a->content.len;
    struct sink_mail *mail = malloc(room);
    if (!mail)
        return NULL;
    *mail = (struct sink_mail){.references = 1};
    struct buffer text = {.data = (char *)(mail + 1),
                          .room = room - sizeof(*mail),
                          .bytes_max = room - sizeof(*mail)};
    struct slice rest = buffer_slice(&a->rcpts), address;
    bool fits = buffer_append(&text, rest) && buffer_append(&text, SLICE("Return-Path: <")) &&
                buffer_append(&text, buffer_slice(&a->sender)) &&
                buffer_append(&text, SLICE(">\r\n"));
    while (arrival_next_rcpt(&rest, &address))
        fits = fits && buffer_append(&text, SLICE("Delivered-To: ")) &&
               buffer_append(&text, address) && buffer_append(&text, SLICE("\r\n"));
    CHECK(fits && buffer_append(&text, buffer_slice(&a->content)));
    mail->rcpts = slice_make(text.data, a->rcpts.len);
    mail->bytes = slice_skip(buffer_slice(&text), a->rcpts.len);
    return mail;
}

bool sink_mailbox_add(struct sink_mailbox *m, const struct arrival *a)
{
    struct sink_mail *mail = mail_new(a);
    if (!mail)
        return false;
    if (mail_bytes(mail) > m->bytes_max) {
        free(mail);
        return false;
    }
    pthread_mutex_lock(&m->lock);
    while (m->bytes + mail_bytes(mail) > m->bytes_max || m->count == MAILS_MAX)
        unlist(m, m->oldest);
    mail->number = ++m->number;
    mail->listed = true;
    mail->older = m->newest;
    *(m->newest ? &m->newest->newer : &m->oldest) = mail;
    m->newest = mail;
    m->bytes += mail_bytes(mail);
    m->count++;
    pthread_mutex_unlock(&m->lock);
    return true;
}

static bool is_for(const struct sink_mail *mail, struct slice rcpt)
{
    struct slice rest = mail->rcpts, address;
    while (arrival_next_rcpt(&rest, &address))
        if (slice_equal_nocase(address, rcpt))
            return true;
    return rcpt.len == 0;
}

int sink_mailbox_list(struct sink_mailbox *m, struct slice rcpt, struct sink_mail ***ret_mails,
                      uint32_t *ret_count)
{
    uint32_t count = 0;
    pthread_mutex_lock(&m->lock);
    struct sink_mail **mails = calloc((size_t)m->count + 1, sizeof(*mails));
    for (struct sink_mail *mail = m->oldest; mails && mail; mail = mail->newer) {
        if (!is_for(mail, rcpt))
            continue;
        mail->references++;
        mails[count++] = mail;
    }
    pthread_mutex_unlock(&m->lock);
    if (!mails)
        return -ENOMEM;
    *ret_mails = mails;
    *ret_count = count;
    return 0;
}

void sink_mailbox_remove(struct sink_mailbox *m, struct sink_mail *mail)
{
    pthread_mutex_lock(&m->lock);
    unlist(m, mail);
    pthread_mutex_unlock(&m->lock);
}

void sink_mailbox_unref(struct sink_mailbox *m, struct sink_mail *mail)
{
    pthread_mutex_lock(&m->lock);
    unref(mail);
    pthread_mutex_unlock(&m->lock);
}
