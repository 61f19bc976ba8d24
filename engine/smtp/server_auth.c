// AUTH PLAIN (RFC 4616) and LOGIN: what the client says to prove who it is, in bounded base64
// lines. Each exchange ends in SERVER_AUTH, or in a refusal of its form; nothing of it is kept
// behind that.
#include "engine/smtp/server_parts.h"

#include "engine/base/check.h"

#include <strings.h>

#define NOT_BASE64 SLICE("501 5.5.2 This is no base64, or too much of it\r\n")

static int sextet_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// Three bytes of four characters each time; at the end maybe fewer, with "=" in place of those that
// are left out, and no bit that would mean nothing. False also when `to` is full.
static bool append_decoded(struct slice text, struct buffer *to)
{
    if (text.len % 4 != 0)
        return false;
    for (; text.len > 0; text = slice_skip(text, 4)) {
        uint32_t bits = 0;
        unsigned count = 4;
        while (count > 2 && text.len == 4 && text.data[count - 1] == '=')
            count--;
        for (unsigned i = 0; i < 4; i++) {
            const int sextet = i < count ? sextet_of(text.data[i]) : 0;
            if (sextet < 0)
                return false;
            bits = bits << 6 | (uint32_t)sextet;
        }
        const char bytes[] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};
        if ((bits & ((UINT32_C(1) << (4 - count) * 8) - 1)) != 0 ||
            !buffer_append(to, slice_make(bytes, count - 1)))
            return false;
    }
    return true;
}

void server_forget_credentials(struct smtp_server *s)
{
    if (s->credentials.room == 0)
        return;
    explicit_bzero(s->credentials.data, s->credentials.room);
    buffer_release(&s->credentials);
    if (s->line.room > 0 && !s->chunk_refused) // where a line was put together
        explicit_bzero(s->line.data, s->line.room);
}

// The exchange is over, and nobody was proved to be anyone.
static bool refuse(struct smtp_server *s, struct slice reply, struct buffer *out)
{
    s->state = SERVER_COMMANDS;
    server_forget_credentials(s);
    if (!server_count_error(s, out))
        server_say(s, reply, out);
    return false;
}

// [authzid] NUL authcid NUL password: who wants to be somebody else than he is must be refused.
static bool split_plain(struct smtp_server *s)
{
    struct slice rest = buffer_slice(&s->credentials);
    if (slice_find(rest, '\0') == rest.len)
        return false;
    const struct slice for_whom = slice_cut(&rest, '\0');
    if (slice_find(rest, '\0') == rest.len)
        return false;
    const struct slice name = slice_cut(&rest, '\0');
    if ((for_whom.len > 0 && !slice_equal(for_whom, name)) || slice_find(rest, '\0') < rest.len)
        return false;
    const size_t password_len = rest.len;
    s->credentials_name_len = (uint16_t)name.len;
    memmove(s->credentials.data, name.data, name.len);
    memmove(s->credentials.data + name.len, rest.data, password_len);
    s->credentials.len = name.len + password_len;
    return true;
}

static bool tell(struct smtp_server *s, struct buffer *out, struct smtp_server_event *event)
{
    const struct slice all = buffer_slice(&s->credentials);
    const struct slice name = slice_take(all, s->credentials_name_len);
    const struct slice password = slice_skip(all, name.len);
    if (name.len == 0 || name.len > SERVER_AUTH_NAME_BYTES_MAX || password.len == 0 ||
        password.len > SERVER_AUTH_PASSWORD_BYTES_MAX || slice_find(all, '\0') < all.len)
        return refuse(s, SLICE("501 5.5.2 A name and a password are wanted\r\n"), out);
    s->state = SERVER_COMMANDS;
    s->unanswered = VERB_AUTH;
    event->kind = SERVER_AUTH;
    event->verb = VERB_AUTH;
    event->text = name;
    event->secret = password;
    return true;
}

static bool take_response(struct smtp_server *s, struct slice text, struct buffer *out,
                          struct smtp_server_event *event)
{
    if (slice_equal(text, SLICE("*")))
        return refuse(s, SLICE("501 5.7.0 Authentication cancelled\r\n"), out);
    if (!append_decoded(text, &s->credentials))
        return refuse(s, NOT_BASE64, out);
    switch ((enum server_auth)s->auth) {
    case SERVER_AUTH_PLAIN:
        if (!split_plain(s))
            return refuse(s, SLICE("501 5.5.2 A name and a password are wanted\r\n"), out);
        return tell(s, out, event);
    case SERVER_AUTH_LOGIN_NAME:
        s->credentials_name_len = (uint16_t)s->credentials.len;
        s->auth = SERVER_AUTH_LOGIN_PASSWORD;
        server_say(s, SLICE("334 UGFzc3dvcmQ6\r\n"), out); // Password:
        return false;
    case SERVER_AUTH_LOGIN_PASSWORD: return tell(s, out, event);
    }
    CHECK(false);
}

bool server_begin_auth(struct smtp_server *s, const struct command *c, struct buffer *out,
                       struct smtp_server_event *event)
{
    const bool is_plain = slice_equal_nocase(c->text, SLICE("PLAIN"));
    if (!is_plain && !slice_equal_nocase(c->text, SLICE("LOGIN"))) {
        if (!server_count_error(s, out))
            server_say(s, SLICE("504 5.5.4 Unknown mechanism: PLAIN and LOGIN are offered\r\n"),
                       out);
        return false;
    }
    s->auth = is_plain ? SERVER_AUTH_PLAIN : SERVER_AUTH_LOGIN_NAME;
    s->state = SERVER_IN_AUTH;
    if (c->has_initial) // "=" is an empty one
        return take_response(s, slice_equal(c->initial, SLICE("=")) ? SLICE_EMPTY : c->initial, out,
                             event);
    server_say(s, is_plain ? SLICE("334 \r\n") : SLICE("334 VXNlcm5hbWU6\r\n"), out); // Username:
    return false;
}

bool server_feed_auth(struct smtp_server *s, struct slice *bytes, struct buffer *out,
                      struct smtp_server_event *event)
{
    struct slice line;
    switch (server_read_line(s, bytes, &line)) {
    case LINE_MORE: return false;
    case LINE_WHOLE: return !s->broken && take_response(s, line, out, event);
    case LINE_TOO_LONG: return refuse(s, SLICE("500 5.5.6 Line too long\r\n"), out);
    case LINE_ENDLESS: server_too_much(s, SLICE("421 4.7.0 Line too long\r\n"), out); return false;
    }
    return false;
}
