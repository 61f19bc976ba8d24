// bench/load/options.h: the command line of posthaste-load.
#ifndef POSTHASTE_BENCH_LOAD_OPTIONS_H
#define POSTHASTE_BENCH_LOAD_OPTIONS_H

#include "bench/load/worker.h"

#define LOAD_PEERS_MAX 256
#define LOAD_WORKERS_MAX 256
#define LOAD_PORT_DEFAULT 25
#define LOAD_WINDOW_DEFAULT 2 // with DATA: the next MAIL RCPT DATA behind the content before it

#define EXIT_TOO_MANY_ERRORS 1
#define EXIT_GAVE_UP 3

struct load_options {
    struct load_plan plan; // of all workers together
    struct io_address peers[LOAD_PEERS_MAX];
    const char *peer_text; // the first address as it was given
    const char *ledger_path;
    const char *csv_path;
    char name[LOAD_NAME_BYTES_MAX + 1]; // plan.tls_name
    struct buffer trusted_pem;
    double error_share_max;
    bool json;
    bool progress;
    struct load_content *content;
    struct load_domains *domains;
};

// Reads the command line, files that it names included. True: go on. False: end with *ret_exit;
// everything has been said.
bool load_options_read(struct load_options *o, int argc, char **argv, int *ret_exit);
void load_options_release(struct load_options *o);

#endif
