"""Act 4: a better version of both use cases, judged on paired evidence and rolled out by canary."""

from __future__ import annotations

from release.rehearsal.play import PAIRS, Play, changes, short, shows_change
from release.rehearsal.service import Service, as_text


def tune(play: Play) -> None:
    """Better hyperparameters, committed before anybody else works in the clone."""
    play.tumor.tune(max_depth=4, num_round=120, eta=0.15)
    play.diabetes.tune(max_depth=3, num_round=90, eta=0.06)
    play.stage.commit("Tune both models")


def train(play: Play) -> None:
    with play.steps.step("4 Train v2", "better hyperparameters, trained and committed") as step:
        for service, lock in play.train("v2", *play.services):
            step.see(service.committed, f"{service.name}: {as_text(lock['metrics'])}")


def deploy(play: Play) -> None:
    play.deploy("v2", "4 Package, register, deploy to shadow", *play.services)


def judge(play: Play, service: Service) -> None:
    with play.steps.step(
        f"4 Evidence for {service.name} v2", f"at least {PAIRS} production requests replayed, evidence passes"
    ) as step:
        play.replay(service, "v1")
        evidence = play.compare(service)
        pairs = evidence["counts"]["pairs"]
        step.see(
            evidence["verdict"] == "pass" and pairs >= PAIRS,
            f"{pairs} pairs, agreement {evidence['agreement']['estimate']:.3f}, verdict {evidence['verdict']}",
        )
        play.approve(service)


def promote(play: Play, service: Service) -> None:
    with play.steps.step(
        f"4 Promote {service.name} v2",
        "the preview shows the package change and no other service; canary, bake, v2 live; v1 stays readable",
    ) as step:
        old, new = service.versions["v1"].package, service.versions["v2"].package
        service.live("v1", "v2")
        promoted = play.promote(service, "v2")
        service.live("v2")
        shown = shows_change(promoted.stdout, old, new)
        step.see(shown, f"preview: {short(old)} => {short(new)}" if shown else "preview hides the package change")
        others = [s.name for s in play.services if s is not service and f"{s.name}-" in changes(promoted.stdout)]
        step.see(not others, f"also {others}" if others else "nothing of another service in the preview")
        step.see(service.running_package("prod") == new, f"production runs {short(new)}")
        readable = [service.artifact_readable(arn) for arn in (old, new)]
        step.see(all(readable), "both artifacts readable" if all(readable) else "an artifact is gone")
