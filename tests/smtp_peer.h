// tests/smtp_peer.h: the other end of a client session: reads what the client said, one command
// or content after the other, as strictly as the RFC has it.
//
// What it cannot know is whether the server has let a DATA go ahead: smtp_peer_go_ahead() says so.
#ifndef POSTHASTE_TESTS_SMTP_PEER_H
#define POSTHASTE_TESTS_SMTP_PEER_H

#include "engine/base/slice.h"

#define PEER_LINE_BYTES_MAX 2048
#define PEER_CONTENT_BYTES_MAX (256 * 1024)

enum peer_command {
    PEER_NEEDS_MORE, // not a whole one yet
    PEER_BAD,        // no such command, or nothing may be said now
    PEER_EHLO,
    PEER_HELO,
    PEER_STARTTLS,
    PEER_AUTH, // a line of it
    PEER_RSET,
    PEER_MAIL,
    PEER_RCPT,
    PEER_DATA,
    PEER_CONTENT, // the end of a content, of DATA or of BDAT
    PEER_QUIT,
};

enum peer_state {
    PEER_READS_LINE,
    PEER_SAID_DATA,
    PEER_READS_DATA,
    PEER_READS_BDAT,
    PEER_SAID_QUIT
};

struct smtp_peer {
    enum peer_state state;
    size_t line_len;
    char line[PEER_LINE_BYTES_MAX]; // the command, without CRLF
    bool line_ended;
    uint8_t login_lines; // still to come, behind AUTH LOGIN
    size_t bdat_left;
    size_t content_len;
    char content[PEER_CONTENT_BYTES_MAX]; // of PEER_CONTENT, unstuffed; valid until the next call
};

void smtp_peer_init(struct smtp_peer *p);
enum peer_command smtp_peer_read(struct smtp_peer *p, struct slice *said);
void smtp_peer_go_ahead(struct smtp_peer *p); // DATA was answered with 3yz
void smtp_peer_no_data(struct smtp_peer *p);  // DATA was answered with anything else

static inline struct slice smtp_peer_line(const struct smtp_peer *p)
{
    return slice_make(p->line, p->line_len);
}

static inline struct slice smtp_peer_content(const struct smtp_peer *p)
{
    return slice_make(p->content, p->content_len);
}

// "x@y" out of "MAIL FROM:<x@y> ..." and "RCPT TO:<x@y>".
struct slice smtp_peer_path(const struct smtp_peer *p);

#endif
