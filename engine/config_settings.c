#include "engine/config_settings.h"

#include "engine/base/check.h"
#include "engine/smtp/client.h"

#include <stddef.h>

#define KiB UINT64_C(1024)
#define MiB (1024 * KiB)
#define GiB (1024 * MiB)
#define SECOND UINT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

#define AT(type, member) .offset = offsetof(struct type, member)
#define WITHIN(least, most) .min = (least), .max = (most)

static const struct setting top_settings[] = {
    {"hostname", SETTING_HOST, AT(config, hostname)},
    {"user", SETTING_USER, AT(config, user)},
    {"state", SETTING_PATH, AT(config, state_dir)},
    {"workers", SETTING_COUNT, AT(config, worker_count), WITHIN(1, CONFIG_WORKERS_MAX)},
    {"providers", SETTING_PATH, AT(config, providers_file)},
    {"users", SETTING_PATH, AT(config, users_file)},
};

static const char *const bounces_words[] = {
    [BOUNCES_MESSAGE] = "message", [BOUNCES_EVENT] = "event", NULL};
static const char *const delays_words[] = {[DELAYS_ASKED] = "asked", [DELAYS_ALL] = "all", NULL};
_Static_assert(sizeof(enum config_bounces) == sizeof(uint32_t) &&
                   sizeof(enum config_delays) == sizeof(uint32_t),
               "what SETTING_WORD writes");

static const char *const tls_words[] = {[CONFIG_TLS_NONE] = "none",
                                        [CONFIG_TLS_STARTTLS] = "starttls",
                                        [CONFIG_TLS_REQUIRE] = "require",
                                        [CONFIG_TLS_IMPLICIT] = "implicit",
                                        NULL};
static const char *const auth_words[] = {[CONFIG_AUTH_NONE] = "none",
                                         [CONFIG_AUTH_OFFER] = "offer",
                                         [CONFIG_AUTH_REQUIRE] = "require",
                                         NULL};
_Static_assert(sizeof(enum config_listen_tls) == sizeof(uint32_t) &&
                   sizeof(enum config_auth) == sizeof(uint32_t),
               "what SETTING_WORD writes");

// RFC 5321 4.5.3.1.8 asks for 100 recipients at least, 4.5.3.2.7 for five minutes of patience.
static const struct setting listen_settings[] = {
    {"max-message", SETTING_SIZE, AT(config_listener, message_bytes_max), WITHIN(64 * KiB, GiB),
     .usual = "50M"},
    {"max-recipients", SETTING_COUNT, AT(config_listener, rcpt_count_max), WITHIN(100, 50000),
     .usual = "1000"},
    {"connections", SETTING_COUNT, AT(config_listener, connection_count_max), WITHIN(1, 100000),
     .usual = "10000"},
    {"idle-timeout", SETTING_DURATION, AT(config_listener, idle_us_max), WITHIN(SECOND, DAY),
     .usual = "5m"},
    {"bounces", SETTING_WORD, AT(config_listener, bounces), .words = bounces_words,
     .usual = "message"},
    {"verp", SETTING_YES_NO, AT(config_listener, verp), .usual = "no"},
    {"relay-from", SETTING_NETWORKS, AT(config_listener, relay_from), WITHIN(0, SETTING_LIST_MAX)},
    {"mode", SETTING_MODE, AT(config_listener, mode), .usual = "0660"},
    {"priority", SETTING_PRIORITY, AT(config_listener, priority), .usual = "normal"},
    {"tls", SETTING_WORD, AT(config_listener, tls), .words = tls_words, .usual = "none"},
    {"certificate", SETTING_PATHS, AT(config_listener, certificates)},
    {"key", SETTING_PATHS, AT(config_listener, keys)},
    {"auth", SETTING_WORD, AT(config_listener, auth), .words = auth_words, .usual = "offer"},
};

static const struct setting pickup_settings[] = {
    {"recipients-from-header", SETTING_YES_NO, AT(config_pickup, recipients_from_header),
     .usual = "no"},
    {"max-message", SETTING_SIZE, AT(config_pickup, message_bytes_max), WITHIN(64 * KiB, GiB),
     .usual = "50M"},
    {"max-recipients", SETTING_COUNT, AT(config_pickup, rcpt_count_max), WITHIN(100, 50000),
     .usual = "1000"},
    {"bounces", SETTING_WORD, AT(config_pickup, bounces), .words = bounces_words,
     .usual = "message"},
    {"verp", SETTING_YES_NO, AT(config_pickup, verp), .usual = "no"},
    {"priority", SETTING_PRIORITY, AT(config_pickup, priority), .usual = "normal"},
};

