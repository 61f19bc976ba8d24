"""Exchangers that refuse, lie, babble or go away, at every step. What is not delivered is deferred
or failed as they said, the next host is tried where that helps, and the events tell."""

import unittest

from case import Case
from client import Client
from engine import Engine
from exchanger import CLOSE, QUIET, RESET, USUAL, Exchanger, after, bytewise, once
from messages import big, harm
from place import eventually, place

SENDER = "sender@client.example"
CONTENT = b"Subject: x\r\nDate: today\r\n\r\nx\r\n.\r\n" + b"line\r\n" * 20000
IN_DOUBT_S = 900  # retry-in-doubt, by default


def setUpModule():
    global engine, retrying
    engine = Engine(domain="connections = 2")
    unittest.addModuleCleanup(engine.end)
    retrying = Engine(domain="retry-first = 1s")
    unittest.addModuleCleanup(retrying.end)


def submit(*rcpts, to=None):
    with Client((to or engine).unix) as client:
        return client.submit(SENDER, rcpts, CONTENT)


class Replies(Case):
    """A script for a step of the session, and what the event says of it."""

    # name: (script, what the first event says)
    deferred = {
        # It is not SMTP, or no longer.
        "greeting: HTTP": ({"greeting": b"HTTP/1.1 400 Bad Request\r\n\r\n"}, {"code": 0}),
        "greeting: words": ({"greeting": b"hello world\r\n"}, {"code": 0}),
        "greeting: bytes": ({"greeting": bytes(range(256)) * 100}, {"code": 0}),
        "greeting: no end of line": ({"greeting": b"220 " + b"x" * 100000}, {"code": 0}),
        "greeting: no end of lines": ({"greeting": b"220-x\r\n" * 20000}, {"code": 0}),
        "greeting: empty lines": ({"greeting": b"\r\n\r\n\r\n"}, {"code": 0}),
        "greeting: bare LF, then silence ends": ({"greeting": (b"220 x\n", CLOSE)}, {"code": 0}),
        "greeting: code alone is 999": ({"greeting": b"999 x\r\n"}, {"code": 0}),
        "EHLO: codes that differ": ({"EHLO": b"250-x\r\n251 y\r\n"}, {"code": 0}),
        "MAIL: not SMTP": ({"MAIL": b"ok\r\n"}, {"code": 0}),
        "RCPT: not SMTP": ({"RCPT": b"ok\r\n"}, {"code": 0}),
        "DATA: not SMTP": ({"DATA": b"ok\r\n"}, {"code": 0}),
        "content: not SMTP": ({"content": b"ok\r\n"}, {"code": 0, "in-doubt": True}),
        "MAIL: a NUL in it": ({"MAIL": b"250 o\0k\r\n550 no\r\n"}, {}),
        # Replies out of step with their commands.
        "MAIL: 354": ({"MAIL": b"354 go\r\n"}, {}),
        "RCPT: 354": ({"RCPT": b"354 go\r\n"}, {}),
        "DATA: 250": ({"DATA": b"250 ok\r\n"}, {}),
        "content: 354": ({"content": b"354 more\r\n"}, {"in-doubt": True}),
        "EHLO: two replies": ({"EHLO": b"250 x\r\n250 y\r\n"}, {}),
        # The connection goes.
        "greeting: close": ({"greeting": CLOSE}, {"code": 0}),
        "greeting: reset": ({"greeting": RESET}, {"code": 0}),
        "EHLO: close": ({"EHLO": CLOSE}, {"code": 0}),
        "MAIL: close": ({"MAIL": CLOSE}, {"code": 0}),
        "MAIL: reset": ({"MAIL": RESET}, {"code": 0}),
        "RCPT: close": ({"RCPT": CLOSE}, {"code": 0}),
        "DATA: close": ({"DATA": CLOSE}, {"code": 0}),
        "DATA: reset": ({"DATA": RESET}, {"code": 0}),
        "content: close": ({"content": CLOSE}, {"code": 0, "in-doubt": True}),
        "content: reset": ({"content": RESET}, {"code": 0, "in-doubt": True}),
        "content: half a reply": ({"content": (b"25", CLOSE)}, {"code": 0, "in-doubt": True}),
        # It says so itself.
        "greeting: 421": ({"greeting": (b"421 4.3.2 not now\r\n", CLOSE)},
                          {"code": 421, "enhanced": "4.3.2"}),
        "greeting: 554": ({"greeting": (b"554 5.7.1 not you\r\n", CLOSE)}, {"code": 554}),
        "EHLO: 421": ({"EHLO": (b"421 4.3.2 not now\r\n", CLOSE)}, {"code": 421}),
        "EHLO: 450": ({"EHLO": b"450 4.7.0 not now\r\n"}, {"code": 450}),
        "MAIL: 421": ({"MAIL": (b"421 4.3.2 not now\r\n", CLOSE)}, {"code": 421}),
        "MAIL: 451": ({"MAIL": b"451 4.7.1 grey\r\n"}, {"code": 451, "text": "grey"}),
        "RCPT: 421": ({"RCPT": (b"421 4.3.2 not now\r\n", CLOSE)}, {"code": 421}),
        "RCPT: 450": ({"RCPT": b"450 4.2.0 grey\r\n"}, {"code": 450, "enhanced": "4.2.0"}),
        "RCPT: 450 in lines": ({"RCPT": b"450-4.2.0 grey\r\n450 4.2.0 area\r\n"}, {"code": 450}),
        "DATA: 421": ({"DATA": (b"421 4.3.2 not now\r\n", CLOSE)}, {"code": 421}),
        "DATA: 451": ({"DATA": b"451 4.3.0 not now\r\n"}, {"code": 451}),
        "content: 421": ({"content": (b"421 4.3.2 not now\r\n", CLOSE)}, {"code": 421}),
        "content: 452": ({"content": b"452 4.3.1 full\r\n"}, {"code": 452, "text": "full"}),
    }

    failed = {
        "MAIL: 550": ({"MAIL": b"550 5.1.8 who?\r\n"}, {"code": 550, "enhanced": "5.1.8"}),
        "RCPT: 550": ({"RCPT": b"550 5.1.1 who?\r\n"}, {"code": 550, "text": "who?"}),
        "RCPT: 550 without more": ({"RCPT": b"550\r\n"}, {"code": 550, "text": ""}),
        "DATA: 554": ({"DATA": b"554 5.7.0 no\r\n"}, {"code": 554}),
        "content: 552": ({"content": b"552 5.3.4 too big\r\n"}, {"code": 552}),
        "content: 550, bytes in it": (
            {"content": b'550 5.7.1 "\xff\xc3\xa9\x1b[2J\\\t\r\n'}, {"code": 550}),
        "EHLO: a SIZE that is too small": (
            {"EHLO": b"250-x\r\n250 SIZE 1000\r\n"}, {"code": 552, "enhanced": "5.3.4"}),
    }

    delivered = {
        "as usual": ({}, {"code": 250}),
        "EHLO: 502, HELO serves": ({"EHLO": b"502 5.5.1 what?\r\n"}, {}),
        "EHLO: no keyword": ({"EHLO": b"250 x\r\n"}, {}),
        "EHLO: lower case": ({"EHLO": b"250-x\r\n250-pipelining\r\n250 8bitmime\r\n"}, {}),
        "EHLO: strange": ({"EHLO": b"250-x\r\n250-\r\n250- \r\n250-SIZE x\r\n250 =\r\n"}, {}),
        "RCPT: 251": ({"RCPT": b"251 will forward\r\n"}, {}),
        "content: 200": ({"content": b"200 fine\r\n"}, {"code": 200}),
        "content: 259 in lines": ({"content": b"259-fine\r\n259 fine\r\n"}, {"code": 259}),
        "greeting: in lines": ({"greeting": b"220-a\r\n220-b\r\n220 c\r\n"}, {}),
        "DATA: 350": ({"DATA": b"350 go\r\n"}, {}),
        "slow": ({step: after(0.3) for step in ("greeting", "EHLO", "MAIL", "RCPT", "DATA",
                                                "content")}, {}),
        "byte by byte": ({step: bytewise(reply) for step, reply in USUAL.items() if reply}, {}),
        "QUIT: silence": ({"QUIT": QUIET}, {}),
        "QUIT: rubbish": ({"QUIT": b"ok\r\n"}, {}),
    }

    later = {
        "first 421": {"greeting": (b"421 4.3.2 not now\r\n", CLOSE)},
        "first grey": {"RCPT": b"450 4.7.1 grey\r\n"},
        "first full": {"content": b"452 4.3.1 full\r\n"},
    }

    def try_all(self, cases, count, check):
        """A message to each case; all at once, since each has exchangers of its own. `check` looks
        at its events, at the exchanger, and at what is wanted."""
        sent = []
        for pipelining in ("PIPELINING", "XNONE"):
            for name, (script, want) in cases.items():
                exchanger = self.exchanger(script, offers=(pipelining, "8BITMIME"))
                sent.append((f"{name}, {pipelining}", want, exchanger,
                             submit(f"x@{exchanger.domain}")))
        for name, want, exchanger, message_id in sent:
            with self.subTest(name):
                check(engine.outcomes(message_id, count), exchanger, want)
                self.assertEqual(exchanger.faults, [])

    def test_deferred(self):
        def check(events, exchanger, want):
            event, = events
            self.assertEqual(event["event"], "deferred", event)
            self.assertEqual(event | want, event)
            self.assertEqual(event["address"],
                             f"{place().address(exchanger.number)}:{place().port}")
            self.assertEqual(event["host"], f"mx{exchanger.number}.example")
            if "in-doubt" in want:
                self.assertGreaterEqual(event["delay"], IN_DOUBT_S)
            else:
                self.assertNotIn("in-doubt", event)
            self.assertEqual(exchanger.transactions, [])
        self.try_all(self.deferred, 1, check)

    def test_failed(self):
        def check(events, exchanger, want):
            event, = events
            self.assertEqual(event["event"], "failed", event)
            self.assertEqual(event | want, event)
            self.assertEqual(exchanger.transactions, [])
        self.try_all(self.failed, 1, check)

    def test_delivered(self):
        def check(events, exchanger, want):
            event, = events
            self.assertEqual(event["event"], "delivered", event)
            self.assertEqual(event | want, event)
            got, = exchanger.transactions
            self.assertIsNone(harm(CONTENT, got.content))
        self.try_all(self.delivered, 1, check)

    def test_goes_in_the_middle_of_content(self):
        """It cannot have the message: that is no doubt."""
        exchanger = self.exchanger({"body": CLOSE})
        with Client(engine.unix) as client:
            message_id = client.submit(SENDER, [f"x@{exchanger.domain}"], big(20_000_000).content)
        event, = engine.outcomes(message_id)
        self.assertEqual((event["event"], event["code"]), ("deferred", 0))
        self.assertNotIn("in-doubt", event)

    def test_delivered_later(self):
        """Deferred, tried again, and then it goes."""
        sent = []
        for name, script in self.later.items():
            exchanger = self.exchanger({step: once(action) for step, action in script.items()})
            sent.append((name, exchanger, submit(f"x@{exchanger.domain}", to=retrying)))
        for name, exchanger, message_id in sent:
            with self.subTest(name):
                events = retrying.outcomes(message_id, 2)
                self.assertEqual([(event["event"], event["attempt"]) for event in events],
                                 [("deferred", 1), ("delivered", 2)])
                got, = exchanger.transactions
                self.assertIsNone(harm(CONTENT, got.content))

    def test_another_session_at_once(self):
        """The first message of a session finds it closed: nothing of it can have arrived."""
        for step in ("MAIL", "RCPT", "DATA"):
            with self.subTest(step):
                exchanger = self.exchanger({step: once(CLOSE)})
                event, = engine.outcomes(submit(f"x@{exchanger.domain}"))
                self.assertEqual((event["event"], event["attempt"]), ("delivered", 1), event)
                self.assertEqual(exchanger.connection_count, 2)


