// Listening on addresses that are taken, stale or not ours; and where there is no ring to be had.
#include "engine/base/check.h"
#include "tests/io_asker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void listen_on_taken_addresses(void)
{
    struct asker *me = asker_new(NULL);
    struct io_address a, again;
    int tcp = listener(me, TCP4, &a);
    again = a;
    CU_ASSERT_EQUAL(io_listen(me->io, &again, NULL), -EADDRINUSE);
    struct io_listen_options shared = {.shared_port = true};
    CU_ASSERT_EQUAL(io_listen(me->io, &again, &shared), -EADDRINUSE); // the first does not share
    close(tcp);
    int first = io_listen(me->io, &again, &shared);
    int second = io_listen(me->io, &again, &shared);
    CU_ASSERT_TRUE(first >= 0 && second >= 0);
    close(first);
    close(second);
    CU_ASSERT_TRUE(io_address_parse(SLICE("192.0.2.1:0"), 0, &again));
    CU_ASSERT_EQUAL(io_listen(me->io, &again, NULL), -EADDRNOTAVAIL);

    // A connection that our side closed first leaves TIME_WAIT on the port: that is not in use.
    tcp = listener(me, TCP4, &a);
    io_accept(me->io, tcp, token(0));
    int client = io_connect(me->io, &a, NULL, token(1));
    TURN_UNTIL(me, me->slots[0].count == 1 && ended(me, 1));
    io_receive(me->io, client, token(2));
    io_close(me->io, me->slots[0].last);
    io_close(me->io, tcp);
    TURN_UNTIL(me, ended(me, 0) && ended(me, 2));
    io_close(me->io, client);
    turn(me, 1000);
    tcp = io_listen(me->io, &a, NULL);
    CU_ASSERT_TRUE(tcp >= 0);
    close(tcp);
    asker_free(me);
}

static void listen_on_a_path(void)
{
    struct asker *me = asker_new(NULL);
    struct io_address a;
    struct stat status;
    mode_t old_mask = umask(0077);
    int first = listener(me, UNIX, &a);
    const char *path = a.as.un.sun_path;
    CU_ASSERT_EQUAL(stat(path, &status), 0);
    CU_ASSERT_EQUAL(status.st_mode & 0777, 0660);              // whatever the umask
    CU_ASSERT_EQUAL(io_listen(me->io, &a, NULL), -EADDRINUSE); // alive, though nobody accepts
    CU_ASSERT_EQUAL(stat(path, &status), 0);
    close(first); // the file stays, and refuses
    int second = io_listen(me->io, &a, &(struct io_listen_options){.mode = 0622});
    CU_ASSERT_TRUE(second >= 0);
    CU_ASSERT_EQUAL(stat(path, &status), 0);
    CU_ASSERT_EQUAL(status.st_mode & 0777, 0622);
    int client = io_connect(me->io, &a, NULL, token(0));
    TURN_UNTIL(me, ended(me, 0));
    CU_ASSERT_EQUAL(me->slots[0].last, 0);
    close(client);
    close(second);
    umask(old_mask);

    // What is not a socket is never removed.
    CU_ASSERT_EQUAL(unlink(path), 0);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    CU_ASSERT_TRUE(fd >= 0);
    CU_ASSERT_EQUAL(io_listen(me->io, &a, NULL), -ENOTSOCK);
    CU_ASSERT_EQUAL(stat(path, &status), 0);
    close(fd);
    unlink(path);
    strcpy(a.as.un.sun_path, "/nonexistent/x");
    CU_ASSERT_EQUAL(io_listen(me->io, &a, NULL), -ENOENT);
    asker_free(me);
}

// --- where there is no ring to be had

// In a child: io_new() after `harm`; exits 0 when it says `want`, and why.
static bool refused_after(void (*harm)(void), int want, const char *explains)
{
    pid_t child = fork();
    if (child == 0) {
        struct io *io;
        harm();
        int error = io_new(&io, NULL);
        _exit(error == want && strstr(io_new_explain(error), explains) ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return status == 0;
}

static void deny_rings(uint32_t error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = COUNT_OF(filter), .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        _exit(2);
}

static void deny_by_eperm(void)
{
    deny_rings(EPERM);
}

static void deny_by_enosys(void)
{
    deny_rings(ENOSYS);
}

static void take_descriptors(void)
{
    struct rlimit none = {0};
    setrlimit(RLIMIT_NOFILE, &none);
}

static void no_ring(void)
{
    CU_ASSERT_TRUE(refused_after(deny_by_eperm, -EPERM, "seccomp"));
    CU_ASSERT_TRUE(refused_after(deny_by_enosys, -ENOSYS, "seccomp"));
    CU_ASSERT_TRUE(refused_after(take_descriptors, -EMFILE, "RLIMIT_NOFILE"));
    static const int errors[] = {-EPERM, -EACCES, -ENOSYS, -EINVAL, -ENOMEM, -EMFILE, -EIO, -9999};
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        const char *text = io_new_explain(errors[i]);
        CU_ASSERT_TRUE(strlen(text) > 10 && !strchr(text, '\n'));
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(io_new_explain(-EINVAL), "6.1"));
}

static const struct suite_test tests[] = {
    {"listen on taken addresses", listen_on_taken_addresses},
    {"listen on a path", listen_on_a_path},
    {"no ring", no_ring},
};

int main(int argc, char **argv)
{
    return asker_main("io_listen", tests, COUNT_OF(tests), argc, argv);
}
