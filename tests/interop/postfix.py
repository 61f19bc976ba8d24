"""Postfix, as Debian builds it: the server, and its smtp-sink."""

import re
import shutil
import subprocess
import unittest

from mail_server import CONTAINED, MailServer
from packages import postfix_tool, unpacked
from place import IS_ROOT, NOBODY, run

PASSWD = "root:x:0:0::/:/bin/sh\npostfix:x:65531:65531::/:/bin/false\n"
GROUP = "root:x:0:\npostfix:x:65531:\npostdrop:x:65530:\n"
MAIN = """
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
smtpd_recipient_restrictions = check_recipient_access regexp:{folder}/etc/refused,
  permit_mynetworks, reject
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
{settings}
"""
MASTER = """
{address}:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
smtp unix - - n - - smtp
tlsmgr unix - - n 1000 1 tlsmgr
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
{services}
"""
# What `postfix start` would do, and takes seconds for.
START = """
set -e
cd {folder}
chown -R root:root etc spool
chown postfix data
chown {nobody} mail
cd spool
mkdir active bounce corrupt defer deferred flush hold incoming private saved trace public maildrop
chown postfix *
mkdir pid
chgrp postdrop public maildrop
chmod 710 public
chmod 730 maildrop
export MAIL_CONFIG={folder}/etc LD_LIBRARY_PATH={package}/usr/lib/postfix
exec {package}/usr/lib/postfix/sbin/master -d
"""


class Postfix(MailServer):
    """The whole server. It needs root, to become the user postfix of its namespace. It offers
    PIPELINING and CHUNKING unless told otherwise. A local part that begins with "refused" is
    refused. `services` are lines of its master.cf, `sasl` what its
    services learn of users, {smtpd_sasl_path: text}: Debian's looks for that beside main.cf."""

    ends_headers = True
    files = "mail/all/new/*"
    rcpt_field = "Delivered-To"
    sender_field = "Return-Path"

    def __init__(self, settings="", services="", sasl=None):
        self.sudo = [] if IS_ROOT else ["sudo", "-n"]
        if self.sudo and not (shutil.which("sudo") and
                              run([*self.sudo, "true"]).returncode == 0):
            raise unittest.SkipTest("Postfix as a server needs root")
        super().__init__()
        package = unpacked("postfix")
        for name in ("etc", "etc/sasl", "spool", "data", "mail"):
            self.make_folder(name)
        values = {"folder": self.folder, "package": package, "nobody": NOBODY,
                  "address": self.address[0], "port": self.address[1], "settings": settings,
                  "services": services}
        self.write("etc/main.cf", MAIN.format_map(values))
        self.write("etc/refused", "/^refused/ 550 5.1.1 no such user here\n")
        self.write("etc/master.cf", MASTER.format_map(values))
        for name, text in (sasl or {}).items():
            self.write(f"etc/sasl/{name}.conf", text)
        self.start([*self.sudo, CONTAINED, self.write("passwd", PASSWD),
                    self.write("group", GROUP), "", "sh", "-c", START.format_map(values)],
                   stdin=subprocess.PIPE)

    def log(self):
        return run([*self.sudo, "cat", f"{self.folder}/log"]).stdout.decode()

    def contents(self):
        if self.sudo:
            run([*self.sudo, "chmod", "-R", "a+rX", f"{self.folder}/mail"])
        return super().contents()

    def close(self):
        super().close()
        if self.sudo:
            run([*self.sudo, "rm", "-rf", self.folder])


class SmtpSink(MailServer):
    """Postfix's smtp-sink: a receiver alone, as quick as can be. `options` are its own."""

    files = "kept/*"
    rcpt_field = "X-Rcpt-Args"

    def __init__(self, *options):
        program, environment = postfix_tool("smtp-sink")
        super().__init__()
        self.make_folder("kept")
        user = ["-u", "nobody"] if IS_ROOT else []
        self.start([program, *user, *options, "-d", f"{self.folder}/kept/%s.",
                    ":".join(map(str, self.address)), "1024"], env=environment, cwd=self.folder)

    def arrived(self):
        """Its files begin with the envelope, in fields of its own."""
        found = {}
        for rcpt, content in super().arrived().items():
            while content.startswith(b"X-") or b"Received: from [" == content[:16]:
                content = re.sub(rb"\A.*\r\n([ \t].*\r\n)*", b"", content)
            found[rcpt] = content[:-2]  # a line end of its own stands behind
        return found
