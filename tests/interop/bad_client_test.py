"""Clients that break the rules, give up, or mean harm. Each gets the reply that SMTP has for it;
nothing of theirs is half accepted, and others do not notice."""

import os
import random
import socket
import threading
import time
import unittest

from client import Client, stuff
from engine import Engine
from exchanger import Exchanger
from place import eventually, long_or

SENDER = "sender@client.example"
GOOD = b"Subject: good\r\n\r\ngood\r\n"
MESSAGE_BYTES_MAX = 100 * 1024
LINE_BYTES_MAX = 4096  # a command of twice as much is too long in any case
RESIDENT_KB_MAX = 48 * 1024  # beyond what the engine has when it starts


def setUpModule():
    global engine, exchanger, resident_kb
    engine = Engine(listen='max-message = 100k max-recipients = 100 idle-timeout = 3s')
    unittest.addModuleCleanup(engine.end)
    exchanger = Exchanger()
    unittest.addModuleCleanup(exchanger.close)
    resident_kb = engine.resident_kb()


def rcpt(name):
    return f"{name}@{exchanger.domain}"


class Neighbour(threading.Thread):
    """A client that behaves, beside those that do not. None of its messages may wait or be lost."""

    def __init__(self):
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.ids = []
        self.slowest_s = 0.0
        self.trouble = None

    def run(self):
        try:
            with Client(engine.unix) as client:
                while not self.ended.wait(0.02):
                    began = time.monotonic()
                    self.ids.append(client.submit(SENDER, [rcpt("neighbour")], GOOD))
                    self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        except (OSError, AssertionError) as error:
            self.trouble = error


