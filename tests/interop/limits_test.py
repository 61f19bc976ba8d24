"""Limits, set and learned, as an exchanger sees them."""

import subprocess
import threading
import time
import unittest

from client import Client
from engine import PROGRAM, Engine
from exchanger import CLOSE, Exchanger, after
from place import PATIENCE_S, eventually, long_or

SENDER = "sender@client.example"
CONTENT = b"Subject: x\r\nDate: today\r\n\r\nx\r\n"
JITTER_S = 0.2  # between what we sent and what an exchanger sees, on a busy machine


def submit(engine, rcpts):
    """A message for each; their ids."""
    with Client(engine.unix) as client:
        return [client.submit(SENDER, [rcpt], CONTENT) for rcpt in rcpts]


def most_within(times, seconds):
    times = sorted(times)
    return max((sum(1 for later in times[i:] if later - first < seconds)
                for i, first in enumerate(times)), default=0)


class Watched(Exchanger):
    """Knows when each message and each connection began."""

    def __init__(self, script=None, **options):
        self.began = []
        self.opened = []
        script = {"MAIL": self.mail, "greeting": self.greeting, **(script or {})}
        super().__init__(script, **options)

    def mail(self, _session):
        self.began.append(time.monotonic())

    def greeting(self, _session):
        self.opened.append(time.monotonic())


class WithExchangers(unittest.TestCase):
    def start(self, **settings):
        engine = Engine(**settings)
        self.addCleanup(engine.end)
        return engine

    def exchanger(self, *arguments, kind=Watched, **options):
        exchanger = kind(*arguments, **options)
        self.addCleanup(exchanger.close)
        return exchanger

    def arrive(self, exchangers, count, seconds=60):
        eventually(lambda: sum(len(e.rcpts()) for e in exchangers) >= count,
                   lambda: [len(e.rcpts()) for e in exchangers], seconds)


