"""kill -9 at random moments under load, while it starts too: nothing that was acknowledged is lost,
nothing arrives twice without a reason."""

import unittest

from ordeal import Aftermath, Ordeal
from place import long_or
from victim import Victim

KILLS = long_or(500, 50)
KILLS_PER_DRAIN = 50
RATE = 3000  # messages in a second


class Killed(Aftermath, unittest.TestCase):
    """One ordeal; each test looks at what came of it in another way."""

    deaths = KILLS

    @classmethod
    def setUpClass(cls):
        cls.ordeal = Ordeal(Victim(), RATE, quick_count=3, slow_count=3)
        cls.addClassCleanup(cls.ordeal.end)
        for done in range(0, KILLS, KILLS_PER_DRAIN):
            cls.ordeal.storm(min(KILLS - done, KILLS_PER_DRAIN), cls.end_life)
            cls.ordeal.drain()
        cls.verdict = cls.ordeal.books.judge(cls.ordeal.victim.deaths)
        print(cls.ordeal.report(cls.verdict), flush=True)

    @classmethod
    def end_life(cls):
        cls.ordeal.let_live()
        cls.ordeal.victim.kill()

    def test_it_met_both_kinds_of_moment(self):
        """Recovery, and sessions past their final dot."""
        self.assertTrue(KILLS // 10 < self.ordeal.victim.killed_early < KILLS * 9 // 10)
        self.assertGreater(self.verdict.explained_count, 0)
