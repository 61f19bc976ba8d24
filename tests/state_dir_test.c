// The engine's directory, its lock, and the way down from root.
#include "engine/base/slice.h"
#include "engine/directory.h"
#include "engine/pickup_owner.h"
#include "engine/privileges.h"
#include "engine/state_dir.h"
#include "tests/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY_UID 65534
#define NOBODY_GID 65534

// In place of the C library's: what was synced since it was asked last.
static ino_t synced[8];
static unsigned synced_count;

int fsync(int fd)
{
    struct stat about;
    if (fstat(fd, &about) == 0 && synced_count < sizeof(synced) / sizeof(synced[0]))
        synced[synced_count++] = about.st_ino;
    return (int)syscall(SYS_fsync, fd);
}

static bool was_synced(const char *path)
{
    struct stat about;
    bool found = false;
    CU_ASSERT_EQUAL(stat(path, &about), 0);
    for (unsigned i = 0; i < synced_count; i++)
        found |= synced[i] == about.st_ino;
    return found;
}

// A folder of the test's own; path() names things in it.
struct place {
    char folder[64];
    char path[PATH_MAX];
};

static struct place place_make(void)
{
    struct place p = {.folder = "/tmp/posthaste-state-test-XXXXXX"};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(p.folder));
    return p;
}

static const char *in(struct place *p, const char *name)
{
    snprintf(p->path, sizeof(p->path), "%s/%s", p->folder, name);
    return p->path;
}

static void place_remove(struct place *p)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", p->folder);
    CU_ASSERT_EQUAL(system(command), 0); // NOLINT(cert-env33-c)
}

static bool opens(const char *path, struct refusal *why)
{
    struct state_dir s;
    why->text[0] = '\0';
    bool is_open = state_dir_open(&s, path, geteuid(), getegid(), why);
    if (is_open)
        state_dir_close(&s);
    CU_ASSERT_EQUAL(s.dir_fd, -1);
    CU_ASSERT_EQUAL(s.lock_fd, -1);
    return is_open;
}

static void refuses(const char *path, const char *want)
{
    struct refusal why;
    CU_ASSERT_FALSE(opens(path, &why));
    if (!strstr(why.text, want))
        printf("want %s\ngot  %s\n", want, why.text);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, want));
    CU_ASSERT_PTR_NULL(strchr(why.text, '\n'));
}

static void test_is_made(void)
{
    struct place p = place_make();
    struct refusal why;
    struct stat about;
    CU_ASSERT(opens(in(&p, "a/b//c/"), &why));
    CU_ASSERT_EQUAL(stat(in(&p, "a/b/c"), &about), 0);
    CU_ASSERT_EQUAL(about.st_mode & 0777, 0700);
    CU_ASSERT_EQUAL(stat(in(&p, "a/b/c/lock"), &about), 0);
    CU_ASSERT_EQUAL(about.st_mode & 0777, 0600);
    CU_ASSERT(opens(in(&p, "a/b/c"), &why)); // and found again
    place_remove(&p);
}

// Whoever starts the engine may have any umask.
static void test_mode_is_no_matter_of_umask(void)
{
    struct place p = place_make();
    struct refusal why;
    struct stat about;
    mode_t before = umask(027);
    CU_ASSERT(directory_make(in(&p, "above/folder//"), 0770, geteuid(), getegid(), &why));
    CU_ASSERT_EQUAL(stat(in(&p, "above/folder"), &about), 0);
    CU_ASSERT_EQUAL(about.st_mode & 0777, 0770);
    CU_ASSERT_EQUAL(stat(in(&p, "above"), &about), 0);
    CU_ASSERT_EQUAL(about.st_mode & 0777, 0750);
    umask(before);
    place_remove(&p);
}

static void test_one_at_a_time(void)
{
    struct place p = place_make();
    struct state_dir first;
    struct refusal why;
    char want[64];
    snprintf(want, sizeof(want), "in use by another engine (pid %ld)", (long)getpid());
    CU_ASSERT_FATAL(state_dir_open(&first, in(&p, "s"), geteuid(), getegid(), &why));
    refuses(in(&p, "s"), want);
    state_dir_close(&first);
    CU_ASSERT(opens(in(&p, "s"), &why));
    place_remove(&p);
}

