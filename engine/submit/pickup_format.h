// engine/submit/pickup_format.h: what a file in a pickup directory says. Bytes go in, cut anywhere;
// senders, recipients, content and ends of messages come out.
//
// Owns:         the two formats, and what is wrong with a file that is in neither.
// Knows not of: files and folders, where messages go, what becomes of them.
// Read first:   pickup_format_feed().
//
// The first line tells the format:
//
//   message   "x-sender: ADDRESS" and one "x-receiver: ADDRESS" a recipient, as Windows' SMTP
//             service and PowerMTA take them, and then a message (RFC 5322), as it is to be sent:
//             no dot is stuffed, the file's end is its end. An address may stand in <>, and behind
//             that the parameters of MAIL and RCPT. A mailbox's "From " line here is left out.
//             Without these lines the header section says who sends to whom, if the rules allow it.
//             Bcc: and Resent-Bcc: are left out.
//   BSMTP     what a client says in SMTP, without the replies: HELO or EHLO, MAIL, RCPT, DATA, the
//             content with its dots stuffed, and so on, for any number of messages. QUIT ends
//             nothing, so that files may be put together.
//
// Lines end in LF or CRLF, and come out with CRLF. A BSMTP file whose first line ends in CRLF is
// held to that: a bare LF in it could be somebody's text that ends a message. A bare CR, a NUL and
// a line of more than 998 bytes are faults.
//
// A message begins with SENDER and ends in MESSAGE or DROPPED; between them stand RCPT, at least
// one, DATA and CONTENT. After FAULT or END there is nothing more.
#ifndef POSTHASTE_SUBMIT_PICKUP_FORMAT_H
#define POSTHASTE_SUBMIT_PICKUP_FORMAT_H

#include "engine/smtp/command.h"
#include "engine/smtp/content.h"
#include "engine/submit/pickup_lines.h"

#define PICKUP_HEADER_BYTES_MAX (4u * 1024 * 1024) // of a message; it is kept until it has ended
#define PICKUP_DSN_BYTES_MAX (COMMAND_ENVID_BYTES_MAX + 32)

struct pickup_rules {
    bool recipients_from_header;
    int8_t priority;            // of messages that say nothing else
    uint64_t message_bytes_max; // of the stored form
    uint32_t rcpt_count_max;    // of one message
    bool events_only;           // its senders get no reports
    bool verp;                  // all of its messages have it
};

enum pickup_event_kind {
    PICKUP_EVENT_MORE,    // all bytes used
    PICKUP_EVENT_SENDER,  // address, mail: a message begins, at f->mark
    PICKUP_EVENT_RCPT,    // address, text: DSN parameters, checked, or empty
    PICKUP_EVENT_DATA,    // the envelope is complete
    PICKUP_EVENT_CONTENT, // text: the next bytes of the stored form, cut anywhere
    PICKUP_EVENT_MESSAGE, // the content has ended: has_8bit, has_dot_lines
    PICKUP_EVENT_DROPPED, // the transaction is over without a message
    PICKUP_EVENT_FAULT,   // text: what is wrong. In f->fault_line
    PICKUP_EVENT_END,     // of the file
};

struct pickup_event {
    enum pickup_event_kind kind;
    bool has_8bit, has_dot_lines;
    bool unfinished;        // FAULT: the file ends too early, or is empty
    struct address address; // valid until the next feed, as is all text
    struct smtp_mail_params mail;
    struct slice text;
};

// Where a message begins: reading can begin again there.
struct pickup_mark {
    uint64_t offset;
    uint64_t line;
    bool bsmtp;
    bool strict;
};

enum pickup_state {
    PICKUP_FIRST_LINE,
    // message
    PICKUP_TOP,      // the lines of the envelope
    PICKUP_GATHER,   // the header section
    PICKUP_ENVELOPE, // it has ended: the envelope is taken from it, where need be
    PICKUP_HEADER,   // and given
    PICKUP_BODY,
    // BSMTP
    PICKUP_COMMANDS,
    PICKUP_CONTENT,
    // both
    PICKUP_OVER,
};

// For embedding; the members are the machine's, but for mark and fault_line.
struct pickup_format {
    const struct pickup_rules *rules;
    enum pickup_state state;
    struct pickup_mark mark;
    uint64_t fault_line;
    struct pickup_lines lines;
    // of the message being read
    bool open;     // it has a sender
    bool smtputf8; // BSMTP: MAIL said so
    bool any_message;
    uint32_t rcpt_count;
    uint64_t content_bytes;
    struct content_scan scan;
    // message
    bool any_field;           // in the header section so far
    uint64_t header_line;     // where the header begins
    size_t header_used;       // given so far
    size_t header_fields_len; // bytes that are fields: what is behind them is body
    struct buffer header;
    struct pickup_walk { // over the header section, for the envelope
        bool begun;
        bool resent;             // the fields are Resent- ones
        size_t field_at;         // where the next field begins
        uint64_t field_line;     // the number of that line
        struct slice addresses;  // what is left of the field before it
        uint64_t addresses_line; // where that one begins
    } walk;
    struct buffer composed; // a command, for the command grammar
    char dsn[PICKUP_DSN_BYTES_MAX];
};

void pickup_format_init(struct pickup_format *f);
void pickup_format_release(struct pickup_format *f);
// Begins a file, at its start (mark NULL) or at a message. Keeps its memory; lends `rules`.
void pickup_format_start(struct pickup_format *f, const struct pickup_rules *rules,
                         const struct pickup_mark *mark);

// Uses bytes from the front of *bytes until there is an event to tell. `at_end`: nothing comes
// behind them; then the last event is PICKUP_EVENT_FAULT or PICKUP_EVENT_END, else
// PICKUP_EVENT_MORE asks for more.
struct pickup_event pickup_format_feed(struct pickup_format *f, struct slice *bytes, bool at_end);

#endif
