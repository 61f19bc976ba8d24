#include "engine/setting.h"

#include "engine/base/check.h"
#include "engine/base/units.h"
#include "engine/smtp/address.h"
#include "queue/priority.h"

#include <inttypes.h>
#include <stdio.h>

#define SETTING_MODE_MAX 0777

bool setting_is_list(const struct setting *s)
{
    return s->kind == SETTING_ADDRESSES || s->kind == SETTING_NETWORKS ||
           s->kind == SETTING_DURATIONS || s->kind == SETTING_HOSTS || s->kind == SETTING_PATHS ||
           s->kind == SETTING_SELECTORS || s->kind == SETTING_FIELDS ||
           s->kind == SETTING_PATTERNS || s->kind == SETTING_RATES || s->kind == SETTING_WORDS;
}

void setting_clear_list(const struct setting *s, void *value)
{
    CHECK(setting_is_list(s));
    *(uint32_t *)value = 0; // the count comes first in all of them, and bits are a set
}

// --- numbers with limits

struct unit {
    const char *name;
    uint64_t factor;
};

// The largest first.
static const struct unit size_units[] = {
    {"G", 1ull << 30}, {"M", 1ull << 20}, {"k", 1ull << 10}, {"", 1}};
static const struct unit duration_units[] = {{"d", 86400000000}, {"h", 3600000000}, {"m", 60000000},
                                             {"s", 1000000},     {"ms", 1000},      {"us", 1}};
static const struct unit count_units[] = {{"", 1}};

static bool is_duration(const struct setting *s)
{
    return s->kind == SETTING_DURATION || s->kind == SETTING_DURATIONS;
}

// The largest unit that gives a whole number: what is printed reads back as the same value.
static const char *print_exact(char text[UNITS_TEXT_BYTES], const struct setting *s, uint64_t value)
{
    const struct unit *unit = s->kind == SETTING_SIZE ? size_units
                              : is_duration(s)        ? duration_units
                                                      : count_units;
    if (value == 0 && is_duration(s))
        return "0s";
    while (unit->factor > 1 && (value % unit->factor != 0 || value < unit->factor))
        unit++;
    snprintf(text, UNITS_TEXT_BYTES, "%" PRIu64 "%s", value / unit->factor, unit->name);
    return text;
}

static bool parse_number(const struct setting *s, struct slice text, uint64_t *ret,
                         struct refusal *why)
{
    uint64_t value = 0;
    char min[UNITS_TEXT_BYTES], max[UNITS_TEXT_BYTES];
    if (s->kind == SETTING_COUNT && !slice_to_u64(text, UINT32_MAX, &value))
        return refuse(why, "'%.*s' is not a whole number", SLICE_ARG(text));
    if (s->kind == SETTING_SIZE && !units_parse_bytes(text, &value))
        return refuse(why, "'%.*s' is not a size, such as \"50M\"", SLICE_ARG(text));
    if (is_duration(s) && !units_parse_us(text, &value))
        return refuse(why, "'%.*s' is not a duration, such as \"30s\"", SLICE_ARG(text));
    if (value < s->min || value > s->max)
        return refuse(why, "'%.*s' is outside %s to %s", SLICE_ARG(text),
                      print_exact(min, s, s->min), print_exact(max, s, s->max));
    *ret = value;
    return true;
}

// "2", "1.5", "1.25": no more digits than that.
static bool parse_factor(const struct setting *s, struct slice text, uint32_t *ret,
                         struct refusal *why)
{
    uint64_t whole = 0, part = 0;
    struct slice rest = text;
    struct slice digits = slice_cut(&rest, '.');
    bool is_ok = slice_to_u64(digits, 1000, &whole) && rest.len <= 2 &&
                 (digits.len == text.len || slice_to_u64(rest, 99, &part));
    uint64_t value = whole * 100 + (rest.len == 1 ? part * 10 : part);
    if (!is_ok)
        return refuse(why, "'%.*s' is not a factor, such as \"1.5\"", SLICE_ARG(text));
    if (value < s->min || value > s->max)
        return refuse(why, "'%.*s' is outside %g to %g", SLICE_ARG(text), (double)s->min / 100,
                      (double)s->max / 100);
    *ret = (uint32_t)value;
    return true;
}

// --- single words

static bool parse_yes_no(struct slice text, bool *ret, struct refusal *why)
{
    bool is_yes = slice_equal(text, SLICE("yes"));
    if (!is_yes && !slice_equal(text, SLICE("no")))
        return refuse(why, "'%.*s' is neither yes nor no", SLICE_ARG(text));
    *ret = is_yes;
    return true;
}

