"""`posthaste send`: what it does as a sendmail for programs that know no other, and its exit codes.

Most tests have two ends: the engine between them, and an exchanger that sees every byte. Where the
engine's answer is the question, an exchanger stands in the engine's place.
"""

import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import time
import unittest

from engine import PROGRAM, Engine
from exchanger import CLOSE, Exchanger
from messages import big, harm, made
from packages import unpacked
from place import IS_ROOT, NOBODY, eventually, long_or, place, run

EX_OK, EX_USAGE, EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE = 0, 64, 65, 67, 69
EX_IOERR, EX_TEMPFAIL, EX_CONFIG = 74, 75, 78

HOSTNAME = "mail.example.net"  # of engine.py's configuration
USER = pwd.getpwuid(os.getuid())
NOGROUP = pwd.getpwnam("nobody").pw_gid
SENDER = "sender@client.example"
HEADER = b"From: <sender@client.example>\nSubject: one\n"
CONTENT = HEADER + b"\ntext\n"


def setUpModule():
    global engine
    engine = Engine()
    unittest.addModuleCleanup(engine.end)


def crlf(content):
    return content.replace(b"\n", b"\r\n")


class Sends(unittest.TestCase):
    def setUp(self):
        self.exchanger = Exchanger(offers=("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN"))
        self.addCleanup(self.exchanger.close)
        self.rcpts = [f"{name}@{self.exchanger.domain}" for name in ("first", "second+tag")]

    def send(self, *options, content=CONTENT, want=EX_OK, config=None, **more):
        """Standard error."""
        done = run([PROGRAM, "send", "-C", config or engine.config, *options], content,
                   **{"seconds": 20} | more)
        self.assertEqual(done.returncode, want, (options, done.stderr.decode()))
        self.assertEqual(done.stdout, b"")
        return done.stderr.decode()

    def says(self, pattern, *options, **more):
        self.assertRegex(self.send(*options, **more), pattern)

    def arrived(self, count=1):
        got = eventually(lambda: len(self.exchanger.transactions) >= count and
                         self.exchanger.transactions, f"{count} transactions")
        self.assertEqual((len(got), self.exchanger.faults), (count, []))
        self.exchanger.transactions = []
        return got

    def arrives(self, content=None, sender=SENDER, rcpts=None):
        """One message in one transaction."""
        got, = self.arrived()
        self.assertEqual(got.mail.split(">")[0], f"MAIL FROM:<{sender}")
        self.assertEqual([rcpt.split(">")[0] + ">" for rcpt in got.rcpts],
                         [f"RCPT TO:<{rcpt}>" for rcpt in rcpts or self.rcpts])
        if content is not None:
            self.assertIsNone(harm(content, got.content))
        return got

    def header_of(self, got):
        """Without what the engine puts in front."""
        return re.sub(rb"^Received:.*\r\n(?:\t.*\r\n)*(?:(?:Date|Message-ID):.*\r\n)*", b"",
                      got.content).split(b"\r\n\r\n")[0].decode()


