"""posthaste journal: what it says of journals that another hand has written, sound and otherwise."""

import contextlib
import fcntl
import json
import os
import re
import shutil
import struct
import threading
import time
import unittest

from journal_writer import (ATTEMPT, BLOCK, DEFERRED, DELIVERED, FAILED, KEY, MESSAGE, OPEN, RESULT,
                            Segment, attempt, id_text, key, message, opens, result, state, write)
from place import long_or, place, run

PROGRAM = os.environ["POSTHASTE"]
ONE, TWO, THREE = (1_790_000_000_000_000 + n << 6 for n in range(3))
MANY = ("a@one.example", "b@one.example", "c@two.example")


def journal(*arguments, **options):
    return run([PROGRAM, "journal", *arguments], **options)


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def lock_as_engine(file):
    fcntl.fcntl(file, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))  # F_OFD_SETLK


class Case(unittest.TestCase):
    def folder(self, *segments):
        path = place().path(place().new_name("journal"))
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        write(path, *segments)
        return path

    def check(self, *segments, code=0):
        """The lines of the check, by kind."""
        done = journal("check", "--json", self.folder(*segments), seconds=20)
        self.assertEqual((done.returncode, done.stderr), (code, b""), done.stdout)
        kinds = {"segment": [], "damage": [], "remark": []}
        for line in lines(done):
            kinds.setdefault(line["kind"], []).append(line)
        self.assertEqual(kinds["sum"][0]["damage"], len(kinds["damage"]))
        self.assertEqual(bool(kinds["damage"]), code == 1)
        return kinds

    def damage(self, *segments):
        """Of a journal with one: (file's number, offset, what)."""
        found = self.check(*segments, code=1)["damage"]
        self.assertEqual(len(found), 1, found)
        return int(found[0]["file"][:8]), found[0]["offset"], found[0]["what"]

    def ends(self, *segments, code=0):
        return [(line["end"], line["end_offset"]) for line in
                sorted(self.check(*segments, code=code)["segment"], key=lambda line: line["file"])]


