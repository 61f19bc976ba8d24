"""Submission keys: a message sent again, because its verdict was not heard, is one message."""

import contextlib
import json
import os
import re
import socket
import time

from client import Client, stuff
from engine import PROGRAM, Engine
from journaled import FILES_MAX, LATER, SENDER, SMALL, SOON, Journaled, Room, content_of
from messages import harm
from place import IS_ROOT, NOBODY, PATIENCE_S, eventually, run

KEY = "X-Posthaste-Key"
BODY = b"Subject: x\r\n\r\nx\r\n"
ONCE_MORE_S = 0.7


def keyed(key, content=BODY, field=KEY):
    return f"{field}: {key}\r\n".encode() + content


class FromAddress(Client):
    """A client by TCP whose own address is of choice."""

    def __init__(self, address, own):
        self.socket = socket.create_connection(address, timeout=PATIENCE_S, source_address=(own, 0))
        self.file = self.socket.makefile("rb")
        assert self.reply()[0] == 220
        assert self.say("EHLO client.example")[0] == 250


class Keys(Journaled):
    def setUp(self):
        self.mx = self.exchanger()
        self.rcpt = f"x@{self.mx.domain}"

    def give(self, client, content, rcpt=None):
        """The last reply."""
        client.open_transaction(SENDER, [rcpt or self.rcpt])
        return client.give(content)

    def taken(self, client, content, rcpt=None):
        code, text = self.give(client, content, rcpt)
        self.assertEqual(code, 250, text)
        return text.rsplit(" ", 1)[1]

    def arrived(self, count=1):
        """So many messages have, and no more do. Their contents by their ids."""
        eventually(lambda: len(self.mx.transactions) >= count, "deliveries")
        time.sleep(ONCE_MORE_S)
        self.assertEqual(len(self.mx.transactions), count)
        return {re.search(rb"\sid (\w+)", t.content)[1].decode(): t.content
                for t in self.mx.transactions}


