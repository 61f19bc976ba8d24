#include "tests/smtp_model.h"

#include "engine/base/check.h"

#include <stdio.h>
#include <stdlib.h>

void model_mails_make(struct model_mails *m, struct random *dice, uint32_t count,
                      uint32_t rcpt_count_max)
{
    CHECK(count <= MODEL_MAILS_MAX && rcpt_count_max <= MODEL_RCPTS_MAX);
    m->count = count;
    for (uint32_t i = 0; i < rcpt_count_max; i++) {
        int len = snprintf(m->addresses[i], sizeof(m->addresses[i]), "%u@y", i);
        m->rcpts[i].address = slice_make(m->addresses[i], (size_t)len);
    }
    for (uint32_t i = 0; i < count; i++) {
        int len = snprintf(m->senders[i], sizeof(m->senders[i]), "%u@x", i);
        uint32_t lines = random_below(dice, random_below(dice, 4) == 0 ? 400 : 20);
        size_t content_len = 0;
        for (uint32_t line = 0; line < lines; line++)
            content_len += (size_t)snprintf(m->contents[i] + content_len, 16, "%s%u\r\n",
                                            random_below(dice, 3) == 0 ? "." : "", i);
        m->mails[i] = (struct smtp_transaction){
            .tag = i,
            .sender = slice_make(m->senders[i], (size_t)len),
            .rcpts = m->rcpts,
            .rcpt_count = 1 + random_below(dice, rcpt_count_max),
            .content = {.pieces = {slice_make(m->contents[i], content_len)},
                        .piece_count = 1,
                        .has_dot_lines = true},
        };
    }
}

void model_init(struct model *m, const struct model_manner *manner, uint64_t seed)
{
    memset(m, 0, sizeof(*m));
    m->manner = manner;
    random_init(&m->dice, seed);
    m->lockstep = strstr(manner->ehlo, "PIPELINING") == NULL;
}

static bool roll(struct model *m, uint32_t per_1000)
{
    return random_below(&m->dice, 1000) < per_1000;
}

static const char *refusal(struct model *m)
{
    static const char *const texts[] = {"450 4.2.0 later\r\n", "550 5.7.1 no\r\n",
                                        "552-5.2.2 mailbox\r\n552 5.2.2 full\r\n", "451\r\n"};
    return texts[random_below(&m->dice, 4)];
}

static const char *choose(struct model *m, uint32_t refuse_per_1000, const char *yes)
{
    return roll(m, refuse_per_1000) ? refusal(m) : yes;
}

// What to say; whether it was a yes is read off it afterwards, so that a forced answer counts.
static const char *answer_to(struct model *m, enum peer_command command)
{
    const struct model_manner *manner = m->manner;
    switch (command) {
    case PEER_NEEDS_MORE: return "220 model\r\n";
    case PEER_EHLO: return manner->ehlo;
    case PEER_HELO: return "250 hello\r\n";
    case PEER_RSET: return "250 2.0.0 flushed\r\n";
    case PEER_MAIL: return choose(m, manner->refuse_mail, "250 2.1.0 ok\r\n");
    case PEER_RCPT:
        if (!m->has_sender)
            return "503 5.5.1 no sender\r\n";
        return choose(m, manner->refuse_rcpt, "250 2.1.5 ok\r\n");
    case PEER_DATA:
        if (m->rcpt_count == 0 && !manner->goes_ahead_for_none)
            return "554 5.5.1 no recipients\r\n";
        return choose(m, manner->refuse_data, "354 go ahead\r\n");
    case PEER_CONTENT:
        if (m->rcpt_count == 0)
            return m->in_data ? "554 5.5.1 nobody\r\n" : "503 5.5.1 no recipients\r\n";
        return choose(m, manner->refuse_content, "250 2.6.0 queued\r\n");
    case PEER_QUIT: return "221 2.0.0 bye\r\n";
    case PEER_STARTTLS: // which nobody has offered
    case PEER_AUTH:
    case PEER_BAD: break;
    }
    CHECK(false);
    return NULL;
}

static uint32_t number_in_path(const struct session *s)
{
    struct slice path = smtp_peer_path(&s->peer);
    uint64_t number;
    CHECK(slice_to_u64(slice_cut(&path, '@'), MODEL_RCPTS_MAX, &number));
    return (uint32_t)number;
}

static void end_transaction(struct model *m)
{
    m->has_sender = false;
    m->rcpt_count = 0;
    memset(m->has_rcpt, 0, sizeof(m->has_rcpt));
}

static void take(struct model *m, const struct session *s)
{
    struct model_entry *entry = &m->ledger[m->sender];
    struct slice want = s->mails[m->sender].content.pieces[0];
    entry->taken++;
    entry->content_ok = slice_equal(smtp_peer_content(&s->peer), want);
    memcpy(entry->has_rcpt, m->has_rcpt, sizeof(m->has_rcpt));
}

static void on_content(struct model *m, const struct session *s, bool yes)
{
    CHECK(m->rcpt_count > 0 || !m->in_data || s->peer.content_len == 0); // a lone dot
    bool stands = !m->in_data && m->rcpt_count == 0 && m->manner->sender_stands;
    if (yes && m->rcpt_count > 0)
        take(m, s);
    if (!stands)
        end_transaction(m);
    m->in_data = false;
}

static void apply(struct model *m, struct session *s, enum peer_command command, bool yes)
{
    switch (command) {
    case PEER_MAIL:
        // The point of RSET: no MAIL ever meets an open transaction.
        CHECK(!m->has_sender);
        m->sender = number_in_path(s);
        m->has_sender = yes;
        break;
    case PEER_RCPT:
        if (yes && m->has_sender) {
            m->has_rcpt[number_in_path(s)] = true;
            m->rcpt_count++;
        }
        break;
    case PEER_RSET:
        if (yes)
            end_transaction(m);
        break;
    case PEER_CONTENT: on_content(m, s, yes); break;
    case PEER_NEEDS_MORE:
    case PEER_EHLO:
    case PEER_HELO:
    case PEER_STARTTLS:
    case PEER_AUTH:
    case PEER_DATA:
    case PEER_QUIT:
    case PEER_BAD: break;
    }
}

void model_command(struct model *m, struct session *s, enum peer_command command)
{
    CHECK(command != PEER_BAD);
    if (m->hung_up)
        return;
    // QUIT is never pipelined; without PIPELINING nothing is.
    if (!m->silent && m->forced.len == 0 &&
        (m->lockstep || command == PEER_QUIT || command == PEER_EHLO))
        CHECK(s->heard_len == s->answered_len);
    m->silent = m->silent || roll(m, m->manner->fall_silent);
    struct slice answer = slice_of_text(answer_to(m, command));
    if (roll(m, m->manner->hang_up))
        answer = SLICE("421 4.3.2 going down\r\n");
    if (m->forced.len > 0 && m->answer_count == m->forced_at) {
        answer = m->forced;
        m->forced_command = command;
    }
    m->answer_count++;

    bool go_ahead = answer.data[0] == '3';
    if (command == PEER_DATA) {
        m->in_data = go_ahead;
        if (go_ahead)
            smtp_peer_go_ahead(&s->peer);
        else
            smtp_peer_no_data(&s->peer);
    }
    apply(m, s, command, answer.data[0] == '2');
    if (!m->silent)
        session_answer(s, answer);
    m->hung_up = slice_starts(answer, SLICE("421"));
}
