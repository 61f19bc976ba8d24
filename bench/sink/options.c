#include "bench/sink/options.h"

#include "bench/pem.h"
#include "bench/sink/crew.h"
#include "bench/sink/help.h"
#include "bench/sink/secure.h"
#include "bench/values.h"
#include "engine/tls/certificate.h"

#include <getopt.h>
#include <stdio.h>

#define PROGRAM "posthaste-sink"

enum sink_option {
    OPTION_WORKERS = 256,
    OPTION_PORTS_FILE,
    OPTION_IDLE_EXIT,
    OPTION_PROGRESS,
    OPTION_JSON,
    OPTION_REPLY,
    OPTION_STARTTLS,
    OPTION_REQUIRE_TLS,
    OPTION_TLS,
    OPTION_CERTIFICATE,
    OPTION_KEY,
    OPTION_WRITE_CERTIFICATE,
    OPTION_AUTH,
    OPTION_LATENCY,
    OPTION_SEED,
    OPTION_MAX_CONNECTIONS,
    OPTION_MAX_PER_LISTENER,
    OPTION_MAX_PER_CLIENT,
    OPTION_MAX_PER_SECOND,
    OPTION_TIMEOUT,
    OPTION_HOSTNAME,
    OPTION_SIZE_MAX,
    OPTION_RCPTS_MAX,
    OPTION_NO_PIPELINING,
    OPTION_NO_CHUNKING,
    OPTION_NO_8BITMIME,
    OPTION_NO_SMTPUTF8,
    OPTION_NO_DSN,
    OPTION_NO_ENHANCED_CODES,
    OPTION_LEDGER,
    OPTION_MAILDIR,
    OPTION_POP3,
    OPTION_POP3_MEMORY,
};

static const struct option option_table[] = {
    {"workers", required_argument, NULL, OPTION_WORKERS},
    {"ports-file", required_argument, NULL, OPTION_PORTS_FILE},
    {"messages", required_argument, NULL, 'n'},
    {"idle-exit", required_argument, NULL, OPTION_IDLE_EXIT},
    {"progress", required_argument, NULL, OPTION_PROGRESS},
    {"json", no_argument, NULL, OPTION_JSON},
    {"reply", required_argument, NULL, OPTION_REPLY},
    {"starttls", no_argument, NULL, OPTION_STARTTLS},
    {"require-tls", no_argument, NULL, OPTION_REQUIRE_TLS},
    {"tls", no_argument, NULL, OPTION_TLS},
    {"certificate", required_argument, NULL, OPTION_CERTIFICATE},
    {"key", required_argument, NULL, OPTION_KEY},
    {"write-certificate", required_argument, NULL, OPTION_WRITE_CERTIFICATE},
    {"auth", required_argument, NULL, OPTION_AUTH},
    {"latency", required_argument, NULL, OPTION_LATENCY},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"max-connections", required_argument, NULL, OPTION_MAX_CONNECTIONS},
    {"max-per-listener", required_argument, NULL, OPTION_MAX_PER_LISTENER},
    {"max-per-client", required_argument, NULL, OPTION_MAX_PER_CLIENT},
    {"max-per-second", required_argument, NULL, OPTION_MAX_PER_SECOND},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"hostname", required_argument, NULL, OPTION_HOSTNAME},
    {"size-max", required_argument, NULL, OPTION_SIZE_MAX},
    {"rcpts-max", required_argument, NULL, OPTION_RCPTS_MAX},
    {"no-pipelining", no_argument, NULL, OPTION_NO_PIPELINING},
    {"no-chunking", no_argument, NULL, OPTION_NO_CHUNKING},
    {"no-8bitmime", no_argument, NULL, OPTION_NO_8BITMIME},
    {"no-smtputf8", no_argument, NULL, OPTION_NO_SMTPUTF8},
    {"no-dsn", no_argument, NULL, OPTION_NO_DSN},
    {"no-enhanced-codes", no_argument, NULL, OPTION_NO_ENHANCED_CODES},
    {"ledger", required_argument, NULL, OPTION_LEDGER},
    {"maildir", required_argument, NULL, OPTION_MAILDIR},
    {"pop3", required_argument, NULL, OPTION_POP3},
    {"pop3-memory", required_argument, NULL, OPTION_POP3_MEMORY},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

static bool add_listener(struct sink_options *o, const char *text, bool is_pop3)
{
    char why[RESOLVE_WHY_BYTES];
    if (sink_listeners_add(&o->listeners, slice_of_text(text), is_pop3, why))
        return true;
    fprintf(stderr, PROGRAM ": %s %s\n", text, why);
    return false;
}

static bool add_rule(struct sink_options *o, const struct value *v)
{
    const char *why;
    if (sink_script_add(&o->plan.script, slice_of_text(v->text), &why))
        return true;
    fprintf(stderr, PROGRAM ": --reply '%s': %s\n", v->text, why);
    return false;
}

