// Batched SMTP: a client's half of a session, in a file.
#include "engine/submit/pickup_format_parts.h"

#include "engine/base/check.h"

// No field of a message begins like these.
bool pickup_is_bsmtp(struct slice first_line)
{
    static const char *const beginnings[] = {"HELO ", "EHLO ", "MAIL FROM:"};
    static const char *const lines[] = {"HELO", "EHLO", "RSET", "NOOP"};
    for (size_t i = 0; i < COUNT_OF(beginnings); i++)
        if (slice_starts_nocase(first_line, slice_of_text(beginnings[i])))
            return true;
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        if (slice_equal_nocase(slice_trim(first_line), slice_of_text(lines[i])))
            return true;
    return false;
}

static enum pickup_step drop_message(struct pickup_format *f, struct pickup_event *e)
{
    if (!f->open)
        return PICKUP_STEP_AGAIN;
    f->open = f->smtputf8 = false;
    *e = (struct pickup_event){.kind = PICKUP_EVENT_DROPPED};
    return PICKUP_STEP_TOLD;
}

static enum pickup_step begin_data(struct pickup_format *f, bool is_ok, struct pickup_event *e)
{
    if (!is_ok)
        return pickup_fault(f, "DATA stands alone in its line", e);
    if (!f->open)
        return pickup_fault(f, "DATA before MAIL", e);
    return pickup_begin_content(f, PICKUP_CONTENT, e);
}

static enum pickup_step carry_out(struct pickup_format *f, struct slice line,
                                  struct pickup_event *e)
{
    const struct command_rules none = {.eightbitmime = false};
    struct command c;
    bool is_ok = command_parse(line, &none, &c) == COMMAND_OK;
    switch (c.verb) {
    case VERB_MAIL:
    case VERB_RCPT: return pickup_envelope_command(f, line, e);
    case VERB_DATA: return begin_data(f, is_ok, e);
    case VERB_HELO: // names are nobody's business in a file
    case VERB_EHLO:
    case VERB_RSET:
    case VERB_QUIT: return drop_message(f, e);
    case VERB_NOOP:
    case VERB_HELP:
    case VERB_VRFY:
    case VERB_EXPN:
    case VERB_VERB: return PICKUP_STEP_AGAIN;
    case VERB_BDAT: return pickup_fault(f, "BDAT has no place in a file: say DATA", e);
    case VERB_STARTTLS: // nor does anybody listen to one, or ask who wrote it
    case VERB_AUTH:
    case VERB_NONE:
    case VERB_COUNT: break;
    }
    return pickup_fault(f, "no such command", e);
}

enum pickup_step pickup_command_line(struct pickup_format *f, struct slice line,
                                     struct pickup_event *e)
{
    if (slice_trim(line).len == 0)
        return PICKUP_STEP_AGAIN;
    enum pickup_step step = carry_out(f, line, e);
    // A line without an end may be the beginning of another.
    if (step == PICKUP_STEP_TOLD && e->kind == PICKUP_EVENT_FAULT && !f->lines.ended)
        e->unfinished = true;
    return step;
}

static enum pickup_step file_ends(struct pickup_format *f, struct pickup_event *e)
{
    if (f->open)
        return pickup_unfinished(f, "the file ends before its last message", e);
    if (!f->any_message)
        return pickup_unfinished(f, "there is no message in the file", e);
    f->state = PICKUP_OVER;
    return PICKUP_STEP_AGAIN;
}

enum pickup_step pickup_step_commands(struct pickup_format *f, struct slice *bytes, bool at_end,
                                      struct pickup_event *e)
{
    struct slice line;
    enum pickup_line status = pickup_lines_take(&f->lines, bytes, at_end, &line);
    if (status == PICKUP_LINE_MORE && at_end)
        return file_ends(f, e);
    if (status != PICKUP_LINE_WHOLE)
        return pickup_no_line(f, status, e);
    return pickup_command_line(f, line, e);
}

enum pickup_step pickup_step_content(struct pickup_format *f, struct slice *bytes, bool at_end,
                                     struct pickup_event *e)
{
    struct slice run = pickup_lines_run(&f->lines, true, bytes);
    if (run.len > 0)
        return pickup_give(f, run, f->lines.run_line, e);
    if (f->lines.run == PICKUP_RUN_BARE_LF)
        return pickup_no_line(f, PICKUP_LINE_BARE_LF, e);
    if (f->lines.run == PICKUP_RUN_ENDED)
        return pickup_end_message(f, PICKUP_COMMANDS, e);
    if (at_end)
        return pickup_unfinished(f, "the file ends inside of a message", e);
    return PICKUP_STEP_MORE;
}
