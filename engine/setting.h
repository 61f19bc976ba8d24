// engine/setting.h: one setting of the configuration: its name, kind and limits, and the way from
// text to value and back.
//
// Owns:         what each kind of value looks like in a file, and what is wrong with one that
//               does not.
// Knows not of: files, sections, libConfuse, or which settings there are (config_settings.c).
//
// What setting_print() writes, setting_parse() reads as the same value.
#ifndef POSTHASTE_SETTING_H
#define POSTHASTE_SETTING_H

#include "engine/base/buffer.h"
#include "engine/io/address.h"
#include "engine/io/network.h"
#include "engine/message/dkim_fields.h"
#include "engine/message/list_fields.h"
#include "engine/policy/limits.h"
#include "engine/policy/route.h"
#include "engine/refusal.h"

#define SETTING_TEXT_BYTES 256
#define SETTING_LIST_MAX 64
#define SETTING_TEXTS_MAX 4

// A kind decides what type of value a setting has in its struct.
enum setting_kind {
    SETTING_COUNT,     // uint32_t
    SETTING_SIZE,      // uint64_t, bytes
    SETTING_DURATION,  // uint64_t, microseconds
    SETTING_YES_NO,    // bool
    SETTING_WORD,      // uint32_t or an enum: which of its words
    SETTING_WORDS,     // uint32_t: a bit for each of its words that is in the list
    SETTING_MODE,      // uint32_t, permission bits
    SETTING_PRIORITY,  // int32_t, of mail: -9 to 9
    SETTING_HOST,      // char[SETTING_TEXT_BYTES]: a domain name, as lower-case A-labels
    SETTING_USER,      // char[SETTING_TEXT_BYTES]: a login name
    SETTING_PATH,      // char[SETTING_TEXT_BYTES]: absolute
    SETTING_TEXT,      // char[SETTING_TEXT_BYTES]: any
    SETTING_OUTPUT,    // char[SETTING_TEXT_BYTES]: absolute path, or "stdout"
    SETTING_ADDRESSES, // struct setting_addresses
    SETTING_NETWORKS,  // struct setting_networks
    SETTING_DURATIONS, // struct retry_steps
    SETTING_FACTOR,    // uint32_t, hundredths: "1.5" is 150
    SETTING_ROUTE,     // char[ROUTE_NAME_BYTES]: a route's name, which may not be there
    SETTING_HOSTS,     // struct route_hosts: names or addresses, maybe with ports
    SETTING_REPLY,     // struct route_reply: a 4xx or 5xx, maybe an enhanced code, words
    SETTING_PATHS,     // struct setting_texts: absolute
    SETTING_SELECTORS, // struct setting_texts: of DKIM keys, a domain name each
    SETTING_FIELDS,    // struct dkim_names: of header fields
    SETTING_PATTERNS,  // struct mx_patterns
    SETTING_RATES,     // struct rate_limits: "100/s"; "none" alone is none
    SETTING_LOCALS,    // struct setting_addresses: IP addresses of this host, without ports
    SETTING_SOURCES,   // struct source_list: names of sources; "none" alone is none
    SETTING_LIST_URIS, // char[LIST_TEMPLATE_BYTES]: of a List-Unsubscribe: field
};

struct setting_addresses {
    uint32_t count;
    struct io_address items[SETTING_LIST_MAX];
};

struct setting_networks {
    uint32_t count;
    struct io_network items[SETTING_LIST_MAX];
};

struct setting_texts {
    uint32_t count;
    char items[SETTING_TEXTS_MAX][SETTING_TEXT_BYTES];
};

struct setting {
    const char *name;
    enum setting_kind kind;
    size_t offset;            // of the value in its struct
    uint64_t min, max;        // numbers, sizes, durations: what is allowed; lists: how many
    uint16_t port_default;    // addresses
    const char *const *words; // of SETTING_WORD and _WORDS, NULL behind the last
    const char *usual;        // the default, as in a file; NULL: none, or found out at start
};

bool setting_is_list(const struct setting *s);
// Lists begin anew: else what a section says would come behind what it has inherited.
void setting_clear_list(const struct setting *s, void *value);

// Reads `text` into `*value`; lists grow by one item. False, with the reason and the value
// untouched, when it is not of this kind or outside its limits.
bool setting_parse(const struct setting *s, struct slice text, void *value, struct refusal *why);

// Appends the value as a file has it, quotes and braces included. False when `out` is full.
bool setting_print(const struct setting *s, const void *value, struct buffer *out);

// "text", with what a file would misunderstand escaped.
bool setting_print_quoted(struct slice text, struct buffer *out);

#endif
