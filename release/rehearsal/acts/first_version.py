"""Acts 1 to 3: the first version of both use cases, from training to production and its clients."""

from __future__ import annotations

from typing import Any

from release.errors import ExitCode
from release.rehearsal.play import Play, short
from release.rehearsal.service import Service, as_text, stack_file

REPLAY = {"trafficPercent": 100, "maxRequestsPerSecond": 200, "speed": 20.0}


def train(play: Play) -> None:
    with play.steps.step("1 Train v1", "two training jobs run; model files in S3, lock files committed") as step:
        for service in play.services:
            service.upload_data(play.outputs["trainingBucket"])
        for service, lock in play.train("v1", *play.services):
            step.see(service.committed, f"{service.name}: job {lock['trainingJob']}, {as_text(lock['metrics'])}")


def deploy(play: Play) -> None:
    play.deploy("v1", "2 Package, register, deploy to shadow", *play.services)


def judge(play: Play, service: Service) -> None:
    with play.steps.step(
        f"3 Evidence for {service.name} v1", "absolute rules (baseline none) pass; its author may not approve"
    ) as step:
        evidence = play.compare(service)
        step.see(
            evidence["verdict"] == "pass" and evidence["baseline"] == "none",
            f"evidence {evidence['verdict']}, baseline {evidence['baseline']}",
        )
        own = play.stage.understudy("approve", service.name, "--yes", role="scientist", check=False)
        step.see(own.code == ExitCode.REFUSED, f"self-approval refused (exit {own.code})")
        play.approve(service)


def promote(play: Play, service: Service) -> None:
    with play.steps.step(f"3 First promotion of {service.name}", "production runs version 1, clients start") as step:
        play.promote(service, "v1")
        arn = service.versions["v1"].package
        step.see(service.running_package("prod") == arn, f"production runs {short(arn)}")
        service.open_traffic(play.stack_outputs("prod")["captureBucket"], "v1")


def configure_replay(play: Play) -> None:
    """Production's capture bucket becomes shadow's source, faster than it was recorded."""
    bucket = play.stack_outputs("prod")["captureBucket"]

    def source(config: dict[str, Any]) -> None:
        for entry in config["understudy:services"].values():
            entry["replay"] = {"source": bucket, **REPLAY}

    stack_file(play.stage, "shadow", source)
    play.stage.commit("Replay production's traffic to shadow")


def switch_replay_on(play: Play) -> None:
    with play.steps.step("3 Replay is switched on", "shadow reads production's capture") as step:
        play.stage.understudy("deploy", "--stack", "shadow", "--yes", role="scientist")
        queues = [entry.get("replayQueueUrl") for entry in play.stack_outputs("shadow")["services"].values()]
        step.see(all(queues), f"{len(queues)} replay queues")
