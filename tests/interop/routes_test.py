"""Routes: mail of some domains goes where the configuration says, with failover; and when what is
deferred is tried again."""

from bench_test import tool
from case import Case
from client import Client
from exchanger import CLOSE, Exchanger
from mail_server import accepts
from place import Process, eventually, place

SENDER = "sender@client.example"
CONTENT = b"Subject: x\r\n\r\nx\r\n"


class Sink:
    """A posthaste-sink at the address of a host of its own, and a port of choice."""

    def __init__(self, number=None, port=None):
        self.number = number or next(Exchanger.numbers)
        self.host = f"mx{self.number}.example"
        self.address = place().address(self.number), port or place().port
        self.ledger = place().path(place().new_name("arrived"))
        self.process = None

    def start(self):
        self.process = Process([tool("posthaste-sink"), "{}:{}".format(*self.address),
                                "--ledger", self.ledger])
        eventually(lambda: accepts(self.address), lambda: f"sink: {self.process.output}")

    def close(self):
        if self.process:
            self.process.end()
            self.process = None

    def took(self, rcpt):
        with open(self.ledger, encoding="utf-8") as file:
            return sum(rcpt in line for line in file)


class WithEngine(Case):
    def engine(self, more, **settings):
        return super().engine(more=more, **settings)

    def sink(self, **where):
        sink = Sink(**where)
        self.addCleanup(sink.close)
        return sink

    def send(self, engine, rcpt, count=1):
        """Its events."""
        with Client(engine.unix) as client:
            return engine.outcomes(client.submit(SENDER, [rcpt], CONTENT), count)


class Smarthosts(WithEngine):
    def test_two_of_them_one_is_down(self):
        """In the order in which they are named; each has a port of its own."""
        first, second = self.sink(), self.sink(port=place().port + 1)
        second.start()
        engine = self.engine(
            f'route "relay" {{ host = {{"{first.host}", "{second.host}:{second.address[1]}"}} }}\n'
            'domain "routed.example" { via = "relay" }', domain="retry-first = 1s")
        event, = self.send(engine, "a@routed.example")
        self.assertEqual((event["event"], event["attempt"], event["host"]),
                         ("delivered", 1, second.host), event)
        self.assertEqual(event["address"], "{}:{}".format(*second.address))
        self.assertEqual(second.took("a@routed.example"), 1)
        # And now the other way round.
        first.start()
        second.close()
        eventually(lambda: not accepts(second.address), "its end")
        event = self.send(engine, "b@routed.example")[-1]
        if event["event"] == "deferred":
            event = engine.outcomes(event["id"], 2)[-1]
        self.assertEqual((event["event"], event["host"]), ("delivered", first.host), event)
        self.assertEqual(first.took("b@routed.example"), 1)

    def test_the_first_one_serves(self):
        first, second = self.sink(), self.sink()
        first.start()
        second.start()
        engine = self.engine(
            f'route "relay" {{ host = {{"{first.host}", "{second.host}"}} }}',
            domain='via = "relay"')
        for name in ("a", "b", "c"):
            event, = self.send(engine, f"{name}@nowhere.example")
            self.assertEqual((event["event"], event["host"]), ("delivered", first.host), event)

    def test_none_is_there(self):
        """Deferred, whatever the DNS says: it was we who named them."""
        engine = self.engine('route "lost" { host = {"nowhere.example", "lost.example"} }\n'
                             'domain "routed.example" { via = "lost" }')
        event, = self.send(engine, "a@routed.example")
        self.assertEqual((event["event"], event["enhanced"]), ("deferred", "4.4.4"), event)

    def test_literal_and_private(self):
        """An operator's own word counts, also for an address that no exchanger may have."""
        server = self.exchanger()
        address = place().address(server.number)
        engine = self.engine(f'route "near" {{ host = "{address}:{place().port}" }}\n'
                             'domain "routed.example" { via = "near" }\n'
                             'delivery { private-targets = no }')
        event, = self.send(engine, "a@routed.example")
        self.assertEqual((event["event"], event["host"]), ("delivered", f"[{address}]"), event)
        event, = self.send(engine, f"a@{server.domain}")
        self.assertEqual((event["event"], event["enhanced"]), ("failed", "5.4.4"), event)

    def test_by_mx(self):
        server = self.exchanger()
        engine = self.engine(f'route "like" {{ host = "{server.domain}" lookup = "mx" }}\n'
                             'route "none" { host = "null.example" lookup = "mx" }\n'
                             'domain "routed.example" { via = "like" }\n'
                             'domain "none.example" { via = "none" }')
        event, = self.send(engine, "a@routed.example")
        self.assertEqual((event["event"], event["host"]),
                         ("delivered", f"mx{server.number}.example"), event)
        event, = self.send(engine, "a@none.example")
        self.assertEqual((event["event"], event["enhanced"]), ("deferred", "4.4.4"), event)

    def test_one_site_for_all_its_domains(self):
        """Recipients in domains of one route go in one transaction."""
        server = self.exchanger()
        engine = self.engine(f'route "relay" {{ host = "mx{server.number}.example" }}\n'
                             'domain "r1.example" { via = "relay" }\n'
                             'domain "r2.example" { via = "relay" }')
        with Client(engine.unix) as client:
            message_id = client.submit(SENDER, ["a@r1.example", "b@r2.example"], CONTENT)
        events = engine.outcomes(message_id, 2)
        self.assertEqual({event["event"] for event in events}, {"delivered"})
        self.assertEqual(sorted(server.rcpts()),
                         ["RCPT TO:<a@r1.example>", "RCPT TO:<b@r2.example>"])


