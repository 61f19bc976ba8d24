#include "queue/job.h"

uint32_t job_open_count(const struct job *j)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < j->rcpt_count; i++)
        count += job_rcpt_state(j, j->rcpt_first + i) == RCPT_OPEN;
    return count;
}

uint32_t job_left_count(const struct job *j)
{
    uint32_t left = 0;
    for (uint32_t rcpt = j->rcpt_first; rcpt < (uint32_t)j->rcpt_first + j->rcpt_count; rcpt++)
        left += job_rcpt_is_left(j, rcpt);
    return left;
}
