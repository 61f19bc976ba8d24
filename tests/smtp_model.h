// tests/smtp_model.h: a server for client sessions that keeps the rules of RFC 5321 and a ledger
// of what it took, and refuses, hangs up or falls silent by seed. It also watches the client: what
// a client must never do is an assertion here.
#ifndef POSTHASTE_TESTS_SMTP_MODEL_H
#define POSTHASTE_TESTS_SMTP_MODEL_H

#include "tests/client_session.h"

#define MODEL_MAILS_MAX 64
#define MODEL_RCPTS_MAX 1000

// How often, in 1000, a command of each kind is refused with 4yz or 5yz.
struct model_manner {
    const char *ehlo; // the reply to EHLO
    uint32_t refuse_mail, refuse_rcpt, refuse_data, refuse_content;
    uint32_t hang_up;         // any command is answered with 421, and nothing after that
    uint32_t fall_silent;     // no answer from here on
    bool goes_ahead_for_none; // 354 to a DATA without recipients
    bool sender_stands;       // a BDAT refused for want of a recipient leaves the sender standing
};

struct model_entry {
    uint32_t taken; // how often; more than once is our bug
    bool content_ok;
    bool has_rcpt[MODEL_RCPTS_MAX];
};

struct model {
    const struct model_manner *manner;
    struct random dice;
    bool lockstep; // EHLO offered no PIPELINING
    bool silent;
    bool hung_up; // takes nothing more, either
    bool has_sender;
    uint32_t sender; // the mail's number
    uint32_t rcpt_count;
    bool has_rcpt[MODEL_RCPTS_MAX];
    bool in_data;

    uint32_t answer_count;
    uint32_t forced_at;               // this answer (0: the greeting) is replaced by `forced`
    struct slice forced;              // empty: none is
    enum peer_command forced_command; // what it answered

    struct model_entry ledger[MODEL_MAILS_MAX];
};

// Sender "NUMBER@x", recipients "NUMBER@y": the model knows mails by their number, which is also
// their tag. All are lent from here.
struct model_mails {
    struct smtp_transaction mails[MODEL_MAILS_MAX];
    uint32_t count;
    char senders[MODEL_MAILS_MAX][12];
    char addresses[MODEL_RCPTS_MAX][12];
    struct smtp_recipient rcpts[MODEL_RCPTS_MAX];
    char contents[MODEL_MAILS_MAX][4096];
};
void model_mails_make(struct model_mails *m, struct random *dice, uint32_t count,
                      uint32_t rcpt_count_max);

void model_init(struct model *m, const struct model_manner *manner, uint64_t seed);
// What on_command() of a session_test does.
void model_command(struct model *m, struct session *s, enum peer_command command);

#endif
