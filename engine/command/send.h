// engine/command/send.h: what the files of `posthaste send` share: a mail on its way from standard
// input to the engine.
//
// Read first: struct send_mail, then send.c, which goes through the steps in order:
//   send_options.c   what the command line says
//   send_read.c      standard input, line by line (send_lines.c), into a spool (send_spool.c)
//   send_rcpts.c     addresses: of the command line, and of lists in header fields
//   send_header.c    recipients from it, Bcc: out of it, From: into it
//   send_engine.c    where the engine is
//   send_talk.c      giving it the mail by SMTP (send_outcome.c: what the answers mean), or
//   send_pickup.c    leaving the mail in the pickup directory when the engine is down
//   send_relay.c     -bs: standard input and output are an SMTP session (send_dialogue.c: whose
//                    turn it is)
//
// A step that fails has said why on standard error, and returns the exit code (sysexits.h); EX_OK
// is 0.
#ifndef POSTHASTE_COMMAND_SEND_H
#define POSTHASTE_COMMAND_SEND_H

#include "engine/base/buffer.h"
#include "engine/config.h"
#include "engine/smtp/address.h"
#include "engine/smtp/command.h"
#include "engine/smtp/content.h"
#include "engine/smtp/phase.h"
#include "engine/smtp/reply.h"

#include <sysexits.h>

#define SEND_RCPTS_MAX 10000 // of one mail
#define SEND_HEADER_BYTES_MAX (4u * 1024 * 1024)
#define SEND_MEMORY_BYTES_MAX (1024u * 1024) // of a body; what is longer goes to a file
#define SEND_BODY_BYTES_MAX (2ull * 1024 * 1024 * 1024)
#define SEND_NAME_BYTES_MAX 256 // of a person
#define SEND_DSN_BYTES_MAX 400  // RET= and ENVID=, or NOTIFY=, as SMTP has them

// Says why, and returns the code.
int send_failed(int exit_code, const char *format, ...) __attribute__((format(printf, 2, 3)));

// ----------------------------------------------------------------------------- the command line

enum send_mode {
    SEND_DELIVER, // -bm
    SEND_RELAY,   // -bs
    SEND_LIST,    // -bp, mailq: what `posthaste queue` prints
    SEND_RETRY,   // -q: as `posthaste retry`
    SEND_NOTHING, // there is nothing to do, and that is fine
};

struct send_options {
    enum send_mode mode;
    char *config_file;                 // NULL: look for it
    const char *sender;                // NULL: who calls; as typed
    const char *full_name;             // NULL: not said
    bool rcpts_from_header;            // -t
    bool dot_is_text;                  // -i
    bool is_8bit;                      // -B 8BITMIME
    bool verp;                         // -XV
    bool verbose;                      // -v
    char mail_dsn[SEND_DSN_BYTES_MAX]; // "RET=... ENVID=...", or empty
    char rcpt_dsn[SEND_DSN_BYTES_MAX]; // "NOTIFY=...", or empty
    char **rcpts;                      // the arguments, up to a NULL
    char retry_option[16];             // SEND_RETRY: which mail, "--all" or "--domain" ...
    char *retry_value;                 // and NULL where that takes none
};

// False: exit with *ret_exit. That may be EX_OK, after --help.
bool send_options_parse(int argc, char **argv, struct send_options *ret, int *ret_exit);

// -------------------------------------------------------------------------------------- the mail

// Bytes that grow in memory, and in a file without a name once they are too many.
struct send_spool {
    struct buffer memory;
    int fd; // -1: all is in memory
    uint64_t bytes;
    struct slice mapped; // of the file, once it is sealed
};

void send_spool_init(struct send_spool *s);
void send_spool_release(struct send_spool *s);
int send_spool_append(struct send_spool *s, struct slice bytes); // 0 or -errno
// Sets *ret to all bytes, which are valid until the release. Nothing can be appended any more.
int send_spool_seal(struct send_spool *s, struct slice *ret);

enum send_outcome {
    SEND_WAITING,     // nothing is known yet
    SEND_ACCEPTED,    // queued
    SEND_LATER,       // refused for now, or no answer
    SEND_REFUSED,     // for good
    SEND_BAD_ADDRESS, // for good, and for what it is
};

struct send_rcpt {
    char *address; // local@domain
    enum send_outcome outcome;
};

struct send_mail {
    const struct send_options *options;
    const char *hostname;               // completes addresses without a domain
    char sender[ADDRESS_BYTES_MAX + 1]; // empty: the null sender
    struct send_rcpt *rcpts;
    uint32_t rcpt_count;
    bool needs_smtputf8;  // an address has bytes >= 0x80
    struct buffer header; // its fields, and the empty line once send_header_finish() was there
    struct send_spool body_spool;
    struct slice body;
    struct content_scan scan; // of header and body
};

void send_mail_init(struct send_mail *m, const struct send_options *options, const char *hostname);
void send_mail_release(struct send_mail *m);

// Reads the message from `fd` up to its end: header as it came, body sealed.
int send_read(struct send_mail *m, int fd);

