"""Receivers that take less than others: content is encoded for those without 8BITMIME, and who
needs SMTPUTF8 hears so where it is not. Python's email package is the judge."""

import re
import subprocess
import unittest

import verifiers
from client import Client
from engine import Engine
from exchanger import Exchanger, once
from messages import cpython, encoding_harm, harm, made, mime, mime_untouchable
from place import eventually, place

SENDER = "bounces@elsewhere.example"
DOMAIN = "x.signed.example"
STREAM = ("PIPELINING", "CHUNKING", "SIZE 100000000", "ENHANCEDSTATUSCODES")


def setUpModule():
    global keys, engine
    path = place().path("encoding.pem")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], check=True)
    subprocess.run(["chmod", "0600", path], check=True)
    keys = verifiers.Keys({("e1", DOMAIN): path})
    engine = Engine(domain='retry-first = "1s" retry-max = "1s"',
                    more=f'dkim "{DOMAIN}" {{ selector = "e1"  key = "{path}" }}')
    unittest.addModuleCleanup(engine.end)
    unittest.addModuleCleanup(engine.stop)  # which counts what was left behind


def submit(messages, server, parameters=""):
    """{name: message id}"""
    with Client(engine.unix) as client:
        return {m.name: client.submit(SENDER, [f"{m.name}@{server.domain}"], m.content,
                                      parameters=parameters) for m in messages}


def arrived_at(server):
    return {re.search(r"<([^@>]+)@", t.rcpts[0])[1]: t for t in server.transactions}


class Encoded(unittest.TestCase):
    def all_arrive(self, server, messages, events=1):
        ids = submit(messages, server)
        for name, message_id in ids.items():
            event = engine.outcomes(message_id, events, seconds=60)[-1]
            self.assertEqual(event["event"], "delivered", (name, event))
        arrived = arrived_at(server)
        for m in messages:
            self.assertIsNone(encoding_harm(m.content, arrived[m.name].content), m.name)
            self.assertNotIn("BODY=", arrived[m.name].mail)
            size = re.search(r" SIZE=(\d+)", arrived[m.name].mail)
            self.assertTrue(not size or int(size[1]) == len(arrived[m.name].content), m.name)

    def exchanger(self, *arguments, **settings):
        server = Exchanger(*arguments, **settings)
        self.addCleanup(server.close)
        return server

    def test_streamed(self):
        self.all_arrive(self.exchanger(offers=STREAM), mime() + made() + cpython())

    def test_pipelined(self):
        self.all_arrive(self.exchanger(offers=("PIPELINING",)), mime() + made())

    def test_lockstep(self):
        self.all_arrive(self.exchanger(offers=()), mime())

    def test_helo(self):
        self.all_arrive(self.exchanger({"EHLO": b"500 5.5.1 what?\r\n"}), mime())

    def test_read_back(self):
        """Deferred once, it is no longer in memory."""
        server = self.exchanger({"RCPT": once(b"451 4.2.0 not yet\r\n")}, offers=STREAM)
        self.all_arrive(server, mime()[:1], 2)

    def test_what_is_taken_is_not_encoded(self):
        server = self.exchanger()
        ids = submit(mime(), server)
        for message_id in ids.values():
            self.assertEqual(engine.outcomes(message_id)[-1]["event"], "delivered")
        arrived = arrived_at(server)
        for m in mime():
            self.assertIsNone(harm(m.content, arrived[m.name].content), m.name)
            self.assertIn("BODY=8BITMIME", arrived[m.name].mail)

    def test_declared_and_ascii(self):
        server = self.exchanger(offers=STREAM)
        content = b"Subject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\nplain = \r\n"
        with Client(engine.unix) as client:
            message_id = client.submit(SENDER, [f"a@{server.domain}"], content,
                                       parameters=" BODY=8BITMIME")
        self.assertEqual(engine.outcomes(message_id)[-1]["event"], "delivered")
        self.assertIsNone(harm(content, server.transactions[0].content))
        self.assertNotIn("BODY=", server.transactions[0].mail)

    def test_what_cannot_be_encoded(self):
        server = self.exchanger(offers=STREAM)
        for name, (content, why) in mime_untouchable().items():
            with self.subTest(name), Client(engine.unix) as client:
                message_id = client.submit(SENDER, [f"{name}@{server.domain}"], content)
                event = engine.outcomes(message_id)[-1]
                self.assertEqual((event["event"], event["enhanced"]), ("failed", "5.6.3"), event)
                self.assertIn(why, event["text"])
                self.assertIn("8-bit", event["text"])
        self.assertEqual(server.transactions, [])

    def test_to_both_kinds_at_once(self):
        """One message: each gets what it takes, and each form is signed by itself."""
        servers = [self.exchanger(offers=STREAM), self.exchanger(), self.exchanger(offers=())]
        sent = [m for m in mime() if m.name in ("mime-mixed", "mime-text", "mime-many")]
        for m in sent:
            content = m.content.replace(b"j@x.example", b"j@" + DOMAIN.encode())
            with Client(engine.unix) as client:
                message_id = client.submit(SENDER, [f"{n}@{s.domain}" for s in servers
                                                    for n in (m.name, "other")], content)
            for event in engine.outcomes(message_id, 6):
                self.assertEqual(event["event"], "delivered", event)
            for server in servers:
                got = server.transactions[-1].content
                self.assertEqual(len(server.transactions[-1].rcpts), 2)
                self.assertEqual(verifiers.dkimpy(keys)({"x": got})["x"], [True], m.name)
                got = re.sub(rb"^DKIM-Signature:.*\r\n(?:[ \t].*\r\n)*", b"", got)
                judge = harm if "8BITMIME" in server.offers else encoding_harm
                self.assertIsNone(judge(content, got), m.name)

    def test_hosts_of_one_site_differ(self):
        """A server that has lost the word since: found out when the next session begins."""
        server = self.exchanger({"EHLO": once(b"250-x\r\n250 8BITMIME\r\n"),
                                 "QUIT": b"221 bye\r\n"}, offers=())
        self.all_arrive_one_by_one(server, mime()[:1], harm)
        eventually(lambda: server.connections_open == 0, "the first session's end")
        self.all_arrive_one_by_one(server, mime()[1:3], encoding_harm)

    def all_arrive_one_by_one(self, server, messages, judge):
        for m in messages:
            ids = submit([m], server)
            self.assertEqual(engine.outcomes(ids[m.name])[-1]["event"], "delivered")
            self.assertIsNone(judge(m.content, arrived_at(server)[m.name].content), m.name)


