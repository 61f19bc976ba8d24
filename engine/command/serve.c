// posthaste serve: the engine itself, in the foreground, until a signal.

#include "engine/base/log.h"
#include "engine/command/command.h"
#include "engine/config.h"
#include "engine/directory.h"
#include "engine/dkim_keys.h"
#include "engine/doors.h"
#include "engine/engine.h"
#include "engine/holds_file.h"
#include "engine/privileges.h"
#include "engine/rates_file.h"
#include "engine/secrets.h"
#include "engine/state_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL_FOLDER "journal" // in the state directory
#define SUPPRESSION_FOLDER "suppression"
#define MTA_STS_FOLDER "mta-sts"
#define TLS_REPORT_FOLDER "tls-report"

static const char help[] =
    "usage: posthaste serve [-c FILE]\n"
    "\n"
    "Takes mail from the listeners, and delivers it to the recipients' mail exchangers.\n"
    "\n"
    "  -c, --config FILE   the configuration; without it, /etc/posthaste.conf, or\n"
    "                      the defaults where that is not there\n"
    "  -h, --help          this\n"
    "\n"
    "Accepted mail is in the journal, in the state directory, before its client is told so; what is\n"
    "not delivered when the engine ends is delivered when it is started again.\n"
    "SIGTERM or SIGINT: takes no more mail, ends the transactions under way (clients have 30 s for\n"
    "theirs), and exits; a second one exits at once. SIGHUP: as posthaste reload.\n"
    "\n"
    "Exit codes: 0 it was told to end, 1 it cannot run, 64 bad command line, 75 the journal can be\n"
    "written no longer.\n";

static int block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP); // a terminal that is closed does not end what holds mail
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

// A crash may have cut off the last line: what comes now begins with a line of its own.
static void end_last_line(const char *path, int fd)
{
    struct stat status;
    char last = '\n';
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size == 0)
        return;
    int read_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (read_fd >= 0 && pread(read_fd, &last, 1, status.st_size - 1) == 1 && last != '\n' &&
        write(fd, "\n", 1) < 0)
        log_line(LOG_LEVEL_WARNING, "%s: %s", path, strerror(errno));
    if (read_fd >= 0)
        close(read_fd);
}

// Where events go: a file, standard output, or nowhere (-1, with nothing refused).
static int open_events(const struct config *c, const struct privileges *p, struct refusal *why)
{
    if (c->events_file[0] == '\0')
        return -1;
    if (strcmp(c->events_file, "stdout") == 0) {
        // Two workers append to it; into a file that only works at its end.
        (void)fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | O_APPEND);
        return STDOUT_FILENO;
    }
    int fd = open(c->events_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        refuse(why, "cannot write events to %s: %s", c->events_file, strerror(errno));
    else
        end_last_line(c->events_file, fd);
    if (fd >= 0 && geteuid() == 0 && fchown(fd, p->uid, p->gid) < 0)
        log_line(LOG_LEVEL_WARNING, "%s: %s", c->events_file, strerror(errno));
    return fd;
}

// The folders of unix sockets: /run is empty after each start of the machine.
static bool make_socket_folders(const struct config *c, const struct privileges *p,
                                struct refusal *why)
{
    for (uint32_t i = 0; i < c->listener_count; i++) {
        const struct io_address *a = &c->listeners[i].address;
        if (io_address_is_unix(a) &&
            !directory_make_for(a->as.un.sun_path, 0755, p->uid, p->gid, why))
            return false;
    }
    return !c->control_socket[0] ||
           directory_make_for(c->control_socket, 0755, p->uid, p->gid, why);
}

// As root we may make them where the engine's user could not.
static bool make_pickups(const struct config *c, const struct privileges *p, struct refusal *why)
{
    for (uint32_t i = 0; i < c->pickup_count; i++)
        if (!directory_make(c->pickups[i].dir, 0770, p->uid, p->gid, why))
            return false;
    return true;
}

// Bound by root, they are for the engine's user, and for members of its group.
static bool own_socket(const char *path, const struct privileges *p, struct refusal *why)
{
    if (lchown(path, p->uid, p->gid) == 0)
        return true;
    return refuse(why, "cannot give %s to its user: %s", path, strerror(errno));
}

static bool own_sockets(const struct config *c, const struct privileges *p, struct refusal *why)
{
    if (geteuid() != 0)
        return true;
    for (uint32_t i = 0; i < c->listener_count; i++) {
        const struct io_address *a = &c->listeners[i].address;
        if (io_address_is_unix(a) && !own_socket(a->as.un.sun_path, p, why))
            return false;
    }
    return !c->control_socket[0] || own_socket(c->control_socket, p, why);
}

