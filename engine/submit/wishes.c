#include "engine/submit/wishes.h"

#include "engine/message/fields.h"

static enum wishes_fault take_priority(struct wishes *o, struct slice text)
{
    if (o->has_priority || !priority_parse(text, &o->priority))
        return WISHES_BAD_PRIORITY;
    o->has_priority = true;
    return WISHES_FINE;
}

static enum wishes_fault take_campaign(struct wishes *o, struct slice name)
{
    if (o->campaign_len > 0 || !campaign_name_valid(name))
        return WISHES_BAD_CAMPAIGN;
    memcpy(o->campaign, name.data, name.len);
    o->campaign_len = (uint8_t)name.len;
    return WISHES_FINE;
}

// All other fields close up, and then what is left behind these is cut once.
enum wishes_fault wishes_take(struct message *m, struct wishes *ret)
{
    const struct slice content = message_content(m);
    struct slice rest = content;
    struct header_field field;
    size_t kept = 0;
    enum wishes_fault fault = WISHES_FINE;
    *ret = (struct wishes){.has_priority = false};
    while (fault == WISHES_FINE && fields_next(&rest, &field)) {
        if (header_field_is(&field, SLICE(TRACE_PRIORITY_FIELD))) {
            fault = take_priority(ret, slice_trim_folds(field.body));
        } else if (header_field_is(&field, SLICE(TRACE_CAMPAIGN_FIELD))) {
            fault = take_campaign(ret, slice_trim_folds(field.body));
        } else {
            message_close_up(m, kept, (size_t)(field.whole.data - content.data), field.whole.len);
            kept += field.whole.len;
        }
    }
    if (fault == WISHES_FINE)
        message_cut(m, kept, content.len - rest.len - kept);
    return fault;
}

void wishes_carry_out(const struct wishes *o, struct message *m)
{
    if (o->has_priority)
        m->priority = o->priority;
    message_set_campaign(m, slice_make(o->campaign, o->campaign_len));
}
