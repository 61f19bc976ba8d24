// queue/suppression_page.h: addresses to be suppressed, on their way from the worker that learned
// of them to the one that keeps the list.
//
// Shape: lines as the list has them on disk (suppression_line.h). Whoever takes the page frees it.
#ifndef POSTHASTE_QUEUE_SUPPRESSION_PAGE_H
#define POSTHASTE_QUEUE_SUPPRESSION_PAGE_H

#include "queue/inbox.h"
#include "queue/suppression_line.h"

#define SUPPRESSION_PAGE_BYTES (64u * 1024)

struct suppression_page {
    struct letter letter;
    struct suppression_page *next; // the keeper's, until it has read the list
    struct buffer lines;           // up to SUPPRESSION_PAGE_BYTES
};

#endif
