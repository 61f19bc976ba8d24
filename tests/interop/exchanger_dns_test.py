"""What the DNS says, well or badly, and what becomes of the mail: with the real resolver, against a
name server that does as it is told."""

import socket
import struct
import unittest

import scripted_dns as dns
from client import Client
from engine import Engine
from exchanger import Exchanger
from place import place

SENDER = "sender@client.example"
CONTENT = b"Subject: x\r\n\r\nx\r\n"

# What each behaviour of a name server says of one type of records: there are some, there are none,
# or it says nothing that can be believed.
SAYS = {
    "found": "some", "tc": "some",
    "nodata": "none", "nxdomain": "none",
    "servfail": "nothing", "refused": "nothing", "formerr": "nothing", "notimp": "nothing",
    "silence": "nothing", "garbage": "nothing", "empty": "nothing", "wrongid": "nothing",
    "wrongname": "nothing", "cutoff": "nothing", "tcdead": "nothing",
}
# What makes c-ares 1.18 give up all that it has asked that server, and ask again: what comes to some
# other question then may be late, and on the same connection it is lost.
DISTURBING = {"empty", "tcdead"}
LATER, DELIVERED = ("deferred", "4.4.3"), ("delivered", "2.0.0")
NO_ADDRESS = ("failed", "5.4.4")


def address_outcome(a, aaaa):
    """One family with an address will do (RFC 5321 5.1); a failure is no answer; two answers that
    there is none are one."""
    says = SAYS[a], SAYS[aaaa]
    if "some" in says:
        return DELIVERED
    return LATER if "nothing" in says else NO_ADDRESS


def many_mx(count, target):
    """`count` exchangers; but for the most preferred one they are not there."""
    asked = b"\xc0\x0c"  # a pointer to the name in the question, so that all of it has room

    def answer(question):
        names = [f"{i:03}" for i in range(1, count)]
        records = [dns.mx(asked, 10 + i, b"\x03" + name.encode() + asked)
                   for i, name in enumerate(names)]
        return dns.answer(question, records + [dns.mx(asked, 1, target)])
    return answer


def mx_of(*pairs):
    return lambda question: dns.answer(
        question, [dns.mx(question.name, preference, host) for preference, host in pairs])


def addresses(*texts):
    return lambda question: dns.answer(question, [dns.a(question.name, text) for text in texts])


def chain(length, serving):
    """A CNAME, and so on; A at its end."""
    def answer(question):
        names = [question.name] + [f"c{i}.x.special.example" for i in range(length)]
        records = [dns.cname(names[i], names[i + 1]) for i in range(length)]
        return dns.answer(question, records + [dns.a(names[-1], serving)])
    return answer


