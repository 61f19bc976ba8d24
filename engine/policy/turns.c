#include "engine/policy/turns.h"

static const uint8_t every[PRIORITY_CLASSES] = {
    [PRIORITY_TRANSACTIONAL] = 1,
    [PRIORITY_NORMAL] = TURNS_NORMAL_EVERY,
    [PRIORITY_BULK] = TURNS_BULK_EVERY,
};

enum priority_class turns_next(const struct turns *t, uint32_t waiting)
{
    // The least urgent first: it was passed over the longest.
    for (int rank = PRIORITY_BULK; rank > PRIORITY_TRANSACTIONAL; rank--)
        if ((waiting & 1u << rank) && t->passed[rank] + 1 >= every[rank])
            return (enum priority_class)rank;
    for (int rank = PRIORITY_TRANSACTIONAL; rank < PRIORITY_CLASSES; rank++)
        if (waiting & 1u << rank)
            return (enum priority_class)rank;
    return PRIORITY_CLASSES;
}

void turns_went(struct turns *t, enum priority_class rank, uint32_t waiting)
{
    for (uint32_t other = 0; other < PRIORITY_CLASSES; other++)
        if (!(waiting & 1u << other) || other == rank)
            t->passed[other] = 0;
        else if (t->passed[other] < UINT8_MAX)
            t->passed[other]++;
}
