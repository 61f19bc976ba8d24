// engine/setting_parts.h: what the files setting_NAME.c know of values, for these alone. What
// parses is setting_parse() for some kinds: it keeps the value where that belongs, or says why not;
// of a list, one more item.
#ifndef POSTHASTE_SETTING_PARTS_H
#define POSTHASTE_SETTING_PARTS_H

#include "engine/base/units.h"
#include "engine/setting.h"

// setting_number.c
bool setting_parse_number(const struct setting *s, struct slice text, uint64_t *ret,
                          struct refusal *why);
bool setting_parse_factor(const struct setting *s, struct slice text, uint32_t *ret,
                          struct refusal *why);
bool setting_parse_rate(const struct setting *s, struct slice text, struct rate_limits *list,
                        struct refusal *why);
bool setting_parse_step(const struct setting *s, struct slice text, struct retry_steps *list,
                        struct refusal *why);
// What is printed reads back as the same value.
const char *setting_print_exact(char text[UNITS_TEXT_BYTES], const struct setting *s,
                                uint64_t value);
bool setting_print_rate(const struct rate_limit *r, struct buffer *out);
bool setting_print_factor(uint32_t value, struct buffer *out);

// setting_word.c
bool setting_parse_yes_no(struct slice text, bool *ret, struct refusal *why);
bool setting_parse_word(const struct setting *s, struct slice text, uint32_t *ret,
                        struct refusal *why);
bool setting_parse_mode(struct slice text, uint32_t *ret, struct refusal *why);
bool setting_parse_mail_priority(struct slice text, int32_t *ret, struct refusal *why);
bool setting_keep_text(char value[SETTING_TEXT_BYTES], struct slice text, struct refusal *why);
bool setting_parse_host(struct slice text, char value[SETTING_TEXT_BYTES], struct refusal *why);
bool setting_parse_user(struct slice text, char value[SETTING_TEXT_BYTES], struct refusal *why);
bool setting_parse_path(struct slice text, char value[SETTING_TEXT_BYTES], struct refusal *why);
bool setting_parse_list_uris(struct slice text, char value[LIST_TEMPLATE_BYTES],
                             struct refusal *why);

// setting_list.c
bool setting_parse_one_of_words(const struct setting *s, struct slice text, uint32_t *set,
                                struct refusal *why);
bool setting_parse_address(const struct setting *s, struct slice text,
                           struct setting_addresses *list, struct refusal *why);
bool setting_parse_local(const struct setting *s, struct slice text, struct setting_addresses *list,
                         struct refusal *why);
bool setting_parse_source_name(struct slice text, struct source_list *list, struct refusal *why);
bool setting_parse_network(const struct setting *s, struct slice text,
                           struct setting_networks *list, struct refusal *why);
bool setting_parse_text_of(const struct setting *s, struct slice text, struct setting_texts *list,
                           struct refusal *why);
bool setting_parse_field(struct slice text, struct dkim_names *list, struct refusal *why);
bool setting_parse_pattern(struct slice text, struct mx_patterns *list, struct refusal *why);

// setting_route.c
bool setting_parse_route(struct slice text, char value[ROUTE_NAME_BYTES], struct refusal *why);
bool setting_parse_route_host(struct slice text, struct route_hosts *list, struct refusal *why);
bool setting_parse_reply(struct slice text, struct route_reply *ret, struct refusal *why);

#endif
