"""DANE (RFC 7672) as it is on the Internet: a signed zone, served by NSD, behind unbound, and
exchangers whose certificates fit its TLSA records, or do not."""

import os
import unittest

import signed_dns
from certificates import Certificate, authority, stranger
from client import Client
from engine import Engine
from place import IS_ROOT, NOBODY, place, run
from tls_exchanger import TlsExchanger

SIGNED, PLAIN = signed_dns.SIGNED, signed_dns.PLAIN
SEALED, CLEAR = "sealed", "clear"
NUMBERS = iter(range(400, 500))
CHANGING = [f"changes{n}" for n in range(6)]


class Host:
    """An exchanger, and its lines in a zone."""

    def __init__(self, label, zone=SIGNED, fault="good", certificate=None, tlsa=()):
        self.label, self.zone = label, zone
        self.number = next(NUMBERS)
        self.name = f"{label}.{zone}"
        self.certificate = certificate or Certificate([self.name], authority())
        self.exchanger = TlsExchanger(self.number, fault, self.certificate)
        self.records = [record(self.certificate) if callable(record) else record
                        for record in tlsa]

    def lines(self):
        return [f"{self.label} A {place().address(self.number)}",
                *[f"{tlsa_name(self.label)} {record}" for record in self.records]]


def tlsa_name(label):
    return f"_{place().port}._tcp.{label}"


def ee(certificate):
    return certificate.tlsa(3, 1, 1)


def other_ee(_certificate):
    return Certificate(["x.example"]).tlsa(3, 1, 1)


def of(usage, selector, matching, whose=None):
    return lambda certificate: (whose() if whose else certificate).tlsa(usage, selector, matching)


class Case:
    """Domains NAME.SIGNED (or PLAIN) with these hosts as exchangers, and what becomes of mail:
    SEALED or CLEAR (delivered so), or an enhanced code (deferred). `to`: the host that has it.
    `mx_owner`: the label that has the MX records, where NAME is a CNAME. `route`: the host that the
    configuration sends its mail to."""

    def __init__(self, name, hosts, want, zone=SIGNED, more=(), more_plain=(), mx=None, spoil=(),
                 level="dane", to=None, mx_owner=None, route=None):
        self.name, self.hosts, self.want, self.zone = name, hosts, want, zone
        self.domain = f"{name}.{zone}"
        self.more, self.more_plain, self.spoil, self.level = more, more_plain, spoil, level
        self.mx = [host.name for host in hosts] if mx is None else mx
        self.mx_owner = mx_owner or name
        self.route = route
        self.to = to or (hosts[0] if hosts else None)

    def sections(self):
        if not self.route:
            return f'domain "{self.domain}" {{ tls = "{self.level}" }}'
        return (f'route "{self.name}" {{ host = "{self.route}" }}\n'
                f'domain "{self.domain}" {{ tls = "{self.level}" via = "{self.name}" }}')


def digest_of(record):
    return record.split()[-1]


def spoiled(record):
    """Its digest as the signer saw it, and as it is served."""
    digest = digest_of(record)
    return digest, ("0" if digest[0] != "0" else "1") + digest[1:]


