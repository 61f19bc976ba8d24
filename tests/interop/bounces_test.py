"""Reports to senders: what other programs understand of them, and who gets one."""

import email
import email.policy
import re
import time

from case import Case
from client import Client
from place import eventually

try:
    from flufl.bounce import all_failures
except ImportError:
    all_failures = None

CONTENT = b"From: a@client.example\r\nSubject: news\r\n\r\nthe body of it\r\n"
NO_SUCH_USER = b"550 5.1.1 no such user here\r\n"
WITH_DSN = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN")
ONCE_MORE_S = 1  # what is not to come has come by then


def by_name(session):
    """The reply to RCPT is in the recipient's name."""
    name = re.match("RCPT TO:<([a-z]*)", session.said)[1]
    return {"never": NO_SUCH_USER, "full": b"552 5.2.2 mailbox full\r\n",
            "later": b"451 4.7.1 come back\r\n", "plain": b"550 go away\r\n"}.get(name)


class Report:
    """A report as it came, understood by Python's email package."""

    def __init__(self, transaction):
        self.mail_command = transaction.mail
        self.rcpts = transaction.rcpts
        self.bytes = transaction.content
        self.message = email.message_from_bytes(self.bytes, policy=email.policy.default)
        assert self.message.get_content_type() == "multipart/report", self.bytes
        assert self.message.get_param("report-type") == "delivery-status"
        assert not self.message.defects, self.message.defects
        self.text, self.status, self.returned = self.message.iter_parts()
        assert self.text.get_content_type() == "text/plain"
        assert self.status.get_content_type() == "message/delivery-status"
        self.of_message, *self.of_rcpts = self.status.get_payload()

    def statuses(self):
        return {re.sub("^[a-z0-9-]+; *", "", fields["Final-Recipient"]):
                (fields["Action"], fields["Status"]) for fields in self.of_rcpts}


class Bounces(Case):
    def setUp(self):
        self.senders = self.exchanger()
        self.sender = f"bounces@{self.senders.domain}"

    def engine(self, **settings):
        return super().engine(**{"bounces": "message", "domain": "retry-first = 1s"} | settings)

    def submit(self, engine, rcpts, sender=None, content=CONTENT, parameters=""):
        """`rcpts`: addresses, or addresses with parameters."""
        with Client(engine.unix) as client:
            sender = self.sender if sender is None else sender
            self.assertEqual(client.say(f"MAIL FROM:<{sender}>{parameters}")[0], 250)
            for rcpt in rcpts:
                address, _, more = rcpt.partition(" ")
                self.assertEqual(client.say(f"RCPT TO:<{address}> {more}".rstrip())[0], 250)
            code, text = client.give(content)
            self.assertEqual(code, 250)
            return text.rsplit(" ", 1)[1]

    def reports(self, count=1):
        """Waits for so many."""
        found = eventually(lambda: len(self.senders.transactions) >= count and
                           list(self.senders.transactions),
                           lambda: f"{count} reports: {self.senders.transactions}")
        self.assertEqual(self.senders.faults, [])
        self.assertEqual(len(found), count)
        return [Report(transaction) for transaction in found]

    def all_statuses(self):
        found = {}
        for transaction in list(self.senders.transactions):
            found |= Report(transaction).statuses()
        return found

    def no_report(self):
        time.sleep(ONCE_MORE_S)
        self.assertEqual(self.senders.transactions, [])


