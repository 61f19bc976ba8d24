#include "engine/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

bool privileges_find(const char *user, struct privileges *ret, struct refusal *why)
{
    const struct passwd *entry;
    *ret = (struct privileges){.uid = geteuid(), .gid = getegid()};
    if (user[0] == '\0')
        return true;
    errno = 0;
    entry = getpwnam(user);
    if (!entry && errno != 0 && errno != ENOENT)
        return refuse(why, "user '%s': %s", user, strerror(errno));
    if (!entry)
        return refuse(why,
                      "user '%s' does not exist: make it by 'useradd --system --user-group "
                      "--no-create-home --home-dir / --shell /usr/sbin/nologin %s', or set user = "
                      "\"...\" to another",
                      user, user);
    if (entry->pw_uid == 0)
        return refuse(why, "user '%s' is root by another name", user);
    if (geteuid() != 0 && entry->pw_uid != geteuid())
        return refuse(why, "only root can start the engine as user '%s'", user);
    if (geteuid() == 0)
        *ret = (struct privileges){.uid = entry->pw_uid, .gid = entry->pw_gid};
    return true;
}

// setresuid() may fail, or a security module may say yes and do otherwise: look.
static bool is_dropped(const struct privileges *p)
{
    uid_t uid[3];
    gid_t gid[3];
    if (getresuid(&uid[0], &uid[1], &uid[2]) != 0 || getresgid(&gid[0], &gid[1], &gid[2]) != 0)
        return false;
    for (int i = 0; i < 3; i++)
        if (uid[i] != p->uid || gid[i] != p->gid)
            return false;
    return getgroups(0, NULL) == 0 && setresuid(0, 0, 0) != 0 && setresgid(0, 0, 0) != 0;
}

// What setresuid() leaves: capabilities that a program started by us might inherit.
static bool drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return syscall(SYS_capset, &header, none) == 0;
}

bool privileges_drop(const struct privileges *p, struct refusal *why)
{
    if (geteuid() == 0) {
        if (setgroups(0, NULL) != 0 || setresgid(p->gid, p->gid, p->gid) != 0 ||
            setresuid(p->uid, p->uid, p->uid) != 0)
            return refuse(why, "cannot become uid %u: %s", p->uid, strerror(errno));
        if (!is_dropped(p))
            return refuse(why, "root's rights are not gone for good");
    }
    if (!drop_capabilities())
        return refuse(why, "cannot give up capabilities: %s", strerror(errno));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return refuse(why, "cannot give up new privileges: %s", strerror(errno));
    return true;
}
