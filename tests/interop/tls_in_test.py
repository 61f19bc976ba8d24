"""In, under TLS and by name: what clients hand in over STARTTLS, TLS and AUTH, who is let in, what
he may do, and what happens when certificates and users change."""

import base64
import json
import os
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import threading
import time
import unittest

from client import Client
from engine import PROGRAM, Engine, configure
from exchanger import Exchanger
from exim import Exim
from messages import harm
from place import IS_ROOT, NOBODY, eventually, place, run
from postfix import Postfix

SENDER = "sender@client.example"
CONTENT = ("From: <sender@client.example>\r\nTo: <x@d.example>\r\nSubject: x\r\n"
           "Date: Sun, 22 Nov 2026 05:24:15 +0000\r\nMessage-ID: <one@client.example>\r\n\r\n"
           "Grüße\r\n.\r\n.dot\r\nEnd\r\n").encode()
RIGHTS = {
    "joe": "", "ann": "",
    "sender": "senders=@client.example",
    "few": "rate=2/h",
    "weekly": "campaigns=weekly",
}


def for_engine(path, mode):
    os.chmod(path, mode)
    if IS_ROOT:
        os.chown(path, NOBODY, NOBODY)
    return path


def make_certificate(name, mode=0o600):
    """Both files, with a new key."""
    chain, key = place().path(f"{name}.pem"), place().path(f"{name}.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                    "/CN=mail.example.net", "-addext", "subjectAltName=DNS:mail.example.net",
                    "-keyout", key, "-out", chain], check=True, stderr=subprocess.DEVNULL)
    for_engine(chain, 0o644)
    for_engine(key, mode)
    return chain, key


def make_hash(password):
    return subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=password, text=True,
                          check=True, capture_output=True).stdout.strip()


def write_users(path, rights, more=""):
    """Everybody's password is his name and "-secret"."""
    text = "".join(f"{name}:{make_hash(name + '-secret')}:{right}\n"
                   for name, right in rights.items())
    place().write(os.path.basename(path), "# users of the tests\n" + text + more)
    return for_engine(path, 0o640)


class Doors:
    """An engine with a listener of each kind: .starttls, .require, .implicit."""

    def __init__(self, rights=None, more=""):
        name = place().new_name("doors")
        self.chain, self.key = make_certificate(name)
        self.users = write_users(place().path(f"{name}.users"), rights or RIGHTS, more)
        tls = f'certificate = "{self.chain}"  key = "{self.key}"  bounces = "event"'
        self.engine = Engine(more=f"""
            users = "{self.users}"
            listen "127.0.0.2:0" {{ tls = "starttls"  {tls} }}
            listen "127.0.0.3:0" {{ tls = "require"  auth = "require"  {tls} }}
            listen "127.0.0.4:0" {{ tls = "implicit"  auth = "require"  {tls} }}""")
        found = re.findall(r"listening on (127\.0\.0\.[234]):(\d+)", self.engine.log())
        self.starttls, self.require, self.implicit = ((host, int(port)) for host, port in found)

    def command(self, *words):
        return run([PROGRAM, words[0], "-c", self.engine.config, *words[1:]])

    def reload(self):
        done = self.command("reload", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[0])

    def end(self):
        self.engine.end()


def setUpModule():
    global doors
    doors = Doors()
    unittest.addModuleCleanup(doors.end)


def trust(chain=None):
    context = ssl.create_default_context(cafile=chain or doors.chain)
    context.check_hostname = False
    return context


