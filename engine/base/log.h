// engine/base/log.h: log lines for people, one write(2) a line to standard error.
//
// Only engine/, engine/deliver/ and the programs log; lower rooms return. Never on the path of a
// message: events are for that. Foreign text can neither forge a line nor move a terminal's cursor:
// in all that is logged, control characters and what is not UTF-8 become '?'.
#ifndef POSTHASTE_BASE_LOG_H
#define POSTHASTE_BASE_LOG_H

#include "engine/base/slice.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

#define LOG_LINE_BYTES_MAX 2048

// "posthaste: warning: TEXT\n"; cut at LOG_LINE_BYTES_MAX.
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
// What stands in front of every line, and the least important level that is still written.
void log_setup(const char *program, enum log_level level);

#endif