class Sound(Case):
    def test_sum(self):
        first = Segment(1)
        first.batch(opens(), message(ONE, MANY), message(TWO), key("k", TWO))
        first.batch(attempt(ONE, 0, 3), result(ONE, DELIVERED, 0), result(ONE, DEFERRED, 1))
        end = first.next
        second = Segment(2)
        second.batch(opens(1, end), attempt(ONE, 1, 1, 2), result(TWO, FAILED), key("k", TWO),
                     key("l", THREE), result(THREE, DELIVERED), attempt(THREE))
        found = self.check(second, first)
        total = found["sum"][0]
        live = sum(16 + -(-len(payload) // 8) * 8 for _, payload in [message(ONE, MANY)])
        want = {"messages": 2, "open_messages": 1, "rcpts_open": 1, "rcpts_deferred": 1,
                "rcpts_delivered": 1, "rcpts_failed": 1, "in_doubt": 2, "keys": 2, "duplicates": 0,
                "of_messages_gone": 2, "live_bytes": live,
                "garbage_bytes": end - BLOCK + second.next - BLOCK - live, "torn_tails": 0,
                "damaged_segments": 0, "remarks": 0, "damage": 0}
        self.assertEqual({name: total[name] for name in want}, want)
        old, new = found["segment"]
        self.assertEqual((old["epoch"], old["end"], old["end_offset"], old["sealed_by"]),
                         (1, "sealed", end, 2))
        self.assertEqual({name: old[name] for name in
                          ("batches", "opens", "messages", "states", "results", "attempts", "keys")},
                         {"batches": 2, "opens": 1, "messages": 2, "states": 0, "results": 2,
                          "attempts": 1, "keys": 1})
        self.assertEqual((new["file"], new["end"], new["end_offset"]),
                         ("00000001.segment", "clean", second.next))

    def test_moved_message(self):
        old, new = Segment(1), Segment(2)
        old.batch(opens(), message(ONE, MANY, gap=b"\0gap"))
        old.batch(result(ONE, FAILED, 2))
        new.batch(opens(), message(ONE, MANY, gap=b"\0gap"),
                  state(ONE, [DELIVERED, OPEN, FAILED], [(5, 2), (0, 1)]))
        total = self.check(old, new)["sum"][0]
        self.assertEqual([total[name] for name in ("messages", "duplicates", "rcpts_delivered",
                                                   "rcpts_failed", "rcpts_deferred", "in_doubt")],
                         [1, 1, 1, 1, 1, 0])

    def test_result_repeated_or_out_of_order(self):
        one = Segment(1)
        one.batch(opens(), message(ONE), result(ONE, DELIVERED, attempt=2), result(ONE, DEFERRED),
                  result(ONE, DELIVERED, attempt=2), message(TWO), attempt(TWO), message(THREE),
                  result(THREE, DEFERRED, attempt=3), attempt(THREE, turn=3))
        total = self.check(one)["sum"][0]
        self.assertEqual([total[name] for name in ("rcpts_delivered", "rcpts_open",
                                                   "rcpts_deferred", "in_doubt")], [1, 1, 1, 1])

    def test_order_of_turns(self):
        """A later turn with a lower epoch and a lower name: a message before its results."""
        late, early = Segment(1, turn=9), Segment(2, turn=8)
        early.batch(opens(), message(ONE))
        late.batch(opens(2, early.next), result(ONE, DELIVERED))
        found = self.check(late, early)
        self.assertEqual(found["sum"][0]["rcpts_delivered"], 1)
        self.assertEqual([line["turn"] for line in found["segment"]], [8, 9])

    def test_result_before_the_copy_that_is_left(self):
        old, new = Segment(1), Segment(2)
        old.batch(opens(), result(ONE, DELIVERED))
        new.batch(opens(1, old.next), message(ONE), state(ONE, [DELIVERED]))
        self.assertEqual(self.check(old, new)["sum"][0]["of_messages_gone"], 1)

    def test_seal_in_a_torn_batch(self):
        first, second = Segment(1), Segment(2)
        first.batch(opens())
        end = first.batch(message(ONE))
        first.flip(end + 150)
        at = second.batch(opens(1, end), message(TWO), message(THREE))
        for place_, want in ((at + 64 + 16 + 16 + 20, "sealed"), (at + 1, "sealed"),
                             (at + 64 + 16 + 8, "torn tail")):  # of OPENS itself
            second.flip(place_)
            self.assertEqual(self.ends(first, second), [(want, end), ("torn tail", at)])
            second.flip(place_)

    def test_batch_without_records(self):
        segment = Segment(1)
        segment.batch(opens())
        segment.batch()
        segment.batch(message(ONE))
        self.assertEqual(self.check(segment)["sum"][0]["messages"], 1)

    def test_ends(self):
        def built(*batches):
            segment = Segment(1)
            segment.batch(opens())
            for number in range(*batches):
                segment.batch(message(ONE + number), durable=0)
            return segment
        torn = built(2).flip(BLOCK * 2 + 200)
        old = built(0)
        old.batch(message(TWO), epoch=1, durable=0)
        old.epoch = 3
        newer = Segment(3)
        newer.batch(opens())
        newer.file[newer.next:] = built(3).file[newer.next:]
        full = Segment(1)
        full.batch(opens())
        full.batch(message(ONE, content=b"x" * (full.size - full.next - 400)))
        hole = built(3)
        hole.file[BLOCK * 2:BLOCK * 3] = bytes(BLOCK)
        for name, segment, want in (
                ("clean", built(2), ("clean", BLOCK * 4)),
                ("nothing but a header", Segment(1), ("clean", BLOCK)),
                ("torn", torn, ("torn tail", BLOCK * 2)),
                ("an earlier life", newer, ("clean", BLOCK * 2)),
                ("full to the last block", full, ("clean", full.size)),
                ("the block before the last did not come", hole, ("torn tail", BLOCK * 2)),
                ("new", bytes(65536), ("no segment header", 0)),
                ("empty", b"", ("no segment header", 0)),
                ("no segment", b"x" * 9999, ("no segment header", 0))):
            with self.subTest(name):
                self.assertEqual(self.ends(segment), [want])

    def test_seal(self):
        """What is behind a seal is not read, good or not."""
        first = Segment(1)
        first.batch(opens())
        end = first.batch(message(ONE))
        for broken in (False, True):
            second = Segment(2)
            second.batch(opens(1, end))
            if broken:
                first.flip(end + 150)
            found = self.check(first, second)
            self.assertEqual(found["sum"][0]["messages"], 0)
            self.assertEqual(found["segment"][0]["end"], "sealed")

    def test_remarks(self):
        for name, what, want in (
                ("padding", ([result(ONE, FAILED, text=b"")], {}), "its padding is not zero"),
                ("batch", ([], {"reserved": 1}),
                 "what is reserved in the batch's header is not zero"),
                ("message", ([message(ONE, reserved=bytes([1, 0, 0, 0, 0, 0]))], {}),
                 "what is reserved in it is not zero")):
            with self.subTest(name):
                segment = Segment()
                end = segment.batch(opens(), *what[0], **what[1]) + segment.used
                if name == "padding":
                    segment.flip(end - 1)
                self.assertEqual([line["what"] for line in self.check(segment)["remark"]], [want])


def table(*rcpts):
    return b"".join(struct.pack("<IHHBBxx", *rcpt) for rcpt in rcpts)


# One segment with one batch behind its OPENS: the records, which of them is wrong, and how.
GROUPS = "its groups are not those of its domains"
OUTSIDE = "a recipient's text is outside the envelope's texts"
WRONG_RECORDS = [
    ("unknown type", [(7, b"")], "a type of record that is not known"),
    ("type 0", [(0, b"x")], "a type of record that is not known"),
    ("a second OPENS", [opens()], "an OPENS that is not the segment's first record"),
    ("short MESSAGE", [(MESSAGE, b"x" * 79)], "it is shorter than a MESSAGE"),
    ("long envelope", [message(ONE, envelope_bytes=2**32 - 1)],
     "envelope and content are not as long as the record"),
    ("long content", [message(ONE, content_bytes=2**64 - 1)],
     "envelope and content are not as long as the record"),
    ("short content", [message(ONE, content_bytes=1)],
     "envelope and content are not as long as the record"),
    ("no recipients", [message(ONE, (), rcpt_count=0)], "it has no recipients"),
    ("table outside", [message(ONE, rcpts_offset=2**32 - 1)],
     "the table of its recipients does not end the envelope"),
    ("table too long", [message(ONE, rcpt_count=2**32 - 1)],
     "the table of its recipients does not end the envelope"),
    ("table too early", [message(ONE, rcpts_offset=20)],
     "the table of its recipients does not end the envelope"),
    ("sender outside", [message(ONE, sender_bytes=65535)],
     "its sender is outside the envelope's texts"),
    ("sender's DSN outside", [message(ONE, dsn_bytes=65535)],
     "its sender is outside the envelope's texts"),
    ("text outside", [message(ONE, table=table((2**32 - 1, 65535, 65535, 255, 1)))], OUTSIDE),
    ("text in the table", [message(ONE, table=table((30, 3, 0, 5, 1)))], OUTSIDE),
    ("text in the sender", [message(ONE, table=table((0, 3, 0, 5, 1)))], OUTSIDE),
    ("no address", [message(ONE, table=table((7, 0, 0, 5, 1)))], "a recipient without an address"),
    ("odd mark", [message(ONE, table=table((7, 13, 0, 11, 2)))],
     "a recipient's mark of a group is neither 0 nor 1"),
    ("first starts none", [message(ONE, table=table((7, 13, 0, 11, 0)))], GROUPS),
    ("one domain, two groups",
     [message(ONE, MANY[:2], job_count=2,
              table=table((7, 13, 0, 11, 1), (31, 13, 0, 11, 1)))], GROUPS),
    ("two domains, one group",
     [message(ONE, MANY[1:], job_count=1,
              table=table((7, 13, 0, 11, 1), (31, 13, 0, 11, 0)))], GROUPS),
    ("groups and jobs", [message(ONE, MANY, job_count=3)],
     "it has another number of groups than jobs"),
    ("flags", [message(ONE, flags=1 << 31)], "it has flags that are not known"),
    ("another with its id", [message(ONE), message(ONE, content=b"y\r\n")],
     "another message has the same id"),
    ("STATE without message", [state(ONE, [OPEN])], "its message is not before it in its batch"),
    ("STATE before message", [state(ONE, [OPEN]), message(ONE)],
     "its message is not before it in its batch"),
    ("STATE with other recipients", [message(ONE), state(ONE, [OPEN, OPEN])],
     "it has other jobs or recipients than its message"),
    ("STATE with other jobs", [message(ONE), state(ONE, [OPEN], [(0, 0)] * 2)],
     "it has other jobs or recipients than its message"),
    ("STATE too short", [message(ONE), state(ONE, [OPEN], job_count=2**32 - 1)],
     "jobs and recipients are not as long as the record"),
    ("STATE deferred", [message(ONE), state(ONE, [DEFERRED])],
     "a recipient is in a state that is not known"),
    ("STATE clashes", [message(ONE), result(ONE, FAILED), state(ONE, [DELIVERED])],
     "a recipient was both delivered and failed"),
    ("RESULT out of range", [message(ONE), result(ONE, DELIVERED, rcpt=1)],
     "its message has no such recipient"),
    ("RESULT open", [message(ONE), result(ONE, OPEN)], "an outcome that is not known"),
    ("RESULT doubts twice", [message(ONE), result(ONE, DEFERRED, in_doubt=2)],
     "its mark of doubt is neither 0 nor 1"),
    ("RESULT text", [message(ONE), result(ONE, FAILED, text_bytes=65535)],
     "its texts are not as long as the record"),
    ("short RESULT", [(RESULT, b"x" * 47)], "it is shorter than a RESULT"),
    ("both ends", [message(ONE), result(ONE, DELIVERED), result(ONE, FAILED, attempt=2)],
     "a recipient was both delivered and failed"),
    ("ATTEMPT out of range", [message(ONE), attempt(ONE, 2**32 - 1, 65535)],
     "its message has no such recipients"),
    ("ATTEMPT for nobody", [message(ONE), attempt(ONE, 0, 0)], "an attempt for nobody"),
    ("long ATTEMPT", [(ATTEMPT, b"x" * 25)], "its length is not that of an ATTEMPT"),
    ("short KEY", [(KEY, b"x" * 39)], "its length is not that of a KEY"),
]


class Damaged(Case):
    def test_records(self):
        for name, records, want in WRONG_RECORDS:
            with self.subTest(name):
                segment = Segment()
                segment.batch(opens(), *records)
                _, offset, what = self.damage(segment)
                self.assertEqual(what, want)
                self.assertIn(offset, segment.records)

    def test_opens(self):
        for name, records, want in (
                ("missing", [message(ONE)], "the segment's first record is no OPENS"),
                ("no records", [], "the segment's first batch has no OPENS"),
                ("short", [(1, b"x" * 15)], "its length is not that of an OPENS"),
                ("of itself", [opens(1, BLOCK)], "it names itself as the segment before it"),
                ("in the header", [opens(0, 4)], "it ends a segment that it does not name")):
            with self.subTest(name):
                segment = Segment(1)
                segment.batch(*records)
                self.assertEqual(self.damage(segment)[2], want)

    def test_batches(self):
        def built(**wrong):
            segment = Segment(1)
            segment.batch(opens())
            at = segment.next
            segment.batch(message(ONE), **wrong)
            return segment, at
        segment, at = built(durable=BLOCK * 3)
        self.assertEqual(self.damage(segment),
                         (1, at, "the batch claims that it was durable before it was written"))
        segment, at = built(bytes=2000)
        self.assertEqual(self.damage(segment),
                         (1, at, "the batch's length is not that of its records"))
        # Lengths that do not fit cannot be checksummed: nothing is known of such a batch.
        for wrong in ({"bytes": 64}, {"bytes": 2**64 - 1}, {"record_count": 2**32 - 1},
                      {"record_count": 2}, {"offset": 0}, {"epoch": 0}):
            with self.subTest(wrong):
                segment, at = built(**wrong)
                self.assertEqual(self.ends(segment)[0], ("torn tail", at))

    def test_below_what_was_durable(self):
        segment = Segment(1)
        segment.batch(opens())
        bad = segment.batch(message(ONE))
        segment.batch(message(TWO), durable=bad)  # claims nothing of what is bad
        segment.flip(bad + 200)
        self.assertEqual(self.ends(segment), [("torn tail", bad)])
        last = segment.batch(message(THREE), durable=bad + BLOCK)
        self.assertEqual(self.damage(segment), (1, bad, "a record's checksum is wrong"))
        segment.flip(last + 130)  # a payload: its headers are good, and can be believed
        self.assertEqual(self.damage(segment), (1, bad, "a record's checksum is wrong"))
        segment.flip(last + 1)
        self.assertEqual(self.ends(segment), [("torn tail", bad)])

    def test_sealed_but_not_there(self):
        for name, end, want in (("a batch is bad", BLOCK * 3, "a record's checksum is wrong"),
                                ("it ends before", BLOCK * 4, "no batch begins here"),
                                ("beyond the file", 2**40, "no batch begins here"),
                                ("within a batch", BLOCK + 70,
                                 "the segment is said to end within this batch")):
            with self.subTest(name):
                first, second = Segment(1), Segment(2)
                first.batch(opens())
                first.batch(message(ONE))
                if want == "a record's checksum is wrong":
                    first.flip(BLOCK * 2 + 200)
                second.batch(opens(1, end))
                number, _, what = self.damage(first, second)
                self.assertEqual((number, what), (1, want))
        third = Segment(3)
        third.batch(opens(1, BLOCK * 2))
        second = Segment(2)
        second.batch(opens(1, BLOCK * 3))
        self.assertEqual(self.damage(first, second, third)[2],
                         "two segments say otherwise where this one ends")

    def test_turns(self):
        def built(epoch, turn, previous=(0, 0)):
            segment = Segment(epoch, turn=turn)
            segment.batch(opens(*previous))
            segment.batch()
            return segment
        self.assertEqual(self.damage(built(1, 1), built(2, 1))[2], "another segment has the same turn")
        self.assertEqual(self.damage(built(1, 2), built(2, 1, (1, BLOCK * 3)))[2],
                         "the segment before it has a later turn")
        other = Segment(1)
        other.batch(opens())
        other.batch(turn=2)
        self.assertEqual(self.damage(other)[1:],
                         (other.batches[1], "the batch has another turn than the segment's first"))

    def test_state_in_another_batch(self):
        segment = Segment()
        segment.batch(opens(), message(ONE))
        segment.batch(state(ONE, [OPEN]))
        self.assertEqual(self.damage(segment)[1:], (segment.records[2],
                                                    "its message is not before it in its batch"))

    def test_moved_without_a_result(self):
        for copy in ([message(ONE)], [message(ONE), state(ONE, [OPEN])]):
            old, new = Segment(1), Segment(2)
            old.batch(opens(), result(ONE, DELIVERED))
            new.batch(opens(1, old.next), *copy)
            self.assertEqual(self.damage(old, new), (1, old.records[1],
                                                     "its message was moved without it"))

    def test_empty_file(self):
        """A crash may have left it, but it is not passed over in silence."""
        segment = Segment(1)
        segment.batch(opens())
        found = self.check(segment, b"")
        self.assertEqual([(line["file"], line["what"]) for line in found["remark"]],
                         [("00000002.segment",
                           "it is empty: a crash came while it was made, or it was cut")])
        self.assertEqual(found["sum"][0]["remarks"], 1)

    def test_files(self):
        def built(epoch=1, **options):
            segment = Segment(epoch, **options)
            segment.batch(opens())
            return segment
        self.assertEqual(self.damage(built(), built(2), built(turn=5))[2],
                         "another segment has the same epoch")
        size = "the file's size is not that in its header"
        self.assertEqual(self.damage(built(bytes=65537))[2], size)
        self.assertEqual(self.damage(bytes(built()) + b"\0")[2], size)
        self.assertEqual(self.damage(built(size=BLOCK * 2))[2], "it is smaller than a segment can be")
        self.assertEqual(self.damage(built(version=2))[2],
                         "a version of the format that is not known")
        self.assertEqual(self.damage(built(block_bytes=512))[2], "a size of blocks that is not known")
        self.assertEqual(self.damage(Segment(0))[2], "an epoch of 0")
        self.assertEqual(self.damage(b"\0" * BLOCK + bytes(built())[BLOCK:])[2],
                         "no segment begins here")
        late = built()
        late.file[BLOCK:BLOCK * 2] = built(2).file[BLOCK:BLOCK * 2]
        self.assertEqual(self.damage(late)[2], "a batch of a later epoch than the segment's")
        folder = self.folder(built())
        os.symlink("00000001.segment", f"{folder}/2.segment")
        os.mkfifo(f"{folder}/3.segment")
        done = journal("check", folder)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(re.findall(rb'damage file="(.)\.segment".*what="(.*)"', done.stdout),
                         [(b"2", b"it is a symbolic link"), (b"3", b"it is no regular file")])

    def test_forged_batches_take_bounded_time(self):
        """Thousands of headers, each of which wants the rest of the file to be walked through."""
        size = 64 * 1024 * 1024
        segment = Segment(1, size)
        segment.batch(opens())
        segment.file[segment.next] = 1
        first = segment.next + BLOCK
        for at in range(first, size - BLOCK, BLOCK):  # each record reaches over the next header
            segment.file[at:at + 80] = struct.pack(
                "<IIQQQQQQI4xII8x", 0x68637462, 0, 1, at, 0, size - BLOCK + 64 - at, 0, 1,
                (size - BLOCK - at) // BLOCK, BLOCK - 16, 0)
        self.assertEqual(self.damage(segment)[1:],
                         (first - BLOCK, "too many false batches behind it to tell"))

    def test_holes_take_no_time(self):
        folder = self.folder(Segment(1))
        os.truncate(f"{folder}/00000001.segment", 2**42)
        done = journal("check", folder, seconds=20)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"size", done.stdout)


class Running(Case):
    """A segment that is written, and used again, while it is read."""

    def write(self, fd, lives):
        for life in lives:
            os.pwrite(fd, life.file[:64], 0)
            for at, end in zip(life.batches, life.batches[1:] + [life.next]):
                for sector in range(at, end, 512):
                    os.pwrite(fd, life.file[sector:sector + 512], sector)
                time.sleep(0.0002)
                if self.over.is_set():
                    return

    def test_no_false_alarm(self):
        lives = []
        for epoch in range(1, long_or(300, 30)):
            life = Segment(epoch, 512 * 1024)
            life.batch(opens(1000, BLOCK))
            for number in range(60):
                life.batch(message(ONE + (epoch * 1000 + number) * 64),
                           result(ONE + (epoch * 1000 + number) * 64, DELIVERED))
            lives.append(life)
        state_dir = self.folder()
        write(f"{state_dir}/journal", lives[0])
        self.over = threading.Event()
        with (open(f"{state_dir}/lock", "wb") as lock,
              open(f"{state_dir}/journal/00000001.segment", "r+b", buffering=0) as file):
            lock_as_engine(lock)
            writer = threading.Thread(target=self.write, args=(file.fileno(), lives))
            writer.start()
            try:
                seen = set()
                while writer.is_alive():
                    done = journal("check", "--json", state_dir)
                    found = lines(done)
                    self.assertEqual((done.returncode, found[0]["engine"]), (0, "running"),
                                     done.stdout)
                    seen.add((found[1].get("epoch"), found[1].get("batches")))
                    dumped = journal("dump", state_dir)
                    self.assertEqual(dumped.returncode, 0, dumped.stdout[-500:])
            finally:
                self.over.set()
                writer.join()
        self.assertGreater(len(seen), 10)


class Dump(Case):
    def setUp(self):
        self.segment = Segment(4, 256 * 1024)
        self.segment.batch(opens(3, 8192), message(ONE, MANY, b"c" * 70000 + b"\r\n"), message(TWO))
        self.segment.batch(message(THREE, ['"\x1b[2J\n"@d'], sender=""), state(THREE, [OPEN]),
                           result(ONE, DEFERRED, 2), attempt(ONE, 1, 2, 2), key("k", ONE))

    def test_json(self):
        done = journal("dump", "--json", self.folder(self.segment))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        found = lines(done)
        self.assertEqual([line["kind"] for line in found],
                         ["journal", "opens", "message", "message", "message", "state", "result",
                          "attempt", "key", "end"])
        self.assertEqual([line["offset"] for line in found[1:-1]], self.segment.records)
        one = found[2]
        self.assertEqual((one["id"], one["sender"], one["content_bytes"], one["jobs"]),
                         (id_text(ONE), "s@x.org", 70002, 2))
        self.assertEqual(one["received"], "2026-09-21T14:13:20.000Z")
        self.assertEqual([rcpt["rcpt"] for rcpt in one["rcpts"]], list(MANY))
        self.assertEqual(found[4]["rcpts"], [{"rcpt": '"\x1b[2J\n"@d', "domain": "d"}])
        self.assertEqual(found[5]["rcpts"], [{"state": "open"}])
        self.assertEqual((found[6]["outcome"], found[6]["rcpt"], found[6]["text"]),
                         ("deferred", 2, "250 ok"))
        self.assertEqual(found[9]["end"], "clean")

    def test_text(self):
        """A line for each record, whatever its texts hold."""
        done = journal("dump", self.folder(self.segment))
        self.assertEqual([line.split()[0] for line in done.stdout.splitlines()],
                         b"journal opens message message message state result attempt key end"
                         .split())
        self.assertNotIn(b"\x1b", done.stdout)

    def test_one_message(self):
        folder = self.folder(self.segment)
        for number, want in ((ONE, ["message", "result", "attempt", "key"]), (TWO, ["message"]),
                             (THREE, ["message", "state"])):
            done = journal("dump", "--json", folder, id_text(number).lower())
            self.assertEqual([line["kind"] for line in lines(done)], want)
        done = journal("dump", folder, id_text(5))
        self.assertEqual((done.returncode, done.stdout), (1, b""))

    def test_content(self):
        content = b"c" * 70000 + b"\r\n"
        folder = self.folder(self.segment)
        done = journal("dump", "--content", folder, id_text(ONE))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, content, b""))
        self.assertEqual(journal("dump", "--content", folder, id_text(5)).returncode, 1)

    def test_content_from_a_damaged_spool(self):
        at = self.segment.records[1] + 1000
        folder = self.folder(self.segment.flip(at, 3))
        done = journal("dump", "--content", folder, id_text(ONE))
        self.assertEqual((done.returncode, len(done.stdout)), (1, 70002))
        self.assertIn(b"not whole", done.stderr)
        # Others are whole: of the damaged batch, and of the one behind it.
        for number in (TWO, THREE):
            done = journal("dump", "--content", folder, id_text(number))
            self.assertEqual((done.returncode, done.stdout), (0, b"Subject: x\r\n\r\nx\r\n"))
        self.assertEqual(journal("check", folder).returncode, 1)
        # A whole copy elsewhere is the better one.
        other = Segment(5, 256 * 1024)
        other.batch(opens(), message(ONE, MANY, b"c" * 70000 + b"\r\n"))
        done = journal("dump", "--content", self.folder(self.segment, other), id_text(ONE))
        self.assertEqual((done.returncode, len(done.stdout)), (0, 70002))


