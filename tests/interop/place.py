"""Where a run of these tests takes place: a folder, loopback addresses and processes of its own.

However the run ends, a keeper process ends what it has started and removes the folder.
"""

import functools
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

LONG = bool(os.environ.get("POSTHASTE_LONG"))
IS_ROOT = os.geteuid() == 0
NOBODY = 65534
PATIENCE_S = 30  # for whatever takes a moment; nobody waits longer


def long_or(long_count, count):
    """A count: the first in long runs."""
    return long_count if LONG else count


def eventually(condition, what, seconds=PATIENCE_S):
    """Waits until condition() is true, and returns what it says."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what() if callable(what) else what}")
        time.sleep(0.005)


def _keep(orders, folder):
    """The keeper: learns of processes from its pipe; when that ends, so do they."""
    processes = {}
    for line in orders:
        word, pid = line.split()
        try:
            if word == "started":
                processes[pid] = os.pidfd_open(int(pid))
            elif pid in processes:
                os.close(processes.pop(pid))
        except ProcessLookupError:
            pass  # it has ended, and was waited for, before we came to it
    for number, grace_s in ((signal.SIGTERM, 0.5), (signal.SIGKILL, 0)):
        for descriptor in processes.values():
            try:
                signal.pidfd_send_signal(descriptor, number)
            except ProcessLookupError:
                pass
        time.sleep(grace_s if processes else 0)
    shutil.rmtree(folder, ignore_errors=True)


class Process:
    """A program that runs beside the tests. What it prints is in .output, line by line."""

    def __init__(self, command, **options):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                   "stderr": subprocess.STDOUT} | options
        self.popen = subprocess.Popen([str(word) for word in command], **options)
        self.pid = self.popen.pid
        self.output = []
        self.kept = True
        place().tell_keeper("started", self.pid)
        stream = self.popen.stderr or self.popen.stdout
        if stream:
            self.reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
            self.reader.start()

    def _read(self, stream):
        for line in stream:
            self.output.append(line.decode(errors="replace").rstrip("\n"))
        stream.close()

    def running(self):
        return self.popen.poll() is None

    def ended(self, seconds=PATIENCE_S):
        """Waits for its end; its exit status."""
        try:
            status = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.popen.args[0]} did not end in {seconds} s") from None
        self.reader.join(PATIENCE_S)
        return status

    def end(self, number=signal.SIGTERM):
        """Ends it, by force when it does not hear. Its exit status."""
        if self.popen.stdin:
            self.popen.stdin.close()  # a namespace ends with its input
        elif self.running():
            self.popen.send_signal(number)
        try:
            status = self.popen.wait(10)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            status = self.popen.wait()
        if self.kept:
            self.kept = False
            place().tell_keeper("gone", self.pid)
        return status


class Place:
    """A folder that others may look into, and a loopback network that no other run uses."""

    def __init__(self):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self.folder = tempfile.mkdtemp(prefix="posthaste-interop-")
        os.chmod(self.folder, 0o755)
        self._start_keeper()
        self.run = os.getpid() % (64 * 254)
        self.reserved = socket.socket()  # held, so that the port stays ours
        self.reserved.bind((self.address(1), 0))
        self.port = self.reserved.getsockname()[1]  # of every exchanger
        self.number = 0

    def _start_keeper(self):
        read, write = os.pipe()
        if os.fork() == 0:
            try:
                os.setsid()
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)
                os.close(write)
                with open(read, encoding="ascii") as orders:
                    _keep(orders, self.folder)
            finally:
                os._exit(0)
        os.close(read)
        self.orders = open(write, "w", encoding="ascii", buffering=1)

    def tell_keeper(self, word, pid):
        self.orders.write(f"{word} {pid}\n")

    def address(self, number):
        """Of a host, number 1 to 999."""
        return (f"127.{1 + self.run // 64}.{self.run % 64 * 4 + number // 250}."
                f"{1 + number % 250}")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def new_name(self, stem):
        """A name in the folder that is not taken yet."""
        self.number += 1
        return f"{stem}{self.number}"


@functools.cache
def place():
    """The one of this run."""
    return Place()


def run(command, content=b"", seconds=60, **options):
    """Runs a program to its end, with `content` as its input."""
    return subprocess.run([str(word) for word in command], input=content, capture_output=True,
                          timeout=seconds, check=False, **options)
