#include "bench/load/options.h"

#include "bench/load/help.h"
#include "bench/load/secure.h"
#include "bench/pem.h"
#include "bench/resolve.h"
#include "bench/values.h"
#include "engine/smtp/address.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define PROGRAM "posthaste-load"
#define LOAD_MESSAGES_DEFAULT 1000
#define LOAD_NUMBER_MAX                                                                            \
    1000000000000000ull // of messages: what numbers in header fields have room for

enum load_option {
    OPTION_MESSAGES_PER_CONNECTION = 256,
    OPTION_RAMP,
    OPTION_WORKERS,
    OPTION_NO_PIPELINING,
    OPTION_NO_CHUNKING,
    OPTION_STARTTLS,
    OPTION_TLS,
    OPTION_VERIFY,
    OPTION_TRUSTED,
    OPTION_TLS_NAME,
    OPTION_RESUME,
    OPTION_AUTH,
    OPTION_HELO,
    OPTION_TIMEOUT,
    OPTION_GIVE_UP,
    OPTION_CONTENT,
    OPTION_AS_IS,
    OPTION_RCPTS,
    OPTION_PRIORITY,
    OPTION_CAMPAIGNS,
    OPTION_DOMAINS,
    OPTION_DOMAIN_LIST,
    OPTION_SEED,
    OPTION_LEDGER,
    OPTION_CSV,
    OPTION_JSON,
    OPTION_PROGRESS,
    OPTION_MAX_ERRORS,
};

static const struct option option_table[] = {
    {"messages", required_argument, NULL, 'n'},
    {"duration", required_argument, NULL, 't'},
    {"connections", required_argument, NULL, 'c'},
    {"messages-per-connection", required_argument, NULL, OPTION_MESSAGES_PER_CONNECTION},
    {"ramp", required_argument, NULL, OPTION_RAMP},
    {"rate", required_argument, NULL, 'r'},
    {"workers", required_argument, NULL, OPTION_WORKERS},
    {"window", required_argument, NULL, 'w'},
    {"no-pipelining", no_argument, NULL, OPTION_NO_PIPELINING},
    {"no-chunking", no_argument, NULL, OPTION_NO_CHUNKING},
    {"starttls", no_argument, NULL, OPTION_STARTTLS},
    {"tls", no_argument, NULL, OPTION_TLS},
    {"verify", no_argument, NULL, OPTION_VERIFY},
    {"trusted", required_argument, NULL, OPTION_TRUSTED},
    {"tls-name", required_argument, NULL, OPTION_TLS_NAME},
    {"resume", no_argument, NULL, OPTION_RESUME},
    {"auth", required_argument, NULL, OPTION_AUTH},
    {"helo", required_argument, NULL, OPTION_HELO},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"give-up", required_argument, NULL, OPTION_GIVE_UP},
    {"size", required_argument, NULL, 's'},
    {"content", required_argument, NULL, OPTION_CONTENT},
    {"as-is", no_argument, NULL, OPTION_AS_IS},
    {"from", required_argument, NULL, 'f'},
    {"rcpts", required_argument, NULL, OPTION_RCPTS},
    {"priority", required_argument, NULL, OPTION_PRIORITY},
    {"campaigns", required_argument, NULL, OPTION_CAMPAIGNS},
    {"domains", required_argument, NULL, OPTION_DOMAINS},
    {"domain-list", required_argument, NULL, OPTION_DOMAIN_LIST},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"ledger", required_argument, NULL, OPTION_LEDGER},
    {"csv", required_argument, NULL, OPTION_CSV},
    {"json", no_argument, NULL, OPTION_JSON},
    {"progress", required_argument, NULL, OPTION_PROGRESS},
    {"max-errors", required_argument, NULL, OPTION_MAX_ERRORS},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

// What is read before all options are known.
struct wishes {
    uint64_t messages; // 0: not said
    uint64_t window;   // 0: not said
    uint64_t connections, workers, rcpts, domains, campaigns;
    uint64_t bytes_min, bytes_max;
    const char *content;
    const char *domain_list;
    bool as_is;
};

