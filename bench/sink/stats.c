#include "bench/sink/stats.h"

void sink_stats_count_replies(struct sink_stats *s, struct slice text)
{
    while (text.len > 0) {
        struct slice line = slice_cut(&text, '\n');
        if (line.len < 4 || line.data[3] == '-') // only the last line of a reply counts
            continue;
        unsigned code = (unsigned)(line.data[0] - '0') * 100u +
                        (unsigned)(line.data[1] - '0') * 10u + (unsigned)(line.data[2] - '0');
        if (code < SINK_CODES)
            s->replies[code]++;
    }
}

void sink_stats_merge(struct sink_stats *into, const struct sink_stats *from)
{
    into->sessions += from->sessions;
    into->sessions_refused += from->sessions_refused;
    into->sessions_open += from->sessions_open;
    into->sessions_broken += from->sessions_broken;
    into->disconnects += from->disconnects;
    into->handshakes += from->handshakes;
    into->handshakes_resumed += from->handshakes_resumed;
    into->handshakes_failed += from->handshakes_failed;
    into->handshakes_tls13 += from->handshakes_tls13;
    into->logins += from->logins;
    into->logins_refused += from->logins_refused;
    into->messages += from->messages;
    into->messages_refused += from->messages_refused;
    into->recipients += from->recipients;
    into->bytes += from->bytes;
    for (unsigned code = 0; code < SINK_CODES; code++)
        into->replies[code] += from->replies[code];
}
