"""Why mail is not moving: each reason is brought about, and posthaste explain tells of it: the
reason, what the other side said, what the engine does next, and when."""

import json
import socket
import subprocess

from engine import PROGRAM
from exchanger import CLOSE, QUIET
from explained import Explained, explain, seconds_until
from journaled import LATER, NEVER
from names import HOSTS
from place import PATIENCE_S, place

GREYLISTED = b"450 4.7.1 greylisted, come back\r\n"


class Explain(Explained):
    def test_nothing_is_queued(self):
        engine = self.engine()
        told = self.because(engine, "nobody.example", "unknown", recipients=0)
        self.assertNotIn("until", told)
        engine.end()

    def test_deferred_by_a_reply(self):
        """By address, domain and id; a person's view, too."""
        engine = self.engine(domain="retry-first = 5m")
        exchanger = self.exchanger({"RCPT": GREYLISTED})
        message_id = self.submit(engine, [f"x@{exchanger.domain}"])
        for subject in (message_id, exchanger.domain, f"x@{exchanger.domain}"):
            told = self.because(engine, subject, "retry-later", code=450, enhanced="4.7.1",
                                reply="4.7.1 greylisted, come back"[6:], deferred=1, attempts=1,
                                id=message_id, host=f"mx{exchanger.number}.example")
            self.assertTrue(270 < seconds_until(told) < 340, told)
        text = explain(engine, message_id)
        self.assertRegex(text, r"(?s)^reason: .*\(retry-later\)\nbecause: .*450 4\.7\.1 greylisted"
                               r".*\nnext: .* in .*\nqueued: .*deferred 1")
        self.because(engine, f"other@{exchanger.domain}", "unknown")
        engine.end()

    def test_refused_session(self):
        engine = self.engine(domain="retry-first = 5m")
        exchanger = self.exchanger({"greeting": b"554 5.7.1 not from you\r\n"})
        self.submit(engine, [f"x@{exchanger.domain}"])
        told = self.because(engine, exchanger.domain, "refused-session", code=554)
        self.assertGreater(seconds_until(told), 200)
        engine.end()

    def test_nobody_answers(self):
        engine = self.engine(domain="retry-first = 5m")
        domain = f"d{HOSTS[-1]}.example"  # nobody listens there
        self.submit(engine, [f"x@{domain}"])
        told = self.because(engine, domain, "address-rests", code=0)
        self.assertIn("refused", told["reply"].lower())
        self.assertGreater(seconds_until(told), 200)
        engine.end()

    def test_connecting(self):
        engine = self.engine()
        exchanger = self.exchanger({"greeting": QUIET})
        self.submit(engine, [f"x@{exchanger.domain}"])
        self.because(engine, exchanger.domain, "connecting", ready=1)
        engine.end()

    def test_sending(self):
        engine = self.engine()
        exchanger = self.exchanger({"RCPT": QUIET})
        self.submit(engine, [f"x@{exchanger.domain}"])
        self.because(engine, exchanger.domain, "sending", sending=1, ready=0)
        engine.end()

    def test_connection_limit(self):
        engine = self.engine(domain="connections = 1")
        exchanger = self.exchanger({"RCPT": QUIET})
        self.submit(engine, [f"x@{exchanger.domain}"])
        self.because(engine, exchanger.domain, "sending")
        self.submit(engine, [f"y@{exchanger.domain}"])
        told = self.because(engine, exchanger.domain, "connection-limit", ready=1, sending=1)
        self.assertEqual((told["connections"], told["connections-max"]), (1, 1))
        engine.end()

    def test_rates(self):
        for setting, reason in (("rate", "message-rate"), ("connection-rate", "connection-rate")):
            with self.subTest(reason):
                engine = self.engine(domain=f'{setting} = {{"1/60s"}}  '
                                            "messages-per-connection = 1")
                exchanger = self.exchanger()
                engine.outcomes(self.submit(engine, [f"x@{exchanger.domain}"]))
                self.submit(engine, [f"y@{exchanger.domain}"])
                told = self.because(engine, exchanger.domain, reason, ready=1)
                self.assertTrue(30 < seconds_until(told) < 62, told)
                engine.end()

    def test_site_backs_off(self):
        """It says that it has had enough of us: nothing begins there for a while."""
        engine = self.engine()
        exchanger = self.exchanger({"MAIL": b"421 4.7.0 too many messages, slow down\r\n"})
        for n in range(3):
            self.submit(engine, [f"x{n}@{exchanger.domain}"])
        told = self.because(engine, exchanger.domain, "site-back-off")
        self.assertIn("slow down", told["reply"])
        engine.end()

    def test_in_doubt(self):
        engine = self.engine()
        exchanger = self.exchanger({"content": CLOSE})
        message_id = self.submit(engine, [f"x@{exchanger.domain}"])
        told = self.because(engine, message_id, "in-doubt")
        self.assertGreater(seconds_until(told), 14 * 60)
        engine.end()

    def test_dns(self):
        """A name server that says nothing: first it is waited for, then it has failed."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind((place().address(1), 0))
            address, port = silent.getsockname()
            engine = self.engine(resolver=f"{address}:{port}", domain="retry-first = 5m")
            self.submit(engine, ["x@d2.example"])
            self.because(engine, "d2.example", "dns-asking")
            told = self.because(engine, "d2.example", "dns-failed")
            self.assertGreater(seconds_until(told), 200)
            engine.end()

    def test_all_connections(self):
        """The engine's own limit: two sites, one connection for each worker."""
        engine = self.engine(more="workers = 1")
        self.configure(engine, delivery=f"delivery {{ port = {place().port}  private-targets = yes"
                                        "  connections = 1 }")
        self.configure(engine, **{"workers = 2": ""})
        engine.stop()
        engine.start()
        one, two = self.exchanger({"RCPT": QUIET}), self.exchanger()
        self.submit(engine, [f"x@{one.domain}"])
        self.because(engine, one.domain, "sending")
        self.submit(engine, [f"x@{two.domain}"])
        self.because(engine, two.domain, "global-connections", ready=1)
        engine.end()

    def test_hold(self):
        engine = self.engine()
        exchanger = self.exchanger()
        subprocess.run([PROGRAM, "hold", "--domain", exchanger.domain, "-c", engine.config],
                       check=True, capture_output=True)
        self.submit(engine, [f"x@{exchanger.domain}"])
        self.because(engine, exchanger.domain, "hold", held=1)
        engine.end()

    def test_after_a_restart(self):
        """What was said before stands in the journal; also after a kill."""
        engine = self.engine(domain="retry-first = 5m  retry-in-doubt = 15m")
        exchanger = self.exchanger({"RCPT": LATER})
        silent = self.exchanger({"content": CLOSE})
        message_id = self.submit(engine, [f"x@{exchanger.domain}"])
        doubtful = self.submit(engine, [f"x@{silent.domain}"])
        nobody = f"d{HOSTS[-1]}.example"
        self.submit(engine, [f"x@{nobody}"])
        reasons = ((message_id, "retry-later"), (doubtful, "in-doubt"), (nobody, "address-rests"))
        before = [self.because(engine, subject, reason, deferred=1) for subject, reason in reasons]
        self.assertEqual(before[0]["reply"], "later")
        for kill in (False, True):
            self.restart(engine, kill)
            for (subject, reason), told in zip(reasons, before):
                again = self.because(engine, subject, reason, deferred=1, code=told["code"],
                                     enhanced=told["enhanced"], reply=told["reply"],
                                     host=told["host"], address=told["address"])
                self.assertGreater(seconds_until(again), 200)
                self.assertAlmostEqual(seconds_until(again), seconds_until(told), delta=6)
        engine.end()

    def test_what_has_ended(self):
        """It is not queued any more: the events tell what became of it."""
        engine = self.engine()
        exchanger = self.exchanger({"RCPT": lambda s: NEVER if "never" in s.said else None})
        ids = {name: self.submit(engine, [f"{name}@{exchanger.domain}"])
               for name in ("ok", "never")}
        ids["null"] = self.submit(engine, ["x@null.example"])
        for message_id in ids.values():
            engine.outcomes(message_id)
        self.because(engine, ids["ok"], "delivered", code=250)
        self.because(engine, ids["never"], "failed", code=550, recipient=f"never@{exchanger.domain}")
        self.because(engine, ids["null"], "failed", code=556, enhanced="5.1.10")
        engine.end()

    def test_trace(self):
        engine = self.engine(domain="retry-first = 5m")
        exchanger = self.exchanger({"RCPT": lambda s: LATER if "later" in s.said else None})
        message_id = self.submit(engine, [f"x@{exchanger.domain}", f"later@{exchanger.domain}"])
        engine.outcomes(message_id, 2)
        lines = [json.loads(line) for line in self.trace(engine, message_id).splitlines()]
        self.assertEqual([line.get("event", line.get("reason")) for line in lines],
                         ["deferred", "delivered", "retry-later"])
        self.assertIn("nothing is known", self.trace(engine, "0" * 12 + "1", code=1))
        engine.end()

    @staticmethod
    def trace(engine, message_id, code=0):
        done = subprocess.run([PROGRAM, "trace", message_id, "--json", "-c", engine.config],
                              capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        assert done.returncode == code, (done.returncode, done.stderr)
        return done.stdout + done.stderr
