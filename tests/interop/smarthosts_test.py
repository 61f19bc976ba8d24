"""AUTH to smarthosts that people run: Postfix with Cyrus SASL, and Exim. Under TLS by STARTTLS and
from the first byte on, with what may be wrong with the password or with TLS; and what of it goes
over the wire, as a tap between the two has seen it."""

import base64
import json
import os
import unittest

from certificates import Certificate, authority
from client import Client
from engine import PROGRAM, Engine
from exchanger import Exchanger
from exim import LOGIN, Exim
from explained import REASONS, UNTIL
from packages import unpacked
from place import IS_ROOT, NOBODY, eventually, place, run
from postfix import Postfix
from wiretap import Wiretap

USER, PASSWORD = "engine@example.net", "correct horse"
SENDER = "sender@client.example"
MARK = b"what nobody else may read"
CONTENT = b"Subject: x\r\n\r\n" + MARK + b"\r\n"
HELLO = b"EHLO mail.example.net\r\n"


def for_engine(path):
    os.chmod(path, 0o600)
    if IS_ROOT:
        os.chown(path, NOBODY, NOBODY)
    return path


def sasl_users():
    """Postfix's users, as Cyrus SASL keeps them: `plain` offers both mechanisms, `login` one."""
    users = place().path(place().new_name("users"))
    user, realm = USER.split("@")
    done = run([os.path.join(unpacked("sasl2-bin"), "usr/sbin/saslpasswd2"), "-p", "-c",
                "-f", users, "-u", realm, user], PASSWORD.encode())
    assert done.returncode == 0, done.stderr
    os.chmod(users, 0o644)
    return {name: "pwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
                  f"sasldb_path: {users}\nmech_list: {mechanisms}\n"
            for name, mechanisms in (("plain", "PLAIN LOGIN"), ("login", "LOGIN"))}


