#include "engine/policy/reason.h"

#include "engine/base/check.h"

struct row {
    const char *word, *text, *next;
};

static const struct row rows[REASON_COUNT] = {
    [REASON_NONE] = {"none", "nothing holds it back", "it is sent as it comes"},
    [REASON_HOLD] = {"hold", "it is held by an operator", "waits for posthaste release"},
    [REASON_DRAINING] = {"draining", "the engine is stopping, or was told to drain",
                         "starts nothing more; what waits is delivered after the next start"},
    [REASON_DISK] = {"disk", "the journal cannot be written, so that no delivery may start",
                     "tries to write it twice a second, and goes on when that works"},
    [REASON_DNS_ASKING] = {"dns-asking", "its mail exchangers are being looked up",
                           "connects as soon as the answer is there"},
    [REASON_DNS_FAILED] = {"dns-failed", "the DNS lookup of its mail exchangers failed for now",
                           "asks again when the message is due again"},
    [REASON_NO_MX] = {"no-mx", "the domain does not exist, or has no mail exchanger",
                      "returns the mail to its sender"},
    [REASON_NULL_MX] = {"null-mx", "the domain says that it accepts no mail (null MX)",
                        "returns the mail to its sender"},
    [REASON_NO_ADDRESS] = {"no-address", "no mail exchanger has an address that may be used",
                           "asks again when the message is due again, or returns the mail"},
    [REASON_CONNECTING] = {"connecting", "a connection is being opened",
                           "sends as soon as the session is ready"},
    [REASON_CONNECTION_LIMIT] = {"connection-limit",
                                 "all connections that the site may have are in use",
                                 "sends when one of them has room"},
    [REASON_CONNECTION_RATE] = {"connection-rate",
                                "as many connections were opened as its limit allows for now",
                                "opens the next one when the limit allows"},
    [REASON_MESSAGE_RATE] = {"message-rate",
                             "as many messages were sent as its rate limit allows for now",
                             "sends the next one when the limit allows"},
    [REASON_SITE_BACK_OFF] = {"site-back-off", "the site has asked us to slow down",
                              "sends nothing there until the back-off is over, then a little"},
    [REASON_SOURCE_SUSPENDED] = {"source-suspended",
                                 "the site does not want the address that we send from",
                                 "sends nothing there until the suspension of a source is over"},
    [REASON_ADDRESS_RESTS] = {"address-rests", "no mail exchanger answers",
                              "tries their addresses again after a rest"},
    [REASON_REFUSED_SESSION] = {"refused-session", "the mail exchangers refuse to serve us",
                                "tries them again after a rest"},
    [REASON_DANE_FAILED] = {"dane-failed",
                            "what DANE says of the mail exchangers cannot be looked up",
                            "asks again at the next attempt; nothing is sent before"},
    [REASON_STS_HOSTS] = {"mta-sts-hosts",
                          "the domain's MTA-STS policy names none of its mail exchangers",
                          "looks at both again at the next attempt; nothing is sent before"},
    [REASON_TLS_REFUSED] = {"tls-refused",
                            "TLS is asked for, and the mail exchangers do not speak it",
                            "tries them again after a rest; nothing is sent in the clear"},
    [REASON_TLS_UNVERIFIED] = {"tls-unverified",
                               "the mail exchangers' certificates are not what is asked for",
                               "tries them again after a rest; nothing is sent to them"},
    [REASON_AUTH_REFUSED] = {"auth-refused", "the smarthost does not take our user and password",
                             "tries again after a rest, with what the configuration then says"},
    [REASON_PROBING] = {"probing", "the site has failed, and one message tries it for all",
                        "sends the others when that one gets through"},
    [REASON_RETRY_LATER] = {"retry-later", "it was deferred by the other side",
                            "tries it again when it is due"},
    [REASON_IN_DOUBT] = {"in-doubt",
                         "the connection broke behind its last byte: it may have arrived",
                         "tries it again late, since it may arrive twice"},
    [REASON_BEHIND_OTHERS] = {"behind-others", "other mail for the same site is in front of it",
                              "sends it in its turn"},
    [REASON_SENDING] = {"sending", "it is being sent", "waits for the answer"},
    [REASON_MEMORY] = {"memory", "there is no memory to read it back from the journal",
                       "reads it when other messages have left"},
    [REASON_GLOBAL_CONNECTIONS] = {"global-connections",
                                   "all connections that the engine may have are in use",
                                   "opens one when another has ended"},
    [REASON_SUPPRESSED] = {"suppressed", "the address is on the suppression list",
                           "sends nothing to it"},
    [REASON_EXPIRED] = {"expired", "it was in the queue for as long as it may be",
                        "returns it to its sender"},
    [REASON_ROUTE_FAIL] = {"route-fail", "the configuration refuses mail for this domain",
                           "returns the mail to its sender"},
    [REASON_DELIVERED] = {"delivered", "it was delivered", "nothing more"},
    [REASON_FAILED] = {"failed", "it has failed for good", "nothing more"},
    [REASON_UNKNOWN] = {"unknown", "nothing is queued for it", "nothing"},
};

static const struct row *row_of(enum reason_kind r)
{
    CHECK(r < REASON_COUNT && rows[r].word);
    return &rows[r];
}

const char *reason_word(enum reason_kind r)
{
    return row_of(r)->word;
}

const char *reason_text(enum reason_kind r)
{
    return row_of(r)->text;
}

const char *reason_next(enum reason_kind r)
{
    return row_of(r)->next;
}

bool reason_is_final(enum reason_kind r)
{
    return r == REASON_DELIVERED || r == REASON_FAILED || r == REASON_UNKNOWN;
}

static uint64_t end_us(struct reason r)
{
    if (r.kind == REASON_NONE)
        return 0;
    return r.until_us ? r.until_us : UINT64_MAX;
}

struct reason reason_binding(struct reason a, struct reason b)
{
    return end_us(b) > end_us(a) ? b : a;
}
