"""An SMTP client of bare bytes: it says what it is told to, right or wrong."""

import socket
import struct
import time

from place import PATIENCE_S


def stuff(content):
    """Content as DATA carries it (RFC 5321 4.5.2), up to and with the final dot."""
    if content and not content.endswith(b"\r\n"):
        content += b"\r\n"
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


class Client:
    """`address`: (host, port), or the path of a unix socket."""

    def __init__(self, address, hello="EHLO client.example"):
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(PATIENCE_S)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout=PATIENCE_S)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        if hello:
            assert self.reply()[0] == 220
            assert self.say(hello)[0] == 250

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def reset(self):
        """Vanishes: the other side sees a reset, not an orderly end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def send(self, content, piece=0, pause_s=0):
        """Sends bytes, in pieces when told so."""
        content = as_bytes(content)
        for at in range(0, len(content), piece or len(content) or 1):
            self.socket.sendall(content[at:at + (piece or len(content))])
            time.sleep(pause_s)

    def reply(self):
        """One whole reply: its code, and its text of all lines. (0, "") at the connection's end."""
        lines = []
        while True:
            try:
                line = self.file.readline()
            except ConnectionResetError:
                line = b""
            if not line:
                return 0, ""
            assert line.endswith(b"\r\n") and line[:3].isdigit() and line[3:4] in b" -", line
            lines.append(line[4:-2].decode())
            if line[3:4] == b" ":
                return int(line[:3]), "\n".join(lines)

    def codes(self, count):
        return [self.reply()[0] for _ in range(count)]

    def say(self, line):
        self.send(as_bytes(line) + b"\r\n")
        return self.reply()

    def say_all(self, *lines):
        """One after the other; the codes of the replies."""
        return [self.say(line)[0] for line in lines]

    def open_transaction(self, sender, rcpts, parameters=""):
        """MAIL and RCPT, in one write (RFC 2920); all must be accepted."""
        lines = [f"MAIL FROM:<{sender}>{parameters}"] + [f"RCPT TO:<{rcpt}>" for rcpt in rcpts]
        self.send("".join(line + "\r\n" for line in lines))
        codes = self.codes(len(lines))
        assert set(codes) == {250}, codes

    def give(self, content):
        """Content by DATA; the last reply."""
        code, text = self.say("DATA")
        assert code == 354, (code, text)
        self.send(stuff(content))
        return self.reply()

    def give_chunks(self, content, chunk_bytes=None):
        """Content by BDAT (RFC 3030), in chunks; the last reply."""
        chunk_bytes = chunk_bytes or len(content) or 1
        chunks = [content[at:at + chunk_bytes] for at in range(0, len(content), chunk_bytes)]
        for i, chunk in enumerate(chunks or [b""]):
            last = i + 1 >= len(chunks)
            self.send(f"BDAT {len(chunk)}{' LAST' if last else ''}\r\n".encode() + chunk)
            code, text = self.reply()
            assert last or code == 250, (code, text)
        return code, text

    def submit(self, sender, rcpts, content, chunk_bytes=None, by_bdat=False, parameters=""):
        """A whole message. Its id, when it was accepted."""
        self.open_transaction(sender, rcpts, parameters)
        if by_bdat or chunk_bytes:
            code, text = self.give_chunks(content, chunk_bytes)
        else:
            code, text = self.give(content)
        assert code == 250, (code, text)
        return text.rsplit(" ", 1)[1]
