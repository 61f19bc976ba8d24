"""Writes journals byte by byte, as queue/format.h describes them and by no other means.

What the engine writes and what is written here must read alike. Everything can be written wrong on
purpose: each part is given as it shall stand in the file.
"""

import os
import struct

BLOCK = 4096
SEGMENT_MAGIC = 0x6C6E726A74736F70
BATCH_MAGIC = 0x68637462
OPENS, MESSAGE, STATE, RESULT, ATTEMPT, KEY = range(1, 7)
OPEN, DELIVERED, FAILED, DEFERRED = range(4)
WALL_US = 1_790_000_000_000_000
ID_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def _crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC_TABLE = _crc_table()


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def padded(count, unit):
    return -(-count // unit) * unit


def id_text(number):
    return "".join(ID_DIGITS[number >> 5 * digit & 31] for digit in range(12, -1, -1))


def opens(previous_epoch=0, previous_end=0):
    return OPENS, struct.pack("<QQ", previous_epoch, previous_end)


def message(number, rcpts=("a@one.example",), content=b"Subject: x\r\n\r\nx\r\n", sender="s@x.org",
            gap=b"", campaign=b"", priority=0, **wrong):
    """A MESSAGE. `wrong`: fields of its fixed part, and `table`, that shall be otherwise."""
    texts, table, group_count, last = sender.encode() + gap, b"", 0, None
    for rcpt in rcpts:
        domain = rcpt.rpartition("@")[2]
        table += struct.pack("<IHHBBxx", len(texts), len(rcpt), 0, len(domain), domain != last)
        texts += (rcpt + domain).encode()
        group_count += domain != last
        last = domain
    texts += gap
    fields = {"id": number, "received": WALL_US, "content_bytes": len(content),
              "envelope_bytes": len(texts) + len(table), "rcpts_offset": len(texts),
              "rcpt_count": len(rcpts), "job_count": group_count, "sender_bytes": len(sender),
              "dsn_bytes": 0, "flags": 0, "key": bytes(16), "key_content": 0,
              "campaign_bytes": len(campaign), "priority": priority, "reserved": bytes(6)}
    table = wrong.pop("table", table)
    assert not set(wrong) - set(fields), wrong
    return MESSAGE, (struct.pack("<QQQIIIIHHI16sQBb6s", *(fields | wrong).values()) +
                     texts + table + campaign + content)


def state(number, states, jobs=((0, 1),), job_count=None, rcpt_count=None):
    return STATE, (struct.pack("<QII", number, len(jobs) if job_count is None else job_count,
                               len(states) if rcpt_count is None else rcpt_count) +
                   b"".join(struct.pack("<IHxx", *job) for job in jobs) + bytes(states))


def result(number, outcome, rcpt=0, attempt=1, in_doubt=0, host=b"mx", address=b"[::1]:25",
           text=b"250 ok", text_bytes=None):
    return RESULT, struct.pack("<QQIIHHHHHBBHBBII", number, WALL_US, rcpt, 0, attempt, 250, 2, 0, 0,
                               outcome, in_doubt, len(text) if text_bytes is None else text_bytes,
                               len(host), len(address), 0, 0) + host + address + text


def attempt(number, first=0, count=1, turn=1):
    return ATTEMPT, struct.pack("<QQIHH", number, WALL_US, first, count, turn)


def key(word, number, content=7):
    return KEY, struct.pack("<16sQQQ", word.encode(), content, number, WALL_US + 1)


class Segment:
    """Built batch by batch; bytes() is the file."""

    def __init__(self, epoch=1, size=64 * 1024, turn=None, **wrong):
        self.epoch, self.size = epoch, size
        self.turn = epoch if turn is None else turn
        fields = {"magic": SEGMENT_MAGIC, "version": 1, "checksum": 0, "epoch": epoch,
                  "bytes": size, "block_bytes": BLOCK, "worker": 0, "wall_us": WALL_US,
                  "reserved": bytes(16)} | wrong
        form = "<QIIQQIIQ16s"
        fields["checksum"] = crc32c(struct.pack(form, *fields.values()))
        self.file = bytearray(size)
        self.file[:64] = struct.pack(form, *fields.values())
        self.next = BLOCK
        self.batches = []  # offset of each
        self.records = []  # offset of each

    def batch(self, *records, durable=None, at=None, **wrong):
        """Where it stands. All before it was durable, when not said otherwise."""
        at = self.next if at is None else at
        epoch = wrong.get("epoch", self.epoch)
        headers = body = b""
        for kind, payload in records:
            place = at + 64 + len(body)
            self.records.append(place)
            checksum = crc32c(struct.pack("<QQ", epoch, place) + payload)
            header = struct.pack("<IIB7x", len(payload), checksum, kind)
            headers += header
            body += header + payload + bytes(-len(payload) % 8)
        fields = {"magic": BATCH_MAGIC, "checksum": 0, "epoch": epoch, "offset": at,
                  "durable": at if durable is None else durable, "bytes": 64 + len(body),
                  "wall_us": WALL_US, "turn": self.turn, "record_count": len(records),
                  "reserved": 0} | wrong
        form = "<IIQQQQQQII"
        fields["checksum"] = crc32c(struct.pack(form, *fields.values()) + headers)
        whole = struct.pack(form, *fields.values()) + body
        assert at + len(whole) <= self.size, "it does not fit"
        self.file[at:at + len(whole)] = whole
        self.batches.append(at)
        self.used = len(whole)  # of this batch
        self.next = at + padded(len(whole), BLOCK)
        return at

    def flip(self, at, bits=1):
        self.file[at] ^= bits
        return self

    def __bytes__(self):
        return bytes(self.file)


def write(folder, *segments):
    """Makes `folder`, with a file for each segment (a Segment, or bytes)."""
    os.makedirs(folder)
    for number, segment in enumerate(segments, 1):
        with open(os.path.join(folder, f"{number:08}.segment"), "wb") as file:
            file.write(bytes(segment))
