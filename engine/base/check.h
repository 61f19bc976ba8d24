// engine/base/check.h: assertions that are always on, and their costlier cousins.
//
// CHECK says what we rely on. When it does not hold the bug is ours, and we stop: going on with
// a broken promise is worse. Never CHECK what a peer, a disk or a client can do.
// DCHECK walks whole structures; it is compiled only where POSTHASTE_DCHECK is defined (tests).
#ifndef POSTHASTE_BASE_CHECK_H
#define POSTHASTE_BASE_CHECK_H

#include <stddef.h>

_Noreturn void check_failed(const char *condition, const char *file, int line);

#define CHECK(condition)                                                                           \
    (__builtin_expect(!!(condition), 1) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))

#ifdef POSTHASTE_DCHECK
#define DCHECK(condition) CHECK(condition)
#else
#define DCHECK(condition) ((void)sizeof(condition))
#endif

#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
