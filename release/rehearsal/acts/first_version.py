"""Acts 1 to 3: the first version of both use cases, from training to production and its clients."""

from __future__ import annotations

from typing import Any

from release.errors import ExitCode
from release.rehearsal.play import Play, short
from release.rehearsal.service import Service, as_text, stack_file


def play(play: Play) -> None:
    _train(play)
    play.deploy("v1", "2 Package, register, deploy to shadow", *play.services)
    with play.meanwhile(lambda: _judge(play, play.diabetes)):
        _judge(play, play.tumor)
        _promote(play, play.tumor)
    _promote(play, play.diabetes)
    _switch_replay_on(play)


def _train(play: Play) -> None:
    with play.steps.step("1 Train v1", "two training jobs run; model files in S3, lock files committed") as step:
        for service in play.services:
            service.upload(play.outputs["trainingBucket"], "train", service.data.train)
            service.upload(play.outputs["trainingBucket"], "holdout", service.data.holdout)
        for service in play.services:
            lock = service.train("v1")
            step.see(service.committed, f"{service.name}: job {lock['trainingJob']}, {as_text(lock['metrics'])}")


def _judge(play: Play, service: Service) -> None:
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


def _promote(play: Play, service: Service) -> None:
    with play.steps.step(f"3 First promotion of {service.name}", "production runs version 1, clients start") as step:
        play.promote(service, "v1")
        arn = service.versions["v1"].package
        step.see(service.running_package("prod") == arn, f"production runs {short(arn)}")
        service.open_traffic(play.stack_outputs("prod")["captureBucket"], "v1")


def _switch_replay_on(play: Play) -> None:
    with play.steps.step("3 Replay is switched on", "shadow reads production's capture") as step:
        bucket = play.stack_outputs("prod")["captureBucket"]

        def source(config: dict[str, Any]) -> None:
            for entry in config["understudy:services"].values():
                entry["replay"] = {"source": bucket, "trafficPercent": 100, "maxRequestsPerSecond": 100}

        stack_file(play.stage, "shadow", source)
        play.stage.commit("Replay production's traffic to shadow")
        play.stage.understudy("deploy", "--stack", "shadow", "--yes", role="scientist")
        queues = [entry.get("replayQueueUrl") for entry in play.stack_outputs("shadow")["services"].values()]
        step.see(all(queues), f"{len(queues)} replay queues")
