"""Act 0: an empty cloud, and the first `up` of shadow."""

from __future__ import annotations

from typing import Any

from release.rehearsal.play import Play
from release.rehearsal.service import stack_file
from release.rehearsal.stage import PIPELINE_ROLE, PRODUCTION, PRODUCTION_ACCOUNT

PASSPHRASE_PARAMETER = "/understudy/rehearsal/passphrase"  # noqa: S105 (a parameter's name)
SMOOTH = {"strategy": "canary", "canaryPercent": 30, "waitSeconds": 300, "bakeSeconds": 100}
# The sandbox shares a few cores with everything else here: a rehearsal is no place to judge milliseconds.
MAXIMUM_LATENCY_RATIO = 5
# A period is 2 s here, and the canary has 30% of some 20 requests a second.
ALARMS = {"latencyP99Milliseconds": 5000, "errorRatePercent": 2, "minimumRequests": 3}
ACCURACY = {"evaluationPeriods": 5, "minimumLabels": 15}
ACCURACY_THRESHOLDS = {"tumor-triage": 0.8, "diabetes-progression": 0.3}


def play(play: Play) -> None:
    with play.steps.step(
        "0 New installation", "registry, training bucket and roles are there; both use cases named and skipped"
    ) as step:
        _configure(play)
        for stack in ("shadow", "prod"):
            play.stage.pulumi("stack", "init", stack, role="ci")
        play.stage.understudy("deploy", "--stack", "shadow", "--yes", role="scientist")
        play.outputs = play.stack_outputs("shadow")
        skipped = sorted(play.outputs["skipped"])
        wanted = ("artifactBucket", "trainingBucket", "trainingRoleArn")
        made = [key for key in wanted if play.outputs.get(key)]
        step.see(
            skipped == sorted(service.name for service in play.services) and len(made) == len(wanted),
            f"made {', '.join(made)}; skipped {', '.join(skipped)}",
        )


def _configure(play: Play) -> None:
    """Write both stack files and the evidence limits; the passphrase goes where the rollback build reads it."""
    ssm = play.stage.client("ssm", PRODUCTION)
    ssm.put_parameter(Name=PASSPHRASE_PARAMETER, Value=play.stage.passphrase, Type="SecureString")

    registry = play.stage.client("sts").get_caller_identity()["Account"]

    def shadow(config: dict[str, Any]) -> None:
        config.clear()
        config["aws:region"] = play.region
        config["understudy:environment"] = "shadow"
        config["understudy:registry"] = {"consumerAccounts": [PRODUCTION_ACCOUNT], "deployerRoles": [PIPELINE_ROLE]}
        config["understudy:services"] = {
            service.name: {"useCase": service.use_case, "initialInstanceCount": 1} for service in play.services
        }

    def prod(config: dict[str, Any]) -> None:
        config.clear()
        config["aws:region"] = play.region
        config["understudy:environment"] = "prod"
        config["understudy:delivery"] = {
            "repositoryUrl": f"file://{play.stage.origin}",
            "branch": "main",
            "backendUrl": f"file://{play.stage.state}",
            "passphraseParameter": PASSPHRASE_PARAMETER,
            "buildImage": "understudy/rehearsal",
        }
        config["understudy:reader"] = {"account": registry, "roles": [PIPELINE_ROLE]}
        config["understudy:services"] = {service.name: _production(service.name) for service in play.services}

    stack_file(play.stage, "shadow", shadow)
    stack_file(play.stage, "prod", prod)
    for service in play.services:
        service.limit(maximumLatencyRatio=MAXIMUM_LATENCY_RATIO)
    play.stage.commit("Configure the rehearsal")


def _production(name: str) -> dict[str, Any]:
    return {
        "initialInstanceCount": 4,
        "capture": {"samplingPercent": 100},
        "rollout": {**SMOOTH, "rollback": "automatic"},
        "alarms": {**ALARMS, "predictionAccuracy": {**ACCURACY, "threshold": ACCURACY_THRESHOLDS[name]}},
    }
