// bench/micro_dkim.c: how many messages of 2 KiB one thread signs in a second, with each of the
// keys named. bench/dkim sets it beside what `openssl speed` says.
#include "engine/base/check.h"
#include "engine/message/dkim.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BODY_BYTES 2048
#define SECONDS_DEFAULT 3
#define BATCH 16 // between two looks at the clock
#define ROOM_BYTES 8192

static const char header[] = "Received: from client.example.net ([127.0.0.1])\r\n"
                             "\tby mail.example.net (posthaste) with ESMTP id 0123456789abcdef;\r\n"
                             "\tSun, 22 Nov 2026 05:24:15 +0000\r\n"
                             "From: News <news@example.net>\r\n"
                             "To: Someone Else <someone.else@mail.example.org>\r\n"
                             "Subject: What is new in November\r\n"
                             "Date: Sun, 22 Nov 2026 05:24:15 +0000\r\n"
                             "Message-ID: <4711.0815@example.net>\r\n"
                             "MIME-Version: 1.0\r\n"
                             "Content-Type: text/plain; charset=utf-8\r\n"
                             "Content-Transfer-Encoding: 8bit\r\n"
                             "List-Unsubscribe: <https://example.net/unsubscribe/4711>\r\n"
                             "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
                             "\r\n";

static const char *const names[] = {
    "from",
    "to",
    "cc",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "list-unsubscribe",
    "list-unsubscribe-post",
};

static _Noreturn void fail(const char *what, const char *why)
{
    fprintf(stderr, "micro_dkim: %s: %s\n", what, why);
    exit(2);
}

static struct dkim_key *read_key(const char *path)
{
    char pem[DKIM_KEY_FILE_BYTES_MAX];
    const char *why;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, pem, sizeof(pem));
    if (len < 0)
        fail(path, "cannot be read");
    close(fd);
    struct dkim_key *key = dkim_key_read(slice_make(pem, (size_t)len), &why);
    if (!key)
        fail(path, why);
    return key;
}

static size_t make_content(char *to, size_t room)
{
    size_t len = strlen(header);
    memcpy(to, header, len);
    while (len + 80 <= room) // lines as text has them
        len += (size_t)sprintf(to + len, "%.*s\r\n", 76,
                               "The quick brown fox jumps over the lazy dog, and does so again and "
                               "again; so it says.");
    return len;
}

static double cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void measure(const char *path, double seconds)
{
    char content[sizeof(header) + BODY_BYTES];
    char out[ROOM_BYTES];
    uint64_t count = 0;
    struct dkim_names signed_names = {0};
    struct dkim_key *key = read_key(path);
    struct dkim_signer *signer = dkim_signer_new();
    struct dkim_identity identity = {SLICE("example.net"), SLICE("s1"), key};
    struct dkim_request request = {
        .content = slice_make(content, make_content(content, sizeof(content))),
        .names = &signed_names,
        .identities = &identity,
        .identity_count = 1,
        .wall_s = 1790000000,
    };
    CHECK(signer);
    for (unsigned i = 0; i < COUNT_OF(names); i++)
        CHECK(dkim_names_add(&signed_names, slice_of_text(names[i]), i < 9));
    double from_s = cpu_s(), took_s;
    do {
        for (unsigned i = 0; i < BATCH; i++)
            CHECK(dkim_sign(signer, &request, out, sizeof(out)) > 0);
        count += BATCH;
        took_s = cpu_s() - from_s;
    } while (took_s < seconds);
    printf("%-24s %10.0f messages/s of CPU  %8.1f us/message\n", path, (double)count / took_s,
           took_s * 1e6 / (double)count);
    dkim_signer_free(signer);
    dkim_key_free(key);
}

int main(int argc, char **argv)
{
    int first = 1;
    double seconds = SECONDS_DEFAULT;
    if (argc > 2 && strcmp(argv[1], "--seconds") == 0) {
        seconds = strtod(argv[2], NULL);
        first = 3;
    }
    if (first >= argc || seconds <= 0) {
        fprintf(stderr, "usage: micro_dkim [--seconds S] KEY.pem...\n");
        return 64;
    }
    for (int i = first; i < argc; i++)
        measure(argv[i], seconds);
    return 0;
}