class Failures(Bounces):
    def test_understood_by_others(self):
        """The same recipients, the same status: for email.message and flufl.bounce."""
        engine = self.engine()
        x = self.exchanger({"RCPT": by_name})
        message_id = self.submit(engine, [f"never@{x.domain}", f"ok@{x.domain}",
                                          f"full@{x.domain}", f"plain@{x.domain}"])
        want = {f"never@{x.domain}": ("failed", "5.1.1"), f"full@{x.domain}": ("failed", "5.2.2"),
                f"plain@{x.domain}": ("failed", "5.0.0")}
        # Replies that come apart are told of apart.
        eventually(lambda: self.all_statuses() == want, self.all_statuses)
        report = Report(self.senders.transactions[0])
        self.assertEqual(report.mail_command.split(" ")[1], "FROM:<>")
        self.assertEqual(report.rcpts, [f"RCPT TO:<{self.sender}>"])
        self.assertEqual(report.message["To"], self.sender)
        self.assertEqual(report.message["Auto-Submitted"], "auto-replied")
        self.assertEqual(report.of_message["Reporting-MTA"], "dns; mail.example.net")
        self.assertEqual(report.of_message["X-Posthaste-Id"], message_id)
        self.assertEqual(report.of_rcpts[0]["Remote-MTA"], f"dns; mx{x.number}.example")
        self.assertEqual(report.of_rcpts[0]["Diagnostic-Code"],
                         "smtp; 550 5.1.1 no such user here")
        self.assertEqual(report.returned.get_content_type(), "text/rfc822-headers")
        self.assertIn("Subject: news", report.returned.get_content())
        self.assertNotIn("the body", report.returned.get_content())
        if all_failures is None:
            self.skipTest("python3-flufl.bounce is missing")
        failures = {address.decode() for transaction in self.senders.transactions for address in
                    all_failures(email.message_from_bytes(transaction.content))[1]}
        self.assertEqual(failures, set(want))

    def test_full_message_is_returned_when_asked_for(self):
        engine = self.engine()
        x = self.exchanger({"RCPT": NO_SUCH_USER})
        self.submit(engine, [f"a@{x.domain} ORCPT=rfc822;b+2Bc@other.example"],
                    parameters=" RET=FULL ENVID=run+2B7")
        report, = self.reports()
        self.assertEqual(report.returned.get_content_type(), "message/rfc822")
        self.assertIn("the body of it", report.returned.get_content().get_content())
        self.assertEqual(report.of_message["Original-Envelope-Id"], "run+7")
        self.assertEqual(report.of_rcpts[0]["Original-Recipient"], "rfc822; b+c@other.example")

    def test_large_message_is_returned_as_its_header(self):
        engine = self.engine()
        x = self.exchanger({"RCPT": NO_SUCH_USER})
        self.submit(engine, [f"a@{x.domain}"], parameters=" RET=FULL",
                    content=CONTENT + 3000 * b"as long as it is, it is not returned\r\n")
        report, = self.reports()
        self.assertEqual(report.returned.get_content_type(), "text/rfc822-headers")
        self.assertLess(len(report.bytes), 4000)

    def test_domain_that_is_not_there(self):
        engine = self.engine()
        self.submit(engine, ["a@nowhere.example", "b@null.example"])
        eventually(lambda: len(self.all_statuses()) == 2, self.all_statuses)
        self.assertEqual(self.all_statuses(), {"a@nowhere.example": ("failed", "5.1.2"),
                                               "b@null.example": ("failed", "5.1.10")})

    def test_expired(self):
        engine = self.engine(domain="retry-first = 1s  lifetime = 2s")
        x = self.exchanger({"RCPT": by_name})
        self.submit(engine, [f"later@{x.domain}"])
        report, = self.reports()
        self.assertEqual(report.statuses(), {f"later@{x.domain}": ("failed", "4.7.1")})

    def test_smtputf8(self):
        engine = self.engine()
        x = self.exchanger({"RCPT": NO_SUCH_USER})
        self.submit(engine, [f"用户@{x.domain}"], parameters=" SMTPUTF8 BODY=8BITMIME")
        report, = self.reports()
        self.assertEqual(report.of_rcpts[0]["Final-Recipient"],
                         rf"utf-8; \x{{7528}}\x{{6237}}@{x.domain}")
        self.assertNotIn("SMTPUTF8", report.mail_command)
        self.assertIn("用户", report.text.get_content())

    def test_from_disk(self):
        """The message is not in memory any more."""
        engine = self.engine()
        x = self.exchanger({"RCPT": by_name})
        self.submit(engine, [f"later@{x.domain}"])
        eventually(lambda: engine.events(), "an event")
        engine.kill()
        x.script["RCPT"] = NO_SUCH_USER
        engine.start()
        report, = self.reports()
        self.assertEqual(report.statuses(), {f"later@{x.domain}": ("failed", "5.1.1")})
        self.assertIn("Subject: news", report.returned.get_content())


class Nobody(Bounces):
    """Whom nothing is told."""

    def test_null_sender(self):
        engine = self.engine()
        x = self.exchanger({"RCPT": NO_SUCH_USER})
        event, = engine.outcomes(self.submit(engine, [f"a@{x.domain}"], sender=""))
        self.assertEqual((event["event"], event["sender"]), ("failed", ""))
        time.sleep(ONCE_MORE_S)
        self.assertEqual(len(engine.events()), 1)

    def test_report_that_fails(self):
        """It is the end: there is an event, and nothing else."""
        engine = self.engine()
        x = self.exchanger({"RCPT": NO_SUCH_USER})
        message_id = self.submit(engine, [f"a@{x.domain}"], sender=f"b@{x.domain}")
        events = eventually(lambda: len(engine.events()) == 2 and engine.events(), "two events")
        self.assertEqual({(e["event"], e["sender"], e["recipient"]) for e in events},
                         {("failed", f"b@{x.domain}", f"a@{x.domain}"),
                          ("failed", "", f"b@{x.domain}")})
        self.assertEqual(len({e["id"] for e in events} - {message_id}), 1)
        time.sleep(ONCE_MORE_S)
        self.assertEqual(len(engine.events()), 2)
        self.assertEqual(engine.stop()["messages-left"], 0)

    def test_who_does_not_want_to_know(self):
        engine = self.engine()
        x = self.exchanger({"RCPT": NO_SUCH_USER})
        engine.outcomes(self.submit(engine, [f"a@{x.domain} NOTIFY=NEVER",
                                             f"b@{x.domain} NOTIFY=SUCCESS,DELAY"]), 2)
        self.no_report()

    def test_event_alone(self):
        engine = self.engine(bounces="event")
        x = self.exchanger({"RCPT": NO_SUCH_USER})
        event, = engine.outcomes(self.submit(engine, [f"a@{x.domain} NOTIFY=FAILURE"]))
        self.assertEqual(event["event"], "failed")
        self.no_report()


