"""TLS on the way out: by STARTTLS and from the first byte on, at each level, with what the other
side may do wrong; and AUTH to smarthosts."""

import json
import os
import socket
import threading
import time
import unittest

from client import Client
from engine import PROGRAM, Engine
from exchanger import QUIET, Exchanger
from exim import Exim
from messages import harm, made
from place import IS_ROOT, NOBODY, eventually, place, run
from postfix import Postfix
from tls import Authority, TlsExchanger, authority, server_context

SENDER = "sender@client.example"
CONTENT = b"Subject: x\r\n\r\nx\r\n"
QUICK = "retry-first = 1s  retry-max = 1s"


class WithEngine(unittest.TestCase):
    def engine(self, more="", **settings):
        engine = Engine(more=f'{more}\ntls {{ trusted = "{authority().path}" }}', **settings)
        self.addCleanup(engine.end)
        return engine

    def exchanger(self, script=None, kind=TlsExchanger, **options):
        exchanger = kind(script, **options)
        self.addCleanup(exchanger.close)
        return exchanger

    def send(self, engine, rcpt, count=1):
        with Client(engine.unix) as client:
            return engine.outcomes(client.submit(SENDER, [rcpt], CONTENT), count)

    def deferred(self, engine, server, enhanced, words):
        """Nothing of it is said to that server; why, in words."""
        event, = self.send(engine, f"a@{server.domain}")
        self.assertEqual((event["event"], event["enhanced"]), ("deferred", enhanced), event)
        self.assertIn(words, event["text"])
        self.assertEqual(server.transactions, [])
        self.assertFalse([c for c in server.commands if c.startswith("MAIL")], server.commands)
        return event

    def delivered(self, engine, server):
        event = self.send(engine, f"a@{server.domain}")[-1]
        self.assertEqual(event["event"], "delivered", event)
        versions = getattr(server, "versions", None) or ["none"]
        self.assertEqual(event["tls"], versions[-1], event)
        self.assertEqual("cipher" in event, versions != ["none"], event)
        return event


class Levels(WithEngine):
    def test_may(self):
        engine = self.engine()
        server = self.exchanger()
        self.delivered(engine, server)
        self.assertEqual(server.versions, ["TLSv1.3"])
        self.assertEqual(server.names, [server.host])
        self.assertEqual([word.split(" ")[0] for word in server.heard_in_clear],
                         ["EHLO", "STARTTLS"])
        plain = self.exchanger(kind=Exchanger)
        self.delivered(engine, plain)
        strange = self.exchanger(context=server_context("other.example", Authority("nobody's")))
        self.delivered(engine, strange)
        self.assertEqual(strange.versions, ["TLSv1.3"])

    def test_none(self):
        server = self.exchanger()
        self.delivered(self.engine(domain='tls = "none"'), server)
        self.assertEqual(server.versions, [])

    def test_encrypt(self):
        engine = self.engine(domain='tls = "encrypt"')
        strange = self.exchanger(context=server_context("other.example", Authority("nobody's")))
        self.delivered(engine, strange)
        self.assertEqual(strange.versions, ["TLSv1.3"])
        self.deferred(engine, self.exchanger(kind=Exchanger), "4.7.4", "not offered")
        self.deferred(engine, self.exchanger({"STARTTLS": b"454 4.7.0 not now\r\n"}), "4.7.4",
                      "not now")
        self.deferred(engine, self.exchanger(breaks=True), "4.7.5", "handshake")

    def test_verify(self):
        engine = self.engine(domain='tls = "verify"')
        good = self.exchanger()
        self.delivered(engine, good)
        for name, options, words in (("other.example", {}, "ostname mismatch"),
                                     (None, {"signer": Authority("nobody's")}, "certificate"),
                                     (None, {"expired": True}, "expired")):
            with self.subTest(words):
                number = next(Exchanger.numbers)
                context = server_context(name or f"mx{number}.example", **options)
                server = self.exchanger(context=context, number=number)
                self.deferred(engine, server, "4.7.5", words)
        self.deferred(engine, self.exchanger(kind=Exchanger), "4.7.4", "not offered")

    def test_tls_1_2(self):
        import ssl
        number = next(Exchanger.numbers)
        context = server_context(f"mx{number}.example")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        server = self.exchanger(context=context, number=number)
        self.delivered(self.engine(domain='tls = "verify"'), server)
        self.assertEqual(server.versions, ["TLSv1.2"])


