"""Real mail servers that take what the engine delivers, and keep it.

Each has .domain, arrived() with what it keeps by recipient, and close(). Content is as it was on
the wire, with the fields that the server itself puts in front. Those that may end a header section
which has no end say so by .ends_headers.
"""

import glob
import os
import re
import shutil
import socket
import subprocess
import unittest

import aiosmtpd.controller

from exchanger import Exchanger
from messages import with_crlf
from packages import postfix_tool, unpacked
from place import IS_ROOT, NOBODY, Process, eventually, place, run

CONTAINED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "contained")


def _accepts(address):
    try:
        with socket.create_connection(address, timeout=5) as probe:
            return probe.recv(100).startswith(b"220")
    except OSError:
        return False


class _Server:
    """A program at the address of a host of its own, with a folder of its own."""

    ends_headers = False

    def __init__(self):
        self.number = next(Exchanger.numbers)
        self.domain = f"d{self.number}.example"
        self.address = place().address(self.number), place().port
        self.folder = place().path(f"{type(self).__name__.lower()}{self.number}")
        os.mkdir(self.folder, 0o755)

    def make_folder(self, name, owner=NOBODY):
        path = os.path.join(self.folder, name)
        os.mkdir(path, 0o755)
        if IS_ROOT:
            os.chown(path, owner, owner)
        return path

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def start(self, command, **options):
        self.process = Process(command, **options)

        def ready():
            if not self.process.running():
                raise unittest.SkipTest(f"{type(self).__name__}: {self.process.output}")
            return _accepts(self.address)
        eventually(ready, lambda: f"{type(self).__name__}: {self.process.output}")

    def close(self):
        self.process.end()

    def contents(self, files, rcpt_field):
        """What the files hold, by recipient, whom this field of theirs names."""
        found = {}
        for path in glob.glob(os.path.join(self.folder, files)):
            try:
                with open(path, "rb") as file:
                    content = with_crlf(file.read())
            except PermissionError:  # it came this moment
                continue
            for rcpt in re.findall(rb"^%s: <?([^>\r\n]*)>?\r\n" % rcpt_field.encode(),
                                   content.split(b"\r\n\r\n")[0] + b"\r\n", re.MULTILINE):
                found[rcpt.decode()] = content
        return found


# --- Exim

EXIM_PASSWD = "root:x:0:0::/:/bin/false\nDebian-exim:x:65534:65534::/:/bin/false\n"
EXIM_GROUP = "root:x:0:\nDebian-exim:x:65534:\n"
EXIM_CONFIG = """
exim_path = {program}
primary_hostname = exim.example
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/log/pid
keep_environment =
tls_advertise_hosts =
host_lookup =
rfc1413_query_timeout = 0s
acl_smtp_rcpt = accept
acl_smtp_mail = accept
allow_utf8_domains = true
smtputf8_advertise_hosts = *
message_size_limit = 100M
header_maxsize = 4M
smtp_accept_max = 50
smtp_accept_queue_per_connection = 0
check_spool_space = 0
check_log_space = 0
check_spool_inodes = 0
check_log_inodes = 0
return_path_remove = false
envelope_to_remove = false
delivery_date_remove = false
begin routers
all:
  driver = accept
  transport = keep
begin transports
keep:
  driver = appendfile
  directory = {folder}/mail
  maildir_format
  user = 65534
  group = 65534
  envelope_to_add
  return_path_add
"""


class Exim(_Server):
    """The whole server, in a user namespace of its own: it needs a user of the name Debian-exim,
    and no rights."""

    ends_headers = True

    def __init__(self):
        program = os.path.join(unpacked("exim4-daemon-light"), "usr/sbin/exim4")
        super().__init__()
        for name in ("spool", "log", "mail"):
            self.make_folder(name, owner=0)
        config = self.write("exim.conf", EXIM_CONFIG.format(program=program, folder=self.folder))
        self.start([CONTAINED, self.write("passwd", EXIM_PASSWD), self.write("group", EXIM_GROUP),
                    "--user --map-user=65534 --map-group=65534 --keep-caps",
                    program, "-bdf", "-C", config, "-oX", ":".join(map(str, self.address))],
                   stdin=subprocess.PIPE)

    def arrived(self):
        return self.contents("mail/new/*", "Envelope-to")


# --- Postfix

