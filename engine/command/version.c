// posthaste version: ourselves, the kernel, and the libraries that this process runs with. Not
// those that it was built with: each is asked as it was loaded, or named by its file where it has
// no way to say.
#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/base/slice.h"
#include "engine/command/command.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

static const char *ask_ares(void *symbol)
{
    const char *(*ares_version)(int *) = (const char *(*)(int *))symbol;
    return ares_version(NULL);
}

static const char *ask_openssl(void *symbol)
{
    const char *(*openssl_version)(int) = (const char *(*)(int))symbol;
    return openssl_version(0); // OPENSSL_VERSION
}

static const char *ask_jemalloc(void *symbol)
{
    int (*mallctl)(const char *, void *, size_t *, void *,
                   size_t) = (int (*)(const char *, void *, size_t *, void *, size_t))symbol;
    const char *version = NULL;
    size_t len = sizeof(version);
    return mallctl("version", &version, &len, NULL, 0) == 0 ? version : NULL;
}

static const char *ask_idn2(void *symbol)
{
    const char *(*idn2_check_version)(const char *) = (const char *(*)(const char *))symbol;
    return idn2_check_version(NULL);
}

static const char *ask_curl(void *symbol)
{
    const char *(*curl_version)(void) = (const char *(*)(void))symbol;
    return curl_version();
}

static const char *ask_text(void *symbol)
{
    return symbol;
}

struct library {
    const char *name;
    const char *file; // how its file's name begins
    const char *symbol;
    const char *(*ask)(void *symbol);
};

static const struct library libraries[] = {
    {"liburing", "liburing.so", NULL, NULL},
    {"c-ares", "libcares.so", "ares_version", ask_ares},
    {"libcurl", "libcurl.so", "curl_version", ask_curl},
    {"OpenSSL", "libcrypto.so", "OpenSSL_version", ask_openssl},
    {"jemalloc", "libjemalloc.so", "mallctl", ask_jemalloc},
    {"liburcu", "liburcu-", NULL, NULL},
    {"libConfuse", "libconfuse.so", "confuse_version", ask_text},
    {"libidn2", "libidn2.so", "idn2_check_version", ask_idn2},
    {"PCRE2", "libpcre2-8.so", NULL, NULL},
};

static const struct library *library_of(struct slice file)
{
    for (size_t i = 0; i < COUNT_OF(libraries); i++)
        if (slice_starts(file, slice_of_text(libraries[i].file)))
            return &libraries[i];
    return NULL;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int print_loaded(struct dl_phdr_info *object, size_t size, void *unused)
{
    (void)size, (void)unused;
    const struct library *library = library_of(slice_of_text(base_name(object->dlpi_name)));
    char file[PATH_MAX];
    if (!library)
        return 0;
    void *symbol = library->symbol ? dlsym(RTLD_DEFAULT, library->symbol) : NULL;
    const char *version = symbol ? library->ask(symbol) : NULL;
    // Behind the name by which it was loaded stands a file with its full version.
    if (!version && realpath(object->dlpi_name, file))
        version = base_name(file);
    printf("%-12s %s\n", library->name, version ? version : object->dlpi_name);
    return 0;
}

static const char help[] = "usage: posthaste version\n"
                           "\n"
                           "Prints the versions of the program, of the kernel and of the libraries "
                           "that it runs with.\n";

enum command_exit command_version(int argc, char **argv)
{
    struct utsname kernel;
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(help, stdout);
        return command_printed();
    }
    if (argc > 1)
        return command_misused("version", "what is '%s' for?", argv[1]);
    printf("%-12s %s\n", "posthaste", POSTHASTE_VERSION);
    if (uname(&kernel) == 0)
        printf("%-12s %s\n", kernel.sysname, kernel.release);
    printf("%-12s %s\n", "glibc", gnu_get_libc_version());
    dl_iterate_phdr(print_loaded, NULL);
    return command_printed();
}
