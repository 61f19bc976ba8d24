"""Out: to servers that people run. What they keep is what went in, byte for byte."""

import socket
import unittest

from client import Client
from engine import Engine
from exchanger import Exchanger
from exim import Exim
from mail_server import Aiosmtpd
from postfix import Postfix, SmtpSink
from messages import big, cpython, encoding_harm, harm, made, with_header_ended
from place import eventually, long_or, place

SENDER = "sender@client.example"
BIG_BYTES = 20 * 1024 * 1024


def setUpModule():
    global engine
    engine = Engine()
    unittest.addModuleCleanup(engine.end)


class Keeps:
    """What holds for every server that keeps what it takes."""

    @classmethod
    def setUpClass(cls):
        cls.server = cls.start()
        cls.addClassCleanup(cls.server.close)

    def deliver(self, messages, how, **options):
        """Each message for a recipient of its own: all are delivered, and kept unharmed."""
        with Client(engine.unix) as client:
            sent = {}
            for message in messages:
                rcpt = f"{message.name}-{how}@{self.server.domain}"
                sent[rcpt] = message, client.submit(SENDER, [rcpt], message.content, **options)
        for rcpt, (_, message_id) in sent.items():
            event, = engine.outcomes(message_id, seconds=60)
            self.assertEqual((event["event"], event["recipient"]), ("delivered", rcpt), event)
        arrived = eventually(lambda: self.arrived(sent), lambda: sorted(self.server.arrived()), 60)
        for rcpt, (message, _) in sent.items():
            with self.subTest(rcpt):
                what = harm(message.content, arrived[rcpt])
                if what and self.server.ends_headers:
                    what = harm(with_header_ended(message.content), arrived[rcpt])
                self.assertIsNone(what)

    def arrived(self, sent):
        arrived = self.server.arrived()
        return arrived if arrived.keys() >= sent.keys() else None

    def cpython(self):
        messages = cpython()
        if len(messages) < 40:
            self.skipTest("libpython3.11-testsuite is missing")
        return messages

    def test_cpython_messages_by_data(self):
        self.deliver(self.cpython(), "data")

    def test_cpython_messages_by_bdat(self):
        self.deliver(self.cpython(), "bdat", by_bdat=True)

    def test_made_messages_by_data(self):
        self.deliver(made(), "made-data")

    def test_made_messages_by_bdat(self):
        self.deliver(made(), "made-bdat", chunk_bytes=7)

    def test_big_message(self):
        self.deliver([big(BIG_BYTES)], "data")


class ToExim(Keeps, unittest.TestCase):
    start = Exim


class ToPostfix(Keeps, unittest.TestCase):
    start = Postfix


class ToAiosmtpd(Keeps, unittest.TestCase):
    start = Aiosmtpd


class ToSmtpSink(Keeps, unittest.TestCase):
    start = SmtpSink


class ToSmtpSinks(unittest.TestCase):
    """Servers that offer little, and slow ones."""

    variants = {
        "no PIPELINING": ["-p"],
        "no 8BITMIME": ["-8"],
        "no ESMTP": ["-e"],
        "no ESMTP in the greeting": ["-a"],
        "no enhanced codes": ["-E"],
        "slow with content": ["-w", "1"],
        "one connection at a time": ["-m", "1"],
    }
    without_8bitmime = {"no 8BITMIME", "no ESMTP"}

    def test_variants(self):
        messages = made()
        for name, options in self.variants.items():
            with self.subTest(name):
                server = SmtpSink(*options)
                self.addCleanup(server.close)
                sent = {}
                with Client(engine.unix) as client:
                    for message in messages[:long_or(len(messages), 8)]:
                        rcpt = f"{message.name}@{server.domain}"
                        sent[rcpt] = message, client.submit(SENDER, [rcpt], message.content)
                for _, message_id in sent.values():
                    event, = engine.outcomes(message_id, seconds=60)
                    self.assertEqual(event["event"], "delivered", event)
                arrived = server.arrived()
                judge = encoding_harm if name in self.without_8bitmime else harm
                for rcpt, (message, _) in sent.items():
                    self.assertIsNone(judge(message.content, arrived[rcpt]), rcpt)


