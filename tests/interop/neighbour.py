"""For tests of clients that misbehave: an engine, and beside the bad clients one that behaves."""

import threading
import time
import unittest

from client import Client
from engine import Engine
from exchanger import Exchanger
from place import long_or

SENDER = "sender@client.example"
GOOD = b"Subject: good\r\n\r\ngood\r\n"
MESSAGE_BYTES_MAX = 100 * 1024
SLOWEST_S = 2
RESIDENT_KB_MAX = long_or(512, 48) * 1024  # beyond what the engine has when it starts


class Neighbour(threading.Thread):
    """Sends one small message after the other. None of them may wait or be lost."""

    def __init__(self, engine, rcpt):
        super().__init__(daemon=True)
        self.engine = engine
        self.rcpt = rcpt
        self.ended = threading.Event()
        self.ids = []
        self.slowest_s = 0.0
        self.trouble = None

    def run(self):
        try:
            with Client(self.engine.unix) as client:
                while not self.ended.wait(0.02):
                    began = time.monotonic()
                    self.ids.append(client.submit(SENDER, [self.rcpt], GOOD))
                    self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        except (OSError, AssertionError) as error:
            self.trouble = error


class WithNeighbour(unittest.TestCase):
    """A test that leaves no mail but the neighbour's, and what it lists in self.good; an engine
    that is as it was before; and a neighbour that has not noticed."""

    listen = ""  # settings of the listeners

    @classmethod
    def setUpClass(cls):
        cls.engine = Engine(listen="max-message = 100k  max-recipients = 100 " + cls.listen)
        cls.addClassCleanup(cls.engine.end)
        cls.exchanger = Exchanger()
        cls.addClassCleanup(cls.exchanger.close)
        cls.resident_kb = cls.engine.resident_kb()

    def setUp(self):
        self.good = set()
        self.engine.forget_events()
        self.neighbour = Neighbour(self.engine, self.rcpt("neighbour"))
        self.neighbour.start()

    def tearDown(self):
        self.neighbour.ended.set()
        self.neighbour.join(SLOWEST_S)
        self.assertIsNone(self.neighbour.trouble)
        self.assertLess(self.neighbour.slowest_s, SLOWEST_S)
        self.submit_good(self.client())
        for message_id in self.good | set(self.neighbour.ids):
            event, = self.engine.outcomes(message_id)
            self.assertEqual(event["event"], "delivered", event)
        self.assertEqual({event["id"] for event in self.engine.events()},
                         self.good | set(self.neighbour.ids))
        self.assertEqual(self.exchanger.faults, [])
        self.assertLess(self.engine.resident_kb() - self.resident_kb, RESIDENT_KB_MAX)
        self.assertEqual([line for line in self.engine.process.output
                          if "listening on" not in line and "control socket" not in line], [])

    def rcpt(self, name):
        return f"{name}@{self.exchanger.domain}"

    def client(self, **options):
        client = Client(self.engine.tcp, **options)
        self.addCleanup(client.close)
        return client

    def submit_good(self, client):
        """The session is still good for a message."""
        self.good.add(client.submit(SENDER, [self.rcpt("good")], GOOD))

    def was_good(self, reply):
        """The reply to a message that is as good as any."""
        code, text = reply
        self.assertEqual(code, 250)
        self.good.add(text.rsplit(" ", 1)[1])