class NextHost(Case):
    """Two exchangers, one preferred. When that is no help, the other takes the mail."""

    def pair(self, script):
        """Both, and a domain for them."""
        first, second = next(Exchanger.numbers), next(Exchanger.numbers)
        while second != first + 1:
            first, second = second, next(Exchanger.numbers)
        if script is not None:
            first = self.exchanger(script, number=first)
        return first, self.exchanger(number=second), f"p{second - 1}.example"

    def test_the_preferred_one_serves(self):
        first, second, domain = self.pair({})
        event, = engine.outcomes(submit(f"x@{domain}"))
        self.assertEqual((event["event"], event["host"]),
                         ("delivered", f"mx{first.number}.example"))
        self.assertEqual(second.connection_count, 0)

    no_help = {
        "nobody listens": None,
        "closes": {"greeting": CLOSE},
        "resets": {"greeting": RESET},
        "421": {"greeting": (b"421 4.3.2 not now\r\n", CLOSE)},
        "554": {"greeting": (b"554 5.7.1 not you\r\n", CLOSE)},
        "not SMTP": {"greeting": b"SSH-2.0-OpenSSH_9.2\r\n"},
        "EHLO: closes": {"EHLO": CLOSE},
        "EHLO: 421": {"EHLO": (b"421 4.3.2 not now\r\n", CLOSE)},
        "EHLO and HELO: 554": {"EHLO": b"554 5.7.1 no\r\n", "HELO": b"554 5.7.1 no\r\n"},
        "MAIL: closes": {"MAIL": CLOSE},
        "RCPT: 421": {"RCPT": (b"421 4.3.2 not now\r\n", CLOSE)},
        "DATA: not SMTP": {"DATA": b"ok\r\n"},
    }

    def test_the_other_one_serves(self):
        for name, script in self.no_help.items():
            with self.subTest(name):
                _, second, domain = self.pair(script)
                event, = engine.outcomes(submit(f"x@{domain}"))
                self.assertEqual((event["event"], event["host"], event["attempt"]),
                                 ("delivered", f"mx{second.number}.example", 1), event)

    def test_not_after_the_last_dot(self):
        """In doubt: the other one is not asked to take it as well."""
        first, second, domain = self.pair({"content": CLOSE})
        event, = engine.outcomes(submit(f"x@{domain}"))
        self.assertEqual((event["event"], event["in-doubt"]), ("deferred", True))
        self.assertEqual((first.connection_count, second.connection_count), (1, 0))

    def test_what_is_refused_is_refused(self):
        """A reply to the mail is a reply: no other host is asked."""
        _, second, domain = self.pair({"RCPT": b"550 5.1.1 who?\r\n"})
        event, = engine.outcomes(submit(f"x@{domain}"))
        self.assertEqual((event["event"], event["code"]), ("failed", 550))
        self.assertEqual(second.connection_count, 0)


