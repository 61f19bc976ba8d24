"""Starting: as root and as nobody in particular, and what is said when it cannot be.

A start that fails says why in one line, and exits with 1 (64: the command line was wrong).
"""

import ctypes
import errno
import os
import re
import shutil
import struct
import subprocess
import unittest

from client import Client
from engine import PROGRAM, Engine, configure
from exchanger import Exchanger
from place import IS_ROOT, NOBODY, Process, eventually, place, run

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
FAIL_WITH, ALLOW = 0x00050000, 0x7fff0000
IO_URING_SETUP = 425


def forbid_io_uring(error):
    """As container runtimes do it: io_uring_setup(2) fails, in this process and its children."""
    def forbid():
        code = b"".join(struct.pack("HBBI", *instruction) for instruction in [
            (LOAD_WORD, 0, 0, 0),  # the number of the system call
            (JUMP_IF_EQUAL, 0, 1, IO_URING_SETUP),
            (RETURN, 0, 0, FAIL_WITH | error),
            (RETURN, 0, 0, ALLOW)])
        program = ctypes.create_string_buffer(code)
        filters = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(program))
        libc = ctypes.CDLL(None, use_errno=True)
        if (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or
                libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filters, 0, 0)):
            raise OSError(ctypes.get_errno(), "seccomp")
    return forbid


class Refusals(unittest.TestCase):
    def refused(self, arguments, pattern, code=1, **options):
        done = run([PROGRAM, "serve", *arguments], seconds=20, **options)
        self.assertEqual((done.returncode, done.stdout), (code, b""), done.stderr)
        line = done.stderr.decode().removesuffix("\n")
        self.assertNotIn("\n", line)
        self.assertRegex(line, f"^posthaste: error: .*{pattern}")

    def refused_with(self, text, pattern):
        self.refused(["-c", place().write("refused.conf", text)], pattern)

    def test_command_line(self):
        for arguments in (["--fly"], ["-c"], ["file"], ["-x"]):
            with self.subTest(arguments):
                self.refused(arguments, re.escape(arguments[0]), code=64)

    def test_configuration(self):
        """File, line and reason."""
        for line, reason in (("worker = 2", "worker"), ("workers = 0", "workers"),
                             ("workers = many", "many"), ('hostname = ""', "hostname"),
                             ('listen "nowhere" { }', "nowhere"),
                             ("delivery { port = 70000 }", "port"), ("delivery { port = 25", ""),
                             ('state = "relative"', "state")):
            with self.subTest(line):
                self.refused_with(f"# first\n\n{line}\n", rf"refused\.conf:[34]: .*{reason}")

    def test_no_such_file(self):
        self.refused(["-c", place().path("none.conf")], "none.conf: No such file")

    def test_in_use(self):
        """By another engine: its state directory, its port, its socket."""
        engine = Engine()
        self.addCleanup(engine.end)
        self.refused(["-c", engine.config], rf"/{engine.name}: in use .*{engine.pid}")
        for listener in (f"unix:{engine.unix}", "{}:{}".format(*engine.tcp)):
            config = configure()
            with open(config, "a", encoding="ascii") as file:
                file.write(f'listen "{listener}" {{ }}\n')
            self.refused(["-c", config], f"{re.escape(listener)}: Address already in use")
        with Client(engine.unix), Client(engine.tcp):  # the other one is none the worse
            pass

    def test_io_uring_forbidden(self):
        for error, names in ((errno.EPERM, "io_uring.*(seccomp|sysctl)"),
                             (errno.ENOSYS, "io_uring.*seccomp")):
            with self.subTest(errno.errorcode[error]):
                self.refused(["-c", configure()], names, preexec_fn=forbid_io_uring(error))

    def test_state_directory_that_is_none(self):
        file = place().write("file", "")
        for path in (f"{file}", f"{file}/state"):
            with self.subTest(path):
                self.refused_with(f'state = "{path}"\n' +
                                  ('user = "nobody"\n' if IS_ROOT else ""), re.escape(path))

    @unittest.skipUnless(IS_ROOT, "needs root")
    def test_users(self):
        for user, pattern in (("root", "root"), ("no-such-user", "no-such-user.*useradd")):
            with self.subTest(user):
                self.refused_with(f'user = "{user}"\n', pattern)


