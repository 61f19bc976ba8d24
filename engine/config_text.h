// engine/config_text.h: the configuration file as a text that libConfuse reads without mishap.
//
// Owns:         reading the file; quotes, comments and braces that have no end.
// Knows not of: settings and sections.
//
// libConfuse's scanner ends the process when a read fails, loses count of the lines behind a
// comment, and takes the end of the file for a closing brace.
#ifndef POSTHASTE_CONFIG_TEXT_H
#define POSTHASTE_CONFIG_TEXT_H

#include "engine/config.h"

// The file's text, with each comment turned into blanks; free() it. NULL, with the reason
// ("FILE: ..." or "FILE:LINE: ..."), when it cannot be read or something in it
// never ends.
char *config_text_read(const char *path, struct refusal *why);

// Any file of text, whole, with a line end and a NUL behind it; free() it. NULL: *ret_trouble says
// why.
char *config_text_file(const char *path, const char **ret_trouble);

#endif
