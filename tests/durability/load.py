"""Mail without end, for an engine that keeps dying. A program of its own:

    load.py SOCKET LEDGER SEED FIRST RATE DOMAIN...

Gives messages FIRST, FIRST + 1, ... at most RATE in a second, on several connections at once, each
with many messages under way: half of them by DATA, half by BDAT (RFC 3030). A connection that
breaks is opened again, and what was under way on it is never sent again. SIGTERM: no more
messages are begun; ends when those under way have their replies.

Before a message leaves, the ledger says `intent`; when it was accepted, `ack`. See ledger.py.
"""

import asyncio
import collections
import hashlib
import os
import signal
import sys

from ledger import Pen
from traffic import SENDER, Traffic

CONNECTIONS = 8
WINDOW = 16  # messages without a verdict, of a connection with BDAT
PAUSE_S = 0.005  # before a connection is tried again
PATIENCE_S = 5  # for the last replies


class Session(asyncio.Protocol):
    def __init__(self, load, by_bdat):
        self.load = load
        self.by_bdat = by_bdat
        self.awaited = collections.deque([("greeting",)])  # what each coming reply is to
        self.under_way = 0
        self.received = b""
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, exc):
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data):
        *lines, self.received = (self.received + data).split(b"\r\n")
        for line in lines:
            if line[3:4] == b" ":
                self.on_reply(int(line[:3]))
        self.load.pen.flush()
        self.fill()

    def on_reply(self, code):
        if not self.awaited:
            self.transport.abort()  # 421: it ends
            return
        what, *more = self.awaited.popleft()
        good = code // 100 == 2
        if what == "greeting" and good:
            self.say(b"EHLO load.example\r\n", "EHLO")
        elif what == "DATA" and code == 354:
            self.content(*more)
        elif what == "RCPT" and not good:
            self.load.pen.write("refused", more[0].number, more[1])
        elif what == "verdict":
            self.under_way -= 1
            if good:
                self.load.pen.write_timed("ack", more[0].number)
        elif not good:
            self.transport.abort()

    def say(self, line, *what):
        self.awaited.append(what)
        if not self.transport.is_closing():
            self.transport.write(line)

    def fill(self):
        """Begins as many messages as may be under way."""
        if self.awaited and self.awaited[0][0] in ("greeting", "EHLO"):
            return
        while (self.under_way < (WINDOW if self.by_bdat else 1) and
               not self.transport.is_closing()):
            message = self.load.next()
            if not message:
                return
            self.begin(message)

    def begin(self, message):
        self.under_way += 1
        lines = [f"MAIL FROM:<{SENDER}>\r\n"]
        self.awaited.append(("MAIL", message))
        for rcpt in message.rcpts:
            lines.append(f"RCPT TO:<{rcpt}>\r\n")
            self.awaited.append(("RCPT", message, rcpt))
        head = "".join(lines).encode()
        if self.by_bdat:
            self.say(b"%sBDAT %d LAST\r\n%s" % (head, len(message.content), message.content),
                     "verdict", message)
        else:
            self.say(head + b"DATA\r\n", "DATA", message)

    def content(self, message):
        """And behind it the beginning of the next message, as RFC 2920 3.1 has it."""
        stuffed = message.content.replace(b"\r\n.", b"\r\n..")
        self.say(stuffed + b".\r\n", "verdict", message)
        following = self.load.next()
        if following:
            self.begin(following)


class Load:
    def __init__(self, socket_path, ledger, seed, first, rate, domains):
        self.socket_path = socket_path
        self.traffic = Traffic(seed, domains)
        self.pen = Pen(ledger)
        self.number = first
        self.rate = rate
        self.allowed = 0.0
        self.stopping = False
        self.sessions = set()

    def next(self):
        """The next message, its intent written down. None: not now."""
        if self.allowed < 1 or self.stopping:
            return None
        self.allowed -= 1
        message = self.traffic.message(self.number)
        self.number += 1
        self.pen.write("intent", message.number, hashlib.sha256(message.content).hexdigest(),
                       " ".join(message.rcpts))
        self.pen.flush()
        return message

    async def keep_connected(self, by_bdat):
        loop = asyncio.get_running_loop()
        while not self.stopping:
            try:
                _, session = await loop.create_unix_connection(lambda: Session(self, by_bdat),
                                                               self.socket_path)
            except OSError:
                await asyncio.sleep(PAUSE_S)
                continue
            self.sessions.add(session)
            await session.ended
            self.sessions.discard(session)

    async def pace(self):
        """What was not sent while nobody listened is not made up for."""
        tick_s = 0.005
        while not self.stopping:
            self.allowed = min(self.allowed + self.rate * tick_s, self.rate / 20)
            for session in self.sessions:
                session.fill()
            await asyncio.sleep(tick_s)

    async def run(self):
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        tasks = [asyncio.create_task(self.keep_connected(i % 2 == 0)) for i in range(CONNECTIONS)]
        await self.pace()
        deadline = loop.time() + PATIENCE_S
        while any(s.under_way for s in self.sessions) and loop.time() < deadline:
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        self.pen.flush()

    def stop(self):
        self.stopping = True


if __name__ == "__main__":
    path, book, run_seed, begin_at, per_second, *names = sys.argv[1:]
    os.umask(0o022)
    asyncio.run(Load(path, book, int(run_seed), int(begin_at), int(per_second), names).run())