class Limits(WithExchangers):
    def test_rate(self):
        exchanger = self.exchanger()
        engine = self.start(domain='rate = {"5/s", "12/4s"}')
        submit(engine, [f"u{i}@{exchanger.domain}" for i in range(20)])
        self.arrive([exchanger], 20)
        self.assertLessEqual(most_within(exchanger.began, 1 - JITTER_S), 5)
        self.assertLessEqual(most_within(exchanger.began, 4 - JITTER_S), 12)
        self.assertGreater(most_within(exchanger.began, 1 + JITTER_S), 3)
        last = engine.stop()
        self.assertEqual((last["delivered"], last["deferred"]), (20, 0))

    def test_connection_rate(self):
        exchanger = self.exchanger()
        engine = self.start(domain="messages-per-connection = 1  connection-rate = 4/2s")
        submit(engine, [f"u{i}@{exchanger.domain}" for i in range(10)])
        self.arrive([exchanger], 10)
        self.assertLessEqual(most_within(exchanger.opened, 2 - JITTER_S), 4)

    def test_sites_of_one_provider(self):
        """Two MX sets, one site: they share connections and the rate."""
        exchangers = [self.exchanger() for _ in range(2)]
        hosts = ", ".join(f'"mx{e.number}.example"' for e in exchangers)
        engine = self.start(
            more=f'site "both" {{ mx = {{{hosts}}}  connections = 1  rate = "10/s" }}')
        submit(engine, [f"u{i}@{e.domain}" for i in range(15) for e in exchangers])
        self.arrive(exchangers, 30)
        began = [when for e in exchangers for when in e.began]
        self.assertLessEqual(most_within(began, 1 - JITTER_S), 10)
        self.assertEqual([e.connection_peak for e in exchangers], [1, 1])
        self.assertEqual(engine.stop()["deferred"], 0)

    def test_fewer_lent_connections(self):
        """A reload takes from another worker what it was lent of a site's connections."""
        exchanger = self.exchanger({"content": after(0.2)})
        engine = self.start(domain="connections = 16  window = 1", delivery="spread-above = 1")
        submit(engine, [f"u{i}@{exchanger.domain}" for i in range(1000)])
        self.reload_to_fewer(engine, exchanger, 16, 4)
        self.assertLess(len(exchanger.rcpts()), 1000)  # more was waiting all the time

    def test_fewer_connections_of_a_route(self):
        """Two sites share what a route may have, also when that becomes less."""
        exchanger = self.exchanger({"content": after(0.2)})
        host = f"mx{exchanger.number}.example"
        engine = self.start(domain="window = 1", more=(
            f'route "relay" {{ host = "{host}"  connections = 6 }}\n'
            'domain "a.example" { via = "relay"  tls = "none"  window = 1 }\n'
            'domain "b.example" { via = "relay"  tls = "may"  window = 1 }'))
        submit(engine, [f"u{i}@{name}.example" for i in range(250) for name in "ab"])
        self.reload_to_fewer(engine, exchanger, 6, 2)
        self.assertLess(len(exchanger.rcpts()), 500)

    def reload_to_fewer(self, engine, exchanger, before, now):
        """Of connections, while mail is waiting for all of them."""
        eventually(lambda: exchanger.connections_open > before // 2, "all that it may have")
        with open(engine.config, encoding="ascii") as file:
            text = file.read()
        with open(engine.config, "w", encoding="ascii") as file:
            file.write(text.replace(f"connections = {before}", f"connections = {now}"))
        subprocess.run([PROGRAM, "reload", "-c", engine.config], check=True, timeout=PATIENCE_S)
        eventually(lambda: exchanger.connections_open <= now,
                   lambda: exchanger.connections_open)
        peaks, taken = [], len(exchanger.rcpts())

        def goes_on():
            peaks.append(exchanger.connections_open)
            return len(exchanger.rcpts()) >= taken + 30
        eventually(goes_on, "more mail, by these")
        self.assertLessEqual(max(peaks), now)

    def test_what_the_server_says(self):
        """RFC 9422."""
        exchanger = self.exchanger(offers=("PIPELINING", "LIMITS MAILMAX=3 RCPTMAX=2"))
        engine = self.start(domain="connections = 1")
        with Client(engine.unix) as client:
            client.submit(SENDER, [f"u{i}@{exchanger.domain}" for i in range(8)], CONTENT)
        submit(engine, [f"v{i}@{exchanger.domain}" for i in range(8)])
        self.arrive([exchanger], 16)
        self.assertLessEqual(max(len(t.rcpts) for t in exchanger.transactions), 2)
        sessions = [t.connection for t in exchanger.transactions]
        self.assertLessEqual(max(map(sessions.count, sessions)), 3)

    def test_domains_that_the_server_takes(self):
        exchanger = self.exchanger(offers=("PIPELINING", "LIMITS RCPTDOMAINMAX=1"))
        engine = self.start(domain="connections = 2")
        domains = [f"{name}.{exchanger.domain}" for name in ("a", "b", "c")]
        with Client(engine.unix) as client:
            client.submit(SENDER, [f"u@{domain}" for domain in domains], CONTENT)
        submit(engine, [f"v{i}@{domain}" for i in range(4) for domain in domains])
        self.arrive([exchanger], 15)
        of_session = {}
        for transaction in exchanger.transactions:
            of_session.setdefault(transaction.connection, set()).update(
                rcpt.split("@")[1] for rcpt in transaction.rcpts)
        self.assertEqual({len(domains) for domains in of_session.values()}, {1})


class Strict(Watched):
    """Takes `per_s` messages in any second, and says 421 to what is above."""

    def __init__(self, per_s, reply=b"421 4.7.0 too many messages\r\n", closes=True, **options):
        self.per_s = per_s
        self.refusal = (reply, CLOSE) if closes else reply
        self.taken = []
        self.refused = []
        self.lock = threading.Lock()
        super().__init__(offers=("PIPELINING", "CHUNKING", "ENHANCEDSTATUSCODES"), **options)

    def mail(self, _session):
        now = time.monotonic()
        with self.lock:
            if len(self.taken) >= self.per_s and now - self.taken[-self.per_s] < 1:
                self.refused.append(now)
                return self.refusal
            self.taken.append(now)
            return None


class ClosedLoop(WithExchangers):
    """A site that takes N a second is used at 90 % of N within a minute, with few deferrals."""

    PER_S = 40
    FOUND_OUT_S = 60
    SECONDS = long_or(60, 25)  # and longer, where that has not been enough

    def taken_lately(self, exchanger):
        now = time.monotonic()
        return sum(1 for when in exchanger.taken if now - 10 <= when < now)

    def run_against(self, **options):
        exchanger = self.exchanger(self.PER_S, kind=Strict, **options)
        engine = self.start(domain="connections = 5  retry-first = 1h  retry-max = 1h")
        wanted = 0.9 * 10 * self.PER_S
        begun = time.monotonic()
        submit(engine, [f"u{i}@{exchanger.domain}"
                        for i in range(self.PER_S * (self.FOUND_OUT_S + 5))])
        time.sleep(max(0, begun + self.SECONDS - time.monotonic()))
        eventually(lambda: self.taken_lately(exchanger) >= wanted,
                   lambda: f"{wanted} in ten seconds: {self.taken_lately(exchanger)}, "
                           f"{len(exchanger.refused)} refused\n{engine.log()}",
                   max(0, begun + self.FOUND_OUT_S - time.monotonic()))
        deferred = sum(1 for event in engine.events() if event["event"] == "deferred")
        delivered = sum(1 for event in engine.events() if event["event"] == "delivered")
        said = f"{delivered} delivered, {deferred} deferred\n{engine.log()}"
        self.assertLessEqual(deferred, 0.05 * (delivered + deferred), said)
        self.assertIn("messages a second, since it says: 4", engine.log())

    def test_421(self):
        self.run_against()

    def test_450(self):
        self.run_against(reply=b"450 4.7.1 too many messages\r\n", closes=False)
