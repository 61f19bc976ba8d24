"""A disk whose power can be cut, with a file system on it.

    engine -> file system -> loop device -> FUSE (nbdfuse) -> nbdkit with cache_disk.so

Needs root, FUSE, loop devices and Debian's packages nbdkit, libnbd-bin, e2fsprogs and xfsprogs;
missing() tells what is not there. What is mounted is seen in the mount namespace of the tests alone
(run makes one), and a loop device is let go by its last user: nothing of it outlives the processes.
"""

import functools
import os
import shutil
import socket
import subprocess

from place import IS_ROOT, Process, eventually, place, run

PLUGIN = os.environ.get("POSTHASTE_CACHE_DISK", "")
PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
FLUSH_US = 3000  # of a good disk
BYTES = "512M"  # XFS is no smaller than 300 MB; pages that are never written to cost nothing
MAKE = {"ext4": ["mkfs.ext4", "-q", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"],
        "xfs": ["mkfs.xfs", "-q", "-f", "-K"]}
TOP = "/mnt"  # exists everywhere; ours is a folder in memory that covers it


def missing(kind):
    """What this host lacks for such a disk; None: nothing."""
    if not IS_ROOT:
        return "only root may mount"
    for program in ("nbdkit", "nbdfuse", "losetup", "mount", "umount", MAKE[kind][0]):
        if not shutil.which(program, path=PATH):
            return f"{program} is missing"
    if not os.access(PLUGIN, os.R_OK):
        return f"the plugin cache_disk.so is not built (nbdkit-plugin-dev is missing?): {PLUGIN!r}"
    for device, purpose in (("/dev/fuse", "FUSE"), ("/dev/loop-control", "loop devices")):
        try:
            os.close(os.open(device, os.O_RDWR))
        except OSError as why:
            return f"this host has no {purpose}: {why}"
    return _no_folder()


@functools.cache
def _no_folder():
    if os.readlink("/proc/self/ns/mnt") == os.readlink(f"/proc/{os.getppid()}/ns/mnt"):
        return "no mount namespace of our own"
    done = run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", TOP])
    return done.stderr.decode().strip() if done.returncode else None


def do(*command):
    done = run(command, env={"PATH": PATH})
    if done.returncode != 0:
        raise subprocess.SubprocessError(f"{command}: {done.stderr.decode().strip()}")
    return done.stdout.decode().strip()


class Disk:
    """Made, with an empty file system, and mounted at .folder."""

    def __init__(self, kind):
        self.kind = kind
        name = place().new_name("disk")
        at_nbd, at_control = place().path(f"{name}.nbd"), place().path(f"{name}.control")
        self.folder = f"{TOP}/{name}"
        fuse = f"{TOP}/{name}.fuse"
        self.file = f"{fuse}/disk"
        os.mkdir(self.folder)
        os.mkdir(fuse)
        self.processes = [Process(["nbdkit", "-f", "-U", at_nbd, PLUGIN, f"size={BYTES}",
                                   f"control={at_control}", f"flush-us={FLUSH_US}"])]
        self._await(lambda: os.path.exists(at_nbd) and os.path.exists(at_control))
        self.processes.append(Process(["nbdfuse", self.file, "--unix", at_nbd]))
        self._await(lambda: os.path.exists(self.file))
        self.control = socket.socket(socket.AF_UNIX)
        self.control.connect(at_control)
        self.answers = self.control.makefile("r")
        device = self._attach()
        do(*MAKE[kind], device)
        self._mount(device)

    def _await(self, condition):
        def look():
            assert self.processes[-1].running(), self.processes[-1].output
            return condition()
        eventually(look, lambda: self.processes[-1].output)

    def _order(self, line):
        self.control.sendall(line.encode() + b"\n")
        word, count = self.answers.readline().split()
        assert word == line.split()[0], (line, word)
        return int(count)

    def _attach(self):
        return do("losetup", "--find", "--show", "--direct-io=on", self.file)

    def _mount(self, device):
        do("mount", "-t", self.kind, device, self.folder)
        do("losetup", "--detach", device)  # when it is unmounted

    def cut(self):
        """The power is gone. How many sectors have not reached the medium."""
        return self._order("cut")

    def restore(self, seed, keep_per_1000):
        """It is back, when nobody uses the folder any more: the file system is mounted with what
        the medium holds. How many of those sectors it does."""
        eventually(self._unmounted, f"unmounting {self.folder}")
        kept = self._order(f"on {seed} {keep_per_1000}")
        self._mount(self._attach())
        return kept

    def _unmounted(self):
        """The kernel may need the folder for a moment after the last process has gone."""
        return run(["umount", self.folder], env={"PATH": PATH}).returncode == 0

    def end(self):
        self.control.close()
        if os.path.ismount(self.folder):
            run(["umount", "--lazy", self.folder], env={"PATH": PATH})
        run(["umount", os.path.dirname(self.file)], env={"PATH": PATH})
        for process in reversed(self.processes):
            process.end()
