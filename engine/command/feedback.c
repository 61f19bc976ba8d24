// posthaste feedback: a bounce or a complaint that came back puts the address that it is about on
// the list of those that get no mail.
#include "engine/base/check.h"
#include "engine/base/json.h"
#include "engine/base/log.h"
#include "engine/command/command.h"
#include "engine/command/suppress_list.h"
#include "engine/message/address_list.h"
#include "engine/message/report.h"
#include "engine/policy/category.h"
#include "engine/policy/rules.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

// More than what tells whom it is about is not read; what is left goes unread.
#define MESSAGE_BYTES_MAX (4u * 1024 * 1024)
#define TEXT_BYTES_MAX 1024

static const char help[] =
    "usage: posthaste feedback [-c FILE] [--json] < MESSAGE\n"
    "\n"
    "Reads a message that came back: a bounce (multipart/report with a delivery status, RFC 3464) or\n"
    "a complaint (a feedback report, RFC 5965). Puts the address that it is about on the list of\n"
    "those that get no mail (`posthaste suppress`), and prints a line for each address: suppressed,\n"
    "or left alone, with the category. For a .forward file or a mail server's pipe.\n"
    "\n"
    "A complaint suppresses, unless it says not-spam. A bounce does when its failure is for good and\n"
    "its category is among suppression { add = ... }; where that is empty: bad-mailbox, bad-domain,\n"
    "inactive. The address is the one that VERP has written into To:, else the original recipient,\n"
    "else the final one.\n"
    "\n"
    "  -c, --config FILE   the configuration; without it, /etc/posthaste.conf, or\n"
    "                      the defaults where that is not there\n"
    "  -j, --json          a JSON object for each address\n"
    "  -h, --help          this\n"
    "\n"
    "Exit codes: 0 it was understood, 1 it went wrong, or is neither bounce nor complaint.\n";

struct feedback {
    const struct config *config;
    const char *config_file;
    bool as_json;
    struct rules_reader rules;
    struct suppress_change change;
    bool changing; // `change` is open
    uint32_t told_count;
};

// --- which address

static struct slice first_address(struct slice list, char text[ADDRESS_LIST_ADDRESS_BYTES_MAX])
{
    struct slice address;
    return address_list_next(&list, text, &address) == ADDRESS_LIST_ADDRESS ? address : SLICE_EMPTY;
}

// The recipient for whom that address was made; empty when it is none of those.
static struct slice verp_of(struct slice address, char to[SUPPRESSION_ADDRESS_BYTES_MAX])
{
    char verp[TEXT_BYTES_MAX];
    struct slice rcpt;
    return report_verp(address, verp, sizeof(verp), &rcpt) ? suppress_address(rcpt, to)
                                                           : SLICE_EMPTY;
}

static struct slice verp_of_list(struct slice list, char to[SUPPRESSION_ADDRESS_BYTES_MAX])
{
    char text[ADDRESS_LIST_ADDRESS_BYTES_MAX];
    return verp_of(first_address(list, text), to);
}

static struct slice address_of(const struct report *r, const struct report_rcpt *rcpt,
                               char to[SUPPRESSION_ADDRESS_BYTES_MAX])
{
    struct slice found = SLICE_EMPTY;
    if (r->rcpt_count == 1)
        found = verp_of_list(r->to, to);
    if (found.len == 0)
        found = suppress_address(rcpt->original, to);
    return found.len > 0 ? found : suppress_address(rcpt->final, to);
}

// --- what is wrong with it

// Folds become blanks. Cut at what a reply's text may be.
static struct slice unfold(struct slice from, char to[REPLY_TEXT_BYTES_MAX])
{
    size_t len = 0;
    for (size_t i = 0; i < from.len && len < REPLY_TEXT_BYTES_MAX; i++) {
        bool blank = (uint8_t)from.data[i] <= ' ';
        if (!blank || (len > 0 && to[len - 1] != ' '))
            to[len++] = blank ? ' ' : from.data[i];
    }
    return slice_make(to, len);
}

static enum category category_of(const struct feedback *f, const struct report_rcpt *rcpt)
{
    char text[REPLY_TEXT_BYTES_MAX];
    struct slice diagnostic = unfold(rcpt->diagnostic, text);
    uint64_t code;
    if (!slice_to_u64(slice_take(diagnostic, 3), 599, &code) || code < 400)
        code = rcpt->status.class == 4 ? 450 : 550;
    return rules_look_up(&f->rules, SMTP_PHASE_RCPT, (uint16_t)code, rcpt->status, diagnostic)
        .category;
}

static bool suppresses(const struct feedback *f, enum category c)
{
    const uint32_t usual = UINT32_C(1) << CATEGORY_BAD_MAILBOX |
                           UINT32_C(1) << CATEGORY_BAD_DOMAIN | UINT32_C(1) << CATEGORY_INACTIVE;
    uint32_t add = f->config->suppression.add;
    return (add ? add : usual) & UINT32_C(1) << c;
}

// --- what is done

static bool suppress(struct feedback *f, struct slice address, enum category category,
                     struct refusal *why)
{
    struct suppression_line line = {.until = suppress_until(f->config->suppression.for_us),
                                    .category = slice_of_text(category_word(category)),
                                    .address = address};
    if (!f->changing && !suppress_change_open(&f->change, f->config, f->config_file, why))
        return false;
    f->changing = true;
    return suppress_change_put(&f->change, &line, why);
}

