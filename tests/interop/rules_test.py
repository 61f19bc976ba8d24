"""What replies mean: the category in each event, and rules that say otherwise than the code."""

import json
import unittest
from datetime import datetime

from client import Client
from engine import PROGRAM, Engine, configure
from exchanger import Exchanger, once
from place import eventually, place, run

SENDER = "sender@client.example"
CONTENT = b"Subject: x\r\n\r\nx\r\n"

OWN = r"""
# ours
bad-mailbox  code=5xx phase=rcpt   /nobody of that name/
rate         later                 /come again tomorrow/
policy       code=4xx never        /not in this life/
rate         back-off=3s           /leave me alone/
"""

REPLIES = {
    # step, reply: event, category
    ("RCPT", b"550 5.1.1 No such user\r\n"): ("failed", "bad-mailbox"),
    ("RCPT", b"550 There is nobody of that name\r\n"): ("failed", "bad-mailbox"),
    ("RCPT", b"452-4.2.2 The email account that you tried to\r\n"
             b"452 4.2.2 reach is over quota\r\n"): ("deferred", "quota"),
    ("RCPT", b"450 4.2.0 Greylisted\r\n"): ("deferred", "greylist"),
    ("RCPT", b"550 5.7.1 come again tomorrow\r\n"): ("deferred", "rate"),
    ("content", b"554 5.7.1 Message looks like spam\r\n"): ("failed", "spam"),
    ("content", b"451 4.7.1 not in this life\r\n"): ("failed", "policy"),
    ("MAIL", b"553 5.1.8 Sender address rejected: Domain not found\r\n"): ("failed", "policy"),
    ("DATA", b"451 4.3.0 trouble\r\n"): ("deferred", "system"),
    ("greeting", b"554 5.7.1 blocked using zen.spamhaus.org\r\n"): ("deferred", "blocked"),
    ("greeting", b"421 4.7.0 not in this life\r\n"): ("deferred", "policy"),
}


class Categories(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        path = place().write(place().new_name("rules"), OWN)
        cls.engine = Engine(more=f'delivery {{ rules = "{path}" }}')
        cls.addClassCleanup(cls.engine.end)

    def test_events(self):
        for (step, reply), want in REPLIES.items():
            with self.subTest(step=step, reply=reply), Exchanger({step: reply}) as mx:
                with Client(self.engine.unix) as client:
                    message_id = client.submit(SENDER, [f"x@{mx.domain}"], CONTENT)
                event = self.engine.outcomes(message_id)[0]
                self.assertEqual((event["event"], event["category"]), want, event)

    def test_back_off(self):
        """The next message to that site waits, though it was there at once."""
        with Exchanger({"content": once(b"450 4.7.1 leave me alone\r\n")}) as mx:
            ids = []
            for _ in range(2):
                with Client(self.engine.unix) as client:
                    ids.append(client.submit(SENDER, [f"x@{mx.domain}"], CONTENT))
                first = self.engine.outcomes(ids[0])[0]
            self.assertEqual((first["event"], first["category"]), ("deferred", "rate"))
            second = self.engine.outcomes(ids[1])[0]
            self.assertEqual(second["event"], "delivered")
            waited = datetime.fromisoformat(second["time"]) - datetime.fromisoformat(first["time"])
            self.assertGreater(waited.total_seconds(), 2.5)

    def test_nothing_of_it_in_a_success(self):
        with Exchanger({"content": b"250 2.0.0 user unknown\r\n"}) as mx:
            with Client(self.engine.unix) as client:
                message_id = client.submit(SENDER, [f"x@{mx.domain}"], CONTENT)
            event, = self.engine.outcomes(message_id)
            self.assertEqual(event["event"], "delivered")
            self.assertNotIn("category", event)


class Restart(unittest.TestCase):
    def test_back_off(self):
        """A site that wants to be left alone is left alone by the next start, too."""
        path = place().write(place().new_name("rules"), "rate back-off=10m /leave me alone/\n")
        engine = Engine(more=f'delivery {{ rules = "{path}" }}')
        self.addCleanup(engine.end)
        with Exchanger({"content": b"450 4.7.1 leave me alone\r\n"}) as mx:
            def submit():
                with Client(engine.unix) as client:
                    return client.submit(SENDER, [f"x@{mx.domain}"], CONTENT)

            def explained(message_id):
                done = run([PROGRAM, "explain", message_id, "-c", engine.config, "--json"])
                return json.loads(done.stdout)
            engine.outcomes(submit())
            engine.stop()
            engine.start()
            message_id = submit()
            eventually(lambda: explained(message_id)["reason"] == "site-back-off",
                       lambda: explained(message_id))
            self.assertGreater(explained(message_id)["in-s"], 500)
            self.assertEqual(mx.connection_count, 1)


class Check(unittest.TestCase):
    def test_what_is_wrong_is_named(self):
        path = place().write(place().new_name("rules"), OWN + "spam /(/\n")
        config = configure(more=f'delivery {{ rules = "{path}" }}')
        done = run([PROGRAM, "check", "-c", config])
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{path}:7: the pattern, at its byte".encode(), done.stderr)
        config = configure(more='delivery { rules = "/nonexistent/rules" }')
        done = run([PROGRAM, "check", "-c", config])
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"/nonexistent/rules: No such file", done.stderr)