class Manual(unittest.TestCase):
    """posthaste.conf(5) says what a setting may be."""
    SECTIONS = {"SETTINGS": "{}", "LISTEN": 'listen "127.0.0.1:0" {{ {} }}',
                "PICKUP": 'pickup "/nowhere" {{ {} }}', "DOMAIN": 'domain "x.example" {{ {} }}'}
    WITH = {"retry-first": "retry-max = 7d", "retry-max": "retry-first = 1s"}

    def check(self, section, name, value):
        within = self.SECTIONS.get(section, f"{section.lower()} {{{{ {{}} }}}}")
        text = f"{name} = {value} {self.WITH.get(name, '')}"
        config = place().write("manual.conf", within.format(text) + "\n")
        done = run([PROGRAM, "check", "-c", config], seconds=20)
        return done.returncode, done.stderr

    def test_ranges(self):
        path = os.path.join(os.path.dirname(__file__), "../../docs/man/posthaste.conf.5")
        with open(path, encoding="ascii") as file:
            sections = file.read().split("\n.SH ")
        count = 0
        for section in sections:
            title = section.split()[0]
            for name, least, most in re.findall(
                    r"(?ms)^\.TP\n\.B (\S+)\n(?:(?!^\.TP).)*? \((\w+) to (\w+)\)\.$", section):
                name = name.replace("\\-", "-")
                with self.subTest((title, name)):
                    for end, step in ((least, -1), (most, 1)):
                        self.assertEqual(self.check(title, name, end)[0], 0, end)
                        number, unit = re.fullmatch(r"(\d+)([a-zA-Z]*)", end).groups()
                        beyond = f"{int(number) + step}{unit}"
                        if end != "0":
                            self.assertEqual(self.check(title, name, beyond)[0], 1, beyond)
                count += 1
        self.assertEqual(count, 31)


class Privileges(unittest.TestCase):
    @unittest.skipUnless(IS_ROOT, "needs root")
    def test_root_becomes_its_user(self):
        engine = Engine(under=["setpriv", "--groups", "1,2,3", "--inh-caps", "+net_raw"])
        self.addCleanup(engine.end)
        status = engine.status()
        for name in ("Uid", "Gid"):
            self.assertEqual(status[name].split(), [str(NOBODY)] * 4)
        self.assertEqual(status["Groups"], "")
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual(status["NoNewPrivs"], "1")
        for thread in os.listdir(f"/proc/{engine.pid}/task"):
            with open(f"/proc/{engine.pid}/task/{thread}/status", encoding="ascii") as file:
                self.assertIn(f"Uid:\t{NOBODY}\t{NOBODY}", file.read())

    def test_limit_of_descriptors(self):
        """Raised to what it may be."""
        engine = Engine(under=["prlimit", "--nofile=512:4096"])
        self.addCleanup(engine.end)
        with open(f"/proc/{engine.pid}/limits", encoding="ascii") as file:
            limits = re.search(r"^Max open files +(\d+) +(\d+)", file.read(), re.MULTILINE)
        self.assertEqual(int(limits[1]), int(limits[2]))
        self.assertGreaterEqual(int(limits[1]), 4096)

    def test_state_is_its_own_alone(self):
        engine = Engine()
        self.addCleanup(engine.end)
        state = os.stat(place().path(engine.name))
        self.assertEqual((state.st_mode & 0o777, state.st_uid),
                         (0o700, NOBODY if IS_ROOT else os.geteuid()))
        self.assertEqual(os.stat(engine.unix).st_mode & 0o007, 0)


class PlainUser(unittest.TestCase):
    """No file, no rights: the defaults, under the XDG directories."""

    def start(self, environment):
        as_nobody = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]
        # Where the program is, nobody may not go.
        program = shutil.copy(PROGRAM, place().path("posthaste"))
        process = Process([*(as_nobody if IS_ROOT else []), program, "serve"],
                          env=environment | {"PATH": os.environ["PATH"]},
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(process.end)
        eventually(lambda: not process.running() or
                   any("listening on 127.0.0.1" in line for line in process.output), lambda: process.output)
        if not process.running() and "127.0.0.1:2525" in "".join(process.output):
            self.skipTest("port 2525, the default, is taken on this machine")
        return process

    def test_xdg_directories(self):
        home = place().path("home")
        os.mkdir(home)
        os.chown(home, *((NOBODY, NOBODY) if IS_ROOT else (-1, -1)))
        for environment, unix, state in (
                ({"XDG_STATE_HOME": f"{home}/s", "XDG_RUNTIME_DIR": f"{home}/r"},
                 f"{home}/r/posthaste/submit.sock", f"{home}/s/posthaste"),
                ({}, f"{home}/.local/state/posthaste/run/submit.sock",
                 f"{home}/.local/state/posthaste")):
            with self.subTest(environment):
                process = self.start({"HOME": home} | environment)
                with Client(unix) as client:
                    client.submit("", ["x@localhost.invalid"], b"Subject: x\r\n\r\nx\r\n")
                process.end()
                self.assertEqual(process.popen.returncode, 0)
                self.assertFalse(os.path.exists(unix))
                self.assertTrue(os.path.exists(f"{state}/events.jsonl"))
                self.assertTrue(os.listdir(f"{state}/journal"))


class Restart(unittest.TestCase):
    def test_at_once(self):
        """The port is free again as soon as it has ended, even after a kill."""
        engine = Engine()
        config = engine.config
        with open(config, encoding="ascii") as file:
            text = file.read().replace("127.0.0.1:0", "{}:{}".format(*engine.tcp))
        with open(config, "w", encoding="ascii") as file:
            file.write(text)
        for end in (Engine.stop, Engine.kill, Engine.stop):
            end(engine)
            engine.start()
            with Client(engine.tcp) as client, Exchanger() as exchanger:
                message_id = client.submit("", [f"x@{exchanger.domain}"], b"x: y\r\n\r\n")
                self.assertEqual(engine.outcomes(message_id)[0]["event"], "delivered")
        engine.end()


