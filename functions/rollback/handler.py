"""SNS → rollback: an alarm of production starts the build that puts the config back to the last known good.

The function decides nothing about versions: the build runs `understudy rollback`, by the same path as every promotion.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from functions.common import environment as env
from functions.common.deployment import Deployment
from functions.rollback.alarm import Alarm, NotAnAlarmError

_REASON_CHARACTERS = 1024
_LIMIT_EXCEEDED = "AccountLimitExceededException"

logger = Logger(service="rollback")


@dataclass(frozen=True)
class RollbackSettings:
    """docs/seams.md, "Functions' environment"."""

    service: str
    stack: str
    project_name: str
    deployment_parameter: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> RollbackSettings:
        """Raises WrongEnvironmentError naming the variable."""
        return cls(
            service=env.text(environment, "SERVICE"),
            stack=env.text(environment, "ENVIRONMENT"),
            project_name=env.text(environment, "PROJECT_NAME"),
            deployment_parameter=env.text(environment, "DEPLOYMENT_PARAMETER"),
        )


@dataclass(frozen=True)
class RollbackMonitor:
    """`ssm` and `codebuild` are boto3 clients."""

    settings: RollbackSettings
    ssm: Any
    codebuild: Any

    def on_alarm(self, alarm: Alarm) -> str | None:
        """The id of the build that was started, or None where the alarm asks for none (the log says why).

        The same state change asks for one build however often it is delivered, and no second one is asked for while
        one is running. Raises what AWS answers, so that SNS's event is tried again and then goes to the function's
        failure destination.
        """
        about = {"alarm": alarm.name, "state": alarm.state, "state_changed_at": alarm.changed_at.isoformat()}
        if alarm.state != "ALARM":
            logger.info("ignored: the alarm did not go off", extra=about)
            return None
        deployment = Deployment.read(self.ssm, self.settings.deployment_parameter)
        about |= {"model_package_arn": deployment.model_package_arn, "deployed_at": deployment.changed_at.isoformat()}
        if alarm.changed_at < deployment.changed_at:
            logger.warning("ignored: the alarm is older than the current deployment, so not about it", extra=about)
            return None
        if deployment.rollback != "automatic":
            logger.warning(f"no rollback: this deployment's mode is {deployment.rollback}", extra=about)
            return None
        try:
            build = self._start_build(alarm)
        except ClientError as error:
            # The project has one build at a time; but the account may be at its own limit with none of ours running.
            if error.response["Error"]["Code"] != _LIMIT_EXCEEDED or not (running := self._running_builds()):
                raise
            logger.warning("already rolling back", extra={**about, "builds": running})
            return None
        logger.warning("rollback started", extra={**about, "build": build, "reason": alarm.reason})
        return build

    def _running_builds(self) -> list[str]:
        """Ids of the project's builds that have not ended, of its latest 100."""
        name = self.settings.project_name
        ids = self.codebuild.list_builds_for_project(projectName=name, sortOrder="DESCENDING").get("ids")
        builds = self.codebuild.batch_get_builds(ids=ids)["builds"] if ids else []
        return [build["id"] for build in builds if build["buildStatus"] == "IN_PROGRESS"]

    def _start_build(self, alarm: Alarm) -> str:
        variables = {
            "SERVICE": self.settings.service,
            "STACK": self.settings.stack,
            "ALARM_NAME": alarm.name,
            "REASON": f"{alarm.name}: {alarm.reason}"[:_REASON_CHARACTERS],
        }
        answer = self.codebuild.start_build(
            projectName=self.settings.project_name,
            environmentVariablesOverride=[
                {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()
            ],
            # The token holds for five minutes; SNS and Lambda deliver again within that.
            idempotencyToken=hashlib.sha256(alarm.key.encode()).hexdigest()[:64],
        )
        return str(answer["build"]["id"])


def messages(event: object) -> list[str]:
    """The messages of an SNS event. Raises NotAnAlarmError."""
    try:
        return [str(record["Sns"]["Message"]) for record in event["Records"]]  # type: ignore[index]
    except (KeyError, TypeError) as error:
        raise NotAnAlarmError(f"expected an event of SNS with Records[].Sns.Message, {error!r} is wrong") from error


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, list[str]]:
    """Lambda's entry point. Answers which builds were started."""
    monitor = RollbackMonitor(
        RollbackSettings.from_environment(os.environ), boto3.client("ssm"), boto3.client("codebuild")
    )
    builds = [monitor.on_alarm(Alarm.parse(message)) for message in messages(event)]
    return {"builds": [build for build in builds if build is not None]}
