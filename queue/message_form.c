#include "queue/message_form.h"

#include "engine/base/check.h"

#include <stdlib.h>

// What a delivery has of its own, not the message's.
static void own_ends(struct message *form)
{
    atomic_init(&form->preface, NULL);
    form->entry = NULL;
    form->next_waiting = NULL;
    form->loan_count = 0;
}

void message_view_init(struct message *view, struct message *m)
{
    CHECK(m->envelope_sealed && !m->view_of);
    memcpy(view, m, sizeof(*view));
    own_ends(view);
    view->view_of = m;
}

void message_view_release(struct message *view)
{
    CHECK(view->view_of && view->loan_count == 0);
    free(atomic_load_explicit(&view->preface, memory_order_acquire));
}

struct message *message_rewrite_new(struct block_pool *p, bool beyond, const struct message *m,
                                    size_t content_bytes_max, char **ret_room)
{
    const struct slice campaign = message_campaign(m);
    size_t front = sizeof(*m) + m->envelope_bytes + campaign.len, bytes;
    CHECK(m->envelope_sealed);
    struct message *copy = beyond ? block_take_beyond(p, front + content_bytes_max, &bytes)
                                  : block_take(p, front + content_bytes_max, &bytes);
    if (!copy)
        return NULL;
    memcpy(copy, m, sizeof(*m));
    own_ends(copy);
    copy->view_of = NULL;
    copy->block_bytes = bytes;
    char *at = (char *)copy + sizeof(*copy);
    memcpy(at, message_envelope(m), m->envelope_bytes);
    if (campaign.len > 0)
        memcpy(at + m->envelope_bytes, campaign.data, campaign.len);
    copy->content_offset = copy->used_bytes = front;
    copy->content_bytes = 0;
    copy->has_body_hash = false;
    *ret_room = (char *)copy + front;
    return copy;
}

void message_rewrite_done(struct message *copy, size_t content_bytes, bool is_8bit,
                          bool has_dot_lines)
{
    CHECK(content_bytes <= copy->block_bytes - copy->content_offset);
    copy->content_bytes = content_bytes;
    copy->used_bytes = copy->content_offset + content_bytes;
    copy->is_8bit = is_8bit;
    copy->has_dot_lines = has_dot_lines;
}
