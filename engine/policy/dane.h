// engine/policy/dane.h: what the DNS demands of TLS with one exchanger (DANE for SMTP, RFC 7672).
// Pure.
//
// Facts go in as they become known; out comes what must be asked next, or what holds. Nothing is
// asked that could not change the outcome: TLSA records never of a host, or by way of MX records,
// that are not secure (RFC 7672 2.1, 2.2).
//
//   MX insecure -> none                      address: failed -> later; not there -> none
//   address insecure: no CNAME -> none; CNAME: of the name itself: secure -> it, insecure -> none,
//     failed -> later
//   names in order: where secure CNAMEs lead, then the exchanger's own
//     TLSA: failed or bogus -> later; secure records -> that is it; else the next name
//     any usable -> authenticate; none usable -> encrypt; no name has any -> none
#ifndef POSTHASTE_POLICY_DANE_H
#define POSTHASTE_POLICY_DANE_H

#include "dns/answer.h"

// What came of one question.
struct dane_answer {
    bool known; // it was asked, and answered
    enum dns_status status;
    bool secure;
    uint32_t record_count, usable_count; // of TLSA
};

// One exchanger of one domain.
struct dane_facts {
    bool mx_secure;                // what named it; also the proof that there is no MX record
    bool has_alias;                // its addresses stand under another name
    struct dane_answer address;    // A and AAAA together
    struct dane_answer alias;      // DNS_ANSWER_CNAME of its own name
    struct dane_answer tlsa_there; // at the end of its CNAMEs
    struct dane_answer tlsa_own;   // at its own name
};

enum dane_step {
    DANE_ASK_ADDRESS,
    DANE_ASK_ALIAS,
    DANE_ASK_TLSA_THERE,
    DANE_ASK_TLSA_OWN,
    // Decided:
    DANE_NONE,         // it says nothing: whatever else is demanded holds
    DANE_ENCRYPT,      // TLS, with any certificate; without TLS no mail
    DANE_AUTHENTICATE, // TLS, with a certificate that one of the usable records fits
    DANE_LATER,        // nobody can tell now: this exchanger gets no mail
};

struct dane_decision {
    enum dane_step step;
    bool there;      // DANE_ENCRYPT, DANE_AUTHENTICATE: the records of that name, which is also the
                     // first that the certificate may bear; else the exchanger's own
    const char *why; // constant, for people; of the last four
};

struct dane_decision dane_decide(const struct dane_facts *f);

#endif