class Falling(WithEngine):
    """Back to plain text: `may` alone, and only after a failed handshake."""

    def test_broken_handshake(self):
        server = self.exchanger(breaks=True)
        engine = self.engine(domain="messages-per-connection = 1")
        self.delivered(engine, server)
        self.assertEqual(server.connection_count, 2)
        self.assertIn("in the clear", engine.log())
        self.delivered(engine, server)
        self.assertEqual(server.connection_count, 3)  # it is remembered

    def test_starttls_refused(self):
        server = self.exchanger({"STARTTLS": b"454 4.7.0 not now\r\n"})
        self.delivered(self.engine(), server)
        self.assertEqual(server.connection_count, 2)

    def test_hangs_up(self):
        from exchanger import CLOSE
        server = self.exchanger({"STARTTLS": (b"220 go\r\n", CLOSE)})
        self.delivered(self.engine(), server)
        self.assertEqual(server.connection_count, 2)

    def test_silence(self):
        """As good as a failure, once the time is over."""
        for words, action in (("TLS is refused: no answer in time", QUIET),
                              ("TLS handshake failed: no answer in time", (b"220 go\r\n", QUIET))):
            with self.subTest(words):
                server = self.exchanger({"STARTTLS": action})
                strict = f"strict.{server.domain}"
                engine = self.engine(f'domain "{strict}" {{ tls = "encrypt" }}',
                                     delivery="tls-timeout = 500ms")
                event, = self.send(engine, f"a@{strict}")
                self.assertEqual((event["event"], event["text"]), ("deferred", words), event)
                self.assertEqual(server.transactions, [])
                self.delivered(engine, server)
                self.assertEqual(server.connection_count, 3)
                self.assertIn(f"in the clear for an hour: {words}", engine.log())

    def test_silence_of_implicit_tls(self):
        """There is nothing to fall back to."""
        with socket.create_server((place().address(number := next(Exchanger.numbers)),
                                   place().port)) as server:
            engine = self.engine(f'route "relay" {{ host = "mx{number}.example:{place().port}"\n'
                                 'tls-implicit = yes }\ndomain "routed.example" { via = "relay" }',
                                 delivery="tls-timeout = 500ms")
            event, = self.send(engine, "a@routed.example")
            self.assertEqual((event["event"], event["enhanced"], event["text"]), (
                "deferred", "4.7.5", "TLS handshake failed: no answer in time"), event)
            with server.accept()[0] as connection:
                said = connection.recv(65536)
            self.assertTrue(said.startswith(b"\x16\x03"), said)

    def test_bytes_behind_the_220(self):
        """Whoever put them there wants what comes next: nothing does."""
        server = self.exchanger({"STARTTLS": b"220 go\r\n250 injected\r\n"})
        self.deferred(self.engine(), server, "4.7.5", "in the clear")


class Sites(WithEngine):
    """Domains of one site, with levels of their own."""

    def test_two_domains(self):
        server = self.exchanger(breaks=True)
        strict = f"strict.{server.domain}"
        engine = self.engine(f'domain "{strict}" {{ tls = "encrypt" {QUICK} }}')
        with Client(engine.unix) as client:
            message_id = client.submit(SENDER, [f"a@{server.domain}", f"b@{strict}"], CONTENT)
        events = {event["recipient"]: event for event in engine.outcomes(message_id, 2)}
        self.assertEqual(events[f"a@{server.domain}"]["event"], "delivered", events)
        self.assertEqual(events[f"b@{strict}"]["event"], "deferred", events)
        self.assertEqual(server.rcpts(), [f"RCPT TO:<a@{server.domain}>"])
        server.breaks = False
        last = eventually(lambda: [event for event in engine.events_of(message_id)
                                   if event["recipient"] == f"b@{strict}"
                                   and event["event"] == "delivered"], "the strict one")
        self.assertTrue(last)
        self.assertEqual(len(server.versions), 1)

    def test_limits_are_shared(self):
        """Neither level has more connections than the site may have, and each gets its turn."""
        busy = most = 0  # messages under way

        def content(_session):
            nonlocal busy, most
            busy += 1
            most = max(most, busy)
            time.sleep(0.02)
            busy -= 1
        server = self.exchanger({"content": content})
        strict = f"strict.{server.domain}"
        engine = self.engine(f'domain "{strict}" {{ tls = "verify" }}',
                             domain="connections = 1  messages-per-connection = 5  window = 1")
        with Client(engine.unix) as client:
            ids = [client.submit(SENDER, [f"a{n}@{domain}"], CONTENT)
                   for n in range(40) for domain in (server.domain, strict)]
        for message_id in ids:
            event, = engine.outcomes(message_id)
            self.assertEqual(event["event"], "delivered", event)
        self.assertEqual(most, 1)
        took = [t.rcpts[0].endswith(f"@{strict}>") for t in server.transactions]
        self.assertTrue(any(took[:40]) and not all(took[:40]), took)

    def test_resumption(self):
        server = self.exchanger()
        other = f"other.{server.domain}"
        engine = self.engine(f'domain "{other}" {{ tls = "verify" messages-per-connection = 1 }}',
                             domain="messages-per-connection = 1")
        for _ in range(3):
            self.delivered(engine, server)
        self.assertEqual(server.resumed, [False, True, True])
        self.assertEqual(self.send(engine, f"a@{other}")[-1]["event"], "delivered")
        self.assertEqual(server.resumed[3:], [False])  # another policy's is not taken


