#include "engine/config_file.h"

#include "engine/base/check.h"
#include "engine/config_text.h"

#include <confuse.h>
#include <stdio.h>
#include <stdlib.h>

#define SETTINGS_PER_SECTION_MAX 32

// --- complaints

// libConfuse has no place for the caller's data. What it says is kept where it keeps comments,
// which we do not ask it to read: in the section that it concerns, until find_error() comes by.
__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *section, const char *format,
                                                           va_list args)
{
    char *reason = NULL;
    if (section->comment || vasprintf(&reason, format, args) < 0)
        return;
    if (asprintf(&section->comment, "%d: %s", section->line, reason) < 0)
        section->comment = NULL;
    free(reason);
}

// "LINE: reason"
static const char *find_error(cfg_t *file)
{
    if (file->comment)
        return file->comment;
    for (int i = CONFIG_TOP + 1; i < CONFIG_SECTION_COUNT; i++) {
        cfg_opt_t *option = cfg_getopt(file, config_sections[i].name);
        for (unsigned at = 0; at < cfg_opt_size(option); at++)
            if (cfg_opt_getnsec(option, at)->comment)
                return cfg_opt_getnsec(option, at)->comment;
    }
    return " out of memory";
}

bool config_file_complain(struct cfg_t *section, const char *format, ...)
{
    char reason[REFUSAL_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    cfg_error(section, "%s", reason);
    return false;
}

// --- while the file is read

static enum config_section section_named(const char *name)
{
    for (int i = CONFIG_TOP + 1; i < CONFIG_SECTION_COUNT; i++)
        if (strcmp(config_sections[i].name, name) == 0)
            return (enum config_section)i;
    return CONFIG_TOP; // libConfuse calls it "root"
}

static const struct setting *setting_named(enum config_section section, const char *name)
{
    const struct config_section_table *table = &config_sections[section];
    for (uint32_t i = 0; i < table->setting_count; i++)
        if (strcmp(table->settings[i].name, name) == 0)
            return &table->settings[i];
    return NULL;
}

// Is called after each value, and for lists after the last one again.
static int check_value(cfg_t *section, cfg_opt_t *option)
{
    union {
        char text[SETTING_TEXT_BYTES];
        struct setting_addresses addresses;
        struct setting_networks networks;
        struct route_hosts hosts;
        struct route_reply reply;
        struct retry_steps steps;
        struct setting_texts texts;
        struct dkim_names fields;
        struct mx_patterns patterns;
        struct rate_limits rates;
        struct source_list sources;
    } scratch = {.addresses.count = 0};
    struct refusal reason;
    const struct setting *s = setting_named(section_named(cfg_name(section)), cfg_opt_name(option));
    CHECK(s);
    for (unsigned i = 0; i < cfg_opt_size(option); i++) {
        struct slice text = slice_of_text(cfg_opt_getnstr(option, i));
        if (!setting_parse(s, text, &scratch, &reason)) {
            cfg_error(section, "%s: %s", s->name, reason.text);
            return -1;
        }
    }
    return 0;
}

static void make_options(enum config_section section, cfg_opt_t options[])
{
    const struct config_section_table *table = &config_sections[section];
    const cfg_opt_t end = CFG_END();
    CHECK(table->setting_count < SETTINGS_PER_SECTION_MAX);
    for (uint32_t i = 0; i < table->setting_count; i++) {
        const struct setting *s = &table->settings[i];
        cfg_opt_t one = CFG_STR(s->name, NULL, CFGF_NODEFAULT);
        cfg_opt_t list = CFG_STR_LIST(s->name, NULL, CFGF_NODEFAULT);
        options[i] = setting_is_list(s) ? list : one;
        options[i].validcb = check_value;
    }
    options[table->setting_count] = end;
}

// libConfuse's picture of all sections; it copies what it is given.
static cfg_t *make_file(void)
{
    cfg_opt_t inner[CONFIG_SECTION_COUNT][SETTINGS_PER_SECTION_MAX];
    cfg_opt_t top[SETTINGS_PER_SECTION_MAX + CONFIG_SECTION_COUNT];
    const cfg_opt_t end = CFG_END();
    make_options(CONFIG_TOP, top);
    uint32_t count = config_sections[CONFIG_TOP].setting_count;
    for (int i = CONFIG_TOP + 1; i < CONFIG_SECTION_COUNT; i++) {
        const struct config_section_table *table = &config_sections[i];
        cfg_flag_t flags = table->has_title ? CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES : 0;
        make_options((enum config_section)i, inner[i]);
        const cfg_opt_t section = CFG_SEC(table->name, inner[i], flags);
        top[count++] = section;
    }
    top[count] = end;
    return cfg_init(top, CFGF_NONE);
}

static bool parse_file(cfg_t *file, const char *path, struct refusal *why)
{
    char *text = config_text_read(path, why);
    FILE *stream = text ? fmemopen(text, strlen(text), "r") : NULL;
    bool is_ok = stream && cfg_parse_fp(file, stream) == CFG_SUCCESS;
    if (text && !is_ok)
        refuse(why, "%s:%s", path, find_error(file));
    if (stream)
        fclose(stream);
    free(text);
    return is_ok;
}

bool config_file_read(struct config *c, const char *path,
                      bool (*store)(struct config *c, struct cfg_t *file), struct refusal *why)
{
    cfg_t *file = make_file();
    if (!file) {
        refuse(why, "%s: out of memory", path);
        return false;
    }
    cfg_set_error_function(file, on_error);
    bool is_ok = parse_file(file, path, why);
    if (is_ok && !store(c, file)) {
        refuse(why, "%s:%s", path, find_error(file));
        is_ok = false;
    }
    cfg_free(file);
    return is_ok;
}

// --- when it has been read

unsigned config_file_count(struct cfg_t *file, const char *name)
{
    return cfg_size(file, name);
}

struct cfg_t *config_file_section(struct cfg_t *file, const char *name, unsigned at)
{
    return cfg_getnsec(file, name, at);
}

const char *config_file_title(struct cfg_t *section)
{
    return cfg_title(section);
}

void config_file_store(enum config_section section, cfg_t *from, void *base)
{
    const struct config_section_table *table = &config_sections[section];
    struct refusal reason;
    for (uint32_t i = 0; i < table->setting_count; i++) {
        const struct setting *s = &table->settings[i];
        cfg_opt_t *option = cfg_getopt(from, s->name);
        if (setting_is_list(s) && cfg_opt_size(option) > 0)
            setting_clear_list(s, setting_at(s, base));
        for (unsigned at = 0; at < cfg_opt_size(option); at++) {
            struct slice text = slice_of_text(cfg_opt_getnstr(option, at));
            CHECK(setting_parse(s, text, setting_at(s, base), &reason)); // check_value() saw to it
        }
    }
}