def setUpModule():
    global server, name_server, engine, public
    server = Exchanger()
    serving = place().address(server.number)
    good = "mx.good.special.example"
    # KEY: ({type: answer}, what is wanted)
    specials = {
        "good": ({dns.MX: mx_of((10, good)), dns.A: addresses(serving)}, DELIVERED),
        # MX (RFC 5321 5.1, RFC 7505)
        "null": ({dns.MX: mx_of((0, "."))}, ("failed", "5.1.10")),
        "null-10": ({dns.MX: mx_of((10, "."))}, ("failed", "5.1.10")),
        "null-and-more": ({dns.MX: mx_of((0, "."), (10, good))}, DELIVERED),
        "equal": ({dns.MX: mx_of(*[(10, f"mx{i}.{good}") for i in range(3)], (10, good))},
                  DELIVERED),
        "a-thousand": ({dns.MX: many_mx(1000, good)}, DELIVERED),
        "itself": ({dns.MX: mx_of((10, "itself.special.example")), dns.A: addresses(serving)},
                   DELIVERED),
        "next-is-there": ({dns.MX: mx_of((10, "mx.none.special.example"), (20, good))}, DELIVERED),
        "none": ({dns.MX: mx_of((10, "mx.none.special.example"))}, NO_ADDRESS),
        "first-unknown": ({dns.MX: mx_of((10, "servfail.servfail.servfail.case.example"),
                                         (20, good))}, DELIVERED),
        "unknown-and-none": ({dns.MX: mx_of((10, "servfail.servfail.servfail.case.example"),
                                            (20, "mx.none.special.example"))}, LATER),
        "an-address": ({dns.MX: mx_of((10, serving))}, NO_ADDRESS),
        "upper-case": ({dns.MX: mx_of((10, good.upper()))}, DELIVERED),
        "twice": ({dns.MX: mx_of((10, good), (10, good), (20, good))}, DELIVERED),
        "to-cname": ({dns.MX: mx_of((10, "mx.alias.special.example"))}, DELIVERED),
        "alias": ({dns.A: chain(1, serving)}, None),
        "to-chain": ({dns.MX: mx_of((10, "mx.chain16.special.example"))}, DELIVERED),
        "chain16": ({dns.A: chain(16, serving)}, None),
        "to-long-chain": ({dns.MX: mx_of((10, "mx.chain50.special.example"))}, LATER),
        "chain50": ({dns.A: chain(50, serving)}, None),
        "to-loop": ({dns.MX: mx_of((10, "mx.loop.special.example"))}, LATER),
        "loop": ({kind: lambda q: dns.answer(q, [dns.cname(q.name, "y.loop.special.example"),
                                                 dns.cname("y.loop.special.example", q.name)])
                  for kind in (dns.A, dns.AAAA)}, None),
        "is-alias": ({dns.MX: lambda q: dns.answer(
            q, [dns.cname(q.name, "z.special.example"), dns.mx("z.special.example", 10, good)])},
            DELIVERED),
        # No MX records: never because they could not be had.
        "implicit": ({dns.A: addresses(serving)}, DELIVERED),
        "servfail-with-a": ({dns.MX: lambda q: dns.answer(q, code=dns.SERVER_FAILURE),
                             dns.A: addresses(serving)}, LATER),
        "refused-with-a": ({dns.MX: lambda q: dns.answer(q, code=dns.REFUSED),
                            dns.A: addresses(serving)}, LATER),
        "no-address-at-all": ({}, NO_ADDRESS),
        # Names that are none: left out, and the others serve; alone, there is nothing to go to.
        "space": ({dns.MX: mx_of((10, name_of(b"a b")))}, NO_ADDRESS),
        "control": ({dns.MX: mx_of((10, name_of(b"a\r\nb")))}, NO_ADDRESS),
        "nul": ({dns.MX: mx_of((10, name_of(b"a\0b")))}, NO_ADDRESS),
        "dot-inside": ({dns.MX: mx_of((10, name_of(b"a.b")))}, NO_ADDRESS),
        "8-bit": ({dns.MX: mx_of((10, name_of(b"gr\xc3\xbcn")))}, NO_ADDRESS),
        "slash": ({dns.MX: mx_of((10, name_of(b"a/b")))}, NO_ADDRESS),
        "space-and-good": ({dns.MX: mx_of((10, name_of(b"a b")), (20, good))}, DELIVERED),
        # Bytes that are no answer.
        "mx-cut-off": ({dns.MX: lambda q: dns.answer(q, [dns.record(q.name, dns.MX, b"\0")])},
                       LATER),
        "mx-empty": ({dns.MX: lambda q: dns.answer(q, [dns.record(q.name, dns.MX, b"")])}, LATER),
        "name-too-long": ({dns.MX: mx_of((10, [b"x" * 60] * 5))}, LATER),
        "pointer-to-itself": ({dns.MX: lambda q: dns.answer(
            q, [dns.mx(q.name, 10, struct.pack(">H", 0xc000 | len(q.section) + 12 +
                                               len(dns.name_bytes(q.name)) + 12))])}, LATER),
        "pointer-forward": ({dns.MX: mx_of((10, b"\xff\xff"))}, LATER),
        "label-type": ({dns.MX: mx_of((10, b"\x80x\0"))}, LATER),
        "a-of-3-bytes": ({dns.A: lambda q: dns.answer(q, [dns.record(q.name, dns.A, b"\x7f\0\0")])},
                         LATER),
        "more-than-said": ({dns.MX: lambda q: mx_of((10, good))(q) + b"\xff" * 20}, DELIVERED),
        "less-than-said": ({dns.MX: lambda q: dns.answer(q)[:6] + b"\0\1" + dns.answer(q)[8:]},
                           LATER),
        # Addresses.
        "five-hundred": ({dns.A: addresses(serving, *[serving] * 499)}, DELIVERED),
        "other-records-too": ({dns.A: lambda q: dns.answer(q, [
            dns.record(q.name, 16, b"\4text"), dns.a(q.name, serving)])}, DELIVERED),
        "of-another-name": ({dns.A: lambda q: dns.answer(q, [dns.a("other.example", serving)])},
                            NO_ADDRESS),
    }
    tables = {key: table for key, (table, _) in specials.items()}
    for text in PRIVATE:
        tables[key_of(text)] = {dns.A: addresses(text)} if ":" not in text else {
            dns.AAAA: lambda q, text=text: dns.answer(q, [dns.aaaa(q.name, text)])}
    name_server = dns.ScriptedDns(serving, "::1", tables)
    unittest.addModuleCleanup(server.close)
    unittest.addModuleCleanup(name_server.close)
    name_server.wanted = {key: want for key, (_, want) in specials.items() if want}
    engine = Engine(resolver=name_server.address, domain="retry-first = 1s")
    unittest.addModuleCleanup(engine.end)
    public = Engine(resolver=name_server.address, more="delivery { private-targets = no }")
    unittest.addModuleCleanup(public.end)


