"""Certificates of every kind, good and bad, and the TLSA records that fit them."""

import datetime
import functools
import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (Encoding, NoEncryption, PrivateFormat,
                                                          PublicFormat)
from cryptography.x509.oid import NameOID

from place import place


class Certificate:
    """One with its key. .path: a PEM file with the key, the certificate, and those above it."""

    def __init__(self, names, issuer=None, days=(-1, 30), is_authority=False, common_name=None):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.issuer = issuer
        now = datetime.datetime.utcnow()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name or names[0])])
        builder = (x509.CertificateBuilder()
                   .subject_name(subject)
                   .issuer_name(issuer.certificate.subject if issuer else subject)
                   .public_key(self.key.public_key())
                   .serial_number(x509.random_serial_number())
                   .not_valid_before(now + datetime.timedelta(days=days[0]))
                   .not_valid_after(now + datetime.timedelta(days=days[1]))
                   .add_extension(x509.BasicConstraints(is_authority, None), critical=True))
        if names and not is_authority:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        self.certificate = builder.sign((issuer or self).key, hashes.SHA256())
        self.path = place().write(place().new_name("certificate") + ".pem",
                                  self._key_pem() + self.chain_pem())

    def _key_pem(self):
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def chain_pem(self):
        own = self.certificate.public_bytes(Encoding.PEM)
        return own + (self.issuer.chain_pem() if self.issuer else b"")

    def authority_file(self):
        """Of an authority: its certificate alone."""
        return place().write(place().new_name("authority") + ".pem",
                             self.certificate.public_bytes(Encoding.PEM))

    def tlsa(self, usage=3, selector=1, matching=1):
        """As in a zone file."""
        data = (self.certificate.public_bytes(Encoding.DER) if selector == 0 else
                self.key.public_key().public_bytes(Encoding.DER,
                                                   PublicFormat.SubjectPublicKeyInfo))
        digest = {0: lambda b: b, 1: lambda b: hashlib.sha256(b).digest(),
                  2: lambda b: hashlib.sha512(b).digest()}[matching](data)
        return f"TLSA {usage} {selector} {matching} {digest.hex()}"


@functools.cache
def authority():
    """Whom the engine trusts in these tests."""
    return Certificate([], is_authority=True, common_name="The tests' authority")


@functools.cache
def stranger():
    """An authority that nobody trusts."""
    return Certificate([], is_authority=True, common_name="Some other authority")
