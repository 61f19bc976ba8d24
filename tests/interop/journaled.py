"""An engine with a journal: stopped, killed, started again; and a look at its folder."""

import contextlib
import glob
import json
import os
import re
import struct
import time

from case import Case
from client import Client
from engine import PROGRAM
from journal_writer import BATCH_MAGIC, BLOCK
from messages import harm
from place import PATIENCE_S, eventually, run

SENDER = "sender@client.example"
LATER = b"450 4.2.0 later\r\n"
NEVER = b"550 5.1.1 never\r\n"
SOON = "retry-first = 1s  retry-max = 1s"
SMALL = 'journal { segment = "1M" }'
MIB = 1 << 20
ROOM_AGAIN_S = 30  # it takes some seconds, and on a busy machine more
# So many segments of 1M two workers may have when little lives, each: four sealed ones that
# are no reason to move anything, the open one, eight spares, and one that is made or emptied.
FILES_MAX = 28
BATCH_HEADER = struct.Struct("<IIQQQQ")  # magic, checksum, epoch, offset, durable, bytes


def content_of(size, name="x"):
    """A message of about so many bytes, whose lines differ."""
    lines = "".join(f"{name} {number:>60}\r\n" for number in range(size // 64))
    return f"Subject: {name}\r\n\r\n{lines}.\r\n".encode()


PIECE = content_of(400_000, "piece")


class Journaled(Case):
    roots = {}  # of engines that see other file systems: where theirs begin

    def submit(self, engine, rcpts, content=content_of(100), **options):
        with Client(engine.unix) as client:
            return client.submit(SENDER, rcpts, content, **options)

    def end(self, engine, kill=False, damaged=False):
        """Stops or kills it; then its journal is looked at. What the check counted in all."""
        if kill:
            engine.kill()
        else:
            engine.stop()
        return self.check(engine, damaged)

    def restart(self, engine, kill=False, damaged=False, **changes):
        """`changes`: lines of the configuration that begin with that word. The sum of the check."""
        counted = self.end(engine, kill, damaged)
        self.configure(engine, **changes)
        engine.start()
        return counted

    @staticmethod
    def configure(engine, **changes):
        with open(engine.config, encoding="utf-8") as file:
            lines = file.read().split("\n")
        for word, line in changes.items():
            at, = [i for i, old in enumerate(lines) if old.startswith(word)]
            lines[at] = line
        with open(engine.config, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))

    def check(self, engine, damaged=False):
        done = run([PROGRAM, "journal", "check", "--json", self.folder(engine)])
        self.assertEqual(done.returncode, 1 if damaged else 0,
                         (done.stdout + done.stderr).decode()[-3000:])
        return json.loads(done.stdout.splitlines()[-1])

    def written(self, engine, seconds=PATIENCE_S, **counts):
        """Waits until the journal says so. Events come a moment before results are in the file."""
        def look():
            counted = self.check(engine)
            return {word: counted[word] for word in counts}
        eventually(lambda: look() == counts, look, seconds)

    def folder(self, engine):
        with open(engine.config, encoding="utf-8") as file:
            state = re.search('^state = "(.*)"', file.read(), re.MULTILINE)[1]
        return f"{self.roots.get(engine, '')}{state}/journal"

    def files(self, engine, kind="segment"):
        return sorted(glob.glob(f"{self.folder(engine)}/*.{kind}"))

    def waiting(self, engine):
        """(messages, recipients) that it found when it was started."""
        for line in engine.log().splitlines():
            words = line.split()
            if "are waiting" in line:
                return int(words[words.index("messages") - 1]), int(
                    words[words.index("recipients") - 1])
        return 0, 0


def batches(path):
    """(offset, bytes) of the batches in a segment, in order."""
    found, offset = [], BLOCK
    with open(path, "rb") as file:
        bytes_all = file.read()
    epoch = struct.unpack_from("<Q", bytes_all, 16)[0]
    while offset < len(bytes_all):
        magic, _, of, at, _, size = BATCH_HEADER.unpack_from(bytes_all, offset)
        if (magic, of, at) != (BATCH_MAGIC, epoch, offset):
            break
        found.append((offset, size))
        offset += -(-size // BLOCK) * BLOCK
    return found


def overwrite(path, offset, what):
    """`what`: bytes, or a function of the byte that stands there."""
    with open(path, "r+b") as file:
        file.seek(offset)
        if callable(what):
            what = bytes([what(file.read(1)[0])])
            file.seek(offset)
        file.write(what)


def place_of(engine_folder, message_id):
    """(path, offset) where a message's record stands."""
    done = run([PROGRAM, "journal", "dump", "--json", engine_folder, message_id])
    for line in done.stdout.splitlines():
        record = json.loads(line)
        if record["kind"] == "message":
            return os.path.join(engine_folder, record["file"]), record["offset"]
    raise AssertionError(f"{message_id} is not there: {done.stdout.decode()}")


# --- journals that are full

def try_to_submit(client, rcpts, content=PIECE):
    """The id; None when there is no room, at MAIL or at the end of data, or when that shows as late as
    at the write."""
    code, text = client.say(f"MAIL FROM:<{SENDER}>")
    if code == 250:
        codes = client.say_all(*(f"RCPT TO:<{rcpt}>" for rcpt in rcpts))
        assert set(codes) == {250}, codes
        code, text = client.give(content)
    if code == 250:
        return text.rsplit(" ", 1)[1]
    assert (code, text[:6]) in ((452, "4.3.1 "), (451, "4.3.0 ")), (code, text)
    return None


class Room(Journaled):
    def fill(self, engine, rcpt, content=PIECE):
        """Mail, until two attempts in a row find no room, on several connections. The ids."""
        ids, refused = [], 0
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Client(engine.unix)) for _ in range(4)]
            deadline = time.monotonic() + 60
            while refused < 2 * len(clients):
                assert time.monotonic() < deadline, f"it takes and takes: {len(ids)}"
                got = [try_to_submit(client, [rcpt], content) for client in clients]
                ids += filter(None, got)
                refused = 0 if any(got) else refused + len(got)
        return ids

    def takes_again(self, engine, rcpt):
        """Within ROOM_AGAIN_S. The ids of what was taken."""
        def try_all():
            with contextlib.ExitStack() as stack:
                got = [try_to_submit(stack.enter_context(Client(engine.unix)), [rcpt])
                       for _ in range(4)]
            ids.extend(filter(None, got))
            return all(got)
        ids = []
        eventually(try_all, lambda: f"room: {engine.log()}", ROOM_AGAIN_S)
        return ids

    def all_arrive(self, mx, ids):
        """Each once, unharmed."""
        eventually(lambda: len(mx.transactions) >= len(ids), "all of them", 60)
        time.sleep(1.5)
        got = {re.search(rb"\sid (\w+)", t.content)[1].decode() for t in mx.transactions}
        self.assertEqual((len(mx.transactions), got), (len(ids), {*ids}))
        self.assertTrue(all(harm(PIECE, t.content) is None for t in mx.transactions))

    def bytes_used(self, engine):
        used = 0
        for path in self.files(engine):
            with contextlib.suppress(FileNotFoundError):  # it has been freed meanwhile
                used += os.stat(path).st_size
        return used
