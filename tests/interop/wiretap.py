"""Stands between the engine and a server, and keeps what goes over the wire: what a capture holds.

.connections: for each one, what the client has said, and what the server has.
"""

import socket
import threading
from dataclasses import dataclass, field

from place import place

TLS_HANDSHAKE = b"\x16\x03"  # how the first record of a TLS session begins


@dataclass
class Tapped:
    said: bytearray = field(default_factory=bytearray)
    heard: bytearray = field(default_factory=bytearray)

    def said_in_clear(self):
        """What the client said before TLS began, or all of it."""
        return bytes(self.said).split(TLS_HANDSHAKE)[0]

    def heard_in_clear(self):
        return bytes(self.heard).split(TLS_HANDSHAKE)[0]


class Wiretap:
    """Listens at place().address(number), as the host mxNUMBER.example, and passes on to `to`."""

    def __init__(self, number, to):
        self.number = number
        self.host = f"mx{number}.example"
        self.to = to
        self.connections = []
        self.listener = socket.create_server((place().address(number), place().port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # whoever waits for the next one would keep it open
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.to)
            except OSError:
                return
            tapped = Tapped()
            self.connections.append(tapped)
            for source, to, kept in ((client, server, tapped.said), (server, client, tapped.heard)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass_on, args=(source, to, kept), daemon=True).start()

    @staticmethod
    def _pass_on(source, to, kept):
        try:
            while data := source.recv(65536):
                kept += data
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # either has gone
