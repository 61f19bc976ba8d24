#include "engine/policy/category.h"

const char *const category_words[CATEGORY_COUNT + 1] = {
    [CATEGORY_NONE] = "none",
    [CATEGORY_OTHER] = "other",
    [CATEGORY_BAD_MAILBOX] = "bad-mailbox",
    [CATEGORY_BAD_DOMAIN] = "bad-domain",
    [CATEGORY_INACTIVE] = "inactive",
    [CATEGORY_QUOTA] = "quota",
    [CATEGORY_TOO_LARGE] = "too-large",
    [CATEGORY_SPAM] = "spam",
    [CATEGORY_CONTENT] = "content",
    [CATEGORY_POLICY] = "policy",
    [CATEGORY_BLOCKED] = "blocked",
    [CATEGORY_AUTH] = "auth",
    [CATEGORY_RATE] = "rate",
    [CATEGORY_GREYLIST] = "greylist",
    [CATEGORY_ROUTING] = "routing",
    [CATEGORY_PROTOCOL] = "protocol",
    [CATEGORY_CONNECTION] = "connection",
    [CATEGORY_SYSTEM] = "system",
    [CATEGORY_EXPIRED] = "expired",
    [CATEGORY_SUPPRESSED] = "suppressed",
};

const char *category_word(enum category c)
{
    return c < CATEGORY_COUNT ? category_words[c]
                              : category_words[CATEGORY_OTHER]; // of a journal that is newer
}

bool category_of_word(struct slice word, enum category *ret)
{
    for (int i = 0; i < CATEGORY_COUNT; i++)
        if (slice_equal(word, slice_of_text(category_words[i]))) {
            *ret = (enum category)i;
            return true;
        }
    return false;
}

#define ANY UINT16_MAX

// The first that fits counts. What stands behind it is the name in RFC 3463, or another RFC's.
static const struct {
    uint16_t subject, detail;
    uint8_t category;
} enhanced_rows[] = {
    {1, 2, CATEGORY_BAD_DOMAIN},  // bad destination system address
    {1, 7, CATEGORY_POLICY},      // bad sender's mailbox address syntax
    {1, 8, CATEGORY_POLICY},      // bad sender's system address
    {1, 10, CATEGORY_BAD_DOMAIN}, // recipient address has null MX (RFC 7505)
    {1, ANY, CATEGORY_BAD_MAILBOX}, {2, 1, CATEGORY_INACTIVE}, // mailbox disabled
    {2, 2, CATEGORY_QUOTA},                                    // mailbox full
    {2, 3, CATEGORY_TOO_LARGE},   // message length exceeds administrative limit
    {2, 4, CATEGORY_BAD_MAILBOX}, // mailing list expansion problem
    {3, 3, CATEGORY_PROTOCOL},    // system not capable of selected features
    {3, 4, CATEGORY_TOO_LARGE},   // message too big for system
    {3, ANY, CATEGORY_SYSTEM},      {4, 3, CATEGORY_ROUTING}, // directory server failure
    {4, 4, CATEGORY_ROUTING},                                 // unable to route
    {4, 5, CATEGORY_RATE},                                    // mail system congestion
    {4, 6, CATEGORY_ROUTING},                                 // routing loop detected
    {4, 7, CATEGORY_EXPIRED},                                 // delivery time expired
    {4, ANY, CATEGORY_CONNECTION},  {5, 3, CATEGORY_RATE},    // too many recipients
    {5, ANY, CATEGORY_PROTOCOL},    {6, ANY, CATEGORY_CONTENT},
    {7, 10, CATEGORY_AUTH},   // encryption needed (RFC 5248's registry)
    {7, 20, CATEGORY_AUTH},   // no passing DKIM signature found (RFC 7372, with those below)
    {7, 21, CATEGORY_AUTH},   // no acceptable DKIM signature found
    {7, 22, CATEGORY_AUTH},   // no valid author-matched DKIM signature found
    {7, 23, CATEGORY_AUTH},   // SPF validation failed
    {7, 24, CATEGORY_AUTH},   // SPF validation error
    {7, 25, CATEGORY_AUTH},   // reverse DNS validation failed
    {7, 26, CATEGORY_AUTH},   // multiple authentication checks failed
    {7, 27, CATEGORY_POLICY}, // sender address has null MX (RFC 7505)
    {7, 28, CATEGORY_RATE},   // mail flood detected (registered by Google)
    {7, ANY, CATEGORY_POLICY},
};

static enum category of_enhanced(struct enhanced_code e)
{
    for (size_t i = 0; i < sizeof(enhanced_rows) / sizeof(enhanced_rows[0]); i++)
        if (enhanced_rows[i].subject == e.subject &&
            (enhanced_rows[i].detail == ANY || enhanced_rows[i].detail == e.detail))
            return (enum category)enhanced_rows[i].category;
    return CATEGORY_OTHER;
}

// RFC 5321 4.2.3, as far as a code says anything by itself; where it may mean several things, what
// it answers decides, and else nothing does.
static enum category of_code(enum smtp_phase phase, uint16_t code)
{
    bool of_rcpt = phase == SMTP_PHASE_RCPT, of_content = phase == SMTP_PHASE_CONTENT;
    switch (code) {
    case 421:
    case 452: return CATEGORY_SYSTEM;
    case 500:
    case 501:
    case 502:
    case 503:
    case 504:
    case 555: return CATEGORY_PROTOCOL;
    case 521:
    case 556: return CATEGORY_BAD_DOMAIN; // RFC 7504
    case 550:
    case 551:
    case 553: return of_rcpt ? CATEGORY_BAD_MAILBOX : CATEGORY_POLICY;
    case 552: return of_content ? CATEGORY_TOO_LARGE : CATEGORY_QUOTA;
    case 530:
    case 535:
    case 554:
    case 571: return CATEGORY_POLICY;
    }
    return CATEGORY_OTHER;
}

enum category category_of_codes(enum smtp_phase phase, uint16_t code, struct enhanced_code e)
{
    if (code / 100 == 2)
        return CATEGORY_NONE;
    enum category c = e.class ? of_enhanced(e) : CATEGORY_OTHER;
    return c == CATEGORY_OTHER ? of_code(phase, code) : c;
}