class Fails(WithEngine):
    closed = ('route "closed" { fail = "550 5.1.2 this domain is closed" }\n'
              'route "later" { fail = "450 moving house" }\n'
              'domain "closed.example" { via = "closed" }\n'
              'domain "later.example" { via = "later" }')

    def test_with_a_text(self):
        engine = self.engine(self.closed)
        event, = self.send(engine, "a@closed.example")
        self.assertEqual((event["event"], event["code"], event["enhanced"], event["text"],
                          event["sender"], event["recipient"]),
                         ("failed", 550, "5.1.2", "this domain is closed", SENDER,
                          "a@closed.example"), event)
        event, = self.send(engine, "a@later.example")
        self.assertEqual((event["event"], event["code"], event["enhanced"], event["text"]),
                         ("deferred", 450, "4.0.0", "moving house"), event)
        self.assertEqual(engine.stop()["dns-queries"], 0)


class Retries(WithEngine):
    def delays(self, events):
        return [event["delay"] for event in events if event["event"] == "deferred"]

    def test_a_list(self):
        """Each delay in turn; the last one repeats."""
        server = self.exchanger({"RCPT": b"450 4.2.0 grey\r\n"})
        engine = self.engine("", domain='retry = {"1s", "2s", "1s"}')
        events = self.send(engine, f"x@{server.domain}", 4)
        for got, want in zip(self.delays(events), (1, 2, 1, 1)):
            self.assertIn(got, (want, want + 1), events)  # jitter, and seconds are rounded up

    def test_growth(self):
        server = self.exchanger({"RCPT": b"450 4.2.0 grey\r\n"})
        engine = self.engine("", domain='retry-first = 1s  retry-growth = 3  retry-max = 2s')
        for got, want in zip(self.delays(self.send(engine, f"x@{server.domain}", 3)), (1, 2, 2)):
            self.assertIn(got, (want, want + 1))

    def test_the_step_survives_a_restart(self):
        server = self.exchanger({"RCPT": b"450 4.2.0 grey\r\n"})
        engine = self.engine("", domain='retry = {"1s", "2s", "1h"}')
        first = self.send(engine, f"x@{server.domain}", 2)
        engine.kill()
        engine.start()
        events = engine.outcomes(first[0]["id"], 3)
        self.assertEqual([event["attempt"] for event in events], [1, 2, 3], events)
        self.assertGreaterEqual(events[2]["delay"], 3600)

    def test_due_at_its_end(self):
        """Its life is over before the next attempt would be due: it is tried for the last time at
        its end, and then it has failed."""
        server = self.exchanger({"RCPT": b"450 4.2.0 grey\r\n"})
        engine = self.engine("", domain='retry-first = 1h  retry-max = 1h  lifetime = 3s')
        first, last = self.send(engine, f"x@{server.domain}", 2)
        self.assertEqual((first["event"], last["event"], last["attempt"]),
                         ("deferred", "failed", 2))
        self.assertLessEqual(first["delay"], 4)

    def test_a_dead_site_is_probed_by_one(self):
        """Twenty messages are due, and one connection finds out."""
        server = self.exchanger({"greeting": CLOSE})
        engine = self.engine("", domain='retry = {"1s", "3s", "1h"}')
        with Client(engine.unix) as client:
            ids = [client.submit(SENDER, [f"x{n}@{server.domain}"], CONTENT) for n in range(20)]
        for message_id in ids:
            engine.outcomes(message_id, 2)
        # At first two at a time, since nothing was known; then one for each walk.
        self.assertLessEqual(server.connection_count, 6)
        server.script = {}
        for message_id in ids:
            events = engine.outcomes(message_id, 3)
            self.assertEqual(events[-1]["event"], "delivered", events)