class Rules(Keys):
    @classmethod
    def setUpClass(cls):
        cls.one = Engine()
        cls.addClassCleanup(cls.one.end)

    def test_same_and_other(self):
        with Client(self.one.unix) as client:
            message_id = self.taken(client, keyed("one"))
            self.assertEqual(self.taken(client, keyed("one")), message_id)
            for content, rcpt in ((keyed("one", BODY + b"y\r\n"), None),
                                  (keyed("one", b"X-More: y\r\n" + BODY), None),
                                  (keyed("one"), f"other@{self.mx.domain}")):
                code, text = self.give(client, content, rcpt)
                self.assertEqual((code, text[:6]), (550, "5.6.0 "))
            self.assertNotEqual(self.taken(client, keyed("two")), message_id)
            self.assertEqual(self.taken(client, keyed("one")), message_id)
        with Client(self.one.unix) as client:  # another connection of the same user
            self.assertEqual(self.taken(client, keyed("one")), message_id)
        self.assertIn(message_id, self.arrived(2))

    def test_the_field_is_taken_out(self):
        """However it is written, and wherever it stands."""
        front, rest = b"From: <a@x.example>\r\n", b"Subject: x\r\n folded\r\n\r\nx\r\n"
        cases = {
            "usual": keyed("a1") + rest,
            "other case": keyed("a2", rest, "x-POSTHASTE-key"),
            "no blank": b"X-Posthaste-Key:a3\r\n" + rest,
            "blanks": b"X-Posthaste-Key: \t a4 \t \r\n" + rest,
            "folded at once": b"X-Posthaste-Key:\r\n  a5\r\n" + rest,
            "folded inside": b"X-Posthaste-Key: a6\r\n\tand more\r\n" + rest,
            "in the middle": front + keyed("a7") + rest,
            "last": front + b"Subject: x\r\n" + keyed("a8", b"") + b"\r\nx\r\n",
            "in the body too": keyed("a9") + rest + keyed("not this", b""),
        }
        wants = {
            "folded at once": rest, "last": front + b"Subject: x\r\n\r\nx\r\n",
            "in the middle": front + BODY + rest, "usual": BODY + rest,
            "in the body too": BODY + rest + keyed("not this", b"")}
        for number, (name, content) in enumerate(cases.items(), 1):
            with self.subTest(name), Client(self.one.unix) as client:
                message_id = self.taken(client, content)
                self.assertEqual(self.taken(client, content), message_id)
                got = self.arrived(number)[message_id]
                self.assertIsNone(harm(wants.get(name, rest), got))
                header = got.split(b"\r\n\r\n")[0].lower()
                self.assertNotIn(b"x-posthaste-key", header)
                self.assertNotIn(b"a%d" % number, header.split(b"\r\nsubject")[-1])

    def test_the_only_field(self):
        for content in (keyed("only1", b""), keyed("only2", b"\r\n"), keyed("only3", b"\r\nx\r\n")):
            with self.subTest(content), Client(self.one.unix) as client:
                message_id = self.taken(client, content)
                self.assertEqual(self.taken(client, content), message_id)
        for content in self.arrived(3).values():
            self.assertNotIn(b"posthaste-key", content.lower())

    def test_bad_keys(self):
        with Client(self.one.unix) as client:
            for content in (keyed("a", keyed("b")), keyed("c", keyed("c")), keyed(""),
                            keyed(" \t "), keyed("\r\n "), keyed("k" * 256),
                            keyed("d", b"Subject: x\r\n" + keyed("e"))):
                with self.subTest(content[:60]):
                    code, text = self.give(client, content)
                    self.assertEqual((code, text[:6]), (550, "5.6.0 "))
            longest = keyed("k" * 255)
            self.assertEqual(self.taken(client, longest), self.taken(client, longest))
            self.taken(client, keyed("c"))  # what was refused has used nothing
        self.arrived(2)

    def test_by_chunks(self):
        with Client(self.one.unix) as client:
            ids = {client.submit(SENDER, [self.rcpt], keyed("chunks"), chunk_bytes=size)
                   for size in (1, 7, 1000)}
            ids.add(self.taken(client, keyed("chunks")))
        self.assertEqual(set(self.arrived()), ids)

    def test_whose_it_is(self):
        """Of a user of this host, or of an address: others may have the same."""
        ids = []
        for _ in range(2):
            for opens in (lambda: Client(self.one.unix),
                          lambda: FromAddress(self.one.tcp, "127.0.0.1"),
                          lambda: FromAddress(self.one.tcp, "127.0.0.2")):
                with opens() as client:
                    ids.append(self.taken(client, keyed("mine")))
        self.assertEqual((ids[:3], len(set(ids))), (ids[3:], 3))
        self.assertEqual(set(self.arrived(3)), set(ids))

    def test_another_user(self):
        if not IS_ROOT:
            self.skipTest("only root may become another user")
        content = keyed("uid", BODY)
        with Client(self.one.unix) as client:
            ours = self.taken(client, content)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                with Client(self.one.unix) as client:
                    client.open_transaction(SENDER, [self.rcpt])
                    os.write(write, client.give(content)[1].encode())
            finally:
                os._exit(0)
        os.close(write)
        with open(read, encoding="ascii") as answer:
            theirs = answer.read().rsplit(" ", 1)[-1]
        os.waitpid(child, 0)
        self.assertEqual(set(self.arrived(2)), {ours, theirs})

    def test_pipelined(self):
        """A second one before the first has its verdict: both have the same."""
        transaction = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{self.rcpt}>\r\n".encode()
        content = keyed("pipelined")
        for count in (2, 8):
            with self.subTest(count), Client(self.one.unix) as client:
                chunk = b"BDAT %d LAST\r\n%s" % (len(content), content)
                client.send((transaction + chunk) * count)
                ids = set()
                for _ in range(count):
                    self.assertEqual(client.codes(2), [250, 250])
                    code, text = client.reply()
                    self.assertEqual(code, 250, text)
                    ids.add(text.rsplit(" ", 1)[1])
                self.assertEqual(set(self.arrived()), ids)

    def test_pipelined_with_others(self):
        """Replies are in the order of the messages, whichever worker decided: their ids are those
        of what arrives."""
        kinds = [None, "m1", None, "m2", "m1", None, "m3", "m2", "m4", None, "m5", "m5"]
        with Client(self.one.unix) as client:
            for number, kind in enumerate(kinds):
                content = b"Subject: %s\r\n\r\nx\r\n" % (kind or f"plain{number}").encode()
                if kind:
                    content = keyed(kind, content)
                client.send(f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{self.rcpt}>\r\n"
                            f"BDAT {len(content)} LAST\r\n".encode() + content)
            ids = []
            for _ in kinds:
                self.assertEqual(client.codes(2), [250, 250])
                ids.append(client.reply()[1].rsplit(" ", 1)[1])
        got = self.arrived(4 + 5)
        for number, (kind, message_id) in enumerate(zip(kinds, ids)):
            self.assertIn(b"\r\nSubject: %s\r\n" % (kind or f"plain{number}").encode(),
                          got[message_id])

    def test_pipelined_other_content(self):
        """The second is refused, the first and third are not."""
        with Client(self.one.unix) as client:
            for content in (keyed("p1"), keyed("p1", BODY + b"y\r\n"), keyed("p1")):
                client.send(f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{self.rcpt}>\r\n"
                            f"BDAT {len(content)} LAST\r\n".encode() + content)
            codes = client.codes(9)
        self.assertEqual(codes, [250, 250, 250, 250, 250, 550, 250, 250, 250])
        self.arrived()

    def test_from_everywhere_at_once(self):
        """Fifty connections, three times."""
        for turn in range(3):
            content = keyed(f"crowd{turn}")
            with contextlib.ExitStack() as stack:
                clients = [stack.enter_context(Client(self.one.unix)) for _ in range(50)]
                for client in clients:
                    client.open_transaction(SENDER, [self.rcpt])
                    self.assertEqual(client.say("DATA")[0], 354)
                    client.send(stuff(content)[:-3])
                for client in clients:
                    client.send(b".\r\n")
                replies = [client.reply() for client in clients]
            self.assertEqual({code for code, _ in replies}, {250})
            ids = {text.rsplit(" ", 1)[1] for _, text in replies}
            self.assertEqual(len(ids), 1)
            self.assertEqual(set(self.arrived(turn + 1)) & ids, ids)

    def test_who_waited_has_gone(self):
        """Clients that vanish before their verdict leave nothing behind."""
        for number in range(20):
            client = Client(self.one.unix)
            content = keyed(f"gone{number % 4}")
            client.send(f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{self.rcpt}>\r\n"
                        f"BDAT {len(content)} LAST\r\n".encode() + content)
            client.close()
        with Client(self.one.unix) as client:
            ids = {self.taken(client, keyed(f"gone{number}")) for number in range(4)}
        self.assertEqual(set(self.arrived(4)), ids)


