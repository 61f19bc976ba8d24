"""What posthaste explain says: each reason has its words, its next action, and a time where there is
one."""

import json
import subprocess
from datetime import datetime, timezone

from engine import PROGRAM
from journaled import Journaled
from place import PATIENCE_S, eventually

NO_TIME, UNTIL, ENDED = "no time", "until", "time"

# reason: what is said of it, what is done next, and which time is told.
REASONS = {
    "unknown": ("nothing is queued", "nothing", NO_TIME),
    "hold": ("held by an operator", "posthaste release", NO_TIME),
    "disk": ("journal cannot be written", "twice a second", NO_TIME),
    "dns-asking": ("being looked up", "as soon as the answer is there", NO_TIME),
    "dns-failed": ("lookup of its mail exchangers failed", "asks again when", UNTIL),
    "no-address": ("no mail exchanger has an address", "asks again when", UNTIL),
    "connecting": ("connection is being opened", "as soon as the session is ready", NO_TIME),
    "connection-limit": ("all connections that the site may have", "has room", NO_TIME),
    "connection-rate": ("connections were opened as its limit", "when the limit allows", UNTIL),
    "message-rate": ("sent as its rate limit allows", "when the limit allows", UNTIL),
    "site-back-off": ("asked us to slow down", "until the back-off is over", UNTIL),
    "address-rests": ("no mail exchanger answers", "after a rest", UNTIL),
    "refused-session": ("refuse to serve us", "after a rest", UNTIL),
    "tls-refused": ("do not speak it", "nothing is sent in the clear", UNTIL),
    "tls-unverified": ("certificates are not what is asked for", "nothing is sent to them", UNTIL),
    "auth-refused": ("does not take our user and password", "tries again after a rest", UNTIL),
    "probing": ("one message tries it for all", "when that one gets through", NO_TIME),
    "retry-later": ("deferred by the other side", "when it is due", UNTIL),
    "in-doubt": ("may have arrived", "tries it again late", UNTIL),
    "behind-others": ("other mail for the same site", "in its turn", NO_TIME),
    "sending": ("being sent", "waits for the answer", NO_TIME),
    "memory": ("no memory to read it back", "when other messages have left", NO_TIME),
    "global-connections": ("that the engine may have", "when another has ended", NO_TIME),
    "suppressed": ("on the suppression list", "sends nothing", ENDED),
    "expired": ("for as long as it may be", "returns it to its sender", ENDED),
    "route-fail": ("configuration refuses mail", "returns the mail", UNTIL),
    "delivered": ("was delivered", "nothing more", ENDED),
    "failed": ("failed for good", "nothing more", ENDED),
}


def explain(engine, subject, *options):
    done = subprocess.run([PROGRAM, "explain", subject, "-c", engine.config, *options],
                          capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return done.stdout


def seconds_until(told):
    until = datetime.fromisoformat(told["until"].replace("Z", "+00:00"))
    return (until - datetime.now(timezone.utc)).total_seconds()


class Explained(Journaled):
    def place_of(self, engine):
        """Of the socket, where the engine sees another file system than we do."""
        folder = self.folder(engine).removesuffix("/journal")
        return ("--socket", f"{folder}/control.sock") if engine in self.roots else ()

    def because(self, engine, subject, reason, seconds=PATIENCE_S, **members):
        """Waits until that is the reason, with these members; all of what is told."""
        last = {}

        def there():
            last.clear()
            last.update(json.loads(explain(engine, subject, "--json", *self.place_of(engine))))
            fits = all(last.get(name) == value for name, value in members.items())
            return last if last["reason"] == reason and fits else None
        told = eventually(there, lambda: f"{reason} {members}: {last}", seconds)
        text, next_action, time = REASONS[reason]
        self.assertIn(text, told["text"])
        self.assertIn(next_action, told["next"])
        self.assertEqual("until" in told, time is UNTIL, told)
        self.assertEqual("time" in told, time is ENDED, told)
        return told
