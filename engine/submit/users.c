#include "engine/submit/users.h"

#include "engine/base/units.h"

#include <crypt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define UID_PREFIX SLICE("uid ")

struct users {
    char *text;
    uint32_t count;
    struct user *items;   // by name
    pthread_mutex_t lock; // of all meters
};

// --- the file

static int compare_names(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.data, b.data, len) : 0;
    return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

static int compare_users(const void *a, const void *b)
{
    const struct user *left = a, *right = b;
    return compare_names(left->name, right->name);
}

static bool is_sender(struct slice item)
{
    char domain[ADDRESS_DOMAIN_BYTES_MAX + 1];
    struct address a;
    if (slice_equal(item, SLICE("<>")))
        return true;
    if (item.len > 0 && item.data[0] == '@')
        return address_domain_ascii(slice_skip(item, 1), domain) > 0;
    return address_parse(item, true, &a) == ADDRESS_OK && a.domain.len > 0;
}

static const char *take_senders(struct user *user, struct slice list)
{
    user->has_senders = true;
    user->senders = list;
    if (list.len == 0 || list.data[list.len - 1] == ',')
        return "senders= wants addresses, @domains or <>, parted by commas";
    while (list.len > 0)
        if (!is_sender(slice_cut(&list, ',')))
            return "senders= wants addresses, @domains or <>, parted by commas";
    return NULL;
}

static const char *take_rates(struct user *user, struct slice list)
{
    uint64_t count, us;
    while (list.len > 0) {
        if (user->rates.count == RATES_SET_MAX)
            return "rate= takes four of them at most";
        if (!units_parse_count_in(slice_cut(&list, ','), &count, &us) || count == 0 ||
            count > UINT32_MAX || us < RATE_US_MIN || us > RATE_US_MAX)
            return "rate= wants messages in a time, such as 1000/h";
        user->rates.items[user->rates.count++] = (struct rate_limit){(uint32_t)count, us};
    }
    return user->rates.count > 0 ? NULL : "rate= wants messages in a time, such as 1000/h";
}

static const char *take_right(struct user *user, struct slice word)
{
    struct slice value = word;
    const struct slice key = slice_cut(&value, '=');
    if (slice_equal(key, SLICE("senders")) && !user->has_senders)
        return take_senders(user, value);
    if (slice_equal(key, SLICE("rate")) && user->rates.count == 0)
        return take_rates(user, value);
    if (slice_equal(key, SLICE("campaigns")) && !user->has_campaigns) {
        user->has_campaigns = true;
        user->campaigns = value;
        return NULL;
    }
    return "a right is senders=, rate= or campaigns=, each once";
}

static bool is_uid(struct slice name)
{
    uint64_t uid;
    return slice_starts(name, UID_PREFIX) &&
           slice_to_u64(slice_skip(name, UID_PREFIX.len), UINT32_MAX, &uid) &&
           (name.data[UID_PREFIX.len] != '0' || name.len == UID_PREFIX.len + 1);
}

// Blanks and control characters would let a name look like another.
static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.data[i] <= ' ' || name.data[i] == 0x7f)
            return false;
    return name.len > 0 && name.len <= USERS_NAME_BYTES_MAX;
}

// A NUL takes the place of the colon behind the hash: crypt(3) wants one.
static const char *take_line(struct user *user, char *line, size_t len)
{
    struct slice rest = slice_make(line, len);
    user->name = slice_cut(&rest, ':');
    if (user->name.len == len)
        return "a line is name:hash:rights";
    user->hash = slice_cut(&rest, ':');
    line[user->name.len + 1 + user->hash.len] = '\0';
    if (is_uid(user->name))
        return user->hash.len > 0 ? "a uid has no password" : NULL;
    if (!is_name(user->name))
        return "this is no name of a user: 1 to 64 bytes, without blanks, or uid and a number";
    // A password in the clear would be taken for an old kind of hash: none of these is.
    if (crypt_checksalt(user->hash.data) != CRYPT_SALT_OK)
        return "this is no hash, or a weak one: make one by openssl passwd -6";
    return NULL;
}

static const char *take_rights(struct user *user, struct slice rest)
{
    const char *why = NULL;
    while (rest.len > 0 && !why) {
        const struct slice word = slice_cut(&rest, ' ');
        if (word.len > 0)
            why = take_right(user, word);
    }
    if (why || user->rates.count == 0)
        return why;
    user->meters = calloc(user->rates.count, sizeof(*user->meters));
    return user->meters ? NULL : "not enough memory";
}

static const char *take_user(struct users *u, char *line, size_t len)
{
    struct user *user = &u->items[u->count];
    if (u->count == USERS_MAX)
        return "more than 10000 users";
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            return "there is a control character in it";
    u->count++;
    const char *why = take_line(user, line, len);
    const size_t used = user->name.len + 1 + user->hash.len + 1;
    return why || used >= len ? why : take_rights(user, slice_make(line + used, len - used));
}

static const char *take_text(struct users *u, size_t len, uint32_t *ret_line)
{
    for (size_t at = 0; at < len;) {
        const size_t line_len = slice_find(slice_make(u->text + at, len - at), '\n');
        const struct slice line = slice_trim(slice_make(u->text + at, line_len));
        (*ret_line)++;
        u->text[at + line_len] = '\0'; // there is one byte more than the text has
        at += line_len + 1;
        if (line.len == 0 || line.data[0] == '#')
            continue;
        const char *why = take_user(u, u->text + (line.data - u->text), line.len);
        if (why)
            return why;
    }
    return NULL;
}