class Lasting(Keys):
    def test_after_a_restart(self):
        """Also of mail that was delivered; also of mail that still waits."""
        engine = self.engine(domain=SOON)
        mx = self.exchanger({"RCPT": LATER})
        with Client(engine.unix) as client:
            done = self.taken(client, keyed("done"))
            waits = self.taken(client, keyed("waits"), f"w@{mx.domain}")
        engine.outcomes(done)
        self.written(engine, rcpts_delivered=1)
        for kill, workers in ((False, 1), (True, 3), (True, 2), (False, 2)):
            self.restart(engine, kill, workers=f"workers = {workers}")
            with Client(engine.unix) as client:
                self.assertEqual(self.taken(client, keyed("done")), done)
                self.assertEqual(self.taken(client, keyed("waits"), f"w@{mx.domain}"), waits)
                self.assertEqual(self.give(client, keyed("done", BODY + b"y\r\n"))[0], 550)
        mx.script.clear()
        eventually(lambda: mx.transactions, "what waited")
        time.sleep(ONCE_MORE_S)
        self.assertEqual((len(mx.transactions), list(self.arrived())), (1, [done]))

    def test_after_its_segment_was_used_again(self):
        """And after a restart behind that."""
        engine = self.engine(domain=SOON, more=SMALL)
        with Client(engine.unix) as client:
            ids = [self.taken(client, keyed(f"k{n}")) for n in range(40)]
            self.arrived(40)
            filler = content_of(500_000)
            files = 0
            for _ in range(120):
                self.taken(client, filler, f"f@{self.mx.domain}")
                files = max(files, len(self.files(engine)))
            self.assertLessEqual(files, FILES_MAX)  # of 60: they were used again
        eventually(lambda: len(self.mx.transactions) == 160, "all of it")
        for kill in (None, True, False):
            if kill is not None:
                counted = self.restart(engine, kill)
                self.assertGreaterEqual(counted["keys"], 40)
            with Client(engine.unix) as client:
                self.assertEqual([self.taken(client, keyed(f"k{n}")) for n in range(40)], ids)
        time.sleep(ONCE_MORE_S)
        self.assertEqual(len(self.mx.transactions), 160)

    def test_in_memory_alone(self):
        engine = self.engine(domain=SOON, more="journal { durable = no }")
        with Client(engine.unix) as client:
            message_id = self.taken(client, keyed("one"))
            self.assertEqual(self.taken(client, keyed("one")), message_id)
        self.arrived(1)
        engine.kill()
        engine.start()
        with Client(engine.unix) as client:
            self.assertNotEqual(self.taken(client, keyed("one")), message_id)
        self.arrived(2)