POSTFIX_UID, POSTDROP_GID = 65531, 65530
POSTFIX_PASSWD = f"root:x:0:0::/:/bin/sh\npostfix:x:{POSTFIX_UID}:{POSTFIX_UID}::/:/bin/false\n"
POSTFIX_GROUP = f"root:x:0:\npostfix:x:{POSTFIX_UID}:\npostdrop:x:{POSTDROP_GID}:\n"
POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
meta_directory = {folder}/etc
command_directory = {package}/usr/sbin
daemon_directory = {package}/usr/lib/postfix/sbin
shlib_directory = {package}/usr/lib/postfix
import_environment = MAIL_CONFIG LD_LIBRARY_PATH
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = postfix.example
mydestination =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions =
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
local_recipient_maps =
alias_maps =
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:all/
virtual_mailbox_base = {folder}/mail
virtual_uid_maps = static:{nobody}
virtual_gid_maps = static:{nobody}
virtual_mailbox_limit = 0
mailbox_size_limit = 0
message_size_limit = 100000000
queue_minfree = 0
# Nothing of the message is to be changed.
local_header_rewrite_clients =
remote_header_rewrite_domain =
always_add_missing_headers = no
message_drop_headers =
disable_mime_input_processing = yes
"""
POSTFIX_MASTER = """
{address}:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""
# What `postfix start` would do, and takes seconds for.
POSTFIX_START = """
set -e
cd {folder}
chown -R root:root etc spool
chown postfix data
chown {nobody} mail
cd spool
mkdir active bounce corrupt defer deferred flush hold incoming private saved trace pid public maildrop
chown postfix *
chown root pid
chgrp postdrop public maildrop
chmod 710 public
chmod 730 maildrop
export MAIL_CONFIG={folder}/etc LD_LIBRARY_PATH={package}/usr/lib/postfix
exec {package}/usr/lib/postfix/sbin/master -d
"""


class Postfix(_Server):
    """The whole server. It needs root, to become the user postfix of its namespace."""

    ends_headers = True

    def __init__(self):
        self.sudo = [] if IS_ROOT else ["sudo", "-n"]
        if self.sudo and not (shutil.which("sudo") and
                              run([*self.sudo, "true"]).returncode == 0):
            raise unittest.SkipTest("Postfix as a server needs root")
        super().__init__()
        package = unpacked("postfix")
        for name in ("etc", "spool", "data", "mail"):
            self.make_folder(name)
        self.write("etc/main.cf", POSTFIX_MAIN.format(folder=self.folder, package=package,
                                                      nobody=NOBODY))
        self.write("etc/master.cf", POSTFIX_MASTER.format(address=self.address[0],
                                                          port=self.address[1]))
        self.start([*self.sudo, CONTAINED, self.write("passwd", POSTFIX_PASSWD),
                    self.write("group", POSTFIX_GROUP), "", "sh", "-c",
                    POSTFIX_START.format(folder=self.folder, package=package, nobody=NOBODY)],
                   stdin=subprocess.PIPE)

    def arrived(self):
        if self.sudo:
            run([*self.sudo, "chmod", "-R", "a+rX", f"{self.folder}/mail"])
        return self.contents("mail/all/new/*", "Delivered-To")

    def close(self):
        super().close()
        if self.sudo:
            run([*self.sudo, "rm", "-rf", self.folder])


class SmtpSink(_Server):
    """Postfix's smtp-sink: a receiver alone, as quick as can be. `options` are its own."""

    def __init__(self, *options):
        program, environment = postfix_tool("smtp-sink")
        super().__init__()
        self.make_folder("kept")
        self.options = options
        user = ["-u", "nobody"] if IS_ROOT else []
        self.start([program, *user, *options, "-d", f"{self.folder}/kept/%s.",
                    ":".join(map(str, self.address)), "1024"], env=environment, cwd=self.folder)

    def arrived(self):
        """Its files begin with the envelope, in fields of its own."""
        found = {}
        for rcpt, content in self.contents("kept/*", "X-Rcpt-Args").items():
            while content.startswith(b"X-") or b"Received: from [" == content[:16]:
                content = re.sub(rb"\A.*\r\n([ \t].*\r\n)*", b"", content)
            found[rcpt] = content[:-2]  # a line end of its own stands behind
        return found


# --- aiosmtpd

class Aiosmtpd:
    """The Python library, in this process."""

    ends_headers = False

    def __init__(self, smtputf8=True):
        self.number = next(Exchanger.numbers)
        self.domain = f"d{self.number}.example"
        self.kept = {}
        self.envelopes = []
        self.controller = aiosmtpd.controller.Controller(
            self, hostname=place().address(self.number), port=place().port,
            enable_SMTPUTF8=smtputf8, decode_data=False)
        self.controller.start()

    async def handle_DATA(self, _server, _session, envelope):
        self.envelopes.append(envelope)
        for rcpt in envelope.rcpt_tos:
            self.kept[rcpt] = envelope.original_content
        return "250 2.0.0 kept"

    def arrived(self):
        return self.kept

    def close(self):
        self.controller.stop()