def make_cases():
    cases = []

    def one(name, want, tlsa=(ee,), **options):
        host_options = {key: options.pop(key) for key in ("fault", "certificate", "zone")
                        if key in options}
        host = Host(f"mx.{name}", tlsa=tlsa, **host_options)
        cases.append(Case(name, [host], want, zone=host_options.get("zone", SIGNED), **options))
        return host

    def certificate(name, **options):
        return Certificate([f"mx.{name}.{SIGNED}"], **options)

    # Records that can be used.
    one("ee-key", SEALED)
    one("ee-key-512", SEALED, [of(3, 1, 2)])
    one("ee-key-whole", SEALED, [of(3, 1, 0)])
    one("ee-certificate", SEALED, [of(3, 0, 1)])
    one("ee-certificate-whole", SEALED, [of(3, 0, 0)])
    one("ta-certificate", SEALED, [of(2, 0, 1, authority)])
    one("ta-key", SEALED, [of(2, 1, 1, authority)])
    one("ta-of-a-stranger", SEALED, [of(2, 0, 1, stranger)],
        certificate=certificate("ta-of-a-stranger", issuer=stranger()))
    one("one-of-several", SEALED, [other_ee, of(1, 1, 1), ee])
    one("before-and-after-a-change", SEALED, [ee, other_ee])
    # RFC 7672 3.1.1: 3 x x knows neither dates nor names; 2 x x knows both (3.1.2).
    one("ee-expired", SEALED,
        certificate=certificate("ee-expired", issuer=authority(), days=(-9, -1)))
    one("ee-other-name", SEALED, certificate=Certificate(["x.example"], authority()))
    one("ee-self-signed", SEALED, certificate=certificate("ee-self-signed"))
    one("ta-expired", "4.7.5", [of(2, 0, 1, authority)],
        certificate=certificate("ta-expired", issuer=authority(), days=(-9, -1)))
    one("ta-other-name", "4.7.5", [of(2, 0, 1, authority)],
        certificate=Certificate(["x.example"], authority()))
    # Records that fit nothing.
    one("mismatch", "4.7.5", [other_ee])
    one("mismatch-ta", "4.7.5", [of(2, 0, 1, stranger)])
    one("mismatch-only", "4.7.5", [other_ee], level="dane-only")
    one("no-starttls", "4.7.4", fault="not-offered")
    one("handshake-fails", "4.7.5", fault="alert")
    # None that can be used (3.1.3, 2.2): TLS is demanded, and nothing of the certificate.
    one("unusable", SEALED, [of(1, 1, 1), of(0, 0, 1)])
    one("unusable-and-no-starttls", "4.7.4", [of(1, 1, 1)], fault="not-offered")
    one("unusable-unknown", SEALED, ["TLSA 3 1 9 aabb", "TLSA 3 9 1 " + "ab" * 32])
    one("unusable-short", SEALED, ["TLSA 3 1 1 aabbcc"])
    one("unusable-only", "4.7.4", [of(1, 1, 1)], level="dane-only")
    # None at all.
    one("none", SEALED, [])
    one("none-and-no-starttls", CLEAR, [], fault="not-offered")
    one("none-only", "4.7.4", [], level="dane-only")
    one("other-port", CLEAR, [], fault="not-offered", more=["_26._tcp.mx.other-port " +
                                                            Certificate(["x"]).tlsa()])
    # The zone is not signed: its records are worth nothing, and are not asked for.
    one("insecure", CLEAR, [other_ee], zone=PLAIN, fault="not-offered")
    one("insecure-only", "4.7.4", zone=PLAIN, level="dane-only")
    # Bogus, or not to be had (2.1.1): nothing is sent.
    host = one("bogus-tlsa", "4.4.3")
    cases[-1].spoil = [spoiled(host.records[0])]
    host = one("bogus-address", "4.4.3", [])
    address = place().address(host.number)
    cases[-1].spoil = [(f"A\t{address}\n", f"A\t{place().address(next(NUMBERS))}\n")]
    one("tlsa-fails", "4.4.3", [], fault="not-offered", more=[
        "_tcp.mx.tlsa-fails NS ns.lame", f"ns.lame A {place().address(next(NUMBERS))}"])
    one("careless", None, [other_ee])
    # CNAMEs (2.2.2, 2.2.3).
    aliased(cases)
    # Several exchangers.
    several(cases)
    # Names of a certificate by usage 2 (3.2.2).
    named(cases)
    return cases


def named(cases):
    """Certificates that bear other names than the exchanger's."""
    anchor = [of(2, 0, 1, authority)]

    def host(name, names, label=None, tlsa=None, fault="good"):
        return Host(label or f"mx.{name}", tlsa=tlsa or anchor, fault=fault,
                    certificate=Certificate([f"{n}.{SIGNED}" for n in names], authority()))

    def one(name, want, names, **options):
        cases.append(Case(name, [host(name, names)], want, **options))

    one("by-domain", SEALED, ["by-domain"])
    one("by-domain-among-others", SEALED, ["x.y", "by-domain-among-others"])
    one("by-wildcard", SEALED, ["*"])  # *.dane.example: the domain, and not mx.DOMAIN (3.2.3)
    one("far.by-wildcard", "4.7.5", ["*"])  # which stands for one label
    one("by-sibling", "4.7.5", ["by-domain"])
    cases.append(Case("by-domain-or-key", [host("by-domain-or-key", ["by-domain-or-key"],
                                                tlsa=[other_ee, *anchor])], SEALED))
    # A domain that is a CNAME: its own name will do, and that where its MX records stand.
    one("cname-by-domain", SEALED, ["cname-by-domain"], mx_owner="end.cname-by-domain",
        more=[f"cname-by-domain CNAME end.cname-by-domain.{SIGNED}."])
    one("cname-by-end", SEALED, ["end.cname-by-end"], mx_owner="end.cname-by-end",
        more=[f"cname-by-end CNAME end.cname-by-end.{SIGNED}."])
    one("cname-by-none", "4.7.5", ["x.cname-by-none"], mx_owner="end.cname-by-none",
        more=[f"cname-by-none CNAME end.cname-by-none.{SIGNED}."])
    # No MX records: the name that leads to the host.
    cases.append(Case("no-mx", [host("no-mx", ["no-mx"], "end.no-mx")], SEALED, mx=[],
                      more=[f"no-mx CNAME end.no-mx.{SIGNED}."]))
    # A host that the configuration names; the recipient's domain says nothing of it.
    cases.append(Case("routed", [host("routed", ["mx.routed"], "end.routed")], SEALED, mx=[],
                      route=f"mx.routed.{SIGNED}:{place().port}", more=[f"mx.routed CNAME end.routed.{SIGNED}."]))
    cases.append(Case("routed-by-domain", [host("routed-by-domain", ["routed-by-domain"])], "4.7.5",
                      mx=[], route=f"mx.routed-by-domain.{SIGNED}:{place().port}"))
    # The exchangers of a name that the configuration has.
    hub = host("hub", ["hub"])
    cases.append(Case("hub", [hub], None))
    cases.append(Case("by-hub", [], SEALED, route=f'hub.{SIGNED}:{place().port}" lookup = "mx', to=hub))
    # An exchanger of several domains whose certificate bears the name of one.
    shared = host("shared", ["shared"])
    cases.append(Case("shared", [shared], SEALED))
    cases.append(Case("shares", [], "4.7.5", mx=[shared.name]))
    for name in CHANGING:
        cases.append(Case(name, [host(name, [f"mx.{name}"], fault="one-message")], None))


