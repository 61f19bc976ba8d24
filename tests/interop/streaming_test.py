"""Out, ahead of the replies: to real servers that refuse much of it, and to exchangers that break
off in the middle. Each message arrives under its own sender, with its own content, once; and only
what may have arrived without a word of it is in doubt."""

import random
import re
import threading
import time
import unittest

from client import Client
from engine import Engine
from exchanger import CLOSE, QUIET, RESET, USUAL, Exchanger, bytewise
from exim import Exim
from messages import harm
from place import eventually, long_or
from postfix import Postfix
from tap import Tap

STREAM = ("PIPELINING", "CHUNKING", "8BITMIME")
IN_DOUBT_S = 1200  # not the default
MOMENT_S = 0.002  # for bytes that must not come


def start_engine(case, window, connections=1, more=""):
    engine = Engine(domain=f'connections = {connections}  window = {window}  '
                           f'messages-per-connection = 100000  retry-in-doubt = "{IN_DOUBT_S}s" '
                           + more)
    case.addCleanup(engine.end)
    return engine


def sender(n):
    return f"s{n}@client.example"


def content(n):
    """Of message n: unlike any other, of any length, and with dots."""
    dice = random.Random(n)
    lines = [f"Subject: message {n}", "Date: Sun, 22 Nov 2026 05:24:15 +0000", ""]
    lines += ["." * dice.randrange(3) + f"{n} " + "x" * dice.randrange(70)
              for _ in range(dice.choice((1, 5, 50, 400)))]
    return "".join(line + "\r\n" for line in lines).encode()


def rcpts(n, domain):
    """Those of every second message are refused, all of them; and some of every third."""
    if n % 2:
        return [f"refused{n}-{i}@{domain}" for i in range(1 + n % 3)]
    names = ["kept"] if n % 3 else ["refused", "kept", "kept", "refused"]
    return [f"{name}{n}-{i}@{domain}" for i, name in enumerate(names)]


class WithServer:
    """Tests that share a server, which refuses who is called so."""

    @classmethod
    def setUpClass(cls):
        cls.server = cls.start()
        cls.addClassCleanup(cls.server.close)

    def submit(self, engine, domain, count):
        """Messages 0 to count - 1: {id: (n, recipients)}."""
        with Client(engine.unix) as client:
            return {client.submit(sender(n), rcpts(n, domain), content(n)): (n, rcpts(n, domain))
                    for n in range(count)}

    def arrived(self, domain):
        """{recipient: content}, each under its own sender, with its own content, once."""
        found = {}
        for kept in self.server.contents():
            from_ = self.server.addresses(kept, self.server.sender_field)
            for rcpt in self.server.addresses(kept, self.server.rcpt_field):
                if not rcpt.endswith("@" + domain):
                    continue
                n = int(rcpt.removeprefix("kept").split("-")[0])
                self.assertEqual(from_, [sender(n)], rcpt)
                self.assertIsNone(harm(content(n), kept), rcpt)
                self.assertNotIn(rcpt, found)
                found[rcpt] = kept
        return found


