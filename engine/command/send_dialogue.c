// -bs: what the caller says, as far as it decides where a line and the dialogue end.

#include "engine/command/send.h"

#include "engine/base/check.h"

void send_dialogue_init(struct send_dialogue *d)
{
    *d = (struct send_dialogue){.unanswered = 1}; // the greeting
    reply_parser_init(&d->replies);
}

// Lines end as the first one does. Where that was CRLF, an LF alone stays one, for the engine to
// refuse: it could be somebody's text that ends a message.
static bool ends_line(struct send_dialogue *d, char byte)
{
    if (byte != '\n')
        return false;
    if (d->ending == SEND_ENDING_UNKNOWN)
        d->ending = d->saw_cr ? SEND_ENDING_CRLF : SEND_ENDING_LF;
    return d->saw_cr || d->ending == SEND_ENDING_LF;
}

static void on_command(struct send_dialogue *d, struct slice line)
{
    static const struct command_rules rules = {.dsn = false}; // of no matter to these verbs
    struct command c;
    enum command_status status = command_parse(line, &rules, &c);
    if (c.verb == VERB_BDAT && status != COMMAND_BAD_CHUNK)
        d->chunk_left = c.chunk_bytes; // and the one reply comes behind it
    d->unanswered++;
    d->data_said = status == COMMAND_OK && c.verb == VERB_DATA;
    d->quit_said = status == COMMAND_OK && c.verb == VERB_QUIT;
}

static void on_line(struct send_dialogue *d)
{
    struct slice line = slice_make(d->line, d->line_len);
    if (!d->in_content) {
        on_command(d, d->line_bytes == d->line_len ? line : SLICE("NOOP"));
    } else if (d->line_bytes == 1 && d->line[0] == '.') {
        d->in_content = false;
        d->unanswered++;
    }
    d->line_len = 0;
    d->line_bytes = 0;
}

static void keep(struct send_dialogue *d, char byte)
{
    if (d->line_len < sizeof(d->line))
        d->line[d->line_len++] = byte;
    d->line_bytes++;
}

static bool take_byte(struct send_dialogue *d, char byte, struct buffer *out)
{
    if (ends_line(d, byte)) {
        bool good = buffer_append(out, d->saw_cr ? SLICE("\n") : SLICE("\r\n"));
        d->saw_cr = false;
        on_line(d);
        return good;
    }
    if (d->saw_cr)
        keep(d, '\r');
    d->saw_cr = byte == '\r';
    if (!d->saw_cr)
        keep(d, byte);
    return buffer_append_byte(out, byte);
}

bool send_dialogue_say(struct send_dialogue *d, struct slice *bytes, struct buffer *out)
{
    bool good = true;
    while (good && bytes->len > 0 && !send_dialogue_listens(d) && !d->quit_said) {
        size_t used = bytes->len < d->chunk_left ? bytes->len : (size_t)d->chunk_left;
        if (used > 0) {
            good = buffer_append(out, slice_take(*bytes, used));
            d->chunk_left -= used;
        } else {
            good = take_byte(d, bytes->data[0], out);
            used = 1;
        }
        *bytes = slice_skip(*bytes, used);
    }
    if (d->quit_said)
        *bytes = SLICE_EMPTY; // nobody hears it
    return good;
}

bool send_dialogue_end(struct send_dialogue *d, struct buffer *out)
{
    bool good = true;
    if (d->in_content || d->chunk_left > 0 || d->quit_said)
        return true;
    if (d->line_bytes > 0 || d->saw_cr) {
        good = buffer_append(out, d->saw_cr ? SLICE("\n") : SLICE("\r\n"));
        d->saw_cr = false;
        on_line(d);
    }
    if (d->unanswered == 0 && !d->quit_said && !d->in_content && d->chunk_left == 0) {
        good = good && buffer_append(out, SLICE("QUIT\r\n"));
        d->quit_said = true;
        d->unanswered++;
    }
    return good;
}

bool send_dialogue_hear(struct send_dialogue *d, struct slice bytes)
{
    while (bytes.len > 0) {
        size_t used;
        enum reply_status status = reply_feed(&d->replies, bytes, &used);
        bytes = slice_skip(bytes, used);
        if (status == REPLY_BROKEN)
            return false;
        if (status != REPLY_DONE || d->unanswered == 0)
            continue; // a 421 answers nothing
        d->unanswered--;
        if (d->unanswered > 0 || !d->data_said)
            continue;
        d->data_said = false;
        d->in_content = d->replies.reply.code == 354;
    }
    return true;
}