static bool is_name(const char *text)
{
    size_t len = strlen(text);
    bool fine = len > 0 && len <= LOAD_NAME_BYTES_MAX;
    for (const char *c = text; *c; c++)
        fine = fine && *c > ' ' && *c < 0x7f && *c != '<' && *c != '>';
    return fine;
}

static bool read_helo(struct load_options *o, const struct value *v)
{
    o->plan.helo = slice_of_text(v->text);
    return is_name(v->text) || value_refuse(v, "a host name");
}

static bool read_trusted(struct load_options *o, const struct value *v)
{
    o->plan.tls_verify = true;
    buffer_release(&o->trusted_pem);
    if (!pem_read(v, &o->trusted_pem))
        return false;
    o->plan.tls_trusted_pem = buffer_slice(&o->trusted_pem);
    return true;
}

// In lower case, as names are compared.
static void set_tls_name(struct load_options *o, struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        o->name[i] = (char)tolower((unsigned char)name.data[i]);
    o->plan.tls_name = slice_make(o->name, name.len);
}

static bool read_tls_name(struct load_options *o, const struct value *v)
{
    if (!is_name(v->text))
        return value_refuse(v, "a host name");
    set_tls_name(o, slice_of_text(v->text));
    return true;
}

static bool read_from(struct load_options *o, const struct value *v)
{
    struct address address;
    o->plan.from = slice_of_text(v->text);
    return o->plan.from.len == 0 || address_parse(o->plan.from, false, &address) == ADDRESS_OK ||
           value_refuse(v, "a mail address");
}

// Which priorities there are is for who gets it to say.
static bool read_priority(struct load_options *o, const struct value *v)
{
    o->plan.priority = slice_of_text(v->text);
    bool fine = o->plan.priority.len > 0 && o->plan.priority.len <= LOAD_PRIORITY_BYTES_MAX;
    for (const char *c = v->text; *c; c++)
        fine = fine && *c > ' ' && *c < 0x7f;
    return fine || value_refuse(v, "a priority");
}

static bool read_progress(struct load_options *o, const struct value *v)
{
    o->progress = strcmp(v->text, "auto") == 0;
    return o->progress || strcmp(v->text, "never") == 0 || value_refuse(v, "auto or never");
}

// The options with a value that goes into the plan.
static bool read_plan(struct load_options *o, struct wishes *w, int option, const struct value *v)
{
    struct load_plan *plan = &o->plan;
    switch (option) {
    case 'n': return value_number(v, 1, LOAD_NUMBER_MAX, &w->messages);
    case 't': return value_us(v, &plan->duration_us);
    case 'c': return value_number(v, 1, LOAD_SESSIONS_MAX, &w->connections);
    case OPTION_MESSAGES_PER_CONNECTION:
        return value_number(v, 0, LOAD_NUMBER_MAX, &plan->messages_per_session);
    case OPTION_RAMP: return value_us(v, &plan->ramp_us);
    case 'r': return value_rate(v, &plan->rate_per_s);
    case OPTION_WORKERS: return value_number(v, 1, LOAD_WORKERS_MAX, &w->workers);
    case 'w': return value_number(v, 1, SMTP_WINDOW_MAX, &w->window);
    case OPTION_TRUSTED: return read_trusted(o, v);
    case OPTION_TLS_NAME: return read_tls_name(o, v);
    case OPTION_AUTH: return value_credentials(v, &plan->auth_user, &plan->auth_password);
    case OPTION_HELO: return read_helo(o, v);
    case OPTION_TIMEOUT: return value_us(v, &plan->reply_us_max);
    case OPTION_GIVE_UP: return value_us(v, &plan->give_up_us);
    case 's': return value_bytes_range(v, LOAD_SIZE_BYTES_MAX, &w->bytes_min, &w->bytes_max);
    case 'f': return read_from(o, v);
    case OPTION_RCPTS: return value_number(v, 1, LOAD_RCPTS_MAX, &w->rcpts);
    case OPTION_PRIORITY: return read_priority(o, v);
    case OPTION_CAMPAIGNS: return value_number(v, 0, UINT32_MAX, &w->campaigns);
    case OPTION_DOMAINS: return value_number(v, 1, LOAD_DOMAINS_MAX, &w->domains);
    case OPTION_SEED: return value_number(v, 0, UINT64_MAX, &plan->seed);
    case OPTION_MAX_ERRORS: return value_percent(v, &o->error_share_max);
    case OPTION_PROGRESS: return read_progress(o, v);
    default: return false; // getopt_long() has said what is wrong
    }
}

