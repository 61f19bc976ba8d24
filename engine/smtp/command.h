// engine/smtp/command.h: one command line of a client, taken apart.
//
// Owns:         the grammar of commands and their ESMTP parameters (RFC 5321 4.1, 1870, 3030,
//               3207, 3461, 4954, 6152, 6531, 6710), and what is refused for its form alone.
// Knows not of: the order of commands, replies' destination, what the server does about it.
// Read first:   command_parse().
#ifndef POSTHASTE_SMTP_COMMAND_H
#define POSTHASTE_SMTP_COMMAND_H

#include "engine/smtp/address.h"

#define COMMAND_ENVID_BYTES_MAX 100 // RFC 3461 4.4
#define COMMAND_ORCPT_BYTES_MAX 500 // RFC 3461 4.2

enum smtp_verb {
    VERB_NONE,
    VERB_HELO,
    VERB_EHLO,
    VERB_MAIL,
    VERB_RCPT,
    VERB_DATA,
    VERB_BDAT,
    VERB_RSET,
    VERB_NOOP,
    VERB_HELP,
    VERB_VRFY,
    VERB_EXPN,
    VERB_VERB,
    VERB_QUIT,
    VERB_STARTTLS,
    VERB_AUTH,
    VERB_COUNT,
};

struct smtp_mail_params {
    uint64_t size_bytes; // SIZE=, 0: not said
    bool is_8bit;        // BODY=8BITMIME (or BINARYMIME is refused)
    bool smtputf8;
    bool verp;         // XVERP, an extension that Postfix has made known
    bool has_priority; // MT-PRIORITY=
    int8_t priority;   // -9 to 9
    struct slice dsn;  // "RET=... ENVID=..." as given, checked, or empty
};

// Which parameters are known: what the server offers, and what the transaction has declared.
struct command_rules {
    bool eightbitmime, smtputf8, dsn, verp, mt_priority;
    bool starttls, auth; // else these are no verbs
    bool in_utf8;        // MAIL said SMTPUTF8: its recipients may hold bytes >= 0x80
};

enum command_status {
    COMMAND_OK,
    COMMAND_UNKNOWN,           // no such verb
    COMMAND_CONTROL_BYTES,     // a bare CR or LF, NUL, or any other control character
    COMMAND_BAD_ARGUMENT,      // missing, malformed, or one too many
    COMMAND_BAD_PARAMETER,     // a known ESMTP parameter, twice or with a malformed value
    COMMAND_UNKNOWN_PARAMETER, // one that the rules don't know
    COMMAND_BAD_ADDRESS,       // verb tells sender from recipient; so with the next two
    COMMAND_ADDRESS_TOO_LONG,
    COMMAND_NEEDS_SMTPUTF8,
    COMMAND_BAD_CHUNK, // a BDAT whose size cannot be read: where its chunk ends nobody knows
};

// All slices point into the line.
struct command {
    enum smtp_verb verb;    // set also when the status is not COMMAND_OK, if it was recognised
    struct slice text;      // EHLO, HELO: the name. NOOP, HELP, VRFY, EXPN, VERB: the argument.
                            // AUTH: the mechanism
    struct address address; // MAIL, RCPT
    struct smtp_mail_params mail; // MAIL; `dsn` stays empty: the next two may lie apart
    struct slice ret, envid;      // MAIL: "RET=..." and "ENVID=..." as given, or empty
    struct slice dsn;             // RCPT: all parameters as given, checked, or empty
    uint64_t chunk_bytes; // BDAT; set also with COMMAND_BAD_ARGUMENT, for the chunk to be skipped
    bool chunk_last;
    bool has_initial; // AUTH: the client's first answer stands behind the mechanism
    struct slice initial;
};

// Takes one line without its CRLF apart. Blanks at its end, and between "FROM:" or "TO:" and the
// path, are forgiven (RFC 5321 4.1.1); parameters stand one space apart.
enum command_status command_parse(struct slice line, const struct command_rules *rules,
                                  struct command *ret);

// The reply to a command that was not COMMAND_OK: one line, with its CRLF.
struct slice command_refusal(enum command_status status, enum smtp_verb verb);

#endif
