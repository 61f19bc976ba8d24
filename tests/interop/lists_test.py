"""List-Unsubscribe: and List-Unsubscribe-Post: of campaigns (RFC 2369, 8058), signed."""

import email
import re
import subprocess
import unittest
from urllib.parse import parse_qs, unquote, urlsplit

import verifiers
from client import Client
from engine import PROGRAM, Engine, configure
from exchanger import Exchanger, once
from messages import harm, leaves
from place import place, run

SENDER = "bounces@elsewhere.example"
DOMAIN = "news.example"
CONTENT = b"From: news@news.example\r\nSubject: x\r\n\r\nHello, and welcome.\r\n"


def setUpModule():
    global keys, engine
    path = place().path("lists.pem")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], check=True)
    subprocess.run(["chmod", "0600", path], check=True)
    keys = verifiers.Keys({("e1", DOMAIN): path})
    engine = Engine(domain='retry-first = "1s" retry-max = "1s"', more=f"""
        dkim "{DOMAIN}" {{ selector = "e1"  key = "{path}"  fields = {{"subject"}} }}
        campaign "news*" {{
            list-unsubscribe = "<https://news.example/u/{{campaign}}?r={{recipient}}&m={{id}}>, <mailto:leave@news.example>"
            list-unsubscribe-post = yes
        }}
        campaign "plain" {{ list-unsubscribe = "<mailto:leave+{{id}}@news.example>" }}
        campaign "newsless" {{ }}""")
    unittest.addModuleCleanup(engine.end)
    unittest.addModuleCleanup(engine.stop)  # which counts what was left behind


