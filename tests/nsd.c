// tests/nsd.c: a real name server for a test.
#include "tests/nsd.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_TRIES 5
#define START_MS_MAX 15000

static const char *const programs[] = {"/usr/sbin/nsd", "/usr/local/sbin/nsd", "/sbin/nsd"};

static const char *program(void)
{
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
        if (access(programs[i], X_OK) == 0)
            return programs[i];
    return NULL;
}

bool nsd_installed(void)
{
    return program() != NULL;
}

// Free for UDP and TCP a moment ago; who takes it meanwhile makes nsd fail, and us try again.
static uint16_t free_port(void)
{
    for (unsigned i = 0; i < 100; i++) {
        struct io_address a = io_address_from_bytes("\x7f\0\0\x01", 4, 0);
        int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool is_free = bind(udp, &a.as.any, a.len) == 0 &&
                       getsockname(udp, &a.as.any, &a.len) == 0 && bind(tcp, &a.as.any, a.len) == 0;
        close(udp);
        close(tcp);
        if (is_free)
            return io_address_port(&a);
    }
    return 0;
}

static bool write_files(const struct nsd *n, const struct nsd_zone *zones, unsigned zone_count)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/nsd.conf", n->folder);
    FILE *conf = fopen(path, "w");
    if (!conf)
        return false;
    fprintf(conf,
            "server:\n  ip-address: 127.0.0.1@%u\n  port: %u\n  server-count: 1\n"
            "  username: \"\"\n  chroot: \"\"\n  zonesdir: \"%s\"\n  database: \"\"\n"
            "  pidfile: \"%s/nsd.pid\"\n  logfile: \"%s/nsd.log\"\n  xfrdfile: \"%s/xfrd\"\n"
            "  zonelistfile: \"%s/zones\"\n  cookie-secret-file: \"\"\n  rrl-ratelimit: 0\n"
            "remote-control:\n  control-enable: no\n",
            io_address_port(&n->address), io_address_port(&n->address), n->folder, n->folder,
            n->folder, n->folder, n->folder);
    for (unsigned i = 0; i < zone_count; i++) {
        fprintf(conf, "zone:\n  name: \"%s\"\n  zonefile: \"%s.zone\"\n", zones[i].name,
                zones[i].name);
        snprintf(path, sizeof(path), "%s/%s.zone", n->folder, zones[i].name);
        FILE *zone = fopen(path, "w");
        if (!zone) {
            fclose(conf);
            return false;
        }
        fputs(zones[i].text, zone);
        fclose(zone);
    }
    return fclose(conf) == 0;
}

static void run(const struct nsd *n, pid_t parent)
{
    char conf[128];
    snprintf(conf, sizeof(conf), "%s/nsd.conf", n->folder);
    setpgid(0, 0); // its own children die with the group
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    execl(program(), "nsd", "-d", "-c", conf, (char *)NULL);
    _exit(127);
}

// Asks for the SOA of a zone until somebody answers that it has authority for it.
static bool answers(const struct nsd *n, const char *zone, int wait_ms)
{
    unsigned char query[300] = {0x12, 0x34, 0, 0, 0, 1}, reply[2048];
    size_t at = 12;
    for (const char *label = zone; *label; label += strcspn(label, "."), label += *label == '.') {
        size_t len = strcspn(label, ".");
        query[at++] = (unsigned char)len;
        memcpy(query + at, label, len);
        at += len;
    }
    memcpy(query + at, "\0\0\x06\0\x01", 5);
    at += 5;

    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool authoritative = false;
    if (connect(fd, &n->address.as.any, n->address.len) == 0 && send(fd, query, at, 0) > 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t len = poll(&p, 1, wait_ms) > 0 ? recv(fd, reply, sizeof(reply), 0) : -1;
        authoritative = len > 12 && reply[0] == 0x12 && reply[1] == 0x34 && (reply[2] & 0x04);
    }
    close(fd);
    return authoritative;
}

static bool start_once(struct nsd *n, const struct nsd_zone *zones, unsigned zone_count)
{
    n->address = io_address_from_bytes("\x7f\0\0\x01", 4, free_port());
    if (!write_files(n, zones, zone_count))
        return false;
    pid_t parent = getpid();
    n->pid = fork();
    if (n->pid == 0)
        run(n, parent);
    for (int waited_ms = 0; n->pid > 0 && waited_ms < START_MS_MAX; waited_ms += 50) {
        if (waitpid(n->pid, NULL, WNOHANG) == n->pid) {
            n->pid = 0;
            return false;
        }
        if (answers(n, zones[0].name, 50))
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
    }
    return false;
}

bool nsd_start(struct nsd *n, const struct nsd_zone *zones, unsigned zone_count)
{
    *n = (struct nsd){.folder = "/tmp/posthaste-nsd-XXXXXX"};
    if (!mkdtemp(n->folder)) {
        n->folder[0] = '\0';
        return false;
    }
    for (unsigned i = 0; i < START_TRIES; i++)
        if (start_once(n, zones, zone_count))
            return true;
    return false;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info, (void)type, (void)where;
    return remove(path);
}

void nsd_stop(struct nsd *n)
{
    if (n->pid > 0) {
        kill(n->pid, SIGTERM);
        for (unsigned i = 0; i < 100 && waitpid(n->pid, NULL, WNOHANG) != n->pid; i++)
            nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
        kill(-n->pid, SIGKILL); // whoever is left of the group
        waitpid(n->pid, NULL, WNOHANG);
    }
    if (n->folder[0])
        nftw(n->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    *n = (struct nsd){0};
}
