"""The bench tools under TLS, and with AUTH: posthaste-load and posthaste-sink with one another, and
each with programs of others."""

import json
import os
import re
import shutil
import smtplib
import socket
import ssl
import unittest

from bench_test import tool
from exim import Exim
from place import Process, eventually, long_or, place, run
from postfix import Postfix

COUNT = long_or(5000, 200)
NAME = "sink.example"  # of the sink, and of its certificate


class Sink:
    """posthaste-sink at a port that the kernel chose."""

    def __init__(self, case, *options):
        ports = place().path(place().new_name("ports"))
        self.ledger = place().path(place().new_name("ledger"))
        self.certificate = place().path(place().new_name("certificate"))
        if "--starttls" in options or "--tls" in options or "--require-tls" in options:
            options = (*options, "--write-certificate", self.certificate)
        self.process = Process([tool("posthaste-sink"), "127.0.0.1:0", "--ports-file", ports,
                                "--ledger", self.ledger, "--json", *options])
        case.addCleanup(self.process.end)
        eventually(lambda: os.path.exists(ports), lambda: self.process.output)
        with open(ports, encoding="ascii") as file:
            self.port = int(file.read().rsplit(":", 1)[1])
        self.address = f"127.0.0.1:{self.port}"

    def arrived(self):
        with open(self.ledger, encoding="utf-8") as file:
            return sorted(line.split("\t")[:3] for line in file)

    def summary(self):
        """Ends it."""
        self.process.end()
        self.process.reader.join()
        return json.loads(self.process.output[-1])


def load(address, *options):
    """The exit status and the summary."""
    done = run([tool("posthaste-load"), address, "--json", "--give-up", "500ms", *options])
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError:
        return done.returncode, done.stderr.decode()


def trouble(summary):
    return "\n".join(f"{t['at']} {t['code']} {t['text']}" for t in summary["trouble"])


