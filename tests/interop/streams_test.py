"""Clients and exchangers at the edges: who streams without waiting, who hangs up on one message."""

import json
import re
import socket
import subprocess
import threading
import unittest

from client import Client
from engine import PROGRAM, Engine, configure
from exchanger import CLOSE, Exchanger
from place import eventually, long_or, place

SENDER = "sender@client.example"


def setUpModule():
    global engine
    engine = Engine(domain='retry-first = "2s"')
    unittest.addModuleCleanup(engine.end)


class Streams(unittest.TestCase):
    def setUp(self):
        self.exchanger = Exchanger()
        self.addCleanup(self.exchanger.close)

    def stream(self, address, count, size):
        """All messages by BDAT, back to back, without a look at any reply; returns the replies."""
        content = b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * (size // 78)
        one = (f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<x@{self.exchanger.domain}>\r\n"
               f"BDAT {len(content)} LAST\r\n").encode() + content
        with Client(address) as client:
            writer = threading.Thread(
                target=lambda: client.socket.sendall(one * count + b"QUIT\r\n"), daemon=True)
            writer.start()
            replies = client.file.read().splitlines()  # to the end of the stream
            writer.join()
        return replies

    def test_thousands_without_a_window(self):
        count = long_or(20000, 2000)
        for address, size in ((engine.tcp, 2048), (engine.unix, 2048), (engine.tcp, 200)):
            replies = self.stream(address, count, size)
            queued = [r for r in replies if r.startswith(b"250 2.0.0 Ok: queued as")]
            self.assertEqual(len(queued), count, replies[-3:])
            self.assertTrue(replies[-1].startswith(b"221 "), replies[-1])

    def test_quit_behind_the_content(self):
        """The last replies, and then the end of the stream, not a wait for the idle time-out."""
        for ending in (b"QUIT\r\n", b"NOOP\r\nQUIT\r\n"):
            with Client(engine.unix) as client:
                client.socket.sendall(
                    f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<x@{self.exchanger.domain}>\r\n"
                    "BDAT 14 LAST\r\nSubject: x\r\n\r\n".encode() + ending)
                self.assertTrue(client.file.read().splitlines()[-1].startswith(b"221 "))

    def test_one_message_that_the_exchanger_dislikes(self):
        """It hangs up on one sender: that one is deferred, and all others arrive."""
        def mail_from(session):
            return CLOSE if "poison" in session.said else None
        self.exchanger.script["MAIL"] = mail_from
        good = 100
        with Client(engine.unix) as client:
            ids = {}
            for n in range(good + 1):
                sender = "poison@client.example" if n == 3 else f"good{n}@client.example"
                ids[client.submit(sender, [f"x@{self.exchanger.domain}"],
                                  b"Subject: x\r\n\r\nx\r\n")] = sender
        for message_id, sender in ids.items():
            first = engine.outcomes(message_id)[0]
            want = "deferred" if sender.startswith("poison") else "delivered"
            self.assertEqual((first["event"], first["attempt"]), (want, 1), first)


class Events(unittest.TestCase):
    """Standard output, written to by two workers: no line is lost, none is torn."""

    def setUp(self):
        self.exchanger = Exchanger()
        self.addCleanup(self.exchanger.close)
        name = place().new_name("talker")
        self.socket = place().path(f"{name}.sock")
        config = open(configure(name=name), encoding="ascii").read()
        self.config = place().write(f"{name}.conf", re.sub(r'file = ".*"', 'file = "stdout"', config))

    def listens(self):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.socket) == 0

    def lines(self, stdout, printed):
        count = 2000
        talker = subprocess.Popen([PROGRAM, "serve", "-c", self.config], stdout=stdout,
                                  stderr=subprocess.DEVNULL)
        self.addCleanup(talker.kill)
        eventually(self.listens, "the socket")
        reader = printed(talker)
        with Client(self.socket) as client:
            for _ in range(count):
                client.submit(SENDER, [f"x@{self.exchanger.domain}"], b"Subject: x\r\n\r\nx\r\n")
        eventually(lambda: len(self.exchanger.transactions) >= count, "all messages")
        talker.terminate()
        self.assertEqual(talker.wait(30), 0)
        lines = [json.loads(line) for line in reader()]
        self.assertEqual([line["event"] for line in lines].count("delivered"), count)
        self.assertEqual(lines[-1]["event"], "stopped")

    def test_into_a_file(self):
        with open(place().path("events-printed"), "wb+") as file:
            def printed(_):
                return lambda: file.seek(0) or file.read().splitlines()
            self.lines(file, printed)

    def test_into_a_pipe(self):
        def printed(talker):
            read = []
            thread = threading.Thread(target=lambda: read.extend(talker.stdout), daemon=True)
            thread.start()
            return lambda: thread.join(30) or read
        self.lines(subprocess.PIPE, printed)


if __name__ == "__main__":
    unittest.main()