class Reloading(WithEngine):
    def reload(self, engine, old, new):
        with open(engine.config, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(old, text)
        with open(engine.config, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new))
        done = run([PROGRAM, "reload", "-c", engine.config])
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_level_of_what_waits(self):
        """What is ready, and could have gone in the clear, no longer goes there."""
        gate = threading.Event()
        server = self.exchanger({"RCPT": lambda _: gate.wait() and None}, kind=Exchanger)
        engine = self.engine(domain='tls = "none" connections = 1 window = 1')
        with Client(engine.unix) as client:
            ids = [client.submit(SENDER, [f"a{n}@{server.domain}"], CONTENT) for n in range(5)]
        eventually(lambda: [c for c in server.commands if c.startswith("RCPT")], "the first one")
        self.reload(engine, 'tls = "none"', 'tls = "encrypt"')
        gate.set()
        events = [engine.outcomes(message_id)[0] for message_id in ids]
        self.assertEqual([event["event"] for event in events], ["delivered"] + ["deferred"] * 4)
        self.assertEqual({event["enhanced"] for event in events[1:]}, {"4.7.4"})
        self.assertEqual({event["category"] for event in events[1:]}, {"auth"})
        self.assertEqual(len(server.transactions), 1)


class Explaining(WithEngine):
    def because(self, engine, domain, reason):
        done = run([PROGRAM, "explain", "-c", engine.config, "--json", domain])
        self.assertEqual(json.loads(done.stdout)["reason"], reason, done.stdout)

    def test_reasons(self):
        engine = self.engine(domain='tls = "verify" retry-first = 5m')
        plain = self.exchanger(kind=Exchanger)
        self.deferred(engine, plain, "4.7.4", "not offered")
        self.because(engine, plain.domain, "tls-refused")
        strange = self.exchanger(context=server_context("other.example"))
        self.deferred(engine, strange, "4.7.5", "ostname mismatch")
        self.because(engine, strange.domain, "tls-unverified")


class Forgotten(WithEngine):
    def test_what_was_offered_in_the_clear(self):
        """SIZE 1 holds no longer; PIPELINING is known from the second EHLO."""
        def ehlo(session):
            if session.under_tls:
                return None
            return b"250-exchanger\r\n250-SIZE 1\r\n250 STARTTLS\r\n"
        server = self.exchanger({"EHLO": ehlo})
        self.delivered(self.engine(), server)
        self.assertEqual(server.commands.count("EHLO mail.example.net"), 2)