static bool read_u32(const struct value *v, uint32_t min, uint32_t max, uint32_t *ret)
{
    uint64_t number;
    if (!value_number(v, min, max, &number))
        return false;
    *ret = (uint32_t)number;
    return true;
}

static bool read_hostname(struct sink_options *o, const struct value *v)
{
    o->plan.smtp.hostname = slice_of_text(v->text);
    bool fine = o->plan.smtp.hostname.len > 0 && o->plan.smtp.hostname.len <= 255;
    for (const char *c = v->text; *c; c++)
        fine = fine && *c > ' ' && *c < 0x7f;
    return fine || value_refuse(v, "a host name");
}

static bool read_progress(struct sink_options *o, const struct value *v)
{
    o->progress = 0;
    return strcmp(v->text, "never") == 0 || value_number(v, 1, UINT64_MAX - 1, &o->progress);
}

static bool read_pop3(struct sink_options *o, const struct value *v)
{
    o->wants_mailbox = true;
    return add_listener(o, v->text, true);
}

static bool read_auth(struct sink_options *o, const struct value *v)
{
    o->plan.auth = true;
    return strcmp(v->text, "any") == 0 ||
           value_credentials(v, &o->plan.auth_user, &o->plan.auth_password);
}

static bool read_pem(struct buffer *text, const struct value *v)
{
    buffer_release(text);
    return pem_read(v, text);
}

static bool read_value(struct sink_options *o, int option, const struct value *v)
{
    struct sink_plan *plan = &o->plan;
    struct sink_limits_options *limits = &plan->limits_options;
    switch (option) {
    case OPTION_WORKERS: return read_u32(v, 1, CREW_WORKERS_MAX, &plan->worker_count);
    case OPTION_PORTS_FILE: o->ports_path = v->text; return true;
    case 'n': return value_number(v, 1, UINT64_MAX - 1, &o->recipients);
    case OPTION_IDLE_EXIT: return value_us(v, &o->idle_us_max);
    case OPTION_PROGRESS: return read_progress(o, v);
    case OPTION_REPLY: return add_rule(o, v);
    case OPTION_CERTIFICATE: return read_pem(&o->certificate_pem, v);
    case OPTION_KEY: return read_pem(&o->key_pem, v);
    case OPTION_WRITE_CERTIFICATE: o->certificate_out_path = v->text; return true;
    case OPTION_AUTH: return read_auth(o, v);
    case OPTION_LATENCY: return value_us(v, &plan->latency_us);
    case OPTION_SEED: return value_number(v, 0, UINT64_MAX, &plan->seed);
    case OPTION_MAX_CONNECTIONS: return read_u32(v, 1, UINT32_MAX, &limits->sessions_max);
    case OPTION_MAX_PER_LISTENER:
        return read_u32(v, 1, UINT32_MAX, &limits->sessions_per_listener_max);
    case OPTION_MAX_PER_CLIENT: return read_u32(v, 1, UINT32_MAX, &limits->sessions_per_client_max);
    case OPTION_MAX_PER_SECOND:
        return read_u32(v, 1, SINK_MESSAGES_PER_S_MAX, &limits->messages_per_s_max);
    case OPTION_TIMEOUT: return value_us(v, &plan->silence_us_max);
    case OPTION_HOSTNAME: return read_hostname(o, v);
    case OPTION_SIZE_MAX: return value_bytes(v, UINT64_MAX, &plan->smtp.message_bytes_max);
    case OPTION_RCPTS_MAX: return read_u32(v, 1, UINT32_MAX, &plan->smtp.rcpt_count_max);
    case OPTION_LEDGER: o->ledger_path = v->text; return true;
    case OPTION_MAILDIR: o->maildir_path = v->text; return true;
    case OPTION_POP3: return read_pop3(o, v);
    case OPTION_POP3_MEMORY: return value_bytes(v, UINT64_MAX, &o->mailbox_bytes_max);
    default: return false; // getopt_long() has said what is wrong
    }
}

static bool read_option(struct sink_options *o, int option, const struct value *v)
{
    struct smtp_server_options *smtp = &o->plan.smtp;
    switch (option) {
    case OPTION_STARTTLS: o->plan.tls = SINK_TLS_OFFERED; return true;
    case OPTION_REQUIRE_TLS: o->plan.tls = SINK_TLS_REQUIRED; return true;
    case OPTION_TLS: o->plan.tls = SINK_TLS_IMPLICIT; return true;
    case OPTION_JSON: o->json = true; return true;
    case OPTION_NO_PIPELINING: smtp->pipelining = false; return true;
    case OPTION_NO_CHUNKING: smtp->chunking = false; return true;
    case OPTION_NO_8BITMIME: smtp->eightbitmime = false; return true;
    case OPTION_NO_SMTPUTF8: smtp->smtputf8 = false; return true;
    case OPTION_NO_DSN: smtp->dsn = false; return true;
    case OPTION_NO_ENHANCED_CODES: smtp->enhanced_codes = false; return true;
    default: return read_value(o, option, v);
    }
}

