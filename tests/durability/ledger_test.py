"""The judge itself: which ledgers it finds fault with, and with what."""

import unittest

from ledger import GRACE_US, Books

DIED_US = 10_000_000
DEATHS = {1: DIED_US, 2: 2 * DIED_US}

SENT = ["intent 1 digest a@x b@y", "ack 1 100"]
BOTH = "dot 7 1 1 digest a@x,b@y 200"


def case(name, *, sent=(), arrived=(), **want):
    """`want`: what is not empty in the verdict."""
    return name, [*sent], [*arrived], want


CASES = [
    case("all is well", sent=SENT, arrived=[BOTH, "answered 7 300"]),
    case("nothing came", sent=SENT, lost=[(1, "a@x"), (1, "b@y")]),
    case("one did not come", sent=SENT, arrived=["dot 7 1 1 digest b@y 200"], lost=[(1, "a@x")]),
    case("it came before the acknowledgement was read", sent=SENT[:1],
         arrived=[BOTH, "answered 7 300", SENT[1]]),
    case("never promised, never came", sent=SENT[:1]),
    case("never promised, came all the same", sent=SENT[:1], arrived=[BOTH]),
    case("never promised, came in part", sent=SENT[:1], arrived=["dot 7 1 1 digest b@y 200"],
         partial=[(1, "a@x")]),
    case("one recipient was not taken", sent=[SENT[0], "refused 1 a@x", SENT[1]],
         arrived=["dot 7 1 1 digest b@y 200"]),
    case("one that was not taken came", sent=[SENT[0], "refused 1 a@x", SENT[1]], arrived=[BOTH],
         uncalled=[(1, "a@x")]),
    case("nobody had sent that", sent=SENT,
         arrived=[BOTH, "dot 8 1 1 digest c@x 250", "dot 9 1 2 digest a@x 250"],
         uncalled=[(1, "c@x"), (2, "a@x")]),
    case("other content", sent=SENT, arrived=["dot 7 1 1 d1gest a@x,b@y 200"],
         damaged=[(1, "a@x"), (1, "b@y")]),
    case("again with other content", sent=SENT,
         arrived=[BOTH, "dot 8 2 1 d1gest a@x 11000000"], damaged=[(1, "a@x")], explained_count=1),
    case("twice in one life", sent=SENT, arrived=[BOTH, "dot 8 1 1 digest a@x 250"],
         unexplained=[(1, "a@x", "twice in life 1")]),
    case("again, for the first had no answer", sent=SENT,
         arrived=[BOTH, "dot 8 2 1 digest a@x,b@y 11000000"], explained_count=2),
    case("again, for the answer came just before the kill", sent=SENT,
         arrived=[BOTH, f"answered 7 {DIED_US - GRACE_US + 1}", "dot 8 2 1 digest a@x 11000000"],
         explained_count=1, answered_us_max=GRACE_US - 1),
    case("again, for the answer came after the kill", sent=SENT,
         arrived=[BOTH, f"answered 7 {DIED_US + 1}", "dot 8 2 1 digest a@x 11000000"],
         explained_count=1),
    case("again though there was time to store the answer", sent=SENT,
         arrived=[BOTH, f"answered 7 {DIED_US - GRACE_US}", "dot 8 2 1 digest a@x 11000000"],
         unexplained=[(1, "a@x", "life 1 had its answer 50.0 ms before it died")]),
    case("again after a life that ended well", sent=SENT,
         arrived=["dot 7 3 1 digest a@x,b@y 200", "dot 8 4 1 digest a@x 300"],
         unexplained=[(1, "a@x", "life 3 was not killed")]),
    case("three times, each time for lack of an answer", sent=SENT,
         arrived=[BOTH, "dot 8 2 1 digest a@x 11000000", "dot 9 3 1 digest a@x 21000000"],
         explained_count=2),
    case("three times, the second was answered", sent=SENT,
         arrived=[BOTH, "dot 8 2 1 digest a@x 11000000", "answered 8 11000100",
                  "dot 9 3 1 digest a@x 21000000"],
         explained_count=1,
         unexplained=[(1, "a@x", "life 2 had its answer 8999.9 ms before it died")]),
    case("the sink read the earlier one later", sent=SENT,
         arrived=["dot 7 2 1 digest a@x,b@y 11000000", "answered 7 11000100",
                  "dot 8 1 1 digest a@x 11000200"], explained_count=1),
]


def columns(line):
    word, number, *rest = line.split(" ")
    if word == "intent":
        rest = [rest[0], " ".join(rest[1:])]
    if word == "dot":
        rest[3] = rest[3].replace(",", " ")
    return word, number, *rest


class Judge(unittest.TestCase):
    def test_cases(self):
        for name, sent, arrived, want in CASES:
            with self.subTest(name):
                books = Books()
                for line in sent + arrived:
                    books.enter(*columns(line))
                got = {key: value for key, value in vars(books.judge(DEATHS)).items() if value}
                self.assertEqual(got, want)
