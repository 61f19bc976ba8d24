"""TLS for these tests: an authority, certificates, and an exchanger that speaks TLS, or fails to."""

import base64
import functools
import os
import socket
import ssl
import unittest

from exchanger import Exchanger, _Ended
from place import place, run

CA_CONFIG = """
[ca]
default_ca = this
[this]
dir = {folder}
database = {folder}/index
new_certs_dir = {folder}
serial = {folder}/serial
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
"""


def openssl(*words):
    try:
        done = run(["openssl", *words])
    except FileNotFoundError:
        raise unittest.SkipTest("openssl is missing") from None
    assert done.returncode == 0, (words, done.stderr.decode())


class Authority:
    """Signs certificates for host names. .path holds its own one."""

    def __init__(self, name):
        self.folder = place().path(place().new_name("authority"))
        os.mkdir(self.folder, 0o755)
        self.key, self.path = f"{self.folder}/ca.key", f"{self.folder}/ca.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.key, "-out", self.path, "-days", "10", "-subj", f"/CN={name}")
        self.config = f"{self.folder}/ca.conf"
        with open(self.config, "w", encoding="ascii") as file:
            file.write(CA_CONFIG.format(folder=self.folder))
        open(f"{self.folder}/index", "w", encoding="ascii").close()
        with open(f"{self.folder}/serial", "w", encoding="ascii") as file:
            file.write("1000\n")

    @functools.cache
    def sign(self, name, expired=False):
        """Paths of certificate and key."""
        stem = f"{self.folder}/{place().new_name('host')}"
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", f"{stem}.key", "-out", f"{stem}.csr", "-subj", f"/CN={name}",
                "-addext", f"subjectAltName=DNS:{name}")
        start, end = ("200101000000Z", "210101000000Z") if expired else ("200101000000Z",
                                                                         "491231000000Z")
        openssl("ca", "-batch", "-notext", "-config", self.config, "-cert", self.path, "-keyfile",
                self.key, "-in", f"{stem}.csr", "-out", f"{stem}.pem", "-startdate", start,
                "-enddate", end)
        os.chmod(f"{stem}.key", 0o644)  # other servers read it, as other users
        return f"{stem}.pem", f"{stem}.key"


@functools.cache
def authority(name="authority of these tests"):
    """The one that the tests' engines trust."""
    return Authority(name)


def server_context(name, signer=None, expired=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*(signer or authority()).sign(name, expired))
    return context


class TlsExchanger(Exchanger):
    """Offers STARTTLS, with a certificate for its host's name unless another context is given.

    `under_tls`: what it offers then; `logins`: {user: password}, offered under TLS alone;
    `implicit`: TLS from the first byte on. `breaks`: the handshake fails.
    """

    def __init__(self, script=None, context=None, under_tls=(), logins=None, implicit=False,
                 breaks=False, mechanisms="PLAIN LOGIN", **options):
        number = options.pop("number", None) or next(Exchanger.numbers)
        self.host = f"mx{number}.example"
        self.context = context or server_context(self.host)
        self.under_tls = under_tls
        self.logins = logins or {}
        self.mechanisms = mechanisms
        self.implicit = implicit
        self.breaks = breaks
        self.versions = []  # of the sessions that came to be
        self.resumed = []
        self.names = []  # SNI
        self.heard_in_clear = []
        self.context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        super().__init__(script, number=number, **options)

    def shake(self, session):
        """The handshake, on the session's connection."""
        if self.breaks:
            session.connection.recv(65536)  # else it would be bytes in the clear behind the 220
            session.connection.sendall(b"500 what is this?\r\n")
            session.connection.shutdown(socket.SHUT_RDWR)
            raise _Ended
        session.connection = self.context.wrap_socket(session.connection, server_side=True)
        session.file = session.connection.makefile("rb")
        session.under_tls = True
        self.versions.append(session.connection.version())
        self.resumed.append(session.connection.session_reused)

    def usual(self, step):
        if step == "STARTTLS":
            return b"220 2.0.0 go\r\n"
        return super().usual(step)

    def begin(self, session):
        session.under_tls = False
        if self.implicit:
            self.shake(session)

    def lines_for(self, session):
        if not session.under_tls:
            return [*self.offers, "STARTTLS"]
        logins = [f"AUTH {self.mechanisms}"] if self.logins else []
        return [*self.offers, *self.under_tls, *logins]

    def special(self, session, verb, text):
        """True when it was dealt with here."""
        if not session.under_tls:
            self.heard_in_clear.append(text)
        if verb == "STARTTLS" and session.act("STARTTLS"):
            self.shake(session)
            return True
        if verb == "AUTH":
            self.authenticate(session, text)
            return True
        return verb == "STARTTLS"

    def authenticate(self, session, text):
        words = text.split(" ")
        if words[1].upper() == "PLAIN":
            _, user, password = base64.b64decode(words[2]).split(b"\0")
        else:
            session.connection.sendall(b"334 VXNlcm5hbWU6\r\n")
            user = base64.b64decode(session.line())
            session.connection.sendall(b"334 UGFzc3dvcmQ6\r\n")
            password = base64.b64decode(session.line())
        good = self.logins.get(user.decode()) == password.decode()
        session.connection.sendall(b"235 2.7.0 welcome\r\n" if good else
                                   b"535 5.7.8 who are you?\r\n")
