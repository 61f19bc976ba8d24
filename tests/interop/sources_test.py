"""The addresses that mail leaves from: which ones a receiver sees, with which names, how often, and
what becomes of one that is not wanted; limits of routes; and what was counted before a restart."""

import json
import subprocess
import threading
import time
import unittest
from collections import Counter

from client import Client
from engine import PROGRAM, Engine
from exchanger import Exchanger
from names import HOSTS
from place import PATIENCE_S, eventually, place

SENDER = "sender@client.example"
CONTENT = b"Subject: x\r\n\r\nx\r\n"
A, B = "127.77.0.1", "127.77.0.2"
SOURCES = (f'source "a" {{ address = "{A}"  hostname = "out1.example"  %s }}\n'
           f'source "b" {{ address = "{B}"  hostname = "out2.example"  %s }}\n')
REFUSED = b"550 5.7.1 listed by blocklist.example\r\n"


class Seen:
    """An exchanger that keeps who came: the address of each connection, and its EHLO name; and how
    many connections of each were open at a time. Sources in `unwanted` are refused at MAIL."""

    def __init__(self, number=None, slow=0, unwanted=()):
        self.lock = threading.Lock()
        self.slow = slow
        self.unwanted = set(unwanted)
        self.names = {}
        self.opened, self.messages = Counter(), Counter()
        self.open, self.peak = Counter(), Counter()
        self.times = []
        self.exchanger = Exchanger({"EHLO": self._ehlo, "MAIL": self._mail,
                                    "content": self._content}, number=number)
        self.domain = self.exchanger.domain
        self.host = f"mx{self.exchanger.number}.example"

    def close(self):
        self.exchanger.close()

    def _ehlo(self, session):
        session.source = session.connection.getpeername()[0]
        with self.lock:
            self.names[session.source] = session.said.split(" ")[1]
            self.opened[session.source] += 1

    def _mail(self, session):
        source = session.source
        session.begun = source not in self.unwanted
        if not session.begun:
            return REFUSED
        with self.lock:
            self.open[source] += 1
            self.open["all"] += 1
            for name in (source, "all"):
                self.peak[name] = max(self.peak[name], self.open[name])
        return None

    def _content(self, session):
        if not session.begun:
            return None
        time.sleep(self.slow)
        with self.lock:
            self.messages[session.source] += 1
            self.times.append(time.monotonic())
            self.open[session.source] -= 1
            self.open["all"] -= 1
        return None


class WithEngine(unittest.TestCase):
    def engine(self, more, **settings):
        engine = Engine(more=more, **settings)
        self.addCleanup(engine.end)
        return engine

    def seen(self, **options):
        seen = Seen(**options)
        self.addCleanup(seen.close)
        return seen

    def submit(self, engine, domain, count):
        with Client(engine.unix) as client:
            return [client.submit(SENDER, [f"r{n}@{domain}"], CONTENT) for n in range(count)]

    def send(self, engine, domain, count):
        """All of them are delivered."""
        for message_id in self.submit(engine, domain, count):
            event, = engine.outcomes(message_id)
            self.assertEqual(event["event"], "delivered", event)

    def ask(self, engine, *words):
        done = subprocess.run([PROGRAM, *words, "-c", engine.config, "--json"],
                              capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)


