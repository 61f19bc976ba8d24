"""SIGTERM: no more mail is taken, what is under way is ended, and the engine exits with 0. A second
one ends it at once."""

import signal
import socket
import time

from case import Case
from client import Client, stuff
from exchanger import CLOSE, QUIET, after
from place import eventually

SENDER = "sender@client.example"
CONTENT = b"Subject: x\r\n\r\nx\r\n"
GRACE_S = 30
AT_ONCE_S = 2  # what a loaded machine may need for it


class Stops(Case):
    def submit(self, engine, exchanger):
        with Client(engine.unix) as client:
            return client.submit(SENDER, [f"x@{exchanger.domain}"], CONTENT)

    @staticmethod
    def refused(engine):
        try:
            socket.create_connection(engine.tcp, timeout=1).close()
            return False
        except OSError:
            return True

    def stops_within(self, seconds, engine):
        began = time.monotonic()
        last = engine.stop()
        self.assertLess(time.monotonic() - began, seconds)
        return last


class Idle(Stops):
    def test_at_once(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            engine = self.engine()
            began = time.monotonic()
            engine.signal(number)
            self.assertEqual(engine.process.ended(), 0)
            self.assertLess(time.monotonic() - began, AT_ONCE_S)

    def test_with_idle_connections(self):
        """Idle clients are told so, idle connections to exchangers are closed."""
        engine, exchanger = self.engine(), self.exchanger()
        with Client(engine.tcp) as client, Client(engine.unix, hello=None) as silent:
            message_id = client.submit(SENDER, [f"x@{exchanger.domain}"], CONTENT)
            engine.outcomes(message_id)
            last = self.stops_within(AT_ONCE_S, engine)
            self.assertEqual(client.reply()[0], 421)
            self.assertEqual([silent.reply()[0] for _ in range(3)], [220, 421, 0])
        self.assertEqual((last["delivered"], last["messages-left"]), (1, 0))
        with self.assertRaises(OSError):
            Client(engine.tcp)
        with self.assertRaises(OSError):
            Client(engine.unix)


class UnderWay(Stops):
    def test_delivery(self):
        """A transaction that an exchanger has begun is ended, however slow it is."""
        for step in ("MAIL", "DATA", "content"):
            with self.subTest(step):
                engine, exchanger = self.engine(), self.exchanger({step: after(1.5)})
                message_id = self.submit(engine, exchanger)
                eventually(lambda: any(c.startswith("MAIL") for c in exchanger.commands), "MAIL")
                last = self.stops_within(10, engine)
                event, = engine.events_of(message_id)
                self.assertEqual((event["event"], last["in-doubt"]), ("delivered", 0))
                self.assertEqual(len(exchanger.transactions), 1)

    def test_submission(self):
        """A client in a transaction may end it: it has its 250, and then a 421."""
        engine, exchanger = self.engine(), self.exchanger()
        with Client(engine.unix) as client:
            client.open_transaction(SENDER, [f"x@{exchanger.domain}"])
            self.assertEqual(client.say("DATA")[0], 354)
            client.send(CONTENT)
            engine.signal(signal.SIGTERM)
            eventually(lambda: self.refused(engine), "the listeners to close")
            self.assertTrue(engine.process.running())
            client.send(b".\r\n")
            self.assertEqual(client.reply()[0], 250)
            self.assertIn(client.reply()[0], (421, 0))
        self.assertEqual(engine.process.ended(10), 0)
        last = engine.events()[-1]
        self.assertEqual((last["messages"], last["event"]), (1, "stopped"))
        self.assertEqual(last["delivered"] + last["messages-left"], 1)

    def test_silent_clients(self):
        """Clients that say nothing more inside of a transaction have half a minute for it."""
        engine = self.engine(listen="idle-timeout = 5m")
        with Client(engine.unix) as one, Client(engine.tcp) as other, Client(engine.tcp) as chunks:
            for client in (one, other, chunks):
                client.open_transaction(SENDER, ["x@y.example"])
                client.socket.settimeout(GRACE_S + 10)
            self.assertEqual(other.say("DATA")[0], 354)
            other.send(CONTENT)
            chunks.send(b"BDAT 100 LAST\r\n" + CONTENT)
            began = time.monotonic()
            engine.signal(signal.SIGTERM)
            self.assertEqual([client.reply()[0] for client in (one, other, chunks)], [421] * 3)
            self.assertGreater(time.monotonic() - began, GRACE_S - 1)
            self.assertEqual(engine.process.ended(AT_ONCE_S), 0)
            self.assertLess(time.monotonic() - began, GRACE_S + AT_ONCE_S)
        self.assertEqual(engine.events()[-1]["messages"], 0)

    def test_what_waits_is_kept(self):
        """Deferred mail is there again after a start, and is delivered."""
        engine = self.engine(domain="retry-first = 1s")
        exchanger = self.exchanger({"RCPT": b"450 4.2.0 later\r\n"})
        message_id = self.submit(engine, exchanger)
        engine.outcomes(message_id)
        last = self.stops_within(AT_ONCE_S, engine)
        self.assertEqual(last["messages-left"], 1)
        exchanger.script.clear()
        engine.start()
        self.assertRegex(engine.log(), "1 messages for 1 recipients are waiting")
        eventually(lambda: engine.events_of(message_id)[-1]["event"] == "delivered", "the delivery")
        self.assertEqual(engine.events_of(message_id)[-1]["attempt"], 2)

    def test_without_a_journal_what_waits_is_told_of(self):
        """It is lost with the memory that held it: the engine says how much."""
        engine = self.engine(more="journal { durable = no }")
        self.assertIn("kept in memory only", engine.log())
        exchanger = self.exchanger({"RCPT": b"450 4.2.0 later\r\n"})
        engine.outcomes(self.submit(engine, exchanger))
        last = self.stops_within(AT_ONCE_S, engine)
        self.assertEqual(last["messages-left"], 1)
        self.assertRegex(engine.log(), "1 accepted messages? .*lost")


class Twice(Stops):
    def second_signal(self, engine):
        engine.signal(signal.SIGTERM)
        eventually(lambda: self.refused(engine), "the listeners to close")
        self.assertTrue(engine.process.running())
        began = time.monotonic()
        engine.signal(signal.SIGTERM)
        engine.process.ended(10)
        self.assertLess(time.monotonic() - began, AT_ONCE_S)

    def test_with_exchangers_that_never_answer(self):
        for step in ("MAIL", "content"):
            with self.subTest(step):
                engine, exchanger = self.engine(), self.exchanger({step: QUIET})
                self.submit(engine, exchanger)
                eventually(lambda: any(c.startswith("MAIL") for c in exchanger.commands), "MAIL")
                self.second_signal(engine)
                self.assertEqual(exchanger.transactions, [])

    def test_with_clients_that_never_end(self):
        engine, exchanger = self.engine(), self.exchanger()
        with Client(engine.unix) as client:
            client.open_transaction(SENDER, [f"x@{exchanger.domain}"])
            client.say("DATA")
            client.send(stuff(CONTENT)[:-3])
            self.second_signal(engine)
        self.assertEqual(engine.events()[-1]["messages"], 0)


class Killed(Stops):
    def test_nothing_is_left_behind(self):
        """After a kill the next engine starts, on the same state directory and socket."""
        engine, exchanger = self.engine(), self.exchanger({"content": CLOSE})
        self.submit(engine, exchanger)
        engine.kill()
        engine.start()
        self.submit(engine, exchanger)
