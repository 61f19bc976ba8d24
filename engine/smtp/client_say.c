// What the client says, and when: smtp_client_fill().
#include "engine/base/base64.h"
#include "engine/smtp/address.h"
#include "engine/smtp/client_state.h"
#include "engine/smtp/octets.h"

// The longest lines there are: all parameters at their longest, numbers of 20 digits.
#define MAIL_WORDS_BYTES                                                                           \
    (sizeof("MAIL FROM:<> SIZE=01234567890123456789 BODY=8BITMIME SMTPUTF8 "                       \
            "MT-PRIORITY=-9 XVERP \r\n") -                                                         \
     1)
#define AUTH_WORDS_BYTES (sizeof("AUTH PLAIN \r\n") - 1)
#define RCPT_WORDS_BYTES (sizeof("RCPT TO:<> \r\n") - 1)
_Static_assert(MAIL_WORDS_BYTES + ADDRESS_BYTES_MAX + SMTP_DSN_BYTES_MAX <= WIRE_TEXT_ROOM_MIN &&
                   RCPT_WORDS_BYTES + ADDRESS_BYTES_MAX + SMTP_DSN_BYTES_MAX <=
                       WIRE_TEXT_ROOM_MIN &&
                   SMTP_HELO_BYTES_MAX + 8 <= WIRE_TEXT_ROOM_MIN &&
                   AUTH_WORDS_BYTES + (2 * SMTP_LOGIN_BYTES_MAX + 4) / 3 * 4 <= WIRE_TEXT_ROOM_MIN,
               "any line fits where the wire has room");

// ------------------------------------------------------------------ what cannot be said at all

#define REPLY_OF_OURS(reply_code, class_, subject_, detail_, words)                                \
    {                                                                                              \
        .code = (reply_code), .enhanced = {(class_), (subject_), (detail_)}, .text = {             \
            .data = (words),                                                                       \
            .len = sizeof(words) - 1                                                               \
        }                                                                                          \
    }

static const struct reply needs_smtputf8 = REPLY_OF_OURS(
    553, 5, 6, 7, "The receiving server does not take SMTPUTF8 addresses");
static const struct reply too_large = REPLY_OF_OURS(
    552, 5, 3, 4, "Message larger than the receiving server takes");
static const struct reply needs_verp = REPLY_OF_OURS(501, 5, 5, 4,
                                                     "The receiving server does not offer XVERP");
static const struct reply bad_sender = REPLY_OF_OURS(553, 5, 1, 7,
                                                     "Sender address that fits no command line");
static const struct reply bad_recipient = REPLY_OF_OURS(
    553, 5, 1, 3, "Recipient address that fits no command line");
static const struct reply bad_dsn = REPLY_OF_OURS(501, 5, 5, 4,
                                                  "DSN parameters that fit no command line");

// No ">" but in a quoted local part: it would end the path, and what follows would be parameters.
static bool path_stays_inside(struct slice address)
{
    bool quoted = false;
    for (size_t i = 0; i < address.len; i++) {
        if (address.data[i] == '"')
            quoted = !quoted;
        else if (quoted && address.data[i] == '\\')
            i++;
        else if (!quoted && address.data[i] == '>')
            return false;
    }
    return !quoted;
}

static bool can_say(struct slice words, size_t bytes_max, bool utf8)
{
    return words.len <= bytes_max && octets_copy_sayable(NULL, words, utf8);
}

static bool can_say_address(struct slice address, bool utf8)
{
    if (address.len <= ADDRESS_BYTES_MAX && octets_plain_path(address, utf8))
        return true;
    return can_say(address, ADDRESS_BYTES_MAX, utf8) && path_stays_inside(address);
}

const struct reply *client_unsayable(const struct smtp_client *c, const struct smtp_transaction *t)
{
    bool dsn = client_uses(c, SMTP_DSN);
    if (t->smtputf8 && !client_uses(c, SMTP_SMTPUTF8))
        return &needs_smtputf8;
    if (t->verp && !client_uses(c, SMTP_XVERP))
        return &needs_verp;
    if (c->size_max > 0 && client_uses(c, SMTP_SIZE) && content_bytes(&t->content) > c->size_max)
        return &too_large;
    if (!can_say_address(t->sender, t->smtputf8))
        return &bad_sender;
    if (dsn && !can_say(t->dsn, SMTP_DSN_BYTES_MAX, t->smtputf8))
        return &bad_dsn;
    for (uint32_t i = 0; i < t->rcpt_count; i++) {
        if (!can_say_address(t->rcpts[i].address, t->smtputf8))
            return &bad_recipient;
        if (dsn && !can_say(t->rcpts[i].dsn, SMTP_DSN_BYTES_MAX, t->smtputf8))
            return &bad_dsn;
    }
    return NULL;
}

