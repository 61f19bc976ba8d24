// Sections `campaign`.

#include "engine/config_parts.h"
#include "queue/priority.h"

#include <stdlib.h>

static bool store_campaign(struct list_rule *r, struct cfg_t *section)
{
    struct slice name = slice_of_text(config_file_title(section));
    size_t star_len = name.len > 0 && name.data[name.len - 1] == '*';
    struct slice fixed = slice_take(name, name.len - star_len);
    bool is_all = star_len == 1 && fixed.len == 0;
    if (name.len >= sizeof(r->campaign) || (!is_all && !campaign_name_valid(fixed)))
        return config_file_complain(
            section, "campaign: a name of 1 to %d printable ASCII characters is wanted",
            LIST_CAMPAIGN_BYTES - 1);
    memcpy(r->campaign, name.data, name.len);
    config_section_defaults(CONFIG_CAMPAIGN, r);
    config_file_store(CONFIG_CAMPAIGN, section, r);
    const char *fault = list_template_fault(&r->fields);
    return !fault ||
           config_file_complain(section, "campaign \"%s\": %s", config_file_title(section), fault);
}

bool config_store_campaigns(struct config *c, struct cfg_t *file)
{
    unsigned count = config_file_count(file, "campaign");
    if (count > CONFIG_CAMPAIGNS_MAX)
        return config_file_complain(file, "more than %d campaigns", CONFIG_CAMPAIGNS_MAX);
    c->lists.rules = calloc(count + 1, sizeof(*c->lists.rules));
    if (!c->lists.rules)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (!store_campaign(&c->lists.rules[c->lists.count++],
                            config_file_section(file, "campaign", i)))
            return false;
    return true;
}
