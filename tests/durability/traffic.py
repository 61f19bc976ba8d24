"""The mail of a run: message N is the same wherever it is asked for."""

import random
from dataclasses import dataclass

SENDER = "sender@client.example"
MARK = b"Message-ID: <"  # a message begins with it: what stands before it was added on the way

POOL_LINES = 6000
# Share in 1000, and body bytes from and up to. The last are too large for a journal's segment and
# lie in files of their own.
SIZES = ((850, 0, 4_000), (142, 4_000, 40_000), (8, 270_000, 330_000))


@dataclass
class Message:
    number: int
    rcpts: list
    content: bytes


def number_of(content):
    """Of the message that begins with MARK here."""
    return int(content[len(MARK):content.index(b"@", 0, 100)])


class Traffic:
    """`domains`: of the recipients. A message has one to four, more often of several domains."""

    def __init__(self, seed, domains):
        self.seed = seed
        self.domains = domains
        dice = random.Random(seed)
        starts = (b"", b"", b"", b".", b"..")
        self.lines = [b"%s%0*x\r\n" % (dice.choice(starts), dice.randrange(8, 140),
                                       dice.getrandbits(32)) for _ in range(POOL_LINES)]
        self.pool = b"".join(self.lines)
        self.ends = [0]
        for line in self.lines:
            self.ends.append(self.ends[-1] + len(line))

    def message(self, number):
        dice = random.Random(self.seed * 1_000_003 + number)
        rcpts = [f"{number}.{i}@{dice.choice(self.domains)}"
                 for i in range(dice.choice((1, 2, 2, 3, 4)))]
        header = MARK + b"%d@client.example>\r\nSubject: message %d\r\n\r\n" % (number, number)
        return Message(number, rcpts, header + self._body(dice))

    def _body(self, dice):
        share = dice.randrange(1000)
        for part, bytes_min, bytes_max in SIZES:
            if share < part:
                break
            share -= part
        body_bytes = dice.randrange(bytes_min, bytes_max)
        first = dice.randrange(POOL_LINES)
        start = self.ends[first]
        body = self.pool[start:start + body_bytes]
        return body[:body.rfind(b"\r\n") + 2] if b"\r\n" in body else b"short\r\n"