class Smarthosts(WithEngine):
    logins = {"engine@example.net": "correct horse"}

    def password(self, text="correct horse\n", mode=0o600):
        path = place().write(place().new_name("password"), text)
        os.chmod(path, mode)
        if IS_ROOT:
            os.chown(path, NOBODY, NOBODY)
        return path

    def relay(self, server, more="", password=None):
        return (f'route "relay" {{ host = "{server.host}:{place().port}" {more}\n'
                f'user = "engine@example.net" password-file = "{password or self.password()}" }}\n'
                'domain "routed.example" { via = "relay" }\n'
                'domain "too.example" { via = "relay" }')

    def test_implicit(self):
        server = self.exchanger(implicit=True)
        engine = self.engine(f'route "relay" {{ host = "{server.host}:{place().port}"\n'
                             'tls-implicit = yes tls = "verify" }\n'
                             'domain "routed.example" { via = "relay" }')
        event, = self.send(engine, "a@routed.example")
        self.assertEqual(event["event"], "delivered", event)
        self.assertEqual((server.versions, server.heard_in_clear), (["TLSv1.3"], []))

    def test_auth(self):
        for mechanisms in ("PLAIN LOGIN", "LOGIN"):
            with self.subTest(mechanisms):
                server = self.exchanger(logins=self.logins, mechanisms=mechanisms)
                engine = self.engine(self.relay(server))
                event, = self.send(engine, "a@routed.example")
                self.assertEqual(event["event"], "delivered", event)
                self.assertEqual([word.split(" ")[0] for word in server.heard_in_clear],
                                 ["EHLO", "STARTTLS"])
                self.assertNotIn("correct horse", engine.log())

    def test_auth_implicit(self):
        server = self.exchanger(logins=self.logins, implicit=True)
        event, = self.send(self.engine(self.relay(server, "tls-implicit = yes")),
                           "a@routed.example")
        self.assertEqual(event["event"], "delivered", event)

    def test_wrong_password(self):
        """One connection finds out for all."""
        server = self.exchanger(logins={"engine@example.net": "another"})
        engine = self.engine(self.relay(server))
        with Client(engine.unix) as client:
            ids = [client.submit(SENDER, [f"a{n}@routed.example"], CONTENT) for n in range(20)]
        for message_id in ids:
            event, = engine.outcomes(message_id)
            self.assertEqual((event["event"], event["code"]), ("deferred", 535), event)
        self.assertLessEqual(server.connection_count, 2)

    def test_only_when_verified(self):
        """No word of it to who cannot prove his name, nor in the clear."""
        for options in ({"context": server_context("other.example")}, {"kind": Exchanger}):
            with self.subTest(options):
                server = self.exchanger(**({} if "kind" in options else {"logins": self.logins}),
                                        **options)
                server.host = f"mx{server.number}.example"
                engine = self.engine(self.relay(server))
                event, = self.send(engine, "a@routed.example")
                self.assertEqual(event["event"], "deferred", event)
                self.assertFalse([c for c in server.commands if c.startswith("AUTH")])

    def test_unverified_when_told(self):
        server = self.exchanger(logins=self.logins, context=server_context("other.example"))
        engine = self.engine(self.relay(server, 'password-needs = "tls"'))
        event, = self.send(engine, "a@routed.example")
        self.assertEqual(event["event"], "delivered", event)

    def test_bad_password_files(self):
        server = self.exchanger()
        for path, words in ((self.password(mode=0o640), "0600"),
                            (place().path("not-there"), "No such file"),
                            (self.password("\n"), "first line")):
            with self.subTest(words):
                with self.assertRaises(AssertionError) as refused:
                    self.engine(self.relay(server, password=path))
                self.assertIn(words, str(refused.exception))


class Real(WithEngine):
    """Servers that people run."""

    def keeps(self, server, level):
        engine = self.engine(f'domain "{server.domain}" {{ tls = "{level}" }}')
        messages = made()
        sent = {}
        with Client(engine.unix) as client:
            for n, message in enumerate(messages * 3):
                rcpt = f"{message.name}-{n}@{server.domain}"
                sent[rcpt] = message, client.submit(SENDER, [rcpt], message.content)
        for _, message_id in sent.values():
            event, = engine.outcomes(message_id)
            self.assertEqual(event["event"], "delivered", event)
        arrived = eventually(lambda: server.arrived() if server.arrived().keys() >= sent.keys()
                             else None, "all of it")
        for rcpt, (message, _) in sent.items():
            self.assertIn(b"TLS", arrived[rcpt].split(b"\r\n\r\n")[0].upper())

    def host_of(self, number):
        return authority().sign(f"mx{number}.example")

    def number_next(self):
        """Of the server that is started next."""
        number = next(Exchanger.numbers)
        Exchanger.numbers = iter(range(number, 1000))
        return number

    def test_postfix(self):
        certificate, key = self.host_of(self.number_next())
        server = Postfix(f"smtpd_tls_security_level = encrypt\nsmtpd_tls_cert_file = {certificate}\n"
                         f"smtpd_tls_key_file = {key}\nsmtpd_tls_received_header = yes\n")
        self.addCleanup(server.close)
        self.keeps(server, "verify")

    def test_exim(self):
        certificate, key = self.host_of(self.number_next())
        server = Exim(tls=f"tls_advertise_hosts = *\ntls_certificate = {certificate}\n"
                          f"tls_privatekey = {key}")
        self.addCleanup(server.close)
        self.keeps(server, "verify")
