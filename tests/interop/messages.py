"""Messages worth sending, and how to tell that one arrived unharmed."""

import email
import glob
import os
import re
from dataclasses import dataclass
from email.header import decode_header, make_header

CPYTHON = "/usr/lib/python3.*/test/test_email/data/*.txt"  # libpython3.11-testsuite
LINE_BYTES_MAX = 998  # RFC 5322 2.1.1

# What we and the receivers put in front of a message.
TRACE_FIELDS = {b"received", b"date", b"message-id", b"return-path", b"delivered-to",
                b"x-original-to", b"envelope-to"}
FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:.*\r\n(?:[ \t].*\r\n)*")


@dataclass
class Message:
    name: str
    content: bytes


def with_crlf(content):
    return re.sub(rb"\r\n|\r|\n", b"\r\n", content)


def _header(name):
    return f"Subject: {name}\r\nDate: Sun, 22 Nov 2026 05:24:15 +0000\r\n\r\n".encode()


def _bodies():
    every_byte = bytes(b for b in range(1, 256) if b not in b"\r\n")
    longest = b"x" * LINE_BYTES_MAX
    return {
        "empty-body": b"",
        "dots": b".\r\n..\r\n...\r\n.a\r\n..b\r\n\r\n.\r\n\r\n.\r\n",
        "dot-is-all": b".\r\n",
        "dots-in-a-row": b".\r\n" * 500,
        "dot-at-the-end": b"text.\r\n.",
        "dot-behind-blank": b" .\r\n\t.\r\n. \r\n",
        "every-byte": every_byte + b"\r\n" + every_byte[::-1] + b"\r\n",
        "utf8": "Grüße, 你好, 🙂\r\n".encode() * 20,
        "longest-lines": longest + b"\r\n" + b"." + longest[1:] + b"\r\n" + longest,
        "blank-ends": b"a \r\nb\t\r\n \r\n\t\r\n\r\n\r\n\r\n",
        "from-line": b"From someone Sun Nov 22 05:24:15 2026\r\n>From\r\n",
        "smtp-in-it": b"QUIT\r\nRSET\r\nMAIL FROM:<>\r\nDATA\r\n354 go\r\n250 ok\r\n",
        "no-last-crlf": b"the end",
    }


def _bare():
    """Contents that are no proper message: there may be no header at all, or nothing."""
    return {
        "nothing": b"",
        "no-header": b"just text\r\n",
        "empty-line-first": b"\r\njust text\r\n",
        "dot-first": b".\r\n",
        "dots-first": b"..\r\n.x\r\n",
        "header-alone": b"Subject: header alone\r\n",
        "header-and-end": b"Subject: header alone\r\n\r\n",
        "8-bit-header": "Subject: Grüße\r\nFrom: Jörg <j@x.example>\r\n\r\ntext\r\n".encode(),
        "long-header": b"Subject: x" + b"\r\n " + b"\r\n ".join([b"folded"] * 5000) + b"\r\n\r\n",
    }


def cpython():
    """CPython's test messages for its e-mail package, with lines as SMTP has them."""
    found = []
    for path in sorted(glob.glob(CPYTHON)):
        with open(path, "rb") as file:
            content = with_crlf(file.read())
        if max(map(len, content.split(b"\r\n"))) <= LINE_BYTES_MAX and b"\0" not in content:
            name = os.path.basename(path).removesuffix(".txt").replace("_", "-")
            found.append(Message(name, content))
    return found


def made():
    """Messages of our own, for what usually breaks."""
    return ([Message(name, _header(name) + body) for name, body in _bodies().items()] +
            [Message(name, content) for name, content in _bare().items()])


def big(content_bytes):
    """A message of so many bytes. Each line is another; many begin with a dot."""
    lines, size, number = [_header("big")], 0, 0
    size = len(lines[0])
    while size < content_bytes:
        number += 1
        line = b"%s%08d %s\r\n" % (b"." if number % 7 == 0 else b"", number, b"abcdefg " * 8)
        lines.append(line[-min(len(line), max(content_bytes - size, 2)):])
        size += len(lines[-1])
    return Message("big", b"".join(lines))


def _begins_with_its_body(content):
    return not content.startswith(b"\r\n") and not re.match(rb"[!-9;-~]+[ \t]*:", content)


def with_header_ended(content):
    """As servers store it that put an empty line behind the last field when there is none."""
    at = 0
    while field := FIELD.match(content, at):
        at = field.end()
    return content if not at or content.startswith(b"\r\n", at) else \
        content[:at] + b"\r\n" + content[at:]


def harm(sent, arrived):
    """What is wrong with what arrived, or None. Only trace fields may stand before the message."""
    if sent and not sent.endswith(b"\r\n"):
        sent += b"\r\n"
    if not arrived.endswith(sent):
        return "it does not end with the message: " + _difference(sent, arrived)
    front = arrived[:len(arrived) - len(sent)]
    names = []
    while field := FIELD.match(front):
        names.append(field[1].lower())
        front = front[field.end():]
    if front != (b"\r\n" if _begins_with_its_body(sent) else b""):
        return f"before the message stands {front[:200]!r}"
    if not TRACE_FIELDS.issuperset(names):
        return f"fields that nobody asked for: {names}"
    if b"(posthaste)" not in arrived[:len(arrived) - len(sent)]:
        return "our Received: is missing"
    return None


