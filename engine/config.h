// engine/config.h: what the operator wants, as plain structs.
//
// Owns:         which settings there are, their defaults and limits, and the configuration file.
// Knows not of: what the settings are used for.
// Read first:   struct config.
// Threads:      read-only once loaded; all workers may look at it.
//
// The file is read by libConfuse (config.c); each value is understood, and printed, by setting.h.
// Every setting has a default, so that no file at all is a good configuration too.
#ifndef POSTHASTE_CONFIG_H
#define POSTHASTE_CONFIG_H

#include "engine/message/dkim.h"
#include "engine/message/list_fields.h"
#include "engine/policy/route.h"
#include "engine/policy/rules.h"
#include "engine/setting.h"

#define CONFIG_LISTENERS_MAX 16
#define CONFIG_PICKUPS_MAX 8
#define CONFIG_WORKERS_MAX 64
#define CONFIG_FILE_BYTES_MAX (16u * 1024 * 1024)
#define CONFIG_ROUTES_MAX 1000
#define CONFIG_SITES_MAX 1000
#define CONFIG_SOURCES_MAX 1000
#define CONFIG_CAMPAIGNS_MAX 1000
#define CONFIG_DOMAIN_DEFAULT "default" // the section that all domains start from

// How senders learn of failures.
enum config_bounces {
    BOUNCES_MESSAGE, // by a report to the envelope sender; and by events
    BOUNCES_EVENT,   // by events alone
};

// Who is told that a message waits long: by a report, where those are sent.
enum config_delays {
    DELAYS_ASKED, // who asked with NOTIFY=DELAY
    DELAYS_ALL,   // who has not said otherwise
};

// What of a listener's sessions is under TLS.
enum config_listen_tls {
    CONFIG_TLS_NONE,
    CONFIG_TLS_STARTTLS, // who asks for it
    CONFIG_TLS_REQUIRE,  // by STARTTLS, and no mail without
    CONFIG_TLS_IMPLICIT, // all, from the first byte
};

// Who must prove who he is.
enum config_auth {
    CONFIG_AUTH_NONE,    // nobody can
    CONFIG_AUTH_OFFER,   // who may not send mail for where he is
    CONFIG_AUTH_REQUIRE, // everybody
};

// listen "127.0.0.1:2525" { ... }
struct config_listener {
    struct io_address address;
    uint32_t mode; // of a unix socket's file
    uint64_t message_bytes_max;
    uint32_t rcpt_count_max;
    uint32_t connection_count_max;
    uint64_t idle_us_max; // then 421
    enum config_bounces bounces;
    bool verp;                          // as if each MAIL had said XVERP
    int32_t priority;                   // of mail that says nothing else
    struct setting_networks relay_from; // who may relay beside local peers
    enum config_listen_tls tls;
    struct setting_texts certificates, keys; // as many of one as of the other
    enum config_auth auth;
};

// pickup "/var/spool/posthaste/pickup" { ... }
struct config_pickup {
    char dir[SETTING_TEXT_BYTES];
    bool recipients_from_header;
    int32_t priority; // of mail that says nothing else
    uint64_t message_bytes_max;
    uint32_t rcpt_count_max;
    enum config_bounces bounces;
    bool verp;
};

// source "a" { ... }
struct config_source {
    struct source source;
    struct setting_addresses addresses; // what source.v4 and v6 are made from
};

// resolver { ... }
struct config_resolver {
    struct setting_addresses servers; // none: those of resolv.conf
    uint64_t timeout_us;              // of one try
    uint32_t try_count;
    uint32_t query_count_max; // outstanding, for each worker
    uint32_t cache_count_max; // names, for each worker
    bool trusted;             // they validate, and are on this host: what they call secure is
};

// delivery { ... }
struct config_delivery {
    uint32_t port;
    bool private_targets; // loopback and private addresses may be exchangers
    char helo[SETTING_TEXT_BYTES];
    char rules_file[SETTING_TEXT_BYTES]; // about replies; empty: those that ship alone
    uint64_t connect_us_max;
    uint64_t tls_us_max;  // of silence, when TLS is to begin
    uint64_t idle_us_max; // how long a connection is kept for more mail
    uint32_t connection_count_max;
    uint32_t spread_above; // ready messages of one site, beyond which all workers serve it
    enum config_delays delay_reports;
    uint64_t delay_report_us; // how long is long
};

// What becomes of mail for a suppressed address when it is handed in.
enum suppressed { SUPPRESSED_REFUSE, SUPPRESSED_DROP };