static bool read_option(struct load_options *o, struct wishes *w, int option, const struct value *v)
{
    switch (option) {
    case OPTION_NO_PIPELINING: o->plan.ignore |= SMTP_PIPELINING; return true;
    case OPTION_NO_CHUNKING: o->plan.ignore |= SMTP_CHUNKING; return true;
    case OPTION_STARTTLS: o->plan.tls = LOAD_TLS_START; return true;
    case OPTION_TLS: o->plan.tls = LOAD_TLS_IMPLICIT; return true;
    case OPTION_VERIFY: o->plan.tls_verify = true; return true;
    case OPTION_RESUME: o->plan.tls_resume = true; return true;
    case OPTION_CONTENT: w->content = v->text; return true;
    case OPTION_AS_IS: w->as_is = true; return true;
    case OPTION_DOMAIN_LIST: w->domain_list = v->text; return true;
    case OPTION_LEDGER: o->ledger_path = v->text; return true;
    case OPTION_CSV: o->csv_path = v->text; return true;
    case OPTION_JSON: o->json = true; return true;
    default: return read_plan(o, w, option, v);
    }
}

static bool read_peers(struct load_options *o, int argc, char **argv)
{
    char why[RESOLVE_WHY_BYTES];
    if (optind == argc || argc - optind > LOAD_PEERS_MAX) {
        fprintf(stderr, PROGRAM ": %s; try --help\n",
                optind == argc ? "say where to send to" : "too many addresses");
        return false;
    }
    o->peer_text = argv[optind];
    for (; optind < argc; optind++) {
        struct io_address *peer = &o->peers[o->plan.peer_count++];
        if (!resolve_address(slice_of_text(argv[optind]), LOAD_PORT_DEFAULT, peer, why)) {
            fprintf(stderr, PROGRAM ": %s %s\n", argv[optind], why);
            return false;
        }
    }
    return true;
}

// The name in the first address is whom the certificate must be for; an address is no name.
static void name_from_peer(struct load_options *o)
{
    struct io_address address;
    struct slice rest = slice_of_text(o->peer_text);
    if (io_address_parse(rest, LOAD_PORT_DEFAULT, &address))
        return;
    struct slice host = slice_cut(&rest, ':');
    if (host.len < sizeof(o->name))
        set_tls_name(o, host);
}

// What TLS needs. Says what is missing.
static bool settle_tls(struct load_options *o)
{
    struct load_plan *plan = &o->plan;
    const char *why;
    bool wants = plan->tls_verify || plan->tls_resume || plan->tls_name.len > 0;
    if (plan->tls == LOAD_TLS_NONE) {
        if (wants)
            fputs(PROGRAM ": --verify, --trusted, --tls-name and --resume go with --starttls or "
                          "--tls\n",
                  stderr);
        return !wants;
    }
    if (plan->tls_name.len == 0)
        name_from_peer(o);
    if (plan->tls_verify && plan->tls_name.len == 0) {
        fprintf(stderr, PROGRAM ": %s is no name that a certificate could be for; say --tls-name\n",
                o->peer_text);
        return false;
    }
    struct tls_context *context = load_secure_context(plan, &why);
    if (!context)
        fprintf(stderr, PROGRAM ": TLS: %s\n", why);
    tls_context_unref(context);
    return context != NULL;
}

