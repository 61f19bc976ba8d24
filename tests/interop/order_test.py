"""Priorities and campaigns: what a message may say of itself, and who goes first."""

import glob
import os
import time

from bench_test import tool
from client import Client
from control_test import Operated
from exchanger import after
from journaled import LATER, SENDER, SOON, Journaled
from messages import harm
from place import eventually, long_or, place, run

BODY = b"Subject: x\r\n\r\nx\r\n"
BULK_COUNT = 10_000
# What may be in front of an urgent message: it is under way, or its turn has come (one of sixteen).
IN_FRONT_MAX = 100


def fields(priority=None, campaign=None, content=BODY):
    front = b""
    if priority is not None:
        front += b"X-Posthaste-Priority: " + priority.encode() + b"\r\n"
    if campaign is not None:
        front += b"X-Posthaste-Campaign: " + campaign.encode() + b"\r\n"
    return front + content


class Said(Journaled):
    """What is understood, and what is told."""

    def setUp(self):
        self.one = self.engine(domain=SOON)
        self.mx = self.exchanger()

    def test_fields_are_taken_out(self):
        cases = [fields("bulk", "spring sale"), fields("-9"), fields(campaign="c"),
                 b"X-More: 1\r\nx-posthaste-CAMPAIGN:\r\n c2 \r\nX-Posthaste-Priority:9\r\n" + BODY,
                 fields("normal", "c3", b"\r\nonly these\r\n"),
                 b"X-Posthaste-Key: k1\r\n" + fields("transactional", "c4")]
        wants = [BODY, BODY, BODY, b"X-More: 1\r\n" + BODY, b"\r\nonly these\r\n", BODY]
        campaigns = ["spring sale", None, "c", "c2", "c3", "c4"]
        for number, (content, want) in enumerate(zip(cases, wants)):
            with self.subTest(content[:40]):
                event, = self.one.outcomes(self.submit(self.one, [f"x@{self.mx.domain}"], content))
                self.assertEqual(event["event"], "delivered")
                self.assertEqual(event.get("campaign"), campaigns[number])
                got = self.mx.transactions[-1].content
                self.assertNotIn(b"posthaste-", got.lower().split(b"\r\n\r\n")[0])
                self.assertIsNone(harm(want, got))

    def test_what_is_not_understood(self):
        cases = [("Priority", fields("urgent")), ("Priority", fields("10")),
                 ("Priority", fields("")), ("Priority", fields("1", content=fields("1"))),
                 ("Campaign", fields(campaign="")), ("Campaign", fields(campaign="x" * 65)),
                 ("Campaign", fields(campaign="a\tb")), ("Campaign", fields(campaign="grün")),
                 ("Campaign", fields(campaign="a", content=fields(campaign="a"))),
                 ("Campaign", fields(campaign="a\r\n b"))]
        with Client(self.one.unix) as client:
            for name, content in cases:
                with self.subTest(content[:60]):
                    client.open_transaction(SENDER, [f"x@{self.mx.domain}"])
                    code, text = client.give(content)
                    self.assertEqual(code, 550)
                    self.assertTrue(text.startswith(f"5.6.0 X-Posthaste-{name}: "), text)
            client.open_transaction(SENDER, [f"x@{self.mx.domain}"])
            self.assertEqual(client.give(fields(campaign="x" * 64))[0], 250)

    def test_mt_priority(self):
        with Client(self.one.unix, hello=None) as client:
            client.reply()
            self.assertIn("MT-PRIORITY", client.say("EHLO x")[1].split("\n"))
            for value, code in (("3", 250), ("-9", 250), ("10", 501), ("high", 501)):
                self.assertEqual(client.say(f"MAIL FROM:<{SENDER}> MT-PRIORITY={value}")[0], code)
                client.say("RSET")

    def test_mt_priority_is_passed_on(self):
        """To who offers it (RFC 6710), whichever way it was given; an ordinary one is not said."""
        asks = self.exchanger(offers=("PIPELINING", "MT-PRIORITY"))
        with Client(self.one.unix) as client:
            for value in ("3", "-9", "0"):
                self.assertEqual(client.say(f"MAIL FROM:<{SENDER}> MT-PRIORITY={value}")[0], 250)
                for mx in (asks, self.mx):
                    self.assertEqual(client.say(f"RCPT TO:<x{value}@{mx.domain}>")[0], 250)
                self.assertEqual(client.give(BODY)[0], 250)
        self.submit(self.one, [f"y@{asks.domain}"], fields("bulk"))
        eventually(lambda: len(asks.transactions) == 4, lambda: asks.commands)
        said = {t.rcpts[0].split("@")[0]: t.mail for t in asks.transactions}
        for name, word in (("x3", " MT-PRIORITY=3"), ("x-9", " MT-PRIORITY=-9"), ("x0", ""),
                           ("y", " MT-PRIORITY=-")):
            with self.subTest(name):
                self.assertEqual("MT-PRIORITY" in said[f"RCPT TO:<{name}"], bool(word))
                self.assertIn(word, said[f"RCPT TO:<{name}"])
        self.assertNotIn("MT-PRIORITY", "".join(t.mail for t in self.mx.transactions))

    def test_they_survive_a_crash(self):
        answers = [LATER, LATER]
        mx = self.exchanger({"content": lambda _: answers.pop() if answers else None})
        message_id = self.submit(self.one, [f"x@{mx.domain}"], fields("transactional", "news 7"))
        self.one.outcomes(message_id)
        self.one.kill()
        self.one.start()
        found = self.one.outcomes(message_id, count=3)
        self.assertEqual(found[-1]["event"], "delivered")
        self.assertEqual([event["campaign"] for event in found], ["news 7"] * len(found))
        self.assertIsNone(harm(BODY, mx.transactions[-1].content))