class Sources(WithEngine):
    def test_each_has_its_name(self):
        """Both are used, evenly, each with its own EHLO name; nothing leaves from elsewhere."""
        seen = self.seen()
        engine = self.engine(SOURCES % ("", ""),
                             domain='sources = {"a", "b"}  messages-per-connection = 1  '
                                    'connections = 4')
        self.send(engine, seen.domain, 40)
        self.assertEqual(seen.names, {A: "out1.example", B: "out2.example"})
        self.assertEqual(set(seen.messages), {A, B})
        self.assertGreaterEqual(min(seen.messages.values()), 10, seen.messages)

    def test_of_a_route(self):
        """A route's sources are for its mail alone; other mail leaves as ever."""
        seen, other = self.seen(), self.seen()
        engine = self.engine(
            SOURCES % ("", "") +
            f'route "relay" {{ host = "{seen.host}"  sources = "b" }}\n'
            'domain "routed.example" { via = "relay" }')
        self.send(engine, "routed.example", 3)
        self.send(engine, other.domain, 3)
        self.assertEqual(seen.names, {B: "out2.example"})
        self.assertNotIn(B, other.names)
        self.assertEqual(set(other.names.values()), {"mail.example.net"})

    def test_reload(self):
        """What a source is called now, the next connection from there says."""
        seen = self.seen()
        engine = self.engine(SOURCES % ("", ""),
                             domain='sources = "a"  messages-per-connection = 1')
        self.send(engine, seen.domain, 1)
        with open(engine.config, encoding="ascii") as file:
            text = file.read()
        with open(engine.config, "w", encoding="ascii") as file:
            file.write(text.replace("out1.example", "out9.example"))
        done = self.ask(engine, "reload")
        self.assertEqual((done["in-force"], done["needs-restart"]), ("domain, route, source", ""))
        self.send(engine, seen.domain, 1)
        self.assertEqual(seen.names, {A: "out9.example"})

    def test_connections_of_each(self):
        """One may have a single connection at a time, the other two; both workers have mail."""
        seen = self.seen(slow=0.02)
        engine = self.engine(SOURCES % ("connections = 1", "connections = 2"),
                             domain='sources = {"a", "b"}  messages-per-connection = 3  window = 1')
        self.send(engine, seen.domain, 60)
        self.assertEqual((seen.peak[A], seen.peak[B]), (1, 2))

    def test_rate_of_each(self):
        """What one may not send the other does."""
        seen = self.seen()
        engine = self.engine(SOURCES % ('rate = "5/h"', ""), domain='sources = {"a", "b"}')
        self.send(engine, seen.domain, 30)
        self.send(engine, seen.domain, 30)
        self.assertEqual(sum(seen.messages.values()), 60, seen.messages)
        self.assertLessEqual(seen.messages[A], 5, seen.messages)
        self.assertGreater(seen.messages[A], 0, seen.messages)

    def test_all_rates_are_used_up(self):
        seen = self.seen()
        engine = self.engine(SOURCES % ('rate = "3/h"', 'rate = "4/h"'),
                             domain='sources = {"a", "b"}')
        self.submit(engine, seen.domain, 20)
        eventually(lambda: sum(seen.messages.values()) == 7, lambda: seen.messages)
        told = self.ask(engine, "explain", seen.domain)
        self.assertEqual(told["reason"], "message-rate", told)
        self.assertTrue(3500 < told["in-s"] <= 3600, told)
        self.assertEqual(seen.messages, {A: 3, B: 4})

    def test_not_of_this_host(self):
        """An address that the host does not have is passed over."""
        seen = self.seen()
        engine = self.engine(f'source "gone" {{ address = "192.0.2.77" }}\n'
                             f'source "a" {{ address = "{A}" }}',
                             domain='sources = {"gone", "a"}')
        self.send(engine, seen.domain, 4)
        self.assertEqual(set(seen.names), {A})
        self.assertIn("source gone", engine.log())

    def test_another_family(self):
        """Only what can reach the exchanger is asked to."""
        seen = Exchanger({}, number=next(Exchanger.numbers), address="::1")
        self.addCleanup(seen.close)
        engine = self.engine(f'source "four" {{ address = "{A}" }}\n'
                             'source "both" { address = {"127.77.0.3", "::1"} }',
                             domain='sources = {"four", "both"}')
        self.send(engine, "v6.example", 4)
        self.assertEqual(len(seen.transactions), 4)


RULE = "blocked later suspend=1h /listed by blocklist/\n"


