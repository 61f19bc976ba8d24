// engine/submit/users.h: who may hand in mail, and what mail: the file of users.
//
// Owns:         the file's form, each user's rights, and how much of his rate he has used.
// Knows not of: where the file lies, who may read it, and how a password is verified.
// Threads:      read-only once parsed, for all workers; the meters of those who have a rate stand
//               behind a lock that is taken once for each of their messages, and for nobody else's.
//
// A line a user, with what he may do behind the second colon; "#" begins a comment line:
//
//   newsletter:$6$salt$...:senders=@news.example,editor@example.net rate=10000/h campaigns=weekly
//   app:$y$j9T$...:
//   uid 1000::senders=@example.net rate=100/h
//
// "uid N" is whoever comes by a unix socket as that user of this host; he has no password.
// Without `senders` he may send as anybody, without `campaigns` for any, without `rate` any amount.
#ifndef POSTHASTE_SUBMIT_USERS_H
#define POSTHASTE_SUBMIT_USERS_H

#include "engine/policy/rate.h"
#include "engine/smtp/address.h"

#define USERS_MAX 10000u
#define USERS_BYTES_MAX (4u * 1024 * 1024)
#define USERS_NAME_BYTES_MAX 64

struct user {
    struct slice name;
    struct slice hash;               // crypt(3)'s, with a NUL behind it; empty: he has no password
    struct slice senders, campaigns; // lists with commas
    bool has_senders, has_campaigns; // else all
    struct rate_limits rates;        // of messages
    struct rate_meter *meters;       // rates.count
};

struct users;

// The text is copied. NULL: *ret_line is wrong (0: none is), *ret_why says why.
struct users *users_parse(struct slice text, uint32_t *ret_line, const char **ret_why);
void users_free(struct users *u); // NULL is fine
// What these users have used of their rates before, in another table.
void users_carry_over(struct users *u, struct users *from);

const struct user *users_find(const struct users *u, struct slice name); // NULL: there is none
const struct user *users_find_uid(const struct users *u, uint32_t uid);
// A hash to be tried for somebody who is not there, so that it takes the time that it takes for
// others. The same one for the same `dice`.
struct slice users_decoy(const struct users *u, uint64_t dice);

// `a` is empty for the null sender, which must be allowed by "<>".
bool user_may_send_as(const struct user *user, const struct address *a);
bool user_may_use_campaign(const struct user *user, struct slice name);
// When there is room for one more message of his; now_us when there is.
uint64_t users_due_us(struct users *u, const struct user *user, uint64_t now_us);
// Counts one. False: there is no room for it.
bool users_count(struct users *u, const struct user *user, uint64_t now_us);

#endif