def fingerprint(address, starttls=True):
    """Of the certificate that is shown there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with Client(address, hello="EHLO x" if starttls else None) as client:
        if starttls:
            assert client.say("STARTTLS")[0] == 220
        with context.wrap_socket(client.socket) as wrapped:
            return wrapped.getpeercert(binary_form=True)


def der_of(chain):
    with open(chain, encoding="ascii") as file:
        return ssl.PEM_cert_to_DER_cert(file.read())


def plain(name, password=None):
    text = f"\0{name}\0{password or name + '-secret'}"
    return "AUTH PLAIN " + base64.b64encode(text.encode()).decode()


class Arriving(unittest.TestCase):
    def setUp(self):
        self.exchanger = Exchanger()
        self.addCleanup(self.exchanger.close)
        self.rcpt = f"x@{self.exchanger.domain}"

    def arrives(self, protocol, content=CONTENT, count=1):
        got = eventually(lambda: len(self.exchanger.transactions) == count and
                         self.exchanger.transactions, "the message")[-1]
        if content:
            self.assertIsNone(harm(content, got.content))
        if protocol:
            self.assertRegex(got.content.decode(), rf"\(posthaste\)\s+with {protocol}\s")
        return got


class Smtplib(Arriving):
    def test_starttls(self):
        with smtplib.SMTP(*doors.starttls) as client:
            client.ehlo()
            self.assertTrue(client.has_extn("starttls"))
            self.assertFalse(client.has_extn("auth"))
            client.starttls(context=trust())
            client.ehlo()
            self.assertFalse(client.has_extn("starttls"))
            self.assertEqual(client.esmtp_features["auth"].split(), ["PLAIN", "LOGIN"])
            client.sendmail(SENDER, self.rcpt, CONTENT)
        self.arrives("ESMTPS")

    def test_login_over_starttls(self):
        for number, mechanism in enumerate(("auth_plain", "auth_login"), 1):
            with smtplib.SMTP(*doors.require) as client:
                client.starttls(context=trust())
                client.ehlo()
                client.user, client.password = "joe", "joe-secret"
                client.auth(mechanism[5:], getattr(client, mechanism))
                client.sendmail(SENDER, self.rcpt, CONTENT)
            self.arrives("ESMTPSA", count=number)

    def test_implicit(self):
        with smtplib.SMTP_SSL(*doors.implicit, context=trust()) as client:
            client.login("joe", "joe-secret")
            for number in range(1, 4):
                client.sendmail(SENDER, self.rcpt, CONTENT)
                self.arrives("ESMTPSA", count=number)

    def test_much(self):
        """Many records, of many messages."""
        content = CONTENT + b"".join(b"%d %s\r\n" % (i, b"x" * 70) for i in range(20000))
        with smtplib.SMTP_SSL(*doors.implicit, context=trust()) as client:
            client.login("joe", "joe-secret")
            for number in range(1, 6):
                client.sendmail(SENDER, self.rcpt, content)
                self.arrives("ESMTPSA", content, count=number)

    def test_tls_1_2(self):
        context = trust()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with smtplib.SMTP_SSL(*doors.implicit, context=context) as client:
            client.login("joe", "joe-secret")
            client.sendmail(SENDER, self.rcpt, CONTENT)
        self.arrives("ESMTPSA")

    def test_old_versions_are_refused(self):
        context = trust()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises(ssl.SSLError):
            smtplib.SMTP_SSL(*doors.implicit, context=context)


class Programs(Arriving):
    def needs(self, program):
        if not shutil.which(program):
            self.skipTest(f"{program} is missing")
        return program

    def swaks(self, address, *options):
        message = place().write("swaks.eml", CONTENT.removesuffix(b"\r\n"))
        done = run([self.needs("swaks"), "--data", f"@{message}", "--from", SENDER, "--to",
                    self.rcpt, "--server", address[0], "--port", address[1], *options])
        self.assertEqual(done.returncode, 0, (done.stdout + done.stderr).decode())
        return done.stdout.decode()

    def test_swaks(self):
        login = "--auth-user", "joe", "--auth-password", "joe-secret"
        self.swaks(doors.starttls, "--tls")
        self.arrives("ESMTPS")
        self.swaks(doors.require, "--tls", "--auth", "PLAIN", *login)
        self.arrives("ESMTPSA", count=2)
        self.swaks(doors.implicit, "--tls-on-connect", "--auth", "LOGIN", *login)
        self.arrives("ESMTPSA", count=3)
        self.swaks(doors.require, "--tls", "--pipeline", "--auth", "PLAIN", *login)
        self.arrives("ESMTPSA", count=4)

    def test_openssl(self):
        for address, options in ((doors.starttls, ["-starttls", "smtp"]), (doors.implicit, [])):
            done = run(["openssl", "s_client", "-connect", "{}:{}".format(*address), *options,
                        "-CAfile", doors.chain, "-verify_return_error", "-brief", "-crlf"],
                       b"QUIT\n")
            text = (done.stdout + done.stderr).decode()
            self.assertRegex(text, "Protocol version: TLSv1.3")
            self.assertRegex(text, "Verification: OK")

    def test_tickets_stay_with_their_listener(self):
        kept = place().path("session.pem")

        def connects(address, *options):
            done = run(["openssl", "s_client", "-connect", "{}:{}".format(*address),
                        "-tls1_2", *options], b"QUIT\n")
            return re.search(r"^(New|Reused),", done.stdout.decode(), re.MULTILINE)[1]
        starttls = "-starttls", "smtp"
        self.assertEqual(connects(doors.starttls, *starttls, "-sess_out", kept), "New")
        for _ in range(4):
            self.assertEqual(connects(doors.require, *starttls, "-sess_in", kept), "New")
            self.assertEqual(connects(doors.implicit, "-sess_in", kept), "New")

    def test_postfix(self):
        """As one who hands everything to us."""
        users = place().write("postfix-login", "[{}]:{} joe:joe-secret\n".format(*doors.require))
        server = Postfix("""
