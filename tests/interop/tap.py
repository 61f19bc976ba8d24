"""A tap on the line to a mail server: passes on what both sides say, and listens."""

import re
import socket
import threading
from collections import deque

from exchanger import Exchanger
from place import eventually, place

BDAT = re.compile(rb"BDAT ([0-9]+) LAST")


class Talk:
    """A connection. Each side's bytes are shown to it before they are passed on: so the client has
    not sent less, and has not heard more, than it says here."""

    def __init__(self):
        self.lock = threading.Lock()
        self.client_bytes = bytearray()
        self.server_bytes = bytearray()
        self.awaited = deque(["greeting"])  # verbs without reply
        self.chunk_left_bytes = 0
        self.in_content = False
        self.messages_ahead = 0  # whole ones without a verdict, at most
        self.chunks = 0
        self.taken = 0  # 2xx to content

    def client_says(self, data):
        with self.lock:
            self.client_bytes += data
            while self._content() or self._line():
                pass

    def _content(self):
        passed = min(self.chunk_left_bytes, len(self.client_bytes))
        del self.client_bytes[:passed]
        self.chunk_left_bytes -= passed
        return passed

    def _line(self):
        line, end, _ = self.client_bytes.partition(b"\r\n")
        if not end or self.chunk_left_bytes:
            return False
        del self.client_bytes[:len(line) + len(end)]
        if self.in_content:
            self.in_content = line != b"."
        else:
            self._command(bytes(line))
        return True

    def _command(self, line):
        verb = line.split(b" ")[0].decode()
        self.awaited.append(verb)
        if verb == "BDAT":
            self.chunks += 1
            self.chunk_left_bytes = int(BDAT.fullmatch(line)[1])
            self.messages_ahead = max(self.messages_ahead, self.awaited.count("BDAT"))

    def server_says(self, data):
        with self.lock:
            self.server_bytes += data
            *lines, self.server_bytes = self.server_bytes.split(b"\r\n")
            for line in lines:
                if line[3:4] != b"-":
                    self._reply(int(line[:3]))

    def _reply(self, code):
        if code == 421:
            return  # it may come unasked
        verb = self.awaited.popleft()
        if verb == "DATA" and code == 354:
            # It must have waited for this.
            assert not self.awaited and not self.client_bytes, (self.awaited, self.client_bytes)
            self.in_content = True
            self.awaited.append("content")
        elif verb in ("BDAT", "content"):
            self.taken += 200 <= code < 300


class Tap:
    """Listens at an address of its own, in front of .server. The server is not heard before
    open()."""

    def __init__(self, server):
        self.server = server
        number = next(Exchanger.numbers)
        self.domain = f"d{number}.example"
        self.opened = threading.Event()
        self.talks = []
        self.faults = []
        self.pumps = []
        self.listener = socket.create_server((place().address(number), place().port))
        threading.Thread(target=self._accept, daemon=True).start()

    def open(self):
        self.opened.set()

    def close(self):
        self.listener.close()
        self.open()

    def ended(self):
        """Waits for the end of what was begun."""
        for pump in list(self.pumps):
            eventually(lambda pump=pump: not pump.is_alive(), "a connection's end")

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.server.address)
            talk = Talk()
            self.talks.append(talk)
            for ends in ((client, server, talk.client_says), (server, client, talk.server_says)):
                ends[1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.pumps.append(threading.Thread(target=self._pump, args=ends, daemon=True))
                self.pumps[-1].start()

    def _pump(self, source, sink, listen):
        self.opened.wait()
        try:
            while data := source.recv(65536):
                listen(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except (OSError, LookupError, ValueError, AssertionError, TypeError) as why:
            self.faults.append(repr(why))
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it is gone