class Fields(unittest.TestCase):
    def exchanger(self, *arguments, **settings):
        server = Exchanger(*arguments, **settings)
        self.addCleanup(server.close)
        return server

    def deliver(self, server, campaign, names=("joe",), content=CONTENT, **options):
        """[the transactions], and the message's id."""
        field = f"X-Posthaste-Campaign: {campaign}\r\n".encode() if campaign else b""
        with Client(engine.unix) as client:
            message_id = client.submit(SENDER, [f"{n}@{server.domain}" for n in names],
                                       field + content, **options)
        delivered = [e for e in engine.outcomes(message_id, len(names), seconds=60)
                     if e["event"] == "delivered"]
        self.assertEqual(len(delivered), len(names))
        return server.transactions, message_id

    def unsubscribe(self, transaction):
        """The fields of that name, and the companion's; they are signed as they are."""
        content = transaction.content
        self.assertEqual(verifiers.dkimpy(keys)({"x": content})["x"], [True], content)
        message = email.message_from_bytes(content)
        signed = re.sub(r"\s", "", re.search(r"h=([^;]*);", message["DKIM-Signature"])[1]).split(":")
        for name in ("List-Unsubscribe", "List-Unsubscribe-Post"):
            self.assertEqual(signed.count(name.lower()), len(message.get_all(name, [])), signed)
        return message.get_all("List-Unsubscribe", []), message.get_all("List-Unsubscribe-Post", [])

    def test_each_recipient_has_a_link(self):
        names = ["joe", "a+b=c", "x.y", "quo{te}", "o'hara", "p%40q"]
        transactions, message_id = self.deliver(self.exchanger(), "news/11 & more", names)
        self.assertEqual(len(transactions), len(names))
        found = set()
        for t in transactions:
            (field,), post = self.unsubscribe(t)
            self.assertEqual(post, ["List-Unsubscribe=One-Click"])
            first, second = re.findall(r"<([^>]*)>", field)
            link = urlsplit(first)
            query = parse_qs(link.query)
            self.assertEqual(unquote(link.path), "/u/news/11 & more")
            self.assertEqual(link.path.count("/"), 2)
            self.assertEqual(query["m"], [message_id])
            self.assertEqual(t.rcpts, [f"RCPT TO:<{query['r'][0]}>"])
            self.assertEqual(second, "mailto:leave@news.example")
            found.add(query["r"][0].split("@")[0])
            self.assertTrue(t.content.endswith(CONTENT), t.content)
        self.assertEqual(found, set(names))

    def test_one_for_all(self):
        (t,), message_id = self.deliver(self.exchanger(), "plain", ["joe", "ann"])
        self.assertEqual(self.unsubscribe(t), ([f"<mailto:leave+{message_id}@news.example>"], []))
        self.assertEqual(len(t.rcpts), 2)

    def test_other_mail_has_none(self):
        for campaign in (None, "other", "newsless"):
            with self.subTest(campaign):
                (t,), _ = self.deliver(self.exchanger(), campaign, ["joe", "ann"])
                self.assertEqual(self.unsubscribe(t), ([], []))

    def test_never_twice(self):
        own = b"list-unsubscribe: <mailto:own@news.example>\r\n"
        (t,), _ = self.deliver(self.exchanger(), "news", content=own + CONTENT)
        self.assertEqual(self.unsubscribe(t), (["<mailto:own@news.example>"], []))
        post = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        (t,), _ = self.deliver(self.exchanger(), "news", content=post + CONTENT)
        fields, posts = self.unsubscribe(t)
        self.assertEqual((len(fields), len(posts)), (1, 1))

    def test_unsigned_mail_has_them_too(self):
        content = CONTENT.replace(b"news@news.example", b"joe@else.example")
        (t,), _ = self.deliver(self.exchanger(), "news", content=content)
        self.assertTrue(t.content.startswith(b"List-Unsubscribe: <https://"), t.content)
        self.assertIn(b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nReceived:", t.content)

    def test_without_8bitmime(self):
        content = CONTENT + "Grüße\r\n".encode()
        server = self.exchanger(offers=("PIPELINING", "CHUNKING"))
        transactions, _ = self.deliver(server, "news", ["joe", "ann"], content)
        for t in transactions:
            (field,), _ = self.unsubscribe(t)
            self.assertIn(re.search(r"TO:<(\w+)@", t.rcpts[0])[1] + "%40", field)
            self.assertTrue(t.content.isascii())
            self.assertEqual(leaves(t.content), leaves(content))

    def test_utf8(self):
        server = self.exchanger(offers=("PIPELINING", "8BITMIME", "SMTPUTF8"))
        (t,), _ = self.deliver(server, "news", ["jörg"], parameters=" SMTPUTF8")
        (field,), _ = self.unsubscribe(t)
        self.assertIn("?r=j%C3%B6rg%40", field)

    def test_read_back(self):
        """Deferred once, it is no longer in memory; and one of two has had it already."""
        server = self.exchanger({"RCPT": once(b"451 4.2.0 not yet\r\n")})
        with Client(engine.unix) as client:
            message_id = client.submit(SENDER, [f"{n}@{server.domain}" for n in ("joe", "ann")],
                                       b"X-Posthaste-Campaign: news\r\n" + CONTENT)
        events = engine.outcomes(message_id, 3)
        self.assertEqual(sorted(e["event"] for e in events), ["deferred", "delivered", "delivered"])
        for t in server.transactions:
            if t.content:
                (field,), _ = self.unsubscribe(t)
                self.assertIn(re.search(r"TO:<(\w+)@", t.rcpts[0])[1] + "%40", field)

    def test_many(self):
        """Several connections, the stream form, all workers."""
        servers = [self.exchanger(offers=("PIPELINING", "CHUNKING", "8BITMIME")) for _ in range(4)]
        ids = []
        with Client(engine.unix) as client:
            for n in range(100):
                rcpts = [f"r{n}-{i}@{s.domain}" for s in servers for i in range(3)]
                ids.append(client.submit(SENDER, rcpts, b"X-Posthaste-Campaign: news\r\n" + CONTENT))
        for message_id in ids:
            for event in engine.outcomes(message_id, 12, seconds=60):
                self.assertEqual(event["event"], "delivered", event)
        for server in servers:
            self.assertEqual(len(server.transactions), 300)
            for t in server.transactions:
                rcpt, = re.findall(r"TO:<(.*)>", t.rcpts[0])
                self.assertIn(f"?r={rcpt.replace('@', '%40')}&".encode(), t.content)
                self.assertIsNone(harm(CONTENT, t.content[t.content.index(b"Received:"):]))


class Refused(unittest.TestCase):
    def says(self, more):
        return run([PROGRAM, "check", "-c", configure(more=more)])

    def test_templates(self):
        for text, want in {
                'list-unsubscribe = "<https://x.example/{who}>"': "{id}, {campaign} or {recipient}",
                'list-unsubscribe = "https://x.example/"': "no list",
                'list-unsubscribe = "<ftp://x.example/>"': "neither https:",
                'list-unsubscribe = "<mailto:a@x>"  list-unsubscribe-post = yes': "wants an https:",
                'list-unsubscribe-post = yes': "wants an https:",
                'list-unsubscribe = "<https://x.example/\\r\\nX: y>"': "control character",
                'list-unsubscribe = "<mailto:' + "a" * 300 + '@x>"': "longer than 255"}.items():
            with self.subTest(text):
                result = self.says(f'campaign "x" {{ {text} }}')
                self.assertEqual(result.returncode, 1)
                self.assertIn(want, result.stderr.decode())

    def test_names(self):
        for name in ("", "a" * 65, "ü", "**ü*"):
            self.assertEqual(self.says(f'campaign "{name}" {{ }}').returncode, 1, name)
        result = self.says('campaign "*" { list-unsubscribe = "<https://x/{id}>" }')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn('list-unsubscribe = "<https://x/{id}>"', result.stdout.decode())


if __name__ == "__main__":
    unittest.main()
