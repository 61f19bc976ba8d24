// engine/secrets.h: the files that deliveries need beside the configuration: passwords for
// smarthosts, trust anchors. Read by whoever starts the engine, before rights are dropped, and
// again, as the engine's user, when the configuration is reloaded.
#ifndef POSTHASTE_SECRETS_H
#define POSTHASTE_SECRETS_H

#include "engine/config.h"

#include <sys/types.h>

// Puts what the files hold into the configuration. False, with the reason, when one of them is
// missing, holds nothing of use, or could be read by others than root and `uid`.
bool secrets_read(struct config *c, uid_t uid, struct refusal *why);

#endif
