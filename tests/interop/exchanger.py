"""A mail exchanger that does as it is told: well, or badly at a step of choice.

It keeps what it took, and looks at every byte that reaches it: command lines without control
bytes, lines that end in CRLF, no bare CR or LF in content.
"""

import fcntl
import re
import socket
import struct
import termios
import threading
import time
from dataclasses import dataclass, field

from names import HOSTS
from place import eventually, place

CLOSE = object()  # the connection ends
RESET = object()  # ... by a reset
QUIET = object()  # nothing is said, and nothing more is read

USUAL = {"HELO": b"250 exchanger\r\n", "MAIL": b"250 2.1.0 sender ok\r\n",
         "RCPT": b"250 2.1.5 recipient ok\r\n", "DATA": b"354 go ahead\r\n",
         "RSET": b"250 2.0.0 forgotten\r\n", "QUIT": b"221 2.0.0 bye\r\n",
         "BDAT": b"503 5.5.1 nobody to take it\r\n",
         "greeting": b"220 exchanger ESMTP\r\n", "content": b"250 2.0.0 kept\r\n", "body": b""}

PRINTABLE = re.compile(rb"[\x20-\x7e\x80-\xff]+\r\n")
CHUNK = re.compile(r"BDAT ([0-9]+) LAST")  # nobody sends us more than one


@dataclass
class Transaction:
    """What came between MAIL and the reply to the content."""
    connection: int
    mail: str
    rcpts: list = field(default_factory=list)
    content: bytes = b""


def once(action):
    """The first time this, later as usual."""
    actions = [action]
    return lambda _session: actions.pop() if actions else None


def bytewise(reply):
    """The reply in as many segments as bytes."""
    return tuple(reply[i:i + 1] for i in range(len(reply)))


def after(seconds, reply=None):
    """The usual reply or another, later."""
    def wait(_session):
        time.sleep(seconds)
        return reply
    return wait


