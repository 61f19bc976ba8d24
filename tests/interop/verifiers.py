"""Programs that verify DKIM signatures: dkimpy, Perl's Mail::DKIM, OpenDKIM.

Each is made with the keys that the DNS would have, and is a function of {name: message} that returns
{name: [a verdict for each of our signatures]}. Mail::DKIM knows RSA alone, and is asked for that.
"""

import base64
import os
import re
import shutil
import subprocess
import unittest

from packages import unpacked
from place import place

ED25519_KEY_BYTES = 32
SIGNATURE = re.compile(rb"(?im)^DKIM-Signature[ \t]*:.*\r\n(?:[ \t].*\r\n)*")
FILES_AT_A_TIME = 100

MAIL_DKIM = r"""
use strict; use warnings;
use Mail::DKIM::Verifier; use Net::DNS;
package Records;
our %records;
sub new { return bless {}, shift }
sub send {
    my ($self, $name, $type) = @_;
    my $reply = Net::DNS::Packet->new($name, $type, "IN");
    $reply->push(answer => Net::DNS::RR->new(owner => $name, type => "TXT",
        txtdata => [$records{$name} =~ /(.{1,255})/g])) if $records{$name};
    return $reply;
}
sub errorstring { return "NOERROR" }
package main;
open(my $list, "<", $ARGV[0]) or die;
while (<$list>) { chomp; my ($name, $record) = split(/\t/); $Records::records{$name} = $record }
Mail::DKIM::DNS::resolver(Records->new());
for my $path (@ARGV[1 .. $#ARGV]) {
    open(my $file, "<:raw", $path) or die;
    local $/ = undef;
    my $verifier = Mail::DKIM::Verifier->new();
    $verifier->PRINT(<$file>);
    $verifier->CLOSE();
    print "$path ", $verifier->result, " ", $verifier->result_detail, "\n";
}
"""

OPENDKIM = """
Syslog no
Mode v
On-Default accept
TestDNSData file:{records}
"""


class Keys:
    """{(selector, domain): the file of the private key}"""

    def __init__(self, files):
        self.records = {f"{selector}._domainkey.{domain}": self._record(path)
                        for (selector, domain), path in files.items()}

    @staticmethod
    def _record(path):
        public = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"],
                                capture_output=True, check=True).stdout
        is_rsa = len(public) > 100
        text = base64.b64encode(public if is_rsa else public[-ED25519_KEY_BYTES:]).decode()
        return f"v=DKIM1; k={'rsa' if is_rsa else 'ed25519'}; p={text}"

    def write(self, separator):
        return place().write(place().new_name("records"), "".join(
            f"{name}{separator}{record}\n" for name, record in self.records.items()))


def variants(message, algorithms=(b"rsa", b"ed25519")):
    """The message with one of our signatures each, and nobody else's."""
    header, end, body = message.partition(b"\r\n\r\n")
    header += b"\r\n"
    fields = [field for field in SIGNATURE.findall(header) if b"d=x.example" not in field]
    rest = SIGNATURE.sub(b"", header)
    return [field + rest + end[2:] + body for field in fields
            if any(b" a=" + name + b"-" in field for name in algorithms)]


def dkimpy(keys):
    try:
        import dkim
    except ImportError:
        raise unittest.SkipTest("python3-dkim is missing") from None

    def record(name, timeout=5):
        del timeout
        return keys.records.get(name.decode().rstrip("."), "").encode()

    def is_good(variant):
        try:
            return dkim.DKIM(variant).verify(dnsfunc=record)
        except dkim.DKIMException:
            return False

    return lambda messages: {name: [is_good(variant) for variant in variants(message)]
                             for name, message in messages.items()}


def _in_files(messages, algorithms, ask):
    """`ask`: a function of paths that returns those whose signature is good."""
    paths = {name: [place().write(place().new_name("variant"), variant)
                    for variant in variants(message, algorithms)]
             for name, message in messages.items()}
    all_paths = [path for of_one in paths.values() for path in of_one]
    good = set()
    for at in range(0, len(all_paths), FILES_AT_A_TIME):
        good |= ask(all_paths[at:at + FILES_AT_A_TIME])
    for path in all_paths:
        os.remove(path)
    return {name: [path in good for path in of_one] for name, of_one in paths.items()}


def mail_dkim(keys):
    perl = shutil.which("perl")
    known = perl and subprocess.run([perl, "-MMail::DKIM::Verifier", "-e1"], check=False,
                                    capture_output=True).returncode == 0
    if not known:
        raise unittest.SkipTest("libmail-dkim-perl is missing")
    script = place().write("mail_dkim.pl", MAIL_DKIM)
    records = keys.write("\t")

    def ask(paths):
        said = subprocess.run([perl, script, records, *paths], capture_output=True, check=True)
        lines = [line.split() for line in said.stdout.decode(errors="replace").splitlines()]
        assert [words[0] for words in lines] == paths, said.stderr
        return {words[0] for words in lines if words[1] == "pass"}

    return lambda messages: _in_files(messages, (b"rsa",), ask)


def opendkim(keys):
    program = os.path.join(unpacked("opendkim"), "usr/sbin/opendkim")
    records = keys.write(" ")
    config = place().write("opendkim.conf", OPENDKIM.format(records=records))
    if subprocess.run([program, "-V"], capture_output=True, check=False).returncode != 0:
        raise unittest.SkipTest("libraries of opendkim are missing")

    def ask(paths):
        said = subprocess.run([program, "-x", config, "-t", ",".join(paths)],
                              capture_output=True, check=False)
        text = said.stdout + said.stderr
        found = re.findall(r"opendkim: (\S+): verification .* (succeeded|failed)", text.decode(
            errors="replace"))
        assert [path for path, _ in found] == paths, text[-500:]
        return {path for path, how in found if how == "succeeded"}

    return lambda messages: _in_files(messages, (b"rsa", b"ed25519"), ask)