static const char *sort_users(struct users *u)
{
    qsort(u->items, u->count, sizeof(*u->items), compare_users);
    for (uint32_t i = 1; i < u->count; i++)
        if (compare_users(&u->items[i - 1], &u->items[i]) == 0)
            return "a name stands there twice";
    return NULL;
}

static uint32_t count_lines(struct slice text)
{
    uint32_t count = 1;
    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == '\n';
    return count < USERS_MAX ? count : USERS_MAX;
}

struct users *users_parse(struct slice text, uint32_t *ret_line, const char **ret_why)
{
    struct users *u = calloc(1, sizeof(*u));
    *ret_line = 0;
    *ret_why = "not enough memory";
    if (!u)
        return NULL;
    pthread_mutex_init(&u->lock, NULL);
    u->text = malloc(text.len + 1);
    u->items = calloc(count_lines(text), sizeof(*u->items));
    if (!u->text || !u->items) {
        users_free(u);
        return NULL;
    }
    if (text.len > 0)
        memcpy(u->text, text.data, text.len);
    u->text[text.len] = '\0';
    *ret_why = take_text(u, text.len, ret_line);
    if (!*ret_why) {
        *ret_line = 0;
        *ret_why = sort_users(u);
    }
    if (*ret_why) {
        users_free(u);
        return NULL;
    }
    return u;
}

void users_free(struct users *u)
{
    if (!u)
        return;
    for (uint32_t i = 0; u->items && i < u->count; i++)
        free(u->items[i].meters);
    pthread_mutex_destroy(&u->lock);
    free(u->items);
    free(u->text);
    free(u);
}

static bool has_same_rates(const struct user *a, const struct user *b)
{
    return a->rates.count == b->rates.count &&
           memcmp(a->rates.items, b->rates.items, a->rates.count * sizeof(a->rates.items[0])) == 0;
}

void users_carry_over(struct users *u, struct users *from)
{
    pthread_mutex_lock(&from->lock);
    for (uint32_t i = 0; i < u->count; i++) {
        struct user *user = &u->items[i];
        const struct user *before = users_find(from, user->name);
        if (before && user->rates.count > 0 && has_same_rates(before, user))
            memcpy(user->meters, before->meters, user->rates.count * sizeof(*user->meters));
    }
    pthread_mutex_unlock(&from->lock);
}

// --- looking up

const struct user *users_find(const struct users *u, struct slice name)
{
    const struct user wanted = {.name = name};
    return u->count > 0 ? bsearch(&wanted, u->items, u->count, sizeof(wanted), compare_users)
                        : NULL;
}

const struct user *users_find_uid(const struct users *u, uint32_t uid)
{
    char name[32];
    int len = snprintf(name, sizeof(name), "uid %u", uid);
    return users_find(u, slice_make(name, (size_t)len));
}

struct slice users_decoy(const struct users *u, uint64_t dice)
{
    for (uint32_t i = 0; i < u->count; i++) {
        const struct user *user = &u->items[(dice + i) % u->count];
        if (user->hash.len > 0)
            return user->hash;
    }
    return SLICE("$6$nobody$");
}

// --- rights

static bool same_domain(struct slice a, struct slice b)
{
    char left[ADDRESS_DOMAIN_BYTES_MAX + 1], right[ADDRESS_DOMAIN_BYTES_MAX + 1];
    size_t len = address_domain_ascii(a, left);
    return len > 0 && address_domain_ascii(b, right) == len && memcmp(left, right, len) == 0;
}

static bool fits_sender(struct slice item, const struct address *a)
{
    struct address allowed;
    if (slice_equal(item, SLICE("<>")))
        return a->text.len == 0;
    if (a->text.len == 0)
        return false;
    if (item.data[0] == '@')
        return same_domain(slice_skip(item, 1), a->domain);
    return address_parse(item, true, &allowed) == ADDRESS_OK &&
           slice_equal(allowed.local, a->local) && same_domain(allowed.domain, a->domain);
}

bool user_may_send_as(const struct user *user, const struct address *a)
{
    if (!user->has_senders)
        return true;
    for (struct slice rest = user->senders; rest.len > 0;)
        if (fits_sender(slice_cut(&rest, ','), a))
            return true;
    return false;
}

bool user_may_use_campaign(const struct user *user, struct slice name)
{
    if (!user->has_campaigns)
        return true;
    for (struct slice rest = user->campaigns; rest.len > 0;)
        if (slice_equal(slice_cut(&rest, ','), name))
            return true;
    return false;
}

uint64_t users_due_us(struct users *u, const struct user *user, uint64_t now_us)
{
    if (user->rates.count == 0)
        return now_us;
    pthread_mutex_lock(&u->lock);
    uint64_t due_us = rate_limits_due_us(user->meters, &user->rates, now_us);
    pthread_mutex_unlock(&u->lock);
    return due_us;
}

bool users_count(struct users *u, const struct user *user, uint64_t now_us)
{
    if (user->rates.count == 0)
        return true;
    pthread_mutex_lock(&u->lock);
    bool fits = rate_limits_room(user->meters, &user->rates, now_us) > 0;
    if (fits)
        rate_limits_count(user->meters, &user->rates, now_us);
    pthread_mutex_unlock(&u->lock);
    return fits;
}