static void tell(const struct feedback *f, struct slice address, enum category category, bool does)
{
    struct buffer out;
    struct json j;
    if (!f->as_json) {
        printf("%s\t%.*s\t%s\n", does ? "suppressed" : "left", SLICE_ARG(address),
               category_word(category));
        return;
    }
    buffer_init(&out, 8 * SUPPRESSION_LINE_BYTES_MAX);
    json_init(&j, &out);
    json_object(&j, NULL);
    json_text(&j, "address", address);
    json_bool(&j, "suppressed", does);
    json_text(&j, "category", slice_of_text(category_word(category)));
    json_end(&j);
    printf("%.*s\n", SLICE_ARG(buffer_slice(&out)));
    buffer_release(&out);
}

static bool decide(struct feedback *f, struct slice address, enum category category, bool does,
                   struct refusal *why)
{
    if (address.len == 0)
        return true;
    f->told_count++;
    tell(f, address, category, does);
    return !does || suppress(f, address, category, why);
}

static bool take_bounce(struct feedback *f, const struct report *r, struct refusal *why)
{
    char text[SUPPRESSION_ADDRESS_BYTES_MAX];
    for (uint32_t i = 0; i < r->rcpt_count; i++) {
        const struct report_rcpt *rcpt = &r->rcpts[i];
        enum category category = category_of(f, rcpt);
        bool for_good = rcpt->action == REPORT_FAILED && rcpt->status.class != 4;
        if (!decide(f, address_of(r, rcpt, text), category, for_good && suppresses(f, category),
                    why))
            return false;
    }
    return true;
}

// Some hide who complains in all fields but one; some only show whom we wrote to.
static bool take_complaint(struct feedback *f, const struct report *r, struct refusal *why)
{
    char text[SUPPRESSION_ADDRESS_BYTES_MAX], shown[ADDRESS_LIST_ADDRESS_BYTES_MAX];
    bool does = !slice_equal_nocase(r->feedback_type, SLICE("not-spam"));
    for (uint32_t i = 0; i < r->rcpt_count; i++)
        if (!decide(f, suppress_address(r->rcpts[i].original, text), CATEGORY_SPAM, does, why))
            return false;
    if (f->told_count > 0)
        return true;
    struct slice address = verp_of(r->mail_from, text);
    if (address.len == 0)
        address = verp_of_list(r->to, text);
    if (address.len == 0)
        address = suppress_address(first_address(r->shown_to, shown), text);
    return decide(f, address, CATEGORY_SPAM, does, why);
}

static bool take(struct feedback *f, struct slice message, struct refusal *why)
{
    struct report *r = malloc(sizeof(*r));
    bool is_ok = false;
    if (!r)
        return refuse(why, "not enough memory");
    report_read(r, message);
    switch (r->kind) {
    case REPORT_NONE: refuse(why, "this is neither a bounce nor a complaint"); break;
    case REPORT_BOUNCE: is_ok = take_bounce(f, r, why); break;
    case REPORT_COMPLAINT: is_ok = take_complaint(f, r, why); break;
    }
    if (is_ok && f->told_count == 0)
        is_ok = refuse(why, "it does not say which address it is about");
    free(r);
    return is_ok;
}

static bool read_message(struct buffer *message)
{
    char *room;
    buffer_init(message, MESSAGE_BYTES_MAX);
    while ((room = buffer_reserve(message, BUFSIZ))) {
        size_t got = fread(room, 1, BUFSIZ, stdin);
        buffer_advance(message, got);
        if (got == 0)
            break;
    }
    return !ferror(stdin);
}

static enum command_exit feedback(struct feedback *f)
{
    struct refusal why = {0}, late = {0};
    struct buffer message = {0};
    bool is_ok = rules_reader_init(&f->rules, f->config->reply_rules) && read_message(&message);
    if (is_ok)
        is_ok = take(f, buffer_slice(&message), &why);
    else
        refuse(&why, "the message cannot be read");
    buffer_release(&message);
    rules_reader_release(&f->rules);
    if (f->changing && !suppress_change_end(&f->change, &late) && is_ok) {
        why = late;
        is_ok = false;
    }
    if (is_ok)
        return command_printed();
    log_line(LOG_LEVEL_ERROR, "feedback: %s", why.text);
    return COMMAND_FAILED;
}

enum command_exit command_feedback(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct feedback f = {.config = NULL};
    struct config_place place;
    struct refusal why;
    opterr = 0; // we say it in our own words
    for (int option; (option = getopt_long(argc, argv, ":c:jh", options, NULL)) != -1;)
        switch (option) {
        case 'c': f.config_file = optarg; break;
        case 'j': f.as_json = true; break;
        default: return command_option(option, argv, help);
        }
    if (optind < argc)
        return command_misused(argv[0], "what is '%s' for?", argv[optind]);
    config_place_now(&place);
    struct config *c = config_load(config_file_meant(f.config_file), &place, &why);
    if (!c) {
        log_line(LOG_LEVEL_ERROR, "%s", why.text);
        return COMMAND_FAILED;
    }
    f.config = c;
    enum command_exit code = feedback(&f);
    config_free(c);
    return code;
}
