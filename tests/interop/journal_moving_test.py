"""Old mail that waits does not hold the room of what came and went since: it is moved."""

import contextlib
import threading
import time

from client import Client
from exchanger import after
from journaled import FILES_MAX, LATER, MIB, PIECE, SENDER, SMALL, Journaled, content_of
from messages import big, harm
from place import eventually, long_or


class Moving(Journaled):
    traffic_mib = long_or(300, 60)

    def traffic(self, engine, exchanger, mib):
        """So much mail comes and goes. The most files there were meanwhile."""
        def send():
            with Client(engine.unix) as client:
                for number in range(mib * MIB // 4 // len(PIECE)):
                    client.submit(SENDER, [f"z@{exchanger.domain}"], PIECE)
                    eventually(lambda: len(exchanger.transactions) >= 4 * (number - 3), "them")
        threads = [threading.Thread(target=send, daemon=True) for _ in range(4)]
        most = 0
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            most = max(most, len(self.files(engine)))
            time.sleep(0.02)
        count = mib * MIB // 4 // len(PIECE) * 4
        eventually(lambda: len(exchanger.transactions) >= count, "the traffic", 60)
        self.assertEqual(len(exchanger.transactions), count)
        exchanger.transactions.clear()
        return most

    def old_mail(self, engine, exchanger, count, content):
        ids = []
        for _ in range(4):
            with Client(engine.unix) as client:
                ids += [client.submit(SENDER, [f"old@{exchanger.domain}"], content)
                        for _ in range(count // 4)]
        for message_id in ids:
            engine.outcomes(message_id)
        return ids

    def test_it_goes_on(self):
        """The same without and with a kill in the middle: each message once, attempts counted."""
        for kill in (False, True):
            with self.subTest(kill=kill):
                engine = self.engine(domain="retry-first = 2s  retry-max = 2s  retry-in-doubt = 2s",
                                     more=SMALL)
                old, new = self.exchanger({"RCPT": LATER}), self.exchanger()
                content = content_of(4000)
                ids = self.old_mail(engine, old, 52, content)
                if kill:
                    self.kill_amid_traffic(engine, new, len(ids))
                most = self.traffic(engine, new, self.traffic_mib)
                if not kill:
                    self.assertLessEqual(most, FILES_MAX)
                eventually(lambda: len(self.files(engine)) <= FILES_MAX,
                           lambda: f"files to go: {len(self.files(engine))}", 10)
                before = {i: max(e["attempt"] for e in engine.events_of(i)) for i in ids}
                old.script.clear()
                eventually(lambda: len(old.transactions) >= len(ids), "the old mail")
                for message_id in ids:
                    eventually(lambda: engine.events_of(message_id)[-1]["event"] == "delivered",
                               "its event")
                    last = engine.events_of(message_id)[-1]
                    self.assertIn(last["attempt"] - before[message_id], (0, 1, 2))
                    self.assertGreaterEqual(last["attempt"], 2)
                time.sleep(1.5)
                self.assertEqual(len(old.transactions), len(ids))
                self.assertTrue(all(harm(content, t.content) is None for t in old.transactions))
                self.assertEqual(self.end(engine)["open_messages"], 0)
                engine.end()

    def kill_amid_traffic(self, engine, exchanger, old_count):
        """Three times, each at another moment."""
        for pause_s in (0.2, 0.35, 0.5):
            def send():
                with contextlib.suppress(OSError, AssertionError), Client(engine.unix) as client:
                    while True:
                        client.submit(SENDER, [f"z@{exchanger.domain}"], PIECE)
            thread = threading.Thread(target=send, daemon=True)
            thread.start()
            time.sleep(pause_s)
            self.restart(engine, kill=True)
            thread.join()
        self.written(engine, seconds=30, open_messages=old_count)  # what was under way has ended
        exchanger.transactions.clear()

    def test_a_large_message_that_waits(self):
        """Larger than a segment: it is moved as others are."""
        engine = self.engine(domain="retry-first = 60s", more=SMALL)
        self.restart(engine, workers="workers = 1")
        old, new = self.exchanger({"RCPT": LATER}), self.exchanger()
        content = big(3 * MIB).content
        self.old_mail(engine, old, 4, content)
        most = self.traffic(engine, new, self.traffic_mib)
        self.assertLessEqual(most, 4 + 2 * 4 * 4 + 10)  # twice what lives, four large ones of it
        self.written(engine, open_messages=4)
        counted = self.restart(engine, kill=True)
        self.assertGreater(counted["live_bytes"], 12 * MIB)
        self.assertEqual(self.waiting(engine), (4, 4))

    def test_under_a_reader(self):
        """Content is read back, slowly and by several, while it is moved."""
        engine = self.engine(domain="retry-first = 1s  retry-max = 1s  connections = 3", more=SMALL)
        old, new = self.exchanger({"body": after(0.3, b""), "content": LATER}), self.exchanger()
        content = big(MIB // 3).content
        ids = self.old_mail(engine, old, 12, content)
        most = self.traffic(engine, new, self.traffic_mib)
        self.assertLessEqual(most, FILES_MAX + 16)
        old.script.clear()
        eventually(lambda: len(old.transactions) >= len(ids), "the old mail")
        self.assertTrue(all(harm(content, t.content) is None for t in old.transactions))
        self.assertNotRegex(engine.log(), "error|damaged|cannot")
        self.end(engine)
