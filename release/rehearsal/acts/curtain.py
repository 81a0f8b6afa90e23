"""The end: the clients stop, and their tally is taken."""

from __future__ import annotations

from release.rehearsal.play import Play

MINIMUM_REQUESTS = 1000


def play(play: Play) -> None:
    with play.steps.step("9 The clients", f"at least {MINIMUM_REQUESTS} requests, none failed") as step:
        play.close()
        tallies = [service.clients.tally for service in play.services]
        requests = sum(tally.requests for tally in tallies)
        failures = sum(len(tally.failures) for tally in tallies)
        step.see(requests >= MINIMUM_REQUESTS and not failures, f"{requests} requests, {failures} failed")