static const struct setting resolver_settings[] = {
    {"servers", SETTING_ADDRESSES, AT(config_resolver, servers), WITHIN(0, 8), .port_default = 53},
    {"timeout", SETTING_DURATION, AT(config_resolver, timeout_us), WITHIN(SECOND / 10, MINUTE),
     .usual = "3s"},
    {"tries", SETTING_COUNT, AT(config_resolver, try_count), WITHIN(1, 10), .usual = "3"},
    {"queries", SETTING_COUNT, AT(config_resolver, query_count_max), WITHIN(1, 10000),
     .usual = "1000"},
    {"cache", SETTING_COUNT, AT(config_resolver, cache_count_max), WITHIN(100, 10000000),
     .usual = "200000"},
    {"trusted", SETTING_YES_NO, AT(config_resolver, trusted), .usual = "no"},
};

static const struct setting delivery_settings[] = {
    {"port", SETTING_COUNT, AT(config_delivery, port), WITHIN(1, 65535), .usual = "25"},
    {"private-targets", SETTING_YES_NO, AT(config_delivery, private_targets), .usual = "no"},
    {"helo", SETTING_HOST, AT(config_delivery, helo)},
    {"rules", SETTING_PATH, AT(config_delivery, rules_file)},
    {"connect-timeout", SETTING_DURATION, AT(config_delivery, connect_us_max),
     WITHIN(SECOND / 10, 10 * MINUTE), .usual = "30s"},
    {"tls-timeout", SETTING_DURATION, AT(config_delivery, tls_us_max),
     WITHIN(SECOND / 10, 10 * MINUTE), .usual = "5m"},
    {"idle-timeout", SETTING_DURATION, AT(config_delivery, idle_us_max), WITHIN(0, 5 * MINUTE),
     .usual = "2s"},
    {"connections", SETTING_COUNT, AT(config_delivery, connection_count_max), WITHIN(1, 1000000),
     .usual = "50000"},
    {"spread-above", SETTING_COUNT, AT(config_delivery, spread_above), WITHIN(1, 1000000000),
     .usual = "1000"},
    {"delay-reports", SETTING_WORD, AT(config_delivery, delay_reports), .words = delays_words,
     .usual = "asked"},
    {"delay-report-after", SETTING_DURATION, AT(config_delivery, delay_report_us),
     WITHIN(SECOND, 60 * DAY), .usual = "4h"},
};

static const struct setting journal_settings[] = {
    {"durable", SETTING_YES_NO, AT(config, durable), .usual = "yes"},
    {"space", SETTING_SIZE, AT(config, journal_bytes_max), WITHIN(64 * MiB, 16384 * GiB),
     .usual = "64G"},
    {"segment", SETTING_SIZE, AT(config, segment_bytes), WITHIN(MiB, GiB), .usual = "16M"},
    {"memory", SETTING_SIZE, AT(config, memory_bytes_max), WITHIN(16 * MiB, 1024 * GiB),
     .usual = "1G"},
};

static const struct setting events_settings[] = {
    {"file", SETTING_OUTPUT, AT(config, events_file)},
};

static const char *const suppressed_words[] = {
    [SUPPRESSED_REFUSE] = "refuse", [SUPPRESSED_DROP] = "drop", NULL};
_Static_assert(sizeof(enum suppressed) == sizeof(uint32_t), "what SETTING_WORD writes");
_Static_assert(CATEGORY_COUNT <= 32, "a bit for each");

static const struct setting suppression_settings[] = {
    {"add", SETTING_WORDS, AT(config_suppression, add), .words = category_words},
    {"for", SETTING_DURATION, AT(config_suppression, for_us), WITHIN(DAY, 36500 * DAY),
     .usual = "90d"},
    {"submission", SETTING_WORD, AT(config_suppression, submission), .words = suppressed_words,
     .usual = "refuse"},
};

static const struct setting mta_sts_settings[] = {
    {"use", SETTING_YES_NO, AT(config_mta_sts, use), .usual = "no"},
    {"port", SETTING_COUNT, AT(config_mta_sts, port), WITHIN(1, 65535), .usual = "443"},
};

static const struct setting control_settings[] = {
    {"socket", SETTING_PATH, AT(config, control_socket)},
};

static const struct setting metrics_settings[] = {
    {"listen", SETTING_ADDRESSES, AT(config, metrics_listen), WITHIN(0, 1), .port_default = 9025},
};

static const char *const lookup_words[] = {
    [ROUTE_LOOKUP_ADDRESS] = "address", [ROUTE_LOOKUP_MX] = "mx", NULL};