// The sender, as typed, or who calls.
int send_sender_set(struct send_mail *m);
// Adds the addresses of a list, each once. `where` names it in complaints.
int send_rcpts_add(struct send_mail *m, struct slice list, const char *where);

// Takes the recipients out of the header (-t), leaves out Bcc:, and adds From: where it is missing.
int send_header_finish(struct send_mail *m);

// ---------------------------------------------------------------------------- standard input's
// lines

// Cuts bytes into lines that SMTP can carry. Zeroed is the start.
struct send_lines {
    bool in_header; // the caller's: long lines are folded at blanks
    bool has_nul;
    /* the rest is send_lines.c's */
    bool in_line, saw_cr;
    uint32_t len;
    uint32_t given; // of text, by the last call
    char text[CONTENT_LINE_BYTES_MAX];
};

// Takes bytes from the front of *bytes up to the end of a line. True: *ret is the line without its
// end, valid until the next call. False: all bytes are used. `at_end`: none will follow.
//
// A line ends in LF; CRs before that are dropped. A CR elsewhere, or a run of them, becomes a
// space. What is beyond CONTENT_LINE_BYTES_MAX goes on in a further line, behind a space.
bool send_lines_take(struct send_lines *l, struct slice *bytes, bool at_end, struct slice *ret);

// ------------------------------------------------------------------------------------ the engine

#define SEND_CONFIGS_MAX 2

struct send_engine {
    struct config *configs[SEND_CONFIGS_MAX]; // where it may be; tried in order
    uint32_t config_count;
};

int send_engine_find(const char *config_file, struct send_engine *ret);
void send_engine_release(struct send_engine *e);
const char *send_engine_hostname(const struct send_engine *e);
// The configuration that says where to leave mail when the engine is down; NULL: none does.
const struct config *send_engine_pickup(const struct send_engine *e);

// A connected socket, that does not block; or -1, with the reason.
int send_engine_connect(const struct send_engine *e, struct refusal *why);

// Gives the mail to the engine behind `fd`, and closes that. Each recipient gets an outcome. False:
// the engine never was ready to take mail, and all are as they were; `why` says how.
bool send_talk(struct send_mail *m, int fd, struct refusal *why);
// What a reply says about the recipients that it is for.
enum send_outcome send_outcome_of(enum smtp_phase phase, const struct reply *r);
// What the outcomes of all recipients come to.
int send_exit_code(const struct send_mail *m);

// Leaves the mail in the first pickup directory, durable, for an engine that starts later. `down`
// is why it is not given to one that runs.
int send_pickup(struct send_mail *m, const struct config *c, const struct refusal *down);

enum send_ending { SEND_ENDING_UNKNOWN, SEND_ENDING_CRLF, SEND_ENDING_LF };

#define SEND_COMMAND_BYTES_MAX 2048 // a longer one is no DATA, BDAT or QUIT

// An SMTP session between others, without I/O: lines get their CRLF, and replies are counted.
struct send_dialogue {
    uint32_t unanswered; // replies that must come
    bool in_content;     // of DATA
    bool quit_said;
    uint64_t chunk_left; // of BDAT
    /* the rest is send_dialogue.c's */
    bool data_said; // its reply decides what the next bytes are
    enum send_ending ending;
    bool saw_cr;
    size_t line_len, line_bytes; // kept, and in all, without the end
    char line[SEND_COMMAND_BYTES_MAX];
    struct reply_parser replies;
};

void send_dialogue_init(struct send_dialogue *d);
// Appends what the caller says to *out, which must have room for twice *bytes, and uses it up to
// where a reply decides how it goes on. Behind QUIT all is dropped. False: no memory.
bool send_dialogue_say(struct send_dialogue *d, struct slice *bytes, struct buffer *out);
// The caller says nothing more: a last command without its end gets one, and once all is answered,
// the dialogue gets a QUIT. To be called whenever something was heard. False: no memory.
bool send_dialogue_end(struct send_dialogue *d, struct buffer *out);
// What the engine says. False: that is no SMTP.
bool send_dialogue_hear(struct send_dialogue *d, struct slice bytes);
// A reply must come before anything is said.
static inline bool send_dialogue_listens(const struct send_dialogue *d)
{
    return d->data_said;
}
// All that was said so far is whole, and has its reply; but for QUIT, which needs none.
static inline bool send_dialogue_is_whole(const struct send_dialogue *d)
{
    uint32_t needless = d->quit_said ? 1 : 0;
    return d->unanswered <= needless && !d->in_content && d->chunk_left == 0 && d->line_bytes == 0;
}
// Nothing but the rest of a message is waited for.
static inline bool send_dialogue_is_cut(const struct send_dialogue *d)
{
    return d->in_content ? d->unanswered == 0 : d->chunk_left > 0 && d->unanswered == 1;
}

// Carries bytes between the engine behind `fd`, which it closes, and standard input and output,
// until one of them has ended the session.
int send_relay(int fd);

#endif