class Suspended(WithEngine):
    def engine_with_rules(self, more, **settings):
        rules = place().write(place().new_name("rules"), RULE)
        return self.engine(more, delivery=f'rules = "{rules}"', **settings)

    def test_others_go_on(self):
        """The one that is not wanted leaves the site alone, and only that site."""
        seen, other = self.seen(unwanted=[A]), self.seen()
        engine = self.engine_with_rules(
            SOURCES % ("", ""), domain='sources = {"a", "b"}  retry = "1s"  connections = 4')
        ids = self.submit(engine, seen.domain, 30)
        for message_id in ids:
            eventually(lambda: any(event["event"] == "delivered"
                                   for event in engine.events_of(message_id)),
                       lambda: engine.events_of(message_id))
        self.assertEqual(seen.messages, {B: 30})
        opened = seen.opened[A]
        self.send(engine, seen.domain, 10)
        self.assertEqual(seen.opened[A], opened)
        self.assertIn("source a is suspended for 3600 s", engine.log())
        self.assertEqual(self.ask(engine, "status")["sources-suspended"], 1)
        told, = [event for event in engine.events() if event["event"] == "site"]
        self.assertEqual((told["cause"], told["source"], told["suspended"], told["code"]),
                         ("reply", "a", 3600, 550), told)
        for _ in range(5):
            self.send(engine, other.domain, 4)
        self.assertIn(A, other.names)

    def test_none_is_left(self):
        """The site waits, and it is said why and for how long; nobody is connected to."""
        seen = self.seen(unwanted=[A, B])
        engine = self.engine_with_rules(SOURCES % ("", ""),
                                        domain='sources = {"a", "b"}  retry = "1s"')
        self.submit(engine, seen.domain, 10)

        def both():
            return self.ask(engine, "status")["sources-suspended"] == 2
        eventually(both, "both to be suspended")

        def told():
            said = self.ask(engine, "explain", seen.domain)
            waits = said["reason"] == "source-suspended" and said.get("in-s", 0) > 60
            return said if waits else None
        said = eventually(told, lambda: self.ask(engine, "explain", seen.domain))
        self.assertIn(said["source"], ("a", "b"))
        self.assertEqual((said["code"], said["enhanced"]), (550, "5.7.1"), said)
        self.assertTrue(3400 < said["in-s"] <= 4000, said)  # a tenth may be added
        opened = sum(seen.opened.values())
        self.submit(engine, seen.domain, 10)
        time.sleep(1.5)
        self.assertEqual(sum(seen.opened.values()), opened)
        self.assertEqual(sum(seen.messages.values()), 0)

    def test_after_a_restart(self):
        """It goes on: no connection leaves from there."""
        seen = self.seen(unwanted=[A])
        engine = self.engine_with_rules(SOURCES % ("", ""), domain='sources = "a"  retry = "1s"')
        self.submit(engine, seen.domain, 3)
        waits = lambda: self.ask(engine, "explain", seen.domain)["reason"] == "source-suspended"
        eventually(waits, lambda: self.ask(engine, "explain", seen.domain))
        opened = seen.opened[A]
        engine.stop()
        engine.start()
        self.submit(engine, seen.domain, 1)
        eventually(lambda: self.ask(engine, "status")["sources-suspended"] == 1 and waits(),
                   lambda: self.ask(engine, "explain", seen.domain))
        self.assertEqual(seen.opened[A], opened)

    def test_without_sources(self):
        """The one address that there is may be suspended, too."""
        seen = self.seen(unwanted=["127.0.0.1"])
        engine = self.engine_with_rules("", domain='retry = "1s"')
        self.submit(engine, seen.domain, 3)
        eventually(lambda: self.ask(engine, "explain", seen.domain)["reason"] == "source-suspended",
                   lambda: self.ask(engine, "explain", seen.domain))


