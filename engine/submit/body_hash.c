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
    *b = (struct body_hash){.hash = b->hash};
}

// A section that ends in another way is rare, and left to whoever signs.
static bool is_wanted(const struct dkim_table *table, const struct message *m,
                      const struct header_scan *header)
{
    char domain[ADDRESS_DOMAIN_BYTES_MAX + 1];
    size_t len = header->at_empty_line ? author_domain(message_content(m), domain) : 0;
    return len > 0 && dkim_table_find(table, slice_make(domain, len));
}

static size_t body_bytes(const struct body_hash *b)
{
    return b->content_bytes > b->header_bytes ? b->content_bytes - b->header_bytes : 0;
}

// It is a large one: what has come of it, and the rest as it comes.
static void start(struct body_hash *b, struct slice begun)
{
    if (!b->hash)
        b->hash = dkim_body_new();
    b->wanted = b->under_way = b->hash != NULL; // else it is made when it is needed
    if (!b->hash)
        return;
    dkim_body_start(b->hash);
    dkim_body_add(b->hash, begun);
}

void body_hash_add(struct body_hash *b, const struct dkim_table *table, const struct message *m,
                   const struct header_scan *header, struct slice rest)
{
    if (!table || !header->ended)
        return;
    const struct slice content = message_content(m);
    if (!b->behind_header) { // `rest` begins with the LF of the empty line, or that will come
        b->behind_header = true;
        b->wanted = is_wanted(table, m, header);
        b->header_bytes = content.len - rest.len + 1;
    }
    b->content_bytes = content.len;
    if (b->under_way)
        dkim_body_add(b->hash, rest);
    else if (b->wanted && body_bytes(b) > BODY_CACHE_BYTES_MAX)
        start(b, slice_skip(content, b->header_bytes));
}

void body_hash_end(struct body_hash *b, struct body_cache *known, struct message *m)
{
    const struct slice content = message_content(m);
    m->has_body_hash = b->wanted;
    if (b->under_way)
        dkim_body_end(b->hash, m->body_hash);
    else if (b->wanted)
        body_cache_hash(known, slice_skip(content, content.len - body_bytes(b)), m->body_hash);
    body_hash_restart(b);
}
