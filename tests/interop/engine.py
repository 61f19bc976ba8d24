"""The engine under test: its configuration, its process, its events, and what it was sent."""

import json
import os
import re
import signal
import subprocess

from names import name_server
from place import IS_ROOT, PATIENCE_S, Process, eventually, place

PROGRAM = os.environ.get("POSTHASTE", "posthaste")  # the runner sets it

CONFIG = """
hostname = "mail.example.net"
{user}
state = "{folder}/{name}"
workers = 2
listen "unix:{folder}/{name}.sock" {{ bounces = "{bounces}"  {listen} }}
listen "127.0.0.1:0" {{ bounces = "{bounces}"  {listen} }}
resolver {{ servers = {{"{resolver}"}}  timeout = 1s  tries = 2 }}
delivery {{ port = {port}  private-targets = yes  {delivery} }}
events {{ file = "{folder}/{name}.jsonl" }}
domain "default" {{ {domain} }}
{more}
"""


def configure(listen="", domain="", more="", resolver=None, name=None, bounces="event",
              delivery=""):
    """Writes a configuration; its path. Senders of most tests are nowhere: they get no reports."""
    name = name or place().new_name("engine")
    return place().write(f"{name}.conf", CONFIG.format(
        user='user = "nobody"' if IS_ROOT else "", folder=place().folder, name=name,
        listen=listen, bounces=bounces, delivery=delivery, domain=domain, more=more, resolver=resolver or name_server(),
        port=place().port))


class Engine:
    """Runs `posthaste serve` until end() or stop()."""

    def __init__(self, under=(), **settings):
        """`under`: a command that runs another, as this one runs the engine."""
        self.under = under
        self.name = place().new_name("engine")
        self.config = configure(name=self.name, **settings)
        self.events_read = []
        self.event_ids = set()
        self.partial_line = b""
        self.kills_untold = 0  # each may have cut off a line
        self.start()
        self.events_file = open(place().path(f"{self.name}.jsonl"), "rb")

    def start(self):
        """Again, too, once it has ended."""
        self.process = Process([*self.under, PROGRAM, "serve", "-c", self.config],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.pid = self.process.pid
        self.unix, self.tcp = eventually(self._addresses, lambda: f"listeners: {self.log()}")

    def _addresses(self):
        assert self.process.running() or not self.log(), self.log()
        found = [line.removeprefix("posthaste: listening on ") for line in self.process.output
                 if line.startswith("posthaste: listening on ")]
        if len(found) < 2:
            return None
        host, port = found[1].rsplit(":", 1)
        return found[0].removeprefix("unix:"), (host, int(port))

    def log(self):
        return "\n".join(self.process.output)

    def events(self):
        """All so far, each once: a start may tell again of what a crash left open. Each line is
        JSON by itself, but for one that a kill has cut off."""
        *lines, self.partial_line = (self.partial_line + self.events_file.read()).split(b"\n")
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                self.kills_untold -= 1
                if self.kills_untold < 0:
                    raise
                continue
            event_id = event.get("event-id")
            if event_id not in self.event_ids:
                self.events_read.append(event)
            if event_id:
                self.event_ids.add(event_id)
        return self.events_read

    def forget_events(self):
        self.events()
        self.events_read = []

    def events_of(self, message_id):
        return [event for event in self.events() if event.get("id") == message_id]

    def outcomes(self, message_id, count=1, seconds=PATIENCE_S):
        """Waits for `count` events of a message."""
        def there():
            assert self.process.running(), f"the engine has gone: {self.log()}"
            found = self.events_of(message_id)
            return found if len(found) >= count else None
        return eventually(there, lambda: f"{count} events of {message_id}: "
                                         f"{self.events_of(message_id)} {self.log()}", seconds)

    def status(self):
        """Of the process, by the names of proc(5)."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return dict(re.findall(r"^(\w+):[ \t]*(.*)$", file.read(), re.MULTILINE))

    def resident_kb(self):
        return int(self.status()["VmRSS"].split()[0])

    def signal(self, number):
        os.kill(self.pid, number)

    def stop(self, seconds=PATIENCE_S):
        """Stops it gracefully. The last line of its events."""
        self.signal(signal.SIGTERM)
        status = self.process.ended(seconds)
        assert status == 0, f"exit status {status}: {self.log()}"
        last = self.events()[-1]
        assert last["event"] == "stopped" and last["events-dropped"] == 0, last
        return last

    def kill(self):
        self.kills_untold += 1
        self.signal(signal.SIGKILL)
        self.process.ended()

    def end(self):
        """For clean-up, whatever is under way: at once, and not by having died."""
        if self.process.running():
            self.signal(signal.SIGTERM)
            self.signal(signal.SIGINT)
            self.process.ended()
        self.process.end()
        self.events_file.close()
        status = self.process.popen.returncode
        assert status in (0, -signal.SIGKILL), f"exit status {status}: {self.log()}"