class Recipients(Case):
    """Each recipient has a fate of its own."""

    def test_some_are_refused(self):
        replies = [b"250 ok\r\n", b"550 5.1.1 who?\r\n", b"450 4.2.1 later\r\n", b"250 ok\r\n"]
        exchanger = self.exchanger({"RCPT": lambda _session: replies.pop(0) if replies else None})
        names = ["kept", "unknown", "busy", "kept-too"]
        events = engine.outcomes(submit(*(f"{n}@{exchanger.domain}" for n in names)), count=4)
        self.assertEqual({e["recipient"].split("@")[0]: (e["event"], e["code"]) for e in events},
                         {"kept": ("delivered", 250), "unknown": ("failed", 550),
                          "busy": ("deferred", 450), "kept-too": ("delivered", 250)})
        got, = exchanger.transactions
        self.assertEqual(len(got.rcpts), 2)

    def test_all_are_refused_though_data_is_taken(self):
        """With no recipient accepted and a 354 to DATA, a lone dot ends it."""
        exchanger = self.exchanger({"RCPT": b"550 5.1.1 who?\r\n"})
        events = engine.outcomes(submit(*(f"x{n}@{exchanger.domain}" for n in range(3))), count=3)
        self.assertEqual({e["event"] for e in events}, {"failed"})
        self.assertEqual(exchanger.transactions, [])

    def test_too_many_for_one_transaction(self):
        """452 4.5.3: the others go at once, in further transactions (RFC 5321 4.5.3.1.10)."""
        def rcpt(session):
            accepted = len(session.transaction.rcpts)
            return None if accepted < 10 else b"452 4.5.3 too many recipients\r\n"
        exchanger = self.exchanger({"RCPT": rcpt})
        events = engine.outcomes(submit(*(f"x{n}@{exchanger.domain}" for n in range(35))), count=35)
        self.assertEqual({(e["event"], e["attempt"]) for e in events}, {("delivered", 1)})
        self.assertEqual([len(t.rcpts) for t in exchanger.transactions], [10, 10, 10, 5])


