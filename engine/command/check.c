// posthaste check: is this configuration sound, and what does it come to?
#include "engine/base/log.h"
#include "engine/command/command.h"
#include "engine/config.h"

#include <stdio.h>

static const char help[] =
    "usage: posthaste check [-c FILE]\n"
    "\n"
    "Reads the configuration and prints all that is in force, defaults too, in the file's own\n"
    "syntax. Or says what is wrong with it, where, and exits with 1. It changes nothing.\n"
    "\n"
    "  -c, --config FILE   the file; without it, the defaults\n"
    "  -h, --help          this\n";

enum command_exit command_check(int argc, char **argv)
{
    const char *file = NULL;
    enum command_exit code;
    struct config_place place;
    struct refusal why;
    struct buffer text;
    if (!command_config_option(argc, argv, help, &file, &code))
        return code;
    config_place_now(&place);
    struct config *config = config_load(file, &place, &why);
    if (!config) {
        log_line(LOG_LEVEL_ERROR, "%s", why.text);
        return COMMAND_FAILED;
    }
    buffer_init(&text, 2 * CONFIG_FILE_BYTES_MAX); // what the file leaves out is printed too
    bool is_ok = config_print(config, &text) && fwrite(text.data, 1, text.len, stdout) == text.len;
    buffer_release(&text);
    config_free(config);
    if (!is_ok)
        log_line(LOG_LEVEL_ERROR, "cannot print the configuration");
    return is_ok ? command_printed() : COMMAND_FAILED;
}