static void set_defaults(struct sink_options *o)
{
    *o = (struct sink_options){
        .plan = {.smtp = {.hostname = SLICE("sink.example"),
                          .banner = SLICE("ESMTP posthaste-sink"),
                          .pipelining = true,
                          .chunking = true,
                          .eightbitmime = true,
                          .smtputf8 = true,
                          .dsn = true,
                          .enhanced_codes = true},
                 .silence_us_max = 300000000,
                 .seed = 1,
                 .ledger_fd = -1,
                 .worker_count = 1},
        .mailbox_bytes_max = 256 << 20,
        .recipients = UINT64_MAX,
        .idle_us_max = UINT64_MAX,
        .progress = UINT64_MAX,
    };
}

static bool make_certificate(struct sink_options *o)
{
    buffer_init(&o->certificate_pem, TLS_PEM_BYTES_MAX);
    buffer_init(&o->key_pem, TLS_PEM_BYTES_MAX);
    if (certificate_make(o->plan.smtp.hostname, &o->certificate_pem, &o->key_pem))
        return true;
    fprintf(stderr, PROGRAM ": no certificate can be made for \"%.*s\"\n",
            SLICE_ARG(o->plan.smtp.hostname));
    return false;
}

// The certificate that was given, or one made up for the host name.
static bool settle_tls(struct sink_options *o)
{
    struct sink_plan *plan = &o->plan;
    const char *why;
    bool has_certificate = o->certificate_pem.len > 0, has_key = o->key_pem.len > 0;
    if (plan->tls == SINK_TLS_NONE && !has_certificate && !has_key && !o->certificate_out_path)
        return true;
    if (plan->tls == SINK_TLS_NONE || has_certificate != has_key) {
        fputs(plan->tls == SINK_TLS_NONE ? PROGRAM
                  ": --certificate, --key and --write-certificate go with --starttls or "
                  "--tls\n"
                                         : PROGRAM ": --certificate and --key go together\n",
              stderr);
        return false;
    }
    if (!has_certificate && !make_certificate(o))
        return false;
    plan->certificate_pem = buffer_slice(&o->certificate_pem);
    plan->key_pem = buffer_slice(&o->key_pem);
    struct tls_context *context = sink_secure_context(plan, &why);
    if (!context)
        fprintf(stderr, PROGRAM ": --certificate, --key: %s\n", why);
    tls_context_unref(context);
    return context && (!o->certificate_out_path ||
                       pem_write(PROGRAM, o->certificate_out_path, plan->certificate_pem));
}

static bool settle(struct sink_options *o, int argc, char **argv)
{
    for (; optind < argc; optind++)
        if (!add_listener(o, argv[optind], false))
            return false;
    if (o->listeners.count == 0 || o->listeners.items[o->listeners.count - 1].is_pop3) {
        fputs(PROGRAM ": say where to listen; try --help\n", stderr);
        return false;
    }
    if (!settle_tls(o))
        return false;
    o->plan.smtp.starttls = o->plan.tls == SINK_TLS_OFFERED || o->plan.tls == SINK_TLS_REQUIRED;
    o->plan.smtp.auth = o->plan.auth;
    o->plan.limits_options.listener_count = o->listeners.count;
    if (o->progress == UINT64_MAX)
        o->progress = o->recipients == UINT64_MAX ? 0 : o->recipients;
    return true;
}

bool sink_options_read(struct sink_options *o, int argc, char **argv, int *ret_exit)
{
    set_defaults(o);
    int option, index = -1;
    *ret_exit = EXIT_USAGE;
    while ((option = getopt_long(argc, argv, "n:hV", option_table, &index)) != -1) {
        char name[40] = {'-', (char)option, 0};
        if (index >= 0)
            snprintf(name, sizeof(name), "--%s", option_table[index].name);
        index = -1;
        if (option == 'h' || option == 'V') {
            fputs(option == 'h' ? sink_help : PROGRAM " " POSTHASTE_VERSION "\n", stdout);
            *ret_exit = 0;
            return false;
        }
        if (!read_option(o, option, &(struct value){PROGRAM, name, optarg}))
            return false;
    }
    return settle(o, argc, argv);
}

void sink_options_release(struct sink_options *o)
{
    sink_listeners_release(&o->listeners);
    buffer_release(&o->certificate_pem);
    buffer_release(&o->key_pem);
}
