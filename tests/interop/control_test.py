"""The control socket, and the commands of an operator: each does what it says to a running engine,
and what must survive a kill does."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from case import Case
from client import Client
from engine import PROGRAM
from exchanger import QUIET
from place import IS_ROOT, NOBODY, eventually, place

SENDER = "sender@client.example"
CONTENT = b"Subject: x\r\n\r\nx\r\n"
LATER = {"RCPT": b"450 4.2.0 later\r\n"}
QUIET_GREETING = {"greeting": QUIET}


class Operated(Case):
    def submit(self, engine, *exchangers, sender=SENDER, local="x"):
        with Client(engine.unix) as client:
            return client.submit(sender, [f"{local}@{e.domain}" for e in exchangers], CONTENT)

    def run_command(self, engine, *words):
        return subprocess.run([PROGRAM, words[0], "-c", engine.config, *words[1:]],
                              capture_output=True, text=True, timeout=60, check=False)

    def ask(self, engine, *words):
        """The lines that a command prints with --json."""
        done = self.run_command(engine, *words, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def change(self, engine, *words):
        line, = self.ask(engine, *words)
        return line

    def listed(self, engine, *words):
        *jobs, last = self.queue(engine, "list", *words)
        self.assertEqual(last["listed"], len(jobs))
        return jobs

    def queue(self, engine, what, *words):
        done = subprocess.run([PROGRAM, "queue", what, "-c", engine.config, *words, "--json"],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def status(self, engine):
        line, = self.ask(engine, "status")
        return line

    def states(self, engine):
        return sorted(job["state"] for job in self.listed(engine))


class Looking(Operated):
    def test_status(self):
        engine, exchanger = self.engine(), self.exchanger()
        engine.outcomes(self.submit(engine, exchanger))
        status = self.status(engine)
        self.assertEqual((status["state"], status["workers"]), ("running", 2))
        self.assertEqual((status["accepted-total"], status["delivered-total"]), (1, 1))
        self.assertEqual(status["messages-queued"], 0)
        text = self.run_command(engine, "status").stdout
        self.assertRegex(text, r"^posthaste \S+, running, up .*, 2 workers\n")

    def test_metrics(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        engine = self.engine(more=f'metrics {{ listen = {{"127.0.0.1:{port}"}} }}')
        exchanger = self.exchanger()
        engine.outcomes(self.submit(engine, exchanger))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
            self.assertTrue(reply.headers["Content-Type"].startswith("text/plain; version=0.0.4"))
            text = reply.read().decode()
        self.check_metrics(text)
        self.check_metrics(self.run_command(engine, "status", "--metrics").stdout)
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/other", timeout=10)
        self.assertEqual(caught.exception.code, 404)
        caught.exception.close()

    def test_metrics_leave_room(self):
        """Whoever may look at them cannot keep the operator out."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        engine = self.engine(more=f'metrics {{ listen = {{"127.0.0.1:{port}"}} }}')
        with contextlib.ExitStack() as idle:
            for _ in range(40):
                idle.enter_context(socket.create_connection(("127.0.0.1", port)))
            self.assertEqual(self.status(engine)["state"], "running")

    def check_metrics(self, text):
        """Each line is of the format, each figure has its type and is there once."""
        figures = {}
        for line in text.splitlines():
            if line.startswith("# "):
                self.assertRegex(line, r"^# (HELP|TYPE) posthaste_[a-z_]+ \S")
                continue
            name, value = re.fullmatch(r'(posthaste_[a-z_]+(?:\{quantile="[0-9.]+"\})?) ([0-9.]+)',
                                       line).groups()
            self.assertNotIn(name, figures)
            figures[name] = float(value)
        self.assertEqual(figures["posthaste_accepted_messages_total"], 1)
        self.assertEqual(figures["posthaste_delivered_recipients_total"], 1)
        self.assertEqual(figures["posthaste_commit_seconds_count"], 1)

    def test_queue(self):
        engine = self.engine()
        one, other = self.exchanger(LATER), self.exchanger(LATER)
        first = self.submit(engine, one, other, self.exchanger(), sender="a@one.example")
        second = self.submit(engine, one, sender="b@two.example", local="y")
        engine.outcomes(first, 3)
        engine.outcomes(second)
        jobs = eventually(lambda: self.states(engine) == ["deferred"] * 3 and self.listed(engine),
                          "three deferred jobs")
        status = self.status(engine)  # what of a message is over counts no more
        self.assertEqual((status["messages-queued"], status["active"], status["deferred"]), (2, 0, 3))
        self.assertEqual(sorted(job["domain"] for job in jobs),
                         sorted([one.domain, other.domain, one.domain]))
        job, = self.listed(engine, "--id", second)
        self.assertEqual((job["sender"], job["recipients"], job["attempts"]),
                         ("b@two.example", [f"y@{one.domain}"], 1))
        self.assertLess(job["due-in-s"], 90)
        for words, count in ((("--domain", one.domain.upper()), 2), (("--sender", "@one.example"), 2),
                             (("--sender", "a@one.example", "--domain", one.domain), 1),
                             (("--recipient", f"y@{one.domain}"), 1), (("--older", "1h"), 0),
                             (("--newer", "1h"), 3), (("--state", "held"), 0),
                             (("--state", "deferred,ready"), 3), (("--limit", "2"), 2)):
            self.assertEqual(len(self.listed(engine, *words)), count, words)
        brief = self.listed(engine, "--brief", "--id", second)
        self.assertTrue(all(job["recipients-open"] == 1 for job in brief))
        *domains, total = self.queue(engine, "count")
        self.assertEqual([(d["domain"], d["recipients"], d["deferred"]) for d in domains],
                         [(one.domain, 2, 2), (other.domain, 1, 1)])
        self.assertEqual((total["recipients"], total["deferred"]), (3, 3))
        text = self.run_command(engine, "queue").stdout
        self.assertRegex(text, rf"(?m)^{second} deferred {one.domain}, 1 attempts, 1 recipients,")

    def test_what_is_wrong(self):
        engine = self.engine()
        for words, code in ((("purge",), 64), (("queue", "--id", "nonsense"), 1),
                            (("hold", "--older", "1d"), 1), (("retry", "--frobnicate"), 64),
                            (("release", "--domain", "x.example"), 1), (("queue", "what"), 64),
                            (("status", "--domain", "x.example"), 64)):
            done = subprocess.run([PROGRAM, *words[:1], *words[1:], "--socket",
                                   self.socket_of(engine)],
                                  capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, code, (words, done.stderr))
            self.assertEqual(done.stderr.count("\n"), 1, words)
        engine.stop()
        done = self.run_command(engine, "status")
        self.assertEqual(done.returncode, 69)
        self.assertIn("no engine answers", done.stderr)

    def socket_of(self, engine):
        return place().path(f"{engine.name}/control.sock")

    def test_help(self):
        for name in ("status", "queue", "hold", "release", "retry", "purge", "bounce", "reload", "reroute",
                     "drain"):
            done = subprocess.run([PROGRAM, name, "--help"], capture_output=True, text=True,
                                  timeout=60, check=False)
            self.assertEqual(done.returncode, 0)
            self.assertTrue(done.stdout.startswith(f"usage: posthaste {name} "), name)


