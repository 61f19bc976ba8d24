"""The journal's folder: whose it is, what does not belong there, and what a bad disk does to it."""

import os
import re
import stat
import time

from exchanger import QUIET
from journal_writer import BLOCK
from journaled import (FILES_MAX, LATER, MIB, PIECE, SMALL, SOON, Journaled, batches, content_of,
                       overwrite, place_of)
from place import IS_ROOT, NOBODY, eventually, place

ONCE_MORE_S = 1.5  # what would be sent a second time has come by then


class Folder(Journaled):
    def test_rights(self):
        engine = self.engine(more=SMALL)
        self.submit(engine, ["x@null.example"], content_of(3 * MIB))
        wants = {self.folder(engine): 0o700} | {path: 0o600 for path in self.files(engine)}
        owner = NOBODY if IS_ROOT else os.geteuid()
        self.assertGreater(len(wants), 2)
        for path, mode in wants.items():
            about = os.lstat(path)
            self.assertEqual((stat.S_IMODE(about.st_mode), about.st_uid), (mode, owner), path)

    def test_strange_files(self):
        """What has a segment's name and is none: the engine says so, and does not start."""
        engine = self.engine()
        self.end(engine)
        outside = place().write("outside", b"not ours")
        name = os.path.join(self.folder(engine), "00000009.segment")
        makers = {"symlink": lambda: os.symlink(outside, name), "fifo": lambda: os.mkfifo(name),
                  "folder": lambda: os.mkdir(name),
                  "other's": lambda: os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0))}
        for kind, make in makers.items():
            if kind == "other's" and not IS_ROOT:
                continue
            with self.subTest(kind):
                make()
                line = self.refuses(engine)
                self.assertRegex(line, "error: journal: cannot (open|use) 00000009.segment: ")
                (os.rmdir if kind == "folder" else os.unlink)(name)
        with open(outside, "rb") as file:
            self.assertEqual(file.read(), b"not ours")
        engine.start()

    def refuses(self, engine):
        process = engine.process
        with self.assertRaises(AssertionError):
            engine.start()
        self.assertEqual(engine.process.ended(10), 1, engine.log())
        line = engine.log().splitlines()[-1]
        engine.process.end()
        engine.process = process
        return line

    def test_other_names(self):
        """Are nobody's business."""
        engine = self.engine()
        self.end(engine)
        for name in ("notes.txt", "x.segment", "1.segment.old", "00000003.damaged"):
            with open(os.path.join(self.folder(engine), name), "wb") as file:
                file.write(b"x" * 10000)
        engine.start()
        self.assertNotRegex(engine.log(), "error")
        self.assertTrue(os.path.exists(os.path.join(self.folder(engine), "notes.txt")))

    def test_half_made_segments(self):
        """Zeros, an empty file: left by who was interrupted. They go."""
        engine = self.engine(domain=SOON)
        exchanger = self.exchanger({"RCPT": LATER})
        engine.outcomes(self.submit(engine, [f"x@{exchanger.domain}"]))
        self.end(engine, kill=True)
        for name, size in (("00000800", MIB), ("00000801", 0), ("00000802", BLOCK)):
            path = os.path.join(self.folder(engine), f"{name}.segment")
            with open(path, "wb") as file:
                file.truncate(size)
            if IS_ROOT:
                os.chown(path, NOBODY, NOBODY)
        engine.start()
        self.assertNotRegex(engine.log(), "error")
        told = re.findall(r"warning: journal: (\w+)\.segment is empty \((\d+) bytes\)", engine.log())
        self.assertEqual([t for t in told if t[0] >= "00000800"],  # the kill may have left its own
                         [("00000801", "0"), ("00000802", str(BLOCK))])
        self.assertEqual([p for p in self.files(engine) if "/000008" in p and
                          os.path.basename(p) < "00000803"], [])
        exchanger.script.clear()
        eventually(lambda: exchanger.transactions, "the delivery")