class CommandLine(Case):
    def test_misused(self):
        for arguments in ([], ["fly"], ["check"], ["check", "a", "b"], ["check", "--content", "a"],
                          ["dump", "--verbose", "a"], ["dump", "a", "b"], ["dump", "--content", "a"],
                          ["dump", "a", "G000000000000"], ["dump", "a", "0", "c"],
                          ["dump", "--json", "--content", "a", "0000000000000"]):
            with self.subTest(arguments):
                done = journal(*arguments)
                self.assertEqual((done.returncode, done.stdout), (64, b""))
                self.assertRegex(done.stderr, rb"^posthaste: error: journal[^\n]*\n$")

    def test_no_journal(self):
        folder = self.folder()
        os.mkdir(f"{folder}/journal")
        place().write("file", b"")
        for path in ("/nowhere", folder, f"{folder}/journal", place().path("file")):
            for verb in ("check", "dump"):
                self.assertEqual(journal(verb, path).returncode, 66)

    def test_state_directory_and_its_lock(self):
        state_dir = self.folder()
        segment = Segment()
        segment.batch(opens(), message(ONE))
        write(f"{state_dir}/journal", segment)
        for path in (state_dir, f"{state_dir}/journal"):
            self.assertIn(b"engine=stopped", journal("check", path).stdout)
        with open(f"{state_dir}/lock", "wb") as file:
            self.assertIn(b"engine=stopped", journal("check", state_dir).stdout)
            lock_as_engine(file)
            for path in (state_dir, f"{state_dir}/journal"):
                done = journal("check", path)
                self.assertEqual((done.returncode, b"engine=running" in done.stdout), (0, True))

    def test_verbose(self):
        segment = Segment()
        segment.batch(opens(), message(ONE))
        segment.batch(message(TWO))
        done = journal("check", "--json", "--verbose", self.folder(segment))
        self.assertEqual([line["offset"] for line in lines(done) if line["kind"] == "batch"],
                         segment.batches)

    def test_nothing_is_changed(self):
        segment = Segment()
        segment.batch(opens(), message(ONE))
        folder = self.folder(segment.flip(BLOCK + 70))
        path = f"{folder}/00000001.segment"
        os.chmod(path, 0o400)
        before = os.stat(path)
        for verb in (["check"], ["dump"]):
            with contextlib.suppress(KeyError):
                journal(*verb, folder)
        after = os.stat(path)
        self.assertEqual((before.st_mtime_ns, before.st_ctime_ns), (after.st_mtime_ns,
                                                                   after.st_ctime_ns))
        self.assertEqual(os.listdir(folder), ["00000001.segment"])
        with open(path, "rb") as file:
            self.assertEqual(file.read(), bytes(segment))