class Options(Sends):
    """All that Postfix's sendmail(1) knows, and how options may be written."""

    def test_each(self):
        for options in ("-Am", "-Ac", "-B 7BIT", "-B 8BITMIME", "-B8BITMIME", "-bm", "-F Name",
                        "-FName", "-G", "-h 17", "-h17", "-i", "-L label", "-m", "-N never",
                        "-N success,delay", "-Nfailure", "-n", "-O DeliveryMode=b", "-o7", "-o8",
                        "-oi", "-o i", "-om", "-odb", "-oem", "-R hdrs", "-R full", "-Rfull", "-U",
                        "-V id", "-Vid", "-X /dev/null", "-v", "-v -v", "-c", "-e m", "-p smtp",
                        "-x", "-im", "-oi -oem -odi", "-iv -odb", "--"):
            with self.subTest(options):
                self.send("-f", SENDER, *options.split(), *self.rcpts)
                self.arrives(crlf(CONTENT))

    def test_clusters(self):
        """As programs type it."""
        to = HEADER + f"To: {', '.join(self.rcpts)}\n\ntext\n".encode()
        for options in ("-t -oi", "-ti", "-it", "-t -i", "-toi", "-oi -t", "-oem -ti"):
            with self.subTest(options):
                self.send("-f", SENDER, *options.split(), content=to)
                self.arrives(crlf(to))
        for options in (f"-f{SENDER}", f"-f {SENDER}", f"-r{SENDER}", f"-r {SENDER}",
                        f"-if{SENDER}", f"-i -f {SENDER}", f"-tf {SENDER}"):
            with self.subTest(options):
                self.send(*options.split(), *self.rcpts)
                self.arrives(crlf(CONTENT))
        self.send("-i", *self.rcpts, "-f", SENDER)  # options behind the recipients
        self.arrives(crlf(CONTENT))

    def test_bad(self):
        self.says("Z", "-Z", "a@b", want=EX_USAGE)
        self.says("--fly", "--fly", "a@b", want=EX_USAGE)
        for options in (["-f"], ["-B", "9BIT"], ["-N", "now"], ["-N", "never,delay"], ["-N", ""],
                        ["-R", "half"], ["-V", ""], ["-V", "x" * 101], ["-V", "\u00e9"], ["-XV-="],
                        ["-XVx"], ["-bt"], ["-ba"], ["-bs", "-t"], ["-bs", "a@b"]):
            with self.subTest(options):
                self.send(*options, want=EX_USAGE)

    def test_modes(self):
        """What cannot be done is said; what there is no need to do is done."""
        for option, code in (("-bd", EX_USAGE), ("-bl", EX_USAGE), ("-bv", EX_UNAVAILABLE),
                             ("-qX", EX_USAGE), ("-qI", EX_USAGE)):
            with self.subTest(option):
                self.says(r"\w+ \w+ \w+", option, want=code)
        for option in ("-bi", "-I", "-bh", "-bH", "-q30m"):
            with self.subTest(option):
                self.assertEqual(self.send(option), "")

    def test_queue(self):
        """Listed, and tried again, by the names that sendmail has for it."""
        self.exchanger.script["RCPT"] = b"450 4.2.0 later\r\n"
        self.send("-f", SENDER, self.rcpts[0])
        folder = place().path(place().new_name("bin"))
        os.makedirs(folder)
        mailq = os.path.join(folder, "mailq")
        os.symlink(PROGRAM, mailq)
        for command in ([PROGRAM, "send", "-bp"], [mailq]):
            listed = eventually(lambda c=command: (done := run([*c, "-C", engine.config])).returncode == 0
                                and b" deferred " in done.stdout and done.stdout, "a deferred message")
            self.assertIn(self.rcpts[0].encode(), listed)
        name = listed.split()[0].decode()
        self.exchanger.script.clear()
        for option in ("-qRnowhere.example", "-qSsomebody@client.example"):
            done = run([PROGRAM, "send", "-C", engine.config, option])
            self.assertEqual((done.returncode, done.stdout), (EX_OK, b"retry: 0 recipients\n"))
        done = run([PROGRAM, "send", "-C", engine.config, f"-qI{name}"])
        self.assertEqual((done.returncode, done.stdout), (EX_OK, b"retry: 1 recipients\n"))
        self.arrived()
        self.assertEqual(run([PROGRAM, "send", "-C", engine.config, "-q"]).stdout,
                         b"retry: 0 recipients\n")

    def test_names(self):
        """The program knows the names under which a mail system is called."""
        folder = place().path("bin")
        os.makedirs(folder, exist_ok=True)
        paths = {}
        for name in ("sendmail", "mailq", "newaliases"):
            paths[name] = os.path.join(folder, name)
            os.symlink(PROGRAM, paths[name])
        done = run([paths["sendmail"], "-C", engine.config, "-f", SENDER, *self.rcpts], CONTENT)
        self.assertEqual((done.returncode, done.stderr), (EX_OK, b""))
        self.arrives(crlf(CONTENT))
        done = run([paths["mailq"]])
        self.assertEqual(done.returncode, EX_UNAVAILABLE)
        self.assertRegex(done.stderr, b"^mailq: ")
        self.assertEqual(run([paths["newaliases"]]).returncode, EX_OK)

    def test_help(self):
        done = run([PROGRAM, "send", "--help"])
        self.assertEqual((done.returncode, done.stderr), (EX_OK, b""))
        self.assertRegex(done.stdout, b"^usage: posthaste send ")

    def test_verbose(self):
        self.says(r"250 2\.0\.0 Ok: queued as \w+", "-v", "-f", SENDER, *self.rcpts)
        self.assertEqual(self.send("-f", SENDER, *self.rcpts), "")


class Addresses(Sends):
    def test_arguments(self):
        """Lists and names in one argument, and nobody twice."""
        first, second = self.rcpts
        for arguments in ([first, second], [f"{first},{second}"], [f" {first} , <{second}> "],
                          [f"One <{first}>, \"T, wo\" <{second}> (2)"], [first, second, first],
                          [f"all: {first}, {second};"]):
            with self.subTest(arguments), Exchanger() as self.exchanger:
                self.send("-f", SENDER, *arguments, config=in_place_of_engine(self.exchanger))
                self.arrives()

    def test_dashes(self):
        rcpt = f"-t@{self.exchanger.domain}"
        self.send("-f", SENDER, "--", rcpt)
        self.arrives(rcpts=[rcpt])

    def test_sender(self):
        me = f"{USER.pw_name}@{HOSTNAME}"
        for option, want in (["-f", "<>"], ""), (["-f", ""], ""), (["-f<>"], ""), ([], me), \
                (["-f", "joe"], f"joe@{HOSTNAME}"), (["-f", "Joe <joe@x.example>"],
                                                     "joe@x.example"):
            with self.subTest(option):
                self.send(*option, *self.rcpts)
                self.arrives(crlf(CONTENT), sender=want)
        for bad in ("a@b, c@d", "a b", "a@@b", "<a@b"):
            self.says("no sender", "-f", bad, *self.rcpts, want=EX_DATAERR)

    def test_bad_recipients(self):
        """Nothing is sent then, not even to the others."""
        for bad in ("a@@b", "John Doe", "a@b..c", "<>", "\"a@b", "a@b\nc@d", "a\x01@b", "x" * 999):
            with self.subTest(bad):
                self.says("recipient: ", "-f", SENDER, self.rcpts[0], bad, want=EX_DATAERR)
        self.assertEqual(self.exchanger.transactions, [])

    def test_nobody(self):
        self.says("no recipients", want=EX_USAGE)
        self.says("no recipients", "-t", want=EX_USAGE)
        self.says("no recipients", "-t", content=b"To: undisclosed-recipients:;\n\n", want=EX_USAGE)

    def test_unqualified(self):
        with Exchanger() as stand_in:
            self.send("-f", SENDER, "root", "joe, \"a b\"", config=in_place_of_engine(stand_in))
            self.exchanger = stand_in
            self.arrives(rcpts=[f"root@{HOSTNAME}", f"joe@{HOSTNAME}", f"\"a b\"@{HOSTNAME}"])

    def test_utf8(self):
        rcpt = f"j\u00f6rg@{self.exchanger.domain}"
        self.send("-f", SENDER, rcpt)
        got, = self.arrived()
        self.assertEqual(got.rcpts, [f"RCPT TO:<{rcpt}>"])
        self.assertIn(" SMTPUTF8", got.mail)

    def test_too_many(self):
        many = ",".join(f"u{i}@d.example" for i in range(10001))
        self.says("more than 10000", "-t", content=f"To: {many}\n\n".encode(), want=EX_DATAERR)


