"""posthaste top: what the engine does, anew each second on a terminal, and once elsewhere."""

import contextlib
import json
import os
import pty
import time

from engine import PROGRAM
from exchanger import QUIET
from journaled import LATER, Journaled
from place import Process, eventually, run


class Top(Journaled):
    def setUp(self):
        """One site that keeps a connection busy, and one that defers."""
        self.one = self.engine(domain="connections = 1  retry-first = 5m")
        self.slow, self.later = self.exchanger({"RCPT": QUIET}), self.exchanger({"RCPT": LATER})
        for n in range(3):
            self.submit(self.one, [f"x{n}@{self.slow.domain}"])
        self.one.outcomes(self.submit(self.one, [f"x@{self.later.domain}"]))

    def top(self, *options):
        done = run([PROGRAM, "top", *options, "-c", self.one.config])
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout.decode()

    def test_once(self):
        def rows():
            status, *rest = [json.loads(line) for line in self.top("--json").splitlines()]
            self.assertEqual(status["messages-queued"], 4)
            return ({row["site"]: row for row in rest if "site" in row},
                    {row["reason"]: row for row in rest if "site" not in row})
        slow = f"mx{self.slow.number}.example"
        sites, reasons = eventually(lambda: slow in (got := rows())[0] and
                                    got[0][slow]["ready"] == 2 and got, rows)
        self.assertEqual({name: sites[slow][name] for name in
                          ("ready", "sending", "connections", "connections-max", "reason")},
                         {"ready": 2, "sending": 1, "connections": 1, "connections-max": 1,
                          "reason": "connection-limit"})
        self.assertEqual((reasons["connection-limit"]["sites"],
                          reasons["connection-limit"]["ready"]), (1, 2))
        self.assertEqual(reasons["retry-later"]["domains-deferred"], 1)
        text = self.top()
        self.assertRegex(text, r"(?m)^queue: 4 messages; deliveries: 3 active, 1 deferred, 0 held$")
        self.assertRegex(text, rf"(?m)^{slow} +2 +1 +1 of 1 +connection-limit$")
        self.assertRegex(text, r"(?m)^retry-later +0 +0 +1  it was deferred")
        self.assertNotIn("\033", text)

    def test_live(self):
        """On a terminal: the screen is filled again and again."""
        ours, theirs = pty.openpty()
        live = Process([PROGRAM, "top", "-c", self.one.config], stdout=theirs)
        os.close(theirs)
        got = b""
        deadline = time.monotonic() + 20
        with contextlib.suppress(OSError):
            while got.count(b"\033[H\033[J") < 3 and time.monotonic() < deadline:
                got += os.read(ours, 65536)
        live.end()
        os.close(ours)
        self.assertGreaterEqual(got.count(b"queue: 4 messages"), 2, got)

    def test_no_engine(self):
        self.one.end()
        done = run([PROGRAM, "top", "-c", self.one.config])
        self.assertEqual(done.returncode, 69)


if __name__ == "__main__":
    import unittest
    unittest.main()