class Exchanger:
    """Listens at its address from the start; close() ends it.

    script: {step: action}. A step is a verb, "greeting", "body" (content may come) or "content"
    (it has come; BDAT's is the step "BDAT" when no recipient was accepted). An action is the bytes
    to say, CLOSE, RESET or QUIET, a tuple of those one after the other, a function of the session
    that returns one, or None: as usual.
    """

    numbers = iter(HOSTS)

    def __init__(self, script=None, number=None, address=None,
                 offers=("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")):
        self.number = number or next(Exchanger.numbers)
        self.domain = f"d{self.number}.example"
        self.script = script or {}
        self.offers = offers
        self.transactions = []
        self.faults = []
        self.commands = []
        self.connection_count = self.connection_peak = 0
        self.sessions = set()  # that are open
        self.sessions_lock = threading.Lock()
        address = address or place().address(self.number)
        self.listener = socket.create_server(
            (address, place().port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.listener.close()

    @property
    def connections_open(self):
        return len(self.sessions)

    def comes(self, session):
        with self.sessions_lock:
            self.sessions.add(session)
            self.connection_peak = max(self.connection_peak, len(self.sessions))

    def leaves(self, session):
        """One that has left already, too."""
        with self.sessions_lock:
            self.sessions.discard(session)

    def rcpts(self):
        return [rcpt for t in self.transactions for rcpt in t.rcpts]

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connection_count += 1
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_serve, args=(self, connection, self.connection_count),
                             daemon=True).start()

    def begin(self, session):
        """A connection has come."""

    def special(self, _session, _verb, _text):
        """A command that is dealt with here: True."""
        return False

    def lines_for(self, _session):
        return self.offers

    def usual(self, step):
        return USUAL.get(step, b"502 5.5.1 no such command\r\n")

    def ehlo(self, session):
        lines = ["exchanger", *self.lines_for(session)]
        return "".join(f"250{'-' if i + 1 < len(lines) else ' '}{line}\r\n"
                       for i, line in enumerate(lines)).encode()


def is_good(action, first_digits=(b"2", b"3")):
    """Does it say yes, in a whole reply?"""
    said = b"".join(part for part in action if isinstance(part, bytes))
    return said[:1] in first_digits and said.endswith(b"\r\n")


class _Ended(Exception):
    pass


class Session:
    """A connection that the exchanger serves."""

    def __init__(self, exchanger, connection, number):
        self.exchanger = exchanger
        self.connection = connection
        self.number = number
        self.file = connection.makefile("rb")
        self.transaction = None
        self.said = None  # the command under way
        self.mute = False  # does what it is told, and says nothing of it

    def decide(self, step):
        """What the script wants at this step."""
        action = self.exchanger.script.get(step)
        if callable(action):
            action = action(self)
        if action is None and step == "RCPT" and not self.transaction:
            action = b"503 5.5.1 from whom?\r\n"
        if action is None and step == "EHLO":
            action = self.exchanger.ehlo(self)
        if action is None:
            action = self.exchanger.usual(step)
        return action if isinstance(action, tuple) else (action,)

    def act(self, step):
        """True when it was good news for the client."""
        action = self.decide(step)
        self.carry_out(action)
        return is_good(action)

    def carry_out(self, action):
        for part in action:
            if not isinstance(part, bytes):
                self.end(part)
            if not self.mute:
                self.connection.sendall(part)

    def end(self, how):
        if how is RESET:
            eventually(self.all_arrived, "what was said")  # the reset could overtake it
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                       struct.pack("ii", 1, 0))
        if how is QUIET:
            self.connection.settimeout(None)
            while self.connection.recv(65536):
                pass
        raise _Ended

    def all_arrived(self):
        waiting = fcntl.ioctl(self.connection, termios.TIOCOUTQ, struct.pack("i", 0))
        return struct.unpack("i", waiting)[0] == 0

    def line(self):
        line = self.file.readline()
        if not line:
            raise _Ended
        return line

    def waiting(self):
        """What has come, or the beginning of it, behind what was read."""
        self.connection.setblocking(False)
        try:
            return self.file.peek()
        finally:
            self.connection.setblocking(True)

    def talk(self):
        self.exchanger.begin(self)
        self.act("greeting")
        while True:
            line = self.line()
            if not PRINTABLE.fullmatch(line):
                self.exchanger.faults.append(("command", line))
            text = line.decode(errors="replace").rstrip()
            verb = text.split(" ")[0].upper()
            self.exchanger.commands.append(text)
            self.said = text
            if verb == "BDAT":
                self.take_chunk(text)
                continue
            if self.exchanger.special(self, verb, text):
                continue
            if verb == "QUIT":
                self.exchanger.leaves(self)  # before it can know of our answer, and come anew
            good = self.act(verb)
            if verb == "MAIL" and good:
                self.transaction = Transaction(self.number, text)
            elif verb == "RCPT" and good and self.transaction:
                self.transaction.rcpts.append(text)
            elif verb == "DATA" and good:
                self.take_content()
            elif verb in ("RSET", "EHLO", "HELO"):
                self.transaction = None
            elif verb == "QUIT":
                raise _Ended

    def take_content(self):
        self.act("body")
        lines = []
        while (line := self.line()) != b".\r\n":
            if not line.endswith(b"\r\n") or b"\r" in line[:-2] or b"\0" in line:
                self.exchanger.faults.append(("content", line))
            lines.append(line.removeprefix(b"."))
        self.take("content", b"".join(lines))

    def take_chunk(self, text):
        chunk = CHUNK.fullmatch(text)
        if not chunk:
            self.exchanger.faults.append(("chunk", text))
            raise _Ended
        content = self.file.read(int(chunk[1]))
        if len(content) < int(chunk[1]):
            raise _Ended
        has_rcpts = self.transaction and self.transaction.rcpts
        self.take("content" if has_rcpts else "BDAT", content)

    def take(self, step, content):
        action = self.decide(step)
        transaction, self.transaction = self.transaction, None
        if transaction and transaction.rcpts and is_good(action, (b"2",)):
            transaction.content = content
            self.exchanger.transactions.append(transaction)
        self.carry_out(action)


def _serve(exchanger, connection, number):
    session = Session(exchanger, connection, number)
    exchanger.comes(session)
    try:
        session.talk()
    except (_Ended, OSError):
        pass
    finally:
        exchanger.leaves(session)
        session.file.close()
        session.connection.close()