class Headers(Sends):
    def test_recipients(self):
        """-t: To:, Cc: and Bcc:, with all that a list may hold; Bcc: is for nobody's eyes."""
        for before, shown in (
                ("To: {0}\nCc: {1}\n", "To: {0}\nCc: {1}\n"),
                ("To: One <{0}>,\n\t\"T, wo\" (x) <{1}>\n",
                 "To: One <{0}>,\n\t\"T, wo\" (x) <{1}>\n"),
                ("to : {0}\nBCC: {1}\n", "to : {0}\n"),
                ("bcc: {0},\nBcc:\n  group:\n {1} ;\n", ""),
                ("Cc: {0}\nX: y\nCc: {1}, {0}\n", "Cc: {0}\nX: y\nCc: {1}, {0}\n"),
                ("Resent-To: {0}\nTo: other@d.example\nResent-Bcc: {1}\nBcc: b@d.example\n",
                 "Resent-To: {0}\nTo: other@d.example\n")):
            with self.subTest(before):
                content = before.format(*self.rcpts).encode() + CONTENT
                self.send("-t", "-f", SENDER, content=content)
                want = shown.format(*self.rcpts) + HEADER.decode().rstrip("\n")
                self.assertEqual(self.header_of(self.arrives()), want.replace("\n", "\r\n"))

    def test_arguments_too(self):
        self.send("-t", "-f", SENDER, self.rcpts[0], content=f"To: {self.rcpts[1]}\n".encode() +
                  CONTENT)
        self.arrives()

    def test_without_t(self):
        """Fields name nobody then; Bcc: is left out all the same, as Postfix does it."""
        self.send("-f", SENDER, *self.rcpts, content=b"Bcc: x@y.example\nTo: bad@@\n" + CONTENT)
        self.assertEqual(self.header_of(self.arrives()),
                         "To: bad@@\r\n" + crlf(HEADER).decode().rstrip())

    def test_bad_list(self):
        for field in ("To: a b@c", "Cc: <a@b> <c@d>", "Bcc: \"x", "To: <>"):
            with self.subTest(field):
                self.says("^posthaste: error: (To|Cc|Bcc): ", "-t", content=f"{field}\n\n".encode(),
                          want=EX_DATAERR)

    def test_from(self):
        """Is there, or is added."""
        env = {"PATH": os.environ["PATH"]}
        for options, name, want in (
                (["-f", "joe@x.example"], None, "joe@x.example"),
                (["-f", "joe@x.example", "-F", "Joe Doe"], None, "Joe Doe <joe@x.example>"),
                (["-f", "joe@x.example"], "Joe", "Joe <joe@x.example>"),
                (["-f", "joe@x.example", "-F", "J. (x) \"y\" \\"], None,
                 "\"J. (x) \\\"y\\\" \\\\\" <joe@x.example>"),
                (["-f", "joe@x.example", "-F", "J\u00f6rg"], None,
                 "=?utf-8?q?J=C3=B6rg?= <joe@x.example>"),
                (["-f", "joe@x.example", "-F", "x\r\nBcc: y"], None, "joe@x.example"),
                (["-f", "<>"], "Joe", f"MAILER-DAEMON@{HOSTNAME}"),
                (["-F", "Joe"], "Jim", f"Joe <{USER.pw_name}@{HOSTNAME}>")):
            with self.subTest((options, name)):
                self.send(*options, *self.rcpts, content=b"Subject: x\n\ntext\n",
                          env=env | ({"NAME": name} if name else {}))
                got, = self.arrived()
                self.assertEqual(self.header_of(got), f"Subject: x\r\nFrom: {want}")

    def test_long_name(self):
        self.send("-f", SENDER, "-F", "\u00e4" * 100, *self.rcpts, content=b"\ntext\n")
        got, = self.arrived()
        self.assertLessEqual(max(map(len, got.content.split(b"\r\n"))), 78)

    def test_user_name(self):
        """Without any other, the name that the user database has."""
        name = USER.pw_gecos.split(",")[0]
        self.send(*self.rcpts, content=b"\ntext\n", env={"PATH": os.environ["PATH"]})
        got, = self.arrived()
        me = f"{USER.pw_name}@{HOSTNAME}"
        self.assertEqual(self.header_of(got), f"From: {name} <{me}>" if name else f"From: {me}")

    def test_too_large(self):
        self.says("header section", *self.rcpts, content=b"X: y\n" * (1024 * 1024),
                  want=EX_DATAERR)


