"""A mail exchanger that remembers who brought what, and when it answered. A program of its own:

    sink.py LEDGER SEED QUICK-ADDRESS,... SLOW-ADDRESS,...      (each HOST:PORT)

Says `listening`, and hears on its standard input:

    storm     the slow hosts defer every recipient; all hosts defer a message now and then, and
              hold back some of their verdicts for up to 100 ms
    calm      everything is taken, at once

With the end of its input it ends. Before the verdict on a message leaves, the ledger says `dot`;
when it was given to the kernel, `answered`. See ledger.py.
"""

import asyncio
import hashlib
import random
import re
import sys

from ledger import Pen, now_us
from traffic import MARK, number_of

HELD_S_MAX = 0.1
SHARE_HELD, SHARE_DEFERRED = 0.2, 0.02
ADDRESS = re.compile(rb"<([^>]*)>")


class Session(asyncio.Protocol):
    def __init__(self, sink, is_slow, offers):
        self.sink = sink
        self.is_slow = is_slow
        self.offers = offers
        self.received = bytearray()
        self.searched = 0
        self.content_bytes = None  # of a BDAT; -1: DATA
        self.held = False
        self.life = "?"
        self.rcpts = []
        self.replies = []
        self.arrivals = []  # whose verdict is among `replies`

    def connection_made(self, transport):
        self.transport = transport
        transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data):
        self.received += data
        self.go()

    def go(self):
        while not self.held and not self.transport.is_closing() and self.step():
            pass
        self.answer()

    def answer(self):
        self.sink.pen.flush()
        if self.held or not self.replies or self.transport.is_closing():
            return
        self.transport.write(b"".join(self.replies))
        for arrival in self.arrivals:
            self.sink.pen.write_timed("answered", arrival)
        self.sink.pen.flush()
        self.replies, self.arrivals = [], []

    def release(self):
        self.held = False
        self.answer()
        self.go()

    def step(self):
        """One command or content, when all of it is there."""
        if self.content_bytes is None:
            line = self.take(b"\r\n")
            return line is not None and self.on_command(line)
        if self.content_bytes >= 0:
            if len(self.received) < self.content_bytes:
                return False
            content = bytes(self.received[:self.content_bytes])
            del self.received[:self.content_bytes]
        else:
            content = self.take(b"\r\n.\r\n")
            if content is None:
                return False
            content = (b"\r\n" + content + b"\r\n").replace(b"\r\n.", b"\r\n")[2:]
        self.content_bytes = None
        self.on_content(content)
        return True

    def take(self, end):
        at = self.received.find(end, max(0, self.searched - len(end)))
        if at < 0:
            self.searched = len(self.received)
            return None
        taken = bytes(self.received[:at])
        del self.received[:at + len(end)]
        self.searched = 0
        return taken

    def on_command(self, line):
        verb = line[:4].upper()
        reply = b"250 2.0.0 fine\r\n"
        if verb == b"EHLO":
            self.life = line[5:].decode().split(".")[0].removeprefix("life")
            reply = self.offers
        elif verb == b"MAIL":
            self.rcpts = []
        elif verb == b"RCPT":
            if self.is_slow and self.sink.storm:
                reply = b"450 4.2.1 later\r\n"
            else:
                self.rcpts.append(ADDRESS.search(line)[1].decode())
        elif verb == b"DATA":
            self.content_bytes = -1 if self.rcpts else None
            reply = b"354 go ahead\r\n" if self.rcpts else b"554 5.5.1 for whom?\r\n"
        elif verb == b"BDAT":
            self.content_bytes = int(line.split()[1])
            return True  # the verdict is the reply
        elif verb == b"QUIT":
            self.replies.append(b"221 2.0.0 bye\r\n")
            self.answer()
            self.transport.close()
            return False
        self.replies.append(reply)
        return True

    def on_content(self, content):
        rcpts, self.rcpts = self.rcpts, []
        dice = self.sink.dice
        if not rcpts:
            self.replies.append(b"554 5.5.1 for whom?\r\n")
            return
        if self.sink.storm and dice.random() < SHARE_DEFERRED:
            self.replies.append(b"451 4.3.0 not now\r\n")
            return
        arrival = self.sink.next_arrival()
        content = content[content.find(MARK):]
        self.sink.pen.write_timed("dot", arrival, self.life, number_of(content),
                                  hashlib.sha256(content).hexdigest(), " ".join(rcpts))
        self.replies.append(b"250 2.0.0 kept\r\n")
        self.arrivals.append(arrival)
        if self.sink.storm and dice.random() < SHARE_HELD:
            self.held = True
            asyncio.get_running_loop().call_later(dice.uniform(0, HELD_S_MAX), self.release)


class Sink:
    def __init__(self, ledger, seed):
        self.pen = Pen(ledger)
        self.dice = random.Random(seed)
        self.storm = False
        self.arrival_count = 0

    def next_arrival(self):
        self.arrival_count += 1
        return self.arrival_count

    async def run(self, quick, slow):
        loop = asyncio.get_running_loop()
        for number, (address, is_slow) in enumerate([(a, False) for a in quick] +
                                                    [(a, True) for a in slow]):
            host, port = address.rsplit(":", 1)
            words = ["sink", "PIPELINING", "8BITMIME", *(["CHUNKING"] if number % 2 else [])]
            offers = "".join(f"250{'-' if word is not words[-1] else ' '}{word}\r\n"
                             for word in words).encode()
            await loop.create_server(
                lambda is_slow=is_slow, offers=offers: Session(self, is_slow, offers), host,
                int(port), backlog=1000)
        print("listening", flush=True)
        orders = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
        while line := await orders.readline():
            self.storm = line.strip() == b"storm"
            print("storm" if self.storm else "calm", flush=True)


if __name__ == "__main__":
    book, dice_seed, quick_hosts, slow_hosts = sys.argv[1:]
    asyncio.run(Sink(book, int(dice_seed)).run(quick_hosts.split(","), slow_hosts.split(",")))