class Damage(Journaled):
    """Five messages in batches of their own; the engine is stopped, and the disk does something."""

    def prepare(self):
        self.engine_ = engine = self.engine(domain=SOON, more=SMALL)
        self.restart(engine, workers="workers = 1")
        self.mx = self.exchanger({"RCPT": LATER})
        self.ids = []
        for n in range(5):
            self.ids.append(self.submit(engine, [f"x{n}@{self.mx.domain}"], content_of(20000)))
            engine.outcomes(self.ids[-1])
        self.mx.script["greeting"] = QUIET
        self.end(engine)
        self.places = [place_of(self.folder(engine), message_id) for message_id in self.ids]
        self.assertEqual(len({path for path, _ in self.places}), 1)
        return engine

    def serves(self, count):
        """Those before the damage are delivered, and new mail is."""
        self.mx.script.clear()
        self.engine_.start()
        self.submit(self.engine_, [f"new@{self.mx.domain}"])
        eventually(lambda: len(self.mx.transactions) >= count + 1,
                   lambda: f"{self.mx.rcpts()} {self.engine_.log()}")
        time.sleep(ONCE_MORE_S)
        self.assertEqual(sorted(self.mx.rcpts()), sorted(
            f"RCPT TO:<{name}@{self.mx.domain}>" for name in
            ["new", *(f"x{n}" for n in range(count))]))

    def test_a_flipped_bit(self):
        """In the third message: what stands before it is served, and the file is set aside."""
        for where in ("header", "content"):
            with self.subTest(where):
                engine = self.prepare()
                path, offset = self.places[2]
                overwrite(path, offset + (10000 if where == "content" else 4), lambda b: b ^ 1)
                self.check(engine, damaged=True)
                self.serves(2)
                self.assertRegex(engine.log(), f"error: journal: {os.path.basename(path)} is "
                                               r"damaged at \d+: acknowledged mail")
                aside = path.replace(".segment", ".damaged")
                eventually(lambda: os.path.exists(aside), "the file to be set aside")
                self.assertFalse(os.path.exists(path))
                self.restart(engine)  # all is well, then
                self.assertNotRegex(engine.log(), "error")
                self.assertTrue(os.path.exists(aside))
                engine.end()

    def test_a_flipped_bit_and_those_before_it_wait(self):
        """They are moved elsewhere, and nothing is lost of them when the engine is killed then."""
        engine = self.prepare()
        path, offset = self.places[3]
        overwrite(path, offset + 5000, lambda b: b ^ 1)
        self.mx.script.clear()
        self.mx.script["RCPT"] = LATER
        engine.start()
        aside = path.replace(".segment", ".damaged")
        eventually(lambda: os.path.exists(aside), lambda: f"it to be set aside {engine.log()}")
        self.end(engine, kill=True)
        self.serves(3)

    def test_the_header_of_a_segment(self):
        """Nothing in it is served; it is left alone, and told of at each start."""
        engine = self.prepare()
        path, _ = self.places[0]
        overwrite(path, 20, b"\xff" * 8)
        with open(path, "rb") as file:
            before = file.read()
        for _ in range(2):
            self.serves(0)
            self.assertRegex(engine.log(), f"error: journal: {os.path.basename(path)} is no "
                                           "segment of this version, or its header is damaged")
            with open(path, "rb") as file:
                self.assertEqual(file.read(), before)
            self.end(engine, damaged=True)
            self.mx.transactions.clear()

    def test_while_it_runs(self):
        """The third message goes bad while all five wait: the others are moved and delivered, and
        its file is kept, long before it is over."""
        engine = self.engine(domain=SOON, more=SMALL)
        self.restart(engine, workers="workers = 1")
        self.mx, new = self.exchanger({"RCPT": LATER}), self.exchanger()
        ids = [self.submit(engine, [f"x{n}@{self.mx.domain}"], content_of(20000))
               for n in range(5)]
        for message_id in ids:
            engine.outcomes(message_id)
        path, offset = place_of(self.folder(engine), ids[2])
        overwrite(path, offset + 10000, lambda b: b ^ 1)
        aside = path.replace(".segment", ".damaged")
        eventually(lambda: f"message {ids[2]} cannot be read back" in engine.log(), "it be found")
        for count in range(1, 5):  # the file must not be the one that is written
            self.submit(engine, [f"z@{new.domain}"], PIECE)
            eventually(lambda: len(new.transactions) >= count, "its way")
        eventually(lambda: os.path.exists(aside), lambda: f"set aside: {engine.log()}")
        self.assertFalse(os.path.exists(path))
        self.assertEqual(engine.log().count(f"message {ids[2]} cannot be moved"), 1)
        for count in range(5, 100):
            self.submit(engine, [f"z@{new.domain}"], PIECE)
            eventually(lambda: len(new.transactions) >= count, "its way")
        eventually(lambda: len(self.files(engine)) <= FILES_MAX, "them be used again")
        self.mx.script.clear()
        eventually(lambda: len(self.mx.transactions) >= 4, lambda: engine.log())
        self.assertEqual(sorted(self.mx.rcpts()), sorted(
            f"RCPT TO:<x{n}@{self.mx.domain}>" for n in (0, 1, 3, 4)))
        self.assertEqual(engine.events_of(ids[2])[-1]["event"], "deferred")
        self.restart(engine)
        self.assertNotRegex(engine.log(), "error")
        self.assertTrue(os.path.exists(aside))

    def test_a_torn_tail(self):
        """The last batch was never finished. Nobody was told that it was safe: nothing is said."""
        for cut in ("zeros", "half"):
            with self.subTest(cut):
                engine = self.prepare()
                path, _ = self.places[0]
                at, size = batches(path)[-1]
                size = -(-size // BLOCK) * BLOCK
                if cut == "half":
                    overwrite(path, at + 100, b"\0" * (size - 100))
                else:
                    overwrite(path, at, b"\0" * size)
                self.serves(5)  # it held a result at most
                self.assertNotRegex(engine.log(), "error")
                engine.end()

