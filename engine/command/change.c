#include "engine/command/change.h"

#include <stdio.h>

enum command_exit change_run(const char *request, const char *help, unsigned more, int argc,
                             char **argv)
{
    const struct ask ask = {.request = request,
                            .help = help,
                            .options = ASK_SELECTOR | ASK_DRY_RUN | more,
                            .must_select = true,
                            .print = change_print};
    return ask_run(&ask, argc, argv);
}

void change_print(struct slice line)
{
    char request[32];
    struct slice dry = SLICE_EMPTY;
    uint64_t busy = json_member_u64(line, "in-delivery"),
             unread = json_member_u64(line, "unreadable");
    (void)json_member(line, "dry-run", &dry);
    printf("%s: %llu recipients%s\n", json_member_plain(line, "request", request, sizeof(request)),
           (unsigned long long)json_member_u64(line, "recipients"),
           slice_equal(dry, SLICE("true")) ? " would be; nothing was changed" : "");
    if (busy > 0)
        printf("%llu deliveries are under way and were left alone; ask again\n",
               (unsigned long long)busy);
    if (unread > 0)
        printf("%llu messages could not be read back, and were left alone\n",
               (unsigned long long)unread);
}
