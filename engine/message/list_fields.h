// engine/message/list_fields.h: List-Unsubscribe: and List-Unsubscribe-Post: (RFC 2369, 8058) of a
// campaign's messages, from a template.
//
//   "<https://news.example/u/{campaign}?r={recipient}>, <mailto:leave+{id}@news.example>"
//
// Owns:         what a template may hold, and what comes of it. What is put in for {id}, {campaign}
//               and {recipient} is written so that it cannot be anything but part of a URI: all but
//               letters, digits and -._~ as %XX (RFC 3986 2.1).
// Knows not of: who signs the fields.
// Read first:   list_template_fault(), then list_fields_write().
#ifndef POSTHASTE_MESSAGE_LIST_FIELDS_H
#define POSTHASTE_MESSAGE_LIST_FIELDS_H

#include "engine/base/slice.h"

#define LIST_TEMPLATE_BYTES 256 // with its NUL
#define LIST_URIS_MAX 4
#define LIST_URI_BYTES_MAX 900 // a longer one is left out: a line has 998 at most
#define LIST_FIELDS_BYTES_MAX (LIST_URIS_MAX * (LIST_URI_BYTES_MAX + 8) + 128)
#define LIST_CAMPAIGN_BYTES 65 // of a name, with its NUL

struct list_template {
    char uris[LIST_TEMPLATE_BYTES]; // empty: no fields
    bool one_click;                 // List-Unsubscribe-Post:, too
};

// NULL, or what is wrong with it.
const char *list_template_fault(const struct list_template *t);
// Does it name the recipient? Then each message goes to one at a time.
bool list_template_is_personal(const struct list_template *t);

struct list_values {
    struct slice id, campaign, recipient;
};

// Writes the fields that belong in front of the content, and returns their length. 0: there is
// nothing to add, since the content has them.
size_t list_fields_write(const struct list_template *t, struct slice content,
                         const struct list_values *v, char out[LIST_FIELDS_BYTES_MAX]);

// --- which campaign has which

struct list_rule {
    char campaign[LIST_CAMPAIGN_BYTES]; // "*" at its end: all that begin so
    struct list_template fields;
};

struct list_table {
    uint32_t count;
    struct list_rule *rules;
};

// The template of a campaign: its own, else that of the longest beginning. NULL: it has none, as
// mail without a campaign.
const struct list_template *list_table_find(const struct list_table *t, struct slice campaign);

#endif
