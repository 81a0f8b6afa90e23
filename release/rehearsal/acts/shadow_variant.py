"""Act 8, second half: v5 as a shadow variant of the production endpoint, metrics side by side, then removed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from release.rehearsal.play import Play, short
from release.rehearsal.service import Service, stack_file, wait_until
from release.rehearsal.stage import PRODUCTION

REQUESTS = 60


def train(play: Play) -> None:
    with play.steps.step("8 Train v5", "a candidate for the shadow variant") as step:
        play.tumor.tune(max_depth=2)
        play.stage.commit("Try shallower trees")
        play.tumor.train("v5")
        step.see(play.tumor.committed, "trained")


def deploy(play: Play) -> None:
    """Beside the promotion of v4."""
    play.tumor.await_promotion("v4")
    play.deploy("v5", "8 Package, register, deploy to shadow", play.tumor)


def play(play: Play) -> None:
    tumor = play.tumor
    with play.steps.step(
        "8 Shadow variant at 50%", "v5 gets half of production's requests, answers nobody; metrics side by side"
    ) as step:
        _set_variant(play, {"useCase": tumor.use_case, "percent": 50})
        production, shadow = _side_by_side(play, tumor)
        share = shadow / production
        step.see(0.3 < share < 0.7, f"production {production:.0f}, shadow {shadow:.0f} invocations ({share:.0%})")
    with play.steps.step("8 Shadow variant removed", "production runs v2 alone") as step:
        _set_variant(play, None)
        client = play.stage.client("sagemaker", PRODUCTION)
        described = client.describe_endpoint(EndpointName=tumor.endpoint("prod"))
        step.see(not described.get("ShadowProductionVariants"), "no shadow variant")
        arn = tumor.versions["v2"].package
        step.see(tumor.running_package("prod") == arn, f"production runs {short(arn)}")


def _set_variant(play: Play, variant: dict[str, Any] | None) -> None:
    def change(config: dict[str, Any]) -> None:
        service = config["understudy:services"][play.tumor.name]
        service.pop("shadowVariant", None)
        if variant is not None:
            service["shadowVariant"] = variant

    play.builds_ended()
    play.stage.pull()
    stack_file(play.stage, "prod", change)
    play.stage.commit("Change tumor-triage's shadow variant")
    play.stage.pulumi("up", "--yes", "--skip-preview", "--stack", "prod", role=PRODUCTION)


def _side_by_side(play: Play, service: Service) -> tuple[float, float]:
    """Invocations of the production and the shadow variant over the same minute, once there are enough."""
    started = _invocations(play, service)
    seen = started

    def enough() -> bool:
        nonlocal seen
        seen = _invocations(play, service)
        return seen[0] - started[0] >= REQUESTS

    wait_until("traffic on both variants", enough, 30)
    return seen[0] - started[0], seen[1] - started[1]


def _invocations(play: Play, service: Service) -> tuple[float, float]:
    client = play.stage.client("cloudwatch", PRODUCTION)

    def total(variant: str) -> float:
        points = client.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName="Invocations",
            Dimensions=[
                {"Name": "EndpointName", "Value": service.endpoint("prod")},
                {"Name": "VariantName", "Value": variant},
            ],
            StartTime=datetime.now(UTC) - timedelta(hours=1),
            EndTime=datetime.now(UTC) + timedelta(minutes=1),
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(point["Sum"] for point in points))

    return total("ProductionVariant"), total("ShadowVariant")
