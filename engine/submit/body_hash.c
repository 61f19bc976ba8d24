#include "engine/submit/body_hash.h"

#include "engine/message/author.h"

_Static_assert(sizeof(((struct message *)0)->body_hash) == DKIM_HASH_BYTES, "has room for it");

void body_hash_release(struct body_hash *b)
{
    dkim_body_free(b->hash);
    *b = (struct body_hash){0};
}

void body_hash_restart(struct body_hash *b)
{
    b->under_way = b->behind_header = b->skips_lf = false;
}

// A section that ends in another way is rare, and left to whoever signs.
static bool is_wanted(const struct dkim_table *table, const struct message *m,
                      const struct header_scan *header)
{
    char domain[ADDRESS_DOMAIN_BYTES_MAX + 1];
    size_t len = header->at_empty_line ? author_domain(message_content(m), domain) : 0;
    return len > 0 && dkim_table_find(table, slice_make(domain, len));
}

static void start(struct body_hash *b)
{
    if (!b->hash)
        b->hash = dkim_body_new();
    if (!b->hash)
        return; // it is made when it is needed
    b->under_way = b->skips_lf = true;
    dkim_body_start(b->hash);
}

void body_hash_add(struct body_hash *b, const struct dkim_table *table, const struct message *m,
                   const struct header_scan *header, struct slice rest)
{
    if (!table || !header->ended)
        return;
    if (!b->behind_header && is_wanted(table, m, header))
        start(b);
    b->behind_header = true;
    if (!b->under_way || rest.len == 0)
        return;
    dkim_body_add(b->hash, slice_skip(rest, b->skips_lf));
    b->skips_lf = false;
}

void body_hash_end(struct body_hash *b, struct message *m)
{
    m->has_body_hash = b->under_way;
    if (b->under_way)
        dkim_body_end(b->hash, m->body_hash);
    body_hash_restart(b);
}