class BadClients(unittest.TestCase):
    """Each test has a neighbour, and leaves no mail but the neighbour's and the good ones."""

    def setUp(self):
        self.good = set()
        engine.forget_events()
        self.neighbour = Neighbour()
        self.neighbour.start()

    def tearDown(self):
        self.neighbour.ended.set()
        self.neighbour.join(30)
        self.assertIsNone(self.neighbour.trouble)
        self.assertLess(self.neighbour.slowest_s, 2)
        with Client(engine.tcp) as client:  # it is still there, and serves
            self.good.add(client.submit(SENDER, [rcpt("good")], GOOD))
        expected = self.good | set(self.neighbour.ids)
        for message_id in expected:
            event, = engine.outcomes(message_id)
            self.assertEqual(event["event"], "delivered", event)
        self.assertEqual({e["id"] for e in engine.events()} - expected, set())
        self.assertEqual(exchanger.faults, [])
        self.assertLess(engine.resident_kb() - resident_kb, RESIDENT_KB_MAX)
        self.assertEqual(engine.log().count("\n"), 2, engine.log())  # no line since it began

    def client(self, **options):
        client = Client(engine.tcp, **options)
        self.addCleanup(client.close)
        return client

    def submit_good(self, client):
        """The session is still good for a message."""
        self.good.add(client.submit(SENDER, [rcpt("good")], GOOD))

    # --- commands

    # (what is said one after the other, the codes of the replies)
    conversations = [
        (["DATA", "BDAT 0 LAST", "RCPT TO:<a@b>"], [503, 503, 503]),
        (["MAIL FROM:<a@b>", "DATA", "BDAT 0 LAST", "QUIT"], [250, 503, 503, 221]),
        (["MAIL FROM:<a@b>", "MAIL FROM:<a@b>", "RSET", "RCPT TO:<a@b>"], [250, 503, 250, 503]),
        (["MAIL FROM:<a@b>", "RCPT TO:<no address>", "DATA"], [250, 501, 554]),
        (["MAIL FROM:<a@b>", "EHLO again", "RCPT TO:<a@b>"], [250, 250, 503]),
        (["VRFY x", "EXPN x", "HELP", "NOOP x", "VERB"], [252, 502, 214, 250, 250]),
        (["FLY", "", "\t", "MAIL", "MAIL FROM:"], [500, 500, 500, 501, 501]),
        (["MAIL FROM:<a@b> SIZE=1 SIZE=x", "MAIL FROM:<a@b> NO=SUCH"], [501, 555]),
        (["MAIL FROM:<a@b> SIZE=102401", "MAIL FROM:<a@b> SIZE=102400"], [552, 250]),
        (["MAIL FROM:<a\0@b>", "MAIL FROM:<a@b>\rRCPT TO:<a@b>", "NOOP \x01"], [500, 500, 500]),
        (["MAIL FROM:<a@b>\nRCPT TO:<a@b>\nDATA"], [500]),
        (["MAIL FROM:<ü@b>", "MAIL FROM:<a@b>", "RCPT TO:<ü@b>"], [553, 250, 553]),
        (["MAIL FROM:<a@b>", "RCPT TO:<a@b\0>", "RCPT TO:<>", "RCPT TO:<a@>"],
         [250, 500, 501, 501]),
        (["NOOP " + "x" * LINE_BYTES_MAX * 2, "NOOP"], [500, 250]),
        (["MAIL FROM:<" + "x" * 300 + "@b>"], [501]),
    ]

    def test_conversations(self):
        for lines, codes in self.conversations:
            with self.subTest(lines=[line[:60] for line in lines]):
                client = self.client()
                self.assertEqual(client.say_all(*lines), codes)

    def test_before_hello(self):
        client = self.client(hello=None)
        self.assertEqual(client.reply()[0], 220)
        self.assertEqual(client.say_all("MAIL FROM:<a@b>", "NOOP", "EHLO", "HELO x"),
                         [503, 250, 501, 250])

    def test_errors_have_an_end(self):
        client = self.client()
        client.send("FLY\r\n" * 1000)
        codes = []
        while code := client.reply()[0]:
            codes.append(code)
        self.assertEqual((set(codes[:-1]), codes[-1]), ({500}, 421))
        self.assertLess(len(codes), 100)

    def test_too_many_recipients(self):
        client = self.client()
        lines = ["MAIL FROM:<a@b>"] + [f"RCPT TO:<{rcpt(f'many{i}')}>" for i in range(101)]
        self.assertEqual(client.say_all(*lines), [250] * 101 + [452])
        self.assertEqual(client.say("RSET")[0], 250)

    # --- content

    # By RFC 5321 2.3.8 and 4.1.1.4 only CRLF ends a line, and only CRLF.CRLF the content. Whatever
    # else looks like an end must not be one, or a second message could be smuggled in.
    contents = {name: b"Subject: x\r\n\r\nx" + end + b"MAIL FROM:<smuggled@x>\r\n" for name, end in {
        "LF . LF": b"\n.\n", "CR . CR": b"\r.\r", "CR . LF": b"\r.\n", "LF . CR": b"\n.\r",
        "LF . CRLF": b"\n.\r\n", "CRLF . LF": b"\r\n.\n", "CR . CRLF": b"\r.\r\n",
        "CRLF . CR": b"\r\n.\r", "CRLF NUL . CRLF": b"\r\n\0.\r\n", "CRLF . NUL CRLF": b"\r\n.\0\r\n",
        "CR CR LF": b"\r\r\n", "NUL": b"\0", "999 bytes": b"\r\n" + b"x" * 999 + b"\r\n",
    }.items()}

    def test_bad_content_by_data(self):
        for name, content in self.contents.items():
            for piece in (0, 1):
                with self.subTest(name, piece=piece):
                    client = self.client()
                    client.open_transaction(SENDER, [rcpt("bad")])
                    self.assertEqual(client.say("DATA")[0], 354)
                    client.send(content + b"\r\n.\r\n", piece)
                    self.assertEqual(client.reply()[0], 550)
                    self.submit_good(client)

    def test_bad_content_by_bdat(self):
        for name, content in self.contents.items():
            for chunk_bytes in (len(content), 1):
                with self.subTest(name, chunk_bytes=chunk_bytes):
                    client = self.client()
                    client.open_transaction(SENDER, [rcpt("bad")])
                    code = 250
                    for at in range(0, len(content), chunk_bytes):
                        chunk = content[at:at + chunk_bytes]
                        client.send(b"BDAT %d\r\n%s" % (len(chunk), chunk))
                        code = max(code, client.reply()[0])
                        if code != 250:
                            break
                    else:
                        code = client.say("BDAT 0 LAST")[0]
                    self.assertEqual(code, 550)
                    self.assertEqual(client.say("RSET")[0], 250)
                    self.submit_good(client)

    def test_too_big(self):
        content = b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" * MESSAGE_BYTES_MAX
        client = self.client()
        client.open_transaction(SENDER, [rcpt("big")])
        self.assertEqual(client.give(content)[0], 552)
        self.submit_good(client)
        client.open_transaction(SENDER, [rcpt("big")])
        self.assertEqual(client.give_chunks(content)[0], 552)
        self.submit_good(client)

    def test_round_in_circles(self):
        """RFC 5321 6.3: many Received fields are a loop."""
        client = self.client()
        for count, code in ((40, 250), (60, 554)):
            client.open_transaction(SENDER, [rcpt("good")])
            got, text = client.give(b"Received: x\r\n" * count + GOOD)
            self.assertEqual(got, code)
            if code == 250:
                self.good.add(text.rsplit(" ", 1)[1])

    # --- BDAT

    def test_chunk_without_transaction(self):
        """RFC 3030 2: its bytes are read all the same, and are no commands."""
        client = self.client()
        client.send(b"BDAT 17\r\nMAIL FROM:<a@b>\r\nNOOP\r\n")
        self.assertEqual(client.codes(2), [503, 250])

    def test_chunk_size_that_is_none(self):
        """Where such a chunk ends nobody knows: the session ends, before content is a command."""
        for size in ("", "x", "-1", "1x", "99999999999999999999999", "LAST"):
            with self.subTest(size):
                client = self.client()
                client.open_transaction(SENDER, [rcpt("chunk")])
                code = client.say(f"BDAT {size}")[0]
                self.assertIn(code, (421, 501))
                client.send(b"RSET\r\n")
                self.assertEqual(client.reply()[0], 0)

    def test_chunk_with_bad_parameters(self):
        """Its size is known: it is read, and refused."""
        client = self.client()
        for parameters in ("6 LAST LAST", "6 FIRST"):
            client.open_transaction(SENDER, [rcpt("chunk")])
            client.send(f"BDAT {parameters}\r\nRSET\r\n")
            self.assertEqual(client.reply()[0], 501)
            self.assertEqual(client.say("RSET")[0], 250)

    def test_chunk_shorter_than_said(self):
        """What follows is content until the chunk is full."""
        client = self.client()
        client.open_transaction(SENDER, [rcpt("chunk")])
        client.send(b"BDAT 50 LAST\r\nSubject: x\r\n\r\nx\r\n")
        client.send(b"QUIT\r\n")
        client.reset()

    def test_chunk_longer_than_said(self):
        """The rest is no command that anybody knows."""
        client = self.client()
        client.open_transaction(SENDER, [rcpt("good")])
        client.send(b"BDAT 14 LAST\r\nSubject: x\r\n\r\nEHLO-LIKE\r\n")
        code, text = client.reply()
        self.assertEqual(code, 250)
        self.good.add(text.rsplit(" ", 1)[1])
        self.assertEqual(client.reply()[0], 500)

    def test_data_between_chunks(self):
        client = self.client()
        client.open_transaction(SENDER, [rcpt("chunk")])
        client.send(b"BDAT 5\r\nSubje")
        self.assertEqual(client.reply()[0], 250)
        self.assertEqual(client.say_all("DATA", "MAIL FROM:<a@b>", "RCPT TO:<a@b>"), [503] * 3)
        self.assertEqual(client.say("RSET")[0], 250)
        self.submit_good(client)

    # --- clients that go

    session = [b"EHLO client.example\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<%s>\r\n",
               b"DATA\r\n", b"Subject: x\r\n\r\n.", b".\r\nx\r\n", b"\r\n."]
    chunked = session[:3] + [b"BDAT 5\r\nSubje", b"BDAT 9\r\nct: x\r\n\r\n", b"BDAT 100 LAST\r\nx"]

    def vanish(self, steps, how):
        """After every step, and in the middle of each, before the message is whole."""
        said = b"".join(steps).replace(b"%s", rcpt("vanished").encode())
        cuts = sorted({*range(0, len(said), long_or(1, 7)), len(said)})
        for cut in cuts:
            client = self.client(hello=None)
            client.send(said[:cut])
            if cut % 2:
                client.reply()
            how(client)

    def test_vanish(self):
        for steps in (self.session, self.chunked):
            for how in (Client.close, Client.reset):
                with self.subTest(how=how.__name__, last=steps[-1]):
                    self.vanish(steps, how)

    def test_end_of_input_is_not_the_end(self):
        """All said at once, and the writing side closed: the replies come, and the mail goes."""
        client = self.client(hello=None)
        said = b"".join(self.session[:4]).replace(b"%s", rcpt("good").encode())
        client.send(said + stuff(GOOD) + b"QUIT\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(client.codes(5), [220, 250, 250, 250, 354])
        code, text = client.reply()
        self.assertEqual(code, 250)
        self.good.add(text.rsplit(" ", 1)[1])
        self.assertEqual(client.codes(2), [221, 0])

    # --- slow ones

    def test_byte_by_byte(self):
        client = self.client(hello=None)
        said = b"".join(self.session[:4]).replace(b"%s", rcpt("good").encode())
        client.send(said + stuff(GOOD), piece=1, pause_s=0.001)
        self.assertEqual(client.codes(5), [220, 250, 250, 250, 354])
        code, text = client.reply()
        self.assertEqual(code, 250)
        self.good.add(text.rsplit(" ", 1)[1])

    def test_silent(self):
        """At every step of a session: after idle-timeout it is over."""
        clients = []
        for steps in (self.session, self.chunked):
            for count in range(len(steps) + 1):
                client = self.client(hello=None)
                client.send(b"".join(steps[:count]).replace(b"%s", rcpt("silent").encode()))
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

    # --- many, and rubbish

    def test_garbage(self):
        dice = random.Random(1)
        for address in (engine.unix, engine.tcp):
            for size in [1024 * 1024] + [dice.randrange(1, 3000) for _ in range(long_or(2000, 100))]:
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
            client = Client(engine.unix if i % 2 else engine.tcp, hello=None)
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
            client.open_transaction(SENDER, [rcpt("many")])
            self.assertEqual(client.say("DATA")[0], 354)
            client.send(half)
        self.assertGreaterEqual(self.descriptors(), before + len(clients))
        for client in clients:
            client.close()
        eventually(lambda: self.descriptors() < before + 20, "the descriptors")

    @staticmethod
    def descriptors():
        return len(os.listdir(f"/proc/{engine.pid}/fd"))


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
        limited = Engine(more='journal { memory = "16M" }', domain="retry-first = 1s")
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
