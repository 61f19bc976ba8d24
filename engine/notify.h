// engine/notify.h: what a service manager wants to know (sd_notify(3)'s protocol): a datagram to
// the socket that NOTIFY_SOCKET names. Without one nothing happens.
#ifndef POSTHASTE_NOTIFY_H
#define POSTHASTE_NOTIFY_H

// "READY=1", or several lines of this kind. Does not block; nobody waits for it to arrive.
void notify_say(const char *text);
// That a configuration is being read; READY=1 ends it.
void notify_reloading(void);

#endif