virtual_mailbox_domains =
relayhost = [{}]:{}
smtp_tls_security_level = encrypt
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = texthash:{}
smtp_sasl_security_options =
smtp_sasl_mechanism_filter = plain, login
""".format(*doors.require, users))
        self.addCleanup(server.close)
        with Client(server.address) as client:
            client.submit(SENDER, [self.rcpt], CONTENT)
        self.arrives("ESMTPSA", None)

    def test_exim(self):
        server = Exim(smarthost=(*doors.implicit, "smtps", "ann", "ann-secret", doors.chain))
        self.addCleanup(server.close)
        with Client(server.address) as client:
            client.submit(SENDER, [self.rcpt], CONTENT)
        self.arrives("ESMTPSA", None)

    def test_exim_by_starttls(self):
        server = Exim(smarthost=(*doors.require, "smtp", "ann", "ann-secret", doors.chain))
        self.addCleanup(server.close)
        with Client(server.address) as client:
            client.submit(SENDER, [self.rcpt], CONTENT)
        self.arrives("ESMTPSA", None)


class Refused(unittest.TestCase):
    def test_bytes_behind_starttls(self):
        """CVE-2011-0411: what was sent in the clear is neither obeyed nor answered."""
        for behind in (b"MAIL FROM:<evil@x.example>\r\n", b"\n", b"EHLO evil\r\n" * 1000):
            with Client(doors.starttls) as client:
                client.send(b"STARTTLS\r\n" + behind)
                self.assertEqual(client.reply()[0], 220)
                self.assertEqual(client.reply(), (0, ""))

    def test_a_handshake_that_is_none(self):
        with Client(doors.starttls) as client:
            self.assertEqual(client.say("STARTTLS")[0], 220)
            client.send(b"MAIL FROM:<evil@x.example>\r\n" * 10)
            alert = client.file.read()
            self.assertTrue(alert == b"" or alert[:1] == b"\x15", alert)
        with Client(doors.implicit, hello=None) as client:
            client.send(b"EHLO x\r\n")
            alert = client.file.read()
            self.assertTrue(alert == b"" or alert[:1] == b"\x15", alert)

    def test_nothing_in_the_clear(self):
        with Client(doors.require) as client:
            self.assertEqual(client.say(plain("joe"))[0], 538)
            self.assertEqual(client.say(f"MAIL FROM:<{SENDER}>")[0], 530)
            self.assertEqual(client.say("RCPT TO:<x@y.example>")[0], 503)
        with Client(doors.engine.tcp) as client:  # no TLS there: nor AUTH
            self.assertEqual(client.say(plain("joe"))[0], 500)
            self.assertEqual(client.say("STARTTLS")[0], 500)

    def test_nobody_without_a_name(self):
        with smtplib.SMTP_SSL(*doors.implicit, context=trust()) as client:
            client.ehlo()
            self.assertEqual(client.mail(SENDER)[0], 530)
            self.assertEqual(client.docmd(plain("joe", "wrong"))[0], 535)
            self.assertEqual(client.mail(SENDER)[0], 530)
            self.assertEqual(client.docmd(plain("joe"))[0], 235)
            self.assertEqual(client.docmd(plain("joe"))[0], 503)
            self.assertEqual(client.mail(SENDER)[0], 250)


class Configurations(unittest.TestCase):
    def refused(self, text, want):
        done = run([PROGRAM, "check", "-c", configure(more=text)])
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(want, done.stderr.decode())

    def test_no_open_relay(self):
        tls = f'tls = "starttls"  certificate = "{doors.chain}"  key = "{doors.key}"'
        self.refused('listen "0.0.0.0:0" { }', "none of them may send mail")
        self.refused('listen "[::]:0" { %s }' % tls, "none of them may send mail")
        self.refused('listen "0.0.0.0:0" { relay-from = "0.0.0.0/0" }', "everybody")
        self.refused('users = "/u"\nlisten "127.0.0.9:0" { auth = "require" }', "auth wants users")
        users = write_users(place().path("relay-users"), {"joe": ""})
        for good in (f'users = "{users}"\nlisten "0.0.0.0:0" {{ {tls} }}',
                     'listen "0.0.0.0:0" { relay-from = "10.0.0.0/8" }'):
            self.assertEqual(run([PROGRAM, "check", "-c", configure(more=good)]).returncode, 0)

    def serves(self, text):
        return run([PROGRAM, "serve", "-c", configure(more=text)]).stderr.decode()

    def test_files_that_others_may_read(self):
        chain, key = make_certificate("open", mode=0o644)
        self.assertIn("has mode 0644", self.serves(
            f'listen "127.0.0.9:0" {{ tls = "implicit" certificate = "{chain}" key = "{key}" }}'))
        users = write_users(place().path("open-users"), {"joe": ""})
        os.chmod(users, 0o644)
        self.assertIn("has mode 0644", self.serves(f'users = "{users}"'))

    def test_files_that_do_not_fit(self):
        listen = 'listen "127.0.0.9:0" {{ tls = "implicit" certificate = "{}" key = "{}" }}'
        _, key = make_certificate("another")
        self.assertIn("certificate", self.serves(listen.format(doors.chain, key)))
        self.assertIn("No such file", self.serves(listen.format(doors.chain, "/nowhere")))
        bad = place().write("bad-users", "# one\njoe:secret\n")
        self.assertIn(f"{for_engine(bad, 0o600)}:2: this is no hash", self.serves(f'users = "{bad}"'))


class Rights(Arriving):
    def session(self, name):
        client = smtplib.SMTP_SSL(*doors.implicit, context=trust())
        self.addCleanup(client.close)
        client.ehlo()
        self.assertEqual(client.docmd(plain(name))[0], 235)
        return client

    def says(self, client, content=CONTENT, sender=SENDER):
        """The reply that decided."""
        code, _ = client.mail(sender)
        if code == 250:
            client.rcpt(self.rcpt)
            code, _ = client.data(content)
        client.rset()
        return code

    def test_senders(self):
        client = self.session("sender")
        other = CONTENT.replace(b"From: <sender@client.example>", b"From: <ceo@bank.example>")
        self.assertEqual(self.says(client), 250)
        self.assertEqual(self.says(client, sender="ceo@bank.example"), 553)
        self.assertEqual(self.says(client, sender=""), 553)
        self.assertEqual(self.says(client, other), 550)
        self.assertEqual(self.says(client, b"Subject: x\r\n\r\nno author\r\n"), 550)
        also = CONTENT.replace(b"example>", b"example>, Boss <ceo@bank.example>", 1)
        self.assertEqual(self.says(client, also), 550)
        self.assertEqual(self.says(client, CONTENT.replace(b"To:", b"From: ceo@bank.example\r\nTo:")),
                         550)
        self.assertEqual(self.says(self.session("joe"), other, "ceo@bank.example"), 250)

    def test_rate(self):
        self.assertEqual(self.says(self.session("few")), 250)
        self.assertEqual(self.says(self.session("few")), 250)
        for _ in range(4):  # on either worker
            self.assertEqual(self.says(self.session("few")), 450)
        self.assertEqual(self.says(self.session("joe")), 250)

    def test_campaigns(self):
        client = self.session("weekly")
        self.assertEqual(self.says(client), 250)
        self.assertEqual(self.says(client, b"X-Posthaste-Campaign: weekly\r\n" + CONTENT), 250)
        self.assertEqual(self.says(client, b"X-Posthaste-Campaign: daily\r\n" + CONTENT), 550)

    def test_keys_are_the_users(self):
        """The same key of two users is two keys."""
        content = b"X-Posthaste-Key: one\r\n" + CONTENT
        self.assertEqual(self.says(self.session("joe"), content), 250)
        self.assertEqual(self.says(self.session("ann"), content + b"x\r\n"), 250)
        self.assertEqual(self.says(self.session("joe"), content + b"x\r\n"), 550)


class UnixSocket(Arriving):
    def test_by_uid(self):
        """Rights of who connects; without a line for him he has all."""
        with Client(doors.engine.unix) as client:
            client.submit(SENDER, [self.rcpt], CONTENT)
        self.arrives("ESMTP")
        limited = Doors(more=f"uid {os.getuid()}::senders=@uid.example\n")
        self.addCleanup(limited.end)
        with Client(limited.engine.unix) as client:
            self.assertEqual(client.say(f"MAIL FROM:<{SENDER}>")[0], 553)
            self.assertEqual(client.say("MAIL FROM:<x@uid.example>")[0], 250)
        with Client(limited.engine.tcp) as client:
            self.assertEqual(client.say(f"MAIL FROM:<{SENDER}>")[0], 250)

    def test_auth(self):
        with Client(doors.engine.unix) as client:
            self.assertEqual(client.say(plain("joe"))[0], 235)
            client.submit(SENDER, [self.rcpt], CONTENT)
        self.arrives("ESMTPA")

    def test_send_and_pickup_need_none(self):
        done = run([PROGRAM, "send", "-C", doors.engine.config, "-f", SENDER, self.rcpt], CONTENT)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.arrives(None, None)


class Guessing(unittest.TestCase):
    def setUp(self):
        self.doors = Doors(rights={"joe": "", "ann": ""})
        self.addCleanup(self.doors.end)

    def session(self, address):
        return smtplib.SMTP_SSL(*self.doors.implicit, context=trust(self.doors.chain),
                                source_address=(address, 0))

    def tries(self, address, *lines):
        """Codes, up to the end of the session."""
        with self.session(address) as client:
            client.ehlo()
            codes = []
            for line in lines:
                try:
                    codes.append(client.docmd(line)[0])
                except smtplib.SMTPServerDisconnected:
                    return codes + [0]
            return codes

    def test_three_tries_and_pauses(self):
        began = time.monotonic()
        wrong = plain("joe", "wrong")
        self.assertEqual(self.tries("127.0.0.50", wrong, wrong, wrong, wrong), [535, 535, 421, 0])
        self.assertGreater(time.monotonic() - began, 2.9)  # a second each
        self.assertEqual(self.tries("127.0.0.50", plain("eve", "x"), plain("eve", "x"),
                                    plain("eve", "x")), [535, 535, 421])
        # Six of one address: it is not heard, not even with the right password; others are.
        self.assertEqual(self.tries("127.0.0.50", plain("ann")), [454])
        self.assertEqual(self.tries("127.0.0.51", plain("ann")), [235])
        time.sleep(2.1)
        self.assertEqual(self.tries("127.0.0.50", plain("ann")), [235])

    def test_no_name_is_told(self):
        """Whether a name is there, neither words nor time tell."""
        def takes(line):
            with self.session("127.0.0.52") as client:
                client.ehlo()
                began = time.monotonic()
                reply = client.docmd(line)
                return reply, time.monotonic() - began
        there, there_s = takes(plain("joe", "wrong"))
        none, none_s = takes(plain("nobody-here", "wrong"))
        self.assertEqual(there, none)
        self.assertEqual(there[0], 535)
        for seconds in (there_s, none_s):
            self.assertGreater(seconds, 0.99)
            self.assertLess(seconds, 3)

    def test_nothing_is_logged(self):
        self.tries("127.0.0.53", plain("joe", "a-secret-guess"), plain("joe"))
        text = self.doors.engine.log() + json.dumps(self.doors.engine.events())
        for secret in ("a-secret-guess", "joe-secret", plain("joe")[11:]):
            self.assertNotIn(secret, text)


class Reloading(unittest.TestCase):
    def setUp(self):
        self.doors = Doors(rights={"joe": "", "ann": ""})
        self.addCleanup(self.doors.end)
        self.exchanger = Exchanger()
        self.addCleanup(self.exchanger.close)

    def renew(self, mode=0o600):
        chain, key = make_certificate("renewed", mode)
        for new, old in ((chain, self.doors.chain), (key, self.doors.key)):
            os.replace(new, old)

    def hand_in(self, faults, ended, sent):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        while not ended.is_set():
            try:
                with smtplib.SMTP(*self.doors.starttls) as client:
                    client.starttls(context=context)
                    for _ in range(5):
                        client.sendmail(SENDER, f"x@{self.exchanger.domain}", CONTENT)
                        sent.append(1)
            except (OSError, smtplib.SMTPException) as fault:
                faults.append(fault)

    def test_certificates_under_load(self):
        faults, sent, ended = [], [], threading.Event()
        threads = [threading.Thread(target=self.hand_in, args=(faults, ended, sent))
                   for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(3):
                before = len(sent)
                self.renew()
                self.assertEqual(self.doors.reload().get("kept"), None)
                for _ in range(4):  # on either worker
                    self.assertEqual(fingerprint(self.doors.starttls), der_of(self.doors.chain))
                    self.assertEqual(fingerprint(self.doors.implicit, False),
                                     der_of(self.doors.chain))
                eventually(lambda: len(sent) > before + 20, "more of them")
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        self.assertEqual(faults, [])
        eventually(lambda: len(self.exchanger.transactions) == len(sent), "all of them")

    def test_sighup(self):
        self.renew()
        self.doors.engine.signal(signal.SIGHUP)
        eventually(lambda: fingerprint(self.doors.starttls) == der_of(self.doors.chain) and
                   fingerprint(self.doors.starttls) == der_of(self.doors.chain), "the new one")

    def test_bad_files_change_nothing(self):
        old = der_of(self.doors.chain)
        self.renew(mode=0o644)
        self.assertEqual(self.doors.reload()["kept"].count("has mode 0644"), 1)  # of three listeners
        self.assertEqual(fingerprint(self.doors.starttls), old)
        place().write(os.path.basename(self.doors.chain), "nothing\n")
        os.chmod(self.doors.key, 0o600)
        self.assertIn("certificate", self.doors.reload()["kept"])
        os.remove(self.doors.chain)
        self.assertIn("No such file", self.doors.reload()["kept"])
        place().write(os.path.basename(self.doors.users), "joe:secret\n")
        for_engine(self.doors.users, 0o600)
        self.doors.reload()
        self.assertIn("what was read before stays", self.doors.engine.log())
        for _ in range(2):
            self.assertEqual(fingerprint(self.doors.starttls), old)
            with Client(self.doors.engine.unix) as client:
                self.assertEqual(client.say(plain("joe"))[0], 235)

    def test_users(self):
        """Who is taken out is out, also of a session that lasts."""
        with Client(self.doors.engine.unix) as joe, Client(self.doors.engine.unix) as ann:
            self.assertEqual(joe.say(plain("joe"))[0], 235)
            self.assertEqual(ann.say(plain("ann"))[0], 235)
            write_users(self.doors.users, {"ann": "", "zoe": ""})
            self.assertEqual(self.doors.reload().get("kept"), None)
            self.assertEqual(joe.say(f"MAIL FROM:<{SENDER}>")[0], 530)
            self.assertEqual(ann.say(f"MAIL FROM:<{SENDER}>")[0], 250)
            with Client(self.doors.engine.unix) as zoe:
                self.assertEqual(zoe.say(plain("joe"))[0], 535)
                self.assertEqual(zoe.say(plain("zoe"))[0], 235)


