// engine/suppressor_parts.h: what suppressor.c and suppressor_compact.c share.
#ifndef POSTHASTE_SUPPRESSOR_PARTS_H
#define POSTHASTE_SUPPRESSOR_PARTS_H

#include "engine/suppressor.h"

#define SUPPRESSOR_HEAD "posthaste suppression 1\n"
#define SUPPRESSOR_NAME_PREFIX "list."
#define SUPPRESSOR_NAME_DIGITS 8

// token.op
enum suppressor_op {
    SUPPRESSOR_OP_OPEN,
    SUPPRESSOR_OP_READ,
    SUPPRESSOR_OP_WRITE,
    SUPPRESSOR_OP_SYNC,
    SUPPRESSOR_OP_SYNC_FOLDER,
    SUPPRESSOR_OP_COMPACT,
    SUPPRESSOR_OP_REMOVE, // a list that does not count any more
};

// For the one request that may be under way.
struct io_token suppressor_token(struct suppressor *s, enum suppressor_op op);
uint16_t suppressor_today(const struct suppressor *s);
void suppressor_complain(struct suppressor *s, const char *what, int error);

// suppressor_compact.c
void compaction_init(struct suppressor_compaction *c);
void compaction_release(struct suppressor *s);
bool compaction_is_due(const struct suppressor *s); // a step of it, or its beginning
uint64_t compaction_due_us(const struct suppressor *s);
bool compaction_holds_writes(const struct suppressor *s);
void compaction_step(struct suppressor *s);
void compaction_on_done(struct suppressor *s, int32_t result);
void compaction_give_up(struct suppressor *s); // nothing of ours is under way

#endif