class Content(Sends):
    def body(self, body, *options, want=None):
        self.send("-f", SENDER, *options, *self.rcpts, content=HEADER + b"\n" + body)
        self.arrives(crlf(HEADER + b"\n") + (crlf(body) if want is None else want))

    def test_messages(self):
        """All that usually breaks, with LF and with CRLF."""
        for message in made():
            for content in (message.content, message.content.replace(b"\r\n", b"\n")):
                with self.subTest(message.name):
                    self.send("-i", "-f", SENDER, *self.rcpts, content=b"From: x@y\n" + content)
                    got, = self.arrived()
                    sent = message.content
                    if not re.match(rb"[!-9;-~]+[ \t]*:|\r\n", sent):
                        sent = b"\r\n" + sent
                    if sent and not sent.endswith(b"\r\n"):
                        sent += b"\r\n"
                    if message.name == "header-alone":
                        sent += b"\r\n"
                    self.assertIsNone(harm(b"From: x@y\r\n" + sent, got.content))

    def test_dot(self):
        self.body(b"one\n.\ntwo\n", want=b"one\r\n")
        self.body(b"one\r\n.\r\ntwo\r\n", want=b"one\r\n")
        self.body(b"one\n..\n.a\n .\n", want=b"one\r\n..\r\n.a\r\n .\r\n")
        self.body(b"one\n.", want=b"one\r\n")
        self.body(b"one\n.\ntwo\n", "-i")
        self.body(b"one\n.\ntwo\n", "-oi")

    def test_dot_in_the_header(self):
        self.send("-f", SENDER, *self.rcpts, content=HEADER + b".\ntwo\n")
        self.arrives(crlf(HEADER) + b"\r\n")

    def test_line_ends(self):
        self.body(b"a\rb\r\nc\r\r\nd\r\r\re\n\r\nf\r", want=b"a b\r\nc\r\nd e\r\n\r\nf\r\n")

    def test_long_lines(self):
        """Go on behind a space, and no character is cut."""
        self.body(b"x" * 998 + b"\n", want=b"x" * 998 + b"\r\n")
        self.body(b"x" * 2000 + b"\n.\n",
                  want=b"x" * 998 + b"\r\n " + b"x" * 997 + b"\r\n " + b"x" * 5 + b"\r\n")
        self.body(b"x" * 997 + "\u00e4y".encode() + b"\n",
                  want=b"x" * 997 + b"\r\n " + "\u00e4y".encode() + b"\r\n")
        self.send("-f", SENDER, *self.rcpts, content=b"X: " + b"word " * 300 + b"\n" + CONTENT)
        self.arrives(b"X: " + b"word " * 198 + b"word\r\n" + b" word" * 101 + b" \r\n" +
                     crlf(CONTENT))

    def test_postmark(self):
        self.send("-f", SENDER, *self.rcpts,
                  content=b"From joe Sun Nov 22 05:24:15 2026\n>From x\n" + CONTENT)
        self.arrives(crlf(CONTENT))

    def test_nul(self):
        self.says("NUL", *self.rcpts, content=CONTENT + b"\0\n", want=EX_DATAERR)

    def test_large(self):
        """More than is kept in memory."""
        message = big(long_or(200_000_000, 20_000_000))
        content = b"From: x@y\r\n" + message.content
        self.send("-f", SENDER, *self.rcpts, content=content)
        self.arrives(content)

    def test_memory(self):
        """The program's memory does not grow with the message."""
        seen = []

        def look(_session):
            with open(f"/proc/{sends.pid}/status", encoding="ascii") as file:
                seen.append(int(re.search(r"RssAnon:\s+(\d+) kB", file.read())[1]))
        message = place().write("long.eml", HEADER + b"\n" + (b"x" * 70 + b"\n") * 500_000)
        with Exchanger({"content": look}) as stand_in, open(message, "rb") as content:
            sends = subprocess.Popen([PROGRAM, "send", "-C", in_place_of_engine(stand_in), "a@b"],
                                     stdin=content)
            self.assertEqual(sends.wait(30), EX_OK)
            self.assertGreater(len(stand_in.transactions[0].content), 36_000_000)
        self.assertLess(seen[0], 12_000)

    def test_8bit(self):
        for body, options, want in ((b"plain\n", [], False),
                                    ("Gr\u00fc\u00dfe\n".encode(), [], True),
                                    (b"plain\n", ["-B", "8BITMIME"], True)):
            with Exchanger() as stand_in:
                self.send("-f", SENDER, *options, *self.rcpts, content=HEADER + b"\n" + body,
                          config=in_place_of_engine(stand_in))
                got, = stand_in.transactions
                self.assertEqual("BODY=8BITMIME" in got.mail, want, got.mail)

    def test_dsn(self):
        self.send("-f", SENDER, "-N", "success,delay", "-R", "hdrs", "-V", "a b+c=d", *self.rcpts)
        got, = self.arrived()
        self.assertRegex(got.mail, " RET=HDRS")
        self.assertRegex(got.mail, r" ENVID=a\+20b\+2Bc\+3Dd\b")
        for rcpt in got.rcpts:
            self.assertRegex(rcpt, " NOTIFY=SUCCESS,DELAY")

    def test_verp(self):
        for option in ("-XV", "-XV+="):
            with self.subTest(option):
                self.send(option, "-f", "news@list.example", *self.rcpts)
                self.assertEqual({t.mail.split(">")[0] for t in self.arrived(2)},
                                 {f"MAIL FROM:<news+{rcpt.replace('@', '=')}@list.example"
                                  for rcpt in self.rcpts})

    def test_dsn_not_offered(self):
        with Exchanger(offers=()) as stand_in:
            self.send("-f", SENDER, "-N", "never", "-R", "full", *self.rcpts,
                      config=in_place_of_engine(stand_in))
            self.assertEqual(stand_in.transactions[0].mail, f"MAIL FROM:<{SENDER}>")


def in_place_of_engine(exchanger, more=""):
    """A configuration by which the engine is at the exchanger's address."""
    name = place().new_name("stand-in")
    return place().write(f"{name}.conf", f"""
hostname = "{HOSTNAME}"
state = "{place().folder}/{name}"
listen "{exchanger.listener.getsockname()[0]}:{place().port}" {{ }}
{more}
""")


