"""What a test takes for itself, and what goes when it ends."""

import unittest

from engine import Engine
from exchanger import Exchanger


class Case(unittest.TestCase):
    def engine(self, **settings):
        engine = Engine(**settings)
        self.addCleanup(engine.end)
        return engine

    def exchanger(self, script=None, **options):
        exchanger = Exchanger(script, **options)
        self.addCleanup(exchanger.close)
        return exchanger
