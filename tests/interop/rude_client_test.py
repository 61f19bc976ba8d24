"""Clients that vanish, dawdle, babble, or are many. Others do not notice, and it costs little."""

import os
import random
import socket
import unittest

from client import Client, stuff
from engine import Engine
from exchanger import Exchanger
from neighbour import GOOD, MESSAGE_BYTES_MAX, SENDER, WithNeighbour
from place import eventually, long_or

# What a session says, step by step, and never to its end.
SESSION = [b"EHLO client.example\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<%s>\r\n",
           b"DATA\r\n", b"Subject: x\r\n\r\n.", b".\r\nx\r\n", b"\r\n."]
CHUNKED = SESSION[:3] + [b"BDAT 5\r\nSubje", b"BDAT 9\r\nct: x\r\n\r\n", b"BDAT 100 LAST\r\nx"]


class RudeClients(WithNeighbour):
    def said(self, steps):
        return b"".join(steps).replace(b"%s", self.rcpt("rude").encode())

    def whole(self):
        """A session as it should be, up to the end of its message."""
        return self.said(SESSION[:4]) + stuff(GOOD)

    def expect_whole(self, client):
        self.assertEqual(client.codes(5), [220, 250, 250, 250, 354])
        self.was_good(client.reply())


class Vanish(RudeClients):
    def vanish(self, steps, how):
        """After every byte, before the message is whole."""
        said = self.said(steps)
        for cut in range(len(said) + 1):
            client = self.client(hello=None)
            client.send(said[:cut])
            if cut % 2:
                client.reply()
            how(client)

    def test_vanish(self):
        for steps in (SESSION, CHUNKED):
            for how in (Client.close, Client.reset):
                with self.subTest(how=how.__name__, last=steps[-1]):
                    self.vanish(steps, how)

    def test_end_of_input_is_not_the_end(self):
        """All said at once, and the writing side closed: the replies come, and the mail goes."""
        client = self.client(hello=None)
        client.send(self.whole() + b"QUIT\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        self.expect_whole(client)
        self.assertEqual(client.codes(2), [221, 0])


class Dawdle(RudeClients):
    listen = "idle-timeout = 3s"

    def test_byte_by_byte(self):
        client = self.client(hello=None)
        client.send(self.whole(), piece=1, pause_s=0.001)
        self.expect_whole(client)

    def test_silent(self):
        """At every step of a session: after idle-timeout it is over."""
        clients = []
        for steps in (SESSION, CHUNKED):
            for count in range(len(steps) + 1):
                client = self.client(hello=None)
                client.send(self.said(steps[:count]))
                clients.append(client)
        for client in clients:
            codes = []
            while code := client.reply()[0]:
                codes.append(code)
            self.assertEqual(codes[-1], 421, codes)

    def test_a_byte_at_a_time_is_no_progress(self):
        """Drops of a command, or of content, do not keep a session for ever."""
        for start in ([], [b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<a@b>\r\n", b"DATA\r\n"]):
            client = self.client()
            client.send(b"".join(start))
            client.codes(len(start))
            client.socket.settimeout(0.2)
            for _ in range(50):
                try:
                    client.send(b"x")
                    if client.socket.recv(100):
                        break
                except TimeoutError:
                    pass
            else:
                self.fail("it may go on for ever")

    def test_does_not_read(self):
        """Commands without end, and no reply read: the engine stops reading, others go on."""
        client = self.client()
        client.socket.settimeout(0.5)
        sent = 0
        with self.assertRaises((TimeoutError, ConnectionError)):
            while sent < 64 * 1024 * 1024:
                sent += client.socket.send(b"NOOP\r\n" * 10000)


class Many(RudeClients):
    def test_garbage(self):
        dice = random.Random(1)
        for address in (self.engine.unix, self.engine.tcp):
            sizes = [dice.randrange(1, 3000) for _ in range(long_or(2000, 100))]
            for size in [1024 * 1024] + sizes:
                client = Client(address, hello=None)
                try:
                    client.send(dice.randbytes(size))
                    client.socket.shutdown(socket.SHUT_WR)
                    while client.socket.recv(65536):
                        pass
                except OSError:
                    pass  # it was cut off
                client.close()

    def test_many_quick_connections(self):
        """Most of them are gone before they are greeted."""
        for i in range(long_or(100000, 5000)):
            client = Client(self.engine.unix if i % 2 else self.engine.tcp, hello=None)
            if i % 3 == 0:
                client.reset()
            elif i % 3 == 1:
                client.send(b"QUIT\r\n")
            client.close()

    def test_many_at_once(self):
        """Each in the middle of a message; then they go, and all is given back."""
        half = b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" * (MESSAGE_BYTES_MAX // 4)
        before = self.descriptors()
        clients = [self.client() for _ in range(long_or(5000, 400))]
        for client in clients:
            client.open_transaction(SENDER, [self.rcpt("many")])
            self.assertEqual(client.say("DATA")[0], 354)
            client.send(half)
        self.assertGreaterEqual(self.descriptors(), before + len(clients))
        for client in clients:
            client.close()
        eventually(lambda: self.descriptors() < before + 20, "the descriptors")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.engine.pid}/fd"))


class Limits(unittest.TestCase):
    def test_connections(self):
        limited = Engine(listen="connections = 3")
        self.addCleanup(limited.end)
        clients = [Client(limited.unix, hello=None) for _ in range(12)]
        codes = [client.reply()[0] for client in clients]
        self.assertEqual((codes.count(220), codes.count(421)), (3, 9))
        for client in clients:
            client.close()
        eventually(lambda: self.greeting(limited) == 220, "room")

    @staticmethod
    def greeting(limited):
        with Client(limited.unix, hello=None) as client:
            return client.reply()[0]

    def test_memory(self):
        """Beyond it clients come back later; what was accepted is delivered, and there is room."""
        limited = Engine(more='journal { durable = no  memory = "16M" }', domain="retry-first = 1s")
        self.addCleanup(limited.end)
        number = next(Exchanger.numbers)
        content = b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * 10000
        ids = []
        with Client(limited.unix) as client:
            while True:
                client.send(f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<x@d{number}.example>\r\n")
                codes = client.codes(2)
                code, text = client.give(content) if codes == [250, 250] else (max(codes), "")
                if code != 250:
                    break
                ids.append(text.rsplit(" ", 1)[1])
                self.assertLess(len(ids), 100)
            self.assertEqual(code, 452)
        self.assertGreater(len(ids), 5)
        with Exchanger(number=number) as late:
            for message_id in ids:
                eventually(lambda: limited.events_of(message_id)[-1:] and
                           limited.events_of(message_id)[-1]["event"] == "delivered", message_id)
            self.assertEqual(len(late.transactions), len(ids))
            with Client(limited.unix) as client:
                client.submit(SENDER, [f"x@{late.domain}"], content)
