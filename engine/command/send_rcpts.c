// Addresses as people type them become addresses as SMTP has them.

#include "engine/command/send.h"
#include "engine/message/address_list.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

// "root" becomes "root@hostname". False: it is no address. *ret points into `text` or *out.
static bool complete(const struct send_mail *m, struct slice text,
                     char out[ADDRESS_LIST_ADDRESS_BYTES_MAX + SETTING_TEXT_BYTES],
                     struct address *ret)
{
    if (address_parse(text, true, ret) == ADDRESS_OK)
        return true;
    size_t host_len = strlen(m->hostname);
    memcpy(out, text.data, text.len);
    out[text.len] = '@';
    memcpy(out + text.len + 1, m->hostname, host_len);
    return address_parse(slice_make(out, text.len + 1 + host_len), true, ret) == ADDRESS_OK;
}

static bool is_there(const struct send_mail *m, struct slice address)
{
    for (uint32_t i = 0; i < m->rcpt_count; i++)
        if (slice_equal(slice_of_text(m->rcpts[i].address), address))
            return true;
    return false;
}

static int add(struct send_mail *m, const struct address *a)
{
    if (is_there(m, a->text))
        return EX_OK;
    if (m->rcpt_count == SEND_RCPTS_MAX)
        return send_failed(EX_DATAERR, "more than %d recipients", SEND_RCPTS_MAX);
    if (!m->rcpts && !(m->rcpts = calloc(SEND_RCPTS_MAX, sizeof(*m->rcpts))))
        return send_failed(EX_TEMPFAIL, "no memory");
    char *copy = strndup(a->text.data, a->text.len);
    if (!copy)
        return send_failed(EX_TEMPFAIL, "no memory");
    m->rcpts[m->rcpt_count++] = (struct send_rcpt){.address = copy};
    m->needs_smtputf8 |= a->needs_smtputf8;
    return EX_OK;
}

int send_rcpts_add(struct send_mail *m, struct slice list, const char *where)
{
    char text[ADDRESS_LIST_ADDRESS_BYTES_MAX];
    char completed[ADDRESS_LIST_ADDRESS_BYTES_MAX + SETTING_TEXT_BYTES];
    struct slice entry;
    struct address a;
    for (;;) {
        enum address_list_step step = address_list_next(&list, text, &entry);
        if (step == ADDRESS_LIST_END)
            return EX_OK;
        if (step == ADDRESS_LIST_NULL)
            return send_failed(EX_DATAERR, "%s: <> is no recipient", where);
        if (step == ADDRESS_LIST_BAD || !complete(m, entry, completed, &a))
            return send_failed(EX_DATAERR, "%s: this is no address: %.*s", where,
                               SLICE_ARG(slice_take(entry, ADDRESS_BYTES_MAX)));
        int code = add(m, &a);
        if (code != EX_OK)
            return code;
    }
}

int send_sender_set(struct send_mail *m)
{
    const char *typed = m->options->sender;
    char text[ADDRESS_LIST_ADDRESS_BYTES_MAX];
    char more[ADDRESS_LIST_ADDRESS_BYTES_MAX];
    char completed[ADDRESS_LIST_ADDRESS_BYTES_MAX + SETTING_TEXT_BYTES];
    struct slice entry;
    struct slice other;
    struct address a;
    if (!typed) {
        const struct passwd *user = getpwuid(getuid());
        if (!user)
            return send_failed(EX_OSERR, "user %u has no name: say -f ADDRESS", (unsigned)getuid());
        typed = user->pw_name;
    }
    struct slice list = slice_of_text(typed);
    enum address_list_step step = address_list_next(&list, text, &entry);
    if (step == ADDRESS_LIST_END || step == ADDRESS_LIST_NULL)
        return EX_OK; // the null sender, as m was made
    if (step == ADDRESS_LIST_BAD || !complete(m, entry, completed, &a) ||
        address_list_next(&list, more, &other) != ADDRESS_LIST_END)
        return send_failed(EX_DATAERR, "this is no sender: %s", typed);
    memcpy(m->sender, a.text.data, a.text.len);
    m->sender[a.text.len] = '\0';
    m->needs_smtputf8 |= a.needs_smtputf8;
    return EX_OK;
}
