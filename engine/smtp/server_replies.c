#include "engine/smtp/server_parts.h"

#include <inttypes.h>
#include <stdio.h>

void server_say_greeting(struct smtp_server *s, struct buffer *out)
{
    server_say(s, SLICE("220 "), out);
    server_say(s, s->options->hostname, out);
    server_say(s, SLICE(" "), out);
    server_say(s, s->options->banner, out);
    server_say(s, SLICE("\r\n"), out);
}

#define OFFERS_MAX 11

static unsigned list_offers(const struct smtp_server *s, struct slice size,
                            struct slice ret_offers[OFFERS_MAX])
{
    const struct smtp_server_options *o = s->options;
    unsigned count = 0;
    if (o->pipelining)
        ret_offers[count++] = SLICE("PIPELINING");
    ret_offers[count++] = size;
    if (o->eightbitmime)
        ret_offers[count++] = SLICE("8BITMIME");
    if (o->smtputf8)
        ret_offers[count++] = SLICE("SMTPUTF8");
    if (o->enhanced_codes)
        ret_offers[count++] = SLICE("ENHANCEDSTATUSCODES");
    if (o->dsn)
        ret_offers[count++] = SLICE("DSN");
    if (o->chunking)
        ret_offers[count++] = SLICE("CHUNKING");
    if (o->verp)
        ret_offers[count++] = SLICE("XVERP");
    if (o->mt_priority)
        ret_offers[count++] = SLICE("MT-PRIORITY");
    if (o->starttls && !s->secured)
        ret_offers[count++] = SLICE("STARTTLS");
    if (o->auth && s->secured)
        ret_offers[count++] = SLICE("AUTH PLAIN LOGIN");
    return count;
}

// A SIZE without a number says nothing of a limit (RFC 1870 4).
static void say_offers(struct smtp_server *s, struct buffer *out)
{
    const struct smtp_server_options *o = s->options;
    struct slice offers[OFFERS_MAX];
    char size[32] = "SIZE";
    if (o->message_bytes_max > 0)
        snprintf(size, sizeof(size), "SIZE %" PRIu64, o->message_bytes_max);
    unsigned count = list_offers(s, slice_of_text(size), offers);
    server_say(s, SLICE("250-"), out);
    server_say(s, o->hostname, out);
    for (unsigned i = 0; i < count; i++) {
        server_say(s, i + 1 < count ? SLICE("\r\n250-") : SLICE("\r\n250 "), out);
        server_say(s, offers[i], out);
    }
    server_say(s, SLICE("\r\n"), out);
}

static void say_hello(struct smtp_server *s, struct buffer *out)
{
    server_say(s, SLICE("250 "), out);
    server_say(s, s->options->hostname, out);
    server_say(s, SLICE("\r\n"), out);
}

static struct slice usual_reply(enum smtp_verb verb)
{
    switch (verb) {
    case VERB_MAIL: return SLICE("250 2.1.0 Sender ok\r\n");
    case VERB_RCPT: return SLICE("250 2.1.5 Recipient ok\r\n");
    case VERB_DATA: return SLICE("354 End data with <CR><LF>.<CR><LF>\r\n");
    case VERB_HELP:
        return SLICE(
            "214-2.0.0 EHLO HELO MAIL RCPT DATA BDAT RSET NOOP HELP VRFY EXPN VERB QUIT\r\n"
            "214 2.0.0 VERB has replies say more\r\n");
    case VERB_VRFY: return SLICE("252 2.0.0 Send some mail, I'll try my best\r\n");
    case VERB_EXPN: return SLICE("502 5.5.1 Lists are not expanded\r\n");
    case VERB_QUIT: return SLICE("221 2.0.0 Bye\r\n");
    case VERB_STARTTLS: return SLICE("220 2.0.0 Ready to start TLS\r\n");
    case VERB_AUTH: return SLICE("235 2.7.0 Authentication successful\r\n");
    case VERB_RSET:
    case VERB_NOOP:
    case VERB_VERB:
    case VERB_NONE:
    case VERB_HELO:
    case VERB_EHLO:
    case VERB_BDAT:
    case VERB_COUNT: break;
    }
    return SLICE("250 2.0.0 Ok\r\n");
}

// What VERB adds: how much more the client may send.
static bool say_more(struct smtp_server *s, enum smtp_verb verb, struct buffer *out)
{
    const struct smtp_server_options *o = s->options;
    char text[128];
    int len;
    if (verb == VERB_MAIL && o->message_bytes_max > 0)
        len = snprintf(text, sizeof(text), "250 2.1.0 Sender ok, for up to %" PRIu64 " bytes\r\n",
                       o->message_bytes_max);
    else if (verb == VERB_RCPT && o->rcpt_count_max > 0)
        len = snprintf(text, sizeof(text), "250 2.1.5 Recipient ok, %u of at most %u\r\n",
                       s->transaction.rcpt_count, o->rcpt_count_max);
    else
        return false;
    server_say(s, slice_make(text, (size_t)len), out);
    return true;
}

void server_say_usual(struct smtp_server *s, enum smtp_verb verb, struct buffer *out)
{
    if (verb == VERB_EHLO)
        say_offers(s, out);
    else if (verb == VERB_HELO)
        say_hello(s, out);
    else if (!s->verbose || !say_more(s, verb, out))
        server_say(s, usual_reply(verb), out);
}
