"""A signed zone, served by a real name server (NSD) behind a real validating resolver (unbound).

    dane.example     signed by ldns-signzone; unbound has its key as a trust anchor
    plain.example    not signed, and nothing above it is: what it says is not secure

`spoil` says what to break behind the signer's back, so that its signature no longer fits.
"""

import shutil
import socket
import unittest

from names import _free_udp_port
from place import Process, eventually, place, run

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
SIGNED, PLAIN = "dane.example", "plain.example"
HEAD = """$ORIGIN {zone}.
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 5
@ NS ns
ns A {address}
"""

NSD = """
server:
  ip-address: {address}@{port}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  pidfile: "{folder}/nsd-signed.pid"
  xfrdfile: ""
  zonelistfile: "{folder}/nsd-signed.list"
  database: ""
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: dane.example
  zonefile: dane.example.zone.signed
zone:
  name: plain.example
  zonefile: plain.example.zone
"""

UNBOUND = """
server:
  directory: "{folder}"
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  verbosity: 1
  do-daemonize: no
  num-threads: 1
  interface: {address}
  port: {port}
  access-control: 127.0.0.0/8 allow
  do-ip6: no
  do-not-query-localhost: no
  module-config: "validator iterator"
  trust-anchor-file: "{anchor}"
  local-zone: "example." nodefault
  infra-host-ttl: 1
  unwanted-reply-threshold: 0
remote-control:
  control-enable: no
stub-zone:
  name: "dane.example"
  stub-addr: {address}@{nsd_port}
stub-zone:
  name: "plain.example"
  stub-addr: {address}@{nsd_port}
"""


def _program(name):
    path = shutil.which(name, path=PATH)
    if not path:
        raise unittest.SkipTest(f"{name} is missing")
    return path


def _checked(command):
    done = run(command, cwd=place().folder)
    assert done.returncode == 0, f"{command}: {done.stderr.decode()}"
    return done.stdout.decode()


def _signed(lines, spoil):
    """Signs the zone. The file of its key."""
    zone_file = place().write(f"{SIGNED}.zone", HEAD.format(zone=SIGNED, address=place().address(1))
                              + "\n".join(lines) + "\n")
    key = _checked([_program("ldns-keygen"), "-a", "ECDSAP256SHA256", "-k", SIGNED]).strip()
    signed_file = place().path(f"{SIGNED}.zone.signed")
    _checked([_program("ldns-signzone"), "-n", "-f", signed_file, zone_file, key])
    with open(signed_file, encoding="ascii") as file:
        text = file.read()
    for before, after in spoil:
        assert before in text, before
        text = text.replace(before, after)
    place().write(f"{SIGNED}.zone.signed", text)
    return place().path(f"{key}.key")


def _answers(address, port, name, server):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = b"\0\1\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\6\0\1"  # SOA?

    def answered():
        assert server.running(), server.output
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(1)
            client.sendto(question, (address, port))
            try:
                reply = client.recv(4096)
            except OSError:
                return False
            return reply[3] & 0x0f == 0 and reply[7] > 0
    eventually(answered, lambda: f"{name}: {server.output}")


def resolver(signed, plain, spoil=()):
    """Starts both servers, with the zones' lines. unbound's "address:port"."""
    address = place().address(1)
    anchor = _signed(signed, spoil)
    place().write(f"{PLAIN}.zone",
                  HEAD.format(zone=PLAIN, address=address) + "\n".join(plain) + "\n")
    nsd_port, port = _free_udp_port(address), _free_udp_port(address)
    config = place().write("nsd-signed.conf", NSD.format(address=address, port=nsd_port,
                                                         folder=place().folder))
    nsd = Process([_program("nsd"), "-d", "-c", config])
    _answers(address, nsd_port, SIGNED, nsd)
    config = place().write("unbound.conf", UNBOUND.format(
        folder=place().folder, address=address, port=port, nsd_port=nsd_port, anchor=anchor))
    unbound = Process([_program("unbound"), "-d", "-p", "-c", config])
    _answers(address, port, SIGNED, unbound)
    _answers(address, port, PLAIN, unbound)
    return f"{address}:{port}"
