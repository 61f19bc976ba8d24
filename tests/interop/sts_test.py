"""MTA-STS (RFC 8461): policies by HTTPS, well and badly served, and what becomes of the mail; and
what TLS-RPT (RFC 8460) tells of it."""

import json
import os
import subprocess
import time
import unittest

import policy_server
import signed_dns
from certificates import Certificate, authority, stranger
from client import Client
from engine import PROGRAM, Engine
from place import eventually, place
from policy_server import PolicyServer, policy
from tls_exchanger import TlsExchanger

ZONE = signed_dns.PLAIN
POLICY_SERVER = 2
NUMBERS = iter(range(500, 600))
SEALED, CLEAR = "sealed", "clear"
FETCH_S_MAX = 10  # dns/sts_fetch.h


class Domain:
    """NAME.ZONE with one exchanger, and a policy.

    `fault`, `certificate`: of the exchanger. `answer`: what the web server says. `want`: SEALED,
    CLEAR or an enhanced code."""

    def __init__(self, name, want, answer=None, fault="not-offered", certificate=None,
                 record="v=STSv1; id=1;", zone=ZONE, tlsa=None, level="may", has_host=True,
                 web_certificate=None):
        self.name, self.want, self.answer, self.record = name, want, answer, record
        self.zone, self.tlsa, self.level, self.has_host = zone, tlsa, level, has_host
        self.domain = f"{name}.{zone}"
        self.mx = f"mx.{self.domain}"
        self.web_certificate = web_certificate
        self.number = next(NUMBERS)
        self.certificate = certificate or Certificate([self.mx], authority())
        self.exchanger = TlsExchanger(self.number, fault, self.certificate)

    def lines(self, web):
        lines = [f"{self.name} MX 10 mx.{self.name}",
                 f"mx.{self.name} A {place().address(self.number)}"]
        if self.record:
            lines.append(f'_mta-sts.{self.name} TXT "{self.record}"')
        if self.has_host:
            lines.append(f"mta-sts.{self.name} A {web}")
        if self.tlsa:
            lines.append(f"_{place().port}._tcp.mx.{self.name} {self.tlsa}")
        return lines

    def enforced(self, **options):
        return policy(mx=[self.mx], **options)


def make_domains():
    made = []

    def one(name, want, answer="enforced", **options):
        domain = Domain(name, want, **options)
        domain.answer = domain.enforced() if answer == "enforced" else answer
        made.append(domain)
        return domain

    def wrong(name):
        return Certificate([f"x.{name}.example"], authority())

    # A policy that is well served, and exchangers of all kinds.
    one("good", SEALED, fault="good")
    one("star", SEALED, policy(mx=[f"*.star.{ZONE}"]), fault="good")
    one("no-tls", "4.7.4")
    one("other-name", "4.7.5", fault="good", certificate=wrong("other-name"))
    one("untrusted", "4.7.5", fault="good",
        certificate=Certificate([f"mx.untrusted.{ZONE}"], stranger()))
    one("not-in-it", "4.7.0", policy(mx=["mx.elsewhere.example"]), fault="good")
    one("star-too-deep", "4.7.0", policy(mx=[f"*.{ZONE}"]), fault="good")
    # Testing, and none: nothing is held back.
    one("testing", CLEAR, policy("testing"))
    one("testing-name", SEALED, policy("testing"), fault="good", certificate=wrong("testing-name"))
    one("mode-none", CLEAR, b"version: STSv1\nmode: none\nmax_age: 86400\n")
    # No record: nobody asks the web server.
    one("no-record", CLEAR, record=None)
    one("bad-record", CLEAR, record="v=STSv1; id=;")
    one("other-version", CLEAR, record="v=STSv2; id=1;")
    # A policy that cannot be had is as none, at first contact (RFC 8461 3.3).
    one("not-there", CLEAR, None)
    one("no-host", CLEAR, has_host=False)
    one("redirect", CLEAR, policy_server.redirects_to("https://elsewhere.example/policy"))
    one("wrong-type", CLEAR, policy_server.of_type("text/html", policy(mx=["mx.wrong-type"])))
    one("no-type", CLEAR, policy_server.of_type(None, policy()))
    one("type-with-words", "4.7.4", policy_server.of_type(
        "text/plain; charset=utf-8", policy(mx=[f"mx.type-with-words.{ZONE}"])))
    one("huge", CLEAR, policy(mx=[f"mx.huge.{ZONE}"]) + b"x: y\r\n" * 20000)
    one("empty", CLEAR, b"")
    one("html", CLEAR, b"<html><body>welcome</body></html>")
    one("no-mx", CLEAR, b"version: STSv1\nmode: enforce\nmax_age: 86400\n")
    one("server-error", CLEAR, lambda request: request.reply(500, policy()))
    one("web-expired", CLEAR, web_certificate=lambda host: Certificate([host], authority(),
                                                                       days=(-9, -1)))
    one("web-other-name", CLEAR, web_certificate=lambda host: Certificate(["x.example"],
                                                                          authority()))
    one("web-stranger", CLEAR, web_certificate=lambda host: Certificate([host], stranger()))
    one("slow", CLEAR, policy_server.slowly(3 * FETCH_S_MAX))
    # DANE wins (RFC 8461 2), in both directions.
    dane = Domain("dane-wins", SEALED, fault="good", zone=signed_dns.SIGNED, level="dane",
                  certificate=Certificate(["x.example"], stranger()))
    dane.tlsa, dane.answer = dane.certificate.tlsa(), policy(mx=["mx.elsewhere.example"])
    made.append(dane)
    dane = Domain("dane-fails", "4.7.5", fault="good", zone=signed_dns.SIGNED, level="dane",
                  tlsa=Certificate(["x.example"]).tlsa())
    dane.answer = dane.enforced()
    made.append(dane)
    none = Domain("dane-none", "4.7.4", zone=signed_dns.SIGNED, level="dane")
    none.answer = none.enforced()
    made.append(none)
    return made