// Mail that waits in a journal is not delivered by an engine that has none.
static void warn_of_journal(const struct state_dir *state, const char *path)
{
    int fd = openat(state->dir_fd, JOURNAL_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    bool found = false;
    while (folder && !found && (entry = readdir(folder)))
        found = strstr(entry->d_name, ".segment") != NULL;
    if (found)
        log_line(LOG_LEVEL_WARNING,
                 "%s/" JOURNAL_FOLDER " holds a journal: mail that waits there is delivered only "
                 "with journal { durable = yes }",
                 path);
    if (folder)
        closedir(folder);
    else if (fd >= 0)
        close(fd);
}

// What the engine needs to read its configuration again.
struct reload_place {
    const char *file;
    const struct config *config; // that it was started with
};

static struct config *reload(void *context, struct refusal *why)
{
    const struct reload_place *from = context;
    struct config_place place;
    config_place_now(&place);
    struct config *c = config_load(from->file, &place, why);
    if (c && !secrets_read(c, geteuid(), why)) {
        config_free(c);
        return NULL;
    }
    if (c)
        config_needs_restart(from->config, c, why);
    return c;
}

static bool open_tls_folders(const struct state_dir *state, const struct config *c,
                             const struct privileges *p, struct engine_files *files,
                             struct refusal *why)
{
    files->tls_report_fd = state_dir_folder(state, c->state_dir, TLS_REPORT_FOLDER, p->uid, p->gid,
                                            why);
    if (files->tls_report_fd < 0 || !c->mta_sts.use)
        return files->tls_report_fd >= 0;
    files->mta_sts_fd = state_dir_folder(state, c->state_dir, MTA_STS_FOLDER, p->uid, p->gid, why);
    return files->mta_sts_fd >= 0;
}

// Each stays with `files`, also when one cannot be opened.
static bool open_files(const struct config *c, const struct state_dir *state,
                       const struct privileges *user, struct engine_files *files,
                       struct refusal *why)
{
    files->events_fd = open_events(c, user, why);
    if (files->events_fd < 0 && c->events_file[0] != '\0')
        return false;
    files->suppression_fd = state_dir_folder(state, c->state_dir, SUPPRESSION_FOLDER, user->uid,
                                             user->gid, why);
    if (files->suppression_fd < 0 || !open_tls_folders(state, c, user, files, why))
        return false;
    if (c->durable)
        files->journal_fd = state_dir_folder(state, c->state_dir, JOURNAL_FOLDER, user->uid,
                                             user->gid, why);
    else
        warn_of_journal(state, c->state_dir);
    if (c->durable && files->journal_fd < 0)
        return false;
    files->holds_fd = holds_file_open(state->dir_fd, c->state_dir, user->uid, user->gid,
                                      files->holds, files->reroutes, why);
    if (files->holds_fd < 0)
        return false;
    files->rates_fd = state_dir_folder(state, c->state_dir, RATES_FOLDER, user->uid, user->gid,
                                       why);
    return files->rates_fd >= 0;
}

static void close_fd(int fd)
{
    if (fd > STDOUT_FILENO)
        close(fd);
}

static void close_files(struct engine_files *files)
{
    close_fd(files->events_fd);
    close_fd(files->journal_fd);
    close_fd(files->holds_fd);
    close_fd(files->rates_fd);
    close_fd(files->suppression_fd);
    close_fd(files->mta_sts_fd);
    close_fd(files->tls_report_fd);
    close_fd(files->signal_fd);
    free(*files->holds);
    reroutes_release(files->reroutes);
}

static bool run(struct engine *e, struct engine_files *files, struct refusal *why)
{
    bool good = engine_run(e, files, why);
    files->events_fd = -1; // it was closed
    return good;
}

static enum command_exit serve(struct config *c, const char *file, struct refusal *why)
{
    struct privileges user;
    struct state_dir state;
    struct dkim_table *dkim = NULL;
    enum command_exit code = COMMAND_FAILED;
    if (!privileges_find(c->user, &user, why) ||
        !state_dir_open(&state, c->state_dir, user.uid, user.gid, why))
        return code;
    struct holds *holds = NULL;
    struct reroutes reroutes = {0};
    struct doors doors = {.count = 0};
    struct users *users = NULL;
    struct rate_memory *rates = NULL;
    struct reload_place from = {file, c};
    struct engine_files files = {
        .signal_fd = block_signals(),
        .events_fd = -1,
        .journal_fd = -1,
        .suppression_fd = -1,
        .mta_sts_fd = -1,
        .tls_report_fd = -1,
        .holds_fd = -1,
        .rates_fd = -1,
        .holds = &holds,
        .reroutes = &reroutes,
        .doors = &doors,
        .users = &users,
        .reload = reload,
        .reload_context = &from,
    };
    bool opened = open_files(c, &state, &user, &files, why);
    if (opened)
        files.rate_memory = rates = rates_file_load(files.rates_fd);
    struct engine *e = opened && make_socket_folders(c, &user, why) &&
                               make_pickups(c, &user, why) &&
                               dkim_keys_read(c, user.uid, &dkim, why) &&
                               secrets_read(c, user.uid, why) &&
                               doors_read(c, user.uid, &doors, why) &&
                               doors_read_users(c, user.uid, &users, why)
                           ? engine_new(c, dkim, why)
                           : NULL;
    if (e && own_sockets(c, &user, why) && privileges_drop(&user, why) && run(e, &files, why))
        code = COMMAND_DONE;
    else if (e && engine_disk_failed(e))
        code = COMMAND_TRY_LATER;
    engine_free(e);
    dkim_table_free(dkim);
    close_files(&files);
    rate_memory_free(rates);
    doors_release(&doors);
    users_free(users);
    state_dir_close(&state);
    return code;
}

enum command_exit command_serve(int argc, char **argv)
{
    const char *file = NULL;
    enum command_exit code;
    struct config_place place;
    struct refusal why = {0};
    if (!command_config_option(argc, argv, help, &file, &code))
        return code;
    config_place_now(&place);
    struct config *c = config_load(file, &place, &why);
    code = c ? serve(c, file, &why) : COMMAND_FAILED;
    if (code != COMMAND_DONE)
        log_line(LOG_LEVEL_ERROR, "%s", why.text);
    config_free(c);
    return code;
}
