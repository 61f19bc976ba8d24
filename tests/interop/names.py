"""A real name server (NSD) for the domains of these tests.

Host number N (2..999) is at Place.address(N). It is the exchanger of

    dN.example and everything below it     by MX; all of these are one site
    pN.example                             preferred, with host N+1 as the next
    aN.example                             without MX, by its address alone

The exchanger of v6.example is at ::1. And there are null.example (RFC 7505), lost.example (its
exchanger has no address), and nowhere.example, which is not there.
"""

import functools
import shutil
import socket
import unittest

from place import Process, eventually, place

HOSTS = range(2, 1000)
QUESTION = b"\0\1\1\0\0\1\0\0\0\0\0\0" b"\2d2\7example\0" b"\0\x0f\0\1"  # d2.example MX?

CONFIG = """
server:
  ip-address: {address}@{port}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  pidfile: "{folder}/nsd.pid"
  xfrdfile: ""
  zonelistfile: "{folder}/nsd.list"
  database: ""
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: example
  zonefile: example.zone
"""


def _zone():
    lines = ["$ORIGIN example.", "$TTL 300", "@ SOA ns hostmaster 1 3600 600 86400 60", "@ NS ns",
             f"ns A {place().address(1)}", "null MX 0 .", "lost MX 10 no-address.lost",
             "v6 MX 10 mx.v6", "mx.v6 AAAA ::1"]
    for n in HOSTS:
        lines += [f"mx{n} A {place().address(n)}", f"d{n} MX 10 mx{n}", f"*.d{n} MX 10 mx{n}",
                  f"a{n} A {place().address(n)}"]
    for n in HOSTS[:-1]:
        lines += [f"p{n} MX 10 mx{n}", f"p{n} MX 20 mx{n + 1}"]
    return "\n".join(lines) + "\n"


def _free_udp_port(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


@functools.cache
def name_server():
    """Starts it, once in a run. Its "address:port"."""
    program = shutil.which("nsd", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if not program:
        raise unittest.SkipTest("nsd is missing")
    address = place().address(1)
    port = _free_udp_port(address)
    place().write("example.zone", _zone())
    config = place().write("nsd.conf", CONFIG.format(address=address, port=port,
                                                     folder=place().folder))
    server = Process([program, "-d", "-c", config])

    def answers():
        assert server.running(), f"nsd: {server.output}"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.2)
            client.sendto(QUESTION, (address, port))
            try:
                return len(client.recv(512)) > len(QUESTION)
            except OSError:
                return False

    eventually(answers, lambda: f"nsd: {server.output}")
    return f"{address}:{port}"
