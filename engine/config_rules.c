// The rules about replies, read together with the configuration: an engine that starts has good
// ones, and `posthaste check` says what is wrong with others.
#include "engine/config_settings.h"
#include "engine/config_text.h"

#include <stdlib.h>

bool config_rules_load(struct config *c, struct refusal *why)
{
    char reason[RULES_WHY_BYTES];
    const char *path = c->delivery.rules_file, *trouble = NULL;
    uint32_t line;
    char *text = path[0] ? config_text_file(path, &trouble) : NULL;
    if (trouble)
        return refuse(why, "%s: %s", path, trouble);
    c->reply_rules = rules_new(text ? slice_of_text(text) : SLICE_EMPTY, rules_shipped(), reason,
                               &line);
    free(text);
    if (c->reply_rules)
        return true;
    return line > 0 ? refuse(why, "%s:%u: %s", path, line, reason)
                    : refuse(why, "%s: %s", path[0] ? path : "rules", reason);
}
