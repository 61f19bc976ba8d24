#include "tests/smtp_peer.h"

#include "engine/base/check.h"

void smtp_peer_init(struct smtp_peer *p)
{
    p->state = PEER_READS_LINE;
    p->line_ended = true;
    p->line_len = 0;
    p->content_len = 0;
    p->login_lines = 0;
}

static enum peer_command start_bdat(struct smtp_peer *p)
{
    struct slice rest = smtp_peer_line(p);
    uint64_t bytes;
    slice_cut(&rest, ' ');
    struct slice size = slice_cut(&rest, ' ');
    if (!slice_to_u64(size, PEER_CONTENT_BYTES_MAX, &bytes) || !slice_equal(rest, SLICE("LAST")))
        return PEER_BAD;
    p->bdat_left = bytes;
    p->content_len = 0;
    if (bytes == 0)
        return PEER_CONTENT;
    p->state = PEER_READS_BDAT;
    return PEER_NEEDS_MORE;
}

static enum peer_command on_line(struct smtp_peer *p)
{
    struct slice line = smtp_peer_line(p);
    if (p->login_lines > 0) {
        p->login_lines--;
        return PEER_AUTH;
    }
    if (slice_equal(line, SLICE("STARTTLS")))
        return PEER_STARTTLS;
    if (slice_starts(line, SLICE("AUTH "))) {
        p->login_lines = slice_equal(line, SLICE("AUTH LOGIN")) ? 2 : 0;
        return PEER_AUTH;
    }
    if (slice_starts(line, SLICE("EHLO ")))
        return PEER_EHLO;
    if (slice_starts(line, SLICE("HELO ")))
        return PEER_HELO;
    if (slice_equal(line, SLICE("RSET")))
        return PEER_RSET;
    if (slice_starts(line, SLICE("MAIL FROM:<")))
        return PEER_MAIL;
    if (slice_starts(line, SLICE("RCPT TO:<")))
        return PEER_RCPT;
    if (slice_starts(line, SLICE("BDAT ")))
        return start_bdat(p);
    if (slice_equal(line, SLICE("DATA"))) {
        p->state = PEER_SAID_DATA;
        return PEER_DATA;
    }
    if (slice_equal(line, SLICE("QUIT"))) {
        p->state = PEER_SAID_QUIT;
        return PEER_QUIT;
    }
    return PEER_BAD;
}

// One byte of DATA's content. True at its end: a line of a lone dot.
static bool on_data_byte(struct smtp_peer *p, char byte)
{
    p->line[p->line_len++] = byte;
    CHECK(p->line_len < PEER_LINE_BYTES_MAX);
    if (byte != '\n' || p->line_len < 2 || p->line[p->line_len - 2] != '\r')
        return false;
    struct slice line = slice_make(p->line, p->line_len);
    p->line_len = 0;
    if (slice_equal(line, SLICE(".\r\n"))) {
        p->state = PEER_READS_LINE;
        p->line_ended = true;
        return true;
    }
    line = slice_skip(line, line.data[0] == '.');
    CHECK(p->content_len + line.len <= PEER_CONTENT_BYTES_MAX);
    memcpy(p->content + p->content_len, line.data, line.len);
    p->content_len += line.len;
    return false;
}

static bool on_bdat_byte(struct smtp_peer *p, char byte)
{
    p->content[p->content_len++] = byte;
    if (--p->bdat_left > 0)
        return false;
    p->state = PEER_READS_LINE;
    return true;
}

static bool on_line_byte(struct smtp_peer *p, char byte)
{
    if (p->line_ended)
        p->line_len = 0;
    p->line[p->line_len++] = byte;
    CHECK(p->line_len < PEER_LINE_BYTES_MAX);
    p->line_ended = p->line_len >= 2 && memcmp(p->line + p->line_len - 2, "\r\n", 2) == 0;
    if (p->line_ended)
        p->line_len -= 2;
    return p->line_ended;
}

enum peer_command smtp_peer_read(struct smtp_peer *p, struct slice *said)
{
    while (said->len > 0) {
        char byte = said->data[0];
        *said = slice_skip(*said, 1);
        enum peer_command command = PEER_NEEDS_MORE;
        switch (p->state) {
        case PEER_READS_LINE: command = on_line_byte(p, byte) ? on_line(p) : command; break;
        case PEER_READS_DATA: command = on_data_byte(p, byte) ? PEER_CONTENT : command; break;
        case PEER_READS_BDAT: command = on_bdat_byte(p, byte) ? PEER_CONTENT : command; break;
        case PEER_SAID_DATA:
        case PEER_SAID_QUIT: return PEER_BAD;
        }
        if (command != PEER_NEEDS_MORE)
            return command;
    }
    return PEER_NEEDS_MORE;
}

void smtp_peer_go_ahead(struct smtp_peer *p)
{
    CHECK(p->state == PEER_SAID_DATA);
    p->state = PEER_READS_DATA;
    p->line_len = 0;
    p->content_len = 0;
}

void smtp_peer_no_data(struct smtp_peer *p)
{
    CHECK(p->state == PEER_SAID_DATA);
    p->state = PEER_READS_LINE;
}

struct slice smtp_peer_path(const struct smtp_peer *p)
{
    struct slice rest = smtp_peer_line(p);
    slice_cut(&rest, '<');
    return slice_cut(&rest, '>');
}
