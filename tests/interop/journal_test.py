"""What was acknowledged is delivered, once, whatever ends the engine in between."""

import os
import re
import threading
import time
from datetime import datetime

from client import Client, stuff
from exchanger import QUIET
from journal_writer import Segment, message, opens
from journaled import LATER, MIB, NEVER, SENDER, SMALL, SOON, Journaled, content_of, place_of
from messages import big, harm
from place import IS_ROOT, NOBODY, eventually

ONCE_MORE_S = 1.5  # what would be sent a second time has come by then


def by_name(session):
    """The reply to RCPT is in the recipient's name."""
    name = re.match("RCPT TO:<([a-z]*)", session.said)[1]
    return {"later": LATER, "never": NEVER}.get(name)


def when(event):
    return datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()


class Recovery(Journaled):
    def test_each_recipient_is_where_it_was(self):
        """Only the open ones are tried again, when they are due; attempts are counted on."""
        for kill in (False, True):
            with self.subTest(kill=kill):
                self.each_recipient(kill)

    def each_recipient(self, kill):
        engine = self.engine(domain="retry-first = 3s")
        exchangers = [self.exchanger({"RCPT": by_name}) for _ in range(3)]
        a, b, c = (x.domain for x in exchangers)
        rcpts = [f"ok@{a}", f"later1@{a}", f"never1@{a}", f"ok@{b}", f"later2@sub.{b}",
                 f"never2@{c}", f"later3@{c}"]
        content = content_of(5000)
        message_id = self.submit(engine, rcpts, content)
        first = {e["recipient"]: e for e in engine.outcomes(message_id, 7)}
        self.written(engine, rcpts_open=0, rcpts_deferred=3, rcpts_delivered=2, rcpts_failed=2)
        self.restart(engine, kill)
        self.assertEqual(self.waiting(engine), (1, 3))
        for x in exchangers:
            x.script.clear()
        engine.outcomes(message_id, 10)
        time.sleep(ONCE_MORE_S)
        again = engine.events_of(message_id)[7:]
        self.assertEqual({(e["recipient"], e["event"], e["attempt"]) for e in again},
                         {(rcpt, "delivered", 2) for rcpt in rcpts if "later" in rcpt})
        self.assertEqual(len(again), 3)
        for event in again:
            before = first[event["recipient"]]
            waited_s = when(event) - when(before)
            self.assertGreaterEqual(waited_s, before["delay"] - 0.01)
            self.assertLess(waited_s, before["delay"] + 5)
        self.assertEqual(sorted(r for x in exchangers for r in x.rcpts()),
                         sorted(f"RCPT TO:<{r}>" for r in rcpts if "never" not in r))
        contents = {t.content for x in exchangers for t in x.transactions}
        self.assertEqual(len(contents), 1)  # the trace is the same, too
        self.assertIsNone(harm(content, contents.pop()))
        self.restart(engine, kill)
        self.assertEqual(self.waiting(engine), (0, 0))
        engine.end()

    def test_envelope(self):
        """The null sender, SMTPUTF8, 8BITMIME and what DSN asks for are what they were."""
        for kill in (False, True):
            with self.subTest(kill=kill):
                self.envelope(kill)

    def envelope(self, kill):
        engine = self.engine(domain=SOON)
        exchanger = self.exchanger({"RCPT": LATER}, offers=(
            "PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN"))
        with Client(engine.unix) as client:
            codes = client.say_all(
                "MAIL FROM:<> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=one+2Btwo".encode(),
                f"RCPT TO:<grüße@{exchanger.domain}> NOTIFY=FAILURE,DELAY "
                f"ORCPT=rfc822;other@x.example".encode(),
                f"RCPT TO:<plain@{exchanger.domain}> NOTIFY=NEVER")
            self.assertEqual(codes, [250] * 3)
            code, text = client.give("Subject: Grüße\r\n\r\n.\r\nGrüße\r\n".encode())
            self.assertEqual(code, 250)
        engine.outcomes(text.rsplit(" ", 1)[1], 2)
        eventually(lambda: len(self.said(exchanger)) >= 3, "all commands")
        before = self.said(exchanger)[:3]
        self.restart(engine, kill)
        exchanger.script.clear()
        exchanger.commands.clear()
        got, = eventually(lambda: exchanger.transactions, "the delivery")
        self.assertEqual([re.sub(" SIZE=[0-9]+", "", line) for line in [got.mail, *got.rcpts]],
                         [re.sub(" SIZE=[0-9]+", "", line) for line in before])
        self.assertRegex(got.mail, "^MAIL FROM:<> ")
        for word in ("BODY=8BITMIME", "SMTPUTF8", "RET=HDRS", "ENVID=one+2Btwo"):
            self.assertIn(f" {word}", got.mail)
        self.assertIn(f"<grüße@{exchanger.domain}> ", "".join(got.rcpts))
        self.assertRegex("".join(got.rcpts), "NOTIFY=(FAILURE,DELAY|DELAY,FAILURE)")
        self.assertIn(" ORCPT=rfc822;other@x.example", "".join(got.rcpts))
        engine.end()

    @staticmethod
    def said(exchanger):
        return [c for c in exchanger.commands if c.startswith(("MAIL", "RCPT"))]

    def test_a_thousand_recipients(self):
        """In 300 domains of one site: they go together again."""
        for kill in (False, True):
            with self.subTest(kill=kill):
                self.a_thousand(kill)

    def a_thousand(self, kill):
        engine = self.engine()
        exchanger = self.exchanger({"greeting": QUIET})
        rcpts = [f"x{n}@s{n % 300}.{exchanger.domain}" for n in range(1000)]
        self.submit(engine, rcpts)
        counted = self.restart(engine, kill)
        self.assertEqual((counted["messages"], counted["rcpts_open"]), (1, 1000))
        self.assertEqual(self.waiting(engine), (1, 1000))
        exchanger.script.clear()
        eventually(lambda: len(exchanger.rcpts()) == 1000, lambda: len(exchanger.rcpts()))
        self.assertEqual(set(exchanger.rcpts()), {f"RCPT TO:<{rcpt}>" for rcpt in rcpts})
        self.assertLess(len(exchanger.transactions), 100)  # some begin before all are resolved
        self.assertEqual(max(len(t.rcpts) for t in exchanger.transactions), 100)
        engine.end()

    def test_large_messages(self):
        """Larger than a segment, of either size: they get segments of their own."""
        for segment, size, kill in (("16M", 20 * MIB, True), ("1M", 3 * MIB, True),
                                    ("1M", 20 * MIB, False)):
            with self.subTest((segment, size, kill)):
                engine = self.engine(domain=SOON, more=f'journal {{ segment = "{segment}" }}')
                exchanger = self.exchanger({"RCPT": LATER})
                content = big(size).content
                message_id = self.submit(engine, [f"x@{exchanger.domain}"], content)
                small_id = self.submit(engine, [f"y@{exchanger.domain}"])
                engine.outcomes(message_id)
                engine.outcomes(small_id)
                self.restart(engine, kill)
                self.assertEqual(self.waiting(engine), (2, 2))
                exchanger.script.clear()
                eventually(lambda: len(exchanger.transactions) == 2, "both")
                got, = [t for t in exchanger.transactions if "<x@" in t.rcpts[0]]
                self.assertIsNone(harm(content, got.content))
                engine.end()

    def test_worker_counts(self):
        """From two to one, to three: whoever finds a message delivers it, once."""
        engine = self.engine(domain=SOON)
        exchangers = [self.exchanger({"RCPT": LATER}) for _ in range(3)]
        ids = []
        for _ in range(4):  # connections are dealt to all workers
            with Client(engine.tcp) as client:
                ids += [client.submit(SENDER, [f"x{n}@{x.domain}" for x in exchangers],
                                      content_of(1000 * n)) for n in range(1, 6)]
        attempts = {}
        for count in (1, 3, 2):
            for message_id in ids:
                engine.outcomes(message_id, 3)
            self.restart(engine, kill=count != 3, workers=f"workers = {count}")
            self.assertEqual(self.waiting(engine), (20, 60))
            for event in engine.events():
                if "id" in event:
                    attempts.setdefault((event["id"], event["recipient"]), []).append(
                        event["attempt"])
            engine.forget_events()
        for x in exchangers:
            x.script.clear()
        eventually(lambda: sum(len(x.rcpts()) for x in exchangers) == 60, "all of them")
        for message_id in ids:
            for event in engine.outcomes(message_id, 3):
                attempts[event["id"], event["recipient"]].append(event["attempt"])
        time.sleep(ONCE_MORE_S)
        self.assertEqual(sum(len(x.rcpts()) for x in exchangers), 60)
        self.assertEqual(len(attempts), 60)
        for counted in attempts.values():
            self.assertEqual(counted, sorted(set(counted)), "an attempt's number came twice")
        self.assertEqual(self.end(engine)["open_messages"], 0)

    def test_ids_go_on(self):
        """Above all that the journal knows, though the clock was set back."""
        engine = self.engine(domain=SOON)
        exchanger = self.exchanger()
        self.end(engine)
        with open(self.files(engine)[-1], "rb") as file:
            epoch = int.from_bytes(file.read(24)[16:], "little")
        segment = Segment(epoch + 100)
        far = (int(time.time()) + 40_000_000) * 1_000_000 << 6
        texts_bytes = len("@s.example" + "far@" + 2 * exchanger.domain)
        sender = "s" * (4 - texts_bytes % 4) + "@s.example"  # the table behind them is aligned
        segment.batch(opens(), message(far, [f"far@{exchanger.domain}"], sender=sender))
        self.put(engine, "00000777.segment", bytes(segment))
        engine.start()
        eventually(lambda: exchanger.rcpts() == [f"RCPT TO:<far@{exchanger.domain}>"], "the mail")
        far_id, = eventually(lambda: {e["id"] for e in engine.events() if "id" in e}, "an event")
        ids = [self.submit(engine, [f"x@{exchanger.domain}"]) for _ in range(4)]
        self.assertEqual([far_id, *ids], sorted({far_id, *ids}))

    def put(self, engine, name, content):
        path = os.path.join(self.folder(engine), name)
        with open(path, "wb") as file:
            file.write(content)
        if IS_ROOT:
            os.chown(path, NOBODY, NOBODY)
        return path

    def test_settled_when_a_segment_ends(self):
        """A message that was acknowledged a moment before its segment was full is there."""
        engine = self.engine(domain="retry-first = 60s", more=SMALL)
        self.restart(engine, workers="workers = 1")
        for _ in range(4):
            exchanger = self.exchanger()
            engine.outcomes(self.submit(engine, [f"x@{exchanger.domain}"]))
            exchanger.script["RCPT"] = LATER
            time.sleep(0.6)  # all that is in the journal is over, and known to be
            clients = [Client(engine.unix) for _ in range(3)]
            for client in clients:
                client.open_transaction(SENDER, [f"x@{exchanger.domain}"])
                client.say("DATA")
                client.send(stuff(content_of(600_000))[:-3])
            for client in clients:
                client.send(b".\r\n")
            self.assertEqual([client.reply()[0] for client in clients], [250] * 3)
            for client in clients:
                client.close()
            self.restart(engine, kill=True)
            self.assertEqual(self.waiting(engine), (3, 3))
            exchanger.script.clear()
            self.end(engine)
            for path in self.files(engine):
                os.unlink(path)
            engine.start()


