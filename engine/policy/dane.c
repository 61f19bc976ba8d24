// engine/policy/dane.c: what the DNS demands of TLS with one exchanger.
#include "engine/policy/dane.h"

static struct dane_decision decided(enum dane_step step, const char *why)
{
    return (struct dane_decision){.step = step, .why = why};
}

static bool failed(const struct dane_answer *a)
{
    return a->status == DNS_TRY_LATER;
}

// One name's TLSA records. DANE_NONE: the next name counts. RFC 7672 2.1.1: a failure is not the
// same as that there are none, else whoever can drop packets could switch it off.
static struct dane_decision of_records(const struct dane_answer *a, bool there)
{
    struct dane_decision d = {.step = DANE_NONE, .there = there};
    if (failed(a))
        return decided(DANE_LATER, "its TLSA records cannot be looked up");
    if (a->status != DNS_FOUND || !a->secure || a->record_count == 0)
        return d;
    d.step = a->usable_count > 0 ? DANE_AUTHENTICATE : DANE_ENCRYPT;
    d.why = a->usable_count > 0 ? "it has TLSA records" : "none of its TLSA records is usable";
    return d;
}

static struct dane_decision of_names(const struct dane_facts *f, bool also_there)
{
    if (also_there) {
        if (!f->tlsa_there.known)
            return decided(DANE_ASK_TLSA_THERE, NULL);
        struct dane_decision d = of_records(&f->tlsa_there, true);
        if (d.step != DANE_NONE)
            return d;
    }
    if (!f->tlsa_own.known)
        return decided(DANE_ASK_TLSA_OWN, NULL);
    struct dane_decision d = of_records(&f->tlsa_own, false);
    return d.step != DANE_NONE ? d : decided(DANE_NONE, "it has no TLSA records");
}

// RFC 7672 2.2.2: an alias in a signed zone may have records, whatever it leads to.
static struct dane_decision of_insecure_address(const struct dane_facts *f)
{
    if (!f->has_alias)
        return decided(DANE_NONE, "its addresses are not secure");
    if (!f->alias.known)
        return decided(DANE_ASK_ALIAS, NULL);
    if (failed(&f->alias))
        return decided(DANE_LATER, "its CNAME cannot be looked up");
    if (f->alias.status != DNS_FOUND || !f->alias.secure)
        return decided(DANE_NONE, "its addresses are not secure");
    return of_names(f, false);
}

struct dane_decision dane_decide(const struct dane_facts *f)
{
    if (!f->mx_secure)
        return decided(DANE_NONE, "the domain's MX records are not secure");
    if (!f->address.known)
        return decided(DANE_ASK_ADDRESS, NULL);
    if (failed(&f->address))
        return decided(DANE_LATER, "its addresses cannot be looked up");
    if (f->address.status != DNS_FOUND)
        return decided(DANE_NONE, "it has no address");
    return f->address.secure ? of_names(f, f->has_alias) : of_insecure_address(f);
}