class Socket(Operated):
    def control(self, engine):
        peer = socket.socket(socket.AF_UNIX)
        self.addCleanup(peer.close)
        peer.settimeout(20)
        peer.connect(place().path(f"{engine.name}/control.sock"))
        return peer

    def test_mode(self):
        engine = self.engine()
        about = os.stat(place().path(f"{engine.name}/control.sock"))
        self.assertEqual(about.st_mode & 0o777, 0o600)
        self.assertEqual(about.st_uid, NOBODY if IS_ROOT else os.geteuid())

    def test_bad_requests(self):
        engine = self.engine()
        for request in (b"\n", b"nonsense\n", b"list domain\n", b"list =x\n", b"list id=%zz\n",
                        b"purge\n", b"list all=1\n", b"status \n\n", b"list  all\n",
                        b"\xff\x00\n", b"list limit=x\n", b"list domain=" + b"x" * 400 + b"\n"):
            peer = self.control(engine)
            peer.sendall(request)
            answer = b"".join(iter(lambda peer=peer: peer.recv(65536), b""))
            last = json.loads(answer.splitlines()[-1])
            self.assertIn(last["end"], ("refused", "done"), request)
        peer = self.control(engine)
        peer.sendall(b"x" * 100000)
        try:
            self.assertEqual(peer.recv(1), b"")
        except ConnectionError:
            pass
        self.assertEqual(self.status(engine)["state"], "running")

    def test_many_clients(self):
        """So many are served, and there is room again when they have gone."""
        engine = self.engine()
        peers = [self.control(engine) for _ in range(40)]
        for peer in peers:
            peer.close()
        eventually(lambda: self.run_command(engine, "status").returncode == 0, "room")

    def test_client_that_does_not_read(self):
        """It stops its own listing, nobody else's, and no delivery."""
        engine = self.engine()
        slow, good = self.exchanger(LATER), self.exchanger()
        with Client(engine.unix) as client:
            for _ in range(60):
                client.submit(SENDER, [f"{'x' * 60}{n}@{slow.domain}" for n in range(20)], CONTENT)
        peer = self.control(engine)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        peer.sendall(b"list all limit=1000000\n")
        self.assertEqual(len(peer.recv(1, socket.MSG_PEEK)), 1)  # and no more, for now
        engine.outcomes(self.submit(engine, good))
        self.assertEqual(self.status(engine)["delivered-total"], 1)
        lines = b"".join(iter(lambda: peer.recv(65536), b"")).splitlines()
        self.assertEqual(json.loads(lines[-1])["end"], "done")
        self.assertEqual(len(lines), 60 + 2)

    def test_stops_with_clients(self):
        engine = self.engine()
        self.control(engine)
        peer = self.control(engine)
        peer.sendall(b"list all\n")
        engine.stop(10)


