// bench/sink/options.h: the command line of posthaste-sink.
#ifndef POSTHASTE_BENCH_SINK_OPTIONS_H
#define POSTHASTE_BENCH_SINK_OPTIONS_H

#include "bench/sink/listeners.h"
#include "bench/sink/plan.h"

struct sink_options {
    struct sink_plan plan; // without what has to be opened: limits, ledger, maildir, mailbox
    struct sink_listeners listeners;
    const char *ports_path;
    const char *ledger_path;
    const char *maildir_path;
    const char *certificate_out_path; // where the certificate is written to
    struct buffer certificate_pem, key_pem;
    uint64_t mailbox_bytes_max;
    bool wants_mailbox;   // a POP3 door was asked for
    uint64_t recipients;  // end after so many; UINT64_MAX: never
    uint64_t idle_us_max; // end after hearing nothing for so long; UINT64_MAX: never
    uint64_t progress;    // bar up to so many recipients; 0: none
    bool json;
};

// Reads the command line. True: go on. False: end with *ret_exit; everything has been said.
bool sink_options_read(struct sink_options *o, int argc, char **argv, int *ret_exit);
void sink_options_release(struct sink_options *o);

#endif
