"""The list of addresses that get no mail: how they come onto it, and what becomes of their mail."""

import glob
import json
import os

from client import Client
from engine import PROGRAM
from journaled import LATER, Journaled, SENDER
from place import eventually, place, run

CONTENT = b"Subject: x\r\n\r\nx\r\n"
ADD = 'suppression { add = {"bad-mailbox"} %s }'

BOUNCE = """\
From: MAILER-DAEMON@mx.example
To: news+{verp}@list.example
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; {final}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {text}

--b--
"""

COMPLAINT = """\
To: abuse@list.example
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: message/feedback-report

Feedback-Type: {kind}
Original-Rcpt-To: <{rcpt}>

--b--
"""


class Suppressed(Journaled):
    def command(self, engine, *words, content="", ok=True):
        """What it prints."""
        done = run([PROGRAM, *words[:1], *words[1:2], "-c", engine.config, *words[2:]],
                   content.encode(), cwd=place().folder)
        self.assertEqual(done.returncode == 0, ok, done.stderr)
        return (done.stdout if ok else done.stderr).decode()

    def listed(self, engine):
        return [line.split("\t")[0] for line in
                self.command(engine, "suppress", "export").splitlines()]

    def rcpt(self, engine, address):
        """What a client hears who names it."""
        with Client(engine.unix) as client:
            client.say(f"MAIL FROM:<{SENDER}>")
            return client.say(f"RCPT TO:<{address}>")

    def state(self, engine):
        return place().path(engine.name)


class Bounces(Suppressed):
    def bounce(self, engine, reply=b"550 5.1.1 No such user\r\n"):
        """An address that was refused so."""
        mx = self.exchanger({"RCPT": reply})
        address = f"Joe@{mx.domain}"
        message_id = self.submit(engine, [address])
        return address, engine.outcomes(message_id)[0]

    def test_one_that_bounced_is_refused(self):
        engine = self.engine(more=ADD % "")
        address, event = self.bounce(engine)
        self.assertEqual(event["category"], "bad-mailbox")
        eventually(lambda: self.listed(engine) == [address.lower()], "the list")
        self.assertEqual(self.rcpt(engine, address.upper())[0], 550)
        code, text = self.rcpt(engine, address)
        self.assertEqual((code, text[:6]), (550, "5.1.1 "))
        self.assertEqual(self.rcpt(engine, "other@" + address.split("@")[1])[0], 250)
        self.assertIn("bad-mailbox", self.command(engine, "suppress", "query", address))
        engine.kill()
        engine.start()
        self.assertEqual(self.rcpt(engine, address)[0], 550)

    def test_others_are_not(self):
        engine = self.engine(more=ADD % "")
        for reply in (b"550 5.7.1 spam\r\n", b"450 4.1.1 No such user\r\n"):
            address, _ = self.bounce(engine, reply)
            self.assertEqual(self.rcpt(engine, address)[0], 250)
        self.assertEqual(self.listed(engine), [])

    def test_nothing_without_being_asked_for(self):
        engine = self.engine()
        address, _ = self.bounce(engine)
        self.assertEqual(self.rcpt(engine, address)[0], 250)
        self.assertEqual(self.listed(engine), [])

    def test_dropped(self):
        engine = self.engine(more=ADD % 'submission = "drop"')
        address, _ = self.bounce(engine)
        eventually(lambda: self.listed(engine), "the list")
        other = self.exchanger()
        message_id = self.submit(engine, [address, f"x@{other.domain}"])
        events = engine.outcomes(message_id, 2)
        got = {event["recipient"]: (event["event"], event.get("category")) for event in events}
        self.assertEqual(got, {address: ("failed", "suppressed"),
                               f"x@{other.domain}": ("delivered", None)})
        message_id = self.submit(engine, [address])  # nobody is left
        event, = engine.outcomes(message_id)
        self.assertEqual((event["category"], event["host"]), ("suppressed", ""))
        last = engine.stop()
        self.assertEqual((last["suppressed"], last["messages-left"]), (2, 0))

    def test_pickup(self):
        folder = place().path(place().new_name("pickup"))
        engine = self.engine(more=ADD % "" + f' pickup "{folder}" {{ }}')
        address, _ = self.bounce(engine)
        eventually(lambda: self.listed(engine), "the list")
        os.makedirs(folder, exist_ok=True)
        written = place().write(place().new_name("mail"), f"x-sender: {SENDER}\nx-receiver: "
                                f"{address}\nSubject: x\n\nx\n")
        os.chmod(written, 0o644)
        os.rename(written, os.path.join(folder, "one"))
        eventually(lambda: [event for event in engine.events()
                            if event.get("category") == "suppressed"], engine.log)