_Static_assert(sizeof(enum route_lookup) == sizeof(uint32_t), "what SETTING_WORD writes");

// A route that says nothing leaves it to its domains: their table lacks the last word.
static const char *const route_tls_words[] = {
    [TLS_LEVEL_NONE] = "none",       [TLS_LEVEL_MAY] = "may",
    [TLS_LEVEL_ENCRYPT] = "encrypt", [TLS_LEVEL_VERIFY] = "verify",
    [TLS_LEVEL_DANE] = "dane",       [TLS_LEVEL_DANE_ONLY] = "dane-only",
    [TLS_LEVEL_COUNT] = "domain",    NULL};
static const char *const domain_tls_words[] = {[TLS_LEVEL_NONE] = "none",
                                               [TLS_LEVEL_MAY] = "may",
                                               [TLS_LEVEL_ENCRYPT] = "encrypt",
                                               [TLS_LEVEL_VERIFY] = "verify",
                                               [TLS_LEVEL_DANE] = "dane",
                                               [TLS_LEVEL_DANE_ONLY] = "dane-only",
                                               NULL};
static const char *const login_needs_words[] = {[TLS_LEVEL_NONE] = "nothing",
                                                [TLS_LEVEL_MAY] = "tls-if-offered",
                                                [TLS_LEVEL_ENCRYPT] = "tls",
                                                [TLS_LEVEL_VERIFY] = "verified-tls",
                                                NULL};
_Static_assert(sizeof(enum tls_level) == sizeof(uint32_t), "what SETTING_WORD writes");
_Static_assert(ROUTE_LOGIN_BYTES == SETTING_TEXT_BYTES, "what SETTING_TEXT and _PATH write");

static const struct setting tls_settings[] = {
    {"trusted", SETTING_PATH, AT(config_tls, trusted_file)},
};

static const struct setting route_settings[] = {
    {"host", SETTING_HOSTS, AT(route, hosts)},
    {"lookup", SETTING_WORD, AT(route, lookup), .words = lookup_words, .usual = "address"},
    {"fail", SETTING_REPLY, AT(route, fail)},
    {"tls", SETTING_WORD, AT(route, tls), .words = route_tls_words, .usual = "domain"},
    {"tls-implicit", SETTING_YES_NO, AT(route, tls_implicit), .usual = "no"},
    {"user", SETTING_TEXT, AT(route, login.user)},
    {"password-file", SETTING_PATH, AT(route, login.password_file)},
    {"password-needs", SETTING_WORD, AT(route, login.needs), .words = login_needs_words,
     .usual = "verified-tls"},
    {"sources", SETTING_SOURCES, AT(route, limits.sources)},
    {"connections", SETTING_COUNT, AT(route, limits.connections), WITHIN(1, LIMITS_CONNECTIONS_MAX),
     .usual = "10000"},
    {"messages-per-connection", SETTING_COUNT, AT(route, limits.messages_per_connection),
     WITHIN(1, 1000000), .usual = "1000000"},
    {"recipients-per-transaction", SETTING_COUNT, AT(route, limits.rcpts_per_transaction),
     WITHIN(1, 1000), .usual = "1000"},
    {"rate", SETTING_RATES, AT(route, limits.rates), WITHIN(0, RATES_SET_MAX)},
    {"connection-rate", SETTING_RATES, AT(route, limits.connection_rates),
     WITHIN(0, RATES_SET_MAX)},
    {"window", SETTING_COUNT, AT(route, limits.window), WITHIN(1, SMTP_WINDOW_MAX), .usual = "32"},
};
_Static_assert(LIMITS_CONNECTIONS_MAX == 10000, "the usual connections of a route and a source");

static const struct setting source_settings[] = {
    {"address", SETTING_LOCALS, AT(config_source, addresses), WITHIN(1, 2)},
    {"hostname", SETTING_HOST, AT(config_source, source.hostname)},
    {"connections", SETTING_COUNT, AT(config_source, source.connections),
     WITHIN(1, LIMITS_CONNECTIONS_MAX), .usual = "10000"},
    {"messages-per-connection", SETTING_COUNT, AT(config_source, source.messages_per_connection),
     WITHIN(1, 1000000), .usual = "1000000"},
    {"rate", SETTING_RATES, AT(config_source, source.rates), WITHIN(0, RATES_SET_MAX)},
    {"connection-rate", SETTING_RATES, AT(config_source, source.connection_rates),
     WITHIN(0, RATES_SET_MAX)},
};
_Static_assert(SOURCE_HOST_BYTES == SETTING_TEXT_BYTES, "what SETTING_HOST writes");

