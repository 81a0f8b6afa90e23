"""Act 5: a version that is fast, answers 200, and is wrong. Production comes back by itself."""

from __future__ import annotations

from release.errors import ExitCode
from release.rehearsal.data import shuffled_labels
from release.rehearsal.play import Play, short
from release.rehearsal.service import as_text, wait_until
from release.rehearsal.stage import PRODUCTION


def prepare(play: Play) -> None:
    """Train it and deploy it to shadow, beside the promotion of v2."""
    with play.steps.step("5 Train v3 on shuffled labels", "it trains and serves without complaint") as step:
        shuffled = shuffled_labels(play.tumor.data.train)
        uri = play.tumor.upload(play.outputs["trainingBucket"], "shuffled", shuffled)
        lock = play.tumor.train("v3", "--data", uri)
        step.see(play.tumor.committed, as_text(lock["metrics"]))
    play.tumor.await_promotion("v2")
    play.deploy("v3", "5 Package, register, deploy to shadow", play.tumor)


def judge(play: Play) -> None:
    tumor = play.tumor
    with play.steps.step("5 Evidence refuses v3", "fail, with numbers; no approval without override") as step:
        play.replay(tumor, "v2")
        compared = play.stage.understudy("compare", tumor.name, "--json", role="ci", check=False)
        evidence = compared.json()
        step.see(
            compared.code == ExitCode.REFUSED and evidence["verdict"] == "fail",
            f"{evidence['verdict']}: {evidence['reasons'][0]}",
        )
        refused = play.stage.understudy("approve", tumor.name, "--yes", role="approver", check=False)
        step.see(refused.code == ExitCode.REFUSED, f"approval refused (exit {refused.code})")
        play.approve(tumor, "--override", "Rehearsal: the alarm must catch what a person waved through")
        recorded = tumor.package(tumor.versions["v3"].package)["CustomerMetadataProperties"]
        step.see("alarm must catch" in recorded["understudy.override_reason"], "override recorded")


def promote(play: Play) -> None:
    bad = play.tumor.versions["v3"].package
    with play.steps.step("5 Promote v3 all the same", "no guardrail stops it") as step:
        play.tumor.live("v2", "v3")
        promoted = play.promote(play.tumor, "v3")
        step.see(promoted.code == 0, f"promoted {short(bad)}")


def come_back(play: Play) -> None:
    tumor = play.tumor
    good, bad = tumor.versions["v2"].package, tumor.versions["v3"].package
    with play.steps.step(
        "5 Production comes back by itself",
        "accuracy alarm → topic → function → build: v2 runs and is committed, v3 is quarantined",
    ) as step:
        seconds = wait_until(
            "the automatic rollback",
            lambda: tumor.running_package("prod") == good and bad in tumor.quarantined(),
            120,
        )
        tumor.live("v2")
        step.see(True, f"{short(good)} runs again after {seconds:.0f} s, {short(bad)} quarantined")
        wait_until("the build's push", lambda: tumor.pushed_package("prod") == good, 30)
        step.see(True, f"pulled configuration says {short(good)}")


def change_nothing(play: Play) -> None:
    with play.steps.step("5 A further up", "changes nothing") as step:
        play.builds_ended()
        play.stage.pull()
        again = play.stage.pulumi(
            "up", "--yes", "--skip-preview", "--expect-no-changes", "--stack", "prod", role=PRODUCTION, check=False
        )
        step.see(again.code == 0, "no changes" if again.code == 0 else again.tail)