class Reuse(Case):
    """Many messages to one exchanger that has moods."""

    count = 30

    def send_many(self, script, wanted="delivered"):
        exchanger = self.exchanger(script)
        with Client(engine.unix) as client:
            ids = [client.submit(SENDER, [f"x{n}@{exchanger.domain}"], b"Subject: x\r\n\r\nx\r\n")
                   for n in range(self.count)]
        for message_id in ids:
            events = engine.outcomes(message_id)
            self.assertEqual(events[0]["event"], wanted, events)
            self.assertNotIn("in-doubt", events[0])
        eventually(lambda: len(exchanger.transactions) == self.count, "all of them")
        self.assertEqual(exchanger.faults, [])
        return exchanger

    def test_one_connection_serves_many(self):
        self.assertLessEqual(self.send_many({}).connection_count, 2)

    def test_limits_of_connections(self):
        """No more at a time than the domain's limit."""
        self.assertEqual(self.send_many({"MAIL": after(0.05)}).connection_peak, 2)

    def test_closes_after_each(self):
        """The next message is not the worse for it."""
        self.send_many({"content": (b"250 2.0.0 kept\r\n", CLOSE)})

    def test_resets_after_each(self):
        self.send_many({"content": (b"250 2.0.0 kept\r\n", RESET)})

    def test_421_for_the_second_message(self):
        """RFC 5321 3.8: it may say 421 between transactions; that is no message's fault."""
        served = set()

        def mail(session):
            if session.number in served:
                return b"421 4.4.2 enough\r\n", CLOSE
            return served.add(session.number)
        exchanger = self.exchanger({"MAIL": mail})
        with Client(retrying.unix) as client:
            ids = [client.submit(SENDER, [f"x{n}@{exchanger.domain}"], b"Subject: x\r\n\r\nx\r\n")
                   for n in range(5)]
        for message_id in ids:
            event, = retrying.outcomes(message_id)
            self.assertEqual((event["event"], event["attempt"]), ("delivered", 1), event)