// ---------------------------------------------------------------------------- command lines

// Lines are written where they go, one behind the other, and counted together when no more follows:
// by line_end(), before anything else is done to the wire.
struct line {
    char *start; // in the wire; NULL: none has begun
    char *at;
    char *end; // of the wire's room
};

static inline void line_end(struct smtp_client *c, struct wire *w, struct line *l)
{
    const size_t bytes = (size_t)(l->at - l->start);
    if (bytes > 0)
        wire_text_written(w, bytes);
    c->said_bytes += bytes;
    *l = (struct line){NULL, NULL, NULL};
}

// Room for one more line, of any kind.
static inline bool line_has_room(struct smtp_client *c, struct wire *w, struct line *l)
{
    if (l->end - l->at >= WIRE_TEXT_ROOM_MIN)
        return true;
    line_end(c, w, l);
    if (!wire_has_room(w, 0))
        return false;
    l->start = l->at = wire_text_room(w, &l->end);
    return true;
}

// Words of ours. Constants, so that the compiler knows their length.
static inline void put(struct line *l, struct slice words)
{
    CHECK(words.len <= (size_t)(l->end - l->at));
    memcpy(l->at, words.data, words.len);
    l->at += words.len;
}

// The one function that puts words of others on a command line. Control characters would make two
// commands of one; smtp_client_start() has refused what holds any.
static inline void put_given(struct line *l, struct slice words, bool utf8)
{
    CHECK(words.len <= (size_t)(l->end - l->at));
    const bool sayable = octets_copy_sayable(l->at, words, utf8);
    CHECK(sayable);
    l->at += words.len;
}

#define NUMBER_DIGITS_MAX 20 // of 64 bits

static const char two_digits[] = "0001020304050607080910111213141516171819"
                                 "2021222324252627282930313233343536373839"
                                 "4041424344454647484950515253545556575859"
                                 "6061626364656667686970717273747576777879"
                                 "8081828384858687888990919293949596979899";

static inline void put_number(struct line *l, uint64_t n)
{
    char digits[2 * NUMBER_DIGITS_MAX]; // the second half is behind them
    char *at = digits + NUMBER_DIGITS_MAX;
    for (; n >= 100; n /= 100) {
        at -= 2;
        memcpy(at, &two_digits[n % 100 * 2], 2);
    }
    at -= 2;
    memcpy(at, &two_digits[n * 2], 2);
    at += n < 10;
    CHECK(NUMBER_DIGITS_MAX <= (size_t)(l->end - l->at));
    memcpy(l->at, at, NUMBER_DIGITS_MAX);
    l->at += digits + NUMBER_DIGITS_MAX - at;
}

static inline void say_hello(struct smtp_client *c, struct line *l, struct slice verb)
{
    put(l, verb);
    put_given(l, c->options.helo_name, false);
    put(l, SLICE("\r\n"));
}

static void put_group(struct line *l, const char *bytes, size_t count)
{
    char four[BASE64_GROUP_CHARS];
    base64_group(bytes, count, four);
    put(l, slice_make(four, sizeof(four)));
}

// Of all parts together.
static void put_base64(struct line *l, const struct slice *parts, unsigned count)
{
    char group[BASE64_GROUP_BYTES];
    size_t len = 0;
    for (unsigned part = 0; part < count; part++)
        for (size_t i = 0; i < parts[part].len; i++) {
            group[len++] = parts[part].data[i];
            if (len < sizeof(group))
                continue;
            put_group(l, group, len);
            len = 0;
        }
    if (len > 0)
        put_group(l, group, len);
}

// The next line of it: PLAIN has one, LOGIN three.
static void say_auth(struct smtp_client *c, struct line *l)
{
    const struct slice user = c->options.user, password = c->options.password;
    bool is_plain = client_uses(c, SMTP_AUTH_PLAIN);
    if (is_plain) {
        put(l, SLICE("AUTH PLAIN "));
        put_base64(l, (const struct slice[]){SLICE("\0"), user, SLICE("\0"), password}, 4);
    } else if (c->auth_lines == 0) {
        put(l, SLICE("AUTH LOGIN"));
    } else {
        put_base64(l, c->auth_lines == 1 ? &user : &password, 1);
    }
    put(l, SLICE("\r\n"));
    c->auth_lines++;
}

