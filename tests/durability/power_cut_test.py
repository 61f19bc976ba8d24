"""The power is cut at random moments under load, while the engine starts too: what was acknowledged
is there when it is back, whatever the disk made of its cache.

A cut takes all that was written since the last flush, or any part of it, sector by sector.
"""

import os
import unittest

from disk import Disk, missing
from ordeal import Aftermath, Ordeal
from place import long_or
from victim import Victim

CUTS = long_or(50, 5)  # on each file system
CUTS_PER_DRAIN = 10
RATE = 2000  # messages in a second
KEEP_PER_1000 = (0, 100, 500, 900, 1000)

# Results are not waited for. Those that are older than this have been synced.
RESULTS_US_MAX = 1_000_000


class Cut(Aftermath):
    """One ordeal for a file system; each test looks at what came of it in another way."""

    kind = None
    deaths = CUTS

    @classmethod
    def setUpClass(cls):
        cls.reason = missing(cls.kind)
        if cls.reason:
            return
        cls.disk = Disk(cls.kind)
        cls.addClassCleanup(cls.disk.end)
        cls.ordeal = Ordeal(Victim(os.path.join(cls.disk.folder, "state")), RATE, quick_count=1,
                            slow_count=4)
        cls.addClassCleanup(cls.ordeal.end)
        cls.sectors_in_cache = cls.sectors_kept = 0
        for done in range(0, CUTS, CUTS_PER_DRAIN):
            cls.ordeal.storm(min(CUTS - done, CUTS_PER_DRAIN), cls.end_life)
            cls.ordeal.drain()
        cls.verdict = cls.ordeal.books.judge(cls.ordeal.victim.deaths, RESULTS_US_MAX)
        print(f"{cls.kind}: {cls.ordeal.report(cls.verdict)}; {cls.sectors_kept} of "
              f"{cls.sectors_in_cache} sectors in the cache were kept", flush=True)

    def setUp(self):
        if self.reason:
            self.skipTest(f"NO POWER WAS CUT ON {self.kind}: {self.reason}")

    @classmethod
    def end_life(cls):
        cls.ordeal.let_live()
        cls.sectors_in_cache += cls.disk.cut()
        cls.ordeal.victim.kill()
        dice = cls.ordeal.dice
        cls.sectors_kept += cls.disk.restore(dice.getrandbits(63), dice.choice(KEEP_PER_1000))


class Ext4(Cut, unittest.TestCase):
    kind = "ext4"


class Xfs(Cut, unittest.TestCase):
    kind = "xfs"