static const struct setting domain_settings[] = {
    {"via", SETTING_ROUTE, AT(limits, via), .usual = "mx"},
    {"connections", SETTING_COUNT, AT(limits, connections), WITHIN(1, 10000), .usual = "20"},
    {"messages-per-connection", SETTING_COUNT, AT(limits, messages_per_connection),
     WITHIN(1, 1000000), .usual = "100"},
    {"recipients-per-transaction", SETTING_COUNT, AT(limits, rcpts_per_transaction),
     WITHIN(1, 1000), .usual = "100"},
    {"rate", SETTING_RATES, AT(limits, rates), WITHIN(0, RATES_SET_MAX)},
    {"connection-rate", SETTING_RATES, AT(limits, connection_rates), WITHIN(0, RATES_SET_MAX)},
    {"window", SETTING_COUNT, AT(limits, window), WITHIN(1, SMTP_WINDOW_MAX), .usual = "8"},
    {"retry-growth", SETTING_FACTOR, AT(limits, retry.growth_per_100), WITHIN(100, 1000),
     .usual = "2"},
    {"retry", SETTING_DURATIONS, AT(limits, retry.steps), WITHIN(SECOND, 7 * DAY)},
    {"retry-first", SETTING_DURATION, AT(limits, retry.delay_us_first), WITHIN(SECOND, DAY),
     .usual = "1m"},
    {"retry-max", SETTING_DURATION, AT(limits, retry.delay_us_max), WITHIN(SECOND, 7 * DAY),
     .usual = "1h"},
    {"retry-in-doubt", SETTING_DURATION, AT(limits, retry.delay_us_in_doubt),
     WITHIN(SECOND, 7 * DAY), .usual = "15m"},
    {"lifetime", SETTING_DURATION, AT(limits, retry.lifetime_us), WITHIN(SECOND, 60 * DAY),
     .usual = "5d"},
    {"tls", SETTING_WORD, AT(limits, tls), .words = domain_tls_words, .usual = "may"},
    {"sources", SETTING_SOURCES, AT(limits, sources)},
};

static const char *const unsigned_words[] = {
    [CONFIG_UNSIGNED_DEFER] = "defer", [CONFIG_UNSIGNED_SEND] = "send", NULL};
_Static_assert(sizeof(enum config_unsigned) == sizeof(uint32_t), "what SETTING_WORD writes");
_Static_assert(SETTING_TEXTS_MAX <= DKIM_KEYS_MAX, "a table takes all that a file may name");

static const struct setting dkim_settings[] = {
    {"selector", SETTING_SELECTORS, AT(config_dkim, selectors)},
    {"key", SETTING_PATHS, AT(config_dkim, keys)},
    {"subdomains", SETTING_YES_NO, AT(config_dkim, subdomains), .usual = "no"},
    {"unsigned", SETTING_WORD, AT(config_dkim, without_key), .words = unsigned_words,
     .usual = "defer"},
    {"fields", SETTING_FIELDS, AT(config_dkim, fields)},
    {"oversign", SETTING_FIELDS, AT(config_dkim, oversign)},
};

static const struct setting campaign_settings[] = {
    {"list-unsubscribe", SETTING_LIST_URIS, AT(list_rule, fields.uris)},
    {"list-unsubscribe-post", SETTING_YES_NO, AT(list_rule, fields.one_click), .usual = "no"},
};

// What is not said does not limit.
static const struct setting site_settings[] = {
    {"mx", SETTING_PATTERNS, AT(limits_site, mx)},
    {"connections", SETTING_COUNT, AT(limits_site, limits.connections), WITHIN(1, 10000),
     .usual = "10000"},
    {"messages-per-connection", SETTING_COUNT, AT(limits_site, limits.messages_per_connection),
     WITHIN(1, 1000000), .usual = "1000000"},
    {"recipients-per-transaction", SETTING_COUNT, AT(limits_site, limits.rcpts_per_transaction),
     WITHIN(1, 1000), .usual = "1000"},
    {"rate", SETTING_RATES, AT(limits_site, limits.rates), WITHIN(0, RATES_SET_MAX)},
    {"connection-rate", SETTING_RATES, AT(limits_site, limits.connection_rates),
     WITHIN(0, RATES_SET_MAX)},
    {"window", SETTING_COUNT, AT(limits_site, limits.window), WITHIN(1, SMTP_WINDOW_MAX),
     .usual = "32"},
};
_Static_assert(SMTP_WINDOW_MAX == 32, "the usual window of a site");

