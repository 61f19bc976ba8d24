#include "bench/load/domains.h"

#include "engine/base/buffer.h"
#include "engine/base/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LOAD_DOMAIN_LIST_BYTES_MAX (1ull << 30)

struct load_domain {
    uint32_t at; // in `names`
    uint32_t len;
    uint64_t weight_before; // weights of all domains up to and with this one
};

struct load_domains {
    struct load_domain *domains;
    uint32_t count;
    uint32_t room;
    uint64_t weight;
    size_t longest;
    struct buffer names;
};

static struct load_domains *domains_new(void)
{
    struct load_domains *d = calloc(1, sizeof(*d));
    if (d)
        buffer_init(&d->names, LOAD_DOMAIN_LIST_BYTES_MAX);
    return d;
}

void load_domains_free(struct load_domains *d)
{
    if (!d)
        return;
    buffer_release(&d->names);
    free(d->domains);
    free(d);
}

static int domains_add(struct load_domains *d, struct slice name, uint64_t weight)
{
    if (d->count == d->room) {
        uint32_t room = d->room ? d->room * 2 : 64;
        struct load_domain *more = reallocarray(d->domains, room, sizeof(*more));
        if (!more)
            return -ENOMEM;
        d->domains = more;
        d->room = room;
    }
    uint32_t at = (uint32_t)d->names.len;
    if (d->count == LOAD_DOMAINS_MAX || !buffer_append(&d->names, name))
        return -E2BIG;
    d->weight += weight;
    d->domains[d->count++] = (struct load_domain){
        .at = at, .len = (uint32_t)name.len, .weight_before = d->weight};
    if (name.len > d->longest)
        d->longest = name.len;
    return 0;
}

int load_domains_number(struct load_domains **ret_domains, uint32_t count)
{
    struct load_domains *d = domains_new();
    int error = d ? 0 : -ENOMEM;
    for (uint32_t i = 1; !error && i <= count; i++) {
        char name[32];
        int len = snprintf(name, sizeof(name), "d%04u.example", i);
        error = domains_add(d, slice_make(name, (size_t)len), 1);
    }
    if (error) {
        load_domains_free(d);
        return error;
    }
    *ret_domains = d;
    return 0;
}

static struct slice next_word(struct slice *line)
{
    *line = slice_trim(*line);
    size_t end = 0;
    while (end < line->len && line->data[end] != ' ' && line->data[end] != '\t')
        end++;
    struct slice word = slice_take(*line, end);
    *line = slice_skip(*line, end);
    return word;
}

static bool is_domain_text(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.data[i] <= ' ' || strchr("<>@\x7f", name.data[i]))
            return false;
    return name.len > 0 && name.len <= LOAD_DOMAIN_BYTES_MAX;
}

static int domains_add_line(struct load_domains *d, struct slice line)
{
    line = slice_cut(&line, '#');
    line = slice_cut(&line, '\r');
    struct slice name = next_word(&line);
    if (name.len == 0)
        return 0;
    uint64_t weight = 1;
    struct slice number = next_word(&line);
    if (number.len > 0 && !slice_to_u64(number, UINT32_MAX, &weight))
        return -EINVAL;
    if (!is_domain_text(name) || slice_trim(line).len > 0)
        return -EINVAL;
    return weight > 0 ? domains_add(d, name, weight) : 0;
}

int load_domains_read(struct load_domains **ret_domains, const char *path, unsigned *ret_line)
{
    char *text = NULL;
    size_t room = 0;
    unsigned line = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return -errno;
    struct load_domains *d = domains_new();
    int error = d ? 0 : -ENOMEM;
    ssize_t len;
    while (!error && (len = getline(&text, &room, file)) > 0) {
        line++;
        error = domains_add_line(
            d, slice_trim(slice_make(text, (size_t)len - (text[len - 1] == '\n'))));
    }
    if (!error && ferror(file))
        error = -EIO;
    if (!error && d->count == 0)
        error = -EINVAL;
    free(text);
    fclose(file);
    if (error) {
        load_domains_free(d);
        *ret_line = line;
        return error;
    }
    *ret_domains = d;
    return 0;
}

struct slice load_domains_draw(const struct load_domains *d, struct random *dice)
{
    CHECK(d->count > 0);
    uint32_t low = 0;
    if (d->weight == d->count) {
        low = random_below(dice, d->count); // all weigh the same
    } else {
        uint64_t at = random_u64(dice) % d->weight;
        uint32_t high = d->count - 1;
        while (low < high) { // the first whose share reaches beyond `at`
            uint32_t middle = low + (high - low) / 2;
            if (d->domains[middle].weight_before > at)
                high = middle;
            else
                low = middle + 1;
        }
    }
    return slice_make(d->names.data + d->domains[low].at, d->domains[low].len);
}

uint32_t load_domains_count(const struct load_domains *d)
{
    return d->count;
}

size_t load_domains_longest(const struct load_domains *d)
{
    return d->longest;
}
