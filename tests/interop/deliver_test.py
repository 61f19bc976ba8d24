"""Out: to servers that people run. What they keep is what went in, byte for byte."""

import unittest

from client import Client
from engine import Engine
from mail_servers import Aiosmtpd, Exim, Postfix, SmtpSink
from messages import big, cpython, harm, made
from place import eventually

SENDER = "sender@client.example"


class Keeps(unittest.TestCase):
    """A server that keeps what it takes."""

    start = None  # of the server

    @classmethod
    def setUpClass(cls):
        if cls.start is None:
            raise unittest.SkipTest("no server")
        cls.server = cls.start()
        cls.addClassCleanup(cls.server.close)
        cls.engine = Engine()
        cls.addClassCleanup(cls.engine.end)

    def send(self, message, **how):
        """Hands it in, for a recipient of its own. (recipient, id)"""
        how_name = "bdat" if how else "data"
        rcpt = f"{message.name}-{how_name}@{self.server.domain}"
        return rcpt, self.client.submit(SENDER, [rcpt], message.content, **how)

    def check(self, sent, seconds=30):
        """All is delivered, and kept unharmed."""
        for message, rcpt, message_id in sent:
            with self.subTest(rcpt):
                event, = self.engine.outcomes(message_id, seconds=seconds)
                self.assertEqual((event["event"], event["recipient"]), ("delivered", rcpt), event)
                arrived = eventually(lambda: self.server.arrived().get(rcpt), rcpt)
                self.assertIsNone(harm(message.content, arrived))

    def deliver(self, messages, **how):
        with Client(self.engine.unix) as self.client:
            self.check([(message, *self.send(message, **how)) for message in messages])