class Together(unittest.TestCase):
    """One with the other."""

    def all_arrives(self, sink, *options):
        ledger = place().path(place().new_name("sent"))
        status, summary = load(sink.address, "--messages", COUNT, "--connections", 4,
                               "--ledger", ledger, *options)
        self.assertEqual(status, 0, summary)
        with open(ledger, encoding="utf-8") as file:
            self.assertEqual(sorted(line.rstrip("\n").split("\t") for line in file),
                             sink.arrived())
        return summary

    def test_every_pace(self):
        for how in ("--starttls", "--tls"):
            for options in (["--window", 1], ["--no-chunking"], ["--window", 16],
                            ["--window", 16, "--size", "1-300k", "--messages", COUNT // 10],
                            ["--no-pipelining"]):
                with self.subTest(how=how, options=options):
                    sink = Sink(self, how)
                    summary = self.all_arrives(sink, how, *options)
                    self.assertEqual(summary["handshakes"], 4)
                    self.assertEqual(summary["latency_us"]["tls"]["count"], 4)
                    kept = sink.summary()
                    self.assertEqual((kept["handshakes"], kept["handshakes_failed"]), (4, 0))

    def test_on_a_long_line(self):
        """Handshakes, too, are as late as everything else."""
        summary = self.all_arrives(Sink(self, "--starttls", "--latency", "50ms"), "--starttls",
                                   "--window", 16)
        self.assertGreater(summary["latency_us"]["tls"]["p50"], 45000)

    def test_sessions_are_resumed_for_who_asks(self):
        for options, wanted in ((["--resume"], COUNT // 20), ([], 0)):
            with self.subTest(options=options):
                sink = Sink(self, "--starttls")
                summary = self.all_arrives(sink, "--starttls", "--messages-per-connection", 10,
                                           *options)
                self.assertGreaterEqual(summary["handshakes_resumed"], wanted)
                self.assertEqual(sink.summary()["handshakes_resumed"],
                                 summary["handshakes_resumed"])
                self.assertTrue(options or summary["handshakes_resumed"] == 0)

    def test_auth(self):
        for how in ([], ["--starttls"], ["--tls"]):
            for wanted in ("me:secret", "any"):
                with self.subTest(how=how, wanted=wanted):
                    sink = Sink(self, *how, "--auth", wanted)
                    summary = self.all_arrives(sink, *how, "--auth", "me:secret")
                    self.assertEqual(summary["latency_us"]["auth"]["count"], 4)
                    self.assertEqual(sink.summary()["logins"], 4)

    def test_wrong_password(self):
        sink = Sink(self, "--starttls", "--auth", "me:secret")
        status, summary = load(sink.address, "--starttls", "--auth", "me:guess")
        self.assertEqual(status, 3, summary)
        self.assertRegex(trouble(summary), "AUTH 535 .*not right")
        self.assertEqual(sink.summary()["logins"], 0)

    def test_mail_without_auth(self):
        sink = Sink(self, "--auth", "any")
        status, summary = load(sink.address, "--messages", 1)
        self.assertEqual(status, 1, summary)
        self.assertRegex(trouble(summary), "MAIL 530 Authentication required")
        sink = Sink(self, "--require-tls")
        status, summary = load(sink.address, "--messages", 1)
        self.assertEqual(status, 1, summary)
        self.assertRegex(trouble(summary), "MAIL 530 .*STARTTLS")


class Trust(unittest.TestCase):
    """Whose certificate is taken."""

    def test_one_that_is_trusted(self):
        sink = Sink(self, "--starttls")
        status, summary = load(sink.address, "--starttls", "--trusted", sink.certificate,
                               "--tls-name", NAME.upper(), "--messages", 10)
        self.assertEqual(status, 0, summary)

    def test_one_that_is_not(self):
        sink, other = Sink(self, "--tls"), Sink(self, "--tls")
        for options in (["--verify"], ["--trusted", other.certificate]):
            with self.subTest(options=options):
                status, summary = load(sink.address, "--tls", *options, "--tls-name", NAME)
                self.assertEqual(status, 3, summary)
                self.assertRegex(trouble(summary), r"(?s)TLS 0 .*certificate.*--trusted FILE")
                self.assertEqual(summary["messages_started"], 0)
        self.assertEqual(sink.summary()["messages"], 0)

    def test_one_for_another_name(self):
        sink = Sink(self, "--starttls")
        status, summary = load(sink.address, "--starttls", "--trusted", sink.certificate,
                               "--tls-name", "other.example")
        self.assertEqual(status, 3, summary)
        self.assertRegex(trouble(summary), r"TLS 0 .*--tls-name NAME")

    def test_what_goes_together(self):
        for options, wanted in ((["--verify"], "go with --starttls or"),
                                (["--tls", "--verify"], "--tls-name"),
                                (["--tls", "--trusted", "/nowhere"], "/nowhere: No such file"),
                                (["--tls", "--trusted", __file__, "--tls-name", "x.example"],
                                 "TLS: "),
                                (["--auth", "me"], "user:password")):
            with self.subTest(options=options):
                status, said = load("127.0.0.1:1", *options)
                self.assertEqual(status, 2)
                self.assertRegex(said, wanted)
        for options, wanted in ((["--key", __file__], "go with --starttls or"),
                                (["--tls", "--key", __file__], "go together"),
                                (["--tls", "--key", __file__, "--certificate", __file__],
                                 "--certificate, --key: "),
                                (["--auth", ":x"], "user:password")):
            with self.subTest(options=options):
                done = run([tool("posthaste-sink"), "127.0.0.1:0", *options])
                self.assertEqual(done.returncode, 2)
                self.assertRegex(done.stderr.decode(), wanted)


class Scripted(unittest.TestCase):
    """A sink that misbehaves, and a load that puts nothing in the clear for it."""

    def fails(self, rule, wanted, *options):
        sink = Sink(self, *(["--starttls"] if rule else []), *(["--reply", rule] if rule else []))
        status, summary = load(sink.address, "--starttls", "--messages", 5, *options)
        self.assertEqual(status, 3, summary)
        self.assertRegex(trouble(summary), wanted)
        self.assertEqual(sink.summary()["messages"], 0)

    def test_not_offered(self):
        self.fails(None, "STARTTLS 0 STARTTLS is not offered")

    def test_refused(self):
        self.fails("STARTTLS 454 4.7.0 not now", "STARTTLS 454 .*not now")
        self.fails("STARTTLS 502 5.5.1 never", "STARTTLS 502 .*never")

    def test_injected(self):
        self.fails("STARTTLS inject 250 2.0.0 injected", "STARTTLS 0 plaintext after STARTTLS")

    def test_broken_off(self):
        self.fails("TLS disconnect", "TLS 0 closed by the server")
        self.fails("STARTTLS disconnect", "closed by the server")
        self.fails("TLS tear", "TLS 0 closed by the server")
        self.fails("EHLO tear", "closed by the server")

    def test_silent(self):
        self.fails("TLS silence", "TLS 0 no reply in time", "--timeout", "300ms")
        self.fails("STARTTLS delay 1h", "no reply in time", "--timeout", "300ms")

    def test_now_and_then(self):
        """Who comes again gets through."""
        sink = Sink(self, "--starttls", "--reply", "STARTTLS 30% 454 4.7.0 not now", "--reply",
                    "TLS 30% disconnect")
        status, summary = load(sink.address, "--starttls", "--messages", COUNT, "--connections", 8,
                               "--messages-per-connection", 10, "--give-up", "10s")
        self.assertEqual(status, 0, summary)
        self.assertEqual(summary["messages_accepted"], COUNT)
        self.assertGreater(sink.summary()["handshakes_failed"], 0)


class LoadToOthers(unittest.TestCase):
    """posthaste-load to the servers of others."""

    @staticmethod
    def certificate():
        """The paths of a certificate and a key for mail.example."""
        paths = [place().path(place().new_name(stem)) for stem in ("certificate", "key")]
        done = run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=mail.example", "-addext",
                    "subjectAltName=DNS:mail.example", "-days", 2, "-out", paths[0], "-keyout",
                    paths[1]])
        assert done.returncode == 0, done.stderr
        os.chmod(paths[1], 0o644)
        return paths

    def arrives(self, server, certificate, *options):
        self.addCleanup(server.close)
        address = f"{place().address(server.number)}:{place().port}"
        status, summary = load(address, "--starttls", "--trusted", certificate, "--tls-name",
                               "mail.example", "--messages", COUNT, "--connections", 4, *options)
        self.assertEqual(status, 0, summary)
        self.assertEqual(summary["messages_accepted"], COUNT)
        self.assertEqual(summary["handshakes"], summary["handshakes_tls13"])
        return summary

    def test_to_postfix(self):
        certificate, key = self.certificate()
        server = Postfix(f"smtpd_tls_security_level = encrypt\nsmtpd_tls_cert_file = {certificate}\n"
                         f"smtpd_tls_key_file = {key}")
        self.arrives(server, certificate, "--window", 8)

    def test_to_exim(self):
        certificate, key = self.certificate()
        server = Exim(tls=f"tls_advertise_hosts = *\ntls_certificate = {certificate}\n"
                      f"tls_privatekey = {key}")
        self.arrives(server, certificate, "--window", 8)


class OthersToSink(unittest.TestCase):
    """The clients of others to posthaste-sink."""

    content = "Subject: x\r\nMessage-ID: <x@y.example>\r\n\r\n.\r\nbody\r\n"

    def test_openssl(self):
        for how in ("--starttls", "--tls"):
            sink = Sink(self, how)
            for version in ("-tls1_2", "-tls1_3"):
                with self.subTest(how=how, version=version):
                    done = run(["openssl", "s_client", "-connect", sink.address, version,
                                "-CAfile", sink.certificate, "-verify_hostname", NAME, "-crlf",
                                "-verify_return_error", "-ign_eof",
                                *(["-starttls", "smtp"] if how == "--starttls" else [])],
                               b"EHLO client.example\nQUIT\n")
                    self.assertIn(b"Verify return code: 0 (ok)", done.stdout)
                    self.assertIn(b"221 2.0.0", done.stdout)
            kept = sink.summary()
            self.assertEqual((kept["handshakes"], kept["handshakes_tls13"]), (2, 1))

    def test_openssl_knows_no_older_version(self):
        sink = Sink(self, "--tls")
        for version in ("-tls1", "-tls1_1"):
            done = run(["openssl", "s_client", "-connect", sink.address, version, "-cipher",
                        "DEFAULT:@SECLEVEL=0"])
            self.assertNotEqual(done.returncode, 0)
        kept = sink.summary()
        self.assertEqual((kept["handshakes"], kept["handshakes_failed"]), (0, 2))

    def swaks(self, sink, *options):
        return run(["swaks", "--server", "127.0.0.1", "--port", sink.port, "--from",
                    "a@client.example", "--to", "b@sink.example", *options])

    @unittest.skipUnless(shutil.which("swaks"), "swaks is missing")
    def test_swaks(self):
        for how, option in (("--starttls", "--tls"), ("--tls", "--tls-on-connect")):
            sink = Sink(self, how, "--auth", "me:secret")
            for method in ("PLAIN", "LOGIN"):
                with self.subTest(how=how, method=method):
                    done = self.swaks(sink, option, "--auth", method, "--auth-user", "me",
                                      "--auth-password", "secret")
                    self.assertEqual(done.returncode, 0, done.stdout.decode())
            done = self.swaks(sink, option, "--auth", "PLAIN", "--auth-user", "me",
                              "--auth-password", "guess")
            self.assertIn(b"535 5.7.8", done.stdout)
            kept = sink.summary()
            self.assertEqual((kept["messages"], kept["logins"]), (2, 2))
            self.assertGreater(kept["logins_refused"], 0)

    def test_smtplib(self):
        sink = Sink(self, "--starttls", "--auth", "me:secret")
        context = ssl.create_default_context(cafile=sink.certificate)
        context.check_hostname = False  # it connects to an address
        with smtplib.SMTP("127.0.0.1", sink.port, timeout=30) as client:
            client.ehlo()
            self.assertNotIn("auth", client.esmtp_features)
            client.starttls(context=context)
            client.ehlo()
            self.assertNotIn("starttls", client.esmtp_features)
            self.assertEqual(client.docmd("MAIL FROM:<a@b.example>")[0], 530)
            client.login("me", "secret")
            client.sendmail("a@b.example", ["c@sink.example"], self.content)
        self.assertEqual(sink.summary()["messages"], 1)

    def test_what_comes_behind_starttls(self):
        """In the clear, in one segment with it: it is not obeyed (CVE-2011-0411)."""
        sink = Sink(self, "--starttls")
        with socket.create_connection(("127.0.0.1", sink.port), timeout=30) as client:
            file = client.makefile("rb")
            file.readline()
            client.sendall(b"EHLO x\r\n")
            while not re.match(b"250 ", file.readline()):
                pass
            client.sendall(b"STARTTLS\r\nRSET\r\n")
            self.assertLessEqual(len(file.read().splitlines()), 1)  # the 220, and the end
        self.assertEqual(sink.summary()["handshakes"], 0)


if __name__ == "__main__":
    unittest.main()