static bool parse_word(const struct setting *s, struct slice text, uint32_t *ret,
                       struct refusal *why)
{
    char known[REFUSAL_BYTES_MAX / 2] = "";
    size_t len = 0;
    for (uint32_t i = 0; s->words[i]; i++) {
        if (slice_equal(text, slice_of_text(s->words[i]))) {
            *ret = i;
            return true;
        }
        len += (size_t)snprintf(known + len, sizeof(known) - len, "%s\"%s\"", i ? " or " : "",
                                s->words[i]);
        CHECK(len < sizeof(known)); // a few words of ours
    }
    return refuse(why, "'%.*s' is not known: it is %s", SLICE_ARG(text), known);
}

static bool parse_one_of_words(const struct setting *s, struct slice text, uint32_t *set,
                               struct refusal *why)
{
    uint32_t word = 0;
    if (!parse_word(s, text, &word, why))
        return false;
    *set |= UINT32_C(1) << word;
    return true;
}

static bool parse_mode(struct slice text, uint32_t *ret, struct refusal *why)
{
    uint32_t mode = 0;
    size_t i = 0;
    for (; i < text.len && text.data[i] >= '0' && text.data[i] <= '7' && mode <= SETTING_MODE_MAX;
         i++)
        mode = mode * 8 + (uint32_t)(text.data[i] - '0');
    if (i == 0 || i < text.len || mode > SETTING_MODE_MAX)
        return refuse(why, "'%.*s' is not a file mode, such as \"0660\"", SLICE_ARG(text));
    *ret = mode;
    return true;
}

static bool parse_mail_priority(struct slice text, int32_t *ret, struct refusal *why)
{
    int8_t priority;
    if (!priority_parse(text, &priority))
        return refuse(why,
                      "'%.*s' is not a priority: \"transactional\", \"normal\", \"bulk\", or a "
                      "number from -9 to 9",
                      SLICE_ARG(text));
    *ret = (int32_t)priority; // -9 to 9
    return true;
}

static bool keep_text(char value[SETTING_TEXT_BYTES], struct slice text, struct refusal *why)
{
    if (text.len >= SETTING_TEXT_BYTES)
        return refuse(why, "longer than %d bytes", SETTING_TEXT_BYTES - 1);
    memcpy(value, text.data, text.len);
    value[text.len] = '\0';
    return true;
}

static bool parse_host(struct slice text, char value[SETTING_TEXT_BYTES], struct refusal *why)
{
    char name[ADDRESS_DOMAIN_BYTES_MAX + 1];
    size_t len = text.len > 0 && text.data[0] != '[' ? address_domain_ascii(text, name) : 0;
    if (len == 0)
        return refuse(why, "'%.*s' is not a domain name", SLICE_ARG(text));
    return keep_text(value, slice_make(name, len), why);
}

// What useradd(8) allows, and nothing that a shell or a log could take for something else.
static bool parse_user(struct slice text, char value[SETTING_TEXT_BYTES], struct refusal *why)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        bool is_inner = (c >= '0' && c <= '9') || c == '-' || c == '.';
        if (!is_letter && !(is_inner && i > 0))
            return refuse(why, "'%.*s' is not a user's name", SLICE_ARG(text));
    }
    if (text.len == 0)
        return refuse(why, "a user's name is missing");
    if (slice_equal(text, SLICE("root")))
        return refuse(why, "the engine does not run as root");
    return keep_text(value, text, why);
}

static bool parse_path(struct slice text, char value[SETTING_TEXT_BYTES], struct refusal *why)
{
    if (text.len == 0 || text.data[0] != '/')
        return refuse(why, "'%.*s' is not an absolute path", SLICE_ARG(text));
    return keep_text(value, text, why);
}

// --- lists

static bool parse_address(const struct setting *s, struct slice text,
                          struct setting_addresses *list, struct refusal *why)
{
    struct io_address a;
    if (list->count == SETTING_LIST_MAX || list->count >= s->max)
        return refuse(why, "more than %" PRIu64 " addresses", s->max);
    if (!io_address_parse(text, s->port_default, &a) || io_address_is_unix(&a))
        return refuse(why, "'%.*s' is not an address, such as \"127.0.0.1:%u\"", SLICE_ARG(text),
                      s->port_default);
    list->items[list->count++] = a;
    return true;
}