class Utf8(unittest.TestCase):
    """SMTPUTF8 is asked for by addresses, and nobody is sent to who does not take them."""

    content = b"Subject: plain\r\n\r\ntext\r\n"

    def exchanger(self, offers=("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES")):
        server = Exchanger(offers=offers)
        self.addCleanup(server.close)
        return server

    def send(self, locals_, server, sender="a@b.example", content=None):
        """{local part: event}"""
        with Client(engine.unix) as client:
            message_id = client.submit(sender, [f"{name}@{server.domain}" for name in locals_],
                                       content or self.content,
                                       parameters=" SMTPUTF8 BODY=8BITMIME")
        events = engine.outcomes(message_id, len(locals_))
        return {event["recipient"].split("@")[0]: event for event in events}

    def test_only_who_needs_it_fails(self):
        server = self.exchanger()
        events = self.send(["joe", "jörg", "ann", "用户"], server)
        for name in ("joe", "ann"):
            self.assertEqual(events[name]["event"], "delivered", events[name])
        for name in ("jörg", "用户"):
            self.assertEqual((events[name]["event"], events[name]["enhanced"]),
                             ("failed", "5.6.7"), events[name])
            self.assertIn("SMTPUTF8", events[name]["text"])
        self.assertEqual(len(server.rcpts()), 2)
        for t in server.transactions:
            self.assertNotIn("SMTPUTF8", t.mail)

    def test_a_sender_who_needs_it(self):
        server = self.exchanger()
        events = self.send(["joe"], server, sender="jörg@b.example")
        self.assertEqual(events["joe"]["enhanced"], "5.6.7")
        self.assertEqual(server.transactions, [])

    def test_a_header_that_needs_it(self):
        server = self.exchanger()
        events = self.send(["joe"], server, content="To: jörg@b.example\r\n\r\nx\r\n".encode())
        self.assertEqual(events["joe"]["enhanced"], "5.6.7")
        self.assertEqual(server.transactions, [])

    def test_all_where_it_is_taken(self):
        server = self.exchanger(("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"))
        events = self.send(["joe", "jörg"], server)
        for event in events.values():
            self.assertEqual(event["event"], "delivered", event)
        self.assertEqual(len(server.transactions), 1)


if __name__ == "__main__":
    unittest.main()
