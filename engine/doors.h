// engine/doors.h: what listeners have in files: certificates with their keys, and the users.
//
// Owns:    whose such a file may be, who may read it, and what it must hold together with others.
// When:    at start, before rights are dropped; and again at each reload, by the engine's user.
//          What cannot be read then, or does not fit together, leaves in force what was read
//          before.
// Keys:    stand in memory in PEM only until the workers have them, and are overwritten.
#ifndef POSTHASTE_DOORS_H
#define POSTHASTE_DOORS_H

#include "engine/config.h"
#include "engine/submit/submit.h"
#include "engine/tls/tls.h"

#include <sys/types.h>

_Static_assert(SETTING_TEXTS_MAX <= TLS_CERTIFICATES_MAX, "as many as a file may name");

// Of one listener.
struct door {
    uint32_t count; // 0: no certificate
    struct buffer chains[SETTING_TEXTS_MAX], keys[SETTING_TEXTS_MAX];
    char name[IO_ADDRESS_TEXT_BYTES];
};

// Zeroed: none.
struct doors {
    uint32_t count;
    struct door items[CONFIG_LISTENERS_MAX];
};

// All, or the reason why not.
bool doors_read(const struct config *c, uid_t uid, struct doors *ret, struct refusal *why);
// One listener's, which is zeroed; it stays so when it is refused.
bool door_read(const struct config_listener *l, uid_t uid, struct door *ret, struct refusal *why);
void doors_release(struct doors *d); // overwrites the keys; zeroed again
struct tls_server_options door_options(const struct door *d);
// A worker begins with them. False, when there is no memory.
bool doors_open(const struct doors *d, struct submit *submit);

// False: refused. *ret is NULL where none are configured.
bool doors_read_users(const struct config *c, uid_t uid, struct users **ret, struct refusal *why);

#endif