class Routes(WithEngine):
    def test_connections(self):
        """However many domains and workers, all of a route together."""
        seen = self.seen(slow=0.02)
        engine = self.engine(f'route "relay" {{ host = "{seen.host}"  connections = 2 }}',
                             domain='via = "relay"  window = 1  messages-per-connection = 5')
        ids = [message_id for n in range(12)
               for message_id in self.submit(engine, f"r{n}.example", 5)]
        for message_id in ids:
            self.assertEqual(engine.outcomes(message_id)[0]["event"], "delivered")
        self.assertEqual(seen.peak["all"], 2)

    def test_rate(self):
        """The tightest of domain and route holds: here the route's, over all its domains."""
        seen = self.seen()
        engine = self.engine(f'route "relay" {{ host = "{seen.host}"  rate = {{"5/s", "12/h"}} }}',
                             domain='via = "relay"  rate = "100/s"')
        for n in range(5):
            self.submit(engine, f"r{n}.example", 5)
        eventually(lambda: len(seen.times) == 12, lambda: seen.times)
        time.sleep(1.5)
        self.assertEqual(len(seen.times), 12)
        for first, last in zip(seen.times, seen.times[5:]):
            self.assertGreater(last - first, 0.9)  # they are counted where they begin
        told = self.ask(engine, "explain", "r4.example")
        self.assertEqual(told["reason"], "message-rate", told)

    def test_hosts_with_exchangers(self):
        """Several, each with its exchangers: the first one that leads somewhere serves."""
        seen = self.seen()
        dead = f"d{HOSTS[-1]}.example"  # nobody listens at its exchanger
        engine = self.engine(
            f'route "relay" {{ host = {{"nowhere.example", "{dead}", "{seen.domain}"}}  '
            'lookup = "mx" }\n'
            'domain "routed.example" { via = "relay" }', domain='retry = "1s"')
        for message_id in self.submit(engine, "routed.example", 3):
            eventually(lambda: any(event["event"] == "delivered" and event["host"] == seen.host
                                   for event in engine.events_of(message_id)),
                       lambda: engine.events_of(message_id))


class Restarts(WithEngine):
    def check(self, end, written=0):
        """Of six in an hour four go before, and two after."""
        seen = self.seen()
        engine = self.engine(SOURCES % ('rate = "6/h"', "") +
                             f'route "relay" {{ host = "{seen.host}"  rate = "6/h" }}\n'
                             'domain "routed.example" { via = "relay" }\n'
                             f'domain "{seen.domain}" {{ sources = "a" }}')
        for domain in ("routed.example", seen.domain):
            self.send(engine, domain, 4)
        time.sleep(written)
        end(engine)
        engine.start()
        for domain in ("routed.example", seen.domain):
            self.submit(engine, domain, 5)
        eventually(lambda: sum(seen.messages.values()) >= 12, lambda: seen.messages)
        time.sleep(1)
        self.assertEqual(seen.messages[A], 6, seen.messages)
        self.assertEqual(sum(seen.messages.values()), 12, seen.messages)
        for domain in ("routed.example", seen.domain):
            self.assertEqual(self.ask(engine, "explain", domain)["reason"], "message-rate")

    def test_two_kinds_of_sessions(self):
        """Domains of one exchanger share what it may get, whichever comes first after a restart."""
        seen = self.seen()
        names = [f"{name}.{seen.domain}" for name in "ab"]
        engine = self.engine(SOURCES % ('rate = "6/h"', "") +
                             f'domain "{names[0]}" {{ sources = "a"  tls = "none" }}\n'
                             f'domain "{names[1]}" {{ sources = "a"  tls = "may" }}\n')
        for name in names:
            self.send(engine, name, 2)
        for name in reversed(names):
            engine.stop()
            engine.start()
            self.send(engine, name, 1)
        engine.stop()
        engine.start()
        for name in names:
            message_id, = self.submit(engine, name, 1)
            eventually(lambda: self.ask(engine, "explain", message_id)["reason"] == "message-rate",
                       lambda: self.ask(engine, "explain", message_id))
        self.assertEqual(seen.messages[A], 6, seen.messages)

    def test_stopped(self):
        self.check(lambda engine: engine.stop())

    def test_killed(self):
        """What was counted more than five seconds before is known."""
        self.check(lambda engine: engine.kill(), written=6.5)

