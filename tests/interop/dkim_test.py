"""Signatures (DKIM): what leaves is verified by other people's programs, and altered it is not."""

import os
import random
import re
import subprocess
import unittest

import verifiers
from client import Client
from engine import PROGRAM, Engine, configure
from exchanger import Exchanger, once
from messages import cpython, made
from place import IS_ROOT, NOBODY, eventually, long_or, place, run

SENDER = "bounces@elsewhere.example"
DOMAIN = "signed.example"
FROM = re.compile(rb"(?im)^From[ \t]*:.*\r\n(?:[ \t].*\r\n)*")
SIGNATURE = re.compile(rb"DKIM-Signature:.*\r\n(?:[ \t].*\r\n)*")
FIELD = re.compile(rb"[!-9;-~]+[ \t]*:.*\r\n(?:[ \t].*\r\n)*")
SIGNED_BODY = b"Subject: x\r\n\r\nHello, and  welcome.\r\n"


def make_key(name, *options):
    path = place().path(name)
    subprocess.run(["openssl", "genpkey", *options, "-out", path], check=True,
                   stderr=subprocess.DEVNULL)
    os.chmod(path, 0o600)
    return path


def setUpModule():
    global keys, engine, exchanger
    rsa = make_key("rsa.pem", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    ed25519 = make_key("ed25519.pem", "-algorithm", "ed25519")
    keys = verifiers.Keys({("r1", DOMAIN): rsa, ("e1", DOMAIN): ed25519,
                           ("r2", "rsa.example"): rsa, ("r3", "parent.example"): rsa,
                           ("r4", "partly.example"): rsa})
    missing = place().path("not-there.pem")
    engine = Engine(domain='retry-first = "1s" retry-max = "1s"', more=f"""
        dkim "{DOMAIN}" {{ selector = {{"r1", "e1"}}  key = {{"{rsa}", "{ed25519}"}} }}
        dkim "rsa.example" {{ selector = "r2"  key = "{rsa}" }}
        dkim "parent.example" {{ selector = "r3"  key = "{rsa}"  subdomains = yes }}
        dkim "missing.example" {{ selector = "m"  key = "{missing}" }}
        dkim "careless.example" {{ selector = "m"  key = "{missing}"  unsigned = "send" }}
        dkim "partly.example" {{
            selector = {{"r4", "m"}}  key = {{"{rsa}", "{missing}"}}  unsigned = "send"
        }}""")
    unittest.addModuleCleanup(engine.end)
    exchanger = Exchanger(offers=("PIPELINING", "CHUNKING", "8BITMIME", "SIZE 100000000",
                                  "ENHANCEDSTATUSCODES"))
    unittest.addModuleCleanup(exchanger.close)


def from_domain(content, domain=DOMAIN):
    """The message, with a From: of that domain."""
    field = b"From: Joe <joe@%s>\r\n" % domain.encode()
    header, end, body = content.partition(b"\r\n\r\n")
    if not re.match(rb"[!-9;-~]+[ \t]*:", content):  # it begins with its body
        return field + b"\r\n" + content
    return field + FROM.sub(b"", header + b"\r\n") + end[2:] + body


def is_sound(content):
    """Has it nothing but fields in front of its body? Else programs do not agree what that is."""
    at = 0
    while field := FIELD.match(content, at):
        at = field.end()
    return at == len(content) or content.startswith(b"\r\n", at)


def awkward():
    """Header sections and bodies that canonical forms stumble over."""
    longest = b"Subject: " + b"\r\n ".join([b"w" * 70] * 300)
    bodies = {
        "none": b"", "blank": b" \t \r\n", "blank-lines": b"\r\n \r\n\t\r\n", "one-line": b"x\r\n",
        "many-ends": b"x" + b"\r\n" * 3000, "ends-inside": b"a\r\n" + b"\r\n" * 5000 + b"b",
        "blanks": b"a  b\t \tc \t\r\n  d\r\n\te" + b" " * 900 + b"\r\n",
        "8-bit": "Grüße  aus\tKöln \r\n".encode() * 50 + bytes(range(128, 256)) + b"\r\n",
        "long": (b"x " * 499)[:998] + b"\r\n" + b" " * 998 + b"\r\n" + b"." * 998,
        "no-end": b"the end", "no-end-blank": b"the end \t",
        "dots": b".\r\n..\r\n. \r\n.\r\n", "large": b"0123456789  abcdef\t\r\n" * 5000,
    }
    headers = {
        "plain": b"Subject: x\r\nTo: y@z.example",
        "folded": b"Subject:\r\n\tfolded \r\n  and\r\n \tfolded\r\nTo : a@b.example ,\r\n\tc@d.example",
        "twice": b"To: a@b.example\r\nReply-To: 1@x\r\nReply-To: 2@x\r\nTo: c@d.example\r\nX-1: 1\r\n"
                 b"List-Id: <1>\r\nlist-id: <2>\r\nLIST-ID: <3>",
        "8-bit": "Subject: Grüße  aus\tKöln \r\nTo: Jörg <j@x.example>".encode(),
        "empty": b"Subject:\r\nTo: \r\nCc:\t \r\nReferences:\r\n \r\n\t<1@x>",
        "longest": longest,
        "own": b"DKIM-Signature: v=1; a=rsa-sha256; d=x.example; s=x; h=from; bh=; b=\r\nSubject: x",
        "names": b"MESSAGE-ID: <1@x>\r\ndAtE: Sun, 22 Nov 2026 05:24:15 +0000\r\nSUBJECT: x",
    }
    for header_name, header in headers.items():
        for body_name, body in bodies.items():
            yield (f"{header_name}-{body_name}",
                   b"From:  Joe\t<joe@%s> \r\n" % DOMAIN.encode() + header + b"\r\n\r\n" + body)


def thrown(count):
    """Messages thrown together, the same ones in each run."""
    dice = random.Random(4711)
    pieces = [b" ", b"\t", b"  ", b"\r\n", b"\r\n ", b"\r\n\t", b"word", b":", b";", b"=", b".",
              "ü".encode(), b"\x80", b"\x7f", b"\r\n\r\n", b"<a@b>", b"\r\n.", b"\x01"]
    names = [b"Subject", b"To", b"Cc", b"References", b"X-Y", b"List-Id", b"Reply-To", b"subject"]
    for number in range(count):
        header = b"From: <x@%s>\r\n" % DOMAIN.encode()
        for name in dice.choices(names, k=dice.randrange(12)):
            value = b"".join(dice.choices(pieces, k=dice.randrange(20)))
            value = re.sub(rb"\r\n(?![ \t])", b"\r\n ", value)
            header += name + b":" + value + b"\r\n"
        yield f"thrown-{number}", header + b"\r\n" + b"".join(dice.choices(pieces,
                                                                           k=dice.randrange(200)))


def send(messages, to=None, **options):
    """{name: what arrived}."""
    to = to or exchanger
    ids = {}
    with Client(engine.unix) as client:
        for name, content in messages:
            ids[client.submit(SENDER, [f"{name}@{to.domain}"], content, parameters=" BODY=8BITMIME",
                              **options)] = name
    def missing():
        return set(ids) - {event.get("id") for event in engine.events() if event["event"] == "delivered"}

    eventually(lambda: not missing(), lambda: f"{len(missing())} messages", 120)
    names, arrived = set(ids.values()), {}
    for t in to.transactions:
        name = t.rcpts[0].removeprefix("RCPT TO:<").split("@")[0] if t.rcpts else None
        if name in names:
            assert name not in arrived, f"{name} has arrived twice"
            arrived[name] = t.content
    return arrived


class Verified(unittest.TestCase):
    """All programs find both signatures of all messages good, and those of altered ones bad."""

    @classmethod
    def setUpClass(cls):
        messages = [(m.name, from_domain(m.content)) for m in cpython() + made()]
        messages += [*awkward(), *thrown(long_or(10000, 200))]
        messages = [message for message in messages if is_sound(message[1])]
        half = len(messages) // 2
        cls.sent = dict(messages)
        cls.arrived = send(messages[:half]) | send(messages[half:], by_bdat=True)

    def test_two_signatures_stand_in_front(self):
        for name, content in self.arrived.items():
            first = SIGNATURE.match(content)
            second = SIGNATURE.match(content, first.end())
            self.assertIn(b"a=rsa-sha256;", first[0], name)
            self.assertIn(b"a=ed25519-sha256;", second[0], name)
            self.assertTrue(content.startswith(b"Received:", second.end()), name)
            self.assertTrue(content.rstrip(b"\r\n").endswith(self.sent[name].rstrip(b"\r\n")), name)

    def test_size_counts_them(self):
        for t in exchanger.transactions:
            size = int(re.search(r" SIZE=(\d+)", t.mail)[1])
            self.assertEqual(size, len(t.content), t.mail)

    def hold(self, verifier, reads=lambda content: True):
        known = {name: content for name, content in self.arrived.items() if reads(content)}
        bad = {name: verdict for name, verdict in verifier(known).items()
               if not verdict or not all(verdict)}
        self.assertEqual(bad, {})

    def refuse(self, verifier, step=1):
        altered = {}
        for name, content in list(self.arrived.items())[::step]:
            altered |= {f"{name}-{how}": what for how, what in alter(content).items()}
        good = [name for name, verdict in verifier(altered).items() if any(verdict)]
        self.assertEqual(good, [])
        return len(altered)

    def test_dkimpy(self):
        # It knows no blanks in front of a colon (RFC 5322 4.5).
        self.hold(verifiers.dkimpy(keys), lambda content: b"\r\nTo :" not in content)

    def test_dkimpy_refuses_altered_ones(self):
        self.assertGreaterEqual(self.refuse(verifiers.dkimpy(keys), long_or(50, 5)), long_or(1000, 100))

    def test_mail_dkim(self):
        self.hold(verifiers.mail_dkim(keys))

    def test_mail_dkim_refuses_altered_ones(self):
        self.assertGreaterEqual(self.refuse(verifiers.mail_dkim(keys), long_or(50, 10)), long_or(1000, 50))

    def test_opendkim(self):
        self.hold(verifiers.opendkim(keys))

    def test_opendkim_refuses_altered_ones(self):
        self.assertGreaterEqual(self.refuse(verifiers.opendkim(keys), long_or(50, 10)), long_or(1000, 50))


def alter(content):
    """{how: the message with one thing changed that the signatures cover}."""
    ways = {
        "subject-added": b"Subject: another\r\n" + content,
        "from-added": b"From: other@%s\r\n" % DOMAIN.encode() + content,
        "body-added": content + b"more\r\n",
        "to-added": content.replace(b"\r\nReceived:", b"\r\nTo: me@x.example\r\nReceived:", 1),
        "date": re.sub(rb"(?im)^(date: *)", rb"\g<1>Fri, 1 Jan 1999 00:00:00 +0000", content, count=1),
        "from": re.sub(rb"(?im)^(from:\s*)", rb"\g<1>X", content, count=1),
        "time": re.sub(rb"([ \t]t=)\d", rb"\g<1>9", content),
    }
    return {how: what for how, what in ways.items() if what != content}


class Which(unittest.TestCase):
    """Which mail is signed, and by whom."""

    def signers(self, content):
        return re.findall(rb"d=([^;\s]+);\s+s=([^;\s]+);", b"".join(SIGNATURE.findall(content)))

    def arrives(self, domain, content=SIGNED_BODY):
        name = place().new_name("which")
        return send([(name, from_domain(content, domain))])[name]

    def test_domains(self):
        for domain, want in {
                "rsa.example": [(b"rsa.example", b"r2")], "RSA.example": [(b"rsa.example", b"r2")],
                "a.rsa.example": [], "parent.example": [(b"parent.example", b"r3")],
                "deep.below.parent.example": [(b"parent.example", b"r3")], "else.example": [],
                "careless.example": [], "partly.example": [(b"partly.example", b"r4")]}.items():
            with self.subTest(domain):
                content = self.arrives(domain)
                self.assertEqual(self.signers(content), want)
                verdicts = verifiers.dkimpy(keys)({"x": content})["x"]
                self.assertEqual(verdicts, [True] * len(want))

    def test_a_missing_key_defers(self):
        name = place().new_name("which")
        with Client(engine.unix) as client:
            message_id = client.submit(SENDER, [f"{name}@{exchanger.domain}"],
                                       from_domain(SIGNED_BODY, "missing.example"))
        first, second = engine.outcomes(message_id, 2)[:2]
        for event in (first, second):
            self.assertEqual(event["event"], "deferred", event)
            self.assertIn("DKIM key", event["text"], event)
        self.assertFalse([t for t in exchanger.transactions if name in t.rcpts[0]])
        self.assertIn("a key is missing", engine.log())

    def test_read_back(self):
        """Deferred once, it is no longer in memory."""
        slow = Exchanger({"RCPT": once(b"451 4.2.0 not yet\r\n")})
        self.addCleanup(slow.close)
        name = place().new_name("which")
        with Client(engine.unix) as client:
            message_id = client.submit(SENDER, [f"{name}@{slow.domain}"], from_domain(SIGNED_BODY))
        self.assertEqual([e["event"] for e in engine.outcomes(message_id, 2)],
                         ["deferred", "delivered"])
        self.assertEqual(verifiers.dkimpy(keys)({"x": slow.transactions[0].content})["x"], [True] * 2)

    def test_one_message_to_many_domains(self):
        """They get the same signatures, as far as one worker sends it to them."""
        others = [Exchanger() for _ in range(6)]
        for other in others:
            self.addCleanup(other.close)
        with Client(engine.unix) as client:
            message_id = client.submit(SENDER, [f"x@{o.domain}" for o in others],
                                       from_domain(SIGNED_BODY))
        for event in engine.outcomes(message_id, 6):
            self.assertEqual(event["event"], "delivered", event)
        for other in others:
            self.assertEqual(verifiers.dkimpy(keys)({"x": other.transactions[0].content})["x"],
                             [True] * 2)

    def test_a_restart(self):
        """What waited is signed by the next one."""
        closed = Exchanger({"greeting": b"421 4.3.2 later\r\n"})
        self.addCleanup(closed.close)
        with Client(engine.unix) as client:
            ids = [client.submit(SENDER, [f"x{n}@{closed.domain}"], from_domain(SIGNED_BODY))
                   for n in range(20)]
        for message_id in ids:
            engine.outcomes(message_id)
        engine.kill()
        closed.script.clear()
        engine.start()
        eventually(lambda: len(closed.transactions) >= 20, "all messages")
        for t in closed.transactions:
            self.assertEqual(verifiers.dkimpy(keys)({"x": t.content})["x"], [True] * 2)


class Refused(unittest.TestCase):
    """Keys that neither check nor serve takes."""

    def says(self, command, path, uid_options=()):
        config = configure(more=f'dkim "x.example" {{ selector = "s"  key = "{path}" }}')
        return run([PROGRAM, command, "-c", config], **dict(uid_options))

    def refuses(self, path, want):
        for command in ("check", "serve"):
            with self.subTest((command, want)):
                result = self.says(command, path)
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertIn(want, result.stderr.decode())

    def test_modes(self):
        path = make_key("modes.pem", "-algorithm", "ed25519")
        for mode in (0o640, 0o604, 0o620, 0o601):
            os.chmod(path, mode)
            self.refuses(path, f"has mode {mode:04o}: chmod 0600 it")
        link = place().path("link.pem")
        os.symlink(path, link)
        self.refuses(link, "a private key must be no symbolic link")
        for mode in (0o600, 0o400):
            os.chmod(path, mode)
            self.assertEqual(self.says("check", path).returncode, 0)

    @unittest.skipUnless(IS_ROOT, "only root gives files away")
    def test_owners(self):
        path = make_key("owners.pem", "-algorithm", "ed25519")
        os.chown(path, NOBODY, -1)  # the engine's user
        self.assertEqual(self.says("check", path).returncode, 0)
        os.chown(path, 12345, -1)
        self.refuses(path, "must belong to root or to the engine's user")

    def test_no_keys(self):
        for content, want in ((b"hello\n", "no private key in PEM"), (b"", "no private key in PEM")):
            path = place().write("no-key.pem", content)
            os.chmod(path, 0o600)
            self.refuses(path, want)
        self.refuses(place().folder, "not a file")

    def test_weak_keys(self):
        path = make_key("rsa512.pem", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:512")
        self.refuses(path, "less than 1024 bits")
        path = make_key("rsa1024.pem", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
        result = self.says("check", path)
        self.assertEqual(result.returncode, 0)
        self.assertIn("RSA of 1024 bits; 2048 are advised", result.stderr.decode())

    def test_a_missing_key_is_told_of(self):
        result = self.says("check", place().path("nowhere.pem"))
        self.assertEqual(result.returncode, 0)
        self.assertIn("nowhere.pem: No such file or directory", result.stderr.decode())


if __name__ == "__main__":
    unittest.main()
