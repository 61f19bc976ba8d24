"""Why mail is not moving: the reasons that need a journal in trouble, a list, a provider or a route
(explain_test.py has the others)."""

import contextlib
import subprocess

import journal_room_test
from engine import PROGRAM
from exchanger import QUIET, once
from explained import Explained, seconds_until
from journaled import LATER, MIB, SOON, Room
from messages import big
from place import IS_ROOT, PATIENCE_S

CHATTY = b"450 4.2.0 " + b"later and " * 40 + b"later\r\n"
LARGE = 7 * MIB


class Reasons(Explained):
    def command(self, engine, *words):
        subprocess.run([PROGRAM, *words, "-c", engine.config], check=True, capture_output=True,
                       timeout=PATIENCE_S)

    def test_probing(self):
        """It has refused us; after its rest one connection tries it, and that one hears nothing."""
        engine = self.engine(domain=SOON)
        greetings = [b"554 5.7.1 not from you\r\n"]
        exchanger = self.exchanger({"greeting": lambda _: greetings.pop() if greetings else QUIET})
        self.submit(engine, [f"x@{exchanger.domain}"])
        told = self.because(engine, exchanger.domain, "probing", ready=1)
        self.assertIn("not from you", told["reply"])
        engine.end()

    def test_behind_others(self):
        """Two messages find out what a new site is like; the third one waits for them."""
        engine = self.engine()
        exchanger = self.exchanger({"RCPT": QUIET})
        self.submit(engine, [f"x@{exchanger.domain}"])
        self.because(engine, exchanger.domain, "sending", sending=1)
        for n in range(2):
            self.submit(engine, [f"y{n}@{exchanger.domain}"])
        self.because(engine, exchanger.domain, "behind-others", ready=1, sending=2)
        engine.end()

    def test_suppressed(self):
        engine = self.engine(more='suppression { submission = "drop" }')
        exchanger = self.exchanger()
        address = f"x@{exchanger.domain}"
        self.command(engine, "suppress", "add", address)
        message_id = self.submit(engine, [address])
        self.because(engine, message_id, "suppressed", recipient=address, code=550)
        engine.end()

    def test_expired(self):
        engine = self.engine(domain=f"{SOON}  lifetime = 2s")
        exchanger = self.exchanger({"RCPT": LATER})
        message_id = self.submit(engine, [f"x@{exchanger.domain}"])
        told = self.because(engine, message_id, "expired")
        self.assertIn("later", told["reply"])
        engine.end()

    def test_routes(self):
        """One that refuses for now, and one whose host is not there."""
        engine = self.engine(more='route "moving" { fail = "450 4.3.2 moving house" }\n'
                                  'route "lost" { host = "nowhere.example" }\n'
                                  'domain "moving.example" { via = "moving"  retry-first = "5m" }\n'
                                  'domain "lost.example" { via = "lost"  retry-first = "5m" }')
        for domain, reason, code in (("moving.example", "route-fail", 450),
                                     ("lost.example", "no-address", 451)):
            message_id = self.submit(engine, [f"x@{domain}"])
            told = self.because(engine, message_id, reason, code=code, deferred=1)
            self.assertGreater(seconds_until(told), 200)
        engine.end()

    def test_provider(self):
        """Its sites share what it allows: who has sent nothing yet waits, too."""
        one, two = self.exchanger(), self.exchanger()
        hosts = ", ".join(f'"mx{e.number}.example"' for e in (one, two))
        engine = self.engine(more=f'site "both" {{ mx = {{{hosts}}}  rate = "1/60s" }}')
        engine.outcomes(self.submit(engine, [f"x@{one.domain}"]))
        self.submit(engine, [f"x@{two.domain}"])
        told = self.because(engine, two.domain, "message-rate", ready=1, provider="both")
        self.assertTrue(30 < seconds_until(told) < 62, told)
        engine.end()

    def test_provider_connections(self):
        one, two = self.exchanger({"RCPT": QUIET}), self.exchanger()
        hosts = ", ".join(f'"mx{e.number}.example"' for e in (one, two))
        engine = self.engine(more=f'site "both" {{ mx = {{{hosts}}}  connections = 1 }}')
        self.submit(engine, [f"x@{one.domain}"])
        self.because(engine, one.domain, "sending")
        self.submit(engine, [f"x@{two.domain}"])
        told = self.because(engine, two.domain, "connection-limit", provider="both")
        self.assertEqual((told["connections"], told["connections-max"]), (1, 1))
        engine.end()

    def test_provider_backs_off(self):
        """One of its sites has complained: all of them wait, and explain knows what it said."""
        slow = b"450 4.3.2 this system is overloaded, slow down\r\n"
        one, two = self.exchanger({"MAIL": once(slow)}), self.exchanger({"MAIL": slow})
        hosts = ", ".join(f'"mx{e.number}.example"' for e in (one, two))
        engine = self.engine(more=f'site "both" {{ mx = {{{hosts}}} }}', domain="retry-first = 5m")
        self.submit(engine, [f"x@{one.domain}"])
        for n in range(20):  # it rests for longer each time
            self.submit(engine, [f"x{n}@{two.domain}"])
        told = self.because(engine, two.domain, "site-back-off", provider="both")
        self.assertIn("slow down", told["reply"])
        engine.end()

    def test_memory(self):
        """A large message is not in memory any more, and many others that wait are."""
        engine = self.engine(domain="retry-first = 5m",
                             more='workers = 1\njournal { memory = "16M" }')
        self.configure(engine, **{"workers = 2": ""})
        engine.stop()
        engine.start()
        deferred = [LATER]
        late = self.exchanger({"RCPT": lambda _: deferred.pop() if deferred else None})
        silent = self.exchanger({"content": QUIET})
        message_id = self.submit(engine, [f"x@{late.domain}"], big(LARGE).content)
        self.because(engine, message_id, "retry-later")
        for n in range(14):
            self.submit(engine, [f"x{n}@{silent.domain}"], big(900_000).content)
        self.command(engine, "retry", "--id", message_id)
        self.because(engine, message_id, "memory", ready=1)
        engine.end()


class Disk(Explained, Room):
    def test_disk(self):
        """No room for results: what is due waits until there is."""
        if not IS_ROOT:
            self.skipTest("only root may mount")
        engine, filler = journal_room_test.Full.on_a_small_disk(self)
        with open(filler, "wb") as file:
            file.write(bytes(15 * MIB))
        mx, chatty = self.exchanger({"RCPT": LATER}), self.exchanger({"RCPT": CHATTY})
        self.submit(engine, [f"x{n}@{chatty.domain}" for n in range(1000)])
        self.fill(engine, f"x@{mx.domain}")
        with contextlib.suppress(OSError), open(filler, "ab", buffering=0) as file:
            while file.write(bytes(65536)):
                pass
        self.because(engine, chatty.domain, "disk", seconds=40, ready=1)
        engine.end()


if __name__ == "__main__":
    import unittest
    unittest.main()
