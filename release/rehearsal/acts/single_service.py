"""Act 8, first half: a stack with one service, by the plain keys and the engine's own command line."""

from __future__ import annotations

from typing import Any

from release.rehearsal.play import Play, short
from release.rehearsal.service import stack_file
from release.rehearsal.stage import PRODUCTION


def configure(play: Play) -> None:
    """The stack's file, without a version."""

    def solo(config: dict[str, Any]) -> None:
        config |= {
            "aws:region": play.region,
            "understudy:environment": "solo",
            "understudy:useCase": "tumor_triage",
            "understudy:initialInstanceCount": 2,
            "understudy:rollout": {"strategy": "allAtOnce", "bakeSeconds": 0, "rollback": "manual"},
        }

    stack_file(play.stage, "solo", solo)
    play.stage.commit("Add a stack with one service")


def play(play: Play) -> None:
    arn = play.tumor.versions["v2"].package
    with play.steps.step(
        "8 A stack with one service", "`pulumi config set modelPackageArn` and `pulumi up` are enough"
    ) as step:
        play.stage.pulumi("stack", "init", "solo", role="ci")
        play.stage.pulumi("config", "set", "modelPackageArn", arn, "--stack", "solo", role=PRODUCTION)
        play.stage.pulumi("up", "--yes", "--skip-preview", "--stack", "solo", role=PRODUCTION)
        step.see(play.tumor.running_package("solo") == arn, f"{play.tumor.endpoint('solo')} runs {short(arn)}")