class Addresses(unittest.TestCase):
    """SMTPUTF8 (RFC 6531), and who is told what."""

    content = "Subject: Grüße\r\n\r\nGrüße aus Köln\r\n".encode()
    sender = "jörg@käse.example"

    def send(self, server, rcpt):
        with Client(engine.unix) as client:
            message_id = client.submit(self.sender, [rcpt], self.content,
                                       parameters=" SMTPUTF8 BODY=8BITMIME")
        event, = engine.outcomes(message_id)
        self.assertEqual((event["sender"], event["recipient"]), (self.sender, rcpt))
        return event

    def test_utf8_where_it_is_taken(self):
        server = Aiosmtpd(smtputf8=True)
        self.addCleanup(server.close)
        rcpt = f"用户@{server.domain}"
        self.assertEqual(self.send(server, rcpt)["event"], "delivered")
        self.assertIsNone(harm(self.content, server.arrived()[rcpt]))
        self.assertEqual(server.envelopes[0].mail_from, self.sender)
        self.assertTrue(server.envelopes[0].smtp_utf8)
        self.assertIn("BODY=8BITMIME", server.envelopes[0].mail_options)

    def test_utf8_where_it_is_not(self):
        server = Aiosmtpd(smtputf8=False)
        self.addCleanup(server.close)
        event = self.send(server, f"用户@{server.domain}")
        self.assertEqual((event["event"], event["enhanced"]), ("failed", "5.6.7"), event)
        self.assertIn("SMTPUTF8", event["text"])
        self.assertEqual(server.envelopes, [])

    def test_domain_in_utf8(self):
        """Asked for in the DNS by its A-label."""
        server = Exchanger()
        self.addCleanup(server.close)
        self.assertEqual(self.send(server, f"x@bücher.{server.domain}")["event"], "delivered")

    def test_null_sender(self):
        server = Exchanger()
        self.addCleanup(server.close)
        with Client(engine.unix) as client:
            message_id = client.submit("", [f"x@{server.domain}"], self.content)
        event, = engine.outcomes(message_id)
        self.assertEqual(event["event"], "delivered")
        self.assertRegex(server.transactions[0].mail, r"^MAIL FROM:<>( |$)")


class ManyRecipients(unittest.TestCase):
    def test_one_site_takes_them_together(self):
        """1,000 recipients, in domains that share their exchangers: ten transactions of 100, or a
        few more where the last recipients of a domain become free one after the other."""
        for domain_count, transactions_max in ((1, 10), (7, 20), (40, 20), (333, 30)):
            with self.subTest(domain_count=domain_count), Exchanger() as server:
                rcpts = [f"user{i}@sub{i % domain_count}.{server.domain}" for i in range(1000)]
                with Client(engine.unix) as client:
                    message_id = client.submit(SENDER, rcpts, made()[0].content)
                events = engine.outcomes(message_id, count=len(rcpts))
                self.assertEqual({event["event"] for event in events}, {"delivered"})
                self.assertEqual(sorted(event["recipient"] for event in events), sorted(rcpts))
                self.assertEqual(sorted(server.rcpts()),
                                 sorted(f"RCPT TO:<{rcpt}>" for rcpt in rcpts))
                self.assertLessEqual(len(server.transactions), transactions_max)
                self.assertLessEqual(max(len(t.rcpts) for t in server.transactions), 100)
                self.assertEqual(len({t.content for t in server.transactions}), 1)


