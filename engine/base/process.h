// engine/base/process.h: limits and figures of this process.
#ifndef POSTHASTE_BASE_PROCESS_H
#define POSTHASTE_BASE_PROCESS_H

#include <stdint.h>

// Raises the soft limit of open descriptors to the hard one (root: towards `wanted` first) and
// returns what is in force.
uint64_t process_raise_descriptors(uint64_t wanted);

uint64_t process_cpu_us(void); // user and system time of all threads so far
uint64_t process_resident_bytes_peak(void);
unsigned process_core_count(void); // that this process may run on

#endif