class ExitCodes(Sends):
    """What the engine says, and what comes of it."""

    def against(self, script, want, pattern, rcpts=("a@d.example", "b@d.example"), **more):
        with Exchanger(script, **more) as stand_in:
            stderr = self.send("-f", SENDER, *rcpts, config=in_place_of_engine(stand_in), want=want)
            self.assertRegex(stderr, pattern)
            self.assertEqual(stand_in.faults, [])
            return stand_in

    def test_all_refused(self):
        for reply, want in ((b"550 5.1.1 nobody\r\n", EX_NOUSER), (b"553 what\r\n", EX_NOUSER),
                            (b"501 5.1.3 what\r\n", EX_NOUSER),
                            (b"550 5.7.1 not you\r\n", EX_UNAVAILABLE),
                            (b"550 no\r\n", EX_UNAVAILABLE),
                            (b"450 4.2.0 later\r\n", EX_TEMPFAIL),
                            (b"452 4.5.3 too many\r\n", EX_TEMPFAIL)):
            with self.subTest(reply):
                self.against({"RCPT": reply}, want, "a@d.example: " +
                             reply.decode().rstrip().replace(".", r"\."))

    def test_message_refused(self):
        for step in ("MAIL", "DATA", "content"):
            for reply, want in ((b"554 5.6.0 no\r\n", EX_UNAVAILABLE),
                                (b"451 4.3.0 later\r\n", EX_TEMPFAIL)):
                with self.subTest((step, reply)):
                    self.against({step: reply}, want, reply.decode().rstrip())

    def test_some_refused(self):
        """Queued for the others; never EX_TEMPFAIL, or they would get it twice."""
        for reply in (b"550 5.1.1 nobody\r\n", b"450 4.2.0 later\r\n"):
            def refuse(session):
                return reply if "b@" in session.said else None
            stand_in = self.against({"RCPT": refuse}, EX_UNAVAILABLE,
                                    "(?s)b@d.example: [45]50 .*queued for 1 of 2")
            self.assertEqual(len(stand_in.transactions), 1)

    def test_too_many(self):
        """A server that takes two at a time gets them in twos."""
        def refuse(session):
            if session.transaction and len(session.transaction.rcpts) == 2:
                return b"452 4.5.3 too many\r\n"
            return None
        rcpts = [f"r{i}@d.example" for i in range(5)]
        stand_in = self.against({"RCPT": refuse}, EX_OK, "^$", rcpts)
        self.assertEqual([len(t.rcpts) for t in stand_in.transactions], [2, 2, 1])
        self.assertEqual(stand_in.rcpts(), [f"RCPT TO:<{rcpt}>" for rcpt in rcpts])

    def test_thousands(self):
        rcpts = [f"r{i}@d.example" for i in range(2500)]
        stand_in = self.against({}, EX_OK, "^$", rcpts)
        self.assertEqual(stand_in.rcpts(), [f"RCPT TO:<{rcpt}>" for rcpt in rcpts])

    def test_broken_off(self):
        self.against({"MAIL": CLOSE}, EX_TEMPFAIL, "closed the connection")
        self.against({"content": CLOSE}, EX_TEMPFAIL, "is not known")
        self.against({"DATA": b"421 4.3.2 stopping\r\n"}, EX_TEMPFAIL, "421 4.3.2 stopping")
        self.against({"greeting": b"421 4.3.2 busy\r\n"}, EX_TEMPFAIL, "engine is down: 421")
        self.against({"greeting": b"hello\r\n"}, EX_TEMPFAIL, "engine is down: ")
        self.against({"greeting": CLOSE}, EX_TEMPFAIL, "engine is down: ")

    def test_down(self):
        """No socket; one that nobody listens at; and a connection that is refused."""
        missing = place().write("missing.conf", f'state = "{place().folder}/missing"\n'
                                f'listen "unix:{place().folder}/missing.sock" {{ }}\n')
        self.says("engine is down: cannot connect to unix:.*missing.sock", "a@b", config=missing,
                  want=EX_TEMPFAIL)
        stand_in = Exchanger()
        config = in_place_of_engine(stand_in)
        stand_in.close()
        eventually(lambda: run([PROGRAM, "send", "-C", config, "a@b"], CONTENT).returncode ==
                   EX_TEMPFAIL, "a refused connection")

    def test_tcp_behind_unix(self):
        """Where the unix socket cannot be used, TCP is."""
        with Exchanger() as stand_in:
            config = in_place_of_engine(
                stand_in, f'listen "unix:{place().folder}/nobody.sock" {{ }}')
            self.send("a@b", config=config)
            self.assertEqual(len(stand_in.transactions), 1)

    def test_configuration(self):
        bad = place().write("bad.conf", "nonsense = 1\n")
        self.says("bad.conf:1: ", "a@b", config=bad, want=EX_CONFIG)
        self.says("none.conf", "a@b", config=place().path("none.conf"), want=EX_CONFIG)

    def test_input(self):
        done = subprocess.run([PROGRAM, "send", "-C", engine.config, "a@b"], stdin=os.open(
            place().folder, os.O_RDONLY), capture_output=True, timeout=20, check=False)
        self.assertEqual(done.returncode, EX_IOERR, done.stderr)

    def test_no_room(self):
        """The file for a long message cannot be written."""
        self.says("cannot keep", "a@b", content=CONTENT + b"text\n" * 1_000_000,
                  env=os.environ | {"TMPDIR": place().path("no-such-folder")}, want=EX_TEMPFAIL)