class WhereTo(unittest.TestCase):
    """What the DNS says."""

    def send(self, domain):
        with Client(engine.unix) as client:
            message_id = client.submit(SENDER, [f"x@{domain}"], b"Subject: x\r\n\r\nx\r\n")
        event, = engine.outcomes(message_id)
        return event

    def test_no_mx(self):
        server = Exchanger()
        self.addCleanup(server.close)
        event = self.send(f"a{server.number}.example")
        self.assertEqual((event["event"], event["host"]),
                         ("delivered", f"a{server.number}.example"))

    def test_ipv6(self):
        """An exchanger that has an AAAA record alone."""
        try:
            server = Exchanger(address="::1")
        except OSError as why:
            self.skipTest(f"no IPv6 on loopback, or its port is taken: {why}")
        self.addCleanup(server.close)
        event = self.send("v6.example")
        self.assertEqual((event["event"], event["address"]),
                         ("delivered", f"[::1]:{place().port}"))

    def test_name_server_is_silent(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind((place().address(1), 0))
            lost = Engine(resolver="{}:{}".format(*silent.getsockname()))
            self.addCleanup(lost.end)
            with Client(lost.unix) as client:
                message_id = client.submit(SENDER, ["x@d2.example"], b"Subject: x\r\n\r\n")
            event, = lost.outcomes(message_id)
            self.assertEqual((event["event"], event["enhanced"]), ("deferred", "4.4.3"))

    def test_nobody_takes_it(self):
        for domain, enhanced in (("null.example", "5.1.10"), ("nowhere.example", "5.1.2"),
                                 ("lost.example", "5.4.4")):
            with self.subTest(domain):
                event = self.send(domain)
                self.assertEqual((event["event"], event["enhanced"]), ("failed", enhanced), event)


class Discarded(unittest.TestCase):
    """via = "null": no name server is asked, nobody is connected to."""

    null = 'domain "null.example" { via = "null" }'

    def setUp(self):
        self.name_server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.name_server.close)
        self.name_server.bind((place().address(1), 0))
        self.name_server.setblocking(False)
        self.resolver = "{}:{}".format(*self.name_server.getsockname())

    def start(self, **settings):
        engine = Engine(resolver=self.resolver, **settings)
        self.addCleanup(engine.end)
        return engine

    def discarded(self, event):
        self.assertEqual((event["event"], event["code"], event["enhanced"], event["text"]),
                         ("delivered", 250, "2.0.0", "discarded: via null"), event)
        self.assertEqual((event["host"], event["address"], event["domain"], event["attempt"]),
                         ("", "", "null.example", 1), event)

    def test_at_once(self):
        lost = self.start(more=self.null)
        rcpts = [f"user{i}@null.example" for i in range(3)]
        with Client(lost.unix) as client:
            ids = [client.submit(SENDER, rcpts, made()[0].content)
                   for _ in range(long_or(100, 10))]
        for message_id in ids:
            events = lost.outcomes(message_id, count=len(rcpts))
            self.assertEqual([(e["sender"], e["recipient"]) for e in events],
                             [(SENDER, rcpt) for rcpt in rcpts])
            for event in events:
                self.discarded(event)
        self.assertRaises(BlockingIOError, self.name_server.recv, 512)
        last = lost.stop()
        self.assertEqual((last["delivered"], last["dns-queries"], last["connections"],
                          last["messages-left"]),
                         (len(ids) * len(rcpts), 0, 0, 0))

    def test_one_domain_of_a_message(self):
        """The others of it go their own way."""
        lost = self.start(more=self.null)
        with Client(lost.unix) as client:
            message_id = client.submit(SENDER, ["x@d2.example", "x@null.example"],
                                       made()[0].content)
        outcome = {e["domain"]: e for e in lost.outcomes(message_id, count=2)}
        self.discarded(outcome["null.example"])
        self.assertEqual(outcome["d2.example"]["event"], "deferred")
        self.assertIn(b"d2", self.name_server.recv(512))

    def test_what_waited(self):
        """It was deferred; then the domain's mail is to be discarded."""
        lost = self.start(domain='retry-first = "1s"')
        with Client(lost.unix) as client:
            message_id = client.submit(SENDER, ["x@null.example"], made()[0].content)
        event, = lost.outcomes(message_id)
        self.assertEqual(event["event"], "deferred")
        lost.stop()
        with open(lost.config, "a", encoding="ascii") as config:
            config.write(self.null + "\n")
        lost.start()
        *_, event = lost.outcomes(message_id, count=2)
        self.discarded(event | {"attempt": 1})
        self.assertEqual((event["attempt"], event["recipient"]), (2, ""))
        self.assertEqual(lost.stop()["messages-left"], 0)