class Changing(Operated):
    def test_hold_and_release(self):
        engine, exchanger, other = self.engine(), self.exchanger(), self.exchanger()
        done = self.change(engine, "hold", "--domain", exchanger.domain)
        self.assertEqual(done["recipients"], 0)
        first = self.submit(engine, exchanger)
        free = self.submit(engine, other)
        engine.outcomes(free)
        eventually(lambda: self.states(engine) == ["held"], "the hold")
        hold, = self.ask(engine, "hold")
        self.assertEqual(hold["hold"], f"domain={exchanger.domain}")
        self.assertEqual(self.status(engine)["held"], 1)
        self.assertEqual((engine.events_of(first), exchanger.connection_count), ([], 0))
        self.assertIn(f"hold domain={exchanger.domain}", engine.log())
        # retry does not break it
        self.assertEqual(self.change(engine, "retry", "--all")["recipients"], 0)
        self.assertEqual(self.change(engine, "release", "--domain", exchanger.domain)["recipients"],
                         1)
        event, = engine.outcomes(first)
        self.assertEqual((event["event"], event["attempt"]), ("delivered", 1))
        self.assertEqual(self.ask(engine, "hold"), [])

    def test_hold_what_is_deferred(self):
        engine = self.engine(domain="retry-first = 1s")
        exchanger = self.exchanger(dict(LATER))
        message = self.submit(engine, exchanger)
        engine.outcomes(message)
        self.assertEqual(self.change(engine, "hold", "--sender", SENDER, "--dry-run")["recipients"],
                         1)
        self.assertEqual(self.ask(engine, "hold"), [])
        eventually(lambda: self.change(engine, "hold", "--id", message)["recipients"] == 1
                   or self.change(engine, "release", "--id", message) and False, "the hold")
        exchanger.script.clear()
        count = len(engine.events_of(message))
        time.sleep(2.5)
        self.assertEqual(len(engine.events_of(message)), count)
        self.change(engine, "release", "--all")
        self.assertEqual(engine.outcomes(message, count + 1)[-1]["event"], "delivered")

    def test_hold_by_sender_and_recipient(self):
        engine, exchanger = self.engine(), self.exchanger()
        self.change(engine, "hold", "--sender", "@held.example")
        self.change(engine, "hold", "--recipient", f"held@{exchanger.domain}")
        first = self.submit(engine, exchanger, sender="a@held.example")
        second = self.submit(engine, exchanger, local="held")
        free = self.submit(engine, exchanger, sender="a@free.example")
        engine.outcomes(free)
        eventually(lambda: self.states(engine) == ["held"] * 2, "two held")
        self.change(engine, "release", "--sender", "@held.example")
        engine.outcomes(first)
        self.assertEqual(self.states(engine), ["held"])
        self.change(engine, "release", "--all")
        engine.outcomes(second)

    def test_hold_survives_a_kill(self):
        engine, exchanger = self.engine(), self.exchanger()
        self.change(engine, "hold", "--domain", exchanger.domain)
        message = self.submit(engine, exchanger)
        eventually(lambda: self.states(engine) == ["held"], "the hold")
        engine.kill()
        engine.start()
        eventually(lambda: self.states(engine) == ["held"], "the hold again")
        later = self.submit(engine, exchanger)
        eventually(lambda: self.states(engine) == ["held"] * 2, "the hold of what comes later")
        self.assertEqual(exchanger.connection_count, 0)
        self.change(engine, "release", "--all")
        for each in (message, later):
            self.assertEqual(engine.outcomes(each)[-1]["event"], "delivered")
        engine.kill()
        engine.start()
        self.assertEqual(self.ask(engine, "hold"), [])

    def test_many_holds(self):
        """More than a page of them: each is listed."""
        engine = self.engine()
        engine.stop()
        holds = [f"sender={'x' * 250}{number}@client.example" for number in range(1000)]
        with open(place().path(f"{engine.name}/holds"), "w", encoding="ascii") as file:
            file.writelines(f"hold {hold}\n" for hold in holds)
        engine.start()
        self.assertEqual([line["hold"] for line in self.ask(engine, "hold")], holds)

    def test_retry(self):
        engine = self.engine(domain="retry-first = 1h  retry-max = 2h")
        exchanger = self.exchanger(dict(LATER))
        message = self.submit(engine, exchanger)
        engine.outcomes(message)
        eventually(lambda: self.states(engine) == ["deferred"], "the deferral")
        exchanger.script.clear()
        self.assertEqual(self.change(engine, "retry", "--domain", "other.example")["recipients"], 0)
        self.assertEqual(self.change(engine, "retry", "--all", "--dry-run")["recipients"], 1)
        self.assertEqual(len(engine.events_of(message)), 1)
        self.assertEqual(self.change(engine, "retry", "--all")["recipients"], 1)
        self.assertEqual(engine.outcomes(message, 2)[-1]["attempt"], 2)

    def test_retry_where_the_site_rests(self):
        engine = self.engine(domain="retry-first = 1h  retry-max = 2h")
        exchanger = self.exchanger({"greeting": b"421 4.3.2 not today\r\n"})
        message = self.submit(engine, exchanger)
        engine.outcomes(message)
        eventually(lambda: self.states(engine) == ["deferred"], "the deferral")
        exchanger.script.clear()
        self.assertEqual(self.change(engine, "retry", "--all")["recipients"], 1)
        self.assertEqual(engine.outcomes(message, 2)[-1]["event"], "delivered")

    def test_purge(self):
        engine = self.engine()
        one, other = self.exchanger(LATER), self.exchanger(LATER)
        first = self.submit(engine, one, other)
        second = self.submit(engine, other)
        engine.outcomes(first, 2)
        engine.outcomes(second)
        eventually(lambda: self.states(engine) == ["deferred"] * 3, "the deferrals")
        self.assertEqual(self.change(engine, "purge", "--all", "--dry-run")["recipients"], 3)
        self.assertEqual(self.change(engine, "purge", "--domain", one.domain)["recipients"], 1)
        last = engine.outcomes(first, 3)[-1]
        self.assertEqual((last["event"], last["text"], last["domain"]),
                         ("failed", "purged by the operator", one.domain))
        self.assertEqual(len(self.listed(engine)), 2)
        self.assertEqual(self.change(engine, "purge", "--recipient", f"x@{other.domain}")
                         ["recipients"], 2)
        self.assertEqual(self.listed(engine), [])
        self.assertEqual(self.status(engine)["messages-queued"], 0)

    def test_purge_is_final(self):
        """Also for a kill a moment later; what was not meant is there again."""
        engine = self.engine(domain="retry-first = 1h  retry-max = 2h")
        exchanger, other = self.exchanger(dict(LATER)), self.exchanger(dict(LATER))
        gone = [self.submit(engine, exchanger) for _ in range(20)]
        left = self.submit(engine, other)
        for message in (*gone, left):
            engine.outcomes(message)
        eventually(lambda: self.states(engine) == ["deferred"] * 21, "the deferrals")
        self.assertEqual(self.change(engine, "purge", "--domain", exchanger.domain)["recipients"],
                         20)
        time.sleep(0.2)
        engine.kill()
        engine.start()
        job, = self.listed(engine)
        self.assertEqual(job["id"], left)

    def test_bounce(self):
        """The sender has a report, and who was not meant is delivered to later."""
        engine = self.engine(bounces="message", domain="retry-first = 1h  retry-max = 2h")
        exchanger, home = self.exchanger(dict(LATER)), self.exchanger()
        sender = f"sender@{home.domain}"
        with Client(engine.unix) as client:
            message = client.submit(sender, [f"{n}@{exchanger.domain}" for n in "abc"], CONTENT)
        engine.outcomes(message, 3)
        eventually(lambda: self.states(engine) == ["deferred"], "the deferral")
        self.assertEqual(self.change(engine, "bounce", "--recipient", f"b@{exchanger.domain}")
                         ["recipients"], 1)
        last = engine.outcomes(message, 4)[-1]
        self.assertEqual((last["event"], last["text"], last["recipient"]),
                         ("failed", "bounced by the operator", f"b@{exchanger.domain}"))
        eventually(lambda: home.transactions, "the report")
        report, = home.transactions
        self.assertEqual((report.mail.split()[1], len(report.rcpts)), ("FROM:<>", 1))
        self.assertIn(sender, report.rcpts[0])
        text = report.content.decode()
        self.assertIn(f"Final-Recipient: rfc822; b@{exchanger.domain}", text)
        self.assertIn("Status: 5.0.0", text)
        self.assertNotIn(f"a@{exchanger.domain}", text.split("message/delivery-status")[1]
                         .split("--")[0])
        exchanger.script.clear()
        self.change(engine, "retry", "--all")
        eventually(lambda: exchanger.transactions, "the delivery")
        self.assertEqual(len(exchanger.rcpts()), 2)

    def test_purge_of_one_recipient(self):
        engine, exchanger = self.engine(), self.exchanger(dict(LATER))
        with Client(engine.unix) as client:
            message = client.submit(SENDER, [f"{n}@{exchanger.domain}" for n in "abc"], CONTENT)
        engine.outcomes(message, 3)
        eventually(lambda: self.states(engine) == ["deferred"], "the deferral")
        self.assertEqual(self.change(engine, "purge", "--recipient", f"b@{exchanger.domain}")
                         ["recipients"], 1)
        job, = self.listed(engine)
        self.assertEqual(job["recipients"], [f"a@{exchanger.domain}", f"c@{exchanger.domain}"])
        exchanger.script.clear()
        self.change(engine, "retry", "--all")
        eventually(lambda: exchanger.transactions, "the delivery")
        self.assertEqual(len(exchanger.rcpts()), 2)

    def test_what_is_ready_and_what_is_sent(self):
        """What waits for a connection is called back; what is in a transaction is left alone."""
        engine = self.engine(domain="connections = 1  window = 1")
        exchanger = self.exchanger({"content": QUIET})
        messages = [self.submit(engine, exchanger) for _ in range(30)]
        eventually(lambda: self.states(engine).count("sending") >= 1, "a transaction")
        done = self.change(engine, "purge", "--all")
        self.assertGreaterEqual(done["in-delivery"], 1)
        self.assertEqual(done["recipients"] + done["in-delivery"], len(messages))
        self.assertEqual(set(self.states(engine)), {"sending"})


