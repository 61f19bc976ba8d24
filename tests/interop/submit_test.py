"""In: programs that people send mail with. What they hand in is what arrives."""

import re
import shutil
import smtplib
import socket
import unittest
from email.message import EmailMessage

from engine import Engine
from exchanger import Exchanger
from messages import harm, made
from packages import postfix_tool
from place import eventually, long_or, place, run

SENDER = "sender@client.example"
CONTENT = ("From: <sender@client.example>\r\nTo: <x@d.example>\r\nSubject: Grüße\r\n"
           "Date: Sun, 22 Nov 2026 05:24:15 +0000\r\nMessage-ID: <one@client.example>\r\n\r\n"
           "Grüße\r\n.\r\n..\r\n.dot\r\n\r\nEnd\r\n").encode()


def setUpModule():
    global engine
    engine = Engine()
    unittest.addModuleCleanup(engine.end)


def needs(program):
    path = shutil.which(program)
    if not path:
        raise unittest.SkipTest(f"{program} is missing")
    return path


class Submits(unittest.TestCase):
    def setUp(self):
        self.exchanger = Exchanger()
        self.addCleanup(self.exchanger.close)
        self.rcpts = [f"{name}@{self.exchanger.domain}" for name in ("first", "second+tag")]

    def runs(self, command, content=b"", **options):
        done = run(command, content, **options)
        self.assertEqual(done.returncode, 0, (done.stdout + done.stderr).decode())
        return done.stdout.decode()

    def arrives(self, content=CONTENT, sender=SENDER):
        """One message, in one transaction, unharmed, with its events."""
        got, = eventually(lambda: self.exchanger.transactions, "a transaction")
        self.assertEqual(got.rcpts, [f"RCPT TO:<{rcpt}>" for rcpt in self.rcpts])
        self.assertEqual(got.mail.split(" SIZE=")[0].split(" BODY=")[0], f"MAIL FROM:<{sender}>")
        self.assertIsNone(harm(content, got.content))
        self.assertEqual(self.exchanger.faults, [])
        mine = eventually(lambda: [e for e in engine.events() if e.get("recipient") in self.rcpts],
                          "events")
        self.assertEqual([(e["event"], e["attempt"]) for e in mine], [("delivered", 1)] * 2)
        return got.content.decode()


class Swaks(Submits):
    def swaks(self, *options):
        message = place().write("swaks.eml", CONTENT.removesuffix(b"\r\n"))  # it adds one
        output = self.runs([needs("swaks"), "--data", f"@{message}", "--from", SENDER, "--to",
                            ",".join(self.rcpts), *options])
        self.assertRegex(output, r"250 2\.0\.0 Ok: queued as \w+")
        return self.arrives()

    def test_tcp(self):
        self.assertIn("([127.0.0.1])", self.swaks("--server", engine.tcp[0], "--port",
                                                  engine.tcp[1]))

    def test_unix_socket(self):
        self.assertIn("(local)", self.swaks("--socket", engine.unix))

    def test_pipelining(self):
        self.swaks("--socket", engine.unix, "--pipeline")

    def test_helo(self):
        self.assertRegex(self.swaks("--socket", engine.unix, "--protocol", "SMTP"), r"with SMTP\s")


class Msmtp(Submits):
    def msmtp(self, *options):
        self.runs([needs("msmtp"), "--file=/dev/null", "--auth=off", "--tls=off", "--timeout=20",
                   f"--from={SENDER}", "--set-from-header=off", "--set-date-header=off",
                   "--set-msgid-header=off", *options, "--", *self.rcpts],
                  CONTENT.replace(b"\r\n", b"\n"))
        self.arrives()

    def test_tcp(self):
        self.msmtp(f"--host={engine.tcp[0]}", f"--port={engine.tcp[1]}")

    def test_unix_socket(self):
        self.msmtp(f"--socket={engine.unix}", "--host=localhost")

    def test_dsn_parameters(self):
        """Taken, kept, and passed on to a server that knows them."""
        self.exchanger.offers += ("DSN",)
        self.msmtp(f"--host={engine.tcp[0]}", f"--port={engine.tcp[1]}",
                   "--dsn-notify=failure,delay", "--dsn-return=headers")

    def arrives(self, content=CONTENT, sender=SENDER):
        if "DSN" not in self.exchanger.offers:
            return super().arrives(content, sender)
        got, = eventually(lambda: self.exchanger.transactions, "a transaction")
        self.assertRegex(got.mail, " RET=HDRS")
        for rcpt, line in zip(self.rcpts, got.rcpts):
            self.assertTrue(line.startswith(f"RCPT TO:<{rcpt}> "), line)
            self.assertRegex(line, "(?i) NOTIFY=(FAILURE,DELAY|DELAY,FAILURE)")
        return self.assertIsNone(harm(content, got.content))


