#include "engine/base/log.h"
#include "engine/command/command.h"
#include "engine/config.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

#define COMPLAINT_BYTES_MAX 512

enum command_exit command_misused(const char *name, const char *format, ...)
{
    char text[COMPLAINT_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (name)
        log_line(LOG_LEVEL_ERROR, "%s: %s (posthaste %s --help tells more)", name, text, name);
    else
        log_line(LOG_LEVEL_ERROR, "%s (posthaste --help tells more)", text);
    return COMMAND_MISUSED;
}

enum command_exit command_option(int option, char **argv, const char *help)
{
    switch (option) {
    case 'h': fputs(help, stdout); return command_printed();
    case ':': return command_misused(argv[0], "%s needs a value", argv[optind - 1]);
    default: return command_misused(argv[0], "no such option: %s", argv[optind - 1]);
    }
}

bool command_config_option(int argc, char **argv, const char *help, const char **ret_file,
                           enum command_exit *ret_exit)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    opterr = 0; // we say it in our own words
    for (int option; (option = getopt_long(argc, argv, ":c:h", options, NULL)) != -1;)
        if (option == 'c') {
            *ret_file = optarg;
        } else {
            *ret_exit = command_option(option, argv, help);
            return false;
        }
    if (optind < argc) {
        *ret_exit = command_misused(argv[0], "what is '%s' for?", argv[optind]);
        return false;
    }
    *ret_file = config_file_meant(*ret_file);
    return true;
}

enum command_exit command_printed(void)
{
    if (!ferror(stdout) && fclose(stdout) == 0)
        return COMMAND_DONE;
    log_line(LOG_LEVEL_ERROR, "cannot write: %s", strerror(errno));
    return COMMAND_FAILED;
}