class Rerouting(Operated):
    def test_reroute(self):
        """It survives a kill, and a reload."""
        relay, exchanger = self.exchanger(), self.exchanger(QUIET_GREETING)
        engine = self.engine(more=f'route "relay" {{ host = {{"{place().address(relay.number)}"}} }}',
                             domain="retry-first = 1h  retry-max = 2h")
        first = [self.submit(engine, exchanger) for _ in range(3)]
        eventually(lambda: self.states(engine) == ["ready"] * 3, "ready mail")
        self.assertEqual(self.run_command(engine, "reroute", "--domain", exchanger.domain,
                                          "elsewhere").returncode, 1)
        done = self.change(engine, "reroute", "--domain", exchanger.domain, "relay")
        self.assertEqual(done["recipients"], 3)
        for message in first:
            self.assertEqual(engine.outcomes(message)[-1]["event"], "delivered")
        self.assertEqual(self.run_command(engine, "reload").returncode, 0)
        engine.outcomes(self.submit(engine, exchanger))
        engine.kill()
        engine.start()
        engine.outcomes(self.submit(engine, exchanger))
        self.assertEqual(len(relay.transactions), 5)
        exchanger.script.clear()
        self.change(engine, "reroute", "--domain", exchanger.domain)
        engine.outcomes(self.submit(engine, exchanger))
        self.assertEqual((len(relay.transactions), len(exchanger.transactions)), (5, 1))