class Refused(Room):
    def test_the_key_is_free_again(self):
        """Of a message for which the journal had no room: another may come with it."""
        engine = self.engine(domain=SOON, more='journal { space = "64M"  segment = "1M" }')
        mx = self.exchanger({"RCPT": LATER})
        rcpt = f"x@{mx.domain}"
        clients = [Client(engine.unix) for _ in range(6)]
        for client in clients:  # there is room when they begin
            client.open_transaction(SENDER, [rcpt])
        self.fill(engine, rcpt)
        refused = []
        for number, client in enumerate(clients):
            code, _ = client.give(keyed(f"r{number}", content_of(900_000)))
            self.assertIn(code, (250, 452))
            if code == 452:
                refused.append(number)
            client.close()
        self.assertNotEqual(refused, [])
        mx.script.clear()
        self.takes_again(engine, rcpt)
        for number in refused:
            with Client(engine.unix) as client:
                message_id = client.submit(SENDER, [rcpt], keyed(f"r{number}"))
                self.assertEqual(client.submit(SENDER, [rcpt], keyed(f"r{number}")), message_id)


class Traced(Keys):
    def trace(self, engine, *words, code=0):
        """The ids of what is told."""
        done = run([PROGRAM, "trace", *words, "--json", "-c", engine.config])
        self.assertEqual(done.returncode, code, done.stderr)
        return {json.loads(line)["id"] for line in done.stdout.splitlines()}

    def test_by_key(self):
        """A key is its submitter's; also after a kill."""
        engine = self.engine()
        with Client(engine.unix) as client:
            own = self.taken(client, keyed("order 4711"))
        with FromAddress(engine.tcp, "127.0.0.5") as client:
            other = self.taken(client, keyed("order 4711"))
        self.arrived(2)
        engine.outcomes(own)
        engine.outcomes(other)
        for kill in (False, True):
            if kill:
                self.restart(engine, kill=True)
            self.assertEqual(self.trace(engine, "order 4711"), {own})
            self.assertEqual(self.trace(engine, "-k", "order 4711"), {own})
            self.assertEqual(self.trace(engine, "order 4711", "--submitter", "@127.0.0.5"), {other})
            self.assertEqual(self.trace(engine, own), {own})
            self.trace(engine, "order 4712", code=1)
        engine.end()
