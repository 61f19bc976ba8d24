"""A mail exchanger under TLS that fails as it is told, and keeps every byte that reaches it.

.seen is what came over the wire, connection by connection, as a capture has it: in the clear until
the server's 220 to STARTTLS, sealed behind it. .clear and .opened are the lines that came in the
clear, and those that came sealed.
"""

import socket
import ssl
import struct
import threading

from place import place

TAKEN = {"MAIL": b"250 2.1.0 ok\r\n", "RCPT": b"250 2.1.5 ok\r\n", "DATA": b"354 go\r\n",
         "RSET": b"250 2.0.0 ok\r\n", "NOOP": b"250 2.0.0 ok\r\n"}
ALERT = bytes.fromhex("15030300020228")  # fatal, handshake_failure
QUIET_S = 60


class _Ended(Exception):
    pass


class TlsExchanger:
    """Listens at place().address(number). `fault`: a word of the table (tests/tls_table.txt); with
    those that begin with "implicit" it speaks TLS from the first byte on."""

    def __init__(self, number, fault="good", certificate=None):
        self.fault = fault
        self.certificate = certificate
        self.seen = []
        self.clear = []
        self.opened = []
        self.contents = []  # (sealed, content)
        self.names = []     # SNI
        self.versions = []
        self.sealed_sessions = 0
        self.listener = socket.create_server((place().address(number), place().port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # whoever waits for the next one would keep it open
        self.listener.close()

    def wire(self):
        """What of a message went over the wire: "clear", "sealed" or "nothing"."""
        if any(line.upper().startswith((b"MAIL", b"RCPT", b"DATA", b"BDAT"))
               for line in self.clear):
            return "clear"
        if any(line.upper().startswith((b"MAIL", b"RCPT", b"DATA", b"BDAT"))
               for line in self.opened):
            return "sealed"
        return "nothing"

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(QUIET_S)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        seen = bytearray()
        self.seen.append(seen)
        try:
            _Session(self, connection, seen).talk()
        except (_Ended, OSError, ssl.SSLError):
            pass
        finally:
            connection.close()

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self.fault == "old-version":
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        elif self.fault == "no-cipher":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")  # and the key is no RSA key
        elif self.fault == "tls-1.2":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate.path)
        context.sni_callback = lambda _tls, name, _context: self.names.append(name)
        return context


class _Session:
    """One connection. Bytes go through memory, so that those on the wire are seen as they are."""

    def __init__(self, exchanger, connection, seen):
        self.exchanger = exchanger
        self.connection = connection
        self.seen = seen
        self.waiting = b""
        self.tls = None

    def receive(self):
        data = self.connection.recv(65536)
        if not data:
            raise _Ended
        self.seen += data
        return data

    def say(self, data):
        if not self.tls:
            self.connection.sendall(data)
            return
        self.tls.write(data)
        self.connection.sendall(self.outgoing.read())

    def line(self):
        while b"\n" not in self.waiting:
            self.waiting += self.more()
        line, self.waiting = self.waiting.split(b"\n", 1)
        return line.rstrip(b"\r")

    def more(self):
        if not self.tls:
            return self.receive()
        while True:
            try:
                data = self.tls.read(65536)
                if not data:
                    raise _Ended
                return data
            except ssl.SSLWantReadError:
                self.incoming.write(self.receive())

    def handshake(self):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.exchanger.context().wrap_bio(self.incoming, self.outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.connection.sendall(self.outgoing.read())
                self.incoming.write(self.receive())
            except ssl.SSLError:
                self.connection.sendall(self.outgoing.read())
                raise
        self.connection.sendall(self.outgoing.read())
        self.tls = tls
        self.waiting = b""
        self.exchanger.sealed_sessions += 1
        self.exchanger.versions.append(tls.version())

    def listen_only(self):
        while True:
            self.receive()

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise _Ended

    def talk(self):
        fault = self.exchanger.fault
        if fault == "implicit-silent":
            self.listen_only()
        if fault.startswith("implicit"):
            self.handshake()
        self.say(b"220 exchanger ESMTP\r\n")
        while True:
            line = self.line()
            (self.exchanger.opened if self.tls else self.exchanger.clear).append(line)
            verb = line[:4].upper().decode(errors="replace")
            if line.upper() == b"STARTTLS":
                self.starttls(fault)
            elif verb == "EHLO":
                self.ehlo(fault)
            elif verb == "HELO":
                self.say(b"250 exchanger\r\n")
            elif verb == "QUIT":
                self.say(b"221 2.0.0 bye\r\n")
                raise _Ended
            elif verb == "MAIL" and fault == "wants-tls" and not self.tls:
                self.say(b"530 5.7.0 Must issue a STARTTLS command first\r\n")
            else:
                self.say(TAKEN.get(verb, b"502 5.5.1 no such command\r\n"))
                if verb == "DATA":
                    self.take_content()

    def ehlo(self, fault):
        if fault == "no-ehlo" and not self.tls:
            self.say(b"502 5.5.1 EHLO is not known\r\n")
        elif fault == "no-ehlo-sealed" and self.tls:
            self.say(b"502 5.5.1 EHLO is not known\r\n")
        elif fault == "busy-sealed" and self.tls:
            self.say(b"421 4.3.2 too busy\r\n")
            raise _Ended
        elif fault == "closed-sealed" and self.tls:
            raise _Ended
        elif (self.tls and fault != "offers-again") or fault == "not-offered":
            self.say(b"250-exchanger\r\n250 8BITMIME\r\n")
        else:
            self.say(b"250-exchanger\r\n250-STARTTLS\r\n250 8BITMIME\r\n")

    def starttls(self, fault):
        said = {"refused-454": b"454 4.7.0 TLS not available\r\n",
                "refused-421": b"421 4.3.2 not now\r\n",
                "refused-502": b"502 5.5.1 not known\r\n",
                "refused-554": b"554 5.7.3 not for you\r\n",
                "answer-354": b"354 go\r\n",
                "answer-broken": b"2x0 go\r\n",
                "injected": b"220 go\r\n250 injected\r\n"}.get(fault, b"220 go\r\n")
        if fault == "closed-by-starttls":
            raise _Ended
        if fault == "silent-to-starttls":
            self.listen_only()
        self.connection.sendall(said)
        if fault == "silent-in-handshake":
            self.listen_only()
        if fault.startswith(("refused", "answer")):
            if fault == "refused-421":
                raise _Ended
            return
        if fault == "clear-bytes":
            self.receive()
            self.connection.sendall(b"500 what is this?\r\n")
            self.receive()
        if fault in ("alert", "closed-in-handshake", "reset-in-handshake"):
            self.receive()
            if fault == "alert":
                self.connection.sendall(ALERT)
            elif fault == "reset-in-handshake":
                self.reset()
            raise _Ended
        self.handshake()

    def take_content(self):
        lines = []
        while (line := self.line()) != b".":
            lines.append(line)
        self.exchanger.contents.append((self.tls is not None, b"\n".join(lines)))
        self.say(b"250 2.0.0 kept\r\n")
        if self.exchanger.fault == "one-message":
            raise _Ended
