// engine/submit/pickup_format_parts.h: what the files of the format share. For pickup_format.c,
// pickup_message.c, pickup_header.c and pickup_bsmtp.c alone.
#ifndef POSTHASTE_SUBMIT_PICKUP_FORMAT_PARTS_H
#define POSTHASTE_SUBMIT_PICKUP_FORMAT_PARTS_H

#include "engine/submit/pickup_format.h"

// What a step has come to.
enum pickup_step {
    PICKUP_STEP_TOLD,  // there is an event
    PICKUP_STEP_AGAIN, // the state has changed: another step
    PICKUP_STEP_MORE,  // all bytes are used
};

// Ends the file.
enum pickup_step pickup_fault(struct pickup_format *f, const char *reason, struct pickup_event *e);
// The same, where more bytes could mend it.
enum pickup_step pickup_unfinished(struct pickup_format *f, const char *reason,
                                   struct pickup_event *e);
// What pickup_lines_take() says beside PICKUP_LINE_WHOLE.
enum pickup_step pickup_no_line(struct pickup_format *f, enum pickup_line status,
                                struct pickup_event *e);
// Content, from line number `line` on, if it is sound.
enum pickup_step pickup_give(struct pickup_format *f, struct slice run, uint64_t line,
                             struct pickup_event *e);
enum pickup_step pickup_begin_content(struct pickup_format *f, enum pickup_state next,
                                      struct pickup_event *e);
enum pickup_step pickup_end_message(struct pickup_format *f, enum pickup_state next,
                                    struct pickup_event *e);

// MAIL and RCPT of either format: grammar and limits.
enum pickup_step pickup_envelope_command(struct pickup_format *f, struct slice command,
                                         struct pickup_event *e);
// The same for an address out of the message format. `text`: an address, or "<address> parameters".
enum pickup_step pickup_envelope_address(struct pickup_format *f, bool is_sender, struct slice text,
                                         struct pickup_event *e);

// pickup_message.c
enum pickup_step pickup_step_lines(struct pickup_format *f, struct slice *bytes, bool at_end,
                                   struct pickup_event *e);
enum pickup_step pickup_step_body(struct pickup_format *f, struct slice *bytes, bool at_end,
                                  struct pickup_event *e);

// pickup_bsmtp.c
bool pickup_is_bsmtp(struct slice first_line);
enum pickup_step pickup_command_line(struct pickup_format *f, struct slice line,
                                     struct pickup_event *e);
enum pickup_step pickup_step_commands(struct pickup_format *f, struct slice *bytes, bool at_end,
                                      struct pickup_event *e);
enum pickup_step pickup_step_content(struct pickup_format *f, struct slice *bytes, bool at_end,
                                     struct pickup_event *e);

// pickup_header.c
enum pickup_step pickup_gather_line(struct pickup_format *f, struct slice line,
                                    struct pickup_event *e);
enum pickup_step pickup_step_envelope(struct pickup_format *f, struct pickup_event *e);
enum pickup_step pickup_step_header(struct pickup_format *f, struct pickup_event *e);

#endif