class Engines(Operated):
    def test_reload(self):
        engine = self.engine(domain="retry-first = 1h  retry-max = 2h")
        exchanger = self.exchanger(dict(LATER))
        first = self.submit(engine, exchanger)
        self.assertGreater(engine.outcomes(first)[0]["delay"], 1000)
        with open(engine.config, encoding="ascii") as file:
            text = file.read()
        self.rewrite(engine, text + "\nfrobnicate = 1\n")
        done = self.run_command(engine, "reload")
        self.assertEqual(done.returncode, 1)
        self.assertIn("frobnicate", done.stderr)
        self.rewrite(engine, text.replace("retry-first = 1h", "retry-first = 2s")
                     .replace("tries = 2", "tries = 3"))
        done = self.change(engine, "reload")
        self.assertEqual((done["in-force"], done["needs-restart"]), ("domain, route, source", "resolver"))
        second = self.submit(engine, exchanger)
        self.assertLess(engine.outcomes(second)[0]["delay"], 10)
        self.rewrite(engine, text)
        engine.signal(signal.SIGHUP)
        eventually(lambda: engine.log().count("reload: the sections") == 2, "the reload")
        third = self.submit(engine, exchanger)
        self.assertGreater(engine.outcomes(third)[0]["delay"], 1000)

    @staticmethod
    def rewrite(engine, text):
        with open(engine.config, "w", encoding="ascii") as file:
            file.write(text)

    def test_drain(self):
        engine = self.engine(domain="retry-first = 1s")
        exchanger = self.exchanger(dict(LATER))
        message = self.submit(engine, exchanger)
        engine.outcomes(message)
        self.assertEqual(self.run_command(engine, "drain").stdout, "draining, 1 messages queued\n")
        self.assertEqual(self.status(engine)["state"], "draining")
        with Client(engine.unix) as client:
            self.assertEqual(client.say(f"MAIL FROM:<{SENDER}>")[0], 451)
        self.assertEqual(self.ask(engine, "drain", "--off")[0]["state"], "running")
        exchanger.script.clear()
        *_, last = self.ask(engine, "drain", "--stop")
        self.assertEqual((last["state"], last["messages-queued"]), ("draining", 0))
        self.assertEqual(engine.process.ended(10), 0)
        self.assertEqual(engine.events()[-1]["messages-left"], 0)

    def test_service_manager(self):
        """READY=1 when it listens, RELOADING=1 and READY=1 around a reload, STOPPING=1."""
        path = place().path(place().new_name("notify"))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            os.chmod(path, 0o666)
            manager.settimeout(20)
            engine = self.engine(under=["env", f"NOTIFY_SOCKET={path}"])
            self.assertEqual(manager.recv(100), b"READY=1")
            engine.signal(signal.SIGHUP)
            self.assertRegex(manager.recv(100), rb"^RELOADING=1\nMONOTONIC_USEC=[0-9]+$")
            self.assertEqual(manager.recv(100), b"READY=1")
            engine.stop()
            self.assertEqual(manager.recv(100), b"STOPPING=1")