class ByHand(Suppressed):
    def test_while_it_is_stopped(self):
        engine = self.engine()
        engine.stop()
        self.assertEqual(self.command(engine, "suppress", "add", "A@b.example", "c@d.example"),
                         "add: 2 addresses\n")
        self.command(engine, "suppress", "import", content="# a comment\ne@f.example\r\n\n"
                     "g@h.example\t2099-01-31\tspam\ni@j.example\t2020-01-01\tspam\n")
        self.command(engine, "suppress", "remove", "c@d.example")
        self.assertEqual(self.listed(engine), ["a@b.example", "e@f.example", "g@h.example"])
        exported = self.command(engine, "suppress", "export")
        self.assertIn("g@h.example\t2099-01-31\tspam\n", exported)
        self.command(engine, "suppress", "remove", "g@h.example")
        self.command(engine, "suppress", "import", content=exported)
        self.assertEqual(sorted(self.command(engine, "suppress", "list").splitlines()),
                         sorted(exported.splitlines()))
        self.assertIn('"held":false',
                      self.command(engine, "suppress", "query", "--json", "c@d.example"))
        engine.start()
        for address, code in (("a@B.example", 550), ("c@d.example", 250), ("g@h.example", 550),
                              ("i@j.example", 250)):
            self.assertEqual(self.rcpt(engine, address)[0], code, address)

    def test_while_it_runs(self):
        engine = self.engine()
        self.command(engine, "suppress", "add", "A@b.example", "c@d.example")
        self.assertEqual(self.rcpt(engine, "a@b.example")[0], 550)
        self.command(engine, "suppress", "remove", "a@b.example")
        self.assertEqual(self.rcpt(engine, "a@b.example")[0], 250)
        many = [f"user{number}@example.org" for number in range(2000)]
        self.command(engine, "suppress", "import", content="\n".join(many))
        self.assertEqual(self.rcpt(engine, many[1999])[0], 550)
        self.assertEqual(self.listed(engine), ["c@d.example", *many])
        engine.kill()
        self.assertEqual(self.listed(engine), ["c@d.example", *many])

    def test_torn_and_damaged(self):
        engine = self.engine()
        engine.stop()
        self.command(engine, "suppress", "add", "a@b.example", "c@d.example", "e@f.example")
        path, = glob.glob(os.path.join(self.state(engine), "suppression", "list.*"))
        with open(path, "r+b") as file:
            content = file.read()
            file.seek(content.index(b"c@d"))
            file.write(b"x")
            file.truncate(len(content) - 3)
        engine.start()
        eventually(lambda: "1 lines are damaged" in engine.log(), engine.log)
        self.assertEqual(self.rcpt(engine, "a@b.example")[0], 550)
        engine.stop()
        self.command(engine, "suppress", "add", "g@h.example")
        self.assertEqual(self.listed(engine), ["a@b.example", "g@h.example"])

    def test_meanwhile(self):
        """Who comes onto the list while a message waits gets it no more, and its sender is not told."""
        engine = self.engine(domain="retry-first = 5m", bounces="message")
        deferred = [LATER] * 2
        mx = self.exchanger({"RCPT": lambda _: deferred.pop() if deferred else None})
        rcpts = [f"stays@{mx.domain}", f"Goes@{mx.domain}"]
        message_id = self.submit(engine, rcpts)
        engine.outcomes(message_id, 2)
        self.command(engine, "suppress", "add", f"goes@{mx.domain}")
        self.command(engine, "retry", f"--domain={mx.domain}")
        ended = {e["recipient"]: e for e in engine.outcomes(message_id, 4)[2:]}
        self.assertEqual(ended[rcpts[0]]["event"], "delivered")
        gone = ended[rcpts[1]]
        self.assertEqual((gone["event"], gone["category"], gone["code"], gone["attempt"]),
                         ("failed", "suppressed", 550, 2))
        self.assertEqual(mx.rcpts(), [f"RCPT TO:<{rcpts[0]}>"])
        last = engine.stop()
        self.assertEqual((last["suppressed"], last["reports"]), (1, 0))

    def test_compaction(self):
        """The file goes on in another one when most of its lines say nothing any more."""
        engine = self.engine()
        folder = os.path.join(self.state(engine), "suppression")
        many = "".join(f"r{n}@a.example\n" for n in range(4000))
        for _ in range(3):
            self.command(engine, "suppress", "import", content=many)
            self.command(engine, "suppress", "remove", *(f"r{n}@a.example" for n in range(3000)))

        def is_another():
            name, *more = os.listdir(folder)
            return not more and name > "list.00000001"
        eventually(is_another, lambda: os.listdir(folder))
        self.assertEqual(self.rcpt(engine, "r3999@a.example")[0], 550)
        self.assertEqual(self.rcpt(engine, "r0@a.example")[0], 250)
        self.assertEqual(len(self.listed(engine)), 1000)
        engine.stop()
        engine.start()
        self.assertEqual(self.rcpt(engine, "r3999@a.example")[0], 550)
        self.assertEqual(self.rcpt(engine, "r0@a.example")[0], 250)
        self.assertEqual(len(self.listed(engine)), 1000)
        engine.stop()

    def test_wrong_command_lines(self):
        engine = self.engine()
        engine.stop()
        for words in (("add",), ("add", "nobody"), ("list", "a@b.example"), ("bless", "a@b.example"),
                      ("add", "--for", "soon", "a@b.example"), ("query", "nobody"),
                      ("add", "--category", "bad", "a@b.example")):
            self.command(engine, "suppress", *words, ok=False)
        self.assertIn("line 2: 'nobody' is no address",
                      self.command(engine, "suppress", "import", ok=False,
                                   content="a@b.example\nnobody\n"))
        self.assertEqual(self.listed(engine), ["a@b.example"])


