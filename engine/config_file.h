// engine/config_file.h: a configuration file as libConfuse reads it, for config*.c alone.
//
// Owns:         sections, their titles and values, all of them strings; complaints that name their
//               lines.
// Knows not of: what a section is about.
//
// Each value is checked by setting_parse() as soon as it is read, so that a complaint names its
// line, and stored in a second pass that cannot fail.
#ifndef POSTHASTE_CONFIG_FILE_H
#define POSTHASTE_CONFIG_FILE_H

#include "engine/config_settings.h"

struct cfg_t; // libConfuse's: a section, or the whole file

// Reads the file at `path`, and returns what `store` says to it. Also false when something in it is
// wrong; *why then begins with "FILE:LINE: ".
bool config_file_read(struct config *c, const char *path,
                      bool (*store)(struct config *c, struct cfg_t *file), struct refusal *why);

// For `store`, about the file or a section of it.
// How many sections of this name, or values of this setting.
unsigned config_file_count(struct cfg_t *file, const char *name);
struct cfg_t *config_file_section(struct cfg_t *file, const char *name, unsigned at);
const char *config_file_title(struct cfg_t *section);
// Its line is put before it. The first complaint counts. Always false, for the caller to return.
__attribute__((format(printf, 2, 3))) bool config_file_complain(struct cfg_t *section,
                                                                const char *format, ...);
// Stores what the section of the file says into the struct at `base`; the rest stays as it is.
void config_file_store(enum config_section section, struct cfg_t *from, void *base);

#endif
