// queue/sanitizer.h: what the sanitizers cannot see by themselves. Empty in other builds.
//
// liburcu's functions are compiled without the thread sanitizer, so that it sees neither their
// accesses nor the order that they make. ORDER_GIVE and ORDER_TAKE state that order, each for one
// item: what was done before the item was given happens before what is done after it was taken.
// All else stays watched: an item that is used before it was taken, or by two owners, is reported.
//
// MEMORY_CLOSE and MEMORY_OPEN tell the address sanitizer which free blocks nobody may touch.
#ifndef POSTHASTE_QUEUE_SANITIZER_H
#define POSTHASTE_QUEUE_SANITIZER_H

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define POSTHASTE_TSAN
#endif
#if __has_feature(address_sanitizer)
#define POSTHASTE_ASAN
#endif
#elif defined(__SANITIZE_THREAD__)
#define POSTHASTE_TSAN
#elif defined(__SANITIZE_ADDRESS__)
#define POSTHASTE_ASAN
#endif

#ifdef POSTHASTE_TSAN
void __tsan_acquire(void *item);
void __tsan_release(void *item);
#define ORDER_GIVE(item) __tsan_release(item)
#define ORDER_TAKE(item) __tsan_acquire(item)
#else
#define ORDER_GIVE(item) ((void)(item))
#define ORDER_TAKE(item) ((void)(item))
#endif

#ifdef POSTHASTE_ASAN
#include <sanitizer/asan_interface.h>
#define MEMORY_CLOSE(data, bytes) ASAN_POISON_MEMORY_REGION(data, bytes)
#define MEMORY_OPEN(data, bytes) ASAN_UNPOISON_MEMORY_REGION(data, bytes)
#else
#define MEMORY_CLOSE(data, bytes) ((void)(data), (void)(bytes))
#define MEMORY_OPEN(data, bytes) ((void)(data), (void)(bytes))
#endif

#endif
