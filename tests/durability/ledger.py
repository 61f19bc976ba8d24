"""What was acknowledged, what arrived, and whether the one agrees with the other.

Two programs that know nothing of the engine write a ledger each; lines of columns parted by tabs,
times in microseconds of the host's monotonic clock:

    load.py   intent   NUMBER SHA256 RCPT RCPT...       before a message leaves
              refused  NUMBER RCPT                      that recipient was not taken
              ack      NUMBER TIME                      a 2xx to the content has come
    sink.py   dot      ARRIVAL LIFE NUMBER SHA256 RCPT RCPT... TIME   before the verdict leaves
              answered ARRIVAL TIME                     the 250 was given to the kernel

A life of the engine is what lies between its start and its being killed. It tells its number in
EHLO, so that each arrival is known to have come from a session of that life.
"""

import collections
import os
import time
from dataclasses import dataclass, field

# A 250 that was given to the kernel so shortly before a kill may not have been stored.
GRACE_US = 50_000


def now_us():
    return time.monotonic_ns() // 1000


class Pen:
    """Writes lines. They are in the file after flush()."""

    def __init__(self, path):
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.lines = []

    def write(self, *columns):
        self.lines.append("\t".join(map(str, columns)) + "\n")

    def write_timed(self, *columns):
        self.write(*columns, now_us())

    def flush(self):
        if self.lines:
            content, self.lines = "".join(self.lines).encode(), []
            while content:
                content = content[os.write(self.descriptor, content):]


class Tail:
    """Reads the lines of a growing file."""

    def __init__(self, path):
        self.path = path
        self.file = None
        self.partial = b""

    def lines(self):
        """Those that came since the last call, as columns."""
        if not self.file:
            if not os.path.exists(self.path):
                return []
            self.file = open(self.path, "rb")
        *lines, self.partial = (self.partial + self.file.read()).split(b"\n")
        return [line.decode().split("\t") for line in lines]


@dataclass
class Intent:
    digest: str
    rcpts: set


@dataclass
class Arrival:
    life: int
    number: int
    digest: str
    rcpts: list
    dot_us: int
    answered_us: int = None


@dataclass
class Verdict:
    lost: list = field(default_factory=list)         # (number, rcpt): acknowledged, never arrived
    partial: list = field(default_factory=list)      # (number, rcpt): others got the message
    damaged: list = field(default_factory=list)      # (number, rcpt): other content
    uncalled: list = field(default_factory=list)     # (number, rcpt): nobody had sent that
    unexplained: list = field(default_factory=list)  # (number, rcpt, why): again, without reason
    explained_count: int = 0                         # again, with reason
    answered_us_max: int = 0  # of those: the 250's longest time in the kernel before the kill


class Books:
    def __init__(self, sent=None, arrived=None):
        """`sent`, `arrived`: paths of the two ledgers."""
        self.sent, self.arrived = Tail(sent) if sent else None, Tail(arrived) if arrived else None
        self.intents = {}
        self.acked = {}
        self.arrivals = {}
        self.reached = collections.defaultdict(list)  # (number, rcpt): arrivals, in their order
        self.owed = set()  # (number, rcpt): acknowledged, not arrived yet

    def read(self):
        for columns in self.sent.lines():
            self.enter(*columns)
        for columns in self.arrived.lines():
            self.enter(*columns)

    def enter(self, word, number, *columns):
        number = int(number)
        if word == "intent":
            self.intents[number] = Intent(columns[0], set(columns[1].split()))
        elif word == "refused":
            self.intents[number].rcpts.discard(columns[0])
        elif word == "ack":
            self.acked[number] = int(columns[0])
            self.owed |= {(number, rcpt) for rcpt in self.intents[number].rcpts
                          if (number, rcpt) not in self.reached}
        elif word == "dot":
            life, of, digest, rcpts, dot_us = columns
            arrival = Arrival(int(life), int(of), digest, rcpts.split(), int(dot_us))
            self.arrivals[number] = arrival
            for rcpt in arrival.rcpts:
                self.reached[arrival.number, rcpt].append(arrival)
                self.owed.discard((arrival.number, rcpt))
        elif word == "answered":
            self.arrivals[number].answered_us = int(columns[0])

    def judge(self, deaths, grace_us=GRACE_US):
        """`deaths`: {life: when it was killed}, in microseconds. Lives that ended well are not in
        it."""
        verdict = Verdict(lost=sorted(self.owed))
        for (number, rcpt), arrivals in self.reached.items():
            intent = self.intents.get(number)
            if not intent or rcpt not in intent.rcpts:
                verdict.uncalled.append((number, rcpt))
                continue
            if any(arrival.digest != intent.digest for arrival in arrivals):
                verdict.damaged.append((number, rcpt))
            arrivals = sorted(arrivals, key=lambda arrival: arrival.life)
            for arrival, again in zip(arrivals, arrivals[1:]):
                why = unexplained(arrival, again, deaths, grace_us)
                if why:
                    verdict.unexplained.append((number, rcpt, why))
                    continue
                verdict.explained_count += 1
                if arrival.answered_us:
                    verdict.answered_us_max = max(
                        verdict.answered_us_max, deaths[arrival.life] - arrival.answered_us)
        self._find_partial(verdict)
        return verdict

    def _find_partial(self, verdict):
        """Of what nobody was promised either all recipients have it, or none."""
        for number, intent in self.intents.items():
            if number in self.acked:
                continue
            missing = [rcpt for rcpt in intent.rcpts if (number, rcpt) not in self.reached]
            if 0 < len(missing) < len(intent.rcpts):
                verdict.partial += [(number, rcpt) for rcpt in missing]


def unexplained(arrival, again, deaths, grace_us):
    """Why there was no reason to send `again` what had come with `arrival`; None: there was.

    The one reason is that the life which sent it first died past its final dot, before it could
    have stored the answer. That the dot left before that death needs no proof: the life sent it.
    """
    if again.life == arrival.life:
        return f"twice in life {arrival.life}"
    died_us = deaths.get(arrival.life)
    if died_us is None:
        return f"life {arrival.life} was not killed"
    if arrival.answered_us is None or arrival.answered_us > died_us - grace_us:
        return None
    return (f"life {arrival.life} had its answer {(died_us - arrival.answered_us) / 1000:.1f} ms "
            f"before it died")