class Feedback(Suppressed):
    def feedback(self, engine, message, *words, ok=True):
        done = run([PROGRAM, "feedback", "-c", engine.config, *words], message.encode())
        self.assertEqual(done.returncode == 0, ok, done.stderr)
        return done.stdout.decode()

    def test_reports(self):
        engine = self.engine()
        engine.stop()
        gone = {"final": "inner@x.example", "action": "failed", "status": "5.1.1",
                "text": "550 5.1.1 User unknown"}
        full = gone | {"status": "5.2.2", "text": "552 5.2.2 over quota"}
        later = gone | {"action": "delayed", "status": "4.1.1"}
        for message, want in (
                (BOUNCE.format(verp="joe=example.org", **gone),
                 "suppressed\tjoe@example.org\tbad-mailbox\n"),
                (BOUNCE.format(verp="x", **gone), "suppressed\tinner@x.example\tbad-mailbox\n"),
                (BOUNCE.format(verp="x", **full), "left\tinner@x.example\tquota\n"),
                (BOUNCE.format(verp="a=b.example", **later), "left\ta@b.example\tbad-mailbox\n"),
                (COMPLAINT.format(kind="abuse", rcpt="Jim@example.org"),
                 "suppressed\tjim@example.org\tspam\n"),
                (COMPLAINT.format(kind="not-spam", rcpt="ann@example.org"),
                 "left\tann@example.org\tspam\n")):
            self.assertEqual(self.feedback(engine, message), want)
        self.assertEqual(self.listed(engine),
                         ["joe@example.org", "inner@x.example", "jim@example.org"])
        self.assertEqual(json.loads(self.feedback(engine, BOUNCE.format(verp="x", **full), "--json")),
                         {"address": "inner@x.example", "suppressed": False, "category": "quota"})
        self.feedback(engine, "Subject: hello\n\nhello\n", ok=False)
