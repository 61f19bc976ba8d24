// The command line, as Postfix's sendmail(1) has it: every option that it takes is taken here, and
// many mean nothing here, as there.

#include "engine/base/check.h"
#include "engine/command/command.h"
#include "engine/command/send.h"

#include <getopt.h>
#include <stdio.h>

#define LONG_HELP 256       // no letter
#define ENVID_BYTES_MAX 100 // before it is encoded (RFC 3461 4.4)

static const char help[] =
    "usage: posthaste send [OPTIONS] [RECIPIENT...] < MESSAGE\n"
    "\n"
    "Gives one message to the engine, as sendmail does. Exits with 0 once the engine has it.\n"
    "\n"
    "  -t          recipients from To:, Cc: and Bcc:, too\n"
    "  -i, -oi     a lone dot is text; else it ends the message\n"
    "  -f ADDRESS  the envelope's sender; '<>' for none. Without it, who calls\n"
    "  -F NAME     the sender's name in a From: field, if that has to be added\n"
    "  -N WHEN     notifications: never, or some of success,failure,delay\n"
    "  -R WHAT     what of the message comes back with them: full or hdrs\n"
    "  -V ENVID    and what they call it\n"
    "  -B TYPE     7BIT or 8BITMIME\n"
    "  -XV         VERP: each recipient's address stands in the sender's\n"
    "  -bs         speak SMTP on standard input and output\n"
    "  -bp         list the queue, as posthaste queue and mailq do\n"
    "  -q          try deferred mail now, as posthaste retry --all; -qIID, -qRDOMAIN, -qSSENDER:\n"
    "              that mail\n"
    "  -v          say what the engine answers\n"
    "  -C, --config FILE   the engine's configuration\n"
    "  --help              this\n"
    "\n"
    "Other options of sendmail are taken and ignored. posthaste-send(1) tells more, and what the\n"
    "exit codes mean.\n";