static bool parse_network(const struct setting *s, struct slice text, struct setting_networks *list,
                          struct refusal *why)
{
    struct io_network n;
    if (list->count == SETTING_LIST_MAX || list->count >= s->max)
        return refuse(why, "more than %" PRIu64 " networks", s->max);
    if (!io_network_parse(text, &n))
        return refuse(why, "'%.*s' is not a network, such as \"10.0.0.0/8\"", SLICE_ARG(text));
    list->items[list->count++] = n;
    return true;
}

static bool parse_step(const struct setting *s, struct slice text, struct retry_steps *list,
                       struct refusal *why)
{
    uint64_t value = 0;
    if (list->count == RETRY_STEPS_MAX)
        return refuse(why, "more than %d durations", RETRY_STEPS_MAX);
    if (!parse_number(s, text, &value, why))
        return false;
    list->us[list->count++] = value;
    return true;
}

// --- routes

static bool parse_route(struct slice text, char value[ROUTE_NAME_BYTES], struct refusal *why)
{
    if (text.len >= ROUTE_NAME_BYTES)
        return refuse(why, "longer than %d bytes", ROUTE_NAME_BYTES - 1);
    memcpy(value, text.data, text.len);
    value[text.len] = '\0';
    return true;
}

static bool parse_port(struct slice text, uint64_t *ret)
{
    return slice_to_u64(text, 65535, ret) && *ret > 0;
}

static void write_literal(const struct io_address *a, char name[MX_HOST_BYTES_MAX + 1])
{
    char text[IO_ADDRESS_TEXT_BYTES];
    io_address_print_host(a, text);
    snprintf(name, MX_HOST_BYTES_MAX + 1, a->as.any.sa_family == AF_INET6 ? "[IPv6:%s]" : "[%s]",
             text);
}

// "192.0.2.1", "192.0.2.1:587", "[192.0.2.1]:587", "2001:db8::1", "[2001:db8::1]:587", and
// "[IPv6:2001:db8::1]:587", as SMTP has it.
static bool parse_address_host(struct slice text, struct route_host *ret)
{
    struct io_address a;
    uint64_t port = 0;
    struct slice rest = slice_skip(text, 1), inside = text;
    if (text.len > 0 && text.data[0] == '[') {
        if (slice_find(text, ']') == text.len)
            return false;
        inside = slice_cut(&rest, ']');
        if (slice_starts_nocase(inside, SLICE("IPv6:")))
            inside = slice_skip(inside, strlen("IPv6:"));
        if (rest.len > 0 && (rest.data[0] != ':' || !parse_port(slice_skip(rest, 1), &port)))
            return false;
    }
    if (!io_address_parse(inside, (uint16_t)port, &a) || io_address_is_unix(&a))
        return false;
    ret->port = io_address_port(&a);
    write_literal(&a, ret->name);
    return true;
}

static bool parse_named_host(struct slice text, struct route_host *ret)
{
    uint64_t port = 0;
    struct slice rest = text;
    struct slice name = slice_cut(&rest, ':');
    if (name.len == 0 || name.data[0] == '[' || address_domain_ascii(name, ret->name) == 0)
        return false;
    if (name.len < text.len && !parse_port(rest, &port))
        return false;
    ret->port = (uint16_t)port;
    return true;
}

static bool parse_route_host(struct slice text, struct route_hosts *list, struct refusal *why)
{
    struct route_host host = {.port = 0};
    if (list->count == ROUTE_HOSTS_MAX)
        return refuse(why, "more than %d hosts", ROUTE_HOSTS_MAX);
    if (!parse_address_host(text, &host) && !parse_named_host(text, &host))
        return refuse(why, "'%.*s' is not a host, such as \"smtp.example.net:587\"",
                      SLICE_ARG(text));
    list->items[list->count++] = host;
    return true;
}

// "5.1.2": the class is the code's.
static bool parse_enhanced(struct slice word, uint16_t code, struct enhanced_code *ret)
{
    uint64_t class, subject, detail;
    struct slice rest = word;
    if (!slice_to_u64(slice_cut(&rest, '.'), 9, &class) ||
        !slice_to_u64(slice_cut(&rest, '.'), 999, &subject) || !slice_to_u64(rest, 999, &detail) ||
        class != code / 100)
        return false;
    *ret = (struct enhanced_code){(uint8_t) class, (uint16_t)subject, (uint16_t)detail};
    return true;
}