def setUpModule():
    global domains, engine, web, settings
    domains = {domain.name: domain for domain in make_domains()}
    domains |= {name: Domain(name, None) for name in ("changes", "keeps", "restarts")}
    hosts = [f"mta-sts.{domain.domain}" for domain in domains.values()]
    web = PolicyServer(POLICY_SERVER, Certificate(hosts, authority()))
    unittest.addModuleCleanup(web.close)
    lines = {ZONE: [], signed_dns.SIGNED: []}
    for domain in domains.values():
        web.answers[domain.domain] = domain.answer
        if domain.web_certificate:
            host = f"mta-sts.{domain.domain}"
            web.certificates[host] = domain.web_certificate(host)
        lines[domain.zone] += domain.lines(web.address)
        unittest.addModuleCleanup(domain.exchanger.close)
    levels = "\n".join(f'domain "{domain.domain}" {{ tls = "{domain.level}" }}'
                       for domain in domains.values())
    settings = dict(resolver=signed_dns.resolver(lines[signed_dns.SIGNED], lines[ZONE]),
                    domain="retry-first = 2s  retry-max = 2s", more=f"""
resolver {{ trusted = yes }}
tls {{ trusted = "{authority().authority_file()}" }}
mta-sts {{ use = yes  port = {web.port} }}
{levels}
""")
    engine = Engine(**settings)
    unittest.addModuleCleanup(engine.end)


def send(to, domain):
    with Client(to.unix) as client:
        return client.submit("a@client.example", [f"x@{domain}"], b"Subject: x\r\n\r\nx\r\n")


def first(to, domain, seconds=60):
    return to.outcomes(send(to, domain), seconds=seconds)[0]


