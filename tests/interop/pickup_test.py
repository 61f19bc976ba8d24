"""In: files in a pickup directory. What stands in them arrives, once, whatever they look like and
whenever the engine dies."""

import os
import re
import socket
import stat
import time
import unittest

from engine import PROGRAM, Engine, configure
from exchanger import Exchanger
from messages import harm, made
from place import eventually, long_or, place, run

AT_ONCE_S = 5  # what a loaded machine may need for it; a look without notice comes after 30
MORE_KB_MAX = 700 * 1024  # memory that a large file may need: messages that wait for delivery
SENDER = "sender@client.example"


def with_envelope(content, rcpts, sender=SENDER):
    return b"".join([b"x-sender: %s\r\n" % sender.encode(),
                     *(b"x-receiver: %s\r\n" % rcpt.encode() for rcpt in rcpts), content])


def bsmtp(messages):
    """messages: (recipient, content) each."""
    parts = []
    for rcpt, content in messages:
        stuffed = content.replace(b"\r\n.", b"\r\n..")
        stuffed = b"." + stuffed if stuffed.startswith(b".") else stuffed
        end = b"" if stuffed.endswith(b"\r\n") or not stuffed else b"\r\n"
        parts.append(b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n%s%s.\r\n" %
                     (SENDER.encode(), rcpt.encode(), stuffed, end))
    return b"EHLO feeder\r\n" + b"".join(parts) + b"QUIT\r\n"


class WithoutContent(list):
    """Of a list of transactions, what a test needs of very many."""

    def append(self, transaction):
        transaction.content = b""
        super().append(transaction)


class Picks(unittest.TestCase):
    settings = ""

    def setUp(self):
        self.folder = place().path(place().new_name("pickup"))
        os.mkdir(self.folder)
        os.chmod(self.folder, 0o777)
        self.elsewhere = place().path(place().new_name("feeder"))
        os.mkdir(self.elsewhere)
        self.exchanger = Exchanger()
        self.addCleanup(self.exchanger.close)
        self.rcpt = f"x@{self.exchanger.domain}"

    def start(self, **settings):
        self.engine = Engine(more=f'pickup "{self.folder}" {{ {self.settings} }}',
                             domain="connections = 10", **settings)
        self.addCleanup(self.engine.end)

    def put(self, name, content, mode=0o644):
        """As a feeder should: written elsewhere, then renamed in."""
        path = os.path.join(self.elsewhere, "new")
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, mode)
        os.rename(path, os.path.join(self.folder, name))

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def left(self):
        """What is in the directory and has not been dealt with."""
        return sorted(set(os.listdir(self.folder)) - {"taken", "bad"}) + \
            sorted(name for name in os.listdir(self.path("taken")) if name[0] != ".")

    def all_done(self, seconds=60):
        eventually(lambda: not self.left(), lambda: f"{self.left()[:5]} {self.engine.log()}",
                   seconds)

    def arrived(self, count, seconds=60):
        eventually(lambda: len(self.exchanger.transactions) >= count,
                   lambda: f"{len(self.exchanger.transactions)} of {count}: {self.engine.log()}",
                   seconds)
        return self.exchanger.transactions

    def arrives_once_each(self, count, seconds=120):
        """Messages whose recipients are numbered."""
        def numbers():
            return [int(rcpt.split("<x")[1].split("@")[0]) for rcpt in self.exchanger.rcpts()]
        eventually(lambda: len(set(numbers())) == count,
                   lambda: f"{len(set(numbers()))} of {count}: {self.engine.log()}", seconds)
        self.all_done(seconds)
        self.assertEqual(len(numbers()), count)

    def numbered(self, number):
        return f"x{number}@{self.exchanger.domain}"

    def why(self, name):
        eventually(lambda: os.path.exists(self.path("bad", name)),
                   lambda: f"{name} in bad/: {self.engine.log()}")
        with open(self.path("bad", name + ".why"), encoding="utf-8") as file:
            return file.read()