class InDoubt(Journaled):
    def test_not_before_its_time(self):
        """The content was taken and never answered."""
        engine = self.engine(domain="retry-first = 1s  retry-in-doubt = 4s")
        taken = threading.Event()

        def take(_session):
            taken.set()
            return QUIET
        exchanger, other = self.exchanger({"content": take}), self.exchanger({"RCPT": LATER})
        message_id = self.submit(engine, [f"x@{exchanger.domain}", f"y@{other.domain}"])
        self.assertTrue(taken.wait(20))
        engine.outcomes(message_id)
        self.written(engine, in_doubt=1, rcpts_deferred=1)
        self.end(engine, kill=True)
        other.script.clear()
        exchanger.script.clear()
        began = time.time()
        engine.start()
        self.assertRegex(engine.log(), "1 deliveries were under way and may have arrived")
        eventually(lambda: other.rcpts(), "the one that was not in doubt")
        self.assertEqual(exchanger.rcpts(), [])
        event, = eventually(lambda: [e for e in engine.events_of(message_id)
                                     if e["recipient"].startswith("x@")], "its delivery")
        self.assertEqual((event["event"], event["attempt"]), ("delivered", 2))
        self.assertGreaterEqual(when(event) - began, 4 - 0.01)
        self.assertLess(when(event) - began, 9)
        self.assertEqual(len(exchanger.transactions), 1)

    def test_though_it_was_moved(self):
        """Its message was moved to another segment meanwhile, and the old one was used again."""
        engine = self.engine(domain="retry-first = 1s  retry-in-doubt = 4s",
                             more=SMALL)
        self.restart(engine, workers="workers = 1")
        exchanger, other = self.exchanger({"content": QUIET}), self.exchanger()
        message_id = self.submit(engine, [f"x@{exchanger.domain}"])
        eventually(lambda: "DATA" in exchanger.commands, "the attempt")
        before = place_of(self.folder(engine), message_id)
        for _ in range(40):
            self.submit(engine, [f"y@{other.domain}"], content_of(500_000))
        eventually(lambda: len(other.transactions) == 40, "the other mail")

        def was_moved():
            try:
                return place_of(self.folder(engine), message_id) != before
            except AssertionError:  # its file goes while that is read
                return False
        eventually(was_moved, "the move")
        self.end(engine, kill=True)
        self.assertNotEqual(place_of(self.folder(engine), message_id), before)
        exchanger.script.clear()
        began = time.time()
        engine.start()
        self.assertRegex(engine.log(), "1 deliveries were under way and may have arrived")
        event, = engine.outcomes(message_id)
        self.assertGreaterEqual(when(event) - began, 4 - 0.01)


class Null(Journaled):
    def test_it_forgets(self):
        engine = self.engine(domain=SOON, more="journal { durable = no }")
        self.assertRegex(engine.log(), "kept in memory only")
        exchanger = self.exchanger({"RCPT": LATER})
        engine.outcomes(self.submit(engine, [f"x@{exchanger.domain}"]))
        self.assertFalse(os.path.exists(self.folder(engine)))
        engine.kill()
        exchanger.script.clear()
        engine.start()
        self.assertEqual(self.waiting(engine), (0, 0))
        time.sleep(2.5)
        self.assertEqual(exchanger.transactions, [])
        engine.outcomes(self.submit(engine, [f"y@{exchanger.domain}"]))
        self.assertEqual(exchanger.rcpts(), [f"RCPT TO:<y@{exchanger.domain}>"])
