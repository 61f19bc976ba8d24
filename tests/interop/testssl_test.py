"""In, under TLS: what testssl.sh finds at a listener, with STARTTLS and without. All of its sections
take it minutes: with STARTTLS it looks at protocols and ciphers alone, but in long runs."""

import json
import shutil
import subprocess
import unittest

from place import long_or, place
from tls_in_test import Doors

ALL = ["--protocols", "--std", "--fs", "--server-preference", "--server-defaults", "--vulnerable"]
FEW = ["--protocols", "--std"]
BAD = ("MEDIUM", "HIGH", "CRITICAL", "WARN", "FATAL")


def setUpModule():
    global doors
    if not shutil.which("testssl"):
        raise unittest.SkipTest("testssl.sh is missing")
    doors = Doors()
    unittest.addModuleCleanup(doors.end)


class Found(unittest.TestCase):
    def findings(self, address, *options):
        report = place().path(place().new_name("testssl"))
        done = subprocess.run(
            ["testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none",
             "--sneaky", "--jsonfile", report, *options, "{}:{}".format(*address)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=350, check=False)
        try:
            with open(report, encoding="utf-8") as file:
                return json.load(file)
        except OSError:
            self.fail(done.stdout + done.stderr)

    def has_none(self, count, *words):
        """No bad ones but of the certificate, which was made a moment ago, by itself, for nobody."""
        found = {line["id"]: line for line in self.findings(*words)}
        self.assertGreater(len(found), count, found)  # it has looked
        self.assertIn("offered", found["TLS1_3"]["finding"])
        self.assertIn("not offered", found["TLS1_1"]["finding"])
        self.assertEqual([line for line in found.values() if line["severity"] in BAD and
                          not line["id"].startswith("cert_")], [])

    def test_implicit(self):
        self.has_none(50, doors.implicit, *ALL)

    def test_starttls(self):
        self.has_none(long_or(50, 10), doors.starttls, "--starttls", "smtp", *long_or(ALL, FEW))
