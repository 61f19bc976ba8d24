"""A name server that answers as it is told to, well or badly, by UDP and TCP.

What it answers to a question stands in the question's name, or in a table of raw answers:

    MX.A.AAAA.case.example      each a word of BEHAVIOURS; MX "found" names mx.MX.A.AAAA.case.example
    KEY.special.example         tables["KEY"]: {type: function of the question}
"""

import socket
import struct
import threading

from place import place

A, CNAME, SOA, MX, AAAA = 1, 5, 6, 15, 28
NO_ERROR, FORM_ERROR, SERVER_FAILURE, NO_DOMAIN, NOT_IMPLEMENTED, REFUSED = range(6)
UDP_BYTES_MAX = 512


def name_bytes(name):
    """As on the wire. Labels may be bytes; what is bytes as a whole is so already."""
    if isinstance(name, bytes):
        return name
    labels = name if isinstance(name, (list, tuple)) else [part for part in name.split(".") if part]
    raw = [label if isinstance(label, bytes) else label.encode() for label in labels]
    return b"".join(bytes([len(label)]) + label for label in raw) + b"\0"


class Question:
    def __init__(self, packet):
        self.id, = struct.unpack(">H", packet[:2])
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1").lower())
            at += 1 + packet[at]
        self.type, = struct.unpack(">H", packet[at + 1:at + 3])
        self.labels = labels
        self.name = ".".join(labels)
        self.section = packet[12:at + 5]


def record(owner, kind, data, ttl=300):
    return name_bytes(owner) + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def mx(owner, preference, host):
    return record(owner, MX, struct.pack(">H", preference) + name_bytes(host))


def a(owner, address):
    return record(owner, A, socket.inet_aton(address))


def aaaa(owner, address):
    return record(owner, AAAA, socket.inet_pton(socket.AF_INET6, address))


def cname(owner, to):
    return record(owner, CNAME, name_bytes(to))


def answer(question, records=(), code=NO_ERROR, flags=0x8580, asked_id=None, section=None):
    """`records`: of the answer section."""
    return struct.pack(">HHHHHH", question.id if asked_id is None else asked_id, flags | code, 1,
                       len(records), 0, 0) + (section or question.section) + b"".join(records)


class ScriptedDns:
    """`found_a`, `found_aaaa`: the address of whatever is found."""

    def __init__(self, found_a, found_aaaa, tables):
        self.found_a, self.found_aaaa, self.tables = found_a, found_aaaa, tables
        self.asked = []
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((place().address(1), 0))
        self.address = "{}:{}".format(*self.udp.getsockname())
        self.tcp = socket.create_server(self.udp.getsockname())
        threading.Thread(target=self._serve_udp, daemon=True).start()
        threading.Thread(target=self._serve_tcp, daemon=True).start()

    def close(self):
        self.udp.close()
        self.tcp.close()

    def _serve_udp(self):
        while True:
            try:
                packet, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            for reply in self.replies(Question(packet), False):
                self.udp.sendto(reply, peer)

    def _serve_tcp(self):
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as file:
            while len(size := file.read(2)) == 2:
                question = Question(file.read(struct.unpack(">H", size)[0]))
                replies = self.replies(question, True)
                if not replies:
                    return
                for reply in replies:
                    connection.sendall(struct.pack(">H", len(reply)) + reply)

    def replies(self, question, by_tcp):
        """Those that are sent, in order."""
        self.asked.append((question.name, question.type))
        labels = question.labels
        if labels[-2:] == ["special", "example"]:
            table = self.tables[labels[-3]]
            made = table.get(question.type, lambda q: answer(q))(question)
        elif labels[-2:] == ["case", "example"]:
            words = dict(zip((MX, A, AAAA), labels[-5:-2]))
            made = self.behave(words[question.type], question, by_tcp)
        else:
            made = answer(question, code=NO_DOMAIN)
        made = made if isinstance(made, list) else [made]
        if by_tcp:
            return made
        return [reply if len(reply) <= UDP_BYTES_MAX else answer(question, flags=0x8780)
                for reply in made]

    def good(self, question):
        if question.type == MX:
            return answer(question, [mx(question.name, 10, f"mx.{question.name}")])
        if question.type == A:
            return answer(question, [a(question.name, self.found_a)])
        return answer(question, [aaaa(question.name, self.found_aaaa)])

    def behave(self, word, question, by_tcp):
        codes = {"nodata": NO_ERROR, "nxdomain": NO_DOMAIN, "servfail": SERVER_FAILURE,
                 "refused": REFUSED, "formerr": FORM_ERROR, "notimp": NOT_IMPLEMENTED}
        if word in codes:
            return answer(question, code=codes[word])
        return {
            "found": lambda: self.good(question),
            "silence": lambda: [],
            "garbage": lambda: b"\xff" * 40,
            "empty": lambda: b"",
            "wrongid": lambda: answer(question, asked_id=question.id ^ 1),
            "wrongname": lambda: answer(question, section=name_bytes("other.example") +
                                        question.section[-4:]),
            "cutoff": lambda: self.good(question)[:-3],
            "tc": lambda: self.good(question) if by_tcp else answer(question, flags=0x8780),
            "tcdead": lambda: [] if by_tcp else answer(question, flags=0x8780),
        }[word]()