#define SETTINGS(table) .settings = (table), .setting_count = COUNT_OF(table)

const struct config_section_table config_sections[CONFIG_SECTION_COUNT] = {
    [CONFIG_TOP] = {"", false, SETTINGS(top_settings)},
    [CONFIG_LISTEN] = {"listen", true, SETTINGS(listen_settings)},
    [CONFIG_PICKUP] = {"pickup", true, SETTINGS(pickup_settings)},
    [CONFIG_RESOLVER] = {"resolver", false, SETTINGS(resolver_settings)},
    [CONFIG_DELIVERY] = {"delivery", false, SETTINGS(delivery_settings)},
    [CONFIG_JOURNAL] = {"journal", false, SETTINGS(journal_settings)},
    [CONFIG_EVENTS] = {"events", false, SETTINGS(events_settings)},
    [CONFIG_SUPPRESSION] = {"suppression", false, SETTINGS(suppression_settings)},
    [CONFIG_SOURCE] = {"source", true, SETTINGS(source_settings)},
    [CONFIG_ROUTE] = {"route", true, SETTINGS(route_settings)},
    [CONFIG_CONTROL] = {"control", false, SETTINGS(control_settings)},
    [CONFIG_METRICS] = {"metrics", false, SETTINGS(metrics_settings)},
    [CONFIG_DOMAIN] = {"domain", true, SETTINGS(domain_settings)},
    [CONFIG_DKIM] = {"dkim", true, SETTINGS(dkim_settings)},
    [CONFIG_CAMPAIGN] = {"campaign", true, SETTINGS(campaign_settings)},
    [CONFIG_SITE] = {"site", true, SETTINGS(site_settings)},
    [CONFIG_TLS] = {"tls", false, SETTINGS(tls_settings)},
    [CONFIG_MTA_STS] = {"mta-sts", false, SETTINGS(mta_sts_settings)},
};

void *config_section_base(struct config *c, enum config_section section)
{
    switch (section) {
    case CONFIG_TOP:
    case CONFIG_JOURNAL:
    case CONFIG_EVENTS:
    case CONFIG_CONTROL:
    case CONFIG_METRICS: return c;
    case CONFIG_RESOLVER: return &c->resolver;
    case CONFIG_DELIVERY: return &c->delivery;
    case CONFIG_SUPPRESSION: return &c->suppression;
    case CONFIG_TLS: return &c->tls;
    case CONFIG_MTA_STS: return &c->mta_sts;
    case CONFIG_LISTEN:
    case CONFIG_PICKUP:
    case CONFIG_SOURCE:
    case CONFIG_ROUTE:
    case CONFIG_DOMAIN:
    case CONFIG_DKIM:
    case CONFIG_CAMPAIGN:
    case CONFIG_SITE:
    case CONFIG_SECTION_COUNT: break;
    }
    return NULL;
}

void config_section_defaults(enum config_section section, void *base)
{
    const struct config_section_table *table = &config_sections[section];
    struct refusal reason;
    for (uint32_t i = 0; i < table->setting_count; i++) {
        const struct setting *s = &table->settings[i];
        if (s->usual)
            CHECK(setting_parse(s, slice_of_text(s->usual), setting_at(s, base), &reason));
    }
}

// RFC 6376 5.4.1, RFC 8058 4, and what else receivers show or act upon. What a mailing list adds or
// changes without touching the rest is not oversigned.
void config_dkim_usual(struct config_dkim *d)
{
    static const char *const fields[] = {
        "from",
        "to",
        "cc",
        "subject",
        "date",
        "message-id",
        "reply-to",
        "mime-version",
        "content-type",
        "sender",
        "in-reply-to",
        "content-transfer-encoding",
        "references",
        "list-id",
        "list-help",
        "list-post",
        "list-owner",
        "list-archive",
        "feedback-id",
        "resent-from",
        "list-subscribe",
        "resent-to",
        "resent-cc",
        "list-unsubscribe",
        "resent-date",
        "resent-sender",
        "list-unsubscribe-post",
        "auto-submitted",
        "resent-message-id",
    };
    static const char *const oversigned[] = {
        "from",       "to",       "cc",           "subject",      "date",
        "message-id", "reply-to", "mime-version", "content-type", "content-transfer-encoding",
    };
    for (uint32_t i = 0; i < COUNT_OF(fields); i++)
        CHECK(dkim_names_add(&d->fields, slice_of_text(fields[i]), false));
    for (uint32_t i = 0; i < COUNT_OF(oversigned); i++)
        CHECK(dkim_names_add(&d->oversign, slice_of_text(oversigned[i]), false));
}
