#include "engine/message/list_fields.h"

#include "engine/message/fields.h"

enum placeholder { PLACE_ID, PLACE_CAMPAIGN, PLACE_RECIPIENT, PLACE_COUNT };

static const char *const placeholders[PLACE_COUNT] = {
    [PLACE_ID] = "{id}", [PLACE_CAMPAIGN] = "{campaign}", [PLACE_RECIPIENT] = "{recipient}"};

// Which one stands at the front; PLACE_COUNT: none.
static enum placeholder placeholder_at(struct slice s)
{
    int i = 0;
    while (i < PLACE_COUNT && !slice_starts(s, slice_of_text(placeholders[i])))
        i++;
    return (enum placeholder)i;
}

// Takes the next URI, without its brackets. False: there is none.
static bool next_uri(struct slice *rest, struct slice *ret)
{
    *rest = slice_skip(*rest, slice_find(*rest, '<') + 1);
    if (rest->len == 0)
        return false;
    *ret = slice_cut(rest, '>');
    return true;
}

// --- what may stand in one

static bool is_secure(struct slice uri)
{
    return slice_starts_nocase(uri, SLICE("https://"));
}

static const char *uri_fault(struct slice uri)
{
    if (!is_secure(uri) && !slice_starts_nocase(uri, SLICE("http://")) &&
        !slice_starts_nocase(uri, SLICE("mailto:")))
        return "a URI in it is neither https:, http: nor mailto:";
    while (uri.len > 0) {
        enum placeholder place = placeholder_at(uri);
        if (place == PLACE_COUNT &&
            (uri.data[0] <= ' ' || uri.data[0] >= 0x7f || strchr("<\"{}\\^`|", uri.data[0])))
            return "a URI in it holds what is neither of a URI nor {id}, {campaign} or {recipient}";
        uri = slice_skip(uri, place == PLACE_COUNT ? 1 : strlen(placeholders[place]));
    }
    return NULL;
}

// Between two URIs: a comma, and blanks.
static bool is_between(struct slice s)
{
    return slice_equal(slice_trim(s), SLICE(","));
}

const char *list_template_fault(const struct list_template *t)
{
    struct slice rest = slice_of_text(t->uris), uri;
    bool any_secure = false;
    uint32_t count = 0;
    while (rest.len > 0) {
        struct slice before = slice_take(rest, slice_find(rest, '<'));
        if (count > 0 ? !is_between(before) : slice_trim(before).len > 0)
            return "it is no list such as \"<https://example.net/u/{id}>, <mailto:u@example.net>\"";
        if (slice_find(rest, '>') == rest.len || !next_uri(&rest, &uri))
            return "a URI in it has no end: they stand between < and >";
        if (++count > LIST_URIS_MAX)
            return "more than 4 URIs";
        const char *fault = uri_fault(uri);
        if (fault)
            return fault;
        any_secure |= is_secure(uri);
        rest = slice_trim(rest);
    }
    if (t->one_click && !any_secure)
        return "list-unsubscribe-post wants an https: URI (RFC 8058)";
    return NULL;
}

bool list_template_is_personal(const struct list_template *t)
{
    return strstr(t->uris, placeholders[PLACE_RECIPIENT]) != NULL;
}

// --- what comes of it

struct writer {
    char *out;
    size_t len;
    size_t room;
    bool full;
};

static void put(struct writer *w, struct slice s)
{
    if (s.len > w->room - w->len) {
        w->full = true;
        return;
    }
    if (s.len > 0)
        memcpy(w->out + w->len, s.data, s.len);
    w->len += s.len;
}

static bool is_unreserved(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static void put_value(struct writer *w, struct slice value)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < value.len && !w->full; i++) {
        const unsigned char c = (unsigned char)value.data[i];
        const char text[] = {'%', digits[c >> 4], digits[c & 15]};
        put(w, is_unreserved((char)c) ? slice_make(&value.data[i], 1)
                                      : slice_make(text, sizeof(text)));
    }
}

// False: it would be too long, or its recipient is not known.
static bool put_uri(struct writer *w, struct slice uri, const struct list_values *v)
{
    size_t start = w->len;
    bool known = true;
    while (uri.len > 0 && !w->full) {
        enum placeholder place = placeholder_at(uri);
        switch (place) {
        case PLACE_ID: put_value(w, v->id); break;
        case PLACE_CAMPAIGN: put_value(w, v->campaign); break;
        case PLACE_RECIPIENT:
            put_value(w, v->recipient);
            known &= v->recipient.len > 0;
            break;
        case PLACE_COUNT: put(w, slice_take(uri, 1)); break;
        }
        uri = slice_skip(uri, place == PLACE_COUNT ? 1 : strlen(placeholders[place]));
    }
    return known && !w->full && w->len - start <= LIST_URI_BYTES_MAX;
}

static void has_fields(struct slice content, bool *ret_list, bool *ret_post)
{
    struct header_field f;
    *ret_list = *ret_post = false;
    while (fields_next(&content, &f)) {
        *ret_list |= header_field_is(&f, SLICE("List-Unsubscribe"));
        *ret_post |= header_field_is(&f, SLICE("List-Unsubscribe-Post"));
    }
}

size_t list_fields_write(const struct list_template *t, struct slice content,
                         const struct list_values *v, char out[LIST_FIELDS_BYTES_MAX])
{
    struct writer w = {.out = out, .room = LIST_FIELDS_BYTES_MAX};
    struct slice rest = slice_of_text(t->uris), uri;
    bool has_list, has_post, any = false, any_secure = false;
    has_fields(content, &has_list, &has_post);
    if (has_list)
        return 0; // its sender knows better
    put(&w, SLICE("List-Unsubscribe: "));
    while (next_uri(&rest, &uri)) {
        size_t before = w.len;
        put(&w, any ? SLICE(",\r\n\t<") : SLICE("<"));
        if (!put_uri(&w, uri, v)) {
            w.len = before;
            w.full = false;
            continue;
        }
        put(&w, SLICE(">"));
        any = true;
        any_secure |= is_secure(uri);
    }
    if (!any)
        return 0;
    put(&w, SLICE("\r\n"));
    if (t->one_click && any_secure && !has_post)
        put(&w, SLICE("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
    return w.len;
}

// --- which campaign has which

static bool rule_fits(const struct list_rule *r, struct slice campaign, bool *ret_is_own)
{
    size_t len = strlen(r->campaign);
    bool is_beginning = len > 0 && r->campaign[len - 1] == '*';
    struct slice name = slice_make(r->campaign, is_beginning ? len - 1 : len);
    *ret_is_own = !is_beginning && slice_equal(campaign, name);
    return *ret_is_own || (is_beginning && slice_starts(campaign, name));
}

const struct list_template *list_table_find(const struct list_table *t, struct slice campaign)
{
    const struct list_rule *best = NULL;
    for (uint32_t i = 0; i < t->count && campaign.len > 0; i++) {
        const struct list_rule *r = &t->rules[i];
        bool is_own;
        if (!rule_fits(r, campaign, &is_own))
            continue;
        if (is_own)
            return r->fields.uris[0] != '\0' ? &r->fields : NULL;
        if (!best || strlen(r->campaign) > strlen(best->campaign))
            best = r;
    }
    return best && best->fields.uris[0] != '\0' ? &best->fields : NULL;
}