class Formats(Picks):
    def test_with_envelope(self):
        self.start()
        for message in made():
            with self.subTest(message.name):
                self.exchanger.transactions.clear()
                self.put(message.name, with_envelope(message.content, [self.rcpt]))
                got, = self.arrived(1)
                self.assertEqual(got.rcpts, [f"RCPT TO:<{self.rcpt}>"])
                self.assertTrue(got.mail.startswith(f"MAIL FROM:<{SENDER}>"))
                self.assertIsNone(harm(message.content, got.content))
        self.all_done()
        self.assertEqual((self.exchanger.faults, os.listdir(self.path("bad"))), ([], []))

    def test_lf_lines(self):
        self.start()
        content = b"Subject: x\nBcc: hidden@d.example,\n more@d.example\nTo: x\n\n.\n..\ntext\n"
        self.put("lf", with_envelope(content, [self.rcpt]).replace(b"\r\n", b"\n"))
        got, = self.arrived(1)
        want = b"Subject: x\r\nTo: x\r\n\r\n.\r\n..\r\ntext\r\n"
        self.assertIsNone(harm(want, got.content))
        self.assertNotIn(b"hidden@", got.content)

    def test_bsmtp(self):
        self.start()
        messages = [m for m in made() if m.content]
        self.put("batch", bsmtp([(self.rcpt, m.content) for m in messages]))
        got = self.arrived(len(messages))
        for message in messages:
            self.assertTrue(any(harm(message.content, t.content) is None for t in got),
                            message.name)
        self.all_done()
        self.assertEqual(len(got), len(messages))
        self.put("lf", bsmtp([(self.rcpt, b"A: b\r\n\r\n.x\r\n")]).replace(b"\r\n", b"\n"))
        self.assertIsNone(harm(b"A: b\r\n\r\n.x\r\n", self.arrived(len(messages) + 1)[-1].content))


class FromHeader(Picks):
    settings = "recipients-from-header = yes"

    def test_recipients(self):
        self.start()
        rcpts = [f"{name}@{self.exchanger.domain}" for name in ("to", "cc", "bcc")]
        self.put("header", f"From: A <{SENDER}>\nTo: X <{rcpts[0]}>\nCC: {rcpts[1]}\n"
                           f"Bcc: {rcpts[2]}\nSubject: x\n\ntext\n".encode())
        got, = self.arrived(1)
        self.assertEqual(sorted(got.rcpts), sorted(f"RCPT TO:<{rcpt}>" for rcpt in rcpts))
        self.assertNotIn(b"bcc", got.content.lower())


class Notices(Picks):
    def test_at_once(self):
        """A file that was renamed in is taken at once, however fresh it is."""
        self.start()
        for number in range(5):
            began = time.monotonic()
            self.put(f"file{number}", with_envelope(b"A: b\r\n\r\nx\r\n", [self.rcpt]))
            self.arrived(number + 1)
            self.assertLess(time.monotonic() - began, AT_ONCE_S)

    def test_what_was_there_before(self):
        self.put("before", with_envelope(b"A: b\r\n\r\nx\r\n", [self.rcpt]))
        self.start()
        self.arrived(1)
        self.all_done()

    def test_still_being_written(self):
        self.start()
        with open(self.path("slow"), "wb", buffering=0) as file:
            file.write(with_envelope(b"A: b\r\n\r\n", [self.rcpt]))
            for _ in range(6):
                file.write(b"more\r\n")
                self.put("other", with_envelope(b"A: b\r\n\r\nother\r\n", [self.rcpt]))
                time.sleep(0.3)
                self.assertIn("slow", os.listdir(self.folder))
        got = self.arrived(7)
        self.assertEqual(max(t.content.count(b"more\r\n") for t in got), 6)


class Bad(Picks):
    def test_each_is_handled(self):
        """None of them blocks the rest."""
        os.symlink("/etc/passwd", self.path("link"))
        os.mkfifo(self.path("fifo"))
        os.mkdir(self.path("folder"))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path("socket"))
            self.put("secret", with_envelope(b"\r\nx\r\n", [self.rcpt]), mode=0)
            self.put("text", b"no envelope\n")
            self.put("cr", with_envelope(b"A: b\r\n\r\nbare\rcr\r\n", [self.rcpt]))
            self.put("half", bsmtp([(self.rcpt, b"A: b\r\n\r\nx\r\n")]).replace(b"QUIT", b"WHAT"))
            self.put("good", with_envelope(b"A: b\r\n\r\nx\r\n", [self.rcpt]))
            self.start()
            self.arrived(2)
        for name, reason in (("link", "symbolic link"), ("fifo", "no regular file"),
                             ("socket", "no regular file"), ("secret", "no permission"),
                             ("text", "recipients-from-header is off\nline: 1\n"),
                             ("cr", "a CR without LF stands in the line\nline: 5\n"),
                             ("half", "no such command\nline: 9\nmessages taken: 1\n")):
            self.assertIn(reason, self.why(name))
        self.assertTrue(stat.S_ISFIFO(os.lstat(self.path("bad", "fifo")).st_mode))
        self.assertEqual(self.left(), ["folder"])
        self.assertEqual(len(self.exchanger.transactions), 2)

    def test_unfinished(self):
        """A file that ends too early is given time; one that grows meanwhile is taken whole."""
        self.start()
        whole = bsmtp([(self.rcpt, b"A: b\r\n\r\n1\r\n"), (self.rcpt, b"A: b\r\n\r\n2\r\n")])
        with open(self.path("slow"), "wb", buffering=0) as file:
            file.write(whole[:-20])
            time.sleep(2.5)
            file.write(whole[-20:])
        self.arrived(2)
        self.all_done()
        self.assertEqual(len(self.exchanger.transactions), 2)


