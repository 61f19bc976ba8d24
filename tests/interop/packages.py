"""Debian's mail servers, unpacked into a folder and never installed: as packages they exclude one
another, and the host's own mail system is not ours to touch.

The folder is build/packages, so that only the first run needs the network.
"""

import fcntl
import functools
import glob
import os
import subprocess
import unittest

from place import IS_ROOT

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.environ.get("POSTHASTE_PACKAGES", os.path.join(ROOT, "build", "packages"))
DOWNLOAD = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download"]


def _apt(command, folder):
    subprocess.run(command, cwd=folder, check=True, timeout=120, capture_output=True)


def _download(package, folder):
    try:
        _apt([*DOWNLOAD, package], folder)
    except subprocess.CalledProcessError:  # the lists of packages may be missing, or too old
        _apt([*([] if IS_ROOT else ["sudo", "-n"]), "apt-get", "-qq", "update"], folder)
        _apt([*DOWNLOAD, package], folder)


def _unpack(package, folder):
    new = folder + ".new"
    subprocess.run(["rm", "-rf", new], check=True)
    os.makedirs(new)
    _download(package, new)
    for archive in glob.glob(os.path.join(new, "*.deb")):
        subprocess.run(["dpkg", "-x", archive, new], check=True, timeout=60)
        os.remove(archive)
    os.rename(new, folder)


@functools.cache
def unpacked(package):
    """The folder that holds the files of a Debian package."""
    folder = os.path.join(FOLDER, package)
    if os.path.isdir(folder):
        return folder
    try:
        os.makedirs(FOLDER, exist_ok=True)
        with open(os.path.join(FOLDER, "lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # other subjects may run at the same time
            if not os.path.isdir(folder):
                _unpack(package, folder)
        return folder
    except (OSError, subprocess.SubprocessError) as why:
        raise unittest.SkipTest(f"the package {package} cannot be had: {why}") from None


def postfix_tool(name):
    """One of the programs in /usr/sbin of Postfix, with its libraries: (command, environment)."""
    folder = unpacked("postfix")
    return (os.path.join(folder, "usr/sbin", name),
            os.environ | {"LD_LIBRARY_PATH": os.path.join(folder, "usr/lib/postfix")})
