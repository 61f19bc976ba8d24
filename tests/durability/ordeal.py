"""A victim under load, killed over and over again; and what is asked of the books afterwards."""

import os
import random
import subprocess
import sys
import time

from ledger import Books
from place import PATIENCE_S, Process, eventually, place

FOLDER = os.path.dirname(os.path.abspath(__file__))
SEED = int(os.environ.get("POSTHASTE_SEED", time.time_ns() % 1_000_000))

LIFE_S_MAX = 0.5
QUIET_S = 4  # longer than any message waits for its next attempt
STUCK_S = 20  # nothing that is owed has come for so long: it never will
DRAIN_S_MAX = 120


class Load:
    """See load.py."""

    def __init__(self, victim, seed, rate, domains):
        self.victim, self.seed, self.rate, self.domains = victim, seed, rate, domains
        self.ledger = place().path(place().new_name("sent"))
        self.first = 1
        self.process = None

    def start(self):
        self.process = Process([sys.executable, "-B", os.path.join(FOLDER, "load.py"),
                                self.victim.socket, self.ledger, self.seed, self.first, self.rate,
                                *self.domains])

    def stop(self, books):
        status = self.process.end()
        assert status == 0 and not self.process.output, self.process.output
        books.read()
        self.first = max(books.intents, default=0) + 1
        self.process = None

    def end(self):
        if self.process:
            self.process.end()


class Sink:
    """See sink.py. Hosts `quick` and `slow` are numbers of names.py."""

    def __init__(self, seed, quick, slow):
        self.ledger = place().path(place().new_name("arrived"))
        self.domains = [f"d{host}.example" for host in (*quick, *slow)]
        self.process = Process(
            [sys.executable, "-B", os.path.join(FOLDER, "sink.py"), self.ledger, seed,
             *(",".join(f"{place().address(host)}:{place().port}" for host in hosts)
               for hosts in (quick, slow))], stdin=subprocess.PIPE)
        self._hear("listening")

    def _hear(self, word):
        eventually(lambda: self.process.output[-1:] == [word], lambda: self.process.output)

    def be(self, word):
        """"storm" or "calm"."""
        self.process.popen.stdin.write(word.encode() + b"\n")
        self.process.popen.stdin.flush()
        self._hear(word)

    def end(self):
        self.process.end()


class Ordeal:
    """A victim under load. `rounds` of ending its life by force, a drain, and again."""

    hosts = iter(range(2, 900))

    def __init__(self, victim, rate, quick_count, slow_count):
        self.seed = SEED
        self.dice = random.Random(SEED)
        self.victim = victim
        quick = [next(self.hosts) for _ in range(quick_count)]
        slow = [next(self.hosts) for _ in range(slow_count)]
        self.sink = Sink(SEED, quick, slow)
        self.load = Load(victim, SEED, rate, self.sink.domains)
        self.books = Books(self.load.ledger, self.sink.ledger)
        self.unsound = []  # what the checks found

    def end(self):
        self.load.end()
        self.victim.end()
        self.sink.end()

    def storm(self, lives, end_life):
        """Lives under load; end_life() is told to end each, once it has been started."""
        self.sink.be("storm")
        self.load.start()
        for _ in range(lives):
            self.victim.start()
            end_life()
            self.check()
        self.load.stop(self.books)

    def let_live(self):
        """Until a moment of chance. Every second one comes before it listens, as long as that
        usually takes; the others within LIFE_S_MAX from then on."""
        listened_s = sorted(self.victim.listened_after_s[-9:])
        if self.victim.life % 2 == 0:
            self.victim.run_for(self.dice.uniform(0, listened_s[len(listened_s) // 2]))
        else:
            self.victim.run_for(PATIENCE_S, self.dice.uniform(0, LIFE_S_MAX))

    def check(self):
        found = self.victim.check_journal()
        if found:
            self.unsound.append(found)

    def drain(self):
        """One more life, in peace: what can arrive, does."""
        self.sink.be("calm")
        self.victim.start()
        self.victim.await_listening()
        self._until_quiet()
        self.victim.stop()
        self.check()
        self.books.read()

    def _until_quiet(self):
        """Nothing is owed any more, or nothing of it comes; and nothing else comes either."""
        began = changed = time.monotonic()
        before = None
        while True:
            self.books.read()
            now = (len(self.books.arrivals), len(self.books.owed))
            if now != before:
                changed, before = time.monotonic(), now
            if time.monotonic() - changed > (STUCK_S if self.books.owed else QUIET_S):
                return
            assert time.monotonic() - began < DRAIN_S_MAX, f"mail comes without end: {now}"
            assert self.victim.process.running(), self.victim.log()
            time.sleep(0.05)

    def report(self, verdict):
        listened = sorted(self.victim.listened_after_s) or [0]
        again = (f", the first answer at most {verdict.answered_us_max / 1000:.1f} ms old"
                 if verdict.explained_count else "")
        return (f"seed {self.seed}: {len(self.victim.deaths)} deaths, {self.victim.killed_early} "
                f"before it listened (usually after {listened[len(listened) // 2] * 1000:.0f} ms, "
                f"at most {listened[-1] * 1000:.0f}); {len(self.books.acked)} messages "
                f"acknowledged of {len(self.books.intents)}, {len(self.books.arrivals)} "
                f"transactions, {verdict.explained_count} recipients reached again{again}")


class Aftermath:
    """What must hold after every ordeal. A test case sets .ordeal, .verdict and .deaths."""

    def none(self, items):
        if items:
            self.fail(f"{len(items)}: " + "\n".join(map(str, items[:10])))

    def test_it_was_under_load(self):
        self.assertEqual(len(self.ordeal.victim.deaths), self.deaths)
        self.assertGreater(len(self.ordeal.books.acked), 5 * self.deaths)

    def test_nothing_acknowledged_is_lost(self):
        self.none(self.verdict.lost)

    def test_duplicates_are_explained(self):
        self.none(self.verdict.unexplained)

    def test_all_recipients_or_none(self):
        self.none(self.verdict.partial)

    def test_content_is_unharmed(self):
        self.none(self.verdict.damaged)
        self.none(self.verdict.uncalled)

    def test_journal_is_sound(self):
        """It was looked at after each death, and each drain."""
        self.none(self.ordeal.unsound)
