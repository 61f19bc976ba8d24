// How a session opens: greeting, EHLO or HELO, STARTTLS, AUTH. What the replies do.
#include "engine/smtp/client_state.h"

#define AUTH_LOGIN_LINES 3

static void on_greeting(struct smtp_client *c, struct smtp_event *e)
{
    switch (client_answer_of(e)) {
    case ANSWER_YES: client_turn(c, c->quit_wanted ? SMTP_TURN_NEXT : SMTP_TURN_EHLO); break;
    case ANSWER_GO_AHEAD: client_out_of_step(c, e); break;
    case ANSWER_NO: client_closed(c, e, "greeting refused"); break;
    }
}

static void ready(struct smtp_client *c, struct smtp_event *e)
{
    c->pace = client_pace(c);
    client_turn(c, SMTP_TURN_NEXT);
    c->ready = true;
    e->kind = SMTP_READY;
}

// Not for what it has said, but for what it has not.
static void ends_about(struct smtp_client *c, struct smtp_event *e, enum smtp_phase phase,
                       const char *why)
{
    client_closed(c, e, why);
    e->phase = phase;
    e->reply = NULL;
}

// It has said what it offers.
static void greeted(struct smtp_client *c, struct smtp_event *e)
{
    const unsigned logins = SMTP_AUTH_PLAIN | SMTP_AUTH_LOGIN;
    bool wants_tls = c->options.tls != SMTP_TLS_NEVER && !c->secured;
    if (c->quit_wanted)
        ready(c, e);
    else if (wants_tls && client_uses(c, SMTP_STARTTLS))
        client_turn(c, SMTP_TURN_STARTTLS);
    else if (wants_tls && c->options.tls == SMTP_TLS_ALWAYS)
        ends_about(c, e, SMTP_PHASE_STARTTLS, "STARTTLS is not offered");
    else if (c->options.user.len == 0)
        ready(c, e);
    else if ((c->offered & ~c->options.ignore & logins) != 0)
        client_turn(c, SMTP_TURN_AUTH);
    else
        ends_about(c, e, SMTP_PHASE_AUTH, "AUTH is not offered, or not by PLAIN or LOGIN");
}

static void on_ehlo(struct smtp_client *c, struct smtp_event *e)
{
    switch (client_answer_of(e)) {
    case ANSWER_YES: greeted(c, e); break;
    case ANSWER_GO_AHEAD: client_out_of_step(c, e); break;
    case ANSWER_NO:
        if (e->reply->code >= 500)
            client_turn(c, SMTP_TURN_HELO);
        else
            client_closed(c, e, "EHLO refused");
        break;
    }
}

static void on_helo(struct smtp_client *c, struct smtp_event *e)
{
    switch (client_answer_of(e)) {
    case ANSWER_YES: greeted(c, e); break;
    case ANSWER_GO_AHEAD: client_out_of_step(c, e); break;
    case ANSWER_NO: client_closed(c, e, "HELO refused"); break;
    }
}

static void on_starttls(struct smtp_client *c, struct smtp_event *e)
{
    switch (client_answer_of(e)) {
    case ANSWER_YES:
        client_turn(c, SMTP_TURN_HANDSHAKE);
        e->kind = SMTP_TLS;
        break;
    case ANSWER_GO_AHEAD: client_out_of_step(c, e); break;
    case ANSWER_NO: client_closed(c, e, "STARTTLS refused"); break;
    }
}

static void on_auth(struct smtp_client *c, struct smtp_event *e)
{
    bool has_more = !client_uses(c, SMTP_AUTH_PLAIN) && c->auth_lines < AUTH_LOGIN_LINES;
    switch (client_answer_of(e)) {
    case ANSWER_YES:
        if (has_more)
            client_out_of_step(c, e); // to whom does it believe that it talks?
        else
            ready(c, e);
        break;
    case ANSWER_GO_AHEAD:
        if (has_more)
            client_turn(c, SMTP_TURN_AUTH);
        else
            client_out_of_step(c, e);
        break;
    case ANSWER_NO: client_closed(c, e, "AUTH refused"); break;
    }
}

