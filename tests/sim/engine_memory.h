// tests/sim/engine_memory.h: the memory of a process in a simulated world, so that it can be lost:
// one that was killed gives nothing back, and the next one must not find it.
//
// All that is allocated between memory_enter() and memory_leave() is the process's; what the world
// allocates meanwhile is not, since sim_apart_lib has an allocator of its own (apart_malloc() and
// so on, see meson.build). The linker puts ours in place of malloc() and its kin (--wrap).
#ifndef POSTHASTE_TESTS_SIM_ENGINE_MEMORY_H
#define POSTHASTE_TESTS_SIM_ENGINE_MEMORY_H

#include <stddef.h>

void memory_enter(void);
void memory_leave(void);
size_t memory_count(void); // of pieces that it has not given back
void memory_lose(void);    // frees them

#endif
