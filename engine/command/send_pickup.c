// The pickup directory, for when the engine is down. The file is complete and on the disk before
// it has a name that the engine takes.

#include "engine/command/send.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_BYTES_MAX 80

// A dot in front: not taken yet.
static bool make_name(char name[NAME_BYTES_MAX])
{
    uint64_t random;
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return false;
    snprintf(name, NAME_BYTES_MAX, ".posthaste-send.%d.%016llx", (int)getpid(),
             (unsigned long long)random);
    return true;
}

// Who the engine runs as: the configured user, or, where none is known, whose directory it is.
static void find_engine(const struct config *c, const struct stat *dir, uid_t *ret_uid,
                        gid_t *ret_gid)
{
    const struct passwd *user = c->user[0] ? getpwnam(c->user) : NULL;
    *ret_uid = user ? user->pw_uid : dir->st_uid;
    *ret_gid = user ? user->pw_gid : dir->st_gid;
}

// The engine must be able to read it, and nobody else, unless there is no other way: the file is
// given to the engine, or to its group, as far as we may do that.
static int give_away(const struct config *c, int fd, int dir_fd)
{
    struct stat dir;
    uid_t uid;
    gid_t gid;
    if (fstat(dir_fd, &dir) < 0)
        return -errno;
    find_engine(c, &dir, &uid, &gid);
    bool given = geteuid() == uid || fchown(fd, uid, gid) == 0 || // as root
                 fchown(fd, (uid_t)-1, gid) == 0;                 // as a member of the group
    return fchmod(fd, given ? 0640 : 0644) == 0 ? 0 : -errno;
}

static bool write_all(FILE *file, struct slice bytes)
{
    return fwrite(bytes.data, 1, bytes.len, file) == bytes.len;
}

static bool write_envelope(FILE *file, const struct send_mail *m, uint32_t first, uint32_t end)
{
    const struct send_options *o = m->options;
    bool good = fprintf(file, "MAIL FROM:<%s>%s%s%s%s\r\n", m->sender,
                        m->needs_smtputf8 ? " SMTPUTF8" : "", o->verp ? " XVERP" : "",
                        o->mail_dsn[0] ? " " : "", o->mail_dsn) > 0;
    for (uint32_t i = first; good && i < end; i++)
        good = fprintf(file, "RCPT TO:<%s>%s%s\r\n", m->rcpts[i].address, o->rcpt_dsn[0] ? " " : "",
                       o->rcpt_dsn) > 0;
    return good && write_all(file, SLICE("DATA\r\n"));
}

static bool write_stuffed(FILE *file, struct slice content)
{
    bool good = true;
    while (good && content.len > 0) {
        struct slice line = slice_take(content, slice_find(content, '\n') + 1);
        good = (line.data[0] != '.' || fputc('.', file) != EOF) && write_all(file, line);
        content = slice_skip(content, line.len);
    }
    return good;
}

// BSMTP: x-sender: and x-receiver: lines would go on into a message that begins with such fields of
// its own, as Windows' mail servers write them.
static bool write_mail(FILE *file, const struct send_mail *m, uint32_t first, uint32_t end)
{
    return write_envelope(file, m, first, end) && write_stuffed(file, buffer_slice(&m->header)) &&
           write_stuffed(file, m->body) && write_all(file, SLICE(".\r\n")) && fflush(file) == 0;
}

// A directory that we may not read cannot be synced by itself; its file system can.
static int publish(int fd, int dir_fd, const char *name)
{
    if (renameat(dir_fd, name, dir_fd, name + 1) < 0)
        return -errno;
    if (fsync(dir_fd) < 0 && (errno != EBADF || syncfs(fd) < 0))
        return -errno;
    return 0;
}

// Writes a file with a dot's name, and gives it its own. 0 or -errno.
static int leave(const struct config *c, int dir_fd, const struct send_mail *m, uint32_t first,
                 uint32_t end)
{
    char name[NAME_BYTES_MAX];
    if (!make_name(name))
        return -EAGAIN;
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    FILE *file = fdopen(fd, "w");
    int error = file && write_mail(file, m, first, end) ? give_away(c, fd, dir_fd) : -errno;
    if (error == 0 && fsync(fd) < 0)
        error = -errno;
    if (error == 0)
        error = publish(fd, dir_fd, name);
    if (error < 0)
        (void)unlinkat(dir_fd, name, 0);
    if (file)
        (void)fclose(file); // all of it is on the disk
    else
        close(fd);
    return error;
}

// In as many files as the engine's limit on recipients asks for.
static int leave_all(const struct config *c, int dir_fd, struct send_mail *m)
{
    const uint32_t rcpt_count_max = c->pickups[0].rcpt_count_max;
    for (uint32_t first = 0; first < m->rcpt_count; first += rcpt_count_max) {
        uint32_t left = m->rcpt_count - first;
        uint32_t end = first + (left < rcpt_count_max ? left : rcpt_count_max);
        int error = leave(c, dir_fd, m, first, end);
        if (error < 0)
            return error;
        for (uint32_t i = first; i < end; i++)
            m->rcpts[i].outcome = SEND_ACCEPTED;
    }
    return 0;
}

int send_pickup(struct send_mail *m, const struct config *c, const struct refusal *down)
{
    const struct config_pickup *p = &c->pickups[0];
    if (m->header.len + m->body.len > p->message_bytes_max)
        return send_failed(EX_UNAVAILABLE,
                           "the engine is down (%s), and the message is larger than max-message "
                           "of %s",
                           down->text, p->dir);
    int dir_fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0 && errno == EACCES) // where everybody may write, few may look
        dir_fd = open(p->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int error = dir_fd >= 0 ? leave_all(c, dir_fd, m) : -errno;
    if (dir_fd >= 0)
        close(dir_fd);
    if (error < 0)
        send_failed(EX_TEMPFAIL, "the engine is down (%s), and the mail cannot be left in %s: %s",
                    down->text, p->dir, strerror(-error));
    for (uint32_t i = 0; i < m->rcpt_count; i++)
        if (m->rcpts[i].outcome == SEND_WAITING)
            m->rcpts[i].outcome = SEND_LATER;
    return send_exit_code(m);
}
