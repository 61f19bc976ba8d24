// bench/sink/maildir.h: accepted mail as files: DIR/tmp while being written, then DIR/new.
//
// The one place of the sink that blocks: each message is opened, written and renamed before its
// verdict, on the thread of its session. Nothing is synced: after a power loss files may be empty.
// For looking at mail, not for speed.
//
// Files hold LF line ends, as mail programs expect of a maildir, and begin with Return-Path and a
// Delivered-To for each recipient.
// Shared by all workers: nothing in it changes once it is open.
#ifndef POSTHASTE_BENCH_SINK_MAILDIR_H
#define POSTHASTE_BENCH_SINK_MAILDIR_H

#include "bench/sink/arrival.h"

struct sink_maildir;

// Makes the folders that are missing. -errno.
int sink_maildir_open(struct sink_maildir **ret_maildir, const char *path);
void sink_maildir_close(struct sink_maildir *m);

// `number`: unique among the messages of this process. -errno.
int sink_maildir_store(const struct sink_maildir *m, const struct arrival *a, uint64_t number,
                       uint64_t wall_us);

#endif
