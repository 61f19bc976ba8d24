"""Each result is told of at least once, whatever ends the engine, and always under one id."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time

from client import Client
from engine import PROGRAM
from exchanger import once
from journaled import LATER, SENDER, SOON, Journaled, content_of
from names import HOSTS
from place import PATIENCE_S, eventually, place, run

KILLS = 5
CLIENTS = 4
EACH_LIFE = 25  # messages, at least


def lines_of(path):
    """Whole lines that are JSON: a power cut or a kill may leave half a line."""
    with open(path, "rb") as file:
        *lines, _ = file.read().split(b"\n")
    return [json.loads(line) for line in lines if line]


def file_of(engine):
    return place().path(f"{engine.name}.jsonl")


def cursor_of(engine):
    return os.path.join(place().path(engine.name), "journal", "events.cursor")


def told(*arguments, code=0):
    done = subprocess.run([PROGRAM, "events", *arguments], capture_output=True, text=True,
                          check=False, timeout=PATIENCE_S)
    assert done.returncode == code, (done.returncode, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()] if "--json" in arguments \
        else done.stdout.splitlines()


class Submitters:
    """Clients that submit one message after the other, and go on with the next engine."""

    def __init__(self, engine, domain):
        self.engine, self.domain = engine, domain
        self.acknowledged = []
        self.going = True
        self.threads = [threading.Thread(target=self._submit, args=(n,)) for n in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def _submit(self, number):
        count = 0
        while self.going:
            try:
                with Client(self.engine.unix) as client:
                    while self.going:
                        count += 1
                        self.acknowledged.append(client.submit(
                            SENDER, [f"r{number}.{count}@{self.domain}"], content_of(200)))
            except (OSError, AssertionError):
                time.sleep(0.05)  # it was killed

    def take_part(self):
        """So much has been submitted since."""
        count = len(self.acknowledged) + EACH_LIFE
        eventually(lambda: len(self.acknowledged) >= count, "mail to be taken")

    def end(self):
        self.going = False
        for thread in self.threads:
            thread.join()


class Events(Journaled):
    def test_none_is_lost(self):
        engine = self.engine(domain=SOON, more="")
        exchanger = self.exchanger()
        submitters = Submitters(engine, exchanger.domain)
        for _ in range(KILLS):
            submitters.take_part()
            engine.kill()
            engine.start()
        submitters.take_part()
        submitters.end()
        ids = set(submitters.acknowledged)
        self.assertGreater(len(ids), 100)

        # What was under way when it was killed is in doubt for a quarter of an hour.
        eventually(lambda: len({e.get("id") for e in lines_of(file_of(engine))} & ids) >=
                   len(ids) - KILLS * 2 * CLIENTS, "nearly all of them")
        engine.stop()
        self.every_result_is_told(engine)

    def every_result_is_told(self, engine):
        """What the journal says of them, the events say."""
        dump = subprocess.run([PROGRAM, "journal", "dump", "--json", place().path(engine.name)],
                              capture_output=True, text=True, check=False).stdout
        events = {(e.get("id"), e["event"]) for e in lines_of(file_of(engine))}
        seen = 0
        for line in map(json.loads, dump.splitlines()):
            if "outcome" in line:
                seen += 1
                self.assertIn((line["id"], line["outcome"]), events)
        self.assertGreater(seen, 0)

    def test_told_again_they_are_the_same(self):
        """The cursor is lost: all that the journal holds is told of again, line by line."""
        engine = self.engine(domain=SOON)
        exchanger = self.exchanger({"RCPT": lambda s: LATER if "later" in s.said else None})
        rcpts = [f"{name}@{exchanger.domain}" for name in ("one", "two", "later")]
        message_id = self.submit(engine, rcpts)
        engine.outcomes(message_id, 4)
        engine.kill()
        before = lines_of(file_of(engine))
        with open(cursor_of(engine), "r+b") as file:
            file.write(bytes(64))
        engine.start()
        again = eventually(lambda: [e for e in lines_of(file_of(engine))[len(before):]],
                           "events that are told again")
        ids = {e["event-id"]: e for e in before}
        told_again = [e for e in again if e["event-id"] in ids]
        self.assertGreaterEqual(len(told_again), 3)
        for event in told_again:
            self.assertEqual(event, ids[event["event-id"]])
        self.assertEqual(len(ids), len(before))
        engine.stop()

    def test_an_orderly_end_tells_nothing_twice(self):
        engine = self.engine()
        exchanger = self.exchanger()
        message_id = self.submit(engine, [f"x@{exchanger.domain}"])
        engine.outcomes(message_id)
        for _ in range(3):
            engine.stop()
            engine.start()
        self.assertEqual(len(engine.events_of(message_id)), 1)
        engine.stop()

    def test_rotation(self):
        engine = self.engine()
        exchanger = self.exchanger()
        path = file_of(engine)
        follower = subprocess.Popen([PROGRAM, "events", "--json", "--follow", "--file", path],
                                    stdout=subprocess.PIPE, text=True)
        self.addCleanup(follower.kill)
        threading.Timer(PATIENCE_S, follower.kill).start()
        ids = []
        for turn in range(3):
            ids.append(self.submit(engine, [f"x@{exchanger.domain}"]))
            eventually(lambda: [e for e in lines_of(path) if e["id"] == ids[-1]], "its event")
            # It has begun to follow before the first rotation, and is through before the next.
            self.assertEqual(json.loads(follower.stdout.readline())["id"], ids[-1])
            if turn == 2:
                break
            os.rename(path, f"{path}.1")
            with open(path, "wb"):  # the engine's user may not make one in this folder
                os.chmod(path, 0o666)
            if turn == 0:
                engine.signal(signal.SIGHUP)
            else:
                subprocess.run([PROGRAM, "reload", "-c", engine.config], check=True,
                               capture_output=True, timeout=PATIENCE_S)
            eventually(lambda: os.stat(f"{path}.1").st_ino not in self.inodes(engine), "moving")
        self.assertEqual([e["id"] for e in lines_of(path)], ids[2:])
        self.assertEqual([e["id"] for e in lines_of(f"{path}.1")], ids[1:2])
        first, = lines_of(f"{path}.1")
        behind = told("--json", "--file", path, "--since", first["event-id"])
        self.assertEqual([e["id"] for e in behind], ids[2:])
        told("--file", path, "--since", "nothing", code=1)
        engine.signal(signal.SIGTERM)
        engine.process.ended()
        self.assertEqual(lines_of(path)[-1]["event"], "stopped")
        *_, last = run([PROGRAM, "events", "--file", path]).stdout.decode().splitlines()
        self.assertRegex(last, r"^\S+ stopped: \d+ messages taken; recipients \d+ delivered, "
                               r"\d+ deferred, \d+ failed; \d+ messages left$")

    def sites(self, engine, name, **members):
        """Waits for the events of that site with these members."""
        def there():
            return [e for e in engine.events() if e["event"] == "site" and e["site"] == name
                    and all(e.get(key) == value for key, value in members.items())]
        return eventually(there, lambda: f"{name} {members}: {engine.events()}")

    def test_how_sites_are_used(self):
        """Each change, with what was before and why; in the order of time, among the results."""
        engine = self.engine(domain=SOON)
        busy = self.exchanger({"MAIL": once(b"421 4.7.0 too many messages, slow down\r\n")})
        ids = [self.submit(engine, [f"x{n}@{busy.domain}"]) for n in range(3)]
        name = f"mx{busy.number}.example"
        slower = self.sites(engine, name, cause="reply", code=421, enhanced="4.7.0")[0]
        self.assertIn("slow down", slower["text"])
        self.assertIsNone(slower["rate-before"])
        self.assertGreaterEqual(slower["rate"], 1)
        self.assertEqual(slower["back-off-before"], 0)
        self.assertGreater(slower["back-off"], 0)
        for message_id in ids:
            eventually(lambda: engine.events_of(message_id)[-1:] and
                       engine.events_of(message_id)[-1]["event"] == "delivered", "delivery")
        self.submit(engine, [f"x@d{HOSTS[-1]}.example"])  # nobody listens there
        gone = self.sites(engine, f"mx{HOSTS[-1]}.example", cause="unreachable")[0]
        self.assertEqual(gone["rest-before"], 0)
        self.assertGreater(gone["rest"], 0)
        self.assertIn("refused", gone["text"].lower())
        lines = told("--file", file_of(engine), "--event", "site")
        self.assertRegex(lines[0], rf"^\S+ site {name}: rate null -> \S+/s,.* back-off 0.*"
                                   r"cause: reply 421 4\.7\.0 .*slow down")
        behind = told("--json", "--file", file_of(engine), "--since", slower["event-id"])
        self.assertNotIn(slower["event-id"], [e["event-id"] for e in behind if "event-id" in e])
        engine.stop()

    @staticmethod
    def inodes(engine):
        folder = f"/proc/{engine.pid}/fd"
        found = set()
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # it was just closed
                found.add(os.stat(os.path.join(folder, name)).st_ino)
        return found

    def test_filters(self):
        engine = self.engine()
        a, b = self.exchanger(), self.exchanger({"RCPT": b'550 5.1.1 "none" \x1b[2J\r\n'})
        one = self.submit(engine, [f"x@{a.domain}", f"y@{b.domain}"])
        two = self.submit(engine, [f"z@{b.domain}"])
        engine.outcomes(one, 2)
        engine.outcomes(two, 1)
        path = file_of(engine)
        self.assertEqual({e["recipient"] for e in told("--json", "--file", path, "--id", one)},
                         {f"x@{a.domain}", f"y@{b.domain}"})
        self.assertEqual({e["id"] for e in told("--json", "--file", path, "--domain", b.domain)},
                         {one, two})
        self.assertEqual([e["id"] for e in told("--json", "--file", path, "--recipient",
                                                f"z@{b.domain}")], [two])
        self.assertEqual([e["id"] for e in told("--json", "-c", engine.config, "--event",
                                                "delivered")], [one])
        text, = told("--file", path, "--id", two)
        self.assertRegex(text, rf'^\S+ failed {two} <z@{b.domain}> .* 550 5\.1\.1 .*"none"')
        self.assertNotIn("\x1b", text)
        engine.stop()


if __name__ == "__main__":
    import unittest
    unittest.main()
