#include "engine/tls_memory.h"

#include "dns/sts_fetch.h"
#include "engine/base/log.h"
#include "engine/tls_tally_file.h"

#include <sys/random.h>
#include <time.h>

static uint64_t wall_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec;
}

bool tls_memory_open(struct tls_memory *m, bool uses_mta_sts, struct refusal *why)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        return refuse(why, "the kernel gives no random bytes");
    m->tally = tls_tally_new(seed);
    if (!m->tally)
        return refuse(why, "not enough memory");
    if (m->counts_fd >= 0 && !tls_tally_file_load(m->counts_fd, m->tally))
        log_line(LOG_LEVEL_WARNING, "tls-report/counts: not all of it can be read");
    if (!uses_mta_sts)
        return true;
    if (!sts_fetch_prepare())
        return refuse(why, "mta-sts: libcurl cannot be used");
    if (sts_store_open(&m->policies, m->policies_fd, seed, wall_s()) < 0)
        return refuse(why, "not enough memory");
    return true;
}

void tls_memory_close(struct tls_memory *m)
{
    int error = m->tally && m->counts_fd >= 0
                    ? tls_tally_file_save(m->counts_fd, m->tally, wall_s())
                    : 0;
    if (error < 0)
        log_line(LOG_LEVEL_WARNING, "tls-report/counts: %s", strerrordesc_np(-error));
    sts_store_free(m->policies);
    tls_tally_free(m->tally);
    m->policies = NULL;
    m->tally = NULL;
}