static bool parse_reply(struct slice text, struct route_reply *ret, struct refusal *why)
{
    uint64_t code = 0;
    struct slice words = text;
    struct route_reply reply = {.code = 0};
    bool is_code = slice_to_u64(slice_cut(&words, ' '), 599, &code) && code >= 400;
    reply.code = (uint16_t)code;
    reply.enhanced.class = (uint8_t)(code / 100); // x.0.0, when nothing else is said
    struct slice rest = words;
    if (parse_enhanced(slice_cut(&rest, ' '), reply.code, &reply.enhanced))
        words = rest;
    words = slice_trim(words);
    if (!is_code || words.len == 0)
        return refuse(why, "'%.*s' is not a reply, such as \"550 5.1.2 this domain is closed\"",
                      SLICE_ARG(text));
    if (words.len >= ROUTE_TEXT_BYTES)
        return refuse(why, "longer than %d bytes", ROUTE_TEXT_BYTES - 1);
    memcpy(reply.text, words.data, words.len);
    *ret = reply;
    return true;
}

// --- DKIM

static bool parse_text_of(const struct setting *s, struct slice text, struct setting_texts *list,
                          struct refusal *why)
{
    if (list->count == SETTING_TEXTS_MAX)
        return refuse(why, "more than %d of them", SETTING_TEXTS_MAX);
    bool is_good = s->kind == SETTING_PATHS ? parse_path(text, list->items[list->count], why)
                                            : parse_host(text, list->items[list->count], why);
    list->count += is_good;
    return is_good;
}

static bool parse_field(struct slice text, struct dkim_names *list, struct refusal *why)
{
    if (list->count == DKIM_NAMES_MAX)
        return refuse(why, "more than %d fields", DKIM_NAMES_MAX);
    if (!dkim_names_add(list, text, false))
        return refuse(why, "'%.*s' is not the name of a header field", SLICE_ARG(text));
    return true;
}

// "*." in front of a name: all names below it.
static bool parse_pattern(struct slice text, struct mx_patterns *list, struct refusal *why)
{
    char *item = list->items[list->count];
    size_t star_len = slice_starts_nocase(text, SLICE("*.")) ? 2 : 0;
    char name[SETTING_TEXT_BYTES];
    if (list->count == SITE_PATTERNS_MAX)
        return refuse(why, "more than %d patterns", SITE_PATTERNS_MAX);
    if (!parse_host(slice_skip(text, star_len), name, why))
        return false;
    if (star_len + strlen(name) >= sizeof(list->items[0]))
        return refuse(why, "longer than %zu bytes", sizeof(list->items[0]) - 1);
    memcpy(item, "*.", star_len);
    memcpy(item + star_len, name, strlen(name) + 1);
    list->count++;
    return true;
}

static bool parse_rate(const struct setting *s, struct slice text, struct rate_limits *list,
                       struct refusal *why)
{
    uint64_t count, us;
    if (slice_equal(text, SLICE("none"))) {
        list->count = 0;
        return true;
    }
    if (list->count == RATES_SET_MAX || list->count >= s->max)
        return refuse(why, "more than %" PRIu64 " rates", s->max);
    if (!units_parse_count_in(text, &count, &us))
        return refuse(why, "'%.*s' is not a rate, such as \"100/s\" or \"50000/24h\"",
                      SLICE_ARG(text));
    if (count == 0 || count > UINT32_MAX || us < RATE_US_MIN || us > RATE_US_MAX)
        return refuse(why, "'%.*s' is outside one in 31 days to 4294967295 in 100 ms",
                      SLICE_ARG(text));
    list->items[list->count++] = (struct rate_limit){(uint32_t)count, us};
    return true;
}

// --- all kinds

static bool has_control_character(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f)
            return true;
    return false;
}