class Asked(Bounces):
    """NOTIFY=SUCCESS and NOTIFY=DELAY, and what is passed on to servers that offer DSN."""

    def test_passed_on(self):
        engine = self.engine()
        x = self.exchanger(offers=WITH_DSN)
        self.submit(engine, [f"a@{x.domain} NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;o@other.example"],
                    parameters=" RET=HDRS ENVID=run7")
        transaction, = eventually(lambda: list(x.transactions), "the message")
        self.assertIn(" RET=HDRS ENVID=run7", transaction.mail)
        self.assertEqual(transaction.rcpts, [f"RCPT TO:<a@{x.domain}> NOTIFY=SUCCESS,FAILURE "
                                             "ORCPT=rfc822;o@other.example"])
        self.no_report()

    def test_relayed(self):
        """The server sends no reports: this is the last that the sender hears."""
        engine = self.engine()
        x = self.exchanger()
        self.submit(engine, [f"a@{x.domain} NOTIFY=SUCCESS", f"b@{x.domain}"])
        report, = self.reports()
        self.assertEqual(report.statuses(), {f"a@{x.domain}": ("relayed", "2.0.0")})
        self.assertNotIn("NOTIFY", x.rcpts()[0])

    def test_delayed(self):
        """Once, however often it is tried."""
        engine = self.engine(delivery="delay-report-after = 3s")
        x = self.exchanger({"RCPT": by_name})
        self.submit(engine, [f"later@{x.domain} NOTIFY=DELAY,FAILURE", f"later2@{x.domain}"])
        report, = self.reports()
        self.assertEqual(report.statuses(), {f"later@{x.domain}": ("delayed", "4.7.1")})
        self.assertIn("Will-Retry-Until", report.of_rcpts[0])
        eventually(lambda: len(engine.events()) >= 7, lambda: engine.events())
        self.assertEqual(len(self.reports()), 1)

    def test_delayed_for_all(self):
        engine = self.engine(delivery='delay-report-after = 2s  delay-reports = "all"')
        x = self.exchanger({"RCPT": by_name})
        self.submit(engine, [f"later@{x.domain}", f"later2@{x.domain} NOTIFY=FAILURE"])
        report, = self.reports()
        self.assertEqual(report.statuses(), {f"later@{x.domain}": ("delayed", "4.7.1")})


class Verp(Bounces):
    """Each recipient in a transaction of his own, from an address that names him."""

    def verp(self, rcpt):
        return f"bounces+{rcpt.replace('@', '=')}@{self.senders.domain}"

    def check(self, engine, parameters=""):
        x = self.exchanger({"RCPT": by_name})
        good = [f"a@{x.domain}", f"b@{x.domain}"]
        bad = [f"never@{x.domain}", f"full@{x.domain}"]
        self.submit(engine, good + bad, parameters=parameters)
        reports = self.reports(2)
        self.assertEqual({report.rcpts[0]: list(report.statuses()) for report in reports},
                         {f"RCPT TO:<{self.verp(rcpt)}>": [rcpt] for rcpt in bad})
        eventually(lambda: len(x.transactions) == 2, lambda: x.transactions)
        self.assertEqual({(t.mail.split(" ")[1], *t.rcpts) for t in x.transactions},
                         {(f"FROM:<{self.verp(rcpt)}>", f"RCPT TO:<{rcpt}>") for rcpt in good})

    def test_by_listener(self):
        self.check(self.engine(listen="verp = yes"))

    def test_by_parameter(self):
        self.check(self.engine(), " XVERP")

    def test_without_it(self):
        engine = self.engine()
        x = self.exchanger()
        self.submit(engine, [f"a@{x.domain}", f"b@{x.domain}"])
        transaction, = eventually(lambda: list(x.transactions), "the message")
        self.assertTrue(transaction.mail.startswith(f"MAIL FROM:<{self.sender}>"))
        self.assertEqual(len(transaction.rcpts), 2)


class Crashes(Bounces):
    """A kill at any moment loses no report and repeats none."""

    def test_kill(self):
        engine = self.engine()
        x = self.exchanger({"RCPT": NO_SUCH_USER})
        rcpts = []
        for n in range(6):
            batch = [f"r{n}x{i}@{x.domain}" for i in range(40)]
            with Client(engine.unix) as client:
                for rcpt in batch:
                    client.submit(self.sender, [rcpt], CONTENT)
            rcpts += batch
            time.sleep(0.003 * n)
            engine.kill()
            engine.start()
        told = eventually(lambda: self.told(rcpts), lambda: f"{len(self.named())} of {len(rcpts)}")
        for rcpt, reports in told.items():
            self.assertEqual(len(reports), 1, rcpt)

    def named(self):
        """Recipients, each with the reports that name it; one that came twice is the same."""
        named = {}
        for transaction in list(self.senders.transactions):
            report = Report(transaction)
            for rcpt in report.statuses():
                named.setdefault(rcpt, set()).add(report.message["Message-ID"])
        return named

    def told(self, rcpts):
        named = self.named()
        return named if named.keys() >= set(rcpts) else None