class First(Journaled):
    """A queue for one domain, that takes its time."""

    def setUp(self):
        self.one = self.engine(domain="connections = 1")
        self.mx = self.exchanger({"content": after(0.002)})

    def arrived(self):
        return len(self.mx.transactions)

    def feed(self, count, *options):
        domains = place().write(place().new_name("domains"), f"{self.mx.domain}\n")
        done = run([tool("posthaste-load"), "unix:" + self.one.unix, "--messages", count,
                    "--connections", "32", "--domain-list", domains, "--size", "500", *options])
        self.assertEqual(done.returncode, 0, done.stderr)

    def where(self, rcpt):
        """Its place among what has arrived; None: it has not."""
        found = [n for n, t in enumerate(list(self.mx.transactions)) if rcpt in t.mail + str(t.rcpts)]
        return found[0] if found else None

    def test_an_urgent_message_overtakes_bulk(self):
        self.feed(BULK_COUNT, "--priority", "bulk")
        self.assertLess(self.arrived(), BULK_COUNT - 2 * IN_FRONT_MAX, "there is no queue")
        before = self.arrived()
        began = time.monotonic()
        rcpt = f"urgent@{self.mx.domain}"
        self.submit(self.one, [rcpt], fields("transactional"))
        eventually(lambda: self.where(rcpt) is not None, "the urgent one")
        self.assertLess(time.monotonic() - began, 5)
        self.assertLess(self.where(rcpt) - before, IN_FRONT_MAX)

    def test_a_listener_says_what_comes_there(self):
        self.one = self.engine(domain="connections = 1", listen='priority = "bulk"')
        self.feed(2000)
        before = self.arrived()
        rcpt = f"urgent@{self.mx.domain}"
        with Client(self.one.unix) as client:
            client.submit(SENDER, [rcpt], BODY, parameters=" MT-PRIORITY=5")
        eventually(lambda: self.where(rcpt) is not None, "the urgent one")
        self.assertLess(self.where(rcpt) - before, IN_FRONT_MAX)

    def test_a_late_campaign_gets_its_share(self):
        self.feed(2000, "--campaigns", "1")
        count = long_or(200, 50)
        with Client(self.one.unix) as client:
            for number in range(count):
                client.submit(SENDER, [f"late{number}@{self.mx.domain}"], fields(campaign="late"))
        before = self.arrived()
        eventually(lambda: all(self.where(f"late{number}@") is not None
                               for number in (0, count // 2, count - 1)), "the late campaign")
        last = max(self.where(f"late{number}@") for number in range(count)
                   if self.where(f"late{number}@") is not None)
        self.assertLess(last - before, 2 * count + IN_FRONT_MAX)


class Dropped(Journaled):
    """A pickup directory."""

    def test_pickup(self):
        folder = place().path(place().new_name("pickup"))
        one = self.engine(more=f'pickup "{folder}" {{ priority = "bulk" }}')
        mx = self.exchanger()
        self.put(folder, "good", mx, fields("9", "dropped"))
        event = eventually(lambda: [e for e in one.events() if e.get("event") == "delivered"],
                           one.log)[0]
        self.assertEqual(event["campaign"], "dropped")
        self.assertIsNone(harm(BODY, mx.transactions[-1].content))
        self.put(folder, "wrong", mx, fields("soon"))
        why = eventually(lambda: self.why(folder, "wrong"), one.log)
        self.assertRegex(why, "X-Posthaste-Priority: give one")

    @staticmethod
    def put(folder, name, mx, content):
        path = place().write(name, f"x-sender: {SENDER}\r\nx-receiver: x@{mx.domain}\r\n".encode() +
                             content)
        os.chmod(path, 0o644)
        os.rename(path, os.path.join(folder, name))

    @staticmethod
    def why(folder, name):
        found = glob.glob(f"{folder}/bad/{name}*.why")
        if not found:
            return None
        with open(found[0], encoding="utf-8") as file:
            return file.read()


class Steered(Operated):
    """Mail of one campaign is found, held and purged; that of others is let alone."""

    def test_campaign(self):
        one = self.engine(domain="retry-first = 1h  retry-max = 1h")
        mx = self.exchanger({"RCPT": LATER})
        ids = {}
        with Client(one.unix) as client:
            for campaign in ("spring sale", "spring sale", "news"):
                message_id = client.submit(SENDER, [f"x@{mx.domain}"], fields("bulk", campaign))
                ids.setdefault(campaign, []).append(message_id)
        for message_id in sum(ids.values(), []):
            one.outcomes(message_id)
        eventually(lambda: self.states(one) == ["deferred"] * 3, "deferrals")
        jobs = self.listed(one, "--campaign", "spring sale")
        self.assertEqual(sorted(job["id"] for job in jobs), sorted(ids["spring sale"]))
        self.assertEqual({(job["campaign"], job["priority"]) for job in jobs},
                         {("spring sale", "bulk")})
        self.assertEqual(self.listed(one, "--campaign", "spring"), [])
        progress, = self.ask(one, "status", "--campaign", "spring sale")
        self.assertEqual((progress["messages-queued"], progress["delivered"],
                          progress["deferred"], progress["failed"]), (2, 0, 2, 0))
        self.assertEqual(self.change(one, "hold", "--campaign", "spring sale")["recipients"], 2)
        self.assertEqual(self.states(one), ["deferred", "held", "held"])
        self.change(one, "purge", "--campaign", "spring sale")
        self.assertEqual([job["id"] for job in self.listed(one)], ids["news"])
        progress, = self.ask(one, "status", "--campaign=spring sale")
        self.assertEqual((progress["messages-queued"], progress["messages-over"],
                          progress["failed"], progress["finished-in-s"]), (0, 2, 2, 0))
        self.assertRegex(self.run_command(one, "status", "--campaign", "news").stdout,
                         r"^campaign   news\nmessages   1 queued, 0 over, \S+ a second\n"
                         r"recipients 0 delivered, 1 deferrals, 0 failed\n$")
        self.assertEqual(self.run_command(one, "status", "--campaign", "none").returncode, 1)