// What cannot be served; anything else is no option.
static int unserved(const char *option)
{
    static const struct {
        const char *option;
        int exit_code;
        const char *reason;
    } table[] = {
        {"bd", EX_USAGE, "'posthaste serve' runs the engine"},
        {"bD", EX_USAGE, "'posthaste serve' runs the engine"},
        {"bl", EX_USAGE, "'posthaste serve' runs the engine"},
        {"bv", EX_UNAVAILABLE, "addresses cannot be verified"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (strncmp(option, table[i].option, strlen(table[i].option)) == 0)
            return send_failed(table[i].exit_code, "-%s: %s", option, table[i].reason);
    return send_failed(EX_USAGE, "no such option: -%s", option);
}

// -bX
static int set_mode(struct send_options *o, const char *mode)
{
    char option[3] = {'b', mode[0], '\0'};
    switch (mode[0]) {
    case 'm': o->mode = SEND_DELIVER; return EX_OK;
    case 's': o->mode = SEND_RELAY; return EX_OK;
    case 'p': o->mode = SEND_LIST; return EX_OK;
    case 'i': // there is no database of aliases
    case 'h': // or of hosts
    case 'H': o->mode = SEND_NOTHING; return EX_OK;
    default: return unserved(option);
    }
}

// Appends "KEYWORD=value" behind what is there.
static int append_dsn(char dsn[SEND_DSN_BYTES_MAX], const char *keyword, const char *value)
{
    size_t len = strlen(dsn);
    int added = snprintf(dsn + len, SEND_DSN_BYTES_MAX - len, "%s%s=%s", len > 0 ? " " : "",
                         keyword, value);
    CHECK(added > 0 && (size_t)added < SEND_DSN_BYTES_MAX - len);
    return EX_OK;
}

// -N never, or a list without repeats: NOTIFY of RFC 3461 4.1.
static int set_notify(struct send_options *o, const char *list)
{
    static const char *const words[] = {"NEVER", "SUCCESS", "FAILURE", "DELAY"};
    unsigned said = 0;
    for (struct slice rest = slice_of_text(list); rest.len > 0;) {
        struct slice word = slice_trim(slice_cut(&rest, ','));
        unsigned i = 0;
        while (i < COUNT_OF(words) && !slice_equal_nocase(word, slice_of_text(words[i])))
            i++;
        said |= 1u << i;
    }
    if (said == 0 || said >> COUNT_OF(words) != 0 || ((said & 1) != 0 && said != 1))
        return send_failed(EX_USAGE, "-N: never, or a list of success, failure, delay");
    char value[64] = "";
    size_t len = 0;
    for (unsigned i = 0; i < COUNT_OF(words); i++)
        if (said & 1u << i)
            len += (size_t)snprintf(value + len, sizeof(value) - len, "%s%s", len > 0 ? "," : "",
                                    words[i]);
    o->rcpt_dsn[0] = '\0';
    return append_dsn(o->rcpt_dsn, "NOTIFY", value);
}

static int set_mail_dsn(struct send_options *o, const char *what, const char *envid)
{
    char xtext[3 * ENVID_BYTES_MAX + 1] = "";
    char *at = xtext;
    if (what && strcasecmp(what, "full") != 0 && strcasecmp(what, "hdrs") != 0)
        return send_failed(EX_USAGE, "-R: full or hdrs");
    if (envid && (envid[0] == '\0' || strlen(envid) > ENVID_BYTES_MAX))
        return send_failed(EX_USAGE, "-V: 1 to %d characters", ENVID_BYTES_MAX);
    for (const char *c = envid; c && *c; c++) { // RFC 3461 4
        if (*c < ' ' || *c > '~')
            return send_failed(EX_USAGE, "-V: printable ASCII only");
        if (*c == ' ' || *c == '+' || *c == '=')
            at += sprintf(at, "+%02X", (unsigned)*c);
        else
            *at++ = *c;
    }
    *at = '\0';
    o->mail_dsn[0] = '\0';
    if (what)
        append_dsn(o->mail_dsn, "RET", strcasecmp(what, "full") == 0 ? "FULL" : "HDRS");
    return envid ? append_dsn(o->mail_dsn, "ENVID", xtext) : EX_OK;
}

// -XV, -XV+=
static int set_verp(struct send_options *o, const char *characters)
{
    if (characters[0] != '\0' && strcmp(characters, "+=") != 0)
        return send_failed(EX_USAGE, "-XV: the characters are + and =");
    o->verp = true;
    return EX_OK;
}

// -q, -qIID, -qRSITE, -qSSENDER; or -qINTERVAL.
static int set_queue_run(struct send_options *o, char *which)
{
    static const struct {
        char letter;
        const char *option;
    } table[] = {{'I', "--id"}, {'R', "--domain"}, {'S', "--sender"}};
    o->mode = SEND_RETRY;
    snprintf(o->retry_option, sizeof(o->retry_option), "--all");
    if (!which)
        return EX_OK;
    if (which[0] >= '0' && which[0] <= '9') {
        o->mode = SEND_NOTHING; // an interval, for an engine that has its own
        return EX_OK;
    }
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (which[0] == table[i].letter && which[1] != '\0') {
            snprintf(o->retry_option, sizeof(o->retry_option), "%s", table[i].option);
            o->retry_value = which + 1;
            return EX_OK;
        }
    return send_failed(EX_USAGE, "-q%s: I, R or S and a value, or nothing", which);
}

// What has to be seen as a whole before it is judged.
struct seen {
    const char *ret, *envid;
};

static int take_option(struct send_options *o, struct seen *seen, int option)
{
    switch (option) {
    case 'B':
        o->is_8bit = strcasecmp(optarg, "8BITMIME") == 0;
        if (!o->is_8bit && strcasecmp(optarg, "7BIT") != 0)
            return send_failed(EX_USAGE, "-B: 7BIT or 8BITMIME");
        return EX_OK;
    case 'C': o->config_file = optarg; return EX_OK;
    case 'F': o->full_name = optarg; return EX_OK;
    case 'f':
    case 'r': o->sender = optarg; return EX_OK;
    case 'I': o->mode = SEND_NOTHING; return EX_OK; // as -bi
    case 'i': o->dot_is_text = true; return EX_OK;
    case 'o': o->dot_is_text |= strcmp(optarg, "i") == 0; return EX_OK;
    case 'N': return set_notify(o, optarg);
    case 'R': seen->ret = optarg; return EX_OK;
    case 'V': seen->envid = optarg; return EX_OK;
    case 'X': return optarg[0] == 'V' ? set_verp(o, optarg + 1) : EX_OK; // else a log file
    case 'b': return set_mode(o, optarg);
    case 'q': return set_queue_run(o, optarg);
    case 't': o->rcpts_from_header = true; return EX_OK;
    case 'v': o->verbose = true; return EX_OK;
    default: return EX_OK; // taken, and of no meaning here
    }
}

// Options that do not go together, and what is no matter of one option.
static int judge(struct send_options *o, const struct seen *seen)
{
    if (o->mode != SEND_DELIVER && o->rcpts_from_header)
        return send_failed(EX_USAGE, "-t is for mail on standard input");
    if (o->mode != SEND_DELIVER && o->rcpts[0])
        return send_failed(EX_USAGE, "what is '%s' for?", o->rcpts[0]);
    return set_mail_dsn(o, seen->ret, seen->envid);
}

bool send_options_parse(int argc, char **argv, struct send_options *ret, int *ret_exit)
{
    static const struct option long_options[] = {
        {"config", required_argument, NULL, 'C'},
        {"help", no_argument, NULL, LONG_HELP},
        {NULL, 0, NULL, 0},
    };
    struct seen seen = {0};
    *ret = (struct send_options){.mode = SEND_DELIVER};
    *ret_exit = EX_OK;
    if (strcmp(argv[0], "newaliases") == 0)
        ret->mode = SEND_NOTHING;
    else if (strcmp(argv[0], "mailq") == 0)
        ret->mode = SEND_LIST;
    opterr = 0; // we say it in our own words
    for (int option;
         (option = getopt_long(argc, argv, ":A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:q::r:tvx",
                               long_options, NULL)) != -1;) {
        if (option == LONG_HELP) {
            fputs(help, stdout);
            *ret_exit = command_printed() == COMMAND_DONE ? EX_OK : EX_IOERR;
            return false;
        }
        if (option == ':')
            *ret_exit = send_failed(EX_USAGE, "-%c needs a value", optopt);
        else if (option == '?' && optopt == 0) // a long one
            *ret_exit = send_failed(EX_USAGE, "no such option: %s", argv[optind - 1]);
        else if (option == '?')
            *ret_exit = send_failed(EX_USAGE, "no such option: -%c", optopt);
        else
            *ret_exit = take_option(ret, &seen, option);
        if (*ret_exit != EX_OK)
            return false;
    }
    ret->rcpts = argv + optind;
    *ret_exit = judge(ret, &seen);
    return *ret_exit == EX_OK;
}
