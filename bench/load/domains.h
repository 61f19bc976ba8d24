// bench/load/domains.h: the recipient domains and how often each is drawn.
//
// Made once before the workers start; read-only from then on, shared by all.
#ifndef POSTHASTE_BENCH_LOAD_DOMAINS_H
#define POSTHASTE_BENCH_LOAD_DOMAINS_H

#include "engine/base/random.h"
#include "engine/base/slice.h"

#define LOAD_DOMAINS_MAX 10000000u
#define LOAD_DOMAIN_BYTES_MAX 255

struct load_domains;

// "d0001.example" and so on, all alike.
int load_domains_number(struct load_domains **ret_domains, uint32_t count);
// A file of lines "domain [weight]" (weight 1 when not said; "#" begins a comment). -EINVAL: a line
// is not of this form or there is none; *ret_line says which.
int load_domains_read(struct load_domains **ret_domains, const char *path, unsigned *ret_line);
void load_domains_free(struct load_domains *d);

struct slice load_domains_draw(const struct load_domains *d, struct random *dice);
uint32_t load_domains_count(const struct load_domains *d);
size_t load_domains_longest(const struct load_domains *d); // bytes of the longest name

#endif
