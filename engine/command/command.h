// engine/command/command.h: the subcommands of the program, and what they share.
//
// Exit codes, for scripts: 0 done; 1 it went wrong, and standard error says why in one line;
// 64 the command line was wrong (EX_USAGE of sysexits.h, as sendmail has it). `send` has more of
// that header's codes.
#ifndef POSTHASTE_COMMAND_COMMAND_H
#define POSTHASTE_COMMAND_COMMAND_H

#include <stdbool.h>

enum command_exit {
    COMMAND_DONE = 0,
    COMMAND_FAILED = 1,
    COMMAND_MISUSED = 64,
    COMMAND_NO_INPUT = 66,    // EX_NOINPUT: what is to be read is not there
    COMMAND_UNAVAILABLE = 69, // EX_UNAVAILABLE: no engine runs there
    COMMAND_TRY_LATER = 75,   // EX_TEMPFAIL: the engine's disk has failed, or it cannot do it now
};

// Each gets its own name as argv[0].
enum command_exit command_serve(int argc, char **argv);
enum command_exit command_send(int argc, char **argv); // or one of sendmail's names
enum command_exit command_check(int argc, char **argv);
enum command_exit command_journal(int argc, char **argv);
enum command_exit command_status(int argc, char **argv);
enum command_exit command_top(int argc, char **argv);
enum command_exit command_queue(int argc, char **argv);
enum command_exit command_hold(int argc, char **argv);
enum command_exit command_release(int argc, char **argv);
enum command_exit command_retry(int argc, char **argv);
enum command_exit command_bounce(int argc, char **argv);
enum command_exit command_reroute(int argc, char **argv);
enum command_exit command_purge(int argc, char **argv);
enum command_exit command_reload(int argc, char **argv);
enum command_exit command_drain(int argc, char **argv);
enum command_exit command_tls_report(int argc, char **argv);
enum command_exit command_suppress(int argc, char **argv);
enum command_exit command_feedback(int argc, char **argv);
enum command_exit command_explain(int argc, char **argv);
enum command_exit command_trace(int argc, char **argv);
enum command_exit command_events(int argc, char **argv);
enum command_exit command_version(int argc, char **argv);

// Says what is wrong with the command line of subcommand `name` (NULL: of the program itself).
enum command_exit command_misused(const char *name, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// What getopt_long() has returned that is no option of the subcommand's own: --help, or a mistake.
// Returns what the subcommand is to exit with.
enum command_exit command_option(int option, char **argv, const char *help);

// The options -c FILE and --help, which is all that a subcommand about the configuration takes.
// False: the subcommand is to exit with *ret_exit. *ret_file, which the caller has set to NULL, is
// the file that is meant (config_file_meant()).
bool command_config_option(int argc, char **argv, const char *help, const char **ret_file,
                           enum command_exit *ret_exit);

// Standard output is closed with a look at what was written: a full disk is a failure.
enum command_exit command_printed(void);

#endif
