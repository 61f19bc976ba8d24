// engine/io/socket.h: the part of io.h that plain system calls do: making, binding and listening.
//
// Stands behind io.h beside ring.c, which asks for everything that can take time.
#ifndef POSTHASTE_IO_SOCKET_H
#define POSTHASTE_IO_SOCKET_H

#include "engine/io/address.h"

// A socket of peer's kind, bound to *local unless NULL, not connected yet; or -errno.
int socket_to_connect(const struct io_address *peer, const struct io_address *local);

#endif