void client_on_opening(struct smtp_client *c, struct smtp_event *e)
{
    switch (e->phase) {
    case SMTP_PHASE_GREETING: on_greeting(c, e); break;
    case SMTP_PHASE_EHLO: on_ehlo(c, e); break;
    case SMTP_PHASE_HELO: on_helo(c, e); break;
    case SMTP_PHASE_STARTTLS: on_starttls(c, e); break;
    case SMTP_PHASE_AUTH: on_auth(c, e); break;
    case SMTP_PHASE_MAIL:
    case SMTP_PHASE_RCPT:
    case SMTP_PHASE_DATA:
    case SMTP_PHASE_CONTENT:
    case SMTP_PHASE_RSET:
    case SMTP_PHASE_QUIT:
    case SMTP_PHASE_COUNT: CHECK(e->phase == SMTP_PHASE_GREETING); // on_expected() knows
    }
}

// ------------------------------------------------------------------------------------ EHLO

static const struct {
    struct slice keyword;
    enum smtp_extension extension;
} keywords[] = {
    {{"PIPELINING", 10}, SMTP_PIPELINING},
    {{"CHUNKING", 8}, SMTP_CHUNKING},
    {{"SIZE", 4}, SMTP_SIZE},
    {{"8BITMIME", 8}, SMTP_8BITMIME},
    {{"SMTPUTF8", 8}, SMTP_SMTPUTF8},
    {{"DSN", 3}, SMTP_DSN},
    {{"ENHANCEDSTATUSCODES", 19}, SMTP_ENHANCEDSTATUSCODES},
    {{"STARTTLS", 8}, SMTP_STARTTLS},
    {{"MT-PRIORITY", 11}, SMTP_MT_PRIORITY},
    {{"XVERP", 5}, SMTP_XVERP},
};

#define LIMIT_MAX 999999 // six digits (RFC 9422 3.1)

// "MAILMAX=100 RCPTMAX=20": what is not of this form, and what is not known, says nothing.
static void on_limits(struct smtp_limits *l, struct slice rest)
{
    const struct {
        struct slice name;
        uint32_t *value;
    } known[] = {{SLICE("MAILMAX"), &l->mail_max},
                 {SLICE("RCPTMAX"), &l->rcpt_max},
                 {SLICE("RCPTDOMAINMAX"), &l->rcpt_domain_max}};
    while (rest.len > 0) {
        uint64_t value;
        struct slice text = slice_cut(&rest, ' '), name = slice_cut(&text, '=');
        for (size_t i = 0; i < COUNT_OF(known); i++)
            if (slice_equal_nocase(name, known[i].name) && slice_to_u64(text, LIMIT_MAX, &value) &&
                value > 0)
                *known[i].value = (uint32_t)value;
    }
}

// "PLAIN LOGIN CRAM-MD5": those that we speak.
static uint32_t logins_of(struct slice rest)
{
    uint32_t offered = 0;
    while (rest.len > 0) {
        struct slice word = slice_cut(&rest, ' ');
        if (slice_equal_nocase(word, SLICE("PLAIN")))
            offered |= SMTP_AUTH_PLAIN;
        if (slice_equal_nocase(word, SLICE("LOGIN")))
            offered |= SMTP_AUTH_LOGIN;
    }
    return offered;
}

// "SIZE 10240000", in any case (RFC 5321 4.1.1.1). The first line holds the server's name.
void client_on_ehlo_line(struct smtp_client *c)
{
    struct slice rest = slice_trim(c->parser.line);
    if (c->pending_count == 0 || client_oldest_pending(c) != SMTP_PHASE_EHLO ||
        c->parser.line_count < 2 || !reply_is_success(&c->parser.reply))
        return;
    struct slice keyword = slice_cut(&rest, ' ');
    if (slice_equal_nocase(keyword, SLICE("LIMITS")))
        on_limits(&c->limits, rest);
    if (slice_equal_nocase(keyword, SLICE("AUTH")))
        c->offered |= logins_of(rest);
    for (size_t i = 0; i < COUNT_OF(keywords); i++)
        if (slice_equal_nocase(keyword, keywords[i].keyword)) {
            c->offered |= keywords[i].extension;
            if (keywords[i].extension == SMTP_SIZE)
                slice_to_u64(slice_trim(rest), UINT64_MAX, &c->size_max);
        }
}