class Policies(unittest.TestCase):
    def test_each(self):
        wanted = sorted((domain for domain in domains.values() if domain.want),
                        key=lambda domain: domain.name == "slow")
        began = time.monotonic()
        sent = [send(engine, domain.domain) for domain in wanted]
        for domain, message_id in zip(wanted, sent):
            with self.subTest(domain.name):
                event = engine.outcomes(message_id, seconds=60)[0]
                if domain.want in (SEALED, CLEAR):
                    self.assertEqual(event["event"], "delivered", event)
                    self.assertEqual(domain.exchanger.wire(), domain.want)
                else:
                    self.assertEqual((event["event"], event["enhanced"]),
                                     ("deferred", domain.want), event)
                    self.assertEqual(domain.exchanger.wire(), "nothing")
                if domain.name != "slow":
                    self.assertLess(time.monotonic() - began, FETCH_S_MAX,
                                    "it waited for another domain's web server")
        for name in ("no-record", "bad-record", "other-version", "no-host"):
            self.assertNotIn(domains[name].domain, web.asked)
        self.reports_tell()

    def reports_tell(self):
        reports = {report["policies"][0]["policy"]["policy-domain"]: report
                   for report in tls_report(engine, "today")}

        def tells(name, kind, good, failed, result=None):
            policies = [row for row in reports[domains[name].domain]["policies"]
                        if row["policy"]["policy-type"] == kind]
            self.assertEqual(len(policies), 1, (name, reports[domains[name].domain]))
            summary = policies[0]["summary"]
            self.assertEqual(summary["total-successful-session-count"] >= 1, good, (name, summary))
            self.assertEqual(summary["total-failure-session-count"] >= 1, failed, (name, summary))
            if result:
                self.assertIn(result, [row["result-type"] for row in
                                       policies[0]["failure-details"]], name)

        tells("good", "sts", True, False)
        tells("no-tls", "sts", False, True, "starttls-not-supported")
        tells("other-name", "sts", False, True, "certificate-host-mismatch")
        tells("untrusted", "sts", False, True, "certificate-not-trusted")
        tells("testing", "sts", False, True, "starttls-not-supported")
        tells("testing-name", "sts", False, True, "certificate-host-mismatch")
        tells("not-there", "sts", False, True, "sts-policy-fetch-error")
        tells("web-expired", "sts", False, True, "sts-webpki-invalid")
        tells("html", "sts", False, True, "sts-policy-invalid")
        tells("dane-wins", "tlsa", True, False)
        tells("dane-fails", "tlsa", False, True, "validation-failure")
        tells("no-record", "no-policy-found", False, True, "starttls-not-supported")
        good = reports[domains["good"].domain]
        self.assertEqual(good["organization-name"], "mail.example.net")
        policy_told = good["policies"][0]["policy"]
        self.assertIn("mode: enforce", policy_told["policy-string"])
        self.assertEqual(policy_told["mx-host"], [f"mx.good.{ZONE}"])


def tls_report(of, day):
    said = subprocess.run([PROGRAM, "tls-report", "-c", of.config, day], capture_output=True,
                          check=True)
    return [json.loads(line) for line in said.stdout.splitlines()]


class Kept(unittest.TestCase):
    """What is known of a policy outlives its web server, and the engine."""

    def test_it_survives_a_restart_without_its_web_server(self):
        domain = domains["restarts"]
        web.answers[domain.domain] = domain.enforced()
        other = Engine(**settings)
        self.addCleanup(other.end)
        self.assertEqual(first(other, domain.domain)["enhanced"], "4.7.4")
        file = place().path(f"{other.name}/mta-sts/{domain.domain}")
        self.assertTrue(os.path.exists(file))
        reported = tls_report(other, "today")
        other.stop()
        web.answers[domain.domain] = None
        other.start()
        asked = web.asked.count(domain.domain)
        self.assertEqual(first(other, domain.domain)["enhanced"], "4.7.4")
        self.assertEqual(web.asked.count(domain.domain), asked, "its id is the one that is known")
        again = tls_report(other, "today")
        self.assertGreaterEqual(sum_of_failures(again), sum_of_failures(reported))
        self.assertGreaterEqual(sum_of_failures(reported), 1)

    def test_half_of_its_life_later_it_is_fetched_again(self):
        """With a short life: the policy changes, the mail that was held back goes."""
        domain = domains["changes"]
        web.answers[domain.domain] = domain.enforced(max_age=4)
        other = Engine(**settings)
        self.addCleanup(other.end)
        message_id = send(other, domain.domain)
        self.assertEqual(other.outcomes(message_id)[0]["enhanced"], "4.7.4")
        web.answers[domain.domain] = policy("none")
        eventually(lambda: other.events_of(message_id)[-1]["event"] == "delivered",
                   lambda: other.events_of(message_id))
        self.assertEqual(domain.exchanger.wire(), CLEAR)


def sum_of_failures(reports):
    return sum(row["summary"]["total-failure-session-count"]
               for report in reports for row in report["policies"])


if __name__ == "__main__":
    unittest.main()