bool setting_parse(const struct setting *s, struct slice text, void *value, struct refusal *why)
{
    uint64_t number = 0;
    if (has_control_character(text))
        return refuse(why, "the value holds a control character");
    switch (s->kind) {
    case SETTING_COUNT:
        if (!parse_number(s, text, &number, why))
            return false;
        *(uint32_t *)value = (uint32_t)number;
        return true;
    case SETTING_SIZE:
    case SETTING_DURATION: return parse_number(s, text, value, why);
    case SETTING_YES_NO: return parse_yes_no(text, value, why);
    case SETTING_WORD: return parse_word(s, text, value, why);
    case SETTING_PRIORITY: return parse_mail_priority(text, value, why);
    case SETTING_WORDS: return parse_one_of_words(s, text, value, why);
    case SETTING_MODE: return parse_mode(text, value, why);
    case SETTING_HOST: return parse_host(text, value, why);
    case SETTING_USER: return parse_user(text, value, why);
    case SETTING_OUTPUT:
        if (slice_equal(text, SLICE("stdout")))
            return keep_text(value, text, why);
        return parse_path(text, value, why);
    case SETTING_PATH: return parse_path(text, value, why);
    case SETTING_ADDRESSES: return parse_address(s, text, value, why);
    case SETTING_NETWORKS: return parse_network(s, text, value, why);
    case SETTING_DURATIONS: return parse_step(s, text, value, why);
    case SETTING_FACTOR: return parse_factor(s, text, value, why);
    case SETTING_ROUTE: return parse_route(text, value, why);
    case SETTING_HOSTS: return parse_route_host(text, value, why);
    case SETTING_REPLY: return parse_reply(text, value, why);
    case SETTING_PATHS:
    case SETTING_SELECTORS: return parse_text_of(s, text, value, why);
    case SETTING_FIELDS: return parse_field(text, value, why);
    case SETTING_PATTERNS: return parse_pattern(text, value, why);
    case SETTING_RATES: return parse_rate(s, text, value, why);
    }
    CHECK(false); // no such kind
}

bool setting_print_quoted(struct slice text, struct buffer *out)
{
    bool is_ok = buffer_append_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        // libConfuse replaces ${NAME} in quotes by the environment's.
        if (text.data[i] == '"' || text.data[i] == '\\' || text.data[i] == '$')
            is_ok = is_ok && buffer_append_byte(out, '\\');
        is_ok = is_ok && buffer_append_byte(out, text.data[i]);
    }
    return is_ok && buffer_append_byte(out, '"');
}

static bool print_addresses(const struct setting_addresses *list, struct buffer *out)
{
    char text[IO_ADDRESS_TEXT_BYTES];
    bool is_ok = buffer_append_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++)
        is_ok = is_ok && buffer_append(out, i ? SLICE(", ") : SLICE_EMPTY) &&
                setting_print_quoted(slice_of_text(io_address_print(&list->items[i], text)), out);
    return is_ok && buffer_append_byte(out, '}');
}

static bool print_words(const struct setting *s, uint32_t set, struct buffer *out)
{
    bool is_ok = buffer_append_byte(out, '{'), any = false;
    for (uint32_t i = 0; s->words[i]; i++) {
        if (!(set & UINT32_C(1) << i))
            continue;
        is_ok = is_ok && buffer_append(out, any ? SLICE(", ") : SLICE_EMPTY) &&
                setting_print_quoted(slice_of_text(s->words[i]), out);
        any = true;
    }
    return is_ok && buffer_append_byte(out, '}');
}

static bool print_networks(const struct setting_networks *list, struct buffer *out)
{
    char text[IO_NETWORK_TEXT_BYTES];
    bool is_ok = buffer_append_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++)
        is_ok = is_ok && buffer_append(out, i ? SLICE(", ") : SLICE_EMPTY) &&
                setting_print_quoted(slice_of_text(io_network_print(&list->items[i], text)), out);
    return is_ok && buffer_append_byte(out, '}');
}

static bool print_steps(const struct setting *s, const struct retry_steps *list, struct buffer *out)
{
    char text[UNITS_TEXT_BYTES];
    bool is_ok = buffer_append_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++)
        is_ok = is_ok &&
                buffer_printf(out, "%s\"%s\"", i ? ", " : "", print_exact(text, s, list->us[i]));
    return is_ok && buffer_append_byte(out, '}');
}

static bool print_hosts(const struct route_hosts *list, struct buffer *out)
{
    bool is_ok = buffer_append_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++) {
        const struct route_host *h = &list->items[i];
        is_ok = is_ok && buffer_printf(out, "%s\"%s", i ? ", " : "", h->name) &&
                (h->port == 0 || buffer_printf(out, ":%u", h->port)) &&
                buffer_append_byte(out, '"');
    }
    return is_ok && buffer_append_byte(out, '}');
}

static bool print_reply(const struct route_reply *r, struct buffer *out)
{
    char text[ROUTE_TEXT_BYTES + 2 * ENHANCED_TEXT_BYTES], enhanced[ENHANCED_TEXT_BYTES];
    snprintf(text, sizeof(text), "%u %s %s", r->code, enhanced_print(r->enhanced, enhanced),
             r->text);
    return setting_print_quoted(slice_of_text(text), out);
}