class Pickup(Sends):
    """The engine is down, and there is a pickup directory."""

    def setUp(self):
        super().setUp()
        self.dir = place().path(place().new_name("pickup"))
        os.mkdir(self.dir)
        name = place().new_name("down")
        user = 'user = "nobody"' if IS_ROOT else ""
        self.config = place().write(f"{name}.conf", f'hostname = "{HOSTNAME}"\n{user}\n'
                                    f'state = "{place().folder}/{name}"\n'
                                    f'listen "unix:{place().folder}/{name}.sock" {{ }}\n'
                                    f'pickup "{self.dir}" {{ max-recipients = 100 }}\n')

    def left(self, count=1):
        names = sorted(os.listdir(self.dir))
        self.assertEqual(len(names), count)
        for name in names:
            self.assertRegex(name, r"^posthaste-send\.\d+\.[0-9a-f]{16}$")
        return names

    def read(self, name):
        with open(os.path.join(self.dir, name), "rb") as file:
            return file.read()

    def test_left(self):
        self.assertEqual(self.send("-f", SENDER, *self.rcpts, config=self.config), "")
        name, = self.left()
        top = f"MAIL FROM:<{SENDER}>\n" + "".join(f"RCPT TO:<{r}>\n" for r in self.rcpts)
        self.assertEqual(self.read(name), crlf(top.encode() + b"DATA\n" + CONTENT + b".\n"))
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.dir, name)).st_mode), 0o640)

    def test_dsn(self):
        self.send("-f", "<>", "-N", "never", "-R", "full", "-V", "x", self.rcpts[0],
                  config=self.config)
        name, = self.left()
        self.assertTrue(self.read(name).startswith(
            f"MAIL FROM:<> RET=FULL ENVID=x\r\nRCPT TO:<{self.rcpts[0]}> NOTIFY=NEVER\r\n"
            .encode()))

    def test_many(self):
        self.send("-f", SENDER, *(f"r{i}@d.example" for i in range(250)), config=self.config)
        counts = sorted(self.read(name).count(b"RCPT TO:") for name in self.left(3))
        self.assertEqual(counts, [50, 100, 100])

    def test_missing(self):
        os.rmdir(self.dir)
        said = self.send("a@b", config=self.config, want=EX_TEMPFAIL)
        self.assertRegex(said, r"the engine is down \(cannot connect to unix:.*: No such file.*\), "
                         f"and the mail cannot be left in {self.dir}: No such file")

    def test_refused_is_refused(self):
        """An engine that answers is not down."""
        with Exchanger({"RCPT": b"550 5.7.1 no\r\n"}) as stand_in:
            config = in_place_of_engine(stand_in, f'pickup "{self.dir}" {{ }}')
            self.send("a@b", config=config, want=EX_UNAVAILABLE)
        self.left(0)

    @unittest.skipUnless(IS_ROOT, "only root can be somebody else")
    def test_whose_file(self):
        """The engine's, or its group's; where it cannot be either, everybody may read it."""
        stranger, others = 65531, 65532
        for caller, groups, want in ((0, [], (NOBODY, NOGROUP, 0o640)),
                                     (NOBODY, [], (NOBODY, NOBODY, 0o640)),
                                     (stranger, [NOGROUP], (stranger, NOGROUP, 0o640)),
                                     (stranger, [], (stranger, others, 0o644))):
            with self.subTest((caller, groups)):
                os.chmod(self.dir, 0o1733)
                self.send("-f", SENDER, *self.rcpts, config=self.config, user=caller,
                          group=NOBODY if caller == NOBODY else others, extra_groups=groups)
                name, = self.left()
                path = os.path.join(self.dir, name)
                found = os.stat(path)
                self.assertEqual((found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)), want)
                os.remove(path)

    def is_taken(self, content, sender=SENDER, rcpts=None):
        """By the engine, when it is there."""
        os.chmod(self.dir, 0o777)
        receiver = Engine(more=f'pickup "{self.dir}" {{ }}')
        self.addCleanup(receiver.end)
        self.send("-i", "-f", sender, *(rcpts or self.rcpts), content=content, config=self.config)
        return self.arrives(crlf(content), sender, rcpts)

    def test_is_taken(self):
        self.is_taken(CONTENT)

    def test_dots(self):
        self.is_taken(HEADER + b"\n.\n..\n.MAIL FROM:<a@b>\n\n.\nQUIT\n")

    def test_own_envelope_fields(self):
        """What Windows' mail servers write on top of a message is content."""
        self.is_taken(b"X-Sender: other@client.example\nX-Receiver: stranger@" +
                      self.exchanger.domain.encode() + b"\n" + CONTENT)

    def test_utf8(self):
        rcpt = f"j\u00fcrgen@{self.exchanger.domain}"
        got = self.is_taken(HEADER + "X: \u00fc\n\n\u00fc\n".encode(), rcpts=[rcpt])
        self.assertIn("SMTPUTF8", got.mail)