def aliased(cases):
    """Exchangers that are CNAMEs."""
    target = Host("target.alias", tlsa=[ee])
    cases.append(Case("alias", [target], SEALED, mx=[f"mx.alias.{SIGNED}"],
                      more=[f"mx.alias CNAME {target.name}."]))
    target = Host("target.alias-bad", tlsa=[other_ee])
    cases.append(Case("alias-bad", [target], "4.7.5", mx=[f"mx.alias-bad.{SIGNED}"],
                      more=[f"mx.alias-bad CNAME {target.name}."]))
    target = Host("target.alias-own", fault="not-offered")
    cases.append(Case("alias-own", [target], "4.7.4", mx=[f"mx.alias-own.{SIGNED}"],
                      more=[f"mx.alias-own CNAME {target.name}.",
                            f"{tlsa_name('mx.alias-own')} {Certificate(['x']).tlsa()}"]))
    # It leads to where nothing is secure; the alias itself is.
    target = Host("target.alias-out", zone=PLAIN, fault="not-offered")
    cases.append(Case("alias-out", [target], "4.7.4", mx=[f"mx.alias-out.{SIGNED}"],
                      more=[f"mx.alias-out CNAME {target.name}.",
                            f"{tlsa_name('mx.alias-out')} {Certificate(['x']).tlsa()}"]))
    target = Host("target.alias-none", zone=PLAIN, fault="not-offered", tlsa=[other_ee])
    cases.append(Case("alias-none", [target], CLEAR, mx=[f"mx.alias-none.{SIGNED}"],
                      more=[f"mx.alias-none CNAME {target.name}."]))


def several(cases):
    """A better exchanger that cannot be used leads to the next one."""
    bad, good = Host("mx1.next", tlsa=[other_ee]), Host("mx2.next", tlsa=[ee])
    cases.append(Case("next", [bad, good], SEALED, to=good))
    bad, good = Host("mx1.next-none", tlsa=[other_ee]), Host("mx2.next-none")
    cases.append(Case("next-none", [bad, good], SEALED, to=good))
    both = [Host("mx1.both-bad", tlsa=[other_ee]), Host("mx2.both-bad", tlsa=[other_ee])]
    cases.append(Case("both-bad", both, "4.7.5"))
    # A secure domain with an exchanger in another zone, and the other way round.
    cases.append(Case("mx-outside", [Host("mx.mx-outside", zone=PLAIN, fault="not-offered",
                                          tlsa=[other_ee])], CLEAR))
    cases.append(Case("mx-inside", [Host("mx.mx-inside", fault="not-offered", tlsa=[other_ee])],
                      CLEAR, zone=PLAIN))


def zones(cases):
    lines = {SIGNED: [], PLAIN: []}
    for case in cases:
        for preference, host in enumerate(case.mx):
            lines[case.zone].append(f"{case.mx_owner} MX {10 + preference} {host}.")
        for host in case.hosts:
            lines[host.zone] += host.lines()
        lines[SIGNED] += case.more
        lines[PLAIN] += case.more_plain
    return lines