static bool print_factor(uint32_t value, struct buffer *out)
{
    return buffer_printf(out, value % 100 ? "\"%g\"" : "%g", (double)value / 100);
}

static bool print_texts(const struct setting_texts *list, struct buffer *out)
{
    bool is_ok = buffer_append_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++)
        is_ok = is_ok && buffer_append(out, i ? SLICE(", ") : SLICE_EMPTY) &&
                setting_print_quoted(slice_of_text(list->items[i]), out);
    return is_ok && buffer_append_byte(out, '}');
}

static bool print_fields(const struct dkim_names *list, struct buffer *out)
{
    bool is_ok = buffer_append_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++)
        is_ok = is_ok && buffer_append(out, i ? SLICE(", ") : SLICE_EMPTY) &&
                setting_print_quoted(slice_of_text(list->items[i].text), out);
    return is_ok && buffer_append_byte(out, '}');
}

static bool print_patterns(const struct mx_patterns *list, struct buffer *out)
{
    bool is_ok = buffer_append_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++)
        is_ok = is_ok && buffer_append(out, i ? SLICE(", ") : SLICE_EMPTY) &&
                setting_print_quoted(slice_of_text(list->items[i]), out);
    return is_ok && buffer_append_byte(out, '}');
}

// "100/s", "2000000/24h": as short as reads back as the same.
static bool print_rate(const struct rate_limit *r, struct buffer *out)
{
    const struct unit *unit = duration_units;
    while (unit->factor > 1 && r->window_us % unit->factor != 0)
        unit++;
    if (r->window_us == unit->factor)
        return buffer_printf(out, "\"%" PRIu32 "/%s\"", r->count, unit->name);
    return buffer_printf(out, "\"%" PRIu32 "/%" PRIu64 "%s\"", r->count,
                         r->window_us / unit->factor, unit->name);
}

static bool print_rates(const struct rate_limits *list, struct buffer *out)
{
    if (list->count == 0)
        return buffer_append(out, SLICE("\"none\""));
    bool is_ok = buffer_append_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++)
        is_ok = is_ok && buffer_append(out, i ? SLICE(", ") : SLICE_EMPTY) &&
                print_rate(&list->items[i], out);
    return is_ok && buffer_append_byte(out, '}');
}

bool setting_print(const struct setting *s, const void *value, struct buffer *out)
{
    char text[UNITS_TEXT_BYTES];
    switch (s->kind) {
    case SETTING_COUNT: return buffer_printf(out, "%" PRIu32, *(const uint32_t *)value);
    case SETTING_SIZE:
    case SETTING_DURATION:
        return buffer_printf(out, "\"%s\"", print_exact(text, s, *(const uint64_t *)value));
    case SETTING_YES_NO: return buffer_printf(out, "%s", *(const bool *)value ? "yes" : "no");
    case SETTING_WORD:
        return setting_print_quoted(slice_of_text(s->words[*(const uint32_t *)value]), out);
    case SETTING_PRIORITY:
        return setting_print_quoted(slice_of_text(priority_print(*(const int32_t *)value, text)),
                                    out);
    case SETTING_WORDS: return print_words(s, *(const uint32_t *)value, out);
    case SETTING_MODE: return buffer_printf(out, "\"%04" PRIo32 "\"", *(const uint32_t *)value);
    case SETTING_HOST:
    case SETTING_USER:
    case SETTING_PATH:
    case SETTING_OUTPUT: return setting_print_quoted(slice_of_text(value), out);
    case SETTING_ADDRESSES: return print_addresses(value, out);
    case SETTING_NETWORKS: return print_networks(value, out);
    case SETTING_DURATIONS: return print_steps(s, value, out);
    case SETTING_FACTOR: return print_factor(*(const uint32_t *)value, out);
    case SETTING_ROUTE: return setting_print_quoted(slice_of_text(value), out);
    case SETTING_HOSTS: return print_hosts(value, out);
    case SETTING_REPLY: return print_reply(value, out);
    case SETTING_PATHS:
    case SETTING_SELECTORS: return print_texts(value, out);
    case SETTING_FIELDS: return print_fields(value, out);
    case SETTING_PATTERNS: return print_patterns(value, out);
    case SETTING_RATES: return print_rates(value, out);
    }
    CHECK(false); // no such kind
}
