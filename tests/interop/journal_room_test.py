"""No room: new mail waits outside, what was taken stays, and what becomes of it is written down."""

import contextlib
import os
import time

from client import Client
from engine import PROGRAM
from journaled import LATER, MIB, PIECE, SMALL, SOON, Room, try_to_submit
from messages import big, harm
from place import IS_ROOT, Process, eventually, place, run

ROOM = 'journal { space = "64M"  segment = "1M" }'
BEYOND = (8 + 4) * MIB  # for results: until an eighth is garbage, and two segments a worker

# A file system of its own for a state directory, seen by who is told where to look. It goes with
# the process that holds it.
HOLD_DISK = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=40m,mode=755 tmpfs "$1" && '
             "echo mounted && exec sleep 300", "sh")


class Full(Room):
    def test_space(self):
        """No new mail, but what becomes of the old is written down; nothing is lost, also when it
        is restarted; room comes back by itself."""
        # A kill may come while a message is under way, which is then in doubt.
        engine = self.engine(domain=f"{SOON}  retry-in-doubt = 1s", more=ROOM)
        other = self.exchanger({"RCPT": LATER})
        mx = self.exchanger({"RCPT": LATER})
        last_id = self.submit(engine, [f"first@{other.domain}"])
        ids = self.fill(engine, f"x@{mx.domain}")
        self.assertGreater(len(ids) * len(PIECE), 30 * MIB)
        self.assertLessEqual(self.bytes_used(engine), 64 * MIB)
        self.assertRegex(engine.log(), "warning: journal: no new mail is taken until there is")
        self.assertRegex(run([PROGRAM, "status", "-c", engine.config]).stdout,
                         rb"^posthaste \S+, no room for new mail, up ")
        other.script.clear()
        eventually(lambda: engine.events_of(last_id)[-1]["event"] == "delivered", "a delivery")
        self.written(engine, rcpts_delivered=1)
        for kill in (True, False, True, True):
            attempts = self.attempts(mx)
            self.restart(engine, kill)
            self.assertEqual(self.waiting(engine), (len(ids), len(ids)))
            eventually(lambda: self.attempts(mx) >= attempts + len(ids), "an attempt each", 60)
            self.assertLessEqual(self.bytes_used(engine), 64 * MIB + BEYOND)
        self.assertEqual(len(other.transactions), 1)
        for _ in range(8):  # no time to make room, and each start needs another segment
            self.restart(engine, kill=True)
        mx.script.clear()
        eventually(lambda: len(mx.transactions) >= len(ids), "all that was taken", 60)
        self.all_arrive(mx, ids + self.takes_again(engine, f"y@{mx.domain}"))
        self.assertEqual(len(other.transactions), 1)
        self.assertRegex(engine.log(), "warning: journal: there is room for new mail again")
        self.assertLessEqual(self.bytes_used(engine), 64 * MIB)
        self.assertEqual(self.end(engine)["open_messages"], 0)

    def test_large_messages(self):
        """There is no room for a third one, and there is once the first two have gone."""
        engine = self.engine(domain=SOON, more=ROOM)
        mx = self.exchanger({"RCPT": LATER})
        large = big(22 * MIB).content
        rcpt = f"x@{mx.domain}"
        with Client(engine.unix) as client:
            self.assertTrue(try_to_submit(client, [rcpt], large))
            self.assertTrue(try_to_submit(client, [rcpt], large))
            self.assertIsNone(try_to_submit(client, [rcpt], large))
            self.assertTrue(try_to_submit(client, [rcpt]))  # a small one fits
            mx.script.clear()
            eventually(lambda: len(mx.transactions) == 3, "them", 60)
            eventually(lambda: try_to_submit(client, [rcpt], large), "room", 20)
        eventually(lambda: len(mx.transactions) == 4, "the third large one", 60)
        self.assertIsNone(harm(large, mx.transactions[-1].content))
        self.end(engine)

    def test_disk(self):
        """A file system that is full, and then is not. Without room for results none is sent."""
        if not IS_ROOT:
            self.skipTest("only root may mount")
        engine, filler = self.on_a_small_disk()
        with open(filler, "wb") as file:
            file.write(b"x" * (15 * MIB))
        mx, other = self.exchanger({"RCPT": LATER}), self.exchanger({"RCPT": LATER})
        chatty = self.exchanger({"RCPT": b"450 4.2.0 " + b"later and " * 40 + b"later\r\n"})
        first_id = self.submit(engine, [f"first@{other.domain}"])
        self.submit(engine, [f"x{n}@{chatty.domain}" for n in range(1000)])
        ids = self.fill(engine, f"x@{mx.domain}")
        self.assertGreater(len(ids) * len(PIECE), 5 * MIB)
        self.assertRegex(engine.log(), "no new mail is taken until there is room: No space left on")
        other.script.clear()
        eventually(lambda: engine.events_of(first_id)[-1]["event"] == "delivered", "a delivery")
        self.written(engine, rcpts_delivered=1)  # what becomes of mail still has room
        with contextlib.suppress(OSError), open(filler, "ab", buffering=0) as file:
            while file.write(bytes(65536)):
                pass
        eventually(lambda: "No space left on device: no mail is taken and none is sent"
                   in engine.log(), lambda: f"the last segment to be full {engine.log()}")
        # What the mover frees may do for a while.
        eventually(lambda: self.says_nothing(chatty), "the exchangers to be left alone", 40)
        quiet = 0
        for kill in (True, True, False, True):  # each start needs another segment
            self.restart(engine, kill)
            self.assertEqual(self.waiting(engine), (len(ids) + 1, len(ids) + 1000))
            quiet += self.says_nothing(chatty)
            with Client(engine.unix) as client:
                self.assertIsNone(try_to_submit(client, [f"x@{mx.domain}"]))
        self.assertGreater(quiet, 0, engine.log())
        os.unlink(filler)
        ids += self.takes_again(engine, f"y@{mx.domain}")
        mx.script.clear()
        chatty.script.clear()
        self.all_arrive(mx, ids)
        eventually(lambda: len(chatty.rcpts()) >= 1000, "the message to many")
        self.assertEqual(len(chatty.rcpts()), 1000)
        self.assertEqual(len(other.transactions), 1)
        self.assertEqual(self.end(engine)["open_messages"], 0)

    @staticmethod
    def attempts(exchanger):
        return sum(c.startswith("MAIL") for c in exchanger.commands)

    def says_nothing(self, exchanger):
        """Nobody sends it anything, for longer than they wait between attempts."""
        time.sleep(1)
        count = self.attempts(exchanger)
        time.sleep(2)
        return self.attempts(exchanger) == count

    def on_a_small_disk(self):
        """The engine, and the path of a file beside its journal."""
        folder = place().path(place().new_name("disk"))
        os.mkdir(folder)
        holder = Process([*HOLD_DISK, folder])
        self.addCleanup(holder.end)
        if not eventually(lambda: holder.output or not holder.running(), "the mount") is True:
            self.assertEqual(holder.output, ["mounted"])
        if not holder.running():
            self.skipTest(f"no tmpfs is to be had: {holder.output}")
        engine = self.engine(domain=SOON, more=SMALL)
        self.end(engine)
        self.configure(engine, state=f'state = "{folder}/state"')
        engine.under = ("nsenter", f"--mount=/proc/{holder.pid}/ns/mnt")
        engine.start()
        self.roots[engine] = f"/proc/{holder.pid}/root"
        return engine, f"/proc/{holder.pid}/root{folder}/filler"