def setUpModule():
    global cases, engine, resolver
    cases = make_cases()
    lines = zones(cases)
    resolver = signed_dns.resolver(lines[SIGNED], lines[PLAIN],
                                   [change for case in cases for change in case.spoil])
    sections = "\n".join(case.sections() for case in cases)
    engine = Engine(resolver=resolver, domain="retry-first = 1h",
                    more=f'resolver {{ trusted = yes }}\n{sections}\n{signing()}')
    unittest.addModuleCleanup(engine.end)
    for case in cases:
        for host in case.hosts:
            unittest.addModuleCleanup(host.exchanger.close)


def signing():
    """The configuration by which mail of signed.example is: by a key that takes its time."""
    key = place().path("dkim.key")
    done = run(["openssl", "genrsa", "-out", key, "4096"])
    assert done.returncode == 0, done.stderr
    os.chmod(key, 0o600)
    if IS_ROOT:
        os.chown(key, NOBODY, NOBODY)
    return f'dkim "signed.example" {{ selector = "s"  key = "{key}" }}'


def send(to, domain, author="a@client.example"):
    with Client(to.unix) as client:
        return client.submit(author, [f"x@{domain}"],
                             f"From: {author}\r\nSubject: x\r\n\r\nx\r\n".encode())


class Dane(unittest.TestCase):
    def test_each_case(self):
        wanted = [case for case in cases if case.want]
        sent = [send(engine, case.domain) for case in wanted]
        for case, message_id in zip(wanted, sent):
            with self.subTest(case.name):
                event = engine.outcomes(message_id, seconds=60)[0]
                if case.want in (SEALED, CLEAR):
                    self.assertEqual(event["event"], "delivered", event)
                    self.assertEqual(case.to.exchanger.wire(), case.want)
                else:
                    self.assertEqual((event["event"], event["enhanced"]),
                                     ("deferred", case.want), event)
                for host in case.hosts:
                    if host is not case.to or case.want not in (SEALED, CLEAR):
                        self.assertEqual(host.exchanger.wire(), "nothing", host.name)

    def test_a_name_is_said_and_checked(self):
        """SNI is the name whose records count: the alias's end, where that has them."""
        named = {case.name: case for case in cases}
        for name, host in (("ee-key", f"mx.ee-key.{SIGNED}"),
                           ("alias", f"target.alias.{SIGNED}")):
            send_once(self, named[name].domain)
            self.assertEqual(set(named[name].hosts[0].exchanger.names), {host})

    def test_what_is_shared_and_what_is_not(self):
        """No session that is good for one domain alone takes another's mail."""
        host = {case.name: case for case in cases}["shared"].hosts[0]
        for _ in range(3):
            event = engine.outcomes(send(engine, f"shared.{SIGNED}"))[0]
            self.assertEqual(event["event"], "delivered", event)
        rcpts = [line for line in host.exchanger.opened if line.startswith(b"RCPT")]
        self.assertEqual(set(rcpts), {f"RCPT TO:<x@shared.{SIGNED}>".encode()})
        self.assertEqual(set(host.exchanger.names), {host.name})

    def test_what_is_made_ready_goes_along(self):
        """Hosts end a session, and get another certificate, that bears the domain's name, while
        the next message is being signed: it is not put off, nor is it tried in vain."""
        hosts = [case.hosts[0] for case in cases if case.name in CHANGING]
        for name, host in zip(CHANGING, hosts):
            host.exchanger.contents = Contents(host.exchanger, name)
        sent = [send(engine, f"{name}.{SIGNED}", "a@signed.example")
                for name in CHANGING for _ in range(12)]
        for message_id in sent:
            event = engine.outcomes(message_id)[0]
            self.assertEqual(event["event"], "delivered", event)
        for host in hosts:
            self.assertEqual(len(host.exchanger.contents), 12)
            for sealed, content in host.exchanger.contents:
                self.assertTrue(sealed)
                self.assertEqual(content.count(b"DKIM-Signature:"), 1)
            self.assertLess(len(host.exchanger.seen), 24)

    def test_a_resolver_that_is_not_trusted(self):
        """Whatever it says, nothing is secure: no TLSA record counts."""
        careless = Engine(resolver=resolver, domain='tls = "dane"')
        self.addCleanup(careless.end)
        event = careless.outcomes(send(careless, f"careless.{SIGNED}"))[0]
        self.assertEqual(event["event"], "delivered", event)


class Contents(list):
    """What an exchanger keeps; with the first of it its certificate becomes the domain's."""

    def __init__(self, exchanger, domain):
        super().__init__()
        self.exchanger = exchanger
        self.later = Certificate([f"{domain}.{SIGNED}"], authority())

    def append(self, item):
        super().append(item)
        self.exchanger.certificate = self.later


def send_once(test, domain):
    event = engine.outcomes(send(engine, domain))[0]
    test.assertEqual(event["event"], "delivered", event)


if __name__ == "__main__":
    unittest.main()
