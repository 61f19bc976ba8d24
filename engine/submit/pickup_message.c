// A message with its envelope on top.
#include "engine/message/fields.h"
#include "engine/submit/pickup_format_parts.h"

#define SENDER_LINE SLICE("x-sender:")
#define RECEIVER_LINE SLICE("x-receiver:")

static enum pickup_step top_ends(struct pickup_format *f, struct pickup_event *e)
{
    if (f->rcpt_count == 0 && !f->rules->recipients_from_header)
        return pickup_fault(f,
                            "no x-sender: and x-receiver: lines stand on top, and"
                            " recipients-from-header is off",
                            e);
    f->header_line = f->lines.line;
    f->state = PICKUP_GATHER;
    return PICKUP_STEP_AGAIN;
}

static enum pickup_step top_line(struct pickup_format *f, struct slice line, struct pickup_event *e)
{
    f->state = PICKUP_TOP;
    if (fields_is_postmark(line))
        return PICKUP_STEP_AGAIN; // it is no part of the message
    if (slice_starts_nocase(line, SENDER_LINE))
        return pickup_envelope_address(f, true, slice_trim(slice_skip(line, SENDER_LINE.len)), e);
    if (slice_starts_nocase(line, RECEIVER_LINE))
        return pickup_envelope_address(f, false, slice_trim(slice_skip(line, RECEIVER_LINE.len)),
                                       e);
    if (f->open && line.len > 0 && (line.data[0] == ' ' || line.data[0] == '\t'))
        return pickup_fault(f, "an x-sender: or x-receiver: line is continued", e);
    enum pickup_step step = top_ends(f, e);
    return step == PICKUP_STEP_AGAIN ? pickup_gather_line(f, line, e) : step;
}

static enum pickup_step first_line(struct pickup_format *f, struct slice line,
                                   struct pickup_event *e)
{
    if (!pickup_is_bsmtp(line))
        return top_line(f, line, e);
    f->mark.bsmtp = true;
    f->mark.strict = f->lines.strict = f->lines.ended_in_crlf;
    f->state = PICKUP_COMMANDS;
    return pickup_command_line(f, line, e);
}

// The file ends before its message has a body.
static enum pickup_step message_ends_early(struct pickup_format *f, struct pickup_event *e)
{
    if (f->state == PICKUP_FIRST_LINE)
        return pickup_unfinished(f, "the file is empty", e);
    if (f->state == PICKUP_TOP) {
        enum pickup_step step = top_ends(f, e);
        e->unfinished = true;
        if (step != PICKUP_STEP_AGAIN)
            return step;
    }
    f->header_fields_len = f->header.len;
    f->state = PICKUP_ENVELOPE;
    return PICKUP_STEP_AGAIN;
}

enum pickup_step pickup_step_lines(struct pickup_format *f, struct slice *bytes, bool at_end,
                                   struct pickup_event *e)
{
    struct slice line;
    enum pickup_line status = pickup_lines_take(&f->lines, bytes, at_end, &line);
    if (status == PICKUP_LINE_MORE && at_end)
        return message_ends_early(f, e);
    if (status != PICKUP_LINE_WHOLE)
        return pickup_no_line(f, status, e);
    if (f->state == PICKUP_FIRST_LINE)
        return first_line(f, line, e);
    if (f->state == PICKUP_TOP)
        return top_line(f, line, e);
    return pickup_gather_line(f, line, e);
}

enum pickup_step pickup_step_body(struct pickup_format *f, struct slice *bytes, bool at_end,
                                  struct pickup_event *e)
{
    struct slice run = pickup_lines_run(&f->lines, false, bytes);
    if (run.len > 0)
        return pickup_give(f, run, f->lines.run_line, e);
    if (!at_end)
        return PICKUP_STEP_MORE;
    if (f->lines.run == PICKUP_RUN_LINE_START)
        return pickup_end_message(f, PICKUP_OVER, e);
    // The last line has no end. A CR there is a bare one, for the scan to tell.
    run = f->lines.run == PICKUP_RUN_CR ? SLICE("\r\r\n") : SLICE("\r\n");
    f->lines.run = PICKUP_RUN_LINE_START;
    return pickup_give(f, run, f->lines.line, e);
}
