"""What is asked of TLS, against every way in which TLS fails: tests/tls_table.txt, with the real
engine, a signed zone behind a validating resolver, policies by HTTPS, and a capture of each
connection's bytes."""

import os
import unittest

import signed_dns
from certificates import Certificate, authority, stranger
from client import Client
from engine import Engine
from place import place
from policy_server import PolicyServer, policy
from tls_exchanger import TlsExchanger

TABLE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tls_table.txt")
FEWEST_CASES = 120
FIRST_NUMBER = 600
POLICY_SERVER = 2
LEVELS = {"none": "none", "may": "may", "encrypt": "encrypt", "verify": "verify", "dane": "dane",
          "ta": "dane", "other": "dane", "unusable": "dane", "nodane": "dane",
          "only": "dane-only", "sts": "may", "testing": "may"}
TLS_TIMEOUT_S = 6  # all handshakes are made at once, and one process answers them
MARK = b"what nobody else may read"


def read_table():
    """The columns, and (fault, {column: outcome}) of each row."""
    columns, rows = [], []
    with open(TABLE, encoding="ascii") as file:
        for line in file:
            words = line.split("#")[0].split()
            if words[:1] == ["columns"]:
                columns = words[1:]
            elif words:
                rows.append((words[0], dict(zip(columns, words[1:]))))
                assert len(words) > len(columns) + 1, line
    return columns, rows


def certificate_for(fault, host):
    parent = host.split(".", 1)[1]
    return {
        "wrong-name": lambda: Certificate(["somebody.else.example"], authority()),
        "expired": lambda: Certificate([host], authority(), days=(-9, -1)),
        "not-yet-valid": lambda: Certificate([host], authority(), days=(5, 9)),
        "self-signed": lambda: Certificate([host]),
        "other-authority": lambda: Certificate([host], stranger()),
        "wildcard": lambda: Certificate([f"*.{parent}"], authority()),
    }.get(fault, lambda: Certificate([host], authority()))()


class Case:
    """One cell: a domain with an exchanger of its own."""

    def __init__(self, fault, column, want, number):
        self.fault, self.column, self.want, self.number = fault, column, want, number
        self.label = f"c{number}"
        self.domain = f"{self.label}.{signed_dns.SIGNED}"
        self.host = f"mx.{self.domain}"
        self.certificate = certificate_for(fault, self.host)
        self.exchanger = TlsExchanger(number, fault, self.certificate)

    def tlsa(self):
        return {"dane": self.certificate.tlsa, "ta": lambda: authority().tlsa(2, 0, 1),
                "other": lambda: Certificate([self.host]).tlsa(),
                "unusable": lambda: self.certificate.tlsa(1, 1, 1)}.get(self.column)

    def zone(self, policies):
        lines = [f"{self.label} MX 10 mx.{self.label}",
                 f"mx.{self.label} A {place().address(self.number)}"]
        if self.tlsa():
            lines.append(f"_{place().port}._tcp.mx.{self.label} {self.tlsa()()}")
        if self.has_policy():
            lines += [f'_mta-sts.{self.label} TXT "v=STSv1; id=1;"',
                      f"mta-sts.{self.label} A {policies}"]
        return lines

    def section(self):
        """What the engine is told of it. By implicit TLS nothing goes without a route."""
        level = LEVELS[self.column]
        if not self.fault.startswith("implicit"):
            return f'domain "{self.domain}" {{ tls = "{level}" }}'
        return (f'route "{self.label}" {{ host = "{self.host}:{place().port}" tls-implicit = yes '
                f'tls = "{level}" }}\ndomain "{self.domain}" {{ via = "{self.label}" }}')

    def has_policy(self):
        return self.column in ("sts", "testing")

    def got(self, event):
        """As a letter of the table."""
        wire = self.exchanger.wire()
        seen = b"".join(bytes(connection) for connection in self.exchanger.seen)
        sealed = b"\x17\x03\x03" in seen  # a record with application data
        if event["event"] == "delivered":
            was_sealed, content = self.exchanger.contents[-1]
            assert MARK in content
            assert was_sealed == (MARK not in seen), "what the capture holds"
            assert wire == ("sealed" if was_sealed else "clear"), wire
            assert sealed or not was_sealed
            return "s" if was_sealed else "c"
        assert MARK not in seen
        if event["event"] == "failed":
            return "f"
        return "d" if wire == "nothing" else f"deferred, and {wire} on the wire"


def setUpModule():
    global cases, engine
    columns, rows = read_table()
    cells = [(fault, column, row[column]) for fault, row in rows for column in columns]
    cases = [Case(*cell, FIRST_NUMBER + i) for i, cell in enumerate(cells)]
    hosts = [f"mta-sts.{case.domain}" for case in cases if case.has_policy()]
    policies = PolicyServer(POLICY_SERVER, Certificate(hosts, authority()))
    unittest.addModuleCleanup(policies.close)
    policies.answers = {case.domain: policy("enforce" if case.column == "sts" else "testing",
                                            [case.host]) for case in cases}
    zone = [line for case in cases for line in case.zone(policies.address)]
    sections = "\n".join(case.section() for case in cases)
    trusted = authority().authority_file()
    engine = Engine(resolver=signed_dns.resolver(zone, []), domain="retry-first = 1h",
                    delivery=f"tls-timeout = {TLS_TIMEOUT_S}s", more=f"""
resolver {{ trusted = yes }}
tls {{ trusted = "{trusted}" }}
mta-sts {{ use = yes  port = {policies.port} }}
{sections}
""")
    unittest.addModuleCleanup(engine.end)
    for case in cases:
        unittest.addModuleCleanup(case.exchanger.close)


class Table(unittest.TestCase):
    def test_each_case(self):
        self.assertGreaterEqual(len(cases), FEWEST_CASES)
        with Client(engine.unix) as client:
            sent = [client.submit("a@client.example", [f"x@{case.domain}"],
                                  b"Subject: x\r\n\r\n" + MARK + b"\r\n") for case in cases]
        for case, message_id in zip(cases, sent):
            with self.subTest(f"{case.fault} {case.column}"):
                event = engine.outcomes(message_id, seconds=60)[0]
                self.assertEqual(case.got(event), case.want, event)


if __name__ == "__main__":
    unittest.main()