static inline void put_dsn(struct smtp_client *c, struct line *l, struct slice dsn, bool utf8)
{
    if (dsn.len == 0 || !client_uses(c, SMTP_DSN))
        return;
    put(l, SLICE(" "));
    put_given(l, dsn, utf8);
}

static inline void put_priority(struct smtp_client *c, struct line *l, int8_t priority)
{
    if (priority == 0 || !client_uses(c, SMTP_MT_PRIORITY))
        return;
    CHECK(priority >= -9 && priority <= 9);
    put(l, priority < 0 ? SLICE(" MT-PRIORITY=-") : SLICE(" MT-PRIORITY="));
    put_number(l, (uint64_t)(priority < 0 ? -priority : priority));
}

static inline void say_mail(struct smtp_client *c, struct line *l, struct smtp_group *g)
{
    const struct smtp_transaction *t = g->t;
    put(l, SLICE("MAIL FROM:<"));
    put_given(l, t->sender, t->smtputf8);
    put(l, SLICE(">"));
    if (client_uses(c, SMTP_SIZE)) {
        put(l, SLICE(" SIZE="));
        put_number(l, content_bytes(&t->content));
    }
    if (t->is_8bit && client_uses(c, SMTP_8BITMIME))
        put(l, SLICE(" BODY=8BITMIME"));
    if (t->smtputf8)
        put(l, SLICE(" SMTPUTF8"));
    put_priority(c, l, t->priority);
    if (t->verp)
        put(l, SLICE(" XVERP"));
    put_dsn(c, l, t->dsn, t->smtputf8);
    put(l, SLICE("\r\n"));
    client_expect_for(c, g, SMTP_PHASE_MAIL);
}

static inline void say_rcpt(struct smtp_client *c, struct line *l, struct smtp_group *g)
{
    const struct smtp_recipient *rcpt = &g->t->rcpts[g->rcpt_said++];
    put(l, SLICE("RCPT TO:<"));
    put_given(l, rcpt->address, g->t->smtputf8);
    put(l, SLICE(">"));
    put_dsn(c, l, rcpt->dsn, g->t->smtputf8);
    put(l, SLICE("\r\n"));
    client_expect_for(c, g, SMTP_PHASE_RCPT);
}

// ------------------------------------------------------------------------------------ turns
// Each says what its turn has to say, and passes it on. False: not now.

static inline bool may_speak(struct smtp_client *c, struct wire *w, struct line *l)
{
    if (c->pending_count == SMTP_PENDING_MAX)
        return false;
    if (c->pace == SMTP_LOCKSTEP && c->pending_count > 0)
        return false;
    return line_has_room(c, w, l);
}

static bool turn_hello(struct smtp_client *c, struct wire *w, struct line *l)
{
    bool is_ehlo = c->turn == SMTP_TURN_EHLO;
    if (!may_speak(c, w, l))
        return false;
    say_hello(c, l, is_ehlo ? SLICE("EHLO ") : SLICE("HELO "));
    client_expect(c, is_ehlo ? SMTP_PHASE_EHLO : SMTP_PHASE_HELO);
    client_turn(c, SMTP_TURN_SERVER);
    return true;
}

static bool turn_starttls(struct smtp_client *c, struct wire *w, struct line *l)
{
    if (!may_speak(c, w, l))
        return false;
    put(l, SLICE("STARTTLS\r\n"));
    client_expect(c, SMTP_PHASE_STARTTLS);
    client_turn(c, SMTP_TURN_SERVER);
    return true;
}

static bool turn_auth(struct smtp_client *c, struct wire *w, struct line *l)
{
    if (!may_speak(c, w, l))
        return false;
    say_auth(c, l);
    client_expect(c, SMTP_PHASE_AUTH);
    client_turn(c, SMTP_TURN_SERVER);
    return true;
}

static bool turn_next(struct smtp_client *c, struct wire *w, struct line *l)
{
    if (c->said_count < c->group_count) {
        bool behind_unanswered = c->pace == SMTP_STREAMED && c->said_count > 0;
        client_turn(c, c->needs_rset || behind_unanswered ? SMTP_TURN_RSET : SMTP_TURN_MAIL);
        return true;
    }
    if (!c->quit_wanted || !smtp_client_idle(c) || !may_speak(c, w, l))
        return false;
    put(l, SLICE("QUIT\r\n"));
    client_expect(c, SMTP_PHASE_QUIT);
    client_turn(c, SMTP_TURN_NONE);
    return true;
}