// The lock goes with the process, not with the file that it leaves behind.
static void test_lock_dies_with_process(void)
{
    struct place p = place_make();
    struct refusal why;
    int ready[2];
    CU_ASSERT_FATAL(pipe(ready) == 0);
    pid_t child = fork();
    CU_ASSERT_FATAL(child >= 0);
    if (child == 0) {
        struct state_dir s;
        bool is_open = state_dir_open(&s, in(&p, "s"), geteuid(), getegid(), &why);
        if (write(ready[1], is_open ? "y" : "n", 1) == 1)
            pause();
        _exit(1);
    }
    char answer = 'n';
    CU_ASSERT_EQUAL(read(ready[0], &answer, 1), 1);
    CU_ASSERT_EQUAL(answer, 'y');
    char want[64];
    snprintf(want, sizeof(want), "in use by another engine (pid %ld)", (long)child);
    refuses(in(&p, "s"), want);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    CU_ASSERT(opens(in(&p, "s"), &why));
    close(ready[0]);
    close(ready[1]);
    place_remove(&p);
}

static void make_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void test_planted(void)
{
    struct place p = place_make();
    char target[PATH_MAX];
    snprintf(target, sizeof(target), "%s/real", p.folder);
    CU_ASSERT_EQUAL(mkdir(target, 0700), 0);
    CU_ASSERT_EQUAL(symlink(target, in(&p, "link")), 0);
    refuses(in(&p, "link"), "not a directory of its own");

    make_file(in(&p, "file"), "");
    refuses(in(&p, "file"), "not a directory of its own");
    refuses(in(&p, "file/below"), "Not a directory");

    CU_ASSERT_EQUAL(chmod(target, 0770), 0);
    refuses(target, "others may write to it");
    CU_ASSERT_EQUAL(chmod(target, 0700), 0);

    snprintf(target, sizeof(target), "%s/victim", p.folder);
    make_file(target, "kept");
    CU_ASSERT_EQUAL(symlink(target, in(&p, "real/lock")), 0);
    refuses(in(&p, "real"), "lock: ");
    CU_ASSERT_EQUAL(unlink(in(&p, "real/lock")), 0);
    CU_ASSERT_EQUAL(link(target, in(&p, "real/lock")), 0);
    refuses(in(&p, "real"), "lock: not a file of our own");
    CU_ASSERT_EQUAL(unlink(in(&p, "real/lock")), 0);
    CU_ASSERT_EQUAL(mkfifo(in(&p, "real/lock"), 0600), 0);
    refuses(in(&p, "real"), "lock: not a file of our own");

    struct stat about;
    CU_ASSERT_EQUAL(stat(target, &about), 0);
    CU_ASSERT_EQUAL(about.st_size, 4); // nobody wrote into it
    place_remove(&p);
}

static void test_foreign_owner(void)
{
    struct place p = place_make();
    if (geteuid() == 0) {
        CU_ASSERT_EQUAL(mkdir(in(&p, "s"), 0700), 0);
        CU_ASSERT_EQUAL(chown(in(&p, "s"), NOBODY_UID, NOBODY_GID), 0);
        refuses(in(&p, "s"), "belongs to uid 65534, not to uid 0");
    } else {
        refuses("/etc", "belongs to uid 0, not to uid");
        refuses("/etc/posthaste", "cannot make /etc/posthaste: Permission denied");
    }
    place_remove(&p);
}

static void test_folder_for_a_file(void)
{
    struct place p = place_make();
    struct refusal why;
    struct stat about;
    CU_ASSERT(directory_make_for(in(&p, "run/x.sock"), 0755, geteuid(), getegid(), &why));
    CU_ASSERT_EQUAL(stat(in(&p, "run"), &about), 0);
    CU_ASSERT_EQUAL(stat(in(&p, "run/x.sock"), &about), -1);
    CU_ASSERT(directory_make_for("/x.sock", 0755, geteuid(), getegid(), &why));
    place_remove(&p);
}

// --- privileges

static void finds(const char *user, const char *want)
{
    struct privileges p;
    struct refusal why = {""};
    bool found = privileges_find(user, &p, &why);
    CU_ASSERT_EQUAL(found, want == NULL);
    if (want && !strstr(why.text, want))
        printf("want %s\ngot  %s\n", want, why.text);
    CU_ASSERT(!want || strstr(why.text, want));
}

