// The program `posthaste`: one subcommand, in a file of its own, for each thing that it does.
#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/command/command.h"

#include <stdio.h>

struct command {
    const char *name;
    enum command_exit (*run)(int argc, char **argv);
    const char *summary;
};

static const struct command commands[] = {
    {"serve", command_serve, "take mail and deliver it, until a signal"},
    {"send", command_send, "give one message to the engine, as sendmail does"},
    {"status", command_status, "the running engine at a glance; metrics"},
    {"top", command_top, "the running engine, anew each second"},
    {"queue", command_queue, "list or count what is queued"},
    {"hold", command_hold, "keep mail from being sent; list what is held"},
    {"release", command_release, "end a hold"},
    {"retry", command_retry, "try deferred mail now"},
    {"reroute", command_reroute, "send a domain's mail another way"},
    {"bounce", command_bounce, "send queued mail back to its senders"},
    {"purge", command_purge, "drop queued mail for good"},
    {"reload", command_reload, "read the configuration again"},
    {"drain", command_drain, "take no more mail, deliver what is there"},
    {"check", command_check, "read the configuration, print what it comes to"},
    {"journal", command_journal, "check or print the journal on disk, change nothing"},
    {"suppress", command_suppress, "see and change the list of addresses that get no mail"},
    {"feedback", command_feedback, "take a bounce or complaint, suppress whom it is about"},
    {"tls-report", command_tls_report,
     "tell what became of TLS with each domain, as RFC 8460 does"},
    {"explain", command_explain, "say why mail is not moving, what is next, and when"},
    {"trace", command_trace, "tell the whole story of one message"},
    {"events", command_events, "print what became of each recipient, and follow it"},
    {"version", command_version, "print the versions of the program and its libraries"},
};

static enum command_exit print_help(void)
{
    printf("usage: posthaste SUBCOMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    printf("\nposthaste SUBCOMMAND --help tells more. Exit codes: 0 done, 1 failed, 64 bad command "
           "line,\n69 no engine runs, 75 try again later.\n");
    return command_printed();
}

// The names of a mail system's commands, behind which `send` may stand.
static char *sendmail_name(char *path)
{
    static const char *const names[] = {"sendmail", "mailq", "newaliases"};
    char *slash = strrchr(path, '/');
    char *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(name, names[i]) == 0)
            return name;
    return NULL;
}

int main(int argc, char **argv)
{
    char *name = argc > 0 ? sendmail_name(argv[0]) : NULL;
    if (name) {
        argv[0] = name;
        log_setup(name, LOG_LEVEL_INFO);
        return (int)command_send(argc, argv);
    }
    log_setup("posthaste", LOG_LEVEL_INFO);
    if (argc < 2)
        return (int)command_misused(NULL, "a subcommand is missing");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return (int)print_help();
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return (int)command_version(1, argv);
    char option[] = "--help";
    char **words = argv + 1;
    int count = argc - 1;
    if (strcmp(words[0], "help") == 0) { // of a subcommand, when one follows
        if (count < 2)
            return (int)print_help();
        words[0] = words[1];
        words[1] = option;
        count = 2;
    }
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (strcmp(words[0], commands[i].name) == 0)
            return (int)commands[i].run(count, words);
    return (int)command_misused(NULL, "no such subcommand: %s", words[0]);
}