static bool turn_rset(struct smtp_client *c, struct wire *w, struct line *l)
{
    if (!may_speak(c, w, l))
        return false;
    put(l, SLICE("RSET\r\n"));
    client_expect_for(c, client_writing(c), SMTP_PHASE_RSET);
    c->needs_rset = false;
    client_turn(c, SMTP_TURN_MAIL);
    return true;
}

static bool turn_mail(struct smtp_client *c, struct wire *w, struct line *l)
{
    if (!may_speak(c, w, l))
        return false;
    say_mail(c, l, client_writing(c));
    client_turn(c, SMTP_TURN_RCPT);
    return true;
}

static bool turn_rcpt(struct smtp_client *c, struct wire *w, struct line *l)
{
    struct smtp_group *g = client_writing(c);
    if (!may_speak(c, w, l))
        return false;
    say_rcpt(c, l, g);
    if (g->rcpt_said == g->t->rcpt_count)
        client_turn(c, c->pace == SMTP_STREAMED ? SMTP_TURN_BDAT : SMTP_TURN_DATA);
    return true;
}

static bool turn_data(struct smtp_client *c, struct wire *w, struct line *l)
{
    if (!may_speak(c, w, l))
        return false;
    put(l, SLICE("DATA\r\n"));
    client_expect_for(c, client_writing(c), SMTP_PHASE_DATA);
    client_turn(c, SMTP_TURN_GO_AHEAD);
    return true;
}

static void all_said(struct smtp_client *c, struct smtp_group *g)
{
    g->end_bytes = c->said_bytes;
    g->written = true;
    client_leave_group(c);
}

static bool turn_content(struct smtp_client *c, struct wire *w, struct line *l)
{
    struct smtp_group *g = client_writing(c);
    line_end(c, w, l);
    size_t before = w->bytes;
    bool all = content_write_data(&g->t->content, &c->cursor, w);
    c->said_bytes += w->bytes - before;
    if (all)
        all_said(c, g);
    return all;
}

static bool turn_lone_dot(struct smtp_client *c, struct wire *w, struct line *l)
{
    if (!line_has_room(c, w, l))
        return false;
    put(l, SLICE(".\r\n"));
    client_leave_group(c);
    return true;
}

// The line and its content go together: once the line is on the wire nothing may come between,
// and a reply to an earlier command may take the transaction from us.
static bool turn_bdat(struct smtp_client *c, struct wire *w, struct line *l)
{
    struct smtp_group *g = client_writing(c);
    const struct content *content = &g->t->content;
    // The wire's text has the line's room, and so is not moved from under it.
    if (!may_speak(c, w, l) || !wire_has_room(w, content->piece_count))
        return false;
    uint64_t bytes = content_bytes(content);
    put(l, SLICE("BDAT "));
    put_number(l, bytes);
    put(l, SLICE(" LAST\r\n"));
    line_end(c, w, l);
    for (unsigned i = 0; i < content->piece_count; i++)
        wire_content(w, content->pieces[i]);
    c->said_bytes += bytes;
    client_expect_for(c, g, SMTP_PHASE_CONTENT);
    all_said(c, g);
    return true;
}

static bool say_next(struct smtp_client *c, struct wire *w, struct line *l)
{
    switch (c->turn) {
    case SMTP_TURN_EHLO:
    case SMTP_TURN_HELO: return turn_hello(c, w, l);
    case SMTP_TURN_STARTTLS: return turn_starttls(c, w, l);
    case SMTP_TURN_AUTH: return turn_auth(c, w, l);
    case SMTP_TURN_NEXT: return turn_next(c, w, l);
    case SMTP_TURN_RSET: return turn_rset(c, w, l);
    case SMTP_TURN_MAIL: return turn_mail(c, w, l);
    case SMTP_TURN_RCPT: return turn_rcpt(c, w, l);
    case SMTP_TURN_DATA: return turn_data(c, w, l);
    case SMTP_TURN_CONTENT: return turn_content(c, w, l);
    case SMTP_TURN_LONE_DOT: return turn_lone_dot(c, w, l);
    case SMTP_TURN_BDAT: return turn_bdat(c, w, l);
    case SMTP_TURN_SERVER:
    case SMTP_TURN_HANDSHAKE:
    case SMTP_TURN_GO_AHEAD:
    case SMTP_TURN_NONE:
    case SMTP_TURN_COUNT: return false;
    }
    return false;
}

void smtp_client_fill(struct smtp_client *c, struct wire *w)
{
    struct line l = {NULL, NULL, NULL};
    smtp_client_check(c);
    while (say_next(c, w, &l))
        continue;
    line_end(c, w, &l);
}