def name_of(label):
    return [label, "special", "example"]


# No exchanger on the Internet has such an address (RFC 6890).
PRIVATE = ["127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255",
           "192.168.1.1", "169.254.169.254", "169.254.0.1", "224.0.0.1", "255.255.255.255",
           "192.0.2.1", "198.51.100.1", "203.0.113.1", "100.64.0.1", "198.18.0.1", "240.0.0.1",
           "::", "::1", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1",
           "::ffff:127.0.0.1", "::ffff:10.0.0.1"]


def key_of(address):
    return "p-" + address.replace(".", "-").replace(":", "-c")


class Answers(unittest.TestCase):
    def check(self, cases, to=None, patient=False):
        """A message to each domain, all at once: {domain: (event, enhanced code)}. `patient`: what is
        to be delivered may be late."""
        to = to or engine
        sent = {}
        with Client(to.unix) as client:
            for domain in cases:
                sent[domain] = client.submit(SENDER, [f"x@{domain}"], CONTENT)
        for domain, message_id in sent.items():
            with self.subTest(domain):
                event = to.outcomes(message_id, seconds=60)[0]
                for count in range(2, 16 if patient and cases[domain] == DELIVERED else 0):
                    if event["event"] == "deferred":
                        event = to.outcomes(message_id, count, seconds=60)[-1]
                self.assertEqual((event["event"], event["enhanced"]), cases[domain], event)

    def test_special(self):
        self.check({f"{key}.special.example": want for key, want in name_server.wanted.items()})

    def test_of_mx(self):
        """Found: its host is asked for. None: the domain's own addresses count. No domain: it is
        none. All else is no answer, and the addresses are not even asked for."""
        cases = {}
        for word, says in SAYS.items():
            domain = f"{word}.found.nodata.case.example"
            cases[domain] = DELIVERED if says in ("some", "none") else LATER
            if word == "nxdomain":
                cases[domain] = ("failed", "5.1.2")
        self.check(cases)
        for word, says in SAYS.items():
            if says == "nothing":
                self.assertNotIn((f"{word}.found.nodata.case.example", dns.A), name_server.asked)

    def of_addresses(self, mx_word):
        aaaa_words = dict(SAYS)
        if not has_ipv6(self):
            del aaaa_words["found"], aaaa_words["tc"]
        calm, disturbed = {}, {}
        for a in SAYS:
            for aaaa in aaaa_words:
                words = {a, aaaa}
                if "tc" in words and words & DISTURBING:
                    continue
                cases = disturbed if words & DISTURBING else calm
                cases[f"{mx_word}.{a}.{aaaa}.case.example"] = address_outcome(a, aaaa)
        self.check(calm)
        self.check(disturbed, patient=True)

    def test_of_an_exchangers_addresses(self):
        self.of_addresses("found")

    def test_of_a_domains_own_addresses(self):
        self.of_addresses("nodata")

    def test_addresses_that_are_nobodys(self):
        self.check({f"{key_of(text)}.special.example": NO_ADDRESS for text in PRIVATE}, public)


def has_ipv6(test):
    """An exchanger at ::1, too."""
    try:
        other = Exchanger(address="::1")
    except OSError:
        return False
    test.addCleanup(other.close)
    return True
