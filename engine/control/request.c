#include "engine/base/words.h"
#include "engine/control/control_parts.h"
#include "engine/smtp/address.h"

static const struct order_kind *kind_named(const struct order_kind *const *kinds, struct slice name)
{
    while (*kinds && !slice_equal(slice_of_text((*kinds)->name), name))
        kinds++;
    return *kinds;
}

// Domains are compared as lower-case A-labels.
static const char *set_domain(struct selector *s, struct slice value)
{
    char domain[ADDRESS_DOMAIN_BYTES_MAX + 1];
    size_t len = address_domain_ascii(value, domain);
    return len > 0 ? selector_set(s, SLICE("domain"), slice_make(domain, len)) : "is no domain";
}

static const char *set_usual(struct order *o, struct slice key, struct slice value)
{
    if (slice_equal(key, SLICE("dry-run")))
        o->dry_run = true;
    else if (slice_equal(key, SLICE("brief")))
        o->brief = true;
    else if (slice_equal(key, SLICE("limit")))
        return slice_to_u64(value, UINT64_MAX, &o->limit) ? NULL : "is no number";
    else if (o->kind->selects && slice_equal(key, SLICE("domain")))
        return set_domain(&o->selector, value);
    else if (o->kind->selects)
        return selector_set(&o->selector, key, value);
    else
        return SELECTOR_NOT_MINE;
    return NULL;
}

static bool take_word(struct order *o, struct slice key, struct slice value)
{
    const char *wrong = SELECTOR_NOT_MINE;
    if (o->kind->word)
        wrong = o->kind->word(o, key, value);
    if (wrong == SELECTOR_NOT_MINE)
        wrong = set_usual(o, key, value);
    return !wrong ||
           order_refuse(o, ORDER_REFUSED, "%s: %.*s: %s", o->kind->name, SLICE_ARG(key), wrong);
}

bool request_parse(struct order *o, const struct order_kind *const *kinds, struct slice line)
{
    struct slice key, value, rest = line;
    if (rest.len > 0 && rest.data[rest.len - 1] == '\r')
        rest.len--;
    if (!words_next(&rest, &key, &value))
        return order_refuse(o, ORDER_REFUSED, "a request is a line of words");
    o->kind = kind_named(kinds, key);
    if (!o->kind)
        return order_refuse(o, ORDER_REFUSED, "this engine knows no request '%.*s'",
                            SLICE_ARG(key));
    while (words_next(&rest, &key, &value))
        if (!take_word(o, key, value))
            return false;
    if (rest.len > 0)
        return order_refuse(o, ORDER_REFUSED, "%s: a word is KEY or KEY=VALUE", o->kind->name);
    if (o->kind->must_select && selector_says_nothing(&o->selector))
        return order_refuse(o, ORDER_REFUSED, "%s: say which mail is meant, or --all",
                            o->kind->name);
    return true;
}
