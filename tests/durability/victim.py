"""The engine that is killed and started again: its lives and deaths."""

import glob
import math
import os
import signal
import subprocess
import time

from ledger import now_us
from names import name_server
from place import IS_ROOT, PATIENCE_S, Process, eventually, place, run

PROGRAM = os.environ.get("POSTHASTE", "posthaste")  # the runner sets it

CONFIG = """
hostname = "mail.example.net"
{user}
state = "{state}"
workers = 2
listen "unix:{socket}" {{ }}
resolver {{ servers = {{"{resolver}"}}  timeout = 1s  tries = 2 }}
delivery {{ port = {port}  private-targets = yes  helo = "life{life}.example" }}
events {{ file = "{events}" }}
domain "default" {{ connections = 10  retry-first = "1s"  retry-max = "2s"  retry-in-doubt = "1s" }}
"""


class Victim:
    def __init__(self, state=None):
        self.name = place().new_name("victim")
        self.state = state or place().path(self.name)
        self.socket = place().path(f"{self.name}.sock")
        self.events = place().path(f"{self.name}.jsonl")
        self.config = place().path(f"{self.name}.conf")
        self.life = 0
        self.deaths = {}  # life: when
        self.killed_early = 0  # before it listened
        self.listened_after_s = []
        self.process = None

    def start(self):
        assert self.process is None
        self.life += 1
        place().write(f"{self.name}.conf", CONFIG.format(
            user='user = "nobody"' if IS_ROOT else "", state=self.state, socket=self.socket,
            resolver=name_server(), port=place().port, life=self.life, events=self.events))
        self.started = time.monotonic()
        self.process = Process([PROGRAM, "serve", "-c", self.config],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def listens(self):
        assert self.process.running(), self.log()
        return any(line.startswith("posthaste: listening on ") for line in self.process.output)

    def await_listening(self, seconds=PATIENCE_S):
        eventually(self.listens, lambda: f"listeners: {self.log()}", seconds)

    def run_for(self, seconds, seconds_listening=math.inf):
        """Runs on for so long; once it listens, no longer than the second. Notes when that was."""
        deadline = time.monotonic() + seconds
        while not self.listens():
            if time.monotonic() > deadline:
                self.killed_early += 1
                return
            time.sleep(0.001)
        listened = time.monotonic()
        self.listened_after_s.append(listened - self.started)
        time.sleep(max(0, min(deadline, listened + seconds_listening) - time.monotonic()))

    def kill(self):
        assert self.process.running(), f"it ended by itself: {self.log()}"
        self.deaths[self.life] = now_us()
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.end()
        self.process = None

    def stop(self):
        assert self.process.running(), f"it ended by itself: {self.log()}"
        status = self.process.end()
        log = self.log()
        self.process = None
        assert status == 0, f"exit status {status}: {log}"

    def end(self):
        if self.process:
            self.process.end(signal.SIGKILL)
            self.process = None

    def log(self):
        return "\n".join(["it ended"] * (not self.process.running()) + self.process.output[-20:])

    def check_journal(self):
        """What is wrong with the journal, or None. Its first life may have ended before there was
        one."""
        if not glob.glob(os.path.join(self.state, "**/*.segment"), recursive=True):
            return None
        done = run([PROGRAM, "journal", "check", self.state])
        if done.returncode == 0:
            return None
        return (f"after life {self.life}, exit status {done.returncode}: "
                f"{(done.stdout + done.stderr).decode()[-2000:]}")
