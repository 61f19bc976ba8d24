"""The bench tools with programs of others: posthaste-load sends to real servers, posthaste-sink
takes from real clients, and shows by POP3 what it took."""

import hashlib
import os
import poplib
import re
import shutil
import smtplib
import unittest

from engine import PROGRAM
from exim import Exim
from mail_server import Aiosmtpd
from messages import cpython
from place import Process, eventually, long_or, place, run
from postfix import SmtpSink
from packages import postfix_tool

BENCH = os.path.join(os.path.dirname(PROGRAM), "../../bench")


def tool(name):
    path = os.path.join(BENCH, name)
    if not os.access(path, os.X_OK):
        raise unittest.SkipTest(f"{name} is not built")
    return path


class Load(unittest.TestCase):
    count = long_or(5000, 200)

    def load(self, server, *options):
        """Sends, without a single error. The digests of its ledger."""
        self.addCleanup(server.close)
        ledger = place().path(place().new_name("ledger"))
        done = run([tool("posthaste-load"), f"{place().address(server.number)}:{place().port}",
                    "--json", "--ledger", ledger, *options])
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        with open(ledger, encoding="utf-8") as file:
            return [line.rstrip("\n").split("\t")[2] for line in file]

    def generated(self, server, *options):
        digests = self.load(server, "--messages", self.count, "--connections", 4, *options)
        self.assertEqual(len(set(digests)), self.count)
        return digests

    def test_to_smtp_sink(self):
        for options in ([], ["-p"], ["-8"]):
            for window in (1, 8):
                with self.subTest(options=options, window=window):
                    self.generated(SmtpSink(*options), "--window", window)

    def test_to_aiosmtpd(self):
        self.generated(Aiosmtpd())

    def test_to_exim(self):
        """Streamed with BDAT. What Exim stores has the digests of the ledger."""
        server = Exim()
        wanted = set(self.generated(server, "--window", 8))
        eventually(lambda: self.digests(server) >= wanted, lambda: len(self.digests(server)))

    @staticmethod
    def digests(server):
        """Of what is stored, without the fields that Exim has put in front."""
        fields = re.compile(rb"\A((Return-path|Envelope-to|Received):.*\r\n([ \t].*\r\n)*)+")
        return {hashlib.sha256(fields.sub(b"", content)).hexdigest()
                for content in server.contents()}

    def test_real_content(self):
        """CPython's messages as they are."""
        messages = cpython()
        if not messages:
            self.skipTest("libpython3.11-testsuite is missing")
        folder = place().path("content")
        os.mkdir(folder)
        for message in messages:
            place().write(f"content/{message.name}", message.content)
        self.count = len(messages)
        server = Aiosmtpd()
        self.load(server, "--content", folder, "--messages", self.count, "--as-is")
        self.assertEqual({envelope.original_content for envelope in server.envelopes},
                         {message.content for message in messages})


class Sink(unittest.TestCase):
    content = "Subject: x\r\nMessage-ID: <x@y.example>\r\n\r\n.\r\n..dots\r\nGrüße\r\n".encode()
    sender, rcpt = "sender@client.example", "rcpt@sink.example"

    def setUp(self):
        ports = place().path(place().new_name("ports"))
        self.ledger = place().path(place().new_name("ledger"))
        self.process = Process([tool("posthaste-sink"), "127.0.0.1:0", "--ports-file", ports,
                                "--ledger", self.ledger, "--pop3", "127.0.0.1:0"])
        self.addCleanup(self.process.end)
        listeners = eventually(lambda: self.listeners(ports), lambda: self.process.output)
        self.pop3, self.smtp = (int(line.rsplit(":", 1)[1]) for line in listeners)

    @staticmethod
    def listeners(ports):
        """The lines of the file, once it has them: the POP3 door's comes first."""
        if not os.path.exists(ports):
            return None
        with open(ports, encoding="ascii") as file:
            lines = sorted(file.read().splitlines(), reverse=True)
        return lines if len(lines) == 2 and lines[0].startswith("pop3 ") else None

    def runs(self, command, content=b"", **options):
        done = run(command, content, **options)
        self.assertEqual(done.returncode, 0, (done.stdout + done.stderr).decode())
        return done.stdout

    def kept(self):
        """By POP3: every message."""
        box = poplib.POP3("127.0.0.1", self.pop3, timeout=30)
        box.user(self.rcpt)
        box.pass_("x")
        kept = [b"\r\n".join(box.retr(i + 1)[1]) + b"\r\n" for i in range(box.stat()[0])]
        box.quit()
        return kept

    def test_clients(self):
        """Each leaves the same message."""
        file = place().write("sink.eml", self.content.removesuffix(b"\r\n"))
        whole = place().write("whole.eml", self.content)
        clients = {
            "swaks": ["--server", f"127.0.0.1:{self.smtp}", "--from", self.sender, "--to",
                      self.rcpt, "--data", f"@{file}"],
            "curl": ["-sS", f"smtp://127.0.0.1:{self.smtp}/client.example", "--mail-from",
                     self.sender, "--mail-rcpt", self.rcpt, "--upload-file", whole],
            "msmtp": ["--file=/dev/null", "--host=127.0.0.1", f"--port={self.smtp}", "--auth=off",
                      "--tls=off", f"--from={self.sender}", "--set-from-header=off",
                      "--set-date-header=off", "--set-msgid-header=off", self.rcpt],
        }
        for name, options in clients.items():
            if not shutil.which(name):
                self.skipTest(f"{name} is missing")
            self.runs([name, *options], self.content.replace(b"\r\n", b"\n"))
        with smtplib.SMTP("127.0.0.1", self.smtp, "client.example") as client:
            client.sendmail(self.sender, self.rcpt, self.content)
        kept = self.kept()
        self.assertEqual([message.endswith(b"\r\n" + self.content) for message in kept], [True] * 4)
        self.assertEqual(self.runs(["curl", "-sS", f"pop3://127.0.0.1:{self.pop3}/1", "-u",
                                    f"{self.rcpt}:x"]), kept[0])

    def test_smtp_source(self):
        program, environment = postfix_tool("smtp-source")
        count = long_or(20000, 500)
        for options in (["-s", 10], ["-s", 10, "-d"], ["-s", 1, "-r", 3]):
            self.runs([program, *options, "-m", count, "-l", 2000, "-f", self.sender, "-t",
                       self.rcpt, f"inet:127.0.0.1:{self.smtp}"], env=environment)
        self.process.end()
        with open(self.ledger, encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual(len(lines), count * (1 + 1 + 3))