class Curl(Submits):
    def curl(self, *options):
        message = place().write("curl.eml", CONTENT)
        rcpts = [word for rcpt in self.rcpts for word in ("--mail-rcpt", rcpt)]
        self.runs([needs("curl"), "--silent", "--show-error", "--max-time", 20, "--mail-from",
                   SENDER, *rcpts, "--upload-file", message, *options])
        self.arrives()

    def test_tcp(self):
        self.curl(f"smtp://{engine.tcp[0]}:{engine.tcp[1]}/client.example")

    def test_unix_socket(self):
        self.curl("--unix-socket", engine.unix, "smtp://localhost/client.example")

    def test_verify(self):
        """curl's VRFY and HELP, as its users type them."""
        needs("curl")
        server = f"smtp://{engine.tcp[0]}:{engine.tcp[1]}"
        self.assertIn("252", self.runs(["curl", "-sv", "--mail-rcpt", "who", "--stderr", "-",
                                        server]))
        self.assertIn("214", self.runs(["curl", "-sv", "-X", "HELP", "--stderr", "-", server]))


class UnixSmtp(smtplib.SMTP):
    """smtplib over a unix socket."""

    def _get_socket(self, host, _port, _timeout):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(host)
        return connection


class Smtplib(Submits):
    def both(self):
        """A client by TCP, then one by the unix socket."""
        for opens in (lambda: smtplib.SMTP(*engine.tcp, local_hostname="client.example"),
                      lambda: UnixSmtp(engine.unix, 25, local_hostname="client.example")):
            with opens() as client:
                yield client
            self.exchanger.transactions.clear()
            engine.forget_events()

    def test_sendmail(self):
        for client in self.both():
            self.assertEqual(client.sendmail(SENDER, self.rcpts, CONTENT), {})
            self.arrives()

    def test_send_message(self):
        """An EmailMessage with an attachment, as the library writes it."""
        message = EmailMessage()
        message["From"], message["To"] = SENDER, ", ".join(self.rcpts)
        message["Subject"] = "Grüße"
        message.set_content("Grüße\n.\n")
        message.add_attachment(bytes(range(256)) * 100, maintype="application", subtype="x-all")
        sent = re.sub(rb"\r?\n", b"\r\n", message.as_bytes())
        for client in self.both():
            self.assertEqual(client.send_message(message), {})
            self.arrives(sent)

    def test_many_on_one_connection(self):
        with smtplib.SMTP(*engine.tcp, local_hostname="client.example") as client:
            for message in made():
                client.sendmail(SENDER, self.rcpts, message.content)
        eventually(lambda: len(self.exchanger.transactions) == len(made()), "all of them")

    def test_what_it_is_refused(self):
        """Its exceptions carry the codes that we said."""
        with smtplib.SMTP(*engine.tcp, local_hostname="client.example") as client:
            with self.assertRaises(smtplib.SMTPDataError) as caught:
                client.ehlo()
                client.mail(SENDER)
                client.rcpt(self.rcpts[0])
                client.putcmd("DATA")
                client.getreply()
                client.send(b"Subject: x\r\n\r\nbare\nLF\r\n.\r\n")
                raise smtplib.SMTPDataError(*client.getreply())
            self.assertEqual(caught.exception.smtp_code, 550)
            with self.assertRaises(smtplib.SMTPRecipientsRefused) as caught:
                client.sendmail(SENDER, ["not an address"], CONTENT)
            self.assertEqual(caught.exception.recipients["not an address"][0], 501)


class SmtpSource(Submits):
    """Postfix's: many sessions at once."""

    sessions, messages = 20, long_or(20000, 500)

    def source(self, address, *options):
        program, environment = postfix_tool("smtp-source")
        self.runs([program, "-s", self.sessions, "-m", self.messages, "-l", 3000, "-f", SENDER,
                   "-M", "client.example", "-t", self.rcpts[0], *options, address],
                  env=environment, seconds=long_or(600, 60))

    def all_arrive(self, rcpts_each=1):
        got = self.exchanger.transactions
        eventually(lambda: len(got) == self.messages, lambda: f"messages: {len(got)}",
                   long_or(600, 60))
        self.assertEqual({len(t.rcpts) for t in got}, {rcpts_each})
        ids = {re.search(r"\n?\s+id (\w+)[;\s]", t.content.decode())[1] for t in got}
        self.assertEqual(len(ids), self.messages)
        bodies = {t.content.split(b"\r\n\r\n", 1)[1] for t in got}
        self.assertEqual(len(bodies), 1)
        self.assertGreater(len(bodies.pop()), 2500)
        self.assertEqual(self.exchanger.faults, [])

    def test_tcp(self):
        self.source("inet:{}:{}".format(*engine.tcp))
        self.all_arrive()

    def test_unix_socket(self):
        self.source(f"unix:{engine.unix}")
        self.all_arrive()

    def test_a_connection_each(self):
        self.source("inet:{}:{}".format(*engine.tcp), "-d")
        self.all_arrive()

    def test_many_recipients(self):
        self.source(f"unix:{engine.unix}", "-r", "5")
        self.all_arrive(rcpts_each=5)