static void test_user(void)
{
    finds("", NULL);
    finds("no-such-user", "user 'no-such-user' does not exist: make it by 'useradd ");
    finds("root", "user 'root' is root by another name");
    finds("nobody", geteuid() == 0 || geteuid() == NOBODY_UID
                        ? NULL
                        : "only root can start the engine as user 'nobody'");
}

// What a process that has dropped its privileges still could do; 0: nothing.
static int dropped(void)
{
    struct privileges p;
    struct refusal why;
    gid_t group = 0;
    if (setgroups(1, &group) != 0 || !privileges_find("nobody", &p, &why) ||
        !privileges_drop(&p, &why))
        return 1;
    if (getuid() != NOBODY_UID || geteuid() != NOBODY_UID || getegid() != NOBODY_GID)
        return 2;
    if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0 || getgroups(0, NULL) != 0)
        return 3;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return 4;
    if (access("/root", R_OK) == 0)
        return 5;
    return 0;
}

static void test_drop(void)
{
    int status = 0;
    if (geteuid() != 0)
        return;
    pid_t child = fork();
    CU_ASSERT_FATAL(child >= 0);
    if (child == 0)
        _exit(dropped());
    waitpid(child, &status, 0);
    CU_ASSERT(WIFEXITED(status));
    CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
}

// As root for a user: all that is made belongs to that user, who can open it again.
static void test_for_another_user(void)
{
    struct place p = place_make();
    struct state_dir s;
    struct refusal why;
    struct stat about;
    if (geteuid() == 0) {
        CU_ASSERT(state_dir_open(&s, in(&p, "s"), NOBODY_UID, NOBODY_GID, &why));
        state_dir_close(&s);
        CU_ASSERT(state_dir_open(&s, in(&p, "s"), NOBODY_UID, NOBODY_GID, &why));
        state_dir_close(&s);
        CU_ASSERT_EQUAL(stat(in(&p, "s/lock"), &about), 0);
        CU_ASSERT_EQUAL(about.st_uid, NOBODY_UID);
    }
    place_remove(&p);
}

// --- pickup directories