def _difference(sent, arrived):
    """Where they differ first, seen from the end."""
    common = 0
    for ours, theirs in zip(reversed(sent), reversed(arrived)):
        if ours != theirs:
            break
        common += 1

    def around(content):
        at = len(content) - common
        return content[max(0, at - 60):at + 20]
    return f"sent ...{around(sent)!r}, arrived ...{around(arrived)!r}"


# --- messages that were encoded on their way, for a server that takes no 8-bit content

def leaves(content):
    """[(type, what it says)] of each part, as Python's email package reads it."""
    return [(part.get_content_type(), part.get_payload(decode=True).rstrip(b"\r\n"))
            for part in email.message_from_bytes(content).walk() if not part.is_multipart()]


def header_texts(content):
    """{name: what each of these fields says, decoded}, of the fields that people read."""
    found = {}
    for name, value in email.message_from_bytes(content).raw_items():
        raw = value.encode("ascii", "surrogateescape")
        text = raw.decode("utf-8", "replace") if not raw.isascii() else \
            str(make_header(decode_header(re.sub(r"\r?\n(?=[ \t])", "", raw.decode()))))
        if name.lower() in ("subject", "from", "to", "cc", "reply-to", "comments"):
            found.setdefault(name.lower(), []).append(" ".join(text.split()))
    return found


def encoding_harm(sent, arrived):
    """What is wrong with what arrived at a server that takes no 8-bit content, or None."""
    if sent.isascii():
        return harm(sent, arrived)
    if not arrived.isascii():
        return "it is not ASCII"
    if max(map(len, arrived.split(b"\r\n"))) > LINE_BYTES_MAX:
        return "a line is too long"
    if leaves(sent) != leaves(arrived):
        return f"sent {leaves(sent)!r}, arrived {leaves(arrived)!r}"
    texts = header_texts(arrived)
    for name, values in header_texts(sent).items():
        if "\ufffd" not in "".join(values) and texts.get(name) != values:
            return f"{name}: sent {values}, arrived {texts.get(name)}"
    return None


def mime():
    """Messages of parts with 8-bit content, sound ones and others."""
    text = "Grüße aus Köln, in Zeilen wie diesen, die meistens aus ASCII sind \r\n".encode() * 3
    much = "Ελληνικά γράμματα\r\n".encode() * 30
    part = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    binary = (b"Content-Type: application/octet-stream; name=\"x.bin\"\r\n"
              b"Content-Transfer-Encoding: 8bit\r\n\r\n" + bytes(range(128, 256)) * 4)
    html = b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>" + much + b"</p>"

    def multipart(kind, *parts, boundary="=_b", preamble=b"", end=True, more=b""):
        delimiter = f"--{boundary}".encode()
        return (f"Content-Type: multipart/{kind}; boundary=\"{boundary}\"\r\n".encode() + more +
                b"\r\n" + preamble + b"".join(delimiter + b"\r\n" + p + b"\r\n" for p in parts) +
                (delimiter + b"--\r\n" if end else b""))

    head = "Subject: Grüße, und: «mehr»\r\nFrom: Jörg Müller <j@x.example>\r\nMIME-Version: 1.0\r\n".encode()
    inner = multipart("alternative", part + text, html, boundary="inner b", more=b"Content-Transfer-Encoding: 8bit\r\n")
    forwarded = b"Content-Type: message/rfc822\r\n\r\n" + head + inner
    deep = part + text
    for depth in range(12):
        deep = multipart("mixed", deep, boundary=f"d{depth}")
    found = {
        "text": head + part + text, "much": head + part + much, "binary": head + binary + b"\r\n",
        "latin": head + part.replace(b"utf-8", b"iso-8859-1") + text.decode().encode("latin-1"),
        "no-type": head + b"\r\n" + text, "mixed": head + multipart("mixed", part + text, binary, html),
        "preamble": head + multipart("mixed", part + text, preamble="für andere\r\n".encode()),
        "no-end": head + multipart("mixed", part + text, html, end=False),
        "in-each-other": head + multipart("mixed", inner, binary), "forwarded": head + multipart("mixed", part + text, forwarded),
        "digest": head + multipart("digest", b"\r\n" + head + part + text, b"\r\n" + head + inner),
        "deep": head + deep, "blank-ends": head + part + b"\xc3\xbc  \r\n \t\r\nx \r\n",
        "long-lines": head + part + "ü".encode() + b"x" * 900 + b" \r\n" + "=ü".encode() * 300 + b"\r\n",
        "bare-part": head + multipart("mixed", b"\r\n" + text, b"", part),
        "declared-twice": head + b"Content-Transfer-Encoding: 8bit\r\n" + part + text,
        "many": head + multipart("mixed", *[part + text] * 200),
        "file-name": head + multipart("mixed", "Content-Type: text/plain\r\nContent-Disposition: "
                                      "attachment; filename=\"für.txt\"\r\n\r\nx".encode()),
    }
    return [Message(f"mime-{name}", content) for name, content in found.items()]


def mime_untouchable():
    """{name: (message, a word of why it cannot be encoded)}"""
    head = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: "
    part = "\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nfür\r\n--b--\r\n".encode()
    return {
        "signed": (head + b"multipart/signed; boundary=b" + part, "signed"),
        "claims": (head + b"text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n\xff\r\n", "claims"),
        "no-boundary": (head + b"multipart/mixed" + part, "broken"),
        "nowhere": (head + b"multipart/mixed; boundary=c" + part, "broken"),
        "partial": (head + b"message/partial; id=1" + part, "claims"),
    }
