"""Exim, as Debian builds it."""

import os
import subprocess

from mail_server import CONTAINED, MailServer
from packages import unpacked

PASSWD = "root:x:0:0::/:/bin/false\nDebian-exim:x:65534:65534::/:/bin/false\n"
GROUP = "root:x:0:\nDebian-exim:x:65534:\n"
CONFIG = """
exim_path = {program}
primary_hostname = exim.example
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/log/pid
keep_environment =
{tls}
host_lookup =
rfc1413_query_timeout = 0s
acl_smtp_rcpt = check_rcpt
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
{settings}
begin acl
check_rcpt:
  deny
    local_parts = ^refused
    message = no such user here
  accept
begin routers
{router}
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
{transport}
{authenticators}
"""
SMART_ROUTER = """
smart:
  driver = manualroute
  route_list = * {host} byname
  self = send
  transport = smart
"""
SMART_TRANSPORT = """
smart:
  driver = smtp
  port = {port}
  protocol = {protocol}
  hosts_require_tls = *
  hosts_require_auth = *
  tls_verify_certificates = {certificate}
  tls_verify_hosts = *
  tls_verify_cert_hostnames =
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  client_send = ^{user}^{password}
"""
LOGGED_IN = "\nacl_smtp_data = accept authenticated = *\n"
PLAIN = """
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and {{{{eq {{$auth2}}{{{user}}}}}{{eq {{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
"""
LOGIN = """
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = User Name : Password
  server_condition = ${{if and {{{{eq {{$auth1}}{{{user}}}}}{{eq {{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1
"""


class Exim(MailServer):
    """The whole server, in a user namespace of its own: it needs a user of the name Debian-exim,
    and no rights. It offers PIPELINING and CHUNKING unless told otherwise. A local part that begins
    with "refused" is refused. With a `smarthost`, (host, port, "smtp" or "smtps", user, password,
    certificate), it keeps nothing, and hands all to that under TLS. `login`: (user, password); it
    takes content from nobody else. `implicit`: TLS from the first byte on."""

    ends_headers = True
    files = "mail/new/*"
    rcpt_field = "Envelope-to"
    sender_field = "Return-path"

    def __init__(self, settings="", tls="tls_advertise_hosts =", smarthost=None, login=None,
                 mechanisms=(PLAIN, LOGIN), implicit=False):
        program = os.path.join(unpacked("exim4-daemon-light"), "usr/sbin/exim4")
        super().__init__()
        for name in ("spool", "log", "mail"):
            self.make_folder(name, owner=0)
        config = self.write("exim.conf", CONFIG.format(
            program=program, folder=self.folder, settings=settings + LOGGED_IN * bool(login),
            tls=tls, authenticators=self.authenticators(login, mechanisms),
            **self.route(smarthost)))
        self.start([CONTAINED, self.write("passwd", PASSWD), self.write("group", GROUP),
                    "--user --map-user=65534 --map-group=65534 --keep-caps",
                    program, "-bdf", "-C", config, "-oX", ":".join(map(str, self.address)),
                    *["-tls-on-connect"] * implicit], greets=not implicit, stdin=subprocess.PIPE)

    def log(self):
        with open(os.path.join(self.folder, "log/mainlog"), encoding="utf-8") as file:
            return file.read()

    @staticmethod
    def authenticators(login, mechanisms):
        if not login:
            return ""
        return "begin authenticators" + "".join(mechanism.format(user=login[0], password=login[1])
                                                for mechanism in mechanisms)

    @staticmethod
    def route(smarthost):
        if not smarthost:
            return {"router": "", "transport": ""}
        names = dict(zip(("host", "port", "protocol", "user", "password", "certificate"), smarthost))
        return {"router": SMART_ROUTER.format(**names),
                "transport": SMART_TRANSPORT.format(**names)}