static int folder_fd(struct place *p, const char *name)
{
    (void)mkdir(in(p, name), 0700);
    int fd = open(in(p, name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CU_ASSERT_FATAL(fd >= 0);
    return fd;
}

// Takes the directory and lets it go again. The reason for which it is refused, or empty.
static const char *owns(int taken_fd, int journal_fd, struct refusal *why)
{
    why->text[0] = '\0';
    int lock_fd = pickup_owner_take(taken_fd, "DIR", journal_fd, why);
    CU_ASSERT_EQUAL(lock_fd >= 0, why->text[0] == '\0');
    if (lock_fd >= 0)
        close(lock_fd);
    return why->text;
}

static void test_pickup_one_at_a_time(void)
{
    struct place p = place_make();
    struct refusal why;
    char want[64];
    int taken_fd = folder_fd(&p, "taken"), again_fd = folder_fd(&p, "taken");
    int journal_fd = folder_fd(&p, "journal");
    int lock_fd = pickup_owner_take(taken_fd, "DIR", journal_fd, &why);
    CU_ASSERT_FATAL(lock_fd >= 0);
    snprintf(want, sizeof(want), "DIR/taken: in use by another engine (pid %ld)", (long)getpid());
    CU_ASSERT_STRING_EQUAL(owns(again_fd, journal_fd, &why), want);
    close(lock_fd);
    CU_ASSERT_STRING_EQUAL(owns(again_fd, journal_fd, &why), "");
    close(taken_fd);
    close(again_fd);
    close(journal_fd);
    place_remove(&p);
}

// Files that were taken belong to the journal that knows their messages.
static void test_pickup_of_another_journal(void)
{
    static const char foreign[] = "DIR/taken: holds 1 file that an engine with another state "
                                  "directory was taking, and may have sent: ";
    struct place p = place_make();
    struct refusal why;
    int taken_fd = folder_fd(&p, "taken"), one_fd = folder_fd(&p, "one");
    int two_fd = folder_fd(&p, "two");
    make_file(in(&p, "taken/before"), "from an engine that made no marks");
    CU_ASSERT_STRING_EQUAL(owns(taken_fd, one_fd, &why), "");
    CU_ASSERT_STRING_EQUAL(owns(taken_fd, one_fd, &why), "");
    CU_ASSERT_EQUAL(strncmp(owns(taken_fd, two_fd, &why), foreign, strlen(foreign)), 0);
    CU_ASSERT_EQUAL(strncmp(owns(taken_fd, -1, &why), foreign, strlen(foreign)), 0);
    CU_ASSERT_STRING_EQUAL(owns(taken_fd, one_fd, &why), ""); // a refusal changes nothing
    CU_ASSERT_EQUAL(unlink(in(&p, "taken/before")), 0);

    CU_ASSERT_STRING_EQUAL(owns(taken_fd, two_fd, &why), ""); // no file: no matter whose it was
    make_file(in(&p, "taken/file"), "");
    CU_ASSERT_EQUAL(strncmp(owns(taken_fd, one_fd, &why), foreign, strlen(foreign)), 0);
    CU_ASSERT_EQUAL(unlink(in(&p, "two/identity")), 0); // another journal in the same place
    CU_ASSERT_EQUAL(strncmp(owns(taken_fd, two_fd, &why), foreign, strlen(foreign)), 0);
    CU_ASSERT_EQUAL(unlink(in(&p, "taken/file")), 0);

    CU_ASSERT_STRING_EQUAL(owns(taken_fd, -1, &why), ""); // no journal: nobody knows
    make_file(in(&p, "taken/file"), "");
    CU_ASSERT_STRING_EQUAL(owns(taken_fd, -1, &why), "");
    CU_ASSERT_STRING_EQUAL(owns(taken_fd, one_fd, &why), "");
    close(taken_fd);
    close(one_fd);
    close(two_fd);
    place_remove(&p);
}

// What a power cut left of a mark that no file had depended on yet.
static void test_pickup_half_a_mark(void)
{
    struct place p = place_make();
    struct refusal why;
    int taken_fd = folder_fd(&p, "taken"), one_fd = folder_fd(&p, "one");
    make_file(in(&p, "taken/.journal"), "0123456789");
    make_file(in(&p, "one/identity"), "");
    make_file(in(&p, "taken/file"), "");
    CU_ASSERT_STRING_EQUAL(owns(taken_fd, one_fd, &why), "");
    CU_ASSERT_STRING_EQUAL(owns(taken_fd, one_fd, &why), "");
    close(taken_fd);
    close(one_fd);
    place_remove(&p);
}

// Whoever made it may have been killed before its entry was safe, and nothing tells so afterwards.
static void test_folder_is_synced_each_time(void)
{
    struct place p = place_make();
    struct state_dir s;
    struct refusal why;
    CU_ASSERT_FATAL(state_dir_open(&s, in(&p, "s"), geteuid(), getegid(), &why));
    for (int start = 0; start < 2; start++) {
        synced_count = 0;
        int fd = state_dir_folder(&s, p.path, "journal", geteuid(), getegid(), &why);
        CU_ASSERT(fd >= 0);
        close(fd);
        CU_ASSERT(was_synced(in(&p, "s/journal")));
        CU_ASSERT(was_synced(in(&p, "s")));
        CU_ASSERT(was_synced(p.folder));
    }
    state_dir_close(&s);
    place_remove(&p);
}

static const struct suite_test tests[] = {
    {"is made, and found again", test_is_made},
    {"mode is no matter of umask", test_mode_is_no_matter_of_umask},
    {"one engine at a time", test_one_at_a_time},
    {"the lock dies with its process", test_lock_dies_with_process},
    {"planted links and files", test_planted},
    {"foreign owner", test_foreign_owner},
    {"folder for a file", test_folder_for_a_file},
    {"user", test_user},
    {"dropping root's rights", test_drop},
    {"for another user", test_for_another_user},
    {"pickup: one at a time", test_pickup_one_at_a_time},
    {"pickup: of another journal", test_pickup_of_another_journal},
    {"pickup: half a mark", test_pickup_half_a_mark},
    {"a folder is synced each time", test_folder_is_synced_each_time},
};
SUITE_MAIN("state_dir", tests)