class Refusals(WithServer):
    """Servers that bear with however many."""

    count = long_or(4000, 240)

    def test_one_connection_window_8(self):
        self.stream(1, 8)

    def test_one_connection_window_16(self):
        self.stream(1, 16)

    def test_four_connections_window_8(self):
        self.stream(4, 8)

    def test_four_connections_window_16(self):
        self.stream(4, 16)

    def stream(self, connections, window):
        engine = start_engine(self, window, connections)
        tap = Tap(self.server)
        self.addCleanup(tap.close)
        sent = self.submit(engine, tap.domain, self.count)
        tap.open()  # all can be on the way
        wanted = set()
        for message_id, (n, to) in sent.items():
            events = engine.outcomes(message_id, len(to))
            self.assertEqual(sorted(event["recipient"] for event in events), sorted(to))
            for event in events:
                self.check_event(event, n)
            wanted |= {rcpt for rcpt in to if rcpt.startswith("kept")}
        self.assertEqual(eventually(lambda: self.arrived_all(tap.domain, len(wanted)),
                                    "what was taken", 60), wanted)
        last = engine.stop()
        self.assertEqual((last["transactions"], last["in-doubt"]), (self.count, 0))
        self.assertGreater(last["transactions-ahead"], self.count // 2)
        self.check_line(tap, connections, window)

    def check_event(self, event, n):
        refused = event["recipient"].startswith("refused")
        self.assertEqual((event["event"], event["code"], event["sender"]),
                         (*(("failed", 550) if refused else ("delivered", 250)), sender(n)), event)
        if refused:
            self.assertIn("no such user here", event["text"])

    def arrived_all(self, domain, count):
        found = self.arrived(domain)
        return set(found) if len(found) >= count else None

    def check_line(self, tap, connections, window):
        """What went over it, seen from its middle."""
        tap.ended()
        self.assertEqual(tap.faults, [])
        refused = self.count // 2  # after each ten of them another connection
        self.assertLessEqual(len(tap.talks), connections + refused // 10 + 1)
        self.assertEqual(sum(talk.taken for talk in tap.talks), (self.count + 1) // 2)
        self.assertGreater(sum(talk.chunks for talk in tap.talks), self.count // 2)
        self.assertEqual(max(talk.messages_ahead for talk in tap.talks), window)


class RefusalsByExim(Refusals, unittest.TestCase):
    @staticmethod
    def start():
        return Exim()


class RefusalsByPostfix(Refusals, unittest.TestCase):
    @staticmethod
    def start():
        return Postfix("smtpd_soft_error_limit = 1000000\nsmtpd_hard_error_limit = 1000000")


class Impatience(WithServer):
    """Servers that hang up on who has been refused too often, with a window of messages on the way.
    What was delivered has arrived, once; what was not has not, unless it is in doubt."""

    count = 120
    window = 8

    def test_hangs_up(self):
        engine = start_engine(self, self.window)
        sent = self.submit(engine, self.server.domain, self.count)
        events = [event for message_id, (_, to) in sent.items()
                  for event in engine.outcomes(message_id, len(to))]
        self.assertEqual(sorted(event["recipient"] for event in events),
                         sorted(rcpt for _, to in sent.values() for rcpt in to))
        for event in events:
            if event["event"] == "failed":
                self.assertEqual((event["recipient"][:7], event["code"]), ("refused", 550), event)
        delivered = self.which(events, lambda event: event["event"] == "delivered")
        in_doubt = self.which(events, lambda event: event.get("in-doubt"))
        self.assertGreater(len(delivered), self.count // 4)
        arrived = eventually(lambda: self.arrived_all(self.server.domain, delivered),
                             "what was delivered", 60)
        self.assertLessEqual(arrived, delivered | in_doubt)

    @staticmethod
    def which(events, condition):
        return {event["recipient"] for event in events if condition(event)}

    def arrived_all(self, domain, wanted):
        found = set(self.arrived(domain))
        return found if found >= wanted else None


class ImpatienceOfExim(Impatience, unittest.TestCase):
    """As it comes: from the eleventh RSET behind a refused message on it says 554, and closes."""

    start = Exim


class ImpatienceOfPostfix(Impatience, unittest.TestCase):
    """It says 421, as it does by default after twenty errors."""

    @staticmethod
    def start():
        return Postfix("smtpd_hard_error_limit = 4")


class WithExchanger(unittest.TestCase):
    """An engine of its own for each test, so that a site's window is known."""

    def begin(self, script=None, window=8, offers=STREAM, more="", warm=True):
        self.engine = start_engine(self, window, more=more)
        self.exchanger = Exchanger(offers=offers)
        self.addCleanup(self.exchanger.close)
        if warm:
            self.warm_up(window)
        self.exchanger.script.update(script or {})

    def warm_up(self, window):
        """From here on the site's window is open."""
        for message_id in self.send(range(1000, 1000 + window)):
            self.outcome(message_id, "delivered")
        self.exchanger.transactions.clear()
        self.exchanger.commands.clear()

    def send(self, numbers):
        """Their ids."""
        with Client(self.engine.unix) as client:
            return [client.submit(sender(n), [f"r{n}@{self.exchanger.domain}"], content(n))
                    for n in numbers]

    def outcome(self, message_id, what):
        event = self.engine.outcomes(message_id)[0]
        self.assertEqual((event["event"], event["attempt"]), (what, 1), event)
        return event

    def check_kept(self, numbers):
        """These, as they were sent; each once."""
        eventually(lambda: len(self.exchanger.transactions) >= len(numbers), "all to arrive")
        got = {}
        for transaction in self.exchanger.transactions:
            n = int(re.fullmatch(r"MAIL FROM:<s([0-9]+)@client.example>.*", transaction.mail)[1])
            self.assertEqual(transaction.rcpts, [f"RCPT TO:<r{n}@{self.exchanger.domain}>"])
            self.assertIsNone(harm(content(n), transaction.content))
            self.assertNotIn(n, got)
            got[n] = transaction
        self.assertEqual(sorted(got), sorted(numbers))
        self.assertEqual(self.exchanger.faults, [])
        return got


class Held(WithExchanger):
    """A server that answers no content before all has been submitted: then the window is full."""

    tail = 5  # messages that are not even begun by then

    def hold(self):
        self.all_submitted = threading.Event()
        self.count = 0

    def content_number(self):
        """How many had come before this one."""
        self.all_submitted.wait()
        self.count += 1
        return self.count - 1


class Breaks(Held):
    """The connection goes when some of a stream has its verdicts, and a window full of messages has
    none."""

    def break_off(self, window, told, how):
        """All come to the server, and it takes them; but it tells only so many."""
        def on_content(session):
            number = self.content_number()
            session.mute |= number == told
            if number == told + window - 1:
                return b"250 2.0.0 kept\r\n", how

        self.hold()
        self.begin({"content": on_content}, window)
        numbers = range(told + window + self.tail)
        ids = self.send(numbers)
        self.all_submitted.set()
        for n, message_id in enumerate(ids):
            if n < told or n >= told + window:
                event = self.outcome(message_id, "delivered")
                self.assertNotIn("in-doubt", event)
            else:
                event = self.outcome(message_id, "deferred")
                self.assertEqual((event.get("in-doubt"), event["code"]), (True, 0), event)
                self.assertGreaterEqual(event["delay"], IN_DOUBT_S)
        got = self.check_kept(numbers)
        self.assertEqual([got[n].connection for n in numbers],
                         [1] * (told + window) + [2] * self.tail)

    def test_close(self):
        for window, told in ((8, 0), (8, 1), (8, 8), (16, 3)):
            with self.subTest(window=window, told=told):
                    self.break_off(window, told, CLOSE)

    def test_reset(self):
        for window, told in ((8, 0), (8, 1), (8, 8), (16, 3)):
            with self.subTest(window=window, told=told):
                    self.break_off(window, told, RESET)

    def test_what_was_not_wholly_sent(self):
        """It reads no more than some of what is too much for the buffers on the way. What it has
        read is in doubt; what never left us goes on another connection."""
        window, size, read = 8, 8 << 20, 2
        big_ones = [b"Subject: big\r\n\r\n" + (b"%06d " % n + b"x" * 70 + b"\r\n") * (size // 79)
                    for n in range(window)]

        def on_content(session):
            number = self.content_number()
            session.mute = number < read
            if number == read - 1:
                return b"250 2.0.0 kept\r\n", CLOSE

        self.hold()
        self.begin({"content": on_content}, window)
        with Client(self.engine.unix) as client:
            ids = [client.submit(sender(n), [f"r{n}@{self.exchanger.domain}"], big)
                   for n, big in enumerate(big_ones)]
        self.all_submitted.set()
        events = [self.engine.outcomes(message_id)[0] for message_id in ids]
        in_doubt = [event for event in events if event.get("in-doubt")]
        self.assertEqual([event["event"] for event in events[:read]], ["deferred"] * read)
        self.assertEqual(in_doubt, events[:len(in_doubt)])
        self.assertTrue(read <= len(in_doubt) < window, events)
        for event in events[len(in_doubt):]:
            self.assertEqual((event["event"], event["attempt"]), ("delivered", 1), event)
        taken = [t.mail.split(">")[0] for t in self.exchanger.transactions if t.connection > 1]
        self.assertEqual(sorted(taken), [f"MAIL FROM:<{sender(n)}"
                                         for n in range(len(in_doubt), window)])


class ServiceEnds(Held):
    """421 in the middle of a stream. What stands behind it was not processed: that is no doubt, and
    it goes on another connection at once. (The server reads on until we close: if it closed while
    there was something to read, TCP might lose its last words.)"""

    reply = b"421 4.3.2 closing down\r\n", QUIET

    def end(self, step, window, told):
        """The first events of the messages, by number."""
        def on_content(_session):
            if self.content_number() == told and step == "content":
                return self.reply

        def on_step(_session):
            if self.count == told and not self.ended:
                self.ended = True
                return self.reply

        self.hold()
        self.ended = False
        self.begin({step: on_step, "content": on_content}, window)
        numbers = range(told + window + self.tail)
        ids = self.send(numbers)
        self.all_submitted.set()
        events = [self.engine.outcomes(message_id)[0] for message_id in ids]
        kept = [n for n in numbers if n != told or events[n]["event"] == "delivered"]
        for n in kept:
            self.assertEqual((events[n]["event"], events[n]["attempt"]), ("delivered", 1),
                             events[n])
        got = self.check_kept(kept)
        self.assertEqual({got[n].connection for n in kept if n < told}, {1})
        self.assertEqual({got[n].connection for n in kept if n >= told}, {2})
        return events[told]

    def test_421(self):
        for step in ("RSET", "MAIL", "RCPT", "content"):
            with self.subTest(step=step):
                event = self.end(step, 8, told=3)
                if step in ("RCPT", "content"):
                    self.assertEqual((event["event"], event["code"]), ("deferred", 421), event)
                self.assertNotIn("in-doubt", event)


class OneByOne(WithExchanger):
    """Servers that are spoken to in lockstep, or nearly: no byte comes behind a command."""

    steps = "EHLO", "RSET", "MAIL", "RCPT", "DATA", "content", "QUIT"

    def lockstep(self, session):
        time.sleep(MOMENT_S)
        self.behind.append((session.number, session.said, session.waiting()))

    def check_lockstep(self, numbers):
        self.behind = []
        for step in self.steps:
            self.exchanger.script.setdefault(step, self.lockstep)
        for message_id in self.send(numbers):
            self.outcome(message_id, "delivered")
        self.assertEqual({waiting for _, _, waiting in self.behind}, {b""}, self.behind)
        self.check_kept(numbers)

    def test_nothing_is_offered(self):
        self.begin(offers=(), warm=False)
        self.check_lockstep(range(10))

    def test_chunking_without_pipelining(self):
        self.begin(offers=("CHUNKING",), warm=False)
        self.check_lockstep(range(10))

    def test_hangs_up_three_times_on_what_is_pipelined(self):
        """That one is deferred meanwhile; no other message suffers."""
        def on_mail(session):
            time.sleep(MOMENT_S)
            self.hang_ups += bool(session.waiting())
            return CLOSE if session.waiting() else None

        for offers in (STREAM, ("PIPELINING",)):
            with self.subTest(offers=offers):
                self.hang_ups = 0
                self.begin({"MAIL": on_mail}, offers=offers, warm=False, more='retry-first = "1s"')
                ids = self.send(range(5))
                for message_id in ids:
                    eventually(lambda message_id=message_id:
                               self.engine.events_of(message_id)[-1:] and
                               self.engine.events_of(message_id)[-1]["event"] == "delivered",
                               lambda message_id=message_id: self.engine.events_of(message_id))
                deferred = [self.engine.events_of(message_id)[0]["event"] for message_id in ids]
                self.assertLessEqual(deferred.count("deferred"), 1, deferred)
                self.assertEqual(self.hang_ups, 3)
                self.check_kept(range(5))

    def takes_recipients_without_a_sender(self, warm, held):
        """MAIL is refused, and RCPT accepted: nobody knows under which sender. `held`: with other
        messages on the way."""
        def on_mail(session):
            return b"550 5.1.8 not from you\r\n" if "s3@" in session.said else None

        def on_content(_session):
            self.all_submitted.wait()

        self.all_submitted = threading.Event()
        script = {"MAIL": on_mail, "RCPT": b"250 2.1.5 ok\r\n"}
        self.begin(script | ({"content": on_content} if held else {}), warm=warm)
        ids = self.send(range(4))
        if held:
            ids += self.send(range(4, 12))
        self.all_submitted.set()
        events = [self.engine.outcomes(message_id)[0] for message_id in ids]
        self.assertEqual((events[3]["event"], events[3]["code"]), ("failed", 550))
        in_doubt = [event for event in events if event.get("in-doubt")]
        self.assertLessEqual(len(in_doubt), 8 if held else 0)
        for event in events[:3] + events[4:]:
            self.assertEqual(event["event"], "deferred" if event in in_doubt else "delivered",
                             event)
        self.assertNotIn(f"MAIL FROM:<{sender(3)}>",
                         [t.mail.split(" SIZE")[0] for t in self.exchanger.transactions])
        self.exchanger.transactions.clear()
        self.exchanger.script.clear()
        self.check_lockstep(range(20, 25))
        self.assertEqual(self.exchanger.connection_count, 2)

    def test_takes_recipients_without_a_sender_in_a_stream(self):
        self.takes_recipients_without_a_sender(warm=True, held=True)

    def test_takes_recipients_without_a_sender_of_one_message_alone(self):
        """Nothing else is under way; and that one has had its verdict before."""
        for warm in (False, True):
            with self.subTest(window_is_open=warm):
                self.takes_recipients_without_a_sender(warm=warm, held=False)

    def test_pipelining_alone(self):
        """The next message's commands stand behind the content; content waits for its 354."""
        def on_data(session):
            time.sleep(MOMENT_S)
            self.behind.append(session.waiting())

        def on_content(session):
            number = self.number
            self.number += 1
            if number == 0:
                self.all_submitted.wait()
            if 0 < number < self.count - 1:
                want = f"MAIL FROM:<{sender(number + 1)}>".encode()
                eventually(lambda: session.waiting().endswith(b"\r\nDATA\r\n"), session.waiting)
                self.assertTrue(session.waiting().startswith(want), session.waiting())

        self.number, self.count, self.behind = 0, 30, []
        self.all_submitted = threading.Event()
        self.begin(offers=("PIPELINING",))
        self.exchanger.script.update({"DATA": on_data, "content": on_content})
        ids = self.send(range(self.count))
        self.all_submitted.set()
        for message_id in ids:
            self.outcome(message_id, "delivered")
        self.assertEqual(set(self.behind), {b""})
        self.check_kept(range(self.count))


class Slow(WithExchanger):
    """The same arrives however the replies come."""

    def stream(self, say, count=60):
        """Three of ten are refused. `say`: how this server says something."""
        def on_rcpt(session):
            is_refused = re.search("<r[0-9]*[147]@", session.said)
            return say(b"550 5.1.1 who?\r\n" if is_refused else USUAL["RCPT"])

        self.begin({step: lambda _session, reply=reply: say(reply)
                    for step, reply in USUAL.items() if reply} | {"RCPT": on_rcpt})
        refused = {n for n in range(count) if n % 10 in (1, 4, 7)}
        for n, message_id in enumerate(self.send(range(count))):
            event = self.outcome(message_id, "failed" if n in refused else "delivered")
            if n in refused:
                self.assertEqual((event["code"], event["text"]), (550, "who?"))
        self.check_kept(set(range(count)) - refused)
        self.assertLessEqual(self.exchanger.connection_count, 1 + len(refused) // 10)
        self.assertTrue(any(c.startswith("BDAT") for c in self.exchanger.commands))

    def test_byte_by_byte(self):
        self.stream(bytewise)

    def test_late(self):
        def late(reply):
            time.sleep(0.003)
            return reply
        self.stream(late)

    def test_late_with_some(self):
        """Replies that come many at a time, and some that let the others wait."""
        def sometimes_late(reply):
            if reply == USUAL["content"]:
                time.sleep(0.02)
            return reply
        self.stream(sometimes_late)