class Relay(Sends):
    """-bs: SMTP on standard input and output."""

    COMMANDS = "EHLO client.example\r\nMAIL FROM:<{}>\r\nRCPT TO:<{}>\r\nDATA\r\n"

    def test_script(self):
        """All at once, and then the end of the input."""
        script = self.COMMANDS.format(SENDER, self.rcpts[0]).encode() + crlf(CONTENT) + b".\r\n"
        done = run([PROGRAM, "send", "-C", engine.config, "-bs"], script + b"QUIT\r\n", seconds=20)
        self.assertEqual((done.returncode, done.stderr), (EX_OK, b""))
        self.assertRegex(done.stdout, rb"(?s)^220 .*\r\n250 .*\r\n354 .*\r\n250 .*\r\n221 ")
        self.arrives(crlf(CONTENT), rcpts=self.rcpts[:1])

    def test_slow_answer(self):
        """The end of the input is no reason to go before the answer has come."""
        def answer(session):
            time.sleep(0.5)
            try:
                return session.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) or CLOSE
            except BlockingIOError:
                return b"250 2.0.0 here you are\r\n"
        with Exchanger({"content": answer}) as stand_in:
            script = self.COMMANDS.format(SENDER, self.rcpts[0]).encode() + b"x\r\n.\r\nQUIT\r\n"
            done = run([PROGRAM, "send", "-C", in_place_of_engine(stand_in), "-bs"], script)
            self.assertRegex(done.stdout, rb"(?s)here you are\r\n221 ")

    def test_dialogue(self):
        """One line, one answer; a large message in between."""
        message = big(3_000_000).content
        talk = subprocess.Popen([PROGRAM, "send", "-C", engine.config, "-bs"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(talk.wait, 10)
        self.addCleanup(talk.kill)
        self.addCleanup(talk.stdout.close)

        def reply():
            while (line := talk.stdout.readline())[3:4] == b"-":
                pass
            return line[:3]
        self.assertEqual(reply(), b"220")
        for line in self.COMMANDS.format(SENDER, self.rcpts[0]).splitlines():
            talk.stdin.write(line.encode() + b"\r\n")
            talk.stdin.flush()
            self.assertIn(reply(), (b"250", b"354"))
        talk.stdin.write(re.sub(rb"(?m)^\.", b"..", message) + b".\r\n")
        talk.stdin.flush()
        self.assertEqual(reply(), b"250")
        talk.stdin.write(b"QUIT\r\n")
        talk.stdin.close()
        self.assertEqual(reply(), b"221")
        self.assertEqual(talk.stdout.read(), b"")
        self.assertEqual(talk.wait(10), EX_OK)
        self.arrives(message, rcpts=self.rcpts[:1])

    def relay(self, script, want=EX_OK, config=None):
        """Standard output; in no case may it wait for what does not come."""
        began = time.monotonic()
        done = run([PROGRAM, "send", "-C", config or engine.config, "-bs"], script, seconds=20)
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(done.returncode, want, (done.stdout, done.stderr))
        self.assertEqual(done.stderr == b"", want == EX_OK, done.stderr)
        return done.stdout

    def test_lf_lines(self):
        """As a person or a script types it."""
        script = self.COMMANDS.format(SENDER, self.rcpts[0]).replace("\r\n", "\n").encode()
        said = self.relay(script + CONTENT + b"..\n.\nQUIT\n\nand more\n")
        self.assertRegex(said, rb"(?s)^220 .*\r\n354 .*\r\n250 .* queued .*\r\n221 [^\n]*\n$")
        self.arrives(crlf(CONTENT) + b".\r\n", rcpts=self.rcpts[:1])

    def test_chunks(self):
        """The bytes of a chunk are no lines."""
        content = crlf(CONTENT)
        script = self.COMMANDS.format(SENDER, self.rcpts[0]).replace("\r\n", "\n")
        said = self.relay(script.replace("DATA", f"BDAT {len(content)} LAST").encode() + content +
                          b"NOOP\n")
        self.assertRegex(said, rb"queued .*\r\n250 .*\r\n221 [^\n]*\n$")
        self.arrives(content, rcpts=self.rcpts[:1])
        self.assertRegex(self.relay(b"EHLO x\nBDAT 6\nNOOP\n\nNOOP\n"),
                         rb"\r\n503 [^\n]*\n250 [^\n]*\n221 [^\n]*\n$")

    def test_lf_among_crlf(self):
        """It ends no line where the first one ended in CRLF."""
        script = self.COMMANDS.format(SENDER, self.rcpts[0]).encode()
        said = self.relay(script + b"A: b\r\n\r\nx\n.\nMAIL FROM:<a@b>\r\n.\r\n")
        self.assertRegex(said, rb"\r\n354 [^\n]*\n550 [^\n]*\n221 [^\n]*\n$")
        self.assertRegex(self.relay(b"EHLO x\r\nNOOP\nNOOP\n"),
                         rb"\r\n50[01] [^\n]*\n221 [^\n]*\n$")

    def test_without_quit(self):
        for script in (b"", b"EHLO x\r\n", b"EHLO x\n", b"EHLO x"):
            with self.subTest(script):
                self.assertRegex(self.relay(script), rb"(?s)^220 .*\r\n221 [^\n]*\n$")

    def test_data_refused(self):
        """Then what follows are commands."""
        self.assertRegex(self.relay(b"EHLO x\nDATA\nNOOP\n.\n"),
                         rb"\r\n503 [^\n]*\n250 [^\n]*\n500 [^\n]*\n221 [^\n]*\n$")

    def test_cut_message(self):
        """It is not sent, and that is no success."""
        script = self.COMMANDS.format(SENDER, self.rcpts[0]).encode()
        for content in (b"", b"A: b\r\n\r\nx\r\n", b"A: b\r\n\r\nx\n.\n"):
            with self.subTest(content):
                self.assertRegex(self.relay(script + content, EX_DATAERR), rb"\r\n354 [^\n]*\n$")
        self.relay(script.replace(b"DATA", b"BDAT 5") + b"x\r\n", EX_DATAERR)
        self.assertEqual(self.exchanger.transactions, [])

    def test_no_answer(self):
        """The engine goes while it owes one."""
        script = self.COMMANDS.format(SENDER, self.rcpts[0]).encode() + b"x\r\n.\r\n"
        for step in ("RCPT", "DATA", "content"):
            with self.subTest(step), Exchanger({step: CLOSE}) as stand_in:
                self.relay(script, EX_TEMPFAIL, in_place_of_engine(stand_in))

    def test_nobody_listens(self):
        """A client that has gone leaves no relay behind."""
        talk = subprocess.Popen([PROGRAM, "send", "-C", engine.config, "-bs"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(talk.kill)
        talk.stdout.readline()
        talk.stdout.close()
        talk.stdin.close()
        self.assertEqual(talk.wait(10), EX_IOERR)

    def test_down(self):
        down = place().write("down-bs.conf", f'hostname = "{HOSTNAME}"\n'
                             f'state = "{place().folder}/down-bs"\n'
                             f'listen "unix:{place().folder}/down-bs.sock" {{ }}\n')
        done = run([PROGRAM, "send", "-C", down, "-bs"], b"EHLO x\r\n", seconds=20)
        self.assertEqual(done.returncode, EX_TEMPFAIL)
        self.assertRegex(done.stdout, rb"^421 4\.3\.0 mail\.example\.net .*\r\n$")

    def test_engine_goes(self):
        other = Engine()
        talk = subprocess.Popen([PROGRAM, "send", "-C", other.config, "-bs"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(talk.kill)
        talk.stdout.readline()
        other.signal(signal.SIGKILL)
        other.end()
        self.assertEqual(talk.wait(10), EX_OK)
        talk.stdout.close()
        talk.stdin.close()


class Programs(Sends):
    """Those that people have."""

    def setUp(self):
        super().setUp()
        self.sendmail = place().write(place().new_name("sendmail"),
                                      f"#!/bin/sh\nexec {PROGRAM} send -C {engine.config} \"$@\"\n")
        os.chmod(self.sendmail, 0o755)

    def runs(self, command, content=b"", **environment):
        done = run(command, content, env={"PATH": os.environ["PATH"], "HOME": place().folder,
                                          "LC_ALL": "C.UTF-8"} | environment)
        self.assertEqual(done.returncode, 0, (done.stdout + done.stderr).decode())

    def subject_arrives(self, text, sender):
        got = self.arrives(sender=sender)
        self.assertIn(b"Subject: one\r\n", got.content)
        self.assertTrue(got.content.endswith(text), got.content)

    def test_cron(self):
        """Debian's cron: its command line, and its header."""
        self.runs([self.sendmail, "-i", "-FCronDaemon", "-B8BITMIME", "-oem", ",".join(self.rcpts)],
                  b"From: root (Cron Daemon)\nTo: joe\nSubject: Cron <root@x> true\n"
                  b"MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n\n.\nout\n")
        got = self.arrives(sender=f"{USER.pw_name}@{HOSTNAME}")
        self.assertTrue(got.content.endswith(b"\r\n\r\n.\r\nout\r\n"))

    def test_s_nail(self):
        program = os.path.join(unpacked("s-nail"), "usr/bin/s-nail")
        self.runs([program, "-:/", "-S", f"mta={self.sendmail}", "-S", "sendwait", "-S",
                   f"from={SENDER}", "-r", SENDER, "-s", "one", *self.rcpts], b"text\n.\nmore\n")
        self.subject_arrives(b"text\r\n.\r\nmore\r\n", SENDER)

    def test_bsd_mailx(self):
        program = os.path.join(unpacked("bsd-mailx"), "usr/bin/bsd-mailx")
        libraries = os.path.join(unpacked("liblockfile1"), "usr/lib/x86_64-linux-gnu")
        rc = place().write("mailrc", f"set sendmail={self.sendmail}\nset sendwait\n")
        self.runs([program, "-n", "-s", "one", "-b", self.rcpts[1], self.rcpts[0]],
                  b"text\n.\nmore\n", MAILRC=rc, LD_LIBRARY_PATH=libraries)
        got, = self.arrived()
        self.assertEqual(sorted(got.rcpts), sorted(f"RCPT TO:<{rcpt}>" for rcpt in self.rcpts))
        self.assertNotIn(b"bcc", got.content.lower())

    def test_git_send_email(self):
        if not shutil.which("git") or not shutil.which("perl"):
            raise unittest.SkipTest("git or perl is missing")
        program = os.path.join(unpacked("git-email"), "usr/lib/git-core/git-send-email")
        patch = place().write("one.patch", b"From 0123456789012345678901234567890123456789 Mon Sep "
                              b"17 00:00:00 2001\nFrom: Joe <joe@x.example>\nDate: Sun, 22 Nov "
                              b"2026 05:24:15 +0000\nSubject: [PATCH] one\n\n---\ntext\n")
        folder = place().path(place().new_name("git"))
        committer = {"GIT_COMMITTER_NAME": "Joe", "GIT_COMMITTER_EMAIL": "joe@x.example",
                     "GIT_AUTHOR_NAME": "Joe", "GIT_AUTHOR_EMAIL": "joe@x.example"}
        self.runs(["git", "init", "-q", folder])
        done = run(["perl", program, f"--sendmail-cmd={self.sendmail}", "--quiet",
                    "--confirm=never", "--suppress-cc=all", "--from", SENDER, "--envelope-sender",
                    SENDER, "--to", self.rcpts[0], "--bcc", self.rcpts[1], patch], cwd=folder,
                   env=committer | {
                        "PATH": f"{os.environ['PATH']}:/usr/lib/git-core", "HOME": place().folder,
                        "GITPERLLIB": f"/usr/share/perl5:{unpacked('libmailtools-perl')}"
                                      "/usr/share/perl5"})
        if b"Can't locate" in done.stderr:
            raise unittest.SkipTest(f"git-email needs more: {done.stderr.decode()}")
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        got = self.arrives()
        self.assertNotIn(b"bcc", got.content.lower())