def spellings(text):
    """All that base64 makes of it, wherever it stands in what is encoded, as far as it is sure."""
    found = [text]
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + text)
        found.append(encoded[(before * 8 + 5) // 6:len(encoded) // 4 * 4 - 4])
    return found


class Smarthosts:
    """For one program. .taps: {service: Wiretap}; the services are

    plain, login                    STARTTLS; AUTH under TLS alone, by both mechanisms or by LOGIN
    implicit-plain, implicit-login  TLS from the first byte on
    stranger                        as plain, and the certificate is another host's
    clear                           no TLS; AUTH is offered all the same
    silent                          STARTTLS, and no AUTH
    """

    implicit = ("implicit-plain", "implicit-login")
    services = ("plain", "login", *implicit, "stranger", "clear", "silent")

    @classmethod
    def setUpClass(cls):
        numbers = {name: next(Exchanger.numbers) for name in cls.services}
        names = [f"mx{number}.example" for name, number in numbers.items() if name != "stranger"]
        addresses = cls.start(Certificate(names, authority()).path)
        cls.taps = {name: Wiretap(number, addresses["plain" if name == "stranger" else name])
                    for name, number in numbers.items()}
        for tap in cls.taps.values():
            cls.addClassCleanup(tap.close)
        cls.passwords = {word: for_engine(place().write(place().new_name("password"), text))
                         for word, text in (("good", PASSWORD), ("bad", "wrong " + PASSWORD))}
        cls.engine = Engine(
            domain="retry-first = 1h",
            more=f'tls {{ trusted = "{authority().authority_file()}" }}\n' + "\n".join(
                cls.routes(name) for name in cls.services))
        cls.addClassCleanup(cls.engine.end)

    @classmethod
    def route(cls, name, domain, password, more=""):
        implicit = "tls-implicit = yes" if name in cls.implicit else ""
        return (f'route "{domain}" {{ host = "{cls.taps[name].host}:{place().port}" {implicit}\n'
                f'user = "{USER}" password-file = "{cls.passwords[password]}" {more} }}\n'
                f'domain "{domain}.example" {{ via = "{domain}" }}\n')

    @classmethod
    def routes(cls, name):
        """With the password, with another one, and with one that may go over any line."""
        return (cls.route(name, name, "good") + cls.route(name, f"{name}-wrong", "bad") +
                cls.route(name, f"{name}-anyhow", "good", 'password-needs = "nothing"'))

    def send(self, route):
        with Client(self.engine.unix) as client:
            event, = self.engine.outcomes(client.submit(SENDER, [f"x@{route}.example"], CONTENT))
        return event

    def said(self, name):
        """The connections of this test."""
        return self.taps[name].connections[self.known[name]:]

    def setUp(self):
        self.known = {name: len(tap.connections) for name, tap in self.taps.items()}
        self.logins = self.login_count("PLAIN"), self.login_count("LOGIN")

    def login_count(self, mechanism):
        """As the servers' logs tell."""
        return self.server_log().count(self.logged_in(mechanism))

    def nothing_leaks(self, name):
        """Neither the password, nor who we are, nor the message."""
        for connection in self.said(name):
            for secret in (PASSWORD.encode(), USER.encode(), MARK):
                for spelling in spellings(secret):
                    self.assertNotIn(spelling, connection.said)

    def delivered(self, name, mechanism):
        before = self.login_count(mechanism)
        event = self.send(name)
        self.assertEqual(event["event"], "delivered", event)
        self.assertEqual(event["tls"], "TLSv1.3", event)
        connection, = self.said(name)
        is_implicit = name in self.implicit
        self.assertEqual(connection.said_in_clear(), b"" if is_implicit else HELLO + b"STARTTLS\r\n")
        self.assertNotIn(b"AUTH", connection.heard_in_clear())
        self.nothing_leaks(name)
        eventually(lambda: self.login_count(mechanism) > before, self.server_log)

    def deferred(self, route, name, code, enhanced, text, reason):
        """For that reason, which `posthaste explain` says too; what went over the wire."""
        event = self.send(route)
        self.assertEqual([event[name] for name in ("event", "code", "enhanced", "category", "text")],
                         ["deferred", code, enhanced, "auth", text], event)
        self.is_explained(f"{route}.example", reason, text)
        self.nothing_leaks(name)
        self.assertEqual((self.login_count("PLAIN"), self.login_count("LOGIN")), self.logins)
        connection, = self.said(name)
        return connection

    def is_explained(self, domain, reason, text):
        done = run([PROGRAM, "explain", "-c", self.engine.config, "--json", domain])
        told = json.loads(done.stdout)
        said, next_action, time = REASONS[reason]
        self.assertEqual((told["reason"], told["reply"], time), (reason, text, UNTIL), told)
        self.assertIn(said, told["text"])
        self.assertIn(next_action, told["next"])
        self.assertIn("until", told)

    def test_by_starttls(self):
        self.delivered("plain", "PLAIN")
        self.delivered("login", "LOGIN")

    def test_implicit_tls(self):
        self.delivered("implicit-plain", "PLAIN")
        self.delivered("implicit-login", "LOGIN")

    def test_wrong_password(self):
        for name in ("plain", "login", *self.implicit):
            with self.subTest(name):
                code, enhanced, text = self.wrong_password[name]
                self.deferred(f"{name}-wrong", name, code, enhanced, text, "auth-refused")

    def test_another_certificate(self):
        connection = self.deferred(
            "stranger", "stranger", 0, "4.7.5", "certificate not verified: hostname mismatch",
            "tls-unverified")
        self.assertEqual(connection.said_in_clear(), HELLO + b"STARTTLS\r\n")

    def test_no_tls(self):
        """AUTH is offered, and not taken."""
        connection = self.deferred("clear", "clear", 0, "4.7.4",
                                   "TLS is required, and not offered", "tls-refused")
        self.assertIn(b"AUTH", connection.heard)
        self.assertEqual(connection.said, HELLO)

    def test_no_tls_and_none_wanted(self):
        """The operator has said so. (And the tap would see it.)"""
        event = self.send("clear-anyhow")
        self.assertEqual((event["event"], event["tls"]), ("delivered", "none"), event)
        connection, = self.said("clear")
        said = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode())
        self.assertIn(HELLO + b"AUTH PLAIN " + said + b"\r\n", connection.said)
        with self.assertRaises(AssertionError):
            self.nothing_leaks("clear")

    def test_auth_is_not_offered(self):
        self.deferred("silent", "silent", 0, "4.7.4",
                      "AUTH is not offered, or not by PLAIN or LOGIN", "auth-refused")


class ByPostfix(Smarthosts, unittest.TestCase):
    wrong_password = {name: (535, "5.7.8", "Error: authentication failed: authentication failure")
                      for name in Smarthosts.services}

    @classmethod
    def start(cls, certificate):
        addresses = {name: (place().address(next(Exchanger.numbers)), place().port)
                     for name in ("login", *cls.implicit, "clear", "silent")}
        options = {"login": ["smtpd_sasl_path=login"],
                   "implicit-plain": ["smtpd_tls_wrappermode=yes"],
                   "implicit-login": ["smtpd_tls_wrappermode=yes", "smtpd_sasl_path=login"],
                   "clear": ["smtpd_tls_security_level=none", "smtpd_tls_auth_only=no"],
                   "silent": ["smtpd_sasl_auth_enable=no"]}
        services = "\n".join(f"{host}:{port} inet n - n - - smtpd" +
                             "".join(f"\n    -o {option}" for option in options[name])
                             for name, (host, port) in addresses.items())
        cls.postfix = Postfix(f"""
smtpd_tls_security_level = may
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = $smtpd_tls_cert_file
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_path = plain
smtpd_sender_restrictions = permit_sasl_authenticated, reject
""", services, sasl_users())
        cls.addClassCleanup(cls.postfix.close)
        return addresses | {"plain": cls.postfix.address}

    @classmethod
    def server_log(cls):
        return cls.postfix.log()

    @staticmethod
    def logged_in(mechanism):
        return f"sasl_method={mechanism}, sasl_username={USER}"


class ByExim(Smarthosts, unittest.TestCase):
    wrong_password = {name: (535, "", "Incorrect authentication data")
                      for name in Smarthosts.services}

    @classmethod
    def start(cls, certificate):
        tls = f"tls_advertise_hosts = *\ntls_certificate = {certificate}"
        login = USER, PASSWORD
        under_tls = {"login": login, "tls": tls,
                     "settings": "auth_advertise_hosts = ${if def:tls_in_cipher{*}{}}"}
        cls.exims = {"plain": Exim(**under_tls), "login": Exim(**under_tls, mechanisms=(LOGIN,)),
                     "implicit-plain": Exim(**under_tls, implicit=True),
                     "implicit-login": Exim(**under_tls, implicit=True, mechanisms=(LOGIN,)),
                     "clear": Exim(login=login), "silent": Exim(tls=tls)}
        for exim in cls.exims.values():
            cls.addClassCleanup(exim.close)
        return {name: exim.address for name, exim in cls.exims.items()}

    @classmethod
    def server_log(cls):
        return "".join(exim.log() for exim in cls.exims.values())

    @staticmethod
    def logged_in(mechanism):
        return f"A={mechanism.lower()}:{USER}"


if __name__ == "__main__":
    unittest.main()
