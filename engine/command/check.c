// posthaste check: is this configuration sound, and what does it come to?
#include "engine/base/log.h"
#include "engine/command/command.h"
#include "engine/config.h"
#include "engine/dkim_keys.h"
#include "engine/doors.h"
#include "engine/privileges.h"
#include "engine/secrets.h"

#include <stdio.h>
#include <unistd.h>

static const char help[] =
    "usage: posthaste check [-c FILE]\n"
    "\n"
    "Reads the configuration and prints all that is in force, defaults too, in the file's own\n"
    "syntax. Or says what is wrong with it, where, and exits with 1: a certificate, a key, a\n"
    "password or a file of users that may not be used is wrong, too; a DKIM key that is not there\n"
    "is told of. It changes nothing.\n"
    "\n"
    "  -c, --config FILE   the file; without it, /etc/posthaste.conf, or the defaults\n"
    "                      where that is not there\n"
    "  -h, --help          this\n"
    "\n"
    "Exit codes: 0 sound, 1 not, 64 bad command line.\n";

// Certificates, their keys, and users.
static bool doors_are_sound(const struct config *config, uid_t uid, struct refusal *why)
{
    struct doors doors;
    struct users *users = NULL;
    if (!doors_read(config, uid, &doors, why))
        return false;
    doors_release(&doors);
    bool is_ok = doors_read_users(config, uid, &users, why);
    users_free(users);
    return is_ok;
}

// The files that it names: as serve would, for the user that it would run as; where there is none
// yet, for ours.
static bool files_are_sound(struct config *config, struct refusal *why)
{
    struct privileges user;
    struct refusal no_user;
    struct dkim_table *dkim;
    if (!privileges_find(config->user, &user, &no_user))
        user.uid = geteuid();
    if (!dkim_keys_read(config, user.uid, &dkim, why))
        return false;
    dkim_table_free(dkim);
    return secrets_read(config, user.uid, why) && doors_are_sound(config, user.uid, why);
}

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
    if (!config || !files_are_sound(config, &why)) {
        log_line(LOG_LEVEL_ERROR, "%s", why.text);
        config_free(config);
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