class Others(Picks):
    """Another engine on the same directory."""

    def refused(self, pattern):
        config = configure(more=f'pickup "{self.folder}" {{ }}')
        done = run([PROGRAM, "serve", "-c", config], seconds=20)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr.decode(), pattern)

    def test_at_the_same_time(self):
        self.start()
        self.refused(rf"{self.folder}/taken: in use by another engine \(pid {self.engine.pid}\)")

    def test_with_another_state_directory(self):
        """It must not take up what the first one was taking."""
        self.start()
        self.engine.stop()
        with open(self.path("taken", f"{1:016x}-{2:016x}-file"), "wb") as file:
            file.write(with_envelope(b"A: b\r\n\r\nx\r\n", [self.rcpt]))
        self.refused(f"{self.folder}/taken: holds 1 file that an engine with another state "
                     "directory was taking")
        self.engine.start()
        self.arrived(1)
        self.all_done()
        self.engine.stop()
        other = Engine(more=f'pickup "{self.folder}" {{ }}')  # nothing is left of the first one
        self.addCleanup(other.end)
        self.put("file", with_envelope(b"A: b\r\n\r\nx\r\n", [self.rcpt]))
        self.arrived(2)


class Many(Picks):
    def test_ten_thousand_files(self):
        count = long_or(10000, 2000)
        self.start()
        for number in range(count):
            self.put(f"f{number}", with_envelope(b"A: b\r\n\r\nx\r\n", [self.numbered(number)]))
        self.arrives_once_each(count)

    def test_one_large_file(self):
        """A gigabyte of 100,000 messages in long runs: it needs no more memory than a small one,
        and other files do not wait for it."""
        count = long_or(100000, 2000)
        body = b"A: b\r\n\r\n" + (b"x" * 98 + b"\r\n") * 100
        path = os.path.join(self.elsewhere, "large")
        with open(path, "wb") as file:
            for number in range(count):
                file.write(bsmtp([(self.numbered(number), body)]))
        self.exchanger.transactions = WithoutContent()
        self.start()
        before_kb, peak_kb = self.engine.resident_kb(), 0
        os.rename(path, self.path("large"))
        eventually(lambda: self.exchanger.transactions, "the first message")
        self.put("small", with_envelope(b"A: b\r\n\r\nx\r\n", [self.numbered(count)]))
        small = f"RCPT TO:<{self.numbered(count)}>"
        eventually(lambda: small in self.exchanger.rcpts()[-2000:], "the small file")
        at = len(self.exchanger.transactions)

        def all_arrived():
            nonlocal peak_kb
            peak_kb = max(peak_kb, self.engine.resident_kb())
            time.sleep(0.05)
            return len(self.exchanger.transactions) > count
        eventually(all_arrived, lambda: self.engine.log(), long_or(500, 60))
        self.arrives_once_each(count + 1)
        self.assertLess(at, count // 2)
        self.assertLess(peak_kb - before_kb, MORE_KB_MAX)


class Killed(Picks):
    def test_at_any_moment(self):
        """Killed again and again while it takes files: each message arrives, and none twice that
        was not under way to the exchanger."""
        count = 400
        self.start()
        for number in range(0, count // 2):
            self.put(f"f{number}", with_envelope(b"A: b\r\n\r\nx\r\n", [self.numbered(number)]))
        batch = [(self.numbered(number), b"A: b\r\n\r\nx\r\n")
                 for number in range(count // 2, count)]
        self.put("batch", bsmtp(batch))
        for round_number in range(long_or(30, 8)):
            time.sleep(0.02 + 0.01 * (round_number % 7))
            self.engine.kill()
            self.engine.start()
        eventually(lambda: len(set(self.exchanger.rcpts())) == count,
                   lambda: f"{len(set(self.exchanger.rcpts()))} of {count}: {self.engine.log()}",
                   60)
        self.all_done()
        # A message that the exchanger has twice was sent twice under one id, as after any crash:
        # it was not submitted twice.
        by_rcpt = {}
        for transaction in self.exchanger.transactions:
            message_id = re.search(rb"\sid (\w+);", transaction.content)[1]
            by_rcpt.setdefault(transaction.rcpts[0], set()).add(message_id)
        self.assertEqual([ids for ids in by_rcpt.values() if len(ids) > 1], [])
