"""Real mail servers that take what the engine delivers, and keep it.

Each has .domain, arrived() with what it keeps by recipient, and close(). Content is as it was on
the wire, with the fields that the server itself puts in front. Those that may end a header section
which has no end say so by .ends_headers.
"""

import glob
import os
import re
import socket
import unittest

from exchanger import Exchanger
from messages import with_crlf
from place import IS_ROOT, NOBODY, Process, eventually, place

# Runs a server apart from the rest of the machine.
CONTAINED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "contained")


def accepts(address, greets=True):
    try:
        with socket.create_connection(address, timeout=5) as probe:
            return not greets or probe.recv(100).startswith(b"220")
    except OSError:
        return False


class MailServer:
    """A program at the address of a host of its own, with a folder of its own. What it keeps is in
    .files there; of the fields that it puts in front one, .rcpt_field, names the recipient, and
    another, .sender_field, the sender."""

    ends_headers = False

    def __init__(self):
        self.number = next(Exchanger.numbers)
        self.domain = f"d{self.number}.example"
        self.address = place().address(self.number), place().port
        self.folder = place().path(f"{type(self).__name__.lower()}{self.number}")
        os.mkdir(self.folder, 0o755)

    def make_folder(self, name, owner=NOBODY):
        path = os.path.join(self.folder, name)
        os.mkdir(path, 0o755)
        if IS_ROOT:
            os.chown(path, owner, owner)
        return path

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def start(self, command, greets=True, **options):
        """`greets`: it says something in the clear when it is connected to."""
        self.process = Process(command, **options)

        def ready():
            if not self.process.running():
                raise unittest.SkipTest(f"{type(self).__name__}: {self.process.output}")
            return accepts(self.address, greets)
        eventually(ready, lambda: f"{type(self).__name__}: {self.process.output}")

    def close(self):
        self.process.end()

    def contents(self):
        """What the files hold."""
        for path in glob.glob(os.path.join(self.folder, self.files)):
            try:
                with open(path, "rb") as file:
                    yield with_crlf(file.read())
            except PermissionError:  # it came this moment
                continue

    @staticmethod
    def addresses(content, field):
        """Those that this field names, or each of these."""
        pattern = re.compile(rb"^%s: <?([^>\r\n]*)>?\r\n" % field.encode(), re.MULTILINE)
        header = content.split(b"\r\n\r\n")[0] + b"\r\n"
        return [address.decode() for address in pattern.findall(header)]

    def arrived(self):
        return {rcpt: content for content in self.contents()
                for rcpt in self.addresses(content, self.rcpt_field)}


class Aiosmtpd:
    """The Python library, in this process."""

    ends_headers = False

    def __init__(self, smtputf8=True):
        try:
            from aiosmtpd.controller import Controller
        except ImportError:
            raise unittest.SkipTest("python3-aiosmtpd is missing") from None
        self.number = next(Exchanger.numbers)
        self.domain = f"d{self.number}.example"
        self.kept = {}
        self.envelopes = []
        self.controller = Controller(self, hostname=place().address(self.number),
                                     port=place().port, enable_SMTPUTF8=smtputf8)
        self.controller.start()

    async def handle_DATA(self, _server, _session, envelope):
        self.envelopes.append(envelope)
        for rcpt in envelope.rcpt_tos:
            self.kept[rcpt] = envelope.original_content
        return "250 2.0.0 kept"

    def arrived(self):
        return self.kept

    def close(self):
        self.controller.stop()
