"""Postfix's smtp-sink refuses, hangs up, or says 421, at each step in turn."""

import socket
import unittest

from client import Client
from engine import Engine
from exchanger import Exchanger
from place import Process, eventually
from postfix import SmtpSink

SENDER = "sender@client.example"
CONTENT = b"Subject: x\r\n\r\nx\r\n"

# Options of smtp-sink: what becomes of the mail where there is no other exchanger, and where there
# is one. Its -f says 5xx and its -r 4xx, both without PIPELINING; -q hangs up, -Q says 421 first.
SERVES, DEFERRED, FAILED, DOUBT = "delivered", "deferred", "failed", "in doubt"
OTHER = "delivered by the other one"
OUTCOMES = {
    ("-f", "CONNECT"): (DEFERRED, OTHER),  # RFC 5321 3.1: this host is refused, not the mail
    ("-f", "EHLO"): (SERVES, SERVES),      # 3.2: HELO then
    ("-f", "EHLO,HELO"): (DEFERRED, OTHER),
    ("-f", "MAIL"): (FAILED, FAILED),      # 4.2.1: a reply about the mail is a reply
    ("-f", "RCPT"): (FAILED, FAILED),
    ("-f", "DATA"): (FAILED, FAILED),
    ("-f", "."): (FAILED, FAILED),
    ("-f", "RSET"): (SERVES, SERVES),      # never said
    ("-f", "QUIT"): (SERVES, SERVES),
    ("-r", "CONNECT"): (DEFERRED, OTHER),
    ("-r", "EHLO"): (DEFERRED, OTHER),
    ("-r", "MAIL"): (DEFERRED, DEFERRED),
    ("-r", "RCPT"): (DEFERRED, DEFERRED),
    ("-r", "DATA"): (DEFERRED, DEFERRED),
    ("-r", "."): (DEFERRED, DEFERRED),
    ("-r", "RSET"): (SERVES, SERVES),
    ("-r", "QUIT"): (SERVES, SERVES),
    ("-q", "CONNECT"): (DEFERRED, OTHER),
    ("-q", "EHLO"): (DEFERRED, OTHER),
    ("-q", "MAIL"): (DEFERRED, OTHER),     # 5.1: nothing of it has left
    ("-q", "RCPT"): (DEFERRED, OTHER),
    ("-q", "DATA"): (DEFERRED, OTHER),
    ("-q", "."): (DOUBT, DOUBT),           # RFC 1047: nobody else is asked
    ("-q", "RSET"): (SERVES, SERVES),
    ("-q", "QUIT"): (SERVES, SERVES),
    ("-Q", "CONNECT"): (DEFERRED, OTHER),  # 3.8
    ("-Q", "EHLO"): (DEFERRED, OTHER),
    ("-Q", "MAIL"): (DEFERRED, OTHER),
    ("-Q", "RCPT"): (DEFERRED, OTHER),
    ("-Q", "DATA"): (DEFERRED, OTHER),
    ("-Q", "."): (DEFERRED, DEFERRED),     # 4.2.5: an answer about this message, too
    ("-Q", "RSET"): (SERVES, SERVES),
    ("-Q", "QUIT"): (SERVES, SERVES),
}


class Refusing(SmtpSink):
    """It may not greet us."""

    def start(self, command, **options):
        self.process = Process(command, **options)

        def listens():
            if not self.process.running():
                raise unittest.SkipTest(f"smtp-sink: {self.process.output}")
            try:
                with socket.create_connection(self.address, timeout=5):
                    return True
            except OSError:
                return False
        eventually(listens, lambda: f"smtp-sink: {self.process.output}")


def outcome(event, first):
    if event["event"] == "delivered":
        return SERVES if event["host"] == f"mx{first.number}.example" else OTHER
    return DOUBT if event.get("in-doubt") else event["event"]


class Steps(unittest.TestCase):
    def test_each(self):
        engine = Engine()
        self.addCleanup(engine.end)
        sent = []
        with Client(engine.unix) as client:
            for options in OUTCOMES:
                first = Refusing(*options)
                self.addCleanup(first.close)
                other = Exchanger(number=next(Exchanger.numbers))
                self.addCleanup(other.close)
                self.assertEqual(other.number, first.number + 1)
                for column, domain in enumerate((first.domain, f"p{first.number}.example")):
                    message_id = client.submit(SENDER, [f"x@{domain}"], CONTENT)
                    sent.append((options, column, first, message_id))
        for options, column, first, message_id in sent:
            with self.subTest(options=options, other=bool(column)):
                event = engine.outcomes(message_id)[0]
                self.assertEqual(outcome(event, first), OUTCOMES[options][column], event)
                self.assertEqual(event["attempt"], 1)