static int read_domains(struct load_options *o, const struct wishes *w)
{
    unsigned line = 0;
    int error = w->domain_list ? load_domains_read(&o->domains, w->domain_list, &line)
                               : load_domains_number(&o->domains, (uint32_t)w->domains);
    if (!error)
        return 0;
    if (error == -EINVAL)
        fprintf(stderr, PROGRAM ": %s:%u: expected \"domain [weight]\"\n", w->domain_list, line);
    else
        fprintf(stderr, PROGRAM ": %s: %s\n", w->domain_list ? w->domain_list : "--domains",
                strerror(-error));
    return error == -ENOMEM ? EXIT_MACHINE : EXIT_USAGE;
}

static int read_content(struct load_options *o, const struct wishes *w)
{
    int error = w->content ? load_content_read(&o->content, w->content, w->as_is)
                           : load_content_generate(&o->content, w->bytes_min, w->bytes_max);
    if (!error)
        return 0;
    fprintf(stderr, PROGRAM ": %s: %s\n", w->content ? w->content : "--size",
            error == -ENOENT ? "no messages there" : strerror(-error));
    return error == -ENOMEM ? EXIT_MACHINE : EXIT_USAGE;
}

// Puts the wishes together, and reads the files that they name. Returns an exit code, or 0.
static int settle(struct load_options *o, const struct wishes *w)
{
    struct load_plan *plan = &o->plan;
    if (w->as_is && !w->content) {
        fputs(PROGRAM ": --as-is goes with --content\n", stderr);
        return EXIT_USAGE;
    }
    if (!settle_tls(o))
        return EXIT_USAGE;
    plan->message_count = w->messages;
    if (w->messages == 0)
        plan->message_count = plan->duration_us < UINT64_MAX ? UINT64_MAX : LOAD_MESSAGES_DEFAULT;
    plan->session_count = (uint32_t)w->connections;
    plan->worker_count = w->workers < w->connections ? (uint32_t)w->workers
                                                     : (uint32_t)w->connections;
    plan->rcpt_count = (uint32_t)w->rcpts;
    plan->campaign_count = (uint32_t)w->campaigns;
    if (plan->messages_per_session == 0)
        plan->messages_per_session = UINT64_MAX;
    plan->window = w->window ? (uint16_t)w->window : LOAD_WINDOW_DEFAULT;
    if (w->window == 0)
        plan->ignore |= SMTP_CHUNKING; // streaming is for who asks for it
    int exit_code = read_domains(o, w);
    if (!exit_code)
        exit_code = read_content(o, w);
    plan->peers = o->peers;
    plan->domains = o->domains;
    plan->content = o->content;
    return exit_code;
}

bool load_options_read(struct load_options *o, int argc, char **argv, int *ret_exit)
{
    *o = (struct load_options){
        .plan = {.duration_us = UINT64_MAX,
                 .reply_us_max = 60000000,
                 .give_up_us = 10000000,
                 .helo = SLICE("load.example"),
                 .from = SLICE("load@load.example"),
                 .seed = 1,
                 .ledger_fd = -1},
        .progress = true,
    };
    struct wishes w = {.connections = 1,
                       .workers = 1,
                       .rcpts = 1,
                       .domains = 1,
                       .bytes_min = 2048,
                       .bytes_max = 2048};
    int option, index = -1;
    *ret_exit = EXIT_USAGE;
    while ((option = getopt_long(argc, argv, "n:t:c:r:w:s:f:hV", option_table, &index)) != -1) {
        char name[40] = {'-', (char)option, 0};
        if (index >= 0)
            snprintf(name, sizeof(name), "--%s", option_table[index].name);
        index = -1;
        if (option == 'h' || option == 'V') {
            fputs(option == 'h' ? load_help : PROGRAM " " POSTHASTE_VERSION "\n", stdout);
            *ret_exit = 0;
            return false;
        }
        if (!read_option(o, &w, option, &(struct value){PROGRAM, name, optarg}))
            return false;
    }
    if (!read_peers(o, argc, argv))
        return false;
    *ret_exit = settle(o, &w);
    return *ret_exit == 0;
}

void load_options_release(struct load_options *o)
{
    load_content_free(o->content);
    load_domains_free(o->domains);
    buffer_release(&o->trusted_pem);
}