// suppression { ... }
struct config_suppression {
    uint32_t add;    // a bit for each category of failure that puts an address on the list
    uint64_t for_us; // and for how long
    enum suppressed submission;
};

// mta-sts { ... }
struct config_mta_sts {
    bool use;
    uint32_t port; // of HTTPS
};

// tls { ... }: what holds for all mail that leaves under TLS.
struct config_tls {
    char trusted_file[SETTING_TEXT_BYTES]; // certificates in PEM; empty: the system's
    char *trusted_pem;                     // what it holds (engine/secrets.h)
    size_t trusted_bytes;
};

enum config_unsigned { CONFIG_UNSIGNED_DEFER, CONFIG_UNSIGNED_SEND };

// dkim "example.net" { ... }
struct config_dkim {
    char domain[SETTING_TEXT_BYTES];
    struct setting_texts selectors; // as many of one as of the other
    struct setting_texts keys;      // their files
    bool subdomains;
    enum config_unsigned without_key; // what becomes of mail whose key is missing
    struct dkim_names fields;         // what is signed
    struct dkim_names oversign;       // and so that none can be added
};

struct config {
    char hostname[SETTING_TEXT_BYTES];
    char user[SETTING_TEXT_BYTES]; // empty: stay who we are
    char state_dir[SETTING_TEXT_BYTES];
    char users_file[SETTING_TEXT_BYTES]; // who may hand in mail; empty: nobody has a name
    uint32_t worker_count;
    bool durable;                                       // no: accepted mail is kept in memory alone
    uint64_t memory_bytes_max;                          // accepted mail that is kept in memory
    uint64_t segment_bytes;                             // of the journal's files
    uint64_t journal_bytes_max;                         // of all of them
    char events_file[SETTING_TEXT_BYTES];               // or "stdout"
    char control_socket[SETTING_TEXT_BYTES];            // empty: none
    struct setting_addresses metrics_listen;            // one, or none
    struct io_address control_address, metrics_address; // the same two; their len is 0 for none
    uint32_t listener_count;
    struct config_listener listeners[CONFIG_LISTENERS_MAX];
    uint32_t pickup_count;
    struct config_pickup pickups[CONFIG_PICKUPS_MAX];
    struct config_resolver resolver;
    struct config_delivery delivery;
    struct config_suppression suppression;
    struct config_mta_sts mta_sts;
    struct config_tls tls;
    uint32_t source_count;
    struct config_source *sources; // source "a" { ... }, by name
    uint32_t route_count;
    struct route *routes;       // route "relay" { ... }, by name
    struct limits_table limits; // domain "default" { ... }, domain "example.org" { ... }
    struct limits_rule *rules;  // what limits.rules points to
    struct config_dkim dkim_default;
    struct config_dkim *dkim; // by domain
    uint32_t dkim_count;
    struct list_table lists;   // campaign "news" { ... }
    struct limits_site *sites; // site "outlook" { ... }, those of the providers' file behind ours
    char providers_file[SETTING_TEXT_BYTES]; // more of them; empty: none
    struct rules *reply_rules;               // NULL: replies are judged by their codes
};

// What defaults depend on: who starts the engine, and where.
struct config_place {
    bool is_root;
    uint32_t core_count;
    char hostname[SETTING_TEXT_BYTES];
    char home[SETTING_TEXT_BYTES]; // all three: absolute, or empty
    char xdg_state_home[SETTING_TEXT_BYTES];
    char xdg_runtime_dir[SETTING_TEXT_BYTES];
};
void config_place_now(struct config_place *ret); // of this process

// The file that a command means: the one that it was told, else the usual one, where that is
// there; NULL: the defaults alone.
#define CONFIG_FILE_USUAL "/etc/posthaste.conf"
const char *config_file_meant(const char *told);

// Reads the file; NULL: the defaults alone. Returns NULL, with the reason ("FILE:LINE: ..."), when
// something is wrong.
struct config *config_load(const char *file_path, const struct config_place *place,
                           struct refusal *why);
void config_free(struct config *c); // NULL is fine

// Which sections differ that a running engine cannot change: all but `domain`, `route`
// and `source`. Writes
// their names into *ret, or nothing.
void config_needs_restart(const struct config *a, const struct config *b, struct refusal *ret);

// Whether this listener can be told who one is.
bool config_listener_asks(const struct config *c, const struct config_listener *l);

// Appends all that is in force, in the file's own syntax. False when `out` is full.
bool config_print(const struct config *c, struct buffer *out);

#endif
